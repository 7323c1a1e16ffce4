//! Products in bfloat16: half the bytes of an `f32`, and twice the multiply-adds per instruction. Operands are rounded, and
//! so are the optimizer's moments; sums, weights and everything else stay `f32`. The gradient of 256 images is far more
//! uncertain than the rounding.
//!
//! Each number is rounded once, where it is made, and written where each product will read it. A word holds a pair of
//! neighbours along the inner dimension of a product. A line is sixteen words. The left operand lies in tiles of sixteen
//! rows by sixteen pairs or in strips, the right operand in strips of sixteen columns:
//!
//! ```text
//! tiles[outer / 16][pair / 16][16 rows]  lines of 16 pairs        strips[outer / 16][pair]  lines of 16 rows or columns
//! ```
//!
//! | product | left | right |
//! |---|---|---|
//! | `y = x·Wᵀ` | tiles of `x` | strips of `W`'s rows |
//! | `dx = dz·W` | tiles of `dz` | strips of `W`'s columns |
//! | `dW = dzᵀ·x` | strips of `dz`'s columns | strips of `x`'s columns |
//! | `dWᵀ = xᵀ·dz`, first layer | strips of `x`'s columns | strips of `dz`'s columns |
//!
//! Zeros fill up what a matrix lacks of whole tiles and strips.
//!
//! Four fifths of a digit's pixels are 0. Where `x` is the left operand, a pair that is 0 in all rows that are multiplied at
//! a time is skipped. Therefore the first layer takes four rows at a time instead of sixteen, and its input is the left operand
//! of both its products. What a skipped pair would be multiplied by may be infinite or NaN: a bias, the loss or the weights
//! themselves will show it.

pub(crate) mod moments;
mod products;
#[cfg(test)]
mod tests;
mod weights;

pub use products::{Bf16, Operands};
pub use weights::PackedNetwork;
pub(crate) use weights::{PackedLayer, PackedRows};

use super::SHARD;
use autoencoder_core::LayerSpec;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Rows or columns in a strip: numbers in a vector.
pub(crate) const STRIP: usize = 16;
/// Pairs of a strip's rows.
const PAIRS: usize = STRIP / 2;
/// Words of a tile.
const TILE: usize = STRIP * STRIP;
/// Rows of the left operand at a time where it may be mostly zeros; and strips of the right one, so that there are as many
/// sums.
pub(crate) const NARROW: usize = 4;
/// Columns of these strips.
const WIDE: usize = NARROW * STRIP;

/// Sixteen words: a pair of each row or column of a strip, or sixteen pairs of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u32; STRIP]);

/// The layout of the left operand.
pub(crate) trait Left {
    /// Words from one row to the next.
    const ROW: usize;
    /// Words from the first pair of a row to this one.
    fn offset(pair: usize) -> usize;
}

/// In tiles.
pub(crate) struct InTiles;

/// In strips.
pub(crate) struct InStrips;

impl Left for InTiles {
    const ROW: usize = STRIP;

    #[inline(always)]
    fn offset(pair: usize) -> usize {
        pair / STRIP * TILE + pair % STRIP
    }
}

impl Left for InStrips {
    const ROW: usize = 1;

    #[inline(always)]
    fn offset(pair: usize) -> usize {
        pair * STRIP
    }
}

/// The part of a product along some pairs of the inner dimension.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// From the first pair of the first row on.
    pub(crate) left: &'a [u32],
    /// Strips of columns.
    pub(crate) right: &'a [Line],
    /// Lines from one of these to the next.
    pub(crate) stride: usize,
    /// The pairs to multiply: all others are 0.
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

/// The pairs of `numbers` numbers, rounded up to those of a strip.
pub(crate) const fn pairs(numbers: usize) -> usize {
    numbers.next_multiple_of(STRIP) / 2
}

/// The lines of the tiles of sixteen rows with this many numbers.
const fn tile_lines(numbers: usize) -> usize {
    numbers.div_ceil(2 * STRIP) * STRIP
}

/// Whether a layer's input may be mostly zeros, and is multiplied four rows at a time: the first layer's, where it has whole
/// groups of four strips of outputs.
fn is_wide(index: usize, spec: LayerSpec) -> bool {
    index == 0 && usize::from(spec.outputs).is_multiple_of(WIDE)
}

/// Lines word for word.
fn words(lines: &[Line]) -> &[u32] {
    <[u32]>::ref_from_bytes(lines.as_bytes()).expect("a line is words of 32 bits")
}

/// The first `count` lines of scratch memory, whatever they are. It grows where it is too short.
fn scratch(lines: &mut Vec<Line>, count: usize) -> &mut [Line] {
    if lines.len() < count {
        lines.resize(count, Line::default());
    }
    &mut lines[..count]
}
