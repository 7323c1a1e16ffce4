//! Products with operands rounded to bfloat16 and sums in `f32`, for machines that have them (`avx512_bf16`): twice the
//! multiply-adds an instruction.
//!
//! `VDPBF16PS` multiplies pairs: a word holds two neighbours along the inner dimension. Both operands are written as
//! strips of sixteen rows of the left, sixteen columns of the right:
//!
//! ```text
//! strips[outer / 16][inner / 2][16] words
//! ```
//!
//! A strip of each gives 16 × 16 results, which stay in registers until they are done: for each pair along the inner
//! dimension one vector of the right is loaded, and multiplied by the sixteen words of the left.
//!
//! Pairs that are 0 in all of a strip are passed over: two fifths of a strip of digits.

use super::{Buffer, View};
use crate::transpose::transpose;
use pulp::Arch;
use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_add_ps, _mm512_castps_si512, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps,
    _mm512_loadu_ps, _mm512_permutexvar_epi16, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    _mm512_test_epi32_mask,
};
use std::mem::transmute;

/// Rows or columns in a strip: numbers in a vector.
const STRIP: usize = 16;

/// What a product needs beside its operands.
#[derive(Default)]
pub(super) struct Scratch {
    left: Strips,
    right: Strips,
    rounded: Buffer,
}

/// An operand; words are in the bits of an `f32`.
#[derive(Default)]
struct Strips {
    words: Buffer,
    /// Room for all pairs of each strip, those first that are not 0 in all of it.
    pairs: Vec<u32>,
    /// How many these are.
    counts: Vec<usize>,
}

/// Whether the machine has these instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512bf16")
}

/// `out = left · right`, or that added to `out`, where `left` has `inner` columns and `right` has `columns`; false, and
/// nothing done, where the machine cannot or the operands are not whole strips.
#[expect(clippy::too_many_arguments, reason = "two matrices, their shapes, room for what is made of them")]
pub(super) fn multiply(
    arch: Arch,
    scratch: &mut Scratch,
    left: View<'_>,
    inner: usize,
    right: View<'_>,
    columns: usize,
    out: &mut [f32],
    add: bool,
) -> bool {
    let rows = out.len() / columns;
    let strips = [rows, columns].map(|n| n > 0 && n.is_multiple_of(STRIP)) == [true; 2];
    if !(strips && inner > 0 && inner.is_multiple_of(2) && available()) {
        return false;
    }
    let Scratch { left: left_strips, right: right_strips, rounded } = scratch;
    // SAFETY: the machine has these instructions.
    unsafe {
        left_strips.cut(arch, left.transposed(), rows, inner, rounded);
        right_strips.cut(arch, right, columns, inner, rounded);
        tiles(left_strips, right_strips, inner / 2, columns, out, add);
    }
    true
}

impl Strips {
    /// The strips of a matrix of `outer` columns, of which each is one of the strips' rows or columns.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn cut(&mut self, arch: Arch, matrix: View<'_>, outer: usize, inner: usize, rounded: &mut Buffer) {
        let size = STRIP * inner / 2;
        let words = self.words.numbers(outer * inner / 2);
        if matrix.strides[1] == 1 {
            interleave(matrix.numbers, matrix.strides[0], inner / 2, words);
        } else {
            assert_eq!(matrix.strides, [1, inner], "the transpose of a row-major matrix");
            let rounded = rounded.numbers(size);
            for (from, to) in matrix.numbers.chunks_exact(2 * size).zip(words.chunks_exact_mut(size)) {
                round(from, rounded);
                transpose(arch, rounded, inner / 2, to);
            }
        }
        self.pairs.resize(self.pairs.len().max(outer / STRIP * inner / 2), 0);
        self.counts.clear();
        for (words, pairs) in words.chunks_exact(size).zip(self.pairs.chunks_exact_mut(inner / 2)) {
            self.counts.push(list(words, pairs));
        }
    }

    /// Each strip, and its pairs that are not 0 in all of it.
    fn iter(&self, pairs: usize) -> impl Iterator<Item = (&[[f32; STRIP]], &[u32])> {
        let strips = self.words.all().as_chunks::<STRIP>().0.chunks_exact(pairs);
        strips
            .zip(self.pairs.chunks_exact(pairs))
            .zip(&self.counts)
            .map(|((strip, pairs), count)| (strip, &pairs[..*count]))
    }
}

