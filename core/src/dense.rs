//! The dense (fully connected) layer in `f32`: forward, and under it backward.
//!
//! ```text
//! forward     z = x · Wᵀ + b        y = σ(z)
//! backward    dz = dy ⊙ σ'(z)       db = Σ dz       dW = dzᵀ · x       dx = dz · W
//! ```
//!
//! Shapes, with `n` rows, `I` inputs and `O` outputs, all row-major:
//!
//! ```text
//! x, dx  [n, I]       y, z, dy, dz  [n, O]       W, dW  [O, I]       b, db  [O]
//! ```
//!
//! `dv` is short for `dL/dv`. [`forward`] and [`backward`] are functions over slices, for any shape. [`Dense`] is the
//! layer whose shape is a type.

use crate::layer::{rows, rows_mut};
use crate::{Activation, Backward, Layer, LayerSpec, Parameters, Zeroed, kernels};
use core::marker::PhantomData;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// `y = σ(x · Wᵀ + b)` for each row of `x`.
#[inline(always)]
pub fn forward(spec: LayerSpec, w: &[f32], b: &[f32], x: &[f32], y: &mut [f32]) {
    kernels::x_wt(x, w, spec.sizes(), y); // z = x · Wᵀ
    kernels::activate(spec.activation, b, y); // y = σ(z + b)
}

/// The gradients `dw` and `db`, summed over the rows, and `dx` if it is given.
///
/// `x` and `y` are those of [`forward`]. `d` holds `dL/dy` and becomes `dL/dz`. The outputs are overwritten.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the layer, its forward pass, and its gradients")]
pub fn backward(
    spec: LayerSpec,
    w: &[f32],
    x: &[f32],
    y: &[f32],
    d: &mut [f32],
    dx: Option<&mut [f32]>,
    dw: &mut [f32],
    db: &mut [f32],
) {
    kernels::activation_backward(spec.activation, y, d, db); // dz = dy ⊙ σ'(z);  db = Σ dz
    kernels::dzt_x(d, x, spec.sizes(), dw); // dW = dzᵀ · x
    if let Some(dx) = dx {
        kernels::dz_w(d, w, spec.sizes(), dx); // dx = dz · W
    }
}

/// The dense layer with its shape as a type: `I` inputs, `O` outputs, activation `A`.
///
/// Its memory holds nothing but its parameters: the weights, then the bias.
#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Dense<const I: usize, const O: usize, A> {
    /// `W`, one row for each output.
    pub weights: [[f32; I]; O],
    /// `b`
    pub bias: [f32; O],
    activation: PhantomData<A>,
}

impl<const I: usize, const O: usize, A: Activation> Dense<I, O, A> {
    const SPEC: LayerSpec = {
        assert!(0 < I && I <= u16::MAX as usize, "a layer has 1 to 65,535 inputs");
        assert!(0 < O && O <= u16::MAX as usize, "a layer has 1 to 65,535 outputs");
        LayerSpec { inputs: I as u16, outputs: O as u16, activation: A::KIND }
    };
}

impl<const I: usize, const O: usize, A: Activation> Layer for Dense<I, O, A> {
    type In = [f32; I];
    type Out = [f32; O];
    type Acts<const B: usize> = [[f32; O]; B];

    fn specs() -> impl Iterator<Item = LayerSpec> {
        core::iter::once(Self::SPEC)
    }

    #[inline]
    fn forward<'a, const B: usize>(&self, x: &[[f32; I]], y: &'a mut [[f32; O]; B]) -> &'a [[f32; O]] {
        let y = rows_mut(y, x.len());
        forward(Self::SPEC, self.weights.as_flattened(), &self.bias, x.as_flattened(), y.as_flattened_mut());
        y
    }

    fn output<const B: usize>(y: &[[f32; O]; B], n: usize) -> &[[f32; O]] {
        rows(y, n)
    }

    fn output_mut<const B: usize>(y: &mut [[f32; O]; B], n: usize) -> &mut [[f32; O]] {
        rows_mut(y, n)
    }

    fn layer_outputs<const B: usize>(y: &[[f32; O]; B], n: usize) -> impl Iterator<Item = &[f32]> {
        core::iter::once(rows(y, n).as_flattened())
    }
}

impl<const I: usize, const O: usize, A: Activation> Backward for Dense<I, O, A> {
    #[inline]
    fn backward<const B: usize>(
        &self,
        x: &[[f32; I]],
        y: &[[f32; O]; B],
        d: &mut [[f32; O]; B],
        dx: Option<&mut [[f32; I]]>,
        grad: &mut Self,
    ) {
        let (y, d) = (rows(y, x.len()).as_flattened(), rows_mut(d, x.len()).as_flattened_mut());
        let (w, dw) = (self.weights.as_flattened(), grad.weights.as_flattened_mut());
        backward(Self::SPEC, w, x.as_flattened(), y, d, dx.map(<[_]>::as_flattened_mut), dw, &mut grad.bias);
    }
}

impl<const I: usize, const O: usize, A> Parameters for Dense<I, O, A> {
    fn slices(&self) -> impl Iterator<Item = &[f32]> {
        [self.weights.as_flattened(), &self.bias].into_iter()
    }

    fn slices_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        [self.weights.as_flattened_mut(), &mut self.bias].into_iter()
    }
}

impl<const I: usize, const O: usize, A> Zeroed for Dense<I, O, A> {
    const ZERO: Self = Self { weights: [[0.0; I]; O], bias: [0.0; O], activation: PhantomData };
}
