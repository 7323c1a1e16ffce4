//! The instructions of `avx512_bf16`. `VDPBF16PS` multiplies pairs of bfloat16 numbers and adds both products to a sum in
//! `f32`: twice the multiply-adds of an `f32` instruction.
//!
//! A product holds sixteen vectors of sums in registers until they are complete: sixteen rows of the left operand times one
//! strip of the right one, or four times four. For each pair along the inner dimension it loads a vector of each strip and
//! multiplies it by a word of each row. [`crate::kernels::bf16`] describes the layouts.
//!
//! Every function that a loop calls is `inline`. Otherwise a build without `--release` moves the sums to memory and back at
//! each call, which takes ten times as long.
//!
//! `unsafe`, because a function compiled for these instructions runs only on a processor that has them, and because masked
//! loads and stores take pointers.
#![allow(unsafe_code)]

mod loops;

use super::layout::{Left, Line, List, NARROW, Part, STRIP};
use std::arch::x86_64::{
    __cpuid, __m512, __m512bh, __m512i, __mmask16, _mm512_add_epi32, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_mask_storeu_ps,
    _mm512_maskz_compress_epi32, _mm512_maskz_loadu_epi32, _mm512_maskz_loadu_ps, _mm512_or_si512,
    _mm512_permutexvar_epi16, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_i32x4,
    _mm512_test_epi32_mask, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

/// The proof that the processor has the instructions.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

#[expect(clippy::unused_self, reason = "it is the proof")]
impl Avx512 {
    /// The proof; `None` if the processor lacks the instructions.
    pub(crate) fn detect() -> Option<Self> {
        let detected = cfg!(feature = "avx512")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bf16");
        detected.then_some(Self(()))
    }

    /// Whether `VDPBF16PS` multiplies twice as many numbers in a cycle as instructions in `f32` do: on AMD's processors. On Intel's
    /// Sapphire Rapids, a step in bfloat16 takes more than a quarter longer than one in `f32`.
    pub(crate) fn multiplies_fast(self) -> bool {
        // SAFETY: every processor with AVX-512 has the instruction.
        #[allow(unused_unsafe, reason = "safe in newer versions than the oldest one that is supported")]
        let vendor = unsafe { __cpuid(0) };
        [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
    }

    /// Rounds up to sixteen rows of `columns` numbers and packs them twice: into tiles, and into the first lines of strips of
    /// columns, which begin `stride` lines apart, as far as they fit. Missing rows are 0.
    pub(crate) fn pack_bf16(
        self,
        from: &[f32],
        columns: usize,
        tiles: &mut [Line],
        strips: &mut [Line],
        stride: usize,
    ) {
        // SAFETY: the processor has the instructions.
        unsafe { pack_bf16(from, columns, tiles, strips, stride) }
    }

    /// Transposes the tiles of sixteen rows into their strip.
    pub(crate) fn transpose_tiles(self, tiles: &[Line], strip: &mut [Line]) {
        // SAFETY: as above.
        unsafe { transpose_tiles(tiles, strip) }
    }

    /// Writes sixteen rows of `from` to sixteen columns of `to`, from column `first` on. `to` has rows of `columns` numbers, one
    /// for each number in a row of `from`.
    pub(crate) fn transpose_into(self, from: &[f32], to: &mut [f32], columns: usize, first: usize) {
        // SAFETY: as above.
        unsafe { transpose_into(from, to, columns, first) }
    }

    /// Lists the pairs that are not 0 in all of the first `rows` rows of tiles; returns their number. `list` needs room for
    /// all pairs and a line.
    pub(crate) fn list_tiles(self, tiles: &[Line], rows: usize, list: &mut [u32]) -> usize {
        // SAFETY: as above.
        unsafe { list_tiles(tiles, rows, list) }
    }

    /// Lists the pairs of each four columns of a strip that are not all 0.
    pub(crate) fn list_columns(self, strip: &[Line], lists: &mut [List; NARROW]) {
        // SAFETY: as above.
        unsafe { list_columns(strip, lists) }
    }

    /// Computes `ROWS` rows of a product, or as many as `out` has, as the sum of its parts. `out` has rows of `columns` numbers.
    /// It takes `STRIPS` strips of the right operand at a time, whose number is a multiple of that.
    pub(crate) fn multiply<'a, L: Left, const ROWS: usize, const STRIPS: usize>(
        self,
        parts: &(impl Iterator<Item = Part<'a>> + Clone),
        columns: usize,
        out: &mut [f32],
    ) {
        // SAFETY: as above.
        unsafe { multiply::<L, ROWS, STRIPS>(parts, columns, out) }
    }
}

/// A mask of a vector's first lanes.
#[inline]
fn lanes(count: usize) -> __mmask16 {
    ((1u32 << count.min(STRIP)) - 1) as __mmask16
}

/// The first sixteen numbers of a slice, filled up with zeros.
#[target_feature(enable = "avx512f")]
#[inline]
fn load(numbers: &[f32]) -> __m512 {
    // SAFETY: the mask selects only lanes within the slice.
    unsafe { _mm512_maskz_loadu_ps(lanes(numbers.len()), numbers.as_ptr()) }
}

/// The same for words.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_words(words: &[u32]) -> __m512i {
    // SAFETY: as above.
    unsafe { _mm512_maskz_loadu_epi32(lanes(words.len()), words.as_ptr().cast()) }
}

/// Stores sixteen words, or as many as fit.
#[target_feature(enable = "avx512f")]
#[inline]
fn store_words(to: &mut [u32], words: __m512i) {
    // SAFETY: the mask selects only words within the slice.
    unsafe { _mm512_mask_storeu_epi32(to.as_mut_ptr().cast(), lanes(to.len()), words) };
}

/// Two vectors in bfloat16, one after the other.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn rounded(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both vectors have the same size, and any bits are a value of either.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
}

