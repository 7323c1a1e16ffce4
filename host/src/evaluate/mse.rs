//! Mean squared errors.

use crate::sums::sum;

/// The mean of the errors of rows.
pub fn mean(errors: &[f32]) -> f64 {
    errors.iter().map(|e| f64::from(*e)).sum::<f64>() / errors.len() as f64
}

/// The mean of `(y - x)²` over the elements of a row.
pub(super) fn mean_squared_error(x: &[f32], y: &[f32]) -> f32 {
    sum([x, y], |[x, y]| (y - x) * (y - x)) / x.len() as f32
}
