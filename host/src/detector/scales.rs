//! The scale of each input, from the features of the training windows.
//!
//! ```text
//! low, high   the 0.5 % and the 99.5 % quantile of the feature
//! middle    = (low + high) / 2
//! half      = ROOM · (high - low) / 2
//! scale       middle - half -> 0,  middle + half -> 255
//! ```
//!
//! Windows of samples are then balanced, so that each channel counts alike in the score: the steps of a channel's inputs are
//! in proportion to what principal components leave of that channel ([`balance`]).
//!
//! So a spike of one training window does not coarsen the steps of all others, and there is room for what training did not
//! have. A feature that never changes gets the smallest scale that `f32` can compute with, so that any change is seen.

use crate::evaluate::baselines::PrincipalComponents;
use autoencoder_core::front_end::Scale;

/// The fraction of the training windows that lies below the range, and above it.
const BEYOND: f64 = 0.005;
/// The width of the scale, in widths of the range.
const ROOM: f32 = 2.0;
/// The fraction of the variance that the components explain whose residual balances the channels.
const EXPLAINED: f64 = 0.9;
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

/// Widens scales, so that the inputs of each channel have steps in proportion to that channel's residual.
///
/// ```text
/// residual[c] = √ of the mean over the channel's inputs of the variance that the first components leave, which have
///               [`EXPLAINED`] of all variance of the training rows
/// half[i]     = residual[c] · max over all inputs j of channel d (half[j] / residual[d])
/// ```
///
/// `rows` are the training rows with the present scales, sample by sample. Channels without a residual stay as they are.
pub fn balance(scales: &mut [Scale], rows: &[u8], channels: usize) {
    let Ok(components) = PrincipalComponents::fit(rows, scales.len()) else { return };
    let variances = components.residual_variances(EXPLAINED);
    let of_channel = |channel: usize| {
        let inputs = scales.iter().zip(&variances).skip(channel).step_by(channels);
        let (sum, count) = inputs.fold((0.0, 0), |(sum, count), (scale, variance)| {
            (sum + variance / f64::from(scale.gain).powi(2), count + 1)
        });
        (sum / f64::from(count.max(1))).sqrt()
    };
    let residuals: Vec<f64> = (0..channels).map(of_channel).collect();
    let widest = scales.iter().zip(residuals.iter().cycle()).filter(|(_, residual)| **residual > 0.0);
    let widest = widest.map(|(scale, residual)| 1.0 / (f64::from(scale.gain) * residual)).fold(0.0, f64::max);
    for (scale, residual) in scales.iter_mut().zip(residuals.iter().cycle()) {
        let step = (residual * widest) as f32;
        let middle = scale.offset + 127.5 / scale.gain;
        if let Some(balanced) = Scale::between(middle - 127.5 * step, middle + 127.5 * step) {
            *scale = balanced;
        }
    }
}
