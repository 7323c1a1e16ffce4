//! Transposing a matrix, 8 × 8 numbers at a time in vector registers.

use pulp::Arch;
#[cfg(target_arch = "x86_64")]
use pulp::{NullaryFnOnce, bytemuck::cast, core_arch::x86::Avx};

/// Side of a block.
#[cfg(target_arch = "x86_64")]
const SIDE: usize = 8;

/// `to = fromᵀ`, `from` with rows of `columns` numbers.
pub(crate) fn transpose(arch: Arch, from: &[f32], columns: usize, to: &mut [f32]) {
    assert!(columns > 0 && from.len() == to.len() && from.len().is_multiple_of(columns), "whole rows");
    #[cfg(target_arch = "x86_64")]
    match arch {
        Arch::V3(simd) => return simd.vectorize(Blocks { avx: simd.avx, from, columns, to }),
        Arch::V4(simd) => return simd.vectorize(Blocks { avx: simd.avx, from, columns, to }),
        _ => {}
    }
    let _ = arch;
    plain(from, columns, to, 0, 0);
}

/// Transposes what lies from row `row` or from column `column` on.
#[inline(always)]
fn plain(from: &[f32], columns: usize, to: &mut [f32], row: usize, column: usize) {
    let rows = from.len() / columns;
    for (r, from) in from.chunks_exact(columns).enumerate() {
        let first = if r < row { column } else { 0 };
        for (c, x) in from.iter().enumerate().skip(first) {
            to[c * rows + r] = *x;
        }
    }
}

#[cfg(target_arch = "x86_64")]
struct Blocks<'a> {
    avx: Avx,
    from: &'a [f32],
    columns: usize,
    to: &'a mut [f32],
}

#[cfg(target_arch = "x86_64")]
impl NullaryFnOnce for Blocks<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { avx, from, columns, to } = self;
        let rows = from.len() / columns;
        let (last_row, last_column) = (rows / SIDE * SIDE, columns / SIDE * SIDE);
        for c in (0..last_column).step_by(SIDE) {
            for r in (0..last_row).step_by(SIDE) {
                let mut block = [[0.0f32; SIDE]; SIDE];
                for (i, line) in block.iter_mut().enumerate() {
                    line.copy_from_slice(&from[(r + i) * columns + c..][..SIDE]);
                }
                let x = block.map(cast);
                // Pairs of numbers, pairs of pairs, halves.
                let mut y = x;
                for i in 0..4 {
                    y[2 * i] = avx._mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]);
                    y[2 * i + 1] = avx._mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]);
                }
                let mut z = y;
                for i in [0, 4] {
                    z[i] = avx._mm256_shuffle_ps::<0x44>(y[i], y[i + 2]);
                    z[i + 1] = avx._mm256_shuffle_ps::<0xee>(y[i], y[i + 2]);
                    z[i + 2] = avx._mm256_shuffle_ps::<0x44>(y[i + 1], y[i + 3]);
                    z[i + 3] = avx._mm256_shuffle_ps::<0xee>(y[i + 1], y[i + 3]);
                }
                for i in 0..4 {
                    let halves = [
                        avx._mm256_permute2f128_ps::<0x20>(z[i], z[i + 4]),
                        avx._mm256_permute2f128_ps::<0x31>(z[i], z[i + 4]),
                    ];
                    for (half, numbers) in halves.into_iter().enumerate() {
                        let numbers: [f32; SIDE] = cast(numbers);
                        to[(c + i + 4 * half) * rows + r..][..SIDE].copy_from_slice(&numbers);
                    }
                }
            }
        }
        plain(from, columns, to, last_row, last_column);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        for (rows, columns) in [(1, 1), (8, 8), (3, 17), (16, 9), (63, 40)] {
            let from: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let mut to = vec![-1.0; from.len()];
            transpose(Arch::default(), &from, columns, &mut to);
            for (i, x) in from.iter().enumerate() {
                assert_eq!(to[i % columns * rows + i / columns], *x, "{rows} × {columns}");
            }
        }
    }
}
