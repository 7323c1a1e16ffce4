//! Products with a matrix that is mostly zeros.
//!
//! Four fifths of a digit's pixels are 0, and multiplying by 0 can be skipped. In `out = left · right`, `left` is given as
//! lists of its non-zero numbers: a row of `out` is the sum of the rows of `right` that its list names, each multiplied by its
//! number. Some rows of `right` at a time, as wide as [`VECTORS`] registers, are packed into a tile. It stays in the first level
//! cache while every row of `out` reads it.

use super::gemm::View;
use super::transpose::transpose;
use super::vectorise::lanes;
use crate::aligned::Aligned;
use pulp::{Arch, Simd, WithSimd};

/// Bytes of a tile.
const TILE: usize = 28 * 1024;
/// The number of vector registers that hold a part of a row of `out`.
const VECTORS: usize = 8;
/// Numbers in the widest vector register.
const WIDEST: usize = 16;
/// The largest share of non-zero numbers at which lists are used. With AVX2, a dense product is as fast at two thirds for
/// `dzᵀ · x`, and at four fifths for `x · wᵀ`.
const DENSITY: f32 = 0.5;
/// The number of zeros that are skipped at once.
const GROUP: usize = 8;

/// A row of a tile, and the number to multiply it by.
type Entry = (u32, f32);

/// The non-zero numbers of a matrix.
#[derive(Default)]
pub(crate) struct Lists {
    /// Rows of `left`.
    rows: usize,
    /// Columns of `left`, which are rows of `right`.
    inner: usize,
    /// The number of inner columns in a tile.
    block: usize,
    /// The start and the end of each row's list, tile after tile.
    ranges: Vec<[u32; 2]>,
    /// The lists. Those of columns have gaps between them.
    entries: Vec<Entry>,
}

/// Whether lists of these numbers, multiplied by rows of `columns` numbers, are faster than a dense product.
pub(crate) fn is_sparse_enough(arch: Arch, numbers: &[f32], columns: usize) -> bool {
    columns.is_multiple_of(VECTORS * WIDEST) && is_mostly_zero(arch, numbers)
}

/// Whether at most the share [`DENSITY`] of these numbers is not 0.
pub(crate) fn is_mostly_zero(arch: Arch, numbers: &[f32]) -> bool {
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

    arch.dispatch(Count(numbers)) as f32 <= DENSITY * numbers.len() as f32
}

/// Columns of `right` that are multiplied at a time.
pub(crate) fn width(arch: Arch) -> usize {
    VECTORS * lanes(arch)
}

