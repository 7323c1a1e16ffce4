//! Dense products of `f32` matrices: the kernels of the `gemm-f32` crate, with their bounds checked.
//!
//! `unsafe`, because they take pointers and strides.
#![allow(unsafe_code)]

use gemm_common::Parallelism;
use gemm_f32::gemm::f32::get_gemm_fn;
use std::time::Instant;

/// A row-major matrix, or the transpose of one.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) numbers: &'a [f32],
    /// The distances between the starts of two rows and of two columns.
    pub(super) strides: [usize; 2],
}

impl<'a> View<'a> {
    /// A matrix whose rows begin `stride` numbers apart.
    pub(super) fn rows(numbers: &'a [f32], stride: usize) -> Self {
        Self { numbers, strides: [stride, 1] }
    }

    pub(super) fn transposed(self) -> Self {
        Self { strides: [self.strides[1], self.strides[0]], ..self }
    }
}

/// Computes `out = left · right`, or `out += left · right` if `add`. `left` has `inner` columns, and `right` has `columns`.
pub(super) fn multiply(left: View<'_>, inner: usize, right: View<'_>, columns: usize, out: &mut [f32], add: bool) {
    let rows = out.len() / columns;
    if rows == 0 || inner == 0 {
        if !add {
            out.fill(0.0);
        }
        return;
    }
    // The last element that is read of each matrix lies within its slice.
    let last = |view: View<'_>, r: usize, c: usize| (r - 1) * view.strides[0] + (c - 1) * view.strides[1];
    assert!(last(left, rows, inner) < left.numbers.len() && last(right, inner, columns) < right.numbers.len());
    let (l, r) = (left.strides.map(usize::cast_signed), right.strides.map(usize::cast_signed));
    // SAFETY: the assertion above bounds every read. `out` has room for `rows` rows of `columns` numbers, is read only if
    // `add` is true, and cannot overlap the others, because it is borrowed mutably.
    // The kernels prefer a column-major product, so this computes `outᵀ = rightᵀ · leftᵀ`.
    unsafe {
        get_gemm_fn()(
            columns,
            rows,
            inner,
            out.as_mut_ptr(),
            columns.cast_signed(),
            1,
            add,
            right.numbers.as_ptr(),
            r[0],
            r[1],
            left.numbers.as_ptr(),
            l[0],
            l[1],
            f32::from(u8::from(add)),
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Measures the operations per second of a dense product of the default network's size, on all threads of the current rayon pool
/// at once: the median of 200 runs. A multiply-add counts as two operations.
pub fn dense_rate() -> f64 {
    const ROWS: usize = 128;
    const INNER: usize = 784;
    const COLUMNS: usize = 256;
    const TIMES: usize = 200;
    let times = rayon::broadcast(|_| {
        let (left, right) = (vec![0.5; ROWS * INNER], vec![0.5; INNER * COLUMNS]);
        let (left, right) = (View::rows(&left, INNER), View::rows(&right, COLUMNS));
        let mut out = vec![0.0; COLUMNS * ROWS];
        let mut times: Vec<f64> = (0..TIMES)
            .map(|_| {
                let start = Instant::now();
                multiply(left, INNER, right, COLUMNS, &mut out, false);
                std::hint::black_box(&mut out);
                start.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[TIMES / 2]
    });
    times.into_iter().map(|time| (2 * ROWS * INNER * COLUMNS) as f64 / time).sum()
}
