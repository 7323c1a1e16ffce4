//! The dense layer in integers: the forward pass of [`crate::dense`], over weights that stay in flash.

use super::requantise::{ChannelParams, QuantParams, activate, offset};
use super::{Int4Tile, Int8Tile, int4, int8};
use crate::LayerSpec;

/// Weights in either number format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights<'a> {
    /// Groups of `inputs / 4` tiles of four rows by four inputs.
    Int8(&'a [Int8Tile]),
    /// Groups of `inputs / 2` tiles of four rows by two inputs.
    Int4(&'a [Int4Tile]),
}

/// `y = σ(x · Wᵀ + b)` with `x` and `y` in `u8`, borrowed from a weights blob.
///
/// The layouts of the weights need multiples of four. A layer of other sizes is padded with weights and channels of zeros:
/// [`Self::padded_sizes`]. What the padding computes is multiplied by zero in the next layer and never seen.
#[derive(Clone, Copy, Debug)]
pub struct Dense<'a> {
    spec: LayerSpec,
    weights: Weights<'a>,
    pub(crate) channels: &'a [ChannelParams],
    output: QuantParams,
}

impl<'a> Dense<'a> {
    /// `None` unless there are as many weights and channels as the padded layer has.
    pub fn new(
        spec: LayerSpec,
        weights: Weights<'a>,
        channels: &'a [ChannelParams],
        output: QuantParams,
    ) -> Option<Self> {
        let layer = Self { spec, weights, channels, output };
        let [inputs, outputs] = layer.padded_sizes();
        // Counted in tiles: 65,535 by 65,535 weights are more than a 32-bit machine counts.
        let fits = match weights {
            Weights::Int8(tiles) => tiles.len() == inputs / 4 * (outputs / 4),
            Weights::Int4(tiles) => tiles.len() == inputs / 2 * (outputs / 4),
        };
        (fits && channels.len() == outputs).then_some(layer)
    }

    /// The layer's shape, without padding.
    pub fn spec(&self) -> LayerSpec {
        self.spec
    }

    /// Inputs and outputs, each with the padding to a multiple of four.
    #[inline]
    pub fn padded_sizes(&self) -> [usize; 2] {
        self.spec.padded_sizes()
    }

    /// The weights.
    pub fn weights(&self) -> Weights<'a> {
        self.weights
    }

    /// Bias and multiplier of each output, padding included.
    pub fn channels(&self) -> &'a [ChannelParams] {
        self.channels
    }

    /// What the outputs stand for.
    pub fn output(&self) -> QuantParams {
        self.output
    }

    /// `y = σ(x · Wᵀ + b)` by plain loops: the oracle of every faster [`Kernel`](super::Kernel).
    // Shapes, padded: x [I], W [O, I] in groups of four rows, b [O], y [O].
    pub fn forward(&self, x: &[u8], y: &mut [u8]) {
        match self.weights {
            Weights::Int8(tiles) => {
                let (x, _) = x.as_chunks::<4>();
                let groups = tiles.chunks_exact(x.len().max(1));
                self.finish(groups.map(|group| int8::four_rows(x, group)), y); // y = σ(x · Wᵀ + b)
            }
            Weights::Int4(tiles) => self.forward_int4(tiles, x, y),
        }
    }

    /// The same for weights of 4 bits, which no kernel of a device has a faster way for.
    #[inline(never)]
    pub(crate) fn forward_int4(&self, tiles: &[Int4Tile], x: &[u8], y: &mut [u8]) {
        let sum = x.iter().map(|x| i32::from(*x)).sum();
        let (x, _) = x.as_chunks::<2>();
        let groups = tiles.chunks_exact(x.len().max(1));
        self.finish(groups.map(|group| int4::four_rows(x, sum, group)), y);
    }

    /// From the sums `Σ x·w` of each four rows to their outputs: bias, requantisation, activation.
    #[inline(always)]
    pub fn finish(&self, sums: impl Iterator<Item = [i32; 4]>, y: &mut [u8]) {
        let activation = self.spec.activation;
        let offset = offset(activation, self.output);
        let outputs = self.channels.as_chunks::<4>().0.iter().zip(y.as_chunks_mut::<4>().0);
        for (acc, (channels, y)) in sums.zip(outputs) {
            for ((y, channel), acc) in y.iter_mut().zip(channels).zip(acc) {
                *y = activate(activation, channel.requantise(acc, offset));
            }
        }
    }
}
