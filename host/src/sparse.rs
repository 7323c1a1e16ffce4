//! Products with a matrix that is mostly zeros.
//!
//! Four fifths of a digit's pixels are 0, and a product with 0 need not be taken. In `out = left · right`, `left` is
//! given as lists of its numbers that are not 0: a row of `out` is the sum of the rows of `right` that its list names,
//! each times its number. The lists are made for [`BLOCK`] rows of `right` at a time, so that these stay in the first
//! level cache while every row of `out` passes over them, [`VECTORS`] registers of it at a time.

use pulp::{Arch, Simd, WithSimd};

/// Rows of `right` at a time.
const BLOCK: usize = 56;
/// Vector registers of a row of `out` at a time.
const VECTORS: usize = 8;
/// Numbers in the widest of vector registers.
const WIDEST: usize = 16;
/// The largest part of numbers that are not 0 at which lists still pay.
const DENSITY: f32 = 0.4;
/// Numbers that are passed over at once if all of them are 0.
const STRIDE: usize = 8;

/// The numbers of a matrix that are not 0.
#[derive(Default)]
pub(crate) struct Lists {
    /// Rows of `left`.
    rows: usize,
    /// Where each row's list begins, block after block; at last, where all of them end.
    starts: Vec<u32>,
    /// A row of `right`, and the number to multiply it by.
    entries: Vec<(u32, f32)>,
}

/// Whether lists of these numbers, multiplied by rows of `columns`, are faster than a dense product.
pub(crate) fn pays(arch: Arch, numbers: &[f32], columns: usize) -> bool {
    struct Count<'a>(&'a [f32]);

    impl WithSimd for Count<'_> {
        type Output = u32;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> u32 {
            let mut count = 0;
            for x in self.0 {
                count += u32::from(*x != 0.0);
            }
            count
        }
    }

    fits(columns) && arch.dispatch(Count(numbers)) as f32 <= DENSITY * numbers.len() as f32
}

/// Whether rows of so many numbers are whole passes of registers.
fn fits(columns: usize) -> bool {
    columns.is_multiple_of(VECTORS * WIDEST)
}

impl Lists {
    /// Those of `left`, with rows of `columns` numbers.
    pub(crate) fn rows(&mut self, arch: Arch, left: &[f32], columns: usize) {
        struct Op<'a>(&'a mut Lists, &'a [f32], usize);

        impl WithSimd for Op<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) {
                self.0.list_rows(self.1, self.2);
            }
        }

        arch.dispatch(Op(self, left, columns));
    }

    /// Those of `leftᵀ`.
    pub(crate) fn columns(&mut self, arch: Arch, left: &[f32], columns: usize) {
        struct Op<'a>(&'a mut Lists, &'a [f32], usize);

        impl WithSimd for Op<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) {
                self.0.list_columns(self.1, self.2);
            }
        }

        arch.dispatch(Op(self, left, columns));
    }

    /// `out = left · right`, or that added to `out`: rows of `columns` numbers, which in `right` begin `stride` apart.
    pub(crate) fn multiply(
        &self,
        arch: Arch,
        right: &[f32],
        stride: usize,
        columns: usize,
        out: &mut [f32],
        add: bool,
    ) {
        assert!(fits(columns), "whole passes of registers");
        arch.dispatch(Multiply { lists: self, right, stride, columns, out, add });
    }

    /// Forgets what was listed; room for `numbers` entries and one that is written but does not count.
    #[inline(always)]
    fn clear(&mut self, rows: usize, numbers: usize) {
        self.rows = rows;
        self.starts.clear();
        self.entries.resize(self.entries.len().max(numbers + 1), (0, 0.0));
    }

    #[inline(always)]
    fn list_rows(&mut self, left: &[f32], columns: usize) {
        self.clear(left.len() / columns, left.len());
        let mut at = 0;
        for block in (0..columns).step_by(BLOCK) {
            for line in left.chunks_exact(columns) {
                self.starts.push(at as u32);
                for (i, numbers) in line[block..columns.min(block + BLOCK)].chunks(STRIDE).enumerate() {
                    if all_zero(numbers) {
                        continue;
                    }
                    for (j, x) in numbers.iter().enumerate() {
                        // No branch: a 0 is written as well, and the next number over it.
                        self.entries[at] = ((block + i * STRIDE + j) as u32, *x);
                        at += usize::from(*x != 0.0);
                    }
                }
            }
        }
        self.starts.push(at as u32);
    }

    #[inline(always)]
    fn list_columns(&mut self, left: &[f32], columns: usize) {
        self.clear(columns, left.len());
        let mut at = 0;
        for (block, lines) in left.chunks(BLOCK * columns).enumerate() {
            let first = self.starts.len();
            self.starts.resize(first + columns, 0);
            let starts = &mut self.starts[first..];
            // How many there are in each column, then where each column's next entry goes.
            for line in lines.chunks_exact(columns) {
                for (start, x) in starts.iter_mut().zip(line) {
                    *start += u32::from(*x != 0.0);
                }
            }
            let begin = at;
            for start in &mut *starts {
                at += std::mem::replace(start, at);
            }
            for (row, line) in lines.chunks_exact(columns).enumerate() {
                let row = (block * BLOCK + row) as u32;
                for (numbers, starts) in line.chunks(STRIDE).zip(starts.chunks_mut(STRIDE)) {
                    if all_zero(numbers) {
                        continue;
                    }
                    for (x, start) in numbers.iter().zip(starts) {
                        if *x != 0.0 {
                            self.entries[*start as usize] = (row, *x);
                            *start += 1;
                        }
                    }
                }
            }
            // Each column's start has come to the next one's.
            starts.rotate_right(1);
            starts[0] = begin;
        }
        self.starts.push(at);
    }
}

/// Of either sign.
#[inline(always)]
fn all_zero(numbers: &[f32]) -> bool {
    numbers.iter().fold(0, |bits, x| bits | x.to_bits()) << 1 == 0
}

struct Multiply<'a> {
    lists: &'a Lists,
    right: &'a [f32],
    stride: usize,
    columns: usize,
    out: &'a mut [f32],
    add: bool,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { lists: Lists { rows, starts, entries }, right, stride, columns, out, add } = self;
        let width = VECTORS * S::F32_LANES;
        for first in (0..columns).step_by(width) {
            for (block, starts) in starts.windows(rows + 1).step_by(*rows).enumerate() {
                for (ends, out) in starts.windows(2).zip(out.chunks_exact_mut(columns)) {
                    let (out, _) = S::as_mut_simd_f32s(&mut out[first..first + width]);
                    let Some(out) = out.first_chunk_mut::<VECTORS>() else { return };
                    let mut sums = if block == 0 && !add { [simd.splat_f32s(0.0); VECTORS] } else { *out };
                    for (row, x) in &entries[ends[0] as usize..ends[1] as usize] {
                        let (right, _) = S::as_simd_f32s(&right[*row as usize * stride + first..][..width]);
                        let x = simd.splat_f32s(*x);
                        for (sum, right) in sums.iter_mut().zip(right) {
                            *sum = simd.mul_add_e_f32s(x, *right, *sum);
                        }
                    }
                    *out = sums;
                }
            }
        }
    }
}
