//! Mean squared errors.

/// The mean of the errors of rows.
pub fn mean(errors: &[f32]) -> f64 {
    errors.iter().map(|e| f64::from(*e)).sum::<f64>() / errors.len() as f64
}

/// The mean of `(y - x)²` over the elements of a row.
pub(super) fn mean_squared_error(x: &[f32], y: &[f32]) -> f32 {
    // Partial sums, as in `loss`, without the gradient.
    let mut sums = [0.0f32; 16];
    for (x, y) in x.chunks(16).zip(y.chunks(16)) {
        for ((x, y), sum) in x.iter().zip(y).zip(&mut sums) {
            *sum += (y - x) * (y - x);
        }
    }
    sums.iter().sum::<f32>() / x.len() as f32
}
