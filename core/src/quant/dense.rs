//! The dense layer in integers: the same forward as [`crate::Dense`], over weights that stay in flash.

use super::requantise::{Affine, Channel, activate, offset};
use super::{Octet, Quad, nibbles, weights};
use crate::{Activation, Kernels, Layer, LayerSpec};
use core::marker::PhantomData;

/// Weights in either number format: which one is known when a blob is opened.
///
/// Counted from 1: the compiler then has 0 for a network that is not there, and a static without one is all zeros,
/// which takes no flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Weights<'a> {
    /// Groups of `I / 4` quads.
    Int8(&'a [Quad]) = 1,
    /// Groups of `I / 2` octets.
    Int4(&'a [Octet]) = 2,
}

/// `y = σ(x · Wᵀ + b)` with `x: [u8; I]`, `y: [u8; O]`, borrowed from a weights blob.
///
/// `I` and `O` are multiples of four. The channels may lie elsewhere than the weights: they are what a device learns.
#[derive(Debug)]
pub struct Dense<'a, const I: usize, const O: usize, A> {
    /// `O / 4` groups of four rows.
    pub weights: Weights<'a>,
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
    /// How many weights it has.
    pub const WEIGHTS: usize = {
        assert!(I.is_multiple_of(4) && O.is_multiple_of(4), "an int8 layer needs multiples of four inputs and outputs");
        I * O
    };

    /// `None` unless there are [`Self::WEIGHTS`] weights.
    pub fn new(weights: Weights<'a>, channels: &'a [Channel; O], output: Affine) -> Option<Self> {
        let count = match weights {
            Weights::Int8(quads) => 16 * quads.len(),
            Weights::Int4(octets) => 8 * octets.len(),
        };
        (count == Self::WEIGHTS).then_some(Self { weights, channels, output, activation: PhantomData })
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

    fn stages<const B: usize>(y: &[[u8; O]; B], n: usize) -> impl Iterator<Item = &[u8]> {
        core::iter::once(crate::layer::rows(y, n).as_flattened())
    }
}

/// `y = σ(x · Wᵀ + b)` by plain loops over slices: one copy of the code for each activation, whatever the shapes.
#[inline]
pub(crate) fn plain<A: Activation>(weights: Weights<'_>, channels: &[Channel], output: Affine, x: &[u8], y: &mut [u8]) {
    match weights {
        Weights::Int8(quads) => {
            let (x, _) = x.as_chunks::<4>();
            let groups = quads.chunks_exact(x.len().max(1));
            finish::<A>(groups.map(|group| weights::four_rows(x, group)), channels, output, y);
        }
        Weights::Int4(octets) => plain_int4::<A>(octets, channels, output, x, y),
    }
}

/// The same for weights of 4 bits: what a kernel that knows only 8 leaves to the plain loops.
#[inline(never)]
pub(crate) fn plain_int4<A: Activation>(
    octets: &[Octet],
    channels: &[Channel],
    output: Affine,
    x: &[u8],
    y: &mut [u8],
) {
    let sum = x.iter().map(|x| i32::from(*x)).sum();
    let (x, _) = x.as_chunks::<2>();
    let groups = octets.chunks_exact(x.len().max(1));
    finish::<A>(groups.map(|group| nibbles::four_rows(x, sum, group)), channels, output, y);
}

/// From the sums of each four rows to their outputs.
#[inline(always)]
fn finish<A: Activation>(sums: impl Iterator<Item = [i32; 4]>, channels: &[Channel], output: Affine, y: &mut [u8]) {
    let offset = offset::<A>(output);
    let outputs = channels.as_chunks::<4>().0.iter().zip(y.as_chunks_mut::<4>().0);
    for (acc, (channels, y)) in sums.zip(outputs) {
        for ((y, channel), acc) in y.iter_mut().zip(channels).zip(acc) {
            *y = activate::<A>(channel.index(acc, offset));
        }
    }
}