/// The order that takes numbers of 16 bits from the low and the high half of a vector in turn.
#[target_feature(enable = "avx512f")]
#[inline]
fn in_turn() -> __m512i {
    let order: [u16; 2 * STRIP] = std::array::from_fn(|i| (i / 2 + i % 2 * STRIP) as u16);
    // SAFETY: the array has sixty-four bytes.
    unsafe { _mm512_loadu_si512(order.as_ptr().cast()) }
}

/// A mask of the words that are not two zeros, of either sign.
#[target_feature(enable = "avx512f")]
#[inline]
fn nonzero(words: __m512i) -> __mmask16 {
    _mm512_test_epi32_mask(words, _mm512_set1_epi32(0x7fff_7fff))
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack_bf16(from: &[f32], columns: usize, tiles: &mut [Line], strips: &mut [Line], stride: usize) {
    let order = in_turn();
    for pair in 0..STRIP / 2 {
        let [even, odd] =
            [2 * pair, 2 * pair + 1].map(|row| from.get(row * columns..(row + 1) * columns).unwrap_or_default());
        for (i, tile) in tiles.chunks_exact_mut(STRIP).enumerate() {
            let block = 2 * STRIP * i..2 * STRIP * (i + 1);
            let (a, b, c, d);
            if let (Some(even), Some(odd)) = (even.get(block.clone()), odd.get(block)) {
                // Whole vectors do not need masks.
                (a, b) = (load(&even[..STRIP]), load(&even[STRIP..]));
                (c, d) = (load(&odd[..STRIP]), load(&odd[STRIP..]));
            } else {
                (a, b) = (load_from(even, 2 * i), load_from(even, 2 * i + 1));
                (c, d) = (load_from(odd, 2 * i), load_from(odd, 2 * i + 1));
            }
            store_words(&mut tile[2 * pair].0, rounded(a, b));
            store_words(&mut tile[2 * pair + 1].0, rounded(c, d));
            if let Some(line) = strips.get_mut(2 * i * stride + pair) {
                store_words(&mut line.0, _mm512_permutexvar_epi16(order, rounded(a, c)));
            }
            if let Some(line) = strips.get_mut((2 * i + 1) * stride + pair) {
                store_words(&mut line.0, _mm512_permutexvar_epi16(order, rounded(b, d)));
            }
        }
    }
}

/// The vector of a row at this index.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_from(row: &[f32], vectors: usize) -> __m512 {
    load(&row[(vectors * STRIP).min(row.len())..])
}

#[target_feature(enable = "avx512f")]
fn transpose_tiles(tiles: &[Line], strip: &mut [Line]) {
    for (tile, lines) in tiles.as_chunks::<STRIP>().0.iter().zip(strip.chunks_mut(STRIP)) {
        let words = transposed(&std::array::from_fn(|row| load_words(&tile[row].0)));
        for (line, words) in lines.iter_mut().zip(words) {
            store_words(&mut line.0, words);
        }
    }
}

#[target_feature(enable = "avx512f")]
fn transpose_into(from: &[f32], to: &mut [f32], columns: usize, first: usize) {
    let rows = from.len() / STRIP;
    for (i, to) in to.chunks_mut(STRIP * columns).enumerate() {
        let numbers = transposed(&std::array::from_fn(|row| {
            _mm512_castps_si512(load(&from[row * rows + i * STRIP..(row + 1) * rows]))
        }));
        for (to, numbers) in to.chunks_exact_mut(columns).zip(numbers) {
            store(&mut to[first..], _mm512_castsi512_ps(numbers));
        }
    }
}

