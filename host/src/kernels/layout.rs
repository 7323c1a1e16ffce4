//! The layouts of operands in pairs of 16-bit numbers, which [`super::bf16`] and [`super::int16`] describe: lines, tiles,
//! strips, and lists of the pairs that are not 0.

use super::products::SHARD;
use autoencoder_core::LayerSpec;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Rows or columns in a strip: numbers in a vector.
pub(crate) const STRIP: usize = 16;
/// Pairs of a strip's rows.
pub(super) const PAIRS: usize = STRIP / 2;
/// Words of a tile.
const TILE: usize = STRIP * STRIP;
/// Rows of the left operand at a time if it may be mostly zeros, and strips of the right one, so that the number of sums stays
/// the same.
pub(crate) const NARROW: usize = 4;
/// Columns of these strips.
pub(super) const WIDE: usize = NARROW * STRIP;

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

/// A left operand in tiles.
pub(crate) struct InTiles;

/// A left operand in strips.
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
    /// The left operand from the first pair of the first row on.
    pub(crate) left: &'a [u32],
    /// Strips of columns.
    pub(crate) right: &'a [Line],
    /// Lines from one strip to the next.
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
    pub(super) const EMPTY: Self = Self { count: 0, pairs: [0; SHARD / 2] };

    pub(super) fn pairs(&self) -> &[u32] {
        &self.pairs[..self.count]
    }
}

/// The pairs of `numbers` numbers, rounded up to those of a strip.
pub(crate) const fn pairs(numbers: usize) -> usize {
    numbers.next_multiple_of(STRIP) / 2
}

/// The lines of the tiles of sixteen rows with this many numbers.
pub(super) const fn tile_lines(numbers: usize) -> usize {
    numbers.div_ceil(2 * STRIP) * STRIP
}

/// Whether a layer's input may be mostly zeros and is multiplied four rows at a time. This is the first layer, if its outputs are
/// whole groups of four strips.
pub(super) fn is_wide(index: usize, spec: LayerSpec) -> bool {
    index == 0 && usize::from(spec.outputs).is_multiple_of(WIDE)
}

/// Rows of a layer's weights whose gradient is computed at a time: whole strips, of at most 16 KiB unless that is less than
/// the fewest.
pub(super) fn gradient_rows(index: usize, spec: LayerSpec) -> usize {
    const NUMBERS: usize = 4096;
    let fewest = if is_wide(index, spec) { WIDE } else { STRIP };
    fewest * (NUMBERS / (fewest * usize::from(spec.inputs))).max(1)
}

/// Lines word for word.
pub(super) fn words(lines: &[Line]) -> &[u32] {
    <[u32]>::ref_from_bytes(lines.as_bytes()).expect("a line is words of 32 bits")
}

/// The first `count` lines of scratch memory, with any contents. The memory grows if it is too short.
pub(super) fn scratch(lines: &mut Vec<Line>, count: usize) -> &mut [Line] {
    if lines.len() < count {
        lines.resize(count, Line::default());
    }
    &mut lines[..count]
}
