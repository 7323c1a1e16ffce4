//! The products of one shard, and the gradient of weights over all shards.
//!
//! `forward` and `input_gradient` round the rows of a shard, and pack them once more, in pairs of rows, for the gradient of
//! weights.

use super::lists::{ListScratch, Lists};
use super::multiply::Dot;
use super::operation::{Dense, Left, Listed};
use super::packing::{DzScratch, PackDz, PackX};
use super::weights::{Int16Rows, PackedLayer, PackedNetwork};
use crate::aligned::Aligned;
use crate::kernels::layout::{Line, NARROW, PAIRS, STRIP, WIDE, gradient_rows, pairs, scratch, words};
use crate::kernels::products::{Products, SHARD, ShardOperands};
use crate::kernels::sparse::is_mostly_zero;
use crate::kernels::transpose::transpose;
use crate::kernels::vectorise::vectorise;
use crate::network::FloatNetwork;
use crate::profile::{Phase, timed};
use autoencoder_core::{LayerSpec, Topology};
use pulp::Arch;
use std::cell::RefCell;
use std::ops::Range;
use zerocopy::{FromBytes, IntoBytes};

/// Products in 16-bit integers, on processors with AVX2.
#[derive(Clone, Copy, Debug)]
pub struct Int16 {
    pub(super) dot: Dot,
}

/// The operands of one layer's weight gradient, for one shard, in pairs of rows.
pub struct Operands {
    /// `[outputs / 16][STRIDE]`, or `[outputs / 64][STRIDE][4]` if `x` is in lists.
    pub(super) dz: Vec<Line>,
    /// What a step is worth in each column of `dz`.
    pub(super) dz_units: Vec<f32>,
    /// Whether `x` is in lists: if the layer is wide and the shard mostly 0.
    pub(super) listed: bool,
    /// `[inputs / 16][STRIDE]`, unless `x` is in lists.
    pub(super) x: Vec<Line>,
    /// The pairs of each column of `x` that are not 0, if `x` is in lists.
    pub(super) lists: Lists,
    /// What a step of `x` is worth.
    pub(super) x_unit: f32,
}

/// Lines from one strip of a shard's columns to the next. The last one is never written, because a product may read a part of
/// the line after those that it needs.
pub(super) const STRIDE: usize = SHARD / 2 + 1;
/// The most pairs of the inner dimension at a time: a strip of them takes 12.5 KiB, and so do sixteen rows.
pub(super) const BLOCK: usize = 200;
/// The same for a wide layer, whose four strips take 26 KiB.
pub(super) const WIDE_BLOCK: usize = 104;
/// No other units.
const ONES: [f32; STRIP] = [1.0; STRIP];

/// The pairs of a block, if the inner dimension has this many: a multiple of eight.
pub(super) fn block(pairs: usize, wide: bool) -> usize {
    let most = if wide { WIDE_BLOCK } else { BLOCK };
    pairs.div_ceil(pairs.div_ceil(most)).next_multiple_of(PAIRS)
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    /// The rows of a left operand.
    left: Vec<Line>,
    /// Lists of its pairs.
    lists: Lists,
    /// For lists of the columns.
    columns: ListScratch,
    /// A block of a strip.
    tile: Vec<Line>,
    /// Two rows of `x`.
    padded: Vec<f32>,
    dz: DzScratch,
    /// The unit of each row.
    units: Vec<f32>,
    /// Some columns of a transposed gradient.
    transposed: Aligned,
}

impl Int16 {
    /// Products in 16-bit integers; `None` if the processor lacks the instructions.
    pub fn detect() -> Option<Self> {
        Dot::detect().map(|dot| Self { dot })
    }

    /// Whether they are in vectors of AVX-512.
    pub fn has_avx512(self) -> bool {
        self.dot.has_avx512()
    }

    /// Products with each of the processor's instructions for them.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Dot::all().into_iter().map(|dot| Self { dot })
    }
}

impl Products for Int16 {
    type Packed = PackedNetwork;
    type Rows<'a> = Int16Rows<'a>;
    type Layer<'a> = &'a PackedLayer;
    type Operands = Operands;

    /// All weights are 0.
    fn packed(self, topology: &Topology) -> PackedNetwork {
        PackedNetwork::new(topology)
    }

    fn layers<'a>(packed: &'a PackedNetwork, _: &'a FloatNetwork) -> Vec<&'a PackedLayer> {
        packed.layers.iter().collect()
    }

