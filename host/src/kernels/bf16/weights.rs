//! The weights of a network, packed for products in bfloat16, and their moments.

use crate::kernels::avx512::Avx512;
use crate::kernels::layout::{Line, PAIRS, STRIP, is_wide, pairs, scratch, tile_lines};
use crate::kernels::products::PackedRows;
use crate::profile::{Phase, timed};
use autoencoder_core::{LayerSpec, Topology};
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
pub struct Bf16Rows<'a> {
    avx512: Avx512,
    inputs: usize,
    forward: &'a mut [Line],
    backward: &'a mut [Line],
    moments: &'a mut [Line],
}

/// The moments of some rows, `[rows][inputs / 16]`, and the instructions to update them.
pub struct Bf16Moments<'a> {
    pub(crate) avx512: Avx512,
    pub(crate) lines: &'a mut [Line],
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

    /// All rows of each layer.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = Bf16Rows<'_>> {
        self.layers.iter_mut().map(|PackedLayer { avx512, spec, forward, backward, moments, .. }| Bf16Rows {
            avx512: *avx512,
            inputs: spec.inputs.into(),
            forward,
            backward,
            moments,
        })
    }
}

impl PackedRows for Bf16Rows<'_> {
    fn chunks(self, rows: usize) -> impl Iterator<Item = Self> {
        let Self { avx512, inputs, forward, backward, moments } = self;
        let lines = rows / STRIP * pairs(inputs);
        let mut backward = backward.chunks_mut(lines);
        let chunks = forward.chunks_mut(lines).zip(moments.chunks_mut(rows * inputs.div_ceil(STRIP)));
        chunks.map(move |(forward, moments)| {
            let backward = backward.next().unwrap_or_default();
            Self { avx512, inputs, forward, backward, moments }
        })
    }

    fn pack(&mut self, weights: &[f32]) {
        let Self { avx512, inputs, .. } = *self;
        let lines = pairs(inputs);
        let mut backward = self.backward.chunks_mut(lines);
        let strips = self.forward.chunks_mut(lines).zip(weights.chunks(STRIP * inputs));
        timed(Phase::Operands, || {
            TILES.with_borrow_mut(|tiles| {
                let tiles = scratch(tiles, tile_lines(inputs));
                for (forward, weights) in strips {
                    avx512.pack_bf16(weights, inputs, tiles, backward.next().unwrap_or_default(), PAIRS);
                    avx512.transpose_tiles(tiles, forward);
                }
            });
        });
    }

    fn bf16_moments(&mut self) -> Option<Bf16Moments<'_>> {
        Some(Bf16Moments { avx512: self.avx512, lines: self.moments })
    }
}

thread_local! {
    /// The tiles of sixteen rows of weights.
    static TILES: RefCell<Vec<Line>> = RefCell::default();
}
