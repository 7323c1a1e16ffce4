//! The operations of the inner loops.

use super::lists::Lists;
use crate::kernels::layout::{Line, NARROW, STRIP, WIDE};

/// The left operand of [`Dense`], from its first row and pair on.
#[derive(Clone, Copy)]
pub(super) enum Left<'a> {
    /// Rows, these words apart.
    Rows(&'a [u32], usize),
    /// Sixteen rows in a strip. Another line follows it.
    Strip(&'a [u32]),
}

/// A product with sixteen columns: `out = units · left · right`, or `out += …` if `add`.
pub(super) struct Dense<'a> {
    pub(super) left: Left<'a>,
    pub(super) right: &'a [Line],
    /// What a step is worth in each row of `out`; their number is that of the rows.
    pub(super) row_units: &'a [f32],
    /// The same for each column.
    pub(super) column_units: &'a [f32; STRIP],
    /// From the first number on. There may be fewer than sixteen columns.
    pub(super) out: &'a mut [f32],
    /// Numbers from one row of `out` to the next.
    pub(super) stride: usize,
    pub(super) columns: usize,
    pub(super) add: bool,
}

/// A product of the rows that lists describe with 64 columns.
pub(super) struct Listed<'a> {
    pub(super) lists: &'a Lists,
    /// The block of the lists, and the number of rows.
    pub(super) block: usize,
    pub(super) rows: usize,
    pub(super) right: &'a [[Line; NARROW]],
    pub(super) column_units: &'a [f32; WIDE],
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) add: bool,
}
