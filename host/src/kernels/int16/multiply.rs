//! The inner loops, in vector instructions. Those of products are compiled three times: for AVX2, for AVX-VNNI, and for AVX-512 with
//! VNNI, where a vector has as many words as a line.
//!
//! `unsafe`, because a function compiled for these instructions runs only on a processor that has them.
#![allow(unsafe_code)]

use super::lists::Entry;
use super::operation::{Dense, Left, Listed};
use crate::kernels::layout::{Line, NARROW, STRIP, WIDE};
use pulp::bytemuck::{Pod, cast};
use std::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_cmpeq_epi32, _mm256_dpwssd_avx_epi32, _mm256_madd_epi16,
    _mm256_movemask_ps, _mm256_permute2x128_si256, _mm256_permutevar8x32_epi32, _mm256_unpackhi_epi32,
    _mm256_unpacklo_epi32, _mm512_dpwssd_epi32,
};

/// Words in a vector of AVX2.
const LANES: usize = 8;

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
        let avx512_vnni = is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512f");
        let found = [
            (avx2, Instructions::Avx2),
            (avx2 && is_x86_feature_detected!("avxvnni"), Instructions::AvxVnni),
            (avx2 && avx512_vnni && cfg!(feature = "avx512"), Instructions::Avx512Vnni),
        ];
        found.into_iter().filter_map(|(found, instructions)| found.then_some(Self(instructions))).collect()
    }

    /// Whether an instruction multiplies 32 numbers, twice as many as one of AVX-512 in `f32`.
    pub(super) fn has_avx512(self) -> bool {
        self.0 == Instructions::Avx512Vnni
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
    #[expect(clippy::unused_self, reason = "it is the proof")]
    pub(super) fn list(self, words: &[u32], to: &mut [Entry]) -> usize {
        // SAFETY: the processor has AVX2 with each of the instructions, and `POPCNT`.
        unsafe { list_avx2(words, to) }
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
    dense::<_, 6, 4>(product, in_halves(|sum, a, b| _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))));
}

#[target_feature(enable = "avx2,avxvnni")]
fn dense_avx_vnni(product: Dense<'_>) {
    dense::<_, 6, 4>(product, in_halves(|sum, a, b| _mm256_dpwssd_avx_epi32(sum, a, b)));
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn dense_avx512_vnni(product: Dense<'_>) {
    dense::<_, 16, 8>(product, |sum: __m512i, line, word| _mm512_dpwssd_epi32(sum, cast(line.0), cast([word; STRIP])));
}

#[target_feature(enable = "avx2")]
fn listed_avx2(product: Listed<'_>) {
    listed(product, in_halves(|sum, a, b| _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))));
}

#[target_feature(enable = "avx2,avxvnni")]
fn listed_avx_vnni(product: Listed<'_>) {
    listed(product, in_halves(|sum, a, b| _mm256_dpwssd_avx_epi32(sum, a, b)));
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn listed_avx512_vnni(product: Listed<'_>) {
    listed(product, |sum: __m512i, line, word| _mm512_dpwssd_epi32(sum, cast(line.0), cast([word; STRIP])));
}

/// Adds the products of a word with the words of a line to their sixteen sums, which are in one vector or in two.
trait AddDot<S>: Fn(S, &Line, u32) -> S + Copy {}
impl<S, D: Fn(S, &Line, u32) -> S + Copy> AddDot<S> for D {}

/// Sixteen sums in vectors of eight.
type Halves = [__m256i; 2];

#[inline(always)]
fn in_halves(dot: impl Fn(__m256i, __m256i, __m256i) -> __m256i + Copy) -> impl AddDot<Halves> {
    move |sums, line, word| {
        let (right, left): (Halves, _) = (cast(line.0), cast([word; LANES]));
        [dot(sums[0], right[0], left), dot(sums[1], right[1], left)]
    }
}

/// Takes `ROWS` rows of the left operand at a time, whose sums fill the registers, or `FEW` where that computes fewer rows in all.
#[inline(always)]
fn dense<S: Pod, const ROWS: usize, const FEW: usize>(mut product: Dense<'_>, dot: impl AddDot<S>) {
    let rows = product.row_units.len();
    let mut first = 0;
    while first < rows {
        let rest = rows - first;
        if rest > 2 * FEW || (FEW < rest && rest <= ROWS) {
            some_rows::<S, ROWS>(&mut product, first, dot);
            first += ROWS;
        } else {
            some_rows::<S, FEW>(&mut product, first, dot);
            first += FEW;
        }
    }
}

/// Computes `N` rows from `first` on, as far as there are any.
#[inline(always)]
fn some_rows<S: Pod, const N: usize>(product: &mut Dense<'_>, first: usize, dot: impl AddDot<S>) {
    let Dense { left, right, row_units, column_units, out, stride, columns, add } = product;
    let sums = sums::<S, N>(*left, [first, row_units.len()], right, dot);
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
fn sums<S: Pod, const N: usize>(
    left: Left<'_>,
    [first, rows]: [usize; 2],
    right: &[Line],
    dot: impl AddDot<S>,
) -> [S; N] {
    let mut sums = [cast([0u32; STRIP]); N];
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
fn add_row<S: Copy, const N: usize>(sums: &mut [S; N], line: &Line, words: [u32; N], dot: impl AddDot<S>) {
    for (sums, word) in sums.iter_mut().zip(words) {
        *sums = dot(*sums, line, word);
    }
}

#[inline(always)]
fn listed<S: Pod>(product: Listed<'_>, dot: impl AddDot<S>) {
    let Listed { lists, block, rows, right, column_units, out, stride, add } = product;
    for (list, out) in lists.block(block, rows).zip(out.chunks_mut(stride)) {
        let sums = listed_sums(list, right, dot).map(cast::<S, [i32; STRIP]>);
        let out = out.first_chunk_mut::<WIDE>().expect("64 columns");
        for (i, sum) in sums.as_flattened().iter().enumerate() {
            let number = *sum as f32 * column_units[i];
            out[i] = if add { out[i] + number } else { number };
        }
    }
}

#[inline(always)]
fn listed_sums<S: Pod>(list: &[Entry], right: &[[Line; NARROW]], dot: impl AddDot<S>) -> [S; NARROW] {
    let mut sums = [cast([0u32; STRIP]); NARROW];
    for [pair, word] in list {
        for (sums, line) in sums.iter_mut().zip(&right[*pair as usize]) {
            *sums = dot(*sums, line, *word);
        }
    }
    sums
}
