//! The dense layer in integers: the forward pass of [`crate::dense`] over weights that stay in flash.
//!
//! ```text
//! y = σ(x · Wᵀ + b)        x [I], W [O, I], b [O], y [O], padded: I and O are multiples of four
//! ```

use super::requantise::{ChannelParams, QuantParams, activate, offset};
use super::{Int4Tile, Int8Tile, int4, int8, rows};
use crate::LayerSpec;

/// Weights in one of the formats, borrowed from a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights<'a> {
    /// Groups of `inputs / 4` tiles of four rows by four inputs.
    Int8(&'a [Int8Tile]),
    /// Groups of `inputs / 2` tiles of four rows by two inputs.
    Int4(&'a [Int4Tile]),
    /// Rows of `inputs` bytes, in the layout of [`rows`].
    Int8Rows(&'a [u8]),
}

/// `y = σ(x · Wᵀ + b)` with `x` and `y` in `u8`; weights and channels are borrowed from a blob.
///
/// The layouts of the weights need multiples of four. A layer of another size is padded with zero weights and zero
/// channels: [`Self::padded_sizes`]. The next layer multiplies padded outputs by zero, so they have no effect.
#[derive(Clone, Copy, Debug)]
pub struct Dense<'a> {
    spec: LayerSpec,
    weights: Weights<'a>,
    pub(crate) channels: &'a [ChannelParams],
    output: QuantParams,
}

impl<'a> Dense<'a> {
    /// Returns `None` unless the numbers of weights and channels are those of the padded layer.
    pub fn new(
        spec: LayerSpec,
        weights: Weights<'a>,
        channels: &'a [ChannelParams],
        output: QuantParams,
    ) -> Option<Self> {
        let layer = Self { spec, weights, channels, output };
        let [inputs, outputs] = layer.padded_sizes();
        // Counted in tiles or fours, because 65,535 by 65,535 weights overflow 32 bits.
        let fits = match weights {
            Weights::Int8(tiles) => tiles.len() == inputs / 4 * (outputs / 4),
            Weights::Int4(tiles) => tiles.len() == inputs / 2 * (outputs / 4),
            Weights::Int8Rows(bytes) => {
                rows::READABLE && bytes.len().is_multiple_of(4) && bytes.len() / 4 == inputs / 4 * outputs
            }
        };
        (fits && channels.len() == outputs).then_some(layer)
    }

    /// The layer's shape, without padding.
    pub fn spec(&self) -> LayerSpec {
        self.spec
    }

    /// The numbers of inputs and outputs, each padded to a multiple of four.
    #[inline]
    pub fn padded_sizes(&self) -> [usize; 2] {
        self.spec.padded_sizes()
    }

    /// The weights.
    pub fn weights(&self) -> Weights<'a> {
        self.weights
    }

    /// The bias and the multiplier of each output, including padding.
    pub fn channels(&self) -> &'a [ChannelParams] {
        self.channels
    }

    /// The quantisation parameters of the outputs.
    pub fn output(&self) -> QuantParams {
        self.output
    }

    /// `y = σ(x · Wᵀ + b)` by plain loops over groups of four rows: the oracle of every faster
    /// [`Kernel`](super::Kernel).
    pub fn forward(&self, x: &[u8], y: &mut [u8]) {
        match self.weights {
            Weights::Int8(tiles) => {
                let (x, _) = x.as_chunks::<4>();
                let groups = tiles.chunks_exact(x.len().max(1));
                self.finish(groups.map(|group| int8::four_rows(x, group)), y); // y = σ(x · Wᵀ + b)
            }
            Weights::Int4(tiles) => self.forward_int4(tiles, x, y),
            Weights::Int8Rows(rows) => {
                let groups = rows.chunks_exact((4 * x.len()).max(1));
                self.finish(groups.map(|group| rows::four_rows(x, group)), y);
            }
        }
    }

    /// As [`Self::forward`], for 4-bit weights. The kernels for devices also use it.
    #[inline(never)]
    pub(crate) fn forward_int4(&self, tiles: &[Int4Tile], x: &[u8], y: &mut [u8]) {
        let sum = x.iter().map(|x| i32::from(*x)).sum();
        let (x, _) = x.as_chunks::<2>();
        let groups = tiles.chunks_exact(x.len().max(1));
        self.finish(groups.map(|group| int4::four_rows(x, sum, group)), y);
    }

    /// Turns the sums `Σ x·w` of each group of four rows into their outputs: bias, requantisation, activation.
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
