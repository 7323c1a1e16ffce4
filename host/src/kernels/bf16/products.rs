//! The products of one shard, and the gradient of weights over all shards.
//!
//! `forward` and `input_gradient` take sixteen rows at a time. They round the rows and pack them into tiles, which the product
//! reads, and into the strips of columns that the gradient of weights will read. Sixteen vectors of sums cover
//! sixteen rows by sixteen columns, or four by sixty-four.
//!
//! Each factor is rounded to eight bits, so a sum differs from that of the plain loops by at most 2⁻⁷ of the sum of the absolute
//! values of its products.

use super::weights::{Bf16Rows, PackedLayer, PackedNetwork};
use crate::kernels::activations::activate;
use crate::kernels::avx512::Avx512;
use crate::kernels::layout::{
    InStrips, InTiles, Line, List, NARROW, PAIRS, Part, STRIP, WIDE, gradient_rows, is_wide, pairs, scratch,
    tile_lines, words,
};
use crate::kernels::products::{Products, SHARD, ShardOperands};
use crate::network::FloatNetwork;
use crate::profile::{Phase, timed};
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::{LayerSpec, Topology};
use std::cell::RefCell;
use std::iter;
use std::ops::Range;

/// Products in bfloat16, on processors with `avx512_bf16`.
#[derive(Clone, Copy, Debug)]
pub struct Bf16 {
    avx512: Avx512,
}

/// The operands of one layer's weight gradient, for one shard, in strips of columns.
pub struct Operands {
    /// Pairs of rows.
    pairs: usize,
    /// `[outputs / 16][STRIDE]`
    dz: Vec<Line>,
    /// `[inputs / 16][STRIDE]`
    x: Vec<Line>,
    /// For each four columns of `x`, the pairs that are not all 0. Empty unless the layer's input may be mostly zeros.
    lists: Vec<[List; NARROW]>,
}

/// Lines from one strip of a shard's columns to the next. With a power of two, all strips would fall into the same few sets of
/// the cache.
const STRIDE: usize = SHARD / 2 + 1;

/// All pairs of a shard's rows.
const ALL: [u32; SHARD / 2] = {
    let mut all = [0; SHARD / 2];
    let mut pair = 0;
    while pair < all.len() {
        all[pair] = pair as u32;
        pair += 1;
    }
    all
};

thread_local! {
    /// The tiles of a left operand's sixteen rows, and a list of their pairs that are not all 0.
    static LEFT: RefCell<(Vec<Line>, Vec<u32>)> = RefCell::default();
}

impl Bf16 {
    /// Products in bfloat16; `None` if the processor lacks the instructions.
    pub fn detect() -> Option<Self> {
        Avx512::detect().map(|avx512| Self { avx512 })
    }

    /// Whether they are faster than any others on this processor.
    pub fn is_fastest(self) -> bool {
        self.avx512.multiplies_fast()
    }

    /// Computes sixteen rows of `y = x·Wᵀ`, or the fewer last ones, `ROWS` rows and `STRIPS` strips at a time. `tiles` holds the
    /// rows of `x`; `list` is scratch memory.
    fn sixteen_rows<const ROWS: usize, const STRIPS: usize>(
        self,
        layer: &PackedLayer,
        tiles: &[Line],
        list: &mut [u32],
        y: &mut [f32],
    ) {
        let [inputs, outputs] = layer.spec.sizes();
        for (i, y) in y.chunks_mut(ROWS * outputs).enumerate() {
            let tiles = &tiles[i * ROWS..];
            let count = self.avx512.list_tiles(tiles, ROWS, list);
            let part = Part { left: words(tiles), right: &layer.forward, stride: pairs(inputs), list: &list[..count] };
            self.avx512.multiply::<InTiles, ROWS, STRIPS>(&iter::once(part), outputs, y);
        }
    }
}

impl Products for Bf16 {
    type Packed = PackedNetwork;
    type Rows<'a> = Bf16Rows<'a>;
    type Layer<'a> = &'a PackedLayer;
    type Operands = Operands;

    /// All weights are 0.
    fn packed(self, topology: &Topology) -> PackedNetwork {
        PackedNetwork::new(self.avx512, topology)
    }

    fn layers<'a>(packed: &'a PackedNetwork, _: &'a FloatNetwork) -> Vec<&'a PackedLayer> {
        packed.layers.iter().collect()
    }

