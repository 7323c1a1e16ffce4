//! The weights of a network, packed for products in 16-bit integers.

use super::rounding::{largest, pair_rows, round};
use super::scales::{RIGHT, Scale};
use crate::kernels::layout::{Line, STRIP, is_wide, pairs, words};
use crate::kernels::products::PackedRows;
use crate::kernels::transpose::transpose;
use crate::kernels::vectorise::vectorise;
use crate::profile::{Phase, timed};
use autoencoder_core::{LayerSpec, Topology};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;
use zerocopy::{FromBytes, IntoBytes};

/// The packed weights of all layers.
pub struct PackedNetwork {
    pub(super) layers: Vec<PackedLayer>,
}

/// The weights of one layer.
pub struct PackedLayer {
    pub(super) spec: LayerSpec,
    /// Whether the layer's input may be mostly zeros.
    pub(super) wide: bool,
    /// The scale of the input is a power of two times this. Pixels, in the first layer, are multiples of 1/255.
    pub(super) base: f32,
    /// `[outputs][inputs / 2]`, in words. Products arrange them in tiles, which costs less than another core's waiting for more
    /// lines that this one has written.
    rows: Vec<Line>,
    /// What a step is worth in each row; 0 beyond the last row.
    pub(super) units: Vec<f32>,
}

/// Some rows of a layer's packed weights, mutable.
pub struct Int16Rows<'a> {
    inputs: usize,
    rows: &'a mut [Line],
    units: &'a mut [f32],
}

impl PackedNetwork {
    /// A packed network of this topology, whose weights are all 0.
    pub(super) fn new(topology: &Topology) -> Self {
        let layer = |(index, spec): (usize, &LayerSpec)| {
            let [inputs, outputs] = spec.sizes();
            let rows = vec![Line::default(); outputs.div_ceil(STRIP) * pairs(inputs)];
            let units = vec![0.0; outputs.next_multiple_of(STRIP)];
            let (wide, base) = (is_wide(index, *spec), if index == 0 { 255.0 } else { 1.0 });
            PackedLayer { spec: *spec, wide, base, rows, units }
        };
        Self { layers: topology.layers().iter().enumerate().map(layer).collect() }
    }

    /// All rows of each layer.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = Int16Rows<'_>> {
        self.layers.iter_mut().map(|PackedLayer { spec, rows, units, .. }| Int16Rows {
            inputs: spec.inputs.into(),
            rows,
            units,
        })
    }
}

impl PackedLayer {
    /// Makes a tile of some pairs of columns: a line holds a pair of each of the rows from `first` on. Their number follows from
    /// the length of the tile.
    pub(super) fn transposed_tile(&self, first: usize, columns: Range<usize>, tile: &mut [Line]) {
        let pairs = pairs(self.spec.inputs.into());
        let from = <[f32]>::ref_from_bytes(words(&self.rows)[first * pairs + columns.start..].as_bytes());
        let to = <[f32]>::mut_from_bytes(tile.as_mut_bytes());
        transpose(Arch::default(), from.expect("words"), pairs, columns.len(), to.expect("words"));
    }

    /// Makes a tile of the pairs of rows from the pair `first` on: a line holds a pair of each column of a strip. Their number
    /// follows from the length of the tile.
    pub(super) fn tile(&self, first: usize, strip: usize, tile: &mut [Line]) {
        let columns = 2 * pairs(self.spec.inputs.into());
        let numbers = <[i16]>::ref_from_bytes(self.rows.as_bytes()).expect("pairs of integers");
        vectorise(Pair { numbers: &numbers[2 * first * columns + strip * STRIP..], columns, tile });
    }
}

/// Writes the pairs of two rows each, compiled for this machine's vector instructions.
pub(super) struct Pair<'a> {
    /// From the strip on.
    pub(super) numbers: &'a [i16],
    /// Numbers from one row to the next.
    pub(super) columns: usize,
    pub(super) tile: &'a mut [Line],
}

impl WithSimd for Pair<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (line, two) in self.tile.iter_mut().zip(self.numbers.chunks(2 * self.columns)) {
            let (even, odd) = two.split_at(self.columns);
            *line = pair_rows(even.first_chunk().expect("whole strips"), odd.first_chunk().expect("whole strips"));
        }
    }
}

impl PackedRows for Int16Rows<'_> {
    fn chunks(self, rows: usize) -> impl Iterator<Item = Self> {
        let lines = rows / STRIP * pairs(self.inputs);
        let chunks = self.rows.chunks_mut(lines).zip(self.units.chunks_mut(rows));
        chunks.map(move |(rows, units)| Self { inputs: self.inputs, rows, units })
    }

    fn pack(&mut self, weights: &[f32]) {
        timed(Phase::Operands, || vectorise(Pack { packed: self, weights }));
    }
}

/// Rounds some rows, each with its own scale, compiled for this machine's vector instructions.
struct Pack<'a, 'b> {
    packed: &'a mut Int16Rows<'b>,
    weights: &'a [f32],
}

impl WithSimd for Pack<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Int16Rows { inputs, rows, units } = self.packed;
        let numbers = <[i16]>::mut_from_bytes(rows.as_mut_bytes()).expect("pairs of integers");
        let rows = self.weights.chunks_exact(*inputs).zip(numbers.chunks_exact_mut(2 * pairs(*inputs)));
        for ((row, to), unit) in rows.zip(units.iter_mut()) {
            let scale = Scale::new(largest(row).get(), RIGHT, 1.0);
            round(row, scale.steps, to);
            *unit = scale.unit;
        }
    }
}
