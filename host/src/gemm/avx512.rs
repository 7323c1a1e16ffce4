//! The instructions of `avx512_bf16`. `VDPBF16PS` multiplies pairs of bfloat16 numbers and adds both products to a sum in
//! `f32`: twice the multiply-adds of an `f32` instruction.
//!
//! In a product, sixteen vectors of sums stay in registers until they are done: sixteen rows of the left times one strip of
//! the right, or four times four. For each pair along the inner dimension a vector of each strip is loaded, and
//! multiplied by a word of each row. The layouts: [`crate::bfloat16`].
//!
//! What a loop calls is `inline`: a build without `--release` would call it where it lies in another part of the crate, and
//! the sums would go to memory and back at each call, for ten times as long.

mod loops;

use crate::bfloat16::{Left, Line, List, NARROW, Part, STRIP, pairs};
use std::arch::x86_64::{
    __m512, __m512bh, __m512i, __mmask16, _mm512_add_epi32, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_mask_storeu_ps,
    _mm512_maskz_compress_epi32, _mm512_maskz_loadu_epi32, _mm512_maskz_loadu_ps, _mm512_or_si512,
    _mm512_permutexvar_epi16, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_i32x4,
    _mm512_test_epi32_mask, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

/// The processor has the instructions.
#[derive(Clone, Copy, Debug)]
pub struct Bfloat16(());

#[expect(clippy::unused_self, reason = "it is the proof")]
impl Bfloat16 {
    /// Where it has.
    pub(crate) fn detect() -> Option<Self> {
        let detected = is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bf16");
        detected.then_some(Self(()))
    }

    /// Rounds sixteen rows of `columns` numbers and writes them down twice: as rows, and as the first lines of strips of
    /// columns, which begin `stride` lines apart, where there is room. Rows that `from` has fewer are 0.
    pub(crate) fn cut(self, from: &[f32], columns: usize, rows: &mut [u32], strips: &mut [Line], stride: usize) {
        // SAFETY: the processor has the instructions.
        unsafe { cut(from, columns, rows, strips, stride) }
    }

    /// The strip of sixteen rows.
    pub(crate) fn transpose(self, rows: &[u32], strip: &mut [Line]) {
        // SAFETY: as above.
        unsafe { transpose(rows, strip) }
    }

    /// Sixteen columns of `to`, which has rows of `columns` numbers, from `first` on: sixteen rows of `from`, which are as
    /// long as `to` has rows.
    pub(crate) fn transpose_into(self, from: &[f32], to: &mut [f32], columns: usize, first: usize) {
        // SAFETY: as above.
        unsafe { transpose_into(from, to, columns, first) }
    }

    /// Lists the pairs of some rows that are not all 0; returns how many.
    pub(crate) fn list_rows(self, rows: &[u32], pairs: usize, list: &mut [u32]) -> usize {
        // SAFETY: as above.
        unsafe { list_rows(rows, pairs, list) }
    }

    /// Lists the pairs of each four columns of a strip that are not all 0.
    pub(crate) fn list_columns(self, strip: &[Line], lists: &mut [List; NARROW]) {
        // SAFETY: as above.
        unsafe { list_columns(strip, lists) }
    }

    /// `ROWS` rows of a product, the sum of its parts: `out` has rows of `columns` numbers, or fewer rows. Of the right,
    /// `STRIPS` strips at a time, of which there are a multiple.
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

/// Of a vector's lanes, the first so many.
#[inline]
fn lanes(count: usize) -> __mmask16 {
    ((1u32 << count.min(STRIP)) - 1) as __mmask16
}

/// The first numbers of a slice, and zeros where there are fewer than sixteen.
#[target_feature(enable = "avx512f")]
#[inline]
fn load(numbers: &[f32]) -> __m512 {
    // SAFETY: only lanes that there are numbers for are read.
    unsafe { _mm512_maskz_loadu_ps(lanes(numbers.len()), numbers.as_ptr()) }
}

/// The same of words.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_words(words: &[u32]) -> __m512i {
    // SAFETY: as above.
    unsafe { _mm512_maskz_loadu_epi32(lanes(words.len()), words.as_ptr().cast()) }
}

/// Sixteen words, or as many as there is room for.
#[target_feature(enable = "avx512f")]
#[inline]
fn store_words(to: &mut [u32], words: __m512i) {
    // SAFETY: only words that there is room for are written.
    unsafe { _mm512_mask_storeu_epi32(to.as_mut_ptr().cast(), lanes(to.len()), words) };
}

/// Two vectors in bfloat16, one behind the other.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn rounded(low: __m512, high: __m512) -> __m512i {
    // SAFETY: vectors of one size, of which any bits are a value.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
}

