//! The matrix products of a layer, as a trait.

use super::activations::activate;
use super::bf16::Bf16Moments;
use super::layout::WIDE;
use crate::network::FloatNetwork;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::{LayerSpec, Topology};
use rayon::prelude::*;
use std::ops::Range;

/// The most rows of a batch that products take at a time: a shard.
pub const SHARD: usize = 128;

/// The matrix products of a dense layer, forward and backward.
///
/// A layer is an argument of each product, in the form that an implementation reads. `n` rows, at most [`SHARD`], go through
/// [`Self::forward`] and [`Self::input_gradient`]; these store in `operands` what [`Self::weight_gradient`] multiplies
/// once all shards of a batch are done. Letters: `I` inputs, `O` outputs, `z = x·Wᵀ + b`, `y = σ(z)`, `dz = dL/dz`.
pub trait Products: Copy + Send + Sync {
    /// The weights of a network as these products read them; `()` if they read the weights themselves.
    type Packed: Send + Sync;
    /// Some rows of a layer in [`Self::Packed`], to be packed again after an update.
    type Rows<'a>: PackedRows;
    /// A layer's weights as these products read them.
    type Layer<'a>: Copy + Send + Sync;
    /// The stored operands of one shard in one layer.
    type Operands: Send + Sync;

    /// The packed weights of a network of this topology. They have to be packed before they are used.
    fn packed(self, topology: &Topology) -> Self::Packed;

    /// Packs the weights of `network`, on all threads of the current rayon pool.
    fn pack(packed: &mut Self::Packed, network: &FloatNetwork) {
        let mut chunks = Vec::new();
        for (rows, layer) in Self::rows_mut(packed).zip(network.layers()) {
            let size = WIDE * usize::from(layer.spec.inputs);
            chunks.extend(rows.chunks(WIDE).zip(layer.weights.chunks(size)));
        }
        chunks.par_iter_mut().for_each(|(rows, weights)| rows.pack(weights));
    }

    /// The layers in order.
    fn layers<'a>(packed: &'a Self::Packed, network: &'a FloatNetwork) -> Vec<Self::Layer<'a>>;

    /// All rows of each layer in order.
    fn rows_mut(packed: &mut Self::Packed) -> impl Iterator<Item = Self::Rows<'_>>;

    /// Empty operands of a shard in the layer at `index`, counted from 0.
    fn operands(self, index: usize, spec: LayerSpec) -> Self::Operands;

    /// `y = x·Wᵀ`, with `x: [n, I]`, `y: [n, O]`.
    fn forward(self, layer: Self::Layer<'_>, x: &[f32], operands: &mut Self::Operands, y: &mut [f32]);

    /// `dx = dz·W`, with `dz: [n, O]`, `dx: [n, I]`. The first layer has no `dx`, but its `dz` is stored as well.
    fn input_gradient(self, layer: Self::Layer<'_>, dz: &[f32], operands: &mut Self::Operands, dx: Option<&mut [f32]>);

    /// Some rows of `dW = Σ dzᵀ·x`, with `dw: [rows, I]`; the sum goes over all rows of all shards, in order.
    ///
    /// `rows` begins at a multiple of [`Self::gradient_rows`].
    fn weight_gradient(self, spec: LayerSpec, shards: &[ShardOperands<'_, Self>], rows: Range<usize>, dw: &mut [f32]);

    /// The best number of rows of `dW` to compute at a time.
    fn gradient_rows(self, index: usize, spec: LayerSpec) -> usize;

    /// `y = σ(y + b)` in each row of `y`.
    fn activate(self, activation: ActivationKind, bias: &[f32], y: &mut [f32]) {
        activate(activation, bias, y);
    }
}

/// The operands of one layer's weight gradient, for one shard.
pub struct ShardOperands<'a, P: Products> {
    /// `[n, O]`
    pub dz: &'a [f32],
    /// The layer's inputs, `[n, I]`.
    pub x: &'a [f32],
    /// The operands that the products stored.
    pub operands: &'a P::Operands,
}

/// Some rows of a layer's packed weights, mutable.
pub trait PackedRows: Send + Sized {
    /// Splits the rows into chunks of `rows` rows, a multiple of [`Products::gradient_rows`].
    fn chunks(self, rows: usize) -> impl Iterator<Item = Self>;

    /// Packs the weights of these rows.
    fn pack(&mut self, weights: &[f32]);

    /// The moments of these rows, if they may be in bfloat16.
    fn bf16_moments(&mut self) -> Option<Bf16Moments<'_>> {
        None
    }
}

/// Nothing is packed.
impl PackedRows for () {
    fn chunks(self, _: usize) -> impl Iterator<Item = Self> {
        std::iter::repeat(())
    }

    fn pack(&mut self, _: &[f32]) {}
}