    fn rows_mut(packed: &mut PackedNetwork) -> impl Iterator<Item = Bf16Rows<'_>> {
        packed.rows_mut()
    }

    fn operands(self, index: usize, spec: LayerSpec) -> Operands {
        let [inputs, outputs] = spec.sizes().map(|columns| columns.div_ceil(STRIP));
        let [x, dz] = [inputs, outputs].map(|strips| vec![Line::default(); strips * STRIDE]);
        let lists = if is_wide(index, spec) { inputs } else { 0 };
        Operands { pairs: 0, dz, x, lists: vec![[List::EMPTY; NARROW]; lists] }
    }

    // Shapes: x [n, I], y [n, O].
    fn forward(self, layer: &PackedLayer, x: &[f32], operands: &mut Operands, y: &mut [f32]) {
        let [inputs, outputs] = layer.spec.sizes();
        let rows = x.len() / inputs;
        assert!(rows <= SHARD, "one shard");
        operands.pairs = pairs(rows);
        LEFT.with_borrow_mut(|(tiles, list)| {
            let tiles = scratch(tiles, tile_lines(inputs));
            list.resize(list.len().max(pairs(inputs) + 2 * STRIP), 0);
            for (i, (x, y)) in x.chunks(STRIP * inputs).zip(y.chunks_mut(STRIP * outputs)).enumerate() {
                let strips = &mut operands.x[i * PAIRS..];
                timed(Phase::Operands, || self.avx512.pack_bf16(x, inputs, tiles, strips, STRIDE));
                timed(Phase::Forward, || {
                    if layer.wide {
                        self.sixteen_rows::<NARROW, NARROW>(layer, tiles, list, y);
                    } else {
                        self.sixteen_rows::<STRIP, 1>(layer, tiles, list, y);
                    }
                });
            }
        });
        timed(Phase::Operands, || {
            for (strip, lists) in operands.x.chunks_exact(STRIDE).zip(&mut operands.lists) {
                self.avx512.list_columns(&strip[..operands.pairs], lists);
            }
        });
    }

    // Shapes: dz [n, O], dx [n, I].
    fn input_gradient(self, layer: &PackedLayer, dz: &[f32], operands: &mut Operands, dx: Option<&mut [f32]>) {
        let [inputs, outputs] = layer.spec.sizes();
        let mut dx = dx.map(|dx| dx.chunks_mut(STRIP * inputs));
        LEFT.with_borrow_mut(|(tiles, _)| {
            let tiles = scratch(tiles, tile_lines(outputs));
            for (i, dz) in dz.chunks(STRIP * outputs).enumerate() {
                let strips = &mut operands.dz[i * PAIRS..];
                timed(Phase::Operands, || self.avx512.pack_bf16(dz, outputs, tiles, strips, STRIDE));
                let Some(dx) = dx.as_mut().and_then(Iterator::next) else { continue };
                // A part for each strip of W's rows: half a tile.
                let weights = layer.backward.chunks_exact(pairs(inputs)).enumerate();
                let parts = weights.map(|(strip, right)| {
                    let left = &words(&tiles[strip / 2 * STRIP..])[strip % 2 * PAIRS..];
                    Part { left, right, stride: PAIRS, list: &ALL[..PAIRS] }
                });
                timed(Phase::Backward, || self.avx512.multiply::<InTiles, STRIP, 1>(&parts, inputs, dx));
            }
        });
    }

    // Shapes, for each shard: dz [n, O], x [n, I]; dw [rows, I].
    fn weight_gradient(self, spec: LayerSpec, shards: &[ShardOperands<'_, Self>], rows: Range<usize>, dw: &mut [f32]) {
        let inputs = usize::from(spec.inputs);
        let wide = shards.first().is_some_and(|shard| !shard.operands.lists.is_empty());
        let rows_at_a_time = if wide { WIDE } else { STRIP };
        let blocks = rows.step_by(rows_at_a_time).zip(dw.chunks_mut(rows_at_a_time * inputs));
        timed(Phase::Gradients, || {
            for (first, dw) in blocks {
                let first = first / STRIP * STRIDE;
                if wide {
                    self.transposed_gradient(shards, first, inputs, dw);
                    continue;
                }
                // dW = Σ dzᵀ·x
                let parts = shards.iter().map(|ShardOperands { operands: Operands { pairs, dz, x, .. }, .. }| Part {
                    left: words(&dz[first..]),
                    right: x,
                    stride: STRIDE,
                    list: &ALL[..*pairs],
                });
                self.avx512.multiply::<InStrips, STRIP, 1>(&parts, inputs, dw);
            }
        });
    }

    fn gradient_rows(self, index: usize, spec: LayerSpec) -> usize {
        gradient_rows(index, spec)
    }

    fn activate(self, activation: ActivationKind, bias: &[f32], y: &mut [f32]) {
        if activation == ActivationKind::Sigmoid {
            timed(Phase::Activation, || y.chunks_exact_mut(bias.len()).for_each(|y| self.avx512.sigmoid(y, bias)));
        } else {
            activate(activation, bias, y);
        }
    }
}

impl Bf16 {
    /// Computes the next 64 rows of `dWᵀ = Σ xᵀ·dz`, from line `first` of each shard's `dz` on.
    fn transposed_gradient(self, shards: &[ShardOperands<'_, Self>], first: usize, inputs: usize, dw: &mut [f32]) {
        let mut dwt = [[[0.0; WIDE]; NARROW]; NARROW];
        for (strip, column) in (0..inputs).step_by(STRIP).enumerate() {
            for (i, dwt) in dwt.iter_mut().enumerate() {
                let parts = shards.iter().map(|ShardOperands { operands: Operands { dz, x, lists, .. }, .. }| Part {
                    left: &words(&x[strip * STRIDE..])[i * NARROW..],
                    right: &dz[first..],
                    stride: STRIDE,
                    list: lists[strip][i].pairs(),
                });
                self.avx512.multiply::<InStrips, NARROW, NARROW>(&parts, WIDE, dwt.as_flattened_mut());
            }
            self.avx512.transpose_into(dwt.as_flattened().as_flattened(), dw, inputs, column);
        }
    }
}