/// The order that takes numbers of 16 bits from the low and the high half of a vector in turn.
#[target_feature(enable = "avx512f")]
#[inline]
fn in_turn() -> __m512i {
    let order: [u16; 2 * STRIP] = std::array::from_fn(|i| (i / 2 + i % 2 * STRIP) as u16);
    // SAFETY: sixty-four bytes.
    unsafe { _mm512_loadu_si512(order.as_ptr().cast()) }
}

/// Those of the words that are not two zeros, of either sign.
#[target_feature(enable = "avx512f")]
#[inline]
fn nonzero(words: __m512i) -> __mmask16 {
    _mm512_test_epi32_mask(words, _mm512_set1_epi32(0x7fff_7fff))
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn cut(from: &[f32], columns: usize, rows: &mut [u32], strips: &mut [Line], stride: usize) {
    let order = in_turn();
    for (pair, rows) in rows.chunks_exact_mut(2 * pairs(columns)).enumerate() {
        let [even, odd] =
            [2 * pair, 2 * pair + 1].map(|row| from.get(row * columns..(row + 1) * columns).unwrap_or_default());
        let (even_words, odd_words) = rows.split_at_mut(pairs(columns));
        let words = even_words.chunks_mut(STRIP).zip(odd_words.chunks_mut(STRIP));
        for (i, (even_words, odd_words)) in words.enumerate() {
            let block = 2 * STRIP * i..2 * STRIP * (i + 1);
            let (a, b, c, d);
            if let (Some(even), Some(odd)) = (even.get(block.clone()), odd.get(block)) {
                // Whole vectors: no masks to be made.
                (a, b) = (load(&even[..STRIP]), load(&even[STRIP..]));
                (c, d) = (load(&odd[..STRIP]), load(&odd[STRIP..]));
                store_words(&mut even_words[..STRIP], rounded(a, b));
                store_words(&mut odd_words[..STRIP], rounded(c, d));
            } else {
                (a, b) = (load_from(even, 2 * i), load_from(even, 2 * i + 1));
                (c, d) = (load_from(odd, 2 * i), load_from(odd, 2 * i + 1));
                store_words(even_words, rounded(a, b));
                store_words(odd_words, rounded(c, d));
            }
            if let Some(line) = strips.get_mut(2 * i * stride + pair) {
                store_words(&mut line.0, _mm512_permutexvar_epi16(order, rounded(a, c)));
            }
            if let Some(line) = strips.get_mut((2 * i + 1) * stride + pair) {
                store_words(&mut line.0, _mm512_permutexvar_epi16(order, rounded(b, d)));
            }
        }
    }
}

/// The vector of a row that begins with so many others.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_from(row: &[f32], vectors: usize) -> __m512 {
    load(&row[(vectors * STRIP).min(row.len())..])
}

#[target_feature(enable = "avx512f")]
fn transpose(rows: &[u32], strip: &mut [Line]) {
    let pairs = rows.len() / STRIP;
    for (i, lines) in strip.chunks_mut(STRIP).enumerate() {
        let words =
            transposed(&std::array::from_fn(|row| load_words(&rows[row * pairs + i * STRIP..(row + 1) * pairs])));
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
    // Words of two rows together, of four, of eight, of all.
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
            // No branch: one that is 0 is written as well, and the next over it.
            list.pairs[*count] = pair as u32;
            *count += usize::from(mask >> (NARROW * i) & 0xf != 0);
        }
    }
    lists.iter_mut().zip(counts).for_each(|(list, count)| list.count = count);
}

#[target_feature(enable = "avx512f")]
fn list_rows(rows: &[u32], pairs: usize, list: &mut [u32]) -> usize {
    let mut count = 0;
    let lane: [u32; STRIP] = std::array::from_fn(|i| i as u32);
    for first in (0..pairs).step_by(STRIP) {
        let words = rows.chunks_exact(pairs).map(|row| load_words(&row[first..]));
        let any = words.fold(_mm512_setzero_si512(), |any, words| _mm512_or_si512(any, words));
        let mask = nonzero(any);
        let numbers = _mm512_add_epi32(load_words(&lane), _mm512_set1_epi32(first as i32));
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
                let left = &left[*pair as usize * L::PAIR..][..=(ROWS - 1) * L::ROW];
                let right: [__m512bh; STRIPS] =
                    std::array::from_fn(|i| pairs_of(load_words(&right[i * stride + *pair as usize].0)));
                // A new array, not changes to the old one: that stays in registers whatever the build.
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

/// Sixteen numbers, or as many as there is room for.
#[target_feature(enable = "avx512f")]
#[inline]
fn store(to: &mut [f32], numbers: __m512) {
    // SAFETY: only numbers that there is room for are written.
    unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), lanes(to.len()), numbers) };
}

/// The words of a vector.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn pairs_of(words: __m512i) -> __m512bh {
    // SAFETY: vectors of one size, of which any bits are a value.
    unsafe { std::mem::transmute(words) }
}