    fn rows_mut(packed: &mut PackedNetwork) -> impl Iterator<Item = Int16Rows<'_>> {
        packed.rows_mut()
    }

    fn operands(self, _: usize, spec: LayerSpec) -> Operands {
        let [inputs, outputs] = spec.sizes().map(|columns| columns.div_ceil(STRIP));
        let strips = |count: usize| vec![Line::default(); count * STRIDE];
        let dz_units = vec![0.0; outputs * STRIP];
        let lists = Lists::default();
        Operands { dz: strips(outputs), dz_units, listed: false, x: strips(inputs), lists, x_unit: 0.0 }
    }

    // Shapes: x [n, I], y [n, O].
    fn forward(self, layer: &PackedLayer, x: &[f32], operands: &mut Operands, y: &mut [f32]) {
        SCRATCH.with_borrow_mut(|Scratch { left, lists, columns, padded, units, tile, .. }| {
            let (inputs, pairs) = (usize::from(layer.spec.inputs), pairs(layer.spec.inputs.into()));
            let x_rows = timed(Phase::Operands, || {
                operands.listed = layer.wide && is_mostly_zero(Arch::default(), x);
                let rows = vectorise(PackX { layer, x, padded, left, operands });
                if operands.listed {
                    let numbers = <[i16]>::ref_from_bytes(rows.as_bytes()).expect("pairs of integers");
                    operands.lists.list_columns(self.dot, numbers, 2 * pairs, inputs, columns);
                    lists.list_rows(self.dot, &rows[..x.len() / inputs * pairs], pairs, block(pairs, true));
                }
                rows
            });
            units.clear();
            units.resize(x.len() / inputs, operands.x_unit);
            timed(Phase::Forward, || {
                if operands.listed {
                    self.wide_forward(layer, lists, operands.x_unit, tile, y);
                } else {
                    self.dense_forward(layer, x_rows, units, tile, y);
                }
            });
        });
    }

    // Shapes: dz [n, O], dx [n, I].
    fn input_gradient(self, layer: &PackedLayer, dz: &[f32], operands: &mut Operands, dx: Option<&mut [f32]>) {
        SCRATCH.with_borrow_mut(|Scratch { left, dz: scratch, units, tile, .. }| {
            let rows = dx.is_some().then_some((left, &mut *units));
            let pack = PackDz { layer, dz, scratch, rows, operands };
            let rows = timed(Phase::Operands, || vectorise(pack));
            if let Some(dx) = dx {
                timed(Phase::Backward, || self.dense_backward(layer, rows, units, tile, dx));
            }
        });
    }

    // Shapes, for each shard: dz [n, O], x [n, I]; dw [rows, I].
    fn weight_gradient(self, spec: LayerSpec, shards: &[ShardOperands<'_, Self>], rows: Range<usize>, dw: &mut [f32]) {
        let inputs = usize::from(spec.inputs);
        timed(Phase::Gradients, || {
            let any_listed = shards.iter().any(|shard| shard.operands.listed);
            if any_listed {
                for (first, dw) in rows.clone().step_by(WIDE).zip(dw.chunks_mut(WIDE * inputs)) {
                    self.wide_gradient(shards, inputs, first, dw);
                }
            }
            for (first, dw) in rows.step_by(STRIP).zip(dw.chunks_mut(STRIP * inputs)) {
                self.dense_gradient(shards, inputs, first, dw, any_listed);
            }
        });
    }

    fn gradient_rows(self, index: usize, spec: LayerSpec) -> usize {
        gradient_rows(index, spec)
    }
}

impl Int16 {
    fn dense_forward(self, layer: &PackedLayer, x: &[u32], units: &[f32], tile: &mut Vec<Line>, y: &mut [f32]) {
        let [inputs, outputs] = layer.spec.sizes();
        let (pairs, block) = (pairs(inputs), block(pairs(inputs), false));
        let (column_units, _) = layer.units.as_chunks::<STRIP>();
        for (strip, column_units) in column_units.iter().enumerate() {
            for first in (0..pairs).step_by(block) {
                let columns = first..pairs.min(first + block);
                let tile = scratch(tile, columns.len());
                layer.transposed_tile(strip * STRIP, columns, tile);
                self.dot.dense(Dense {
                    left: Left::Rows(&x[first..], pairs),
                    right: tile,
                    row_units: units,
                    column_units,
                    out: &mut y[strip * STRIP..],
                    stride: outputs,
                    columns: outputs - strip * STRIP,
                    add: first > 0,
                });
            }
        }
    }

