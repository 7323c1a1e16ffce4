//! A training step with products in bfloat16: half the bytes of an `f32`, twice the multiply-adds an instruction. Operands
//! are rounded, and the optimizer's moments; sums, weights and all else stay `f32`. The gradient of 256 images is uncertain by
//! far more than the rounding.
//!
//! Each number is rounded once, where it is made, and put where each product will read it. A word holds a pair: two
//! neighbours along the inner dimension of a product. The left operand lies in rows, or in strips of sixteen rows; the
//! right one in strips of sixteen columns, a vector of words for each pair:
//!
//! ```text
//! rows[outer][inner / 2] words        strips[outer / 16][inner / 2][16] words
//! ```
//!
//! | product | left | right |
//! |---|---|---|
//! | `y = x·Wᵀ` | rows of `x` | strips of `W`'s rows |
//! | `dx = dy·W` | rows of `dy` | strips of `W`'s columns |
//! | `dW = dyᵀ·x` | strips of `dy`'s columns | strips of `x`'s columns |
//! | `dWᵀ = xᵀ·dy`, first layer | strips of `x`'s columns | strips of `dy`'s columns |
//!
//! What a matrix has too few of to fill a strip are zeros.
//!
//! Four fifths of a digit's pixels are 0. Where `x` is the left operand, a pair that is 0 in all rows that are multiplied at
//! a time is passed over; so in the first layer these are four instead of sixteen, and the input is the left of both its
//! products. What it would be multiplied by may be infinite or NaN: a bias, a loss or the weights themselves will show it.

pub(crate) mod moments;
mod pass;
#[cfg(test)]
mod tests;

pub use crate::gemm::avx512::Bfloat16;
pub use pass::{Operands, Pass, gradient};

use crate::trainer::SHARD;
use autoencoder_core::{LayerSpec, Parameters};
use rayon::prelude::*;
use std::cell::RefCell;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Rows or columns in a strip: numbers in a vector.
pub(crate) const STRIP: usize = 16;
/// Pairs of a strip's rows.
const PAIRS: usize = STRIP / 2;
/// Rows of the left at a time where it may be mostly zeros; and strips of the right, so that there are as many sums.
pub(crate) const NARROW: usize = 4;
/// Columns of these strips.
const WIDE: usize = NARROW * STRIP;

/// A pair from each of a strip's rows or columns; or sixteen pairs of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u32; STRIP]);

/// How the left operand lies in memory.
pub(crate) trait Left {
    /// Words from one row to the next.
    const ROW: usize;
    /// Words from one pair to the next.
    const PAIR: usize;
}

/// In rows of `N` numbers.
pub(crate) struct InRows<const N: usize>;

/// In strips.
pub(crate) struct InStrips;

impl<const N: usize> Left for InRows<N> {
    const ROW: usize = pairs(N);
    const PAIR: usize = 1;
}

impl Left for InStrips {
    const ROW: usize = 1;
    const PAIR: usize = STRIP;
}

/// Pairs of so many numbers, filled up to a strip's.
pub(crate) const fn pairs(numbers: usize) -> usize {
    numbers.next_multiple_of(STRIP) / 2
}

/// A product along a part of the inner dimension.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// From the first pair of the first row on.
    pub(crate) left: &'a [u32],
    /// Strips of columns.
    pub(crate) right: &'a [Line],
    /// Lines from one of these to the next.
    pub(crate) stride: usize,
    /// The pairs to multiply: the others are 0.
    pub(crate) list: &'a [u32],
}

/// Pairs along a shard's rows.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) count: usize,
    pub(crate) pairs: [u32; SHARD / 2],
}

impl List {
    const EMPTY: Self = Self { count: 0, pairs: [0; SHARD / 2] };

    fn pairs(&self) -> &[u32] {
        &self.pairs[..self.count]
    }
}

/// Rows of a layer's gradient that are made at a time.
pub(crate) fn rows_at_once(layer: usize, outputs: usize) -> usize {
    if layer == 0 && outputs.is_multiple_of(WIDE) { WIDE } else { STRIP }
}

/// The weights of a network as products read them, and their moments.
pub struct Weights {
    unit: Bfloat16,
    layers: Vec<Layer>,
}

/// The weights of one layer. To sixteen rows of them belong as many lines of one order as of the other.
struct Layer {
    inputs: usize,
    /// `[outputs / 16][inputs / 2]`: strips of rows.
    forward: Vec<Line>,
    /// `[outputs / 16][inputs / 16][8]`: of each sixteen rows, strips of columns. None in the first layer: its input has no
    /// gradient.
    backward: Vec<Line>,
    /// `[outputs][inputs / 16]`: the moments of the weights, where they are kept here.
    moments: Vec<Line>,
}

