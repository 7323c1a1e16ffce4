//! The inner loops, in vector instructions. Those of products are compiled three times: for AVX2, AVX-VNNI, and AVX-512 with VNNI in
//! vectors of AVX2's width.
//!
//! `unsafe`, because a function compiled for these instructions runs only on a processor that has them.
#![allow(unsafe_code)]

use super::lists::Entry;
use super::operation::{Dense, Left, Listed};
use crate::kernels::layout::{Line, NARROW, STRIP, WIDE};
use pulp::bytemuck::cast;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_cmpeq_epi32, _mm256_dpwssd_avx_epi32, _mm256_dpwssd_epi32, _mm256_madd_epi16,
    _mm256_movemask_ps, _mm256_permute2x128_si256, _mm256_permutevar8x32_epi32, _mm256_unpackhi_epi32,
    _mm256_unpacklo_epi32,
};

/// Words in a vector.
const LANES: usize = 8;
/// Rows of the left operand at a time: with two vectors of sums each, fourteen of the sixteen registers hold sums and the
/// right operand.
const ROWS: usize = 6;
/// The same for what is left. Every even number of rows from 4 on is a sum of both.
const FEW: usize = 4;

/// The instructions that multiply pairs and add both products to a sum; the proof that the processor has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dot(Instructions);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    Avx2,
    AvxVnni,
    Avx512Vnni,
}

impl Dot {
    /// The best instructions of this processor, or `None` without AVX2.
    pub(crate) fn detect() -> Option<Self> {
        Self::all().pop()
    }

    /// All instructions of this processor, the best ones last.
    pub(crate) fn all() -> Vec<Self> {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt");
        let avx512_vnni = is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl");
        let found = [
            (avx2, Instructions::Avx2),
            (avx2 && avx512_vnni && cfg!(feature = "avx512"), Instructions::Avx512Vnni),
            (avx2 && is_x86_feature_detected!("avxvnni"), Instructions::AvxVnni),
        ];
        found.into_iter().filter_map(|(found, instructions)| found.then_some(Self(instructions))).collect()
    }

    pub(super) fn dense(self, product: Dense<'_>) {
        // SAFETY: the processor has the instructions.
        match self.0 {
            Instructions::Avx2 => unsafe { dense_avx2(product) },
            Instructions::AvxVnni => unsafe { dense_avx_vnni(product) },
            Instructions::Avx512Vnni => unsafe { dense_avx512_vnni(product) },
        }
    }

    pub(super) fn listed(self, product: Listed<'_>) {
        // SAFETY: as above.
        match self.0 {
            Instructions::Avx2 => unsafe { listed_avx2(product) },
            Instructions::AvxVnni => unsafe { listed_avx_vnni(product) },
            Instructions::Avx512Vnni => unsafe { listed_avx512_vnni(product) },
        }
    }

    /// Lists the words that are not 0, whole groups of eight, and returns their number. `to` has room for eight more words.
    pub(super) fn list(self, words: &[u32], to: &mut [Entry]) -> usize {
        // SAFETY: the processor has AVX2 with each of them, and `POPCNT`.
        match self.0 {
            Instructions::Avx2 | Instructions::AvxVnni | Instructions::Avx512Vnni => unsafe { list_avx2(words, to) },
        }
    }
}

/// For each mask of eight words: the numbers of those in it, in order.
static NUMBERS: [[u32; LANES]; 256] = {
    let mut numbers = [[0; LANES]; 256];
    let mut mask = 0;
    while mask < numbers.len() {
        let (mut i, mut count) = (0, 0);
        while i < LANES {
            if mask >> i & 1 == 1 {
                numbers[mask][count] = i as u32;
                count += 1;
            }
            i += 1;
        }
        mask += 1;
    }
    numbers
};

/// Without a branch: the words of each group are moved to its front, and the next group overwrites the others.
#[target_feature(enable = "avx2,popcnt")]
fn list_avx2(words: &[u32], to: &mut [Entry]) -> usize {
    let mut end = 0;
    for (i, words) in words.as_chunks::<LANES>().0.iter().enumerate() {
        let words: __m256i = cast(*words);
        let zeros = _mm256_movemask_ps(cast(_mm256_cmpeq_epi32(words, cast([0u32; LANES]))));
        let mask = zeros as usize & 0xff ^ 0xff;
        let numbers: __m256i = cast(NUMBERS[mask]);
        let words = _mm256_permutevar8x32_epi32(words, numbers);
        let numbers = _mm256_add_epi32(numbers, cast([(i * LANES) as u32; LANES]));
        let halves = [_mm256_unpacklo_epi32(numbers, words), _mm256_unpackhi_epi32(numbers, words)];
        let entries = [
            _mm256_permute2x128_si256::<0x20>(halves[0], halves[1]),
            _mm256_permute2x128_si256::<0x31>(halves[0], halves[1]),
        ];
        *to[end..].first_chunk_mut::<LANES>().expect("room for eight more words") = cast(entries);
        end += mask.count_ones() as usize;
    }
    end
}

#[target_feature(enable = "avx2")]
fn dense_avx2(product: Dense<'_>) {
    dense(product, |sum, a, b| _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)));
}

#[target_feature(enable = "avx2,avxvnni")]
fn dense_avx_vnni(product: Dense<'_>) {
    dense(product, |sum, a, b| _mm256_dpwssd_avx_epi32(sum, a, b));
}