    fn wide_forward(self, layer: &PackedLayer, lists: &Lists, x_unit: f32, tile: &mut Vec<Line>, y: &mut [f32]) {
        let [inputs, outputs] = layer.spec.sizes();
        let (pairs, block) = (pairs(inputs), block(pairs(inputs), true));
        let (units, _) = layer.units.as_chunks::<WIDE>();
        for (group, units) in units.iter().enumerate() {
            for (i, first) in (0..pairs).step_by(block).enumerate() {
                let columns = first..pairs.min(first + block);
                let tile = scratch(tile, columns.len() * NARROW);
                layer.transposed_tile(group * WIDE, columns, tile);
                self.dot.listed(Listed {
                    lists,
                    block: i,
                    rows: y.len() / outputs,
                    right: tile.as_chunks().0,
                    column_units: &units.map(|unit| unit * x_unit),
                    out: &mut y[group * WIDE..],
                    stride: outputs,
                    add: i > 0,
                });
            }
        }
    }

    fn dense_backward(self, layer: &PackedLayer, dz: &[u32], units: &[f32], tile: &mut Vec<Line>, dx: &mut [f32]) {
        let [inputs, outputs] = layer.spec.sizes();
        let (pairs, block) = (pairs(outputs), block(pairs(outputs), false));
        for strip in 0..inputs.div_ceil(STRIP) {
            for first in (0..pairs).step_by(block) {
                let tile = scratch(tile, block.min(pairs - first));
                layer.tile(first, strip, tile);
                self.dot.dense(Dense {
                    left: Left::Rows(&dz[first..], pairs),
                    right: tile,
                    row_units: units,
                    column_units: &ONES,
                    out: &mut dx[strip * STRIP..],
                    stride: inputs,
                    columns: inputs - strip * STRIP,
                    add: first > 0,
                });
            }
        }
    }

    /// Computes up to sixteen rows of `dW = Σ dzᵀ·x`, from row `first` on, of the shards that are not in lists. Adds them to `dw`
    /// if `add`.
    fn dense_gradient(
        self,
        shards: &[ShardOperands<'_, Self>],
        inputs: usize,
        first: usize,
        dw: &mut [f32],
        add: bool,
    ) {
        let rows = dw.len() / inputs;
        let dense = shards.iter().filter(|shard| !shard.operands.listed);
        for (i, ShardOperands { x, operands, .. }) in dense.enumerate() {
            let pairs = (x.len() / inputs).div_ceil(2);
            let mut units = [0.0; STRIP];
            let dz_units = &operands.dz_units[first..];
            units.iter_mut().zip(dz_units).for_each(|(unit, dz_unit)| *unit = dz_unit * operands.x_unit);
            let left = Left::Strip(&words(&operands.dz)[first / STRIP * STRIDE * STRIP..]);
            for (strip, right) in operands.x.chunks_exact(STRIDE).enumerate() {
                self.dot.dense(Dense {
                    left,
                    right: &right[..pairs],
                    row_units: &units[..rows],
                    column_units: &ONES,
                    out: &mut dw[strip * STRIP..],
                    stride: inputs,
                    columns: inputs - strip * STRIP,
                    add: add || i > 0,
                });
            }
        }
    }

    /// Computes 64 rows of `dW`, from row `first` on, of the shards in lists: columns of `dWᵀ = Σ xᵀ·dz`.
    fn wide_gradient(self, shards: &[ShardOperands<'_, Self>], inputs: usize, first: usize, dw: &mut [f32]) {
        SCRATCH.with_borrow_mut(|Scratch { transposed, .. }| {
            let dwt = transposed.scratch(inputs * WIDE);
            let listed = shards.iter().filter(|shard| shard.operands.listed);
            for (i, ShardOperands { x, operands, .. }) in listed.enumerate() {
                let (groups, _) = operands.dz.as_chunks::<NARROW>();
                let (units, _) = operands.dz_units.as_chunks::<WIDE>();
                self.dot.listed(Listed {
                    lists: &operands.lists,
                    block: 0,
                    rows: inputs,
                    right: &groups[first / WIDE * STRIDE..][..(x.len() / inputs).div_ceil(2)],
                    column_units: &units[first / WIDE].map(|unit| unit * operands.x_unit),
                    out: dwt,
                    stride: WIDE,
                    add: i > 0,
                });
            }
            transpose(Arch::default(), dwt, WIDE, WIDE, dw);
        });
    }
}
