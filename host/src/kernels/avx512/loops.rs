//! The two loops of a training step besides the products. They use AVX-512's approximations of `1/x` and `1/√x` to 14 bits,
//! which are as fast as a multiplication. A division takes six times as long, and a root ten times.

use super::{Avx512, in_turn, load, load_words, rounded, store, store_words};
use crate::kernels::adam::AdamStep;
use crate::kernels::layout::{Line, STRIP};
use std::arch::x86_64::{
    __m512, __m512i, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T0, _mm_prefetch, _mm512_add_ps,
    _mm512_and_si512, _mm512_castsi512_ps, _mm512_fmadd_ps, _mm512_fmsub_ps, _mm512_fnmadd_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_permutexvar_epi16, _mm512_rcp14_ps, _mm512_reduce_add_ps, _mm512_reduce_ps,
    _mm512_rsqrt14_ps, _mm512_scalef_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32,
    _mm512_sub_ps,
};
use std::f32::consts::{LN_2, LOG2_E};

#[expect(clippy::unused_self, reason = "it is the proof")]
impl Avx512 {
    /// `y = 1 / (1 + e^-(y + b))`, within 2e-7 of the true value. A NaN stays a NaN.
    pub(crate) fn sigmoid(self, y: &mut [f32], b: &[f32]) {
        // SAFETY: the processor has the instructions.
        unsafe { sigmoid(y, b) }
    }

    /// Updates a row of weights `w`, whose gradient is `dw - db·c`, with Adam; returns `Σ steps·c`. An empty `c` means zeros.
    pub(crate) fn adam(
        self,
        step: AdamStep,
        (w, moments): (&mut [f32], &mut [Line]),
        (dw, db): (&[f32], f32),
        c: &[f32],
    ) -> f32 {
        // SAFETY: as above.
        unsafe { adam(step, w, moments, dw, db, c) }
    }
}

#[target_feature(enable = "avx512f,avx512dq")]
fn sigmoid(y: &mut [f32], b: &[f32]) {
    let ((y, y_rest), (b, b_rest)) = (y.as_chunks_mut::<STRIP>(), b.as_chunks::<STRIP>());
    for (y, b) in y.iter_mut().zip(b) {
        let z = _mm512_add_ps(load(y), load(b));
        store(y, sigmoids(z));
    }
    if !y_rest.is_empty() {
        let z = _mm512_add_ps(load(y_rest), load(b_rest));
        store(y_rest, sigmoids(z));
    }
}

/// `e^-z = 2^t = 2^n · 2^f` with `n = round(t)`, and `2^f = 1 + f·q(f)`, where `q` is the polynomial that begins with `ln 2`
/// and makes the largest relative error least: 1.06e-7. `t` is rounded, so that the relative error grows with `z`; the absolute
/// error of the sigmoid does not.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn sigmoids(z: __m512) -> __m512 {
    const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    const Q: [f32; 5] = [LN_2, 0.240_222_83, 0.055_505_585, 0.009_669_691, 0.001_330_060_5];
    let one = _mm512_set1_ps(1.0);
    // Newton's step would turn an infinity into a NaN. Given a number and a NaN in this order, `min` returns the NaN.
    let t = _mm512_min_ps(_mm512_set1_ps(126.0), _mm512_mul_ps(z, _mm512_set1_ps(-LOG2_E)));
    let f = _mm512_reduce_ps::<NEAREST>(t);
    let [q0, q1, q2, q3, q4] = Q.map(|q| _mm512_set1_ps(q));
    let q = _mm512_fmadd_ps(_mm512_fmadd_ps(_mm512_fmadd_ps(_mm512_fmadd_ps(q4, f, q3), f, q2), f, q1), f, q0);
    let e = _mm512_scalef_ps(_mm512_fmadd_ps(q, f, one), _mm512_sub_ps(t, f));
    // The reciprocal to 14 bits, then one step of Newton's method.
    let d = _mm512_add_ps(one, e);
    let y = _mm512_rcp14_ps(d);
    _mm512_fmadd_ps(y, _mm512_fnmadd_ps(d, y, one), y)
}

/// Prefetches the line one page ahead, in this row or in a later one. The processor's own prefetching stops at the end of a page.
#[inline]
fn fetch_ahead(line: *const i8) {
    const PAGE: usize = 4096;
    // SAFETY: it is a hint, for which any address is allowed.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.wrapping_add(PAGE)) };
}

/// A step of Adam, with each of its numbers in all lanes of a vector.
struct Adam {
    first: __m512,
    second: __m512,
    ahead: __m512,
    rate: __m512,
    epsilon: __m512,
    db: __m512,
    /// The order of [`in_turn`].
    order: __m512i,
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn adam(step: AdamStep, w: &mut [f32], moments: &mut [Line], dw: &[f32], db: f32, c: &[f32]) -> f32 {
    let AdamStep { first, second, ahead, rate, epsilon } = step;
    let [first, second, ahead, rate, epsilon, db] =
        [first, second, ahead, rate, epsilon, db].map(|number| _mm512_set1_ps(number));
    let adam = Adam { first, second, ahead, rate, epsilon, db, order: in_turn() };
    let mut sum = _mm512_setzero_ps();
    let ((w, w_rest), (dw, dw_rest), (c, c_rest)) =
        (w.as_chunks_mut::<STRIP>(), dw.as_chunks::<STRIP>(), c.as_chunks::<STRIP>());
    let (whole, rest) = moments.split_at_mut(w.len());
    for (i, ((w, moments), dw)) in w.iter_mut().zip(whole).zip(dw).enumerate() {
        let c = match c.get(i) {
            Some(c) => load(c),
            None => _mm512_setzero_ps(),
        };
        sum = _mm512_add_ps(sum, adam.vector(w, moments, dw, c));
    }
    if let Some(moments) = rest.first_mut() {
        sum = _mm512_add_ps(sum, adam.vector(w_rest, moments, dw_rest, load(c_rest)));
    }
    _mm512_reduce_add_ps(sum)
}

impl Adam {
    /// Updates at most sixteen weights. Returns their steps, each multiplied by its number in `c`.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[inline]
    fn vector(&self, w: &mut [f32], moments: &mut Line, dw: &[f32], c: __m512) -> __m512 {
        fetch_ahead(w.as_ptr().cast());
        fetch_ahead(moments.0.as_ptr().cast());
        let words = load_words(&moments.0);
        let m = _mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32(0xffff_0000_u32.cast_signed())));
        let v = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words));
        let g = _mm512_fnmadd_ps(self.db, c, load(dw));
        let m = _mm512_fmadd_ps(self.first, _mm512_sub_ps(g, m), m);
        let v = _mm512_fmadd_ps(self.second, _mm512_fmsub_ps(g, g, v), v);
        let ahead = _mm512_fmadd_ps(self.ahead, _mm512_sub_ps(g, m), m);
        let root = _mm512_rsqrt14_ps(_mm512_add_ps(v, self.epsilon));
        let step = _mm512_mul_ps(_mm512_mul_ps(self.rate, ahead), root);
        let next = _mm512_sub_ps(load(w), step);
        store(w, next);
        store_words(&mut moments.0, _mm512_permutexvar_epi16(self.order, rounded(v, m)));
        _mm512_mul_ps(step, c)
    }
}