/// The transpose of sixteen rows of sixteen words.
#[target_feature(enable = "avx512f")]
#[inline]
fn transposed(x: &[__m512i; STRIP]) -> [__m512i; STRIP] {
    // Interleave the words of two rows, then of four, of eight, of all.
    let x: [__m512i; STRIP] = std::array::from_fn(|i| {
        let (a, b) = (x[i / 2 * 2], x[i / 2 * 2 + 1]);
        if i % 2 == 0 { _mm512_unpacklo_epi32(a, b) } else { _mm512_unpackhi_epi32(a, b) }
    });
    let x: [__m512i; STRIP] = std::array::from_fn(|i| {
        let (a, b) = (x[i / 4 * 4 + i % 4 / 2], x[i / 4 * 4 + i % 4 / 2 + 2]);
        if i % 2 == 0 { _mm512_unpacklo_epi64(a, b) } else { _mm512_unpackhi_epi64(a, b) }
    });
    let x: [__m512i; STRIP] = std::array::from_fn(|i| {
        let (a, b) = (x[i / 8 * 8 + i % 4], x[i / 8 * 8 + i % 4 + 4]);
        if i % 8 < 4 { _mm512_shuffle_i32x4::<0x44>(a, b) } else { _mm512_shuffle_i32x4::<0xee>(a, b) }
    });
    std::array::from_fn(|i| {
        let (a, b) = (x[i / 8 * 4 + i % 4], x[i / 8 * 4 + i % 4 + 8]);
        if i % 8 < 4 { _mm512_shuffle_i32x4::<0x88>(a, b) } else { _mm512_shuffle_i32x4::<0xdd>(a, b) }
    })
}

#[target_feature(enable = "avx512f")]
fn list_columns(strip: &[Line], lists: &mut [List; NARROW]) {
    let mut counts = [0; NARROW];
    for (pair, line) in strip.iter().enumerate() {
        let mask = nonzero(load_words(&line.0));
        for (i, (list, count)) in lists.iter_mut().zip(&mut counts).enumerate() {
            // Without a branch: a pair of zeros is written as well, and the next pair overwrites it.
            list.pairs[*count] = pair as u32;
            *count += usize::from(mask >> (NARROW * i) & 0xf != 0);
        }
    }
    lists.iter_mut().zip(counts).for_each(|(list, count)| list.count = count);
}

#[target_feature(enable = "avx512f")]
fn list_tiles(tiles: &[Line], rows: usize, list: &mut [u32]) -> usize {
    let mut count = 0;
    let lane: [u32; STRIP] = std::array::from_fn(|i| i as u32);
    for (i, tile) in tiles.chunks(STRIP).enumerate() {
        let words = tile[..rows].iter().map(|line| load_words(&line.0));
        let any = words.fold(_mm512_setzero_si512(), |any, words| _mm512_or_si512(any, words));
        let mask = nonzero(any);
        let numbers = _mm512_add_epi32(load_words(&lane), _mm512_set1_epi32((i * STRIP) as i32));
        store_words(&mut list[count..][..STRIP], _mm512_maskz_compress_epi32(mask, numbers));
        count += mask.count_ones() as usize;
    }
    count
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn multiply<'a, L: Left, const ROWS: usize, const STRIPS: usize>(
    parts: &(impl Iterator<Item = Part<'a>> + Clone),
    columns: usize,
    out: &mut [f32],
) {
    for strip in (0..columns.div_ceil(STRIP)).step_by(STRIPS) {
        let mut sums = [[_mm512_setzero_ps(); STRIPS]; ROWS];
        for Part { left, right, stride, list } in parts.clone() {
            let right = &right[strip * stride..];
            for pair in list {
                let left = &left[L::offset(*pair as usize)..][..=(ROWS - 1) * L::ROW];
                let right: [__m512bh; STRIPS] =
                    std::array::from_fn(|i| pairs_of(load_words(&right[i * stride + *pair as usize].0)));
                // A new array stays in registers in every build. Changes to the old one would not.
                sums = std::array::from_fn(|row| {
                    let left = pairs_of(_mm512_set1_epi32(left[row * L::ROW] as i32));
                    std::array::from_fn(|i| _mm512_dpbf16_ps(sums[row][i], right[i], left))
                });
            }
        }
        for (sums, out) in sums.into_iter().zip(out.chunks_exact_mut(columns)) {
            for (i, sum) in sums.into_iter().enumerate() {
                store(&mut out[(strip + i) * STRIP..], sum);
            }
        }
    }
}

/// Stores sixteen numbers, or as many as fit.
#[target_feature(enable = "avx512f")]
#[inline]
fn store(to: &mut [f32], numbers: __m512) {
    // SAFETY: the mask selects only numbers within the slice.
    unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), lanes(to.len()), numbers) };
}

/// The words of a vector.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn pairs_of(words: __m512i) -> __m512bh {
    // SAFETY: both vectors have the same size, and any bits are a value of either.
    unsafe { std::mem::transmute(words) }
}
