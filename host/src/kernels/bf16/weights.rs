//! The weights of a network, packed for products in bfloat16, and their moments.

use crate::kernels::avx512::Avx512;
use crate::kernels::layout::{Line, PAIRS, STRIP, WIDE, is_wide, pairs, scratch, tile_lines};
use crate::network::FloatNetwork;
use autoencoder_core::{LayerSpec, Topology};
use rayon::prelude::*;
use std::cell::RefCell;

/// The packed weights of all layers.
pub struct PackedNetwork {
    pub(super) layers: Vec<PackedLayer>,
}

/// The weights of one layer. Sixteen rows take the same number of lines in both orders.
pub struct PackedLayer {
    avx512: Avx512,
    pub(super) spec: LayerSpec,
    /// Whether the layer's input may be mostly zeros.
    pub(super) wide: bool,
    /// `[outputs / 16][inputs / 2]`: strips of rows.
    pub(super) forward: Vec<Line>,
    /// `[outputs / 16][inputs / 16][8]`: strips of the columns of each sixteen rows. The first layer has none, because its
    /// input has no gradient.
    pub(super) backward: Vec<Line>,
    /// `[outputs][inputs / 16]`: the moments of the weights, if they are in bfloat16.
    pub(super) moments: Vec<Line>,
}

/// Some rows of a layer's packed weights and of their moments, mutable.
pub(crate) struct PackedRows<'a> {
    pub(crate) avx512: Avx512,
    inputs: usize,
    forward: &'a mut [Line],
    backward: &'a mut [Line],
    pub(crate) moments: &'a mut [Line],
}

impl PackedNetwork {
    /// A packed network of this topology, whose weights are all 0.
    pub(super) fn new(avx512: Avx512, topology: &Topology) -> Self {
        let layer = |(index, spec): (usize, &LayerSpec)| {
            let [inputs, outputs] = spec.sizes();
            let forward = vec![Line::default(); outputs.div_ceil(STRIP) * pairs(inputs)];
            let backward = if index == 0 { Vec::new() } else { forward.clone() };
            let moments = vec![Line::default(); outputs * inputs.div_ceil(STRIP)];
            PackedLayer { avx512, spec: *spec, wide: is_wide(index, *spec), forward, backward, moments }
        };
        Self { layers: topology.layers().iter().enumerate().map(layer).collect() }
    }

    /// Packs the weights of `network`.
    pub fn pack(&mut self, network: &FloatNetwork) {
        let mut chunks = Vec::new();
        for (packed, layer) in self.rows_mut().zip(network.layers()) {
            let size = WIDE * packed.inputs;
            chunks.extend(packed.chunks(WIDE).zip(layer.weights.chunks(size)));
        }
        chunks.par_iter_mut().for_each(|(packed, weights)| packed.pack(weights));
    }

    /// The layers in order.
    pub fn layers(&self) -> impl Iterator<Item = &PackedLayer> {
        self.layers.iter()
    }

    /// All rows of each layer.
    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = PackedRows<'_>> {
        self.layers.iter_mut().map(|PackedLayer { avx512, spec, forward, backward, moments, .. }| PackedRows {
            avx512: *avx512,
            inputs: spec.inputs.into(),
            forward,
            backward,
            moments,
        })
    }
}

impl<'a> PackedRows<'a> {
    /// Splits the rows into chunks of `rows` rows, a multiple of sixteen.
    pub(crate) fn chunks(self, rows: usize) -> impl Iterator<Item = Self> + use<'a> {
        let Self { avx512, inputs, forward, backward, moments } = self;
        let lines = rows / STRIP * pairs(inputs);
        let mut backward = backward.chunks_mut(lines);
        let chunks = forward.chunks_mut(lines).zip(moments.chunks_mut(rows * inputs.div_ceil(STRIP)));
        chunks.map(move |(forward, moments)| {
            let backward = backward.next().unwrap_or_default();
            Self { avx512, inputs, forward, backward, moments }
        })
    }

    /// The same rows for a shorter time.
    pub(crate) fn reborrow(&mut self) -> PackedRows<'_> {
        let Self { avx512, inputs, forward, backward, moments } = self;
        PackedRows { avx512: *avx512, inputs: *inputs, forward, backward, moments }
    }

    /// Packs the weights of these rows.
    pub(crate) fn pack(&mut self, weights: &[f32]) {
        let size = STRIP * self.inputs;
        for (packed, weights) in self.reborrow().chunks(STRIP).zip(weights.chunks(size)) {
            let PackedRows { avx512, inputs, forward, backward, .. } = packed;
            TILES.with_borrow_mut(|tiles| {
                let tiles = scratch(tiles, tile_lines(inputs));
                avx512.pack_bf16(weights, inputs, tiles, backward, PAIRS);
                avx512.transpose_tiles(tiles, forward);
            });
        }
    }
}

thread_local! {
    /// The tiles of sixteen rows of weights.
    static TILES: RefCell<Vec<Line>> = RefCell::default();
}
