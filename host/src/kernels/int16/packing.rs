//! Rounding and packing the operands of one shard, compiled for this machine's vector instructions.

use super::products::{Operands, STRIDE, block};
use super::rounding::{
    Strips, largest, measure, measure_columns, measure_scaled, round, round_columns, round_rows, round_scaled, two_rows,
};
use super::scales::{COLUMN, FEW, LARGEST, Largest, RIGHT, Scale, Sizes};
use super::weights::PackedLayer;
use crate::kernels::layout::{Line, NARROW, STRIP, pairs, scratch};
use crate::kernels::products::SHARD;
use pulp::{Simd, WithSimd};
use zerocopy::{FromBytes, IntoBytes};

/// Rounds the rows of a layer's input, with one scale, and returns them. Packs them for the gradient of weights.
pub(super) struct PackX<'a, 'b> {
    pub(super) layer: &'a PackedLayer,
    pub(super) x: &'a [f32],
    /// Scratch memory for two rows.
    pub(super) padded: &'a mut Vec<f32>,
    pub(super) left: &'b mut Vec<Line>,
    pub(super) operands: &'a mut Operands,
}

impl<'b> WithSimd for PackX<'_, 'b> {
    type Output = &'b [u32];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b [u32] {
        let Self { layer, x, padded, left, operands } = self;
        let inputs = usize::from(layer.spec.inputs);
        let (rows, pairs) = (x.len() / inputs, pairs(inputs));
        assert!(rows <= SHARD, "one shard");
        let block = block(pairs, operands.listed);
        let mut sizes = Sizes::default();
        if inputs <= FEW {
            sizes.number = largest(x);
        } else {
            for row in x.chunks_exact(inputs) {
                measure(row, 2 * block, &mut sizes);
            }
        }
        let scale = sizes.scale(RIGHT, layer.base);
        operands.x_unit = scale.unit;
        // Whole pairs of rows: a missing one is 0.
        let words = rows_of(left, rows.next_multiple_of(2) * pairs);
        let numbers = <[i16]>::mut_from_bytes(words.as_mut_bytes()).expect("pairs of integers");
        if operands.listed {
            let mut x = x.chunks_exact(inputs);
            for to in numbers.chunks_exact_mut(2 * pairs) {
                round(x.next().unwrap_or_default(), scale.steps, to);
            }
        } else {
            for (i, (two, to)) in x.chunks(2 * inputs).zip(numbers.chunks_exact_mut(4 * pairs)).enumerate() {
                let strips = Strips::new(&mut operands.x[i..], 1, STRIDE);
                round_rows(two_rows(two, inputs, padded), scale.steps, to.split_at_mut(2 * pairs), strips);
            }
        }
        words
    }
}

/// Packs the gradient of a layer's sums for the gradient of weights, and returns its rows for the gradient of the inputs.
pub(super) struct PackDz<'a, 'b> {
    pub(super) layer: &'a PackedLayer,
    pub(super) dz: &'a [f32],
    pub(super) scratch: &'a mut DzScratch,
    /// Scratch memory for the rounded rows and for the unit of each row. `None` if the inputs have no gradient.
    pub(super) rows: Option<(&'b mut Vec<Line>, &'a mut Vec<f32>)>,
    pub(super) operands: &'a mut Operands,
}

/// Scratch memory for packing `dz`.
#[derive(Default)]
pub(super) struct DzScratch {
    /// Two rows.
    padded: Vec<f32>,
    /// The largest number of each column, and its steps in one.
    largest: Vec<[Largest; STRIP]>,
    column_steps: Vec<[f32; STRIP]>,
}

impl<'b> WithSimd for PackDz<'_, 'b> {
    type Output = &'b [u32];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b [u32] {
        let Self { layer, dz, scratch, rows, operands } = self;
        let outputs = usize::from(layer.spec.outputs);
        // The scales of the weights' rows.
        let factors = layer.units.as_chunks().0;
        scratch.largest.clear();
        scratch.largest.resize(factors.len(), Default::default());
        let words = if let Some((left, units)) = rows {
            pack_rows(dz, factors, outputs, scratch, left, units)
        } else {
            for two in dz.chunks(2 * outputs) {
                measure_columns(two_rows(two, outputs, &mut scratch.padded), &mut scratch.largest);
            }
            &[]
        };
        let DzScratch { padded, largest, column_steps } = scratch;
        // Each column has a scale of its own.
        column_steps.resize(factors.len(), [0.0; STRIP]);
        let columns = largest.as_flattened().iter().zip(column_steps.as_flattened_mut());
        for ((largest, steps), unit) in columns.zip(&mut operands.dz_units) {
            let scale = Scale::new(largest.get(), COLUMN, 1.0);
            (*steps, *unit) = (scale.steps, scale.unit);
        }
        let group = if operands.listed { NARROW } else { 1 };
        for (i, two) in dz.chunks(2 * outputs).enumerate() {
            let strips = Strips::new(&mut operands.dz[i * group..], group, group * STRIDE);
            round_columns(two_rows(two, outputs, padded), column_steps, strips);
        }
        words
    }
}

/// Rounds the rows of `dz` in steps of the rows of weights, each with a scale of its own. Widens the largest numbers of the
/// columns to them.
#[inline(always)]
fn pack_rows<'b>(
    dz: &[f32],
    factors: &[[f32; STRIP]],
    outputs: usize,
    scratch: &mut DzScratch,
    left: &'b mut Vec<Line>,
    units: &mut Vec<f32>,
) -> &'b [u32] {
    let (rows, pairs) = (dz.len() / outputs, pairs(outputs));
    let words = rows_of(left, rows.next_multiple_of(2) * pairs);
    let numbers = <[i16]>::mut_from_bytes(words.as_mut_bytes()).expect("pairs of integers");
    let strips = 2 * block(pairs, false) / STRIP;
    units.clear();
    for (two, to) in dz.chunks(2 * outputs).zip(numbers.chunks_exact_mut(4 * pairs)) {
        let two = two_rows(two, outputs, &mut scratch.padded);
        let sizes = measure_scaled(two, factors, strips, &mut scratch.largest);
        let scales = sizes.map(|sizes| sizes.scale(LARGEST, 1.0));
        for ((row, scale), to) in two.into_iter().zip(scales).zip(to.chunks_exact_mut(2 * pairs)) {
            round_scaled(row, factors, scale.steps, to);
            units.push(scale.unit);
        }
    }
    units.truncate(rows);
    words
}

/// The first `count` words of scratch memory, with any contents.
fn rows_of(lines: &mut Vec<Line>, count: usize) -> &mut [u32] {
    let words = <[u32]>::mut_from_bytes(scratch(lines, count.div_ceil(STRIP)).as_mut_bytes());
    &mut words.expect("a line is words of 32 bits")[..count]
}
