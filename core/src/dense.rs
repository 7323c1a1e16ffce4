//! The dense (fully connected) layer in `f32`: forward, and under it backward.

use crate::layer::{rows, rows_mut};
use crate::{Activation, Backward, Kernels, Layer, LayerSpec, Parameters, Zeroed};
use core::marker::PhantomData;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `y = σ(x · Wᵀ + b)` with `W: [O, I]`, `b: [O]`.
///
/// Plain memory, weights then bias, so that a blob in flash is a `&Dense` without a copy.
#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Dense<const I: usize, const O: usize, A> {
    /// `W`, a row for each output.
    pub weights: [[f32; I]; O],
    /// `b`
    pub bias: [f32; O],
    activation: PhantomData<A>,
}

impl<const I: usize, const O: usize, A: Activation> Layer for Dense<I, O, A> {
    type In = [f32; I];
    type Out = [f32; O];
    type Acts<const B: usize> = [[f32; O]; B];

    fn specs() -> impl Iterator<Item = LayerSpec> {
        const { assert!(I <= u16::MAX as usize && O <= u16::MAX as usize, "a layer has at most 65,535 inputs and outputs") };
        core::iter::once(LayerSpec { inputs: I as u16, outputs: O as u16, activation: A::KIND })
    }

    // Shapes: x [n, I], W [O, I], b [O], y [n, O] with n <= B rows.
    #[inline]
    fn forward<'a, const B: usize>(
        &self,
        k: &impl Kernels,
        x: &[[f32; I]],
        y: &'a mut [[f32; O]; B],
    ) -> &'a [[f32; O]] {
        let y = Self::output_mut(y, x.len());
        k.x_wt(x, &self.weights, y); // z = x · Wᵀ
        k.activate::<A, O>(y, &self.bias); // y = σ(z + b)
        y
    }

    fn output<const B: usize>(y: &[[f32; O]; B], n: usize) -> &[[f32; O]] {
        rows(y, n)
    }

    fn output_mut<const B: usize>(y: &mut [[f32; O]; B], n: usize) -> &mut [[f32; O]] {
        rows_mut(y, n)
    }

    fn stages<const B: usize>(y: &[[f32; O]; B], n: usize) -> impl Iterator<Item = &[u8]> {
        core::iter::once(rows(y, n).as_bytes())
    }
}

impl<const I: usize, const O: usize, A: Activation> Backward for Dense<I, O, A> {
    // Shapes as above; `d` goes in as dL/dy and becomes dL/dz, both [n, O]; dx [n, I].
    #[inline]
    fn backward<const B: usize>(
        &self,
        k: &impl Kernels,
        x: &[[f32; I]],
        y: &[[f32; O]; B],
        d: &mut [[f32; O]; B],
        dx: Option<&mut [[f32; I]]>,
        grad: &mut Self,
    ) {
        let (y, d) = (Self::output(y, x.len()), Self::output_mut(d, x.len()));
        k.slope::<A, O>(y, d, &mut grad.bias); // dz = dy ⊙ σ'(z);  db = Σ dz
        k.dyt_x(d, x, &mut grad.weights); // dW = dzᵀ · x
        if let Some(dx) = dx {
            k.dy_w(d, &self.weights, dx); // dx = dz · W
        }
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