/// Writes down which pairs of a strip are not all 0, of either sign; returns how many.
#[target_feature(enable = "avx512f")]
fn list(strip: &[f32], pairs: &mut [u32]) -> usize {
    let digits = _mm512_set1_epi32(0x7fff_7fff);
    let mut count = 0;
    for (pair, words) in strip.as_chunks::<STRIP>().0.iter().enumerate() {
        // No branch: one that is 0 is written as well, and the next over it.
        pairs[count] = pair as u32;
        count += usize::from(_mm512_test_epi32_mask(_mm512_castps_si512(load(words)), digits) != 0);
    }
    count
}

/// Each number in bfloat16, two to a word.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn round(from: &[f32], to: &mut [f32]) {
    for (from, to) in from.as_chunks::<{ 2 * STRIP }>().0.iter().zip(to.as_chunks_mut::<STRIP>().0) {
        let [low, high] = [0, 1].map(|i| &from.as_chunks::<STRIP>().0[i]);
        // SAFETY: vectors of one size, of which any bits are a value.
        *to = unsafe { transmute::<__m512bh, [f32; STRIP]>(_mm512_cvtne2ps_pbh(load(high), load(low))) };
    }
}

/// The strips of the columns of a row-major matrix: pairs of rows, which begin `stride` numbers apart.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn interleave(from: &[f32], stride: usize, pairs: usize, to: &mut [f32]) {
    // From the low and the high half in turn.
    let order: [u16; 2 * STRIP] = std::array::from_fn(|i| (i / 2 + i % 2 * STRIP) as u16);
    for (strip, to) in to.chunks_exact_mut(STRIP * pairs).enumerate() {
        for (pair, to) in to.as_chunks_mut::<STRIP>().0.iter_mut().enumerate() {
            let [even, odd] = [0, 1].map(|i| &from[(2 * pair + i) * stride + STRIP * strip..].as_chunks().0[0]);
            let rounded = _mm512_cvtne2ps_pbh(load(odd), load(even));
            // SAFETY: vectors of one size, of which any bits are a value.
            *to = unsafe {
                let (rounded, order) =
                    (transmute::<__m512bh, __m512i>(rounded), transmute::<[u16; 32], __m512i>(order));
                transmute::<__m512i, [f32; STRIP]>(_mm512_permutexvar_epi16(order, rounded))
            };
        }
    }
}

/// The product of all strips, or that added to `out`, which has rows of `columns` numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn tiles(left: &Strips, right: &Strips, pairs: usize, columns: usize, out: &mut [f32], add: bool) {
    for ((left, some), out) in left.iter(pairs).zip(out.chunks_exact_mut(STRIP * columns)) {
        for (strip, (right, others)) in right.iter(pairs).enumerate() {
            let mut sums = [_mm512_setzero_ps(); STRIP];
            for pair in if some.len() < others.len() { some } else { others } {
                let (left, right) = (&left[*pair as usize], pairs_of(load(&right[*pair as usize])));
                // A new array, not changes to the old one: that stays in registers whatever the build.
                sums = std::array::from_fn(|i| _mm512_dpbf16_ps(sums[i], right, pairs_of(_mm512_set1_ps(left[i]))));
            }
            for (sum, out) in sums.into_iter().zip(out.chunks_exact_mut(columns)) {
                let out = &mut out.as_chunks_mut().0[strip];
                let sum = if add { _mm512_add_ps(load(out), sum) } else { sum };
                // SAFETY: there is room for sixteen numbers.
                unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sum) };
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
fn load(numbers: &[f32; STRIP]) -> __m512 {
    // SAFETY: there are sixteen numbers.
    unsafe { _mm512_loadu_ps(numbers.as_ptr()) }
}

/// The words of a vector.
#[target_feature(enable = "avx512f,avx512bf16")]
fn pairs_of(words: __m512) -> __m512bh {
    // SAFETY: vectors of one size, of which any bits are a value.
    unsafe { transmute(words) }
}