#[target_feature(enable = "avx2,avx512vnni,avx512vl")]
fn dense_avx512_vnni(product: Dense<'_>) {
    dense(product, |sum, a, b| _mm256_dpwssd_epi32(sum, a, b));
}

#[target_feature(enable = "avx2")]
fn listed_avx2(product: Listed<'_>) {
    listed(product, |sum, a, b| _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)));
}

#[target_feature(enable = "avx2,avxvnni")]
fn listed_avx_vnni(product: Listed<'_>) {
    listed(product, |sum, a, b| _mm256_dpwssd_avx_epi32(sum, a, b));
}

#[target_feature(enable = "avx2,avx512vnni,avx512vl")]
fn listed_avx512_vnni(product: Listed<'_>) {
    listed(product, |sum, a, b| _mm256_dpwssd_epi32(sum, a, b));
}

/// Adds the products of two vectors of pairs to a vector of sums.
trait AddDot: Fn(__m256i, __m256i, __m256i) -> __m256i + Copy {}
impl<D: Fn(__m256i, __m256i, __m256i) -> __m256i + Copy> AddDot for D {}

/// Sums of some rows with sixteen columns.
type Sums<const N: usize> = [[__m256i; 2]; N];

#[inline(always)]
fn dense(mut product: Dense<'_>, dot: impl AddDot) {
    let rows = product.row_units.len();
    let mut first = 0;
    while first < rows {
        let rest = rows - first;
        if rest > 8 || rest.is_multiple_of(ROWS) {
            some_rows::<ROWS>(&mut product, first, dot);
            first += ROWS;
        } else {
            some_rows::<FEW>(&mut product, first, dot);
            first += FEW;
        }
    }
}

/// Computes `N` rows from `first` on, as far as there are any.
#[inline(always)]
fn some_rows<const N: usize>(product: &mut Dense<'_>, first: usize, dot: impl AddDot) {
    let Dense { left, right, row_units, column_units, out, stride, columns, add } = product;
    let sums = sums::<N>(*left, [first, row_units.len()], right, dot);
    let rows = row_units[first..].iter().zip(out[first * *stride..].chunks_mut(*stride));
    for (sums, (unit, out)) in sums.into_iter().zip(rows) {
        let sums: [i32; STRIP] = cast(sums);
        let mut numbers = [0.0; STRIP];
        for i in 0..STRIP {
            numbers[i] = sums[i] as f32 * unit * column_units[i];
        }
        if *columns >= STRIP {
            let out: &mut [f32; STRIP] = out.first_chunk_mut().expect("whole rows");
            if *add {
                for i in 0..STRIP {
                    numbers[i] += out[i];
                }
            }
            *out = numbers;
        } else {
            for (out, number) in out[..*columns].iter_mut().zip(numbers) {
                *out = if *add { *out + number } else { number };
            }
        }
    }
}

/// The sums of `N` rows from `first` on. Rows beyond the last one are any of the others.
#[inline(always)]
fn sums<const N: usize>(left: Left<'_>, [first, rows]: [usize; 2], right: &[Line], dot: impl AddDot) -> Sums<N> {
    let mut sums: Sums<N> = [[cast([0u32; LANES]); 2]; N];
    match left {
        Left::Rows(words, stride) => {
            let rows: [&[u32]; N] =
                std::array::from_fn(|i| &words[(first + i).min(rows - 1) * stride..][..right.len()]);
            for (pair, line) in right.iter().enumerate() {
                add_row(&mut sums, line, std::array::from_fn(|i| rows[i][pair]), dot);
            }
        }
        Left::Strip(words) => {
            let (lines, _) = words[first..][..right.len() * STRIP].as_chunks::<STRIP>();
            for (words, line) in lines.iter().zip(right) {
                add_row(&mut sums, line, std::array::from_fn(|i| words[i]), dot);
            }
        }
    }
    sums
}

/// Adds the products of a pair of each row with a pair of each column.
#[inline(always)]
fn add_row<const N: usize>(sums: &mut Sums<N>, line: &Line, words: [u32; N], dot: impl AddDot) {
    let right: [__m256i; 2] = cast(line.0);
    for (sums, word) in sums.iter_mut().zip(words) {
        let left = cast([word; LANES]);
        *sums = [dot(sums[0], right[0], left), dot(sums[1], right[1], left)];
    }
}

#[inline(always)]
fn listed(product: Listed<'_>, dot: impl AddDot) {
    let Listed { lists, block, rows, right, column_units, out, stride, add } = product;
    for (list, out) in lists.block(block, rows).zip(out.chunks_mut(stride)) {
        let sums: [i32; WIDE] = cast(listed_sums(list, right, dot));
        let out = out.first_chunk_mut::<WIDE>().expect("64 columns");
        for i in 0..WIDE {
            let number = sums[i] as f32 * column_units[i];
            out[i] = if add { out[i] + number } else { number };
        }
    }
}

#[inline(always)]
fn listed_sums(list: &[Entry], right: &[[Line; NARROW]], dot: impl AddDot) -> [__m256i; 2 * NARROW] {
    let mut sums = [cast([0u32; LANES]); 2 * NARROW];
    for [pair, word] in list {
        let left: __m256i = cast([*word; LANES]);
        let lines = &right[*pair as usize];
        for (i, line) in lines.iter().enumerate() {
            let right: [__m256i; 2] = cast(line.0);
            sums[2 * i] = dot(sums[2 * i], right[0], left);
            sums[2 * i + 1] = dot(sums[2 * i + 1], right[1], left);
        }
    }
    sums
}
