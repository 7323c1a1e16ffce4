//! Transposing a matrix, 8 × 8 numbers at a time in vector registers.
//!
//! A product that reads a matrix down its columns takes one number of each cache line. Transposing the matrix first takes a
//! fraction of that time. Plain loops transpose without AVX, and the rows and columns outside whole blocks.

use pulp::Arch;
#[cfg(target_arch = "x86_64")]
use pulp::{NullaryFnOnce, bytemuck::cast, core_arch::x86::Avx};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__m256;

/// Side of a block.
#[cfg(target_arch = "x86_64")]
const SIDE: usize = 8;

/// `to = fromᵀ`. The rows of `from` have `columns` numbers and begin `stride` numbers apart. The length of `to` determines their
/// number.
pub(crate) fn transpose(arch: Arch, from: &[f32], stride: usize, columns: usize, to: &mut [f32]) {
    assert!(0 < columns && columns <= stride && to.len().is_multiple_of(columns), "whole rows");
    let rows = to.len() / columns;
    assert!(rows == 0 || from.len() >= (rows - 1) * stride + columns, "{rows} rows");
    #[cfg(target_arch = "x86_64")]
    match arch {
        Arch::V3(simd) => return simd.vectorize(Blocks { avx: simd.avx, from, stride, columns, to }),
        #[cfg(feature = "avx512")]
        Arch::V4(simd) => return simd.vectorize(Blocks { avx: simd.avx, from, stride, columns, to }),
        _ => {}
    }
    let _ = arch;
    plain(from, stride, columns, to, 0, 0);
}

/// Transposes the rows from `row` on, and the columns from `column` on.
#[inline(always)]
fn plain(from: &[f32], stride: usize, columns: usize, to: &mut [f32], row: usize, column: usize) {
    let rows = to.len() / columns;
    for (r, from) in from.chunks(stride).enumerate().take(rows) {
        let first = if r < row { column } else { 0 };
        for (c, x) in from[..columns].iter().enumerate().skip(first) {
            to[c * rows + r] = *x;
        }
    }
}

#[cfg(target_arch = "x86_64")]
struct Blocks<'a> {
    avx: Avx,
    from: &'a [f32],
    stride: usize,
    columns: usize,
    to: &'a mut [f32],
}

#[cfg(target_arch = "x86_64")]
impl NullaryFnOnce for Blocks<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { avx, from, stride, columns, to } = self;
        let rows = to.len() / columns;
        let (last_row, last_column) = (rows / SIDE * SIDE, columns / SIDE * SIDE);
        // Rows are read in order. Each line of `to` is written in two halves, and is still in the cache for the second.
        for r in (0..last_row).step_by(SIDE) {
            let lines: [&[[f32; SIDE]]; SIDE] =
                std::array::from_fn(|i| from[(r + i) * stride..][..last_column].as_chunks().0);
            for (c, to) in to.chunks_exact_mut(SIDE * rows).enumerate().take(last_column / SIDE) {
                let block = transposed(avx, lines.map(|line| cast(line[c])));
                for (numbers, to) in block.into_iter().zip(to.chunks_exact_mut(rows)) {
                    to[r..][..SIDE].copy_from_slice(&cast::<_, [f32; SIDE]>(numbers));
                }
            }
        }
        plain(from, stride, columns, to, last_row, last_column);
    }
}

/// The transpose of a block: first pairs of numbers change places, then pairs of pairs, then halves.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transposed(avx: Avx, x: [__m256; SIDE]) -> [__m256; SIDE] {
    let mut y = x;
    for i in [0, 2, 4, 6] {
        y[i] = avx._mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = avx._mm256_unpackhi_ps(x[i], x[i + 1]);
    }
    let mut z = y;
    for i in [0, 4] {
        z[i] = avx._mm256_shuffle_ps::<0x44>(y[i], y[i + 2]);
        z[i + 1] = avx._mm256_shuffle_ps::<0xee>(y[i], y[i + 2]);
        z[i + 2] = avx._mm256_shuffle_ps::<0x44>(y[i + 1], y[i + 3]);
        z[i + 3] = avx._mm256_shuffle_ps::<0xee>(y[i + 1], y[i + 3]);
    }
    let mut block = z;
    for i in 0..4 {
        block[i] = avx._mm256_permute2f128_ps::<0x20>(z[i], z[i + 4]);
        block[i + 4] = avx._mm256_permute2f128_ps::<0x31>(z[i], z[i + 4]);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        for (rows, columns) in [(1, 1), (8, 8), (3, 17), (16, 9), (63, 40)] {
            for stride in [columns, columns + 5] {
                let from: Vec<f32> = (0..(rows - 1) * stride + columns).map(|i| i as f32).collect();
                let mut to = vec![-1.0; rows * columns];
                transpose(Arch::default(), &from, stride, columns, &mut to);
                for (i, x) in to.iter().enumerate() {
                    assert_eq!(from[i % rows * stride + i / rows], *x, "{rows} × {columns}, {stride} apart");
                }
            }
        }
    }
}
