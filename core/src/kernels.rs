//! The arithmetic of a dense layer, and where a faster backend enters.

use crate::Activation;
use crate::quant;

/// The arithmetic that a backend may replace.
///
/// The bodies given here are plain loops: they are what a small device runs and the oracle that a faster backend is
/// tested against. Letters: `B` rows in the batch (the length of the slices), `I` inputs, `O` outputs. What a
/// method computes goes to its last argument.
pub trait Kernels {
    /// `y = x · wᵀ`, that is `[B, O] = [B, I] · [O, I]ᵀ`
    #[inline]
    fn x_wt<const I: usize, const O: usize>(&self, x: &[[f32; I]], w: &[[f32; I]; O], y: &mut [[f32; O]]) {
        for (x, y) in x.iter().zip(y) {
            for (w, y) in w.iter().zip(y) {
                *y = 0.0;
                for (x, w) in x.iter().zip(w) {
                    *y += x * w;
                }
            }
        }
    }

    /// `dx = dy · w`, that is `[B, I] = [B, O] · [O, I]`
    #[inline]
    fn dy_w<const I: usize, const O: usize>(&self, dy: &[[f32; O]], w: &[[f32; I]; O], dx: &mut [[f32; I]]) {
        for (dy, dx) in dy.iter().zip(dx) {
            *dx = [0.0; I];
            for (dy, w) in dy.iter().zip(w) {
                for (w, dx) in w.iter().zip(&mut *dx) {
                    *dx += dy * w;
                }
            }
        }
    }

    /// `dw = dyᵀ · x`, that is `[O, I] = [B, O]ᵀ · [B, I]`
    #[inline]
    fn dyt_x<const I: usize, const O: usize>(&self, dy: &[[f32; O]], x: &[[f32; I]], dw: &mut [[f32; I]; O]) {
        dw.as_flattened_mut().fill(0.0);
        for (dy, x) in dy.iter().zip(x) {
            for (dy, dw) in dy.iter().zip(&mut *dw) {
                for (x, dw) in x.iter().zip(dw) {
                    *dw += dy * x;
                }
            }
        }
    }

    /// `y = σ(x · wᵀ + b)` in integers, for one row.
    ///
    /// A kernel gives exactly these bytes or it is wrong. The layouts of the weights: [`quant::weights`], [`quant::nibbles`].
    #[inline]
    fn dense_int8<const I: usize, const O: usize, A: Activation>(
        &self,
        layer: &quant::Dense<'_, I, O, A>,
        x: &[u8; I],
        y: &mut [u8; O],
    ) {
        quant::plain::<A>(layer.weights, layer.channels, layer.output, x, y);
    }

    /// `y = σ(y + b)`, for each of the rows of `y`
    #[inline(always)]
    fn activate<A: Activation, const O: usize>(&self, y: &mut [[f32; O]], b: &[f32; O]) {
        for y in y {
            for (y, b) in y.iter_mut().zip(b) {
                *y = A::apply(*y + b);
            }
        }
    }

    /// From `dL/dy` to `dL/dz` in `d`, and its sum over the rows in `db`: `dz = dy ⊙ σ'(z)`, `db = Σ dz`
    #[inline(always)]
    fn slope<A: Activation, const O: usize>(&self, y: &[[f32; O]], d: &mut [[f32; O]], db: &mut [f32; O]) {
        *db = [0.0; O];
        for (y, d) in y.iter().zip(d) {
            for ((y, d), db) in y.iter().zip(d).zip(&mut *db) {
                *d *= A::slope(*y);
                *db += *d;
            }
        }
    }
}

/// The plain loops: what a device without a faster backend runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Kernels for Plain {}

/// The fastest kernels for this target that need no more than `core`.
#[cfg(dsp)]
pub type Native = quant::walk::Dsp<{ quant::walk::scratch_words(784) }>;

/// The fastest kernels for this target that need no more than `core`.
#[cfg(not(dsp))]
pub type Native = Plain;