/// The lines of some rows of a layer's weights, and of their moments.
pub(crate) struct Lines<'a> {
    pub(crate) unit: Bfloat16,
    inputs: usize,
    forward: &'a mut [Line],
    backward: &'a mut [Line],
    pub(crate) moments: &'a mut [Line],
}

impl Weights {
    /// Room for those of a network, where the processor has the instructions.
    pub fn new(specs: impl Iterator<Item = LayerSpec>) -> Option<Self> {
        let unit = Bfloat16::detect()?;
        let layer = |(layer, spec): (usize, LayerSpec)| {
            let (inputs, strips) = (usize::from(spec.inputs), usize::from(spec.outputs).div_ceil(STRIP));
            let forward = vec![Line::default(); strips * pairs(inputs)];
            let backward = if layer == 0 { Vec::new() } else { forward.clone() };
            let moments = vec![Line::default(); usize::from(spec.outputs) * inputs.div_ceil(STRIP)];
            Layer { inputs, forward, backward, moments }
        };
        Some(Self { unit, layers: specs.enumerate().map(layer).collect() })
    }

    /// Writes down those of `net`.
    pub fn fill(&mut self, net: &impl Parameters) {
        let mut chunks = Vec::new();
        for (lines, weights) in self.layers().zip(net.slices().step_by(2)) {
            let size = WIDE * lines.inputs;
            chunks.extend(lines.chunks(WIDE).zip(weights.chunks(size)));
        }
        chunks.par_iter_mut().for_each(|(lines, weights)| lines.fill(weights));
    }

    /// The processor's instructions.
    pub fn unit(&self) -> Bfloat16 {
        self.unit
    }

    /// The lines of each layer.
    pub(crate) fn layers(&mut self) -> impl Iterator<Item = Lines<'_>> {
        let unit = self.unit;
        self.layers.iter_mut().map(move |Layer { inputs, forward, backward, moments }| Lines {
            unit,
            inputs: *inputs,
            forward,
            backward,
            moments,
        })
    }
}

impl<'a> Lines<'a> {
    /// Those of so many rows at a time, a multiple of sixteen.
    pub(crate) fn chunks(self, rows: usize) -> impl Iterator<Item = Self> + use<'a> {
        let Self { unit, inputs, forward, backward, moments } = self;
        let lines = rows / STRIP * pairs(inputs);
        let mut backward = backward.chunks_mut(lines);
        let chunks = forward.chunks_mut(lines).zip(moments.chunks_mut(rows * inputs.div_ceil(STRIP)));
        chunks.map(move |(forward, moments)| {
            let backward = backward.next().unwrap_or_default();
            Self { unit, inputs, forward, backward, moments }
        })
    }

    /// The same, for a shorter time.
    pub(crate) fn reborrow(&mut self) -> Lines<'_> {
        let Self { unit, inputs, forward, backward, moments } = self;
        Lines { unit: *unit, inputs: *inputs, forward, backward, moments }
    }

    /// Writes down the weights of these rows.
    pub(crate) fn fill(&mut self, weights: &[f32]) {
        let size = STRIP * self.inputs;
        for (lines, weights) in self.reborrow().chunks(STRIP).zip(weights.chunks(size)) {
            let Lines { unit, inputs, forward, backward, .. } = lines;
            ROWS.with_borrow_mut(|rows| {
                let rows = room(rows, STRIP * pairs(inputs));
                unit.cut(weights, inputs, rows, backward, PAIRS);
                unit.transpose(rows, forward);
            });
        }
    }
}

thread_local! {
    /// Sixteen rows of weights.
    static ROWS: RefCell<Vec<Line>> = RefCell::default();
}

const WORDS: &str = "a line is words of 32 bits";

/// Room for so many words, whatever they are.
fn room(lines: &mut Vec<Line>, words: usize) -> &mut [u32] {
    let count = words.div_ceil(STRIP);
    if lines.len() < count {
        lines.resize(count, Line::default());
    }
    &mut <[u32]>::mut_from_bytes(lines.as_mut_bytes()).expect(WORDS)[..words]
}

/// Lines word for word.
fn words(lines: &[Line]) -> &[u32] {
    <[u32]>::ref_from_bytes(lines.as_bytes()).expect(WORDS)
}