impl Lists {
    /// Lists the rows of `left`, which have `columns` numbers.
    pub(crate) fn rows(&mut self, arch: Arch, left: &[f32], columns: usize) {
        struct Op<'a>(&'a mut Lists, &'a [f32], usize);

        impl WithSimd for Op<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) {
                self.0.list_rows(self.1, self.2);
            }
        }

        self.clear(arch, left.len() / columns, columns);
        arch.dispatch(Op(self, left, columns));
    }

    /// Lists the columns of `left`: the rows of `leftᵀ`.
    pub(crate) fn columns(&mut self, arch: Arch, left: &[f32], columns: usize) {
        struct Op<'a>(&'a mut Lists, &'a [f32], usize);

        impl WithSimd for Op<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) {
                self.0.list_columns(self.1, self.2);
            }
        }

        self.clear(arch, columns, left.len() / columns);
        arch.dispatch(Op(self, left, columns));
    }

    /// Removes all lists.
    fn clear(&mut self, arch: Arch, rows: usize, inner: usize) {
        let most = TILE / (width(arch) * size_of::<f32>());
        let block = inner.div_ceil(inner.div_ceil(most)).next_multiple_of(GROUP);
        (self.rows, self.inner, self.block) = (rows, inner, block);
        self.ranges.clear();
    }

    /// Makes room for `count` entries.
    #[inline(always)]
    fn reserve(&mut self, count: usize) {
        if self.entries.len() < count {
            self.entries.resize(count, (0, 0.0));
        }
    }

    #[inline(always)]
    fn list_rows(&mut self, left: &[f32], columns: usize) {
        let block = self.block;
        self.reserve(left.len() + GROUP);
        let mut at = 0;
        for first in (0..columns).step_by(block) {
            for line in left.chunks_exact(columns) {
                let begin = at;
                for (i, numbers) in line[first..columns.min(first + block)].chunks(GROUP).enumerate() {
                    let mut padded = [0.0; GROUP];
                    let numbers = group(numbers, &mut padded);
                    if all_zero(numbers) {
                        continue;
                    }
                    let free = &mut self.entries[at..][..GROUP];
                    // Without a branch: a 0 is written as well, and the next number overwrites it. The remainder equals
                    // `count`, but the compiler knows that it is in bounds.
                    let mut count = 0;
                    for (j, x) in numbers.iter().enumerate() {
                        free[count % GROUP] = ((i * GROUP + j) as u32, *x);
                        count += usize::from(not_zero(*x));
                    }
                    at += count;
                }
                self.ranges.push([begin as u32, at as u32]);
            }
        }
    }

    #[inline(always)]
    fn list_columns(&mut self, left: &[f32], columns: usize) {
        let block = self.block;
        // The lists of two columns are an odd number of cache lines apart, so that eight of them lie in eight sets of the cache.
        let room = block | GROUP;
        let padded_columns = columns.next_multiple_of(GROUP);
        self.reserve(left.len().div_ceil(columns * block) * padded_columns * room);
        for (tile, lines) in left.chunks(block * columns).enumerate() {
            for column in (0..columns).step_by(GROUP) {
                let begin = (tile * padded_columns + column) * room;
                let lists = &mut self.entries[begin..][..GROUP * room];
                let mut ends: [usize; GROUP] = std::array::from_fn(|i| i * room);
                for (row, line) in lines.chunks_exact(columns).enumerate() {
                    let mut padded = [0.0; GROUP];
                    let numbers = group(&line[column..], &mut padded);
                    if all_zero(numbers) {
                        continue;
                    }
                    for (end, x) in ends.iter_mut().zip(numbers) {
                        lists[*end] = (row as u32, *x);
                        *end += usize::from(not_zero(*x));
                    }
                }
                for (i, end) in ends.iter().enumerate().take(columns - column) {
                    self.ranges.push([begin + i * room, begin + end].map(|at| at as u32));
                }
            }
        }
    }

    /// Computes the first [`width`] columns of `out = left · right`, or of `out += left · right` if `add`. The rows of `out` are
    /// `stride` apart.
    pub(crate) fn multiply(
        &self,
        arch: Arch,
        right: View<'_>,
        tile: &mut Aligned,
        out: &mut [f32],
        stride: usize,
        add: bool,
    ) {
        let width = width(arch);
        assert!(out.len() >= (self.rows - 1) * stride + width, "room for {} rows", self.rows);
        let tile = tile.scratch(self.block * width);
        for (i, ranges) in self.ranges.chunks_exact(self.rows).enumerate() {
            let rows = self.block.min(self.inner - i * self.block);
            let tile = &mut tile[..rows * width];
            pack(arch, right, i * self.block, tile, rows);
            arch.dispatch(Multiply { ranges, entries: &self.entries, tile, out, stride, add: add || i > 0 });
        }
    }
}

/// Packs the rows of `right` from `first` on side by side.
fn pack(arch: Arch, right: View<'_>, first: usize, tile: &mut [f32], rows: usize) {
    let width = tile.len() / rows;
    let numbers = &right.numbers[first * right.strides[0]..];
    if right.strides[0] == 1 {
        return transpose(arch, numbers, right.strides[1], rows, tile);
    }
    assert!(right.strides[1] == 1 && numbers.len() >= (rows - 1) * right.strides[0] + width, "rows of numbers");
    for (to, from) in tile.chunks_exact_mut(width).zip(numbers.chunks(right.strides[0])) {
        to.copy_from_slice(&from[..width]);
    }
}

/// The first [`GROUP`] numbers. If there are fewer, a copy in `padded`, followed by zeros.
#[inline(always)]
fn group<'a>(numbers: &'a [f32], padded: &'a mut [f32; GROUP]) -> &'a [f32; GROUP] {
    if let Some(numbers) = numbers.first_chunk() {
        return numbers;
    }
    padded[..numbers.len()].copy_from_slice(numbers);
    padded
}

#[inline(always)]
fn all_zero(numbers: &[f32; GROUP]) -> bool {
    !numbers.iter().fold(false, |any, x| any | not_zero(*x))
}

/// Whether a number is not 0, of either sign.
#[inline(always)]
fn not_zero(x: f32) -> bool {
    x.to_bits() << 1 != 0
}

/// The product with one tile.
struct Multiply<'a> {
    ranges: &'a [[u32; 2]],
    entries: &'a [Entry],
    tile: &'a [f32],
    out: &'a mut [f32],
    stride: usize,
    add: bool,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { ranges, entries, tile, out, stride, add } = self;
        let (tile, _) = S::as_simd_f32s(tile).0.as_chunks::<VECTORS>();
        for ([begin, end], out) in ranges.iter().zip(out.chunks_mut(stride)) {
            let Some(out) = S::as_mut_simd_f32s(out).0.first_chunk_mut::<VECTORS>() else { return };
            let mut sums = if add { *out } else { [simd.splat_f32s(0.0); VECTORS] };
            for (row, x) in &entries[*begin as usize..*end as usize] {
                let x = simd.splat_f32s(*x);
                for (sum, right) in sums.iter_mut().zip(&tile[*row as usize]) {
                    *sum = simd.mul_add_e_f32s(x, *right, *sum);
                }
            }
            *out = sums;
        }
    }
}
