//! The reconstruction error.
//!
//! ```text
//! MSE  = mean of (y - x)² over all elements of all rows, elements in [0, 1]
//! PSNR = -10 · log10(MSE) dB
//! ```

/// Returns `Σ (y - x)²` over one row and writes `d = scale · 2 · (y - x)`.
///
/// With `scale = 1 / (rows · elements)`, `d` is the gradient of the batch's MSE. The sum consists of 16 partial sums, which
/// a compiler can keep in vector registers; they are added in a fixed order.
#[inline(always)]
pub fn squared_error(y: &[f32], x: &[f32], scale: f32, d: &mut [f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let ((y, y_rest), (x, x_rest)) = (y.as_chunks::<LANES>(), x.as_chunks::<LANES>());
    let (d, d_rest) = d.as_chunks_mut::<LANES>();
    let rest = y_rest.iter().zip(x_rest).zip(d_rest);
    let add = |sum: &mut f32, y: f32, x: f32| {
        let e = y - x;
        *sum += e * e;
        scale * 2.0 * e
    };
    for ((y, x), d) in y.iter().zip(x).zip(d) {
        *d = core::array::from_fn(|i| add(&mut sums[i], y[i], x[i]));
    }
    for (((y, x), d), sum) in rest.zip(&mut sums) {
        *d = add(sum, *y, *x);
    }
    sums.iter().sum()
}

/// The peak signal-to-noise ratio in dB, for signals in [0, 1]: `-10 · log10(mse)`.
pub fn psnr(mse: f64) -> f64 {
    -10.0 * libm::log10(mse)
}
