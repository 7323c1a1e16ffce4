//! The scale of each input, from the features of the training windows.
//!
//! ```text
//! low, high   the 0.5 % and the 99.5 % quantile of the feature
//! middle    = (low + high) / 2
//! half      = ROOM · (high - low) / 2
//! scale       middle - half -> 0,  middle + half -> 255
//! ```
//!
//! So a spike of one training window does not coarsen the steps of all others, and there is room for what training did not
//! have. A feature that never changes gets the smallest scale that `f32` can compute with, so that any change is seen.

use autoencoder_core::front_end::Scale;

/// The fraction of the training windows that lies below the range, and above it.
const BEYOND: f64 = 0.005;
/// The width of the scale, in widths of the range.
const ROOM: f32 = 2.0;
/// The least width of a scale, as a fraction of the feature: some steps of an `f32`.
const LEAST: f32 = 1e-5;

/// The scale of each of `inputs` features. `features` has those of one window after the other. Also returns the number of
/// inputs whose feature is the same in all windows, or nearly so.
pub fn scales(features: &[f32], inputs: usize) -> (Vec<Scale>, usize) {
    let mut constant = 0;
    let mut column = Vec::with_capacity(features.len() / inputs.max(1));
    let scales = (0..inputs).map(|input| {
        column.clear();
        column.extend(features.iter().skip(input).step_by(inputs));
        column.sort_unstable_by(f32::total_cmp);
        let last = column.len().saturating_sub(1);
        let beyond = (last as f64 * BEYOND).round() as usize;
        let (low, high) = (column[beyond], column[last - beyond]);
        let middle = low / 2.0 + high / 2.0;
        let least = (middle.abs() * LEAST).max(f32::MIN_POSITIVE.sqrt());
        let half = (ROOM * (high / 2.0 - low / 2.0)).max(least);
        constant += usize::from(half == least);
        Scale::between(middle - half, middle + half).unwrap_or(Scale { offset: middle - half, gain: 127.5 / half })
    });
    let scales = scales.collect();
    (scales, constant)
}
