//! The products of a trainer, the shards that they work on, and the weights that they read.

use super::pass::{Batch, Pass, Shard, shard_count};
#[cfg(test)]
use super::plain::PlainProducts;
use super::recipe::ProductKind;
use super::update::{Step, update};
use crate::kernels::bf16::PackedNetwork;
use crate::kernels::{Bf16, F32, Int16, Products};
use crate::network::FloatNetwork;
use autoencoder_core::Topology;

/// One kind of products with its state.
pub(crate) enum Backend {
    F32(Engine<F32>),
    Int16(Engine<Int16>),
    Bf16(Engine<Bf16>),
    #[cfg(test)]
    Plain(Engine<PlainProducts>),
}

/// Products, and what they work on.
pub(crate) struct Engine<P: Products> {
    products: P,
    shards: Vec<Shard<P>>,
    /// The number of shards in the last batch.
    used: usize,
    packed: P::Packed,
}

impl<P: Products> Engine<P> {
    pub(super) fn new(products: P, topology: &Topology, shards: usize) -> Self {
        let shards = (0..shards).map(|_| Shard::new(products, topology)).collect();
        Self { products, shards, used: 0, packed: products.packed(topology) }
    }

    fn forward_backward(&mut self, batch: &Batch<'_>, network: &FloatNetwork, code_bits: u8) -> f32 {
        self.used = shard_count(batch.rows.len(), network.parameters().len());
        let pass = Pass::new(self.products, network, &self.packed, code_bits);
        batch.forward_backward(&pass, &mut self.shards[..self.used])
    }

    fn update(&mut self, step: Step<'_>, networks: [&mut FloatNetwork; 3]) {
        update(self.products, step, networks, &mut self.packed, &self.shards[..self.used]);
    }
}

/// The fastest products of a network with this many parameters, if `found` are those of the processor.
fn fastest(found: ProductKind, parameters: usize) -> ProductKind {
    /// In smaller networks, rounding and packing integers takes longer than their products save.
    const WORTH_INTEGERS: usize = 1 << 15;
    if found == ProductKind::Int16 && parameters < WORTH_INTEGERS { ProductKind::F32 } else { found }
}

impl Backend {
    /// Products of this kind, or in `f32` if the processor lacks the instructions; at most `shards` shards.
    pub(super) fn new(kind: ProductKind, topology: &Topology, shards: usize) -> Self {
        let kind = match kind {
            ProductKind::Fastest => {
                fastest(kind.on_this_processor().unwrap_or(ProductKind::F32), topology.parameters())
            }
            named => named,
        };
        let found = match kind {
            ProductKind::Bf16 => Bf16::detect().map(|bf16| Self::Bf16(Engine::new(bf16, topology, shards))),
            ProductKind::Int16 => Int16::detect().map(|int16| Self::Int16(Engine::new(int16, topology, shards))),
            ProductKind::Fastest | ProductKind::F32 => None,
        };
        found.unwrap_or_else(|| Self::F32(Engine::new(F32::default(), topology, shards)))
    }

    /// Runs a batch forward and backward through `network`, whose weights have been packed. Returns the MSE of the batch.
    pub(super) fn forward_backward(&mut self, batch: &Batch<'_>, network: &FloatNetwork, code_bits: u8) -> f32 {
        match self {
            Self::F32(engine) => engine.forward_backward(batch, network, code_bits),
            Self::Int16(engine) => engine.forward_backward(batch, network, code_bits),
            Self::Bf16(engine) => engine.forward_backward(batch, network, code_bits),
            #[cfg(test)]
            Self::Plain(engine) => engine.forward_backward(batch, network, code_bits),
        }
    }

    /// Updates parameters, first and second moments from the last batch, and packs the new weights.
    pub(super) fn update(&mut self, step: Step<'_>, networks: [&mut FloatNetwork; 3]) {
        match self {
            Self::F32(engine) => engine.update(step, networks),
            Self::Int16(engine) => engine.update(step, networks),
            Self::Bf16(engine) => engine.update(step, networks),
            #[cfg(test)]
            Self::Plain(engine) => engine.update(step, networks),
        }
    }

    /// Packs the weights of `network`.
    pub(super) fn pack(&mut self, network: &FloatNetwork) {
        match self {
            Self::Int16(engine) => Int16::pack(&mut engine.packed, network),
            Self::Bf16(engine) => Bf16::pack(&mut engine.packed, network),
            Self::F32(_) => {}
            #[cfg(test)]
            Self::Plain(_) => {}
        }
    }

    /// The packed weights and moments, if products are in bfloat16.
    pub(super) fn bf16_packed(&mut self) -> Option<&mut PackedNetwork> {
        if let Self::Bf16(engine) = self { Some(&mut engine.packed) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_networks_are_not_trained_in_integers_unless_asked_to() {
        let small: Topology = "64-32-8-32-64".parse().unwrap();
        let found = Int16::detect().map_or(ProductKind::F32, |_| ProductKind::Int16);
        assert_eq!(fastest(found, small.parameters()), ProductKind::F32);
        assert_eq!(fastest(ProductKind::Int16, 32_767), ProductKind::F32);
        assert_eq!(fastest(ProductKind::Int16, 32_768), ProductKind::Int16);
        assert_eq!(fastest(ProductKind::Bf16, small.parameters()), ProductKind::Bf16);
        let asked = Backend::new(ProductKind::Int16, &small, 1);
        assert_eq!(matches!(asked, Backend::Int16(_)), found == ProductKind::Int16);
        assert!(matches!(Backend::new(ProductKind::F32, &small, 1), Backend::F32(_)));
    }
}
