//! The arithmetic of a dense layer in `f32`: plain loops over slices. A small device runs them, and they are the oracle of
//! every faster version.
//!
//! Matrices are row-major. Letters: `B` rows in the batch, `I` inputs, `O` outputs. `sizes` is `[I, O]`, and `B` follows
//! from the lengths of the slices. The last argument receives the result. [`crate::dense`] has the equations of the layer.

use crate::activation::{Activation, ActivationKind, Identity, Relu, Sigmoid};
use core::iter::from_fn;

/// The rows of a matrix. Unlike `chunks_exact`, it does not divide: a device that is compiled for size needs neither a
/// division nor a panic for empty rows.
#[inline(always)]
pub(crate) fn rows(mut matrix: &[f32], columns: usize) -> impl Iterator<Item = &[f32]> {
    from_fn(move || matrix.split_off(..columns).filter(|row| !row.is_empty()))
}

/// The rows of a matrix, mutable.
#[inline(always)]
pub(crate) fn rows_mut(mut matrix: &mut [f32], columns: usize) -> impl Iterator<Item = &mut [f32]> {
    from_fn(move || matrix.split_off_mut(..columns).filter(|row| !row.is_empty()))
}

/// Forward: `y = x · wᵀ`, that is `[B, O] = [B, I] · [O, I]ᵀ`.
#[inline(always)]
pub fn x_wt(x: &[f32], w: &[f32], [inputs, outputs]: [usize; 2], y: &mut [f32]) {
    for (x, y) in rows(x, inputs).zip(rows_mut(y, outputs)) {
        for (w, y) in rows(w, inputs).zip(y) {
            *y = 0.0;
            for (x, w) in x.iter().zip(w) {
                *y += x * w;
            }
        }
    }
}

/// The gradient of the inputs: `dx = dz · w`, that is `[B, I] = [B, O] · [O, I]`.
#[inline(always)]
pub fn dz_w(dz: &[f32], w: &[f32], [inputs, outputs]: [usize; 2], dx: &mut [f32]) {
    for (dz, dx) in rows(dz, outputs).zip(rows_mut(dx, inputs)) {
        dx.fill(0.0);
        for (dz, w) in dz.iter().zip(rows(w, inputs)) {
            for (w, dx) in w.iter().zip(&mut *dx) {
                *dx += dz * w;
            }
        }
    }
}

/// The gradient of the weights: `dw = dzᵀ · x`, that is `[O, I] = [B, O]ᵀ · [B, I]`.
#[inline(always)]
pub fn dzt_x(dz: &[f32], x: &[f32], [inputs, outputs]: [usize; 2], dw: &mut [f32]) {
    dw.fill(0.0);
    for (dz, x) in rows(dz, outputs).zip(rows(x, inputs)) {
        for (dz, dw) in dz.iter().zip(rows_mut(dw, inputs)) {
            for (x, dw) in x.iter().zip(dw) {
                *dw += dz * x;
            }
        }
    }
}

/// Forward: `y = σ(y + b)` in place, in each row of `y: [B, O]`.
#[inline(always)]
pub fn activate(activation: ActivationKind, b: &[f32], y: &mut [f32]) {
    #[inline(always)]
    fn each<A: Activation>(b: &[f32], y: &mut [f32]) {
        for y in rows_mut(y, b.len()) {
            for (y, b) in y.iter_mut().zip(b) {
                *y = A::apply(*y + b);
            }
        }
    }
    match activation {
        ActivationKind::Sigmoid => each::<Sigmoid>(b, y),
        ActivationKind::Relu => each::<Relu>(b, y),
        ActivationKind::Identity => each::<Identity>(b, y),
    }
}

/// Backward: `dz = dy ⊙ σ'(z)` in place in `d: [B, O]`, and `db = Σ dz` over the rows. `σ'(z)` follows from `y`.
#[inline(always)]
pub fn activation_backward(activation: ActivationKind, y: &[f32], d: &mut [f32], db: &mut [f32]) {
    #[inline(always)]
    fn each<A: Activation>(y: &[f32], d: &mut [f32], db: &mut [f32]) {
        db.fill(0.0);
        for (y, d) in rows(y, db.len()).zip(rows_mut(d, db.len())) {
            for ((y, d), db) in y.iter().zip(d).zip(&mut *db) {
                *d *= A::derivative(*y);
                *db += *d;
            }
        }
    }
    match activation {
        ActivationKind::Sigmoid => each::<Sigmoid>(y, d, db),
        ActivationKind::Relu => each::<Relu>(y, d, db),
        ActivationKind::Identity => each::<Identity>(y, d, db),
    }
}
