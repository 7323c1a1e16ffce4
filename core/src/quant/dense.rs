//! The dense layer in integers: the same forward as [`crate::Dense`], over weights that stay in flash.

use super::requantise::{Affine, Channel};
use super::weights::Quad;
use crate::{Activation, Kernels, Layer, LayerSpec};
use core::marker::PhantomData;

/// `y = σ(x · Wᵀ + b)` with `x: [u8; I]`, `y: [u8; O]`, borrowed from a weights blob.
///
/// `I` and `O` are multiples of four. The channels may lie elsewhere than the weights: they are what a device learns.
#[derive(Debug)]
pub struct Dense<'a, const I: usize, const O: usize, A> {
    /// `O / 4` groups of `I / 4` quads.
    pub weights: &'a [Quad],
    /// Bias and multiplier of each output.
    pub channels: &'a [Channel; O],
    /// What the outputs stand for.
    pub output: Affine,
    pub(crate) activation: PhantomData<A>,
}

impl<const I: usize, const O: usize, A> Clone for Dense<'_, I, O, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<const I: usize, const O: usize, A> Copy for Dense<'_, I, O, A> {}

impl<'a, const I: usize, const O: usize, A: Activation> Dense<'a, I, O, A> {
    /// How many quads its weights take.
    pub const QUADS: usize = {
        assert!(I.is_multiple_of(4) && O.is_multiple_of(4), "an int8 layer needs multiples of four inputs and outputs");
        I / 4 * (O / 4)
    };

    /// `None` unless there are [`Self::QUADS`] quads.
    pub fn new(weights: &'a [Quad], channels: &'a [Channel; O], output: Affine) -> Option<Self> {
        (weights.len() == Self::QUADS).then_some(Self { weights, channels, output, activation: PhantomData })
    }
}

impl<const I: usize, const O: usize, A: Activation> Layer for Dense<'_, I, O, A> {
    type In = [u8; I];
    type Out = [u8; O];
    type Acts<const B: usize> = [[u8; O]; B];

    fn specs() -> impl Iterator<Item = LayerSpec> {
        crate::Dense::<I, O, A>::specs()
    }

    // Shapes: x [n, I], W [O, I] in groups of four rows, b [O], y [n, O] with n <= B rows.
    #[inline]
    fn forward<'a, const B: usize>(&self, k: &impl Kernels, x: &[[u8; I]], y: &'a mut [[u8; O]; B]) -> &'a [[u8; O]] {
        let y = Self::output_mut(y, x.len());
        for (x, y) in x.iter().zip(&mut *y) {
            k.dense_int8(self, x, y); // y = σ(x · Wᵀ + b)
        }
        y
    }

    fn output<const B: usize>(y: &[[u8; O]; B], n: usize) -> &[[u8; O]] {
        crate::layer::rows(y, n)
    }

    fn output_mut<const B: usize>(y: &mut [[u8; O]; B], n: usize) -> &mut [[u8; O]] {
        crate::layer::rows_mut(y, n)
    }
}
