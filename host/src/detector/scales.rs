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
//! in proportion to what principal components leave of that channel ([`balance`]), as far as no channel becomes too coarse.
//!
//! So a spike of one training window does not coarsen the steps of all others, and there is room for what training did not
//! have. A feature that never changes gets the smallest scale that `f32` can compute with, so that any change is seen.

use crate::evaluate::baselines::{MOST_INPUTS, PrincipalComponents, ROUNDING};
use autoencoder_core::front_end::Scale;

/// The fraction of the training windows that lies below the range, and above it.
const BEYOND: f64 = 0.005;
/// The width of the scale, in widths of the range.
const ROOM: f32 = 2.0;
/// The fraction of the variance that the components explain whose residual balances the channels.
const EXPLAINED: f64 = 0.9;
/// How many times as wide as its own range makes it a channel's scale may become when the channels are balanced.
const MOST_WIDER: f64 = 4.0;
/// The least width of a scale, as a fraction of the feature: some steps of an `f32`.
const LEAST: f32 = 1e-5;

/// The scale of each of `inputs` features. `features` has those of one window after the other. Also returns for each input
/// whether its feature is the same in all windows, or nearly so.
pub fn scales(features: &[f32], inputs: usize) -> (Vec<Scale>, Vec<bool>) {
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
        let scale = Scale::between(middle - half, middle + half);
        (scale.unwrap_or(Scale { offset: middle - half, gain: 127.5 / half }), half == least)
    });
    scales.unzip()
}

/// Widens scales, so that the inputs of each channel have steps in proportion to that channel's residual.
///
/// ```text
/// residual[c] = √ of the mean over the channel's inputs of r + 1/12 step², where r is the variance that the first components
///               leave, which have [`EXPLAINED`] of all variance of the training rows, and 1/12 step² is that of rounding
/// widest[c]   = the widest half[i] of the channel's inputs
/// half[i]     = residual[c] · max over all channels d (widest[d] / residual[d]), but at most [`MOST_WIDER`] · widest[c]
/// ```
///
/// The components explain a channel that hardly changes within a window, such as a temperature, down to its rounding. Without the
/// two limits, all others would become as coarse as such a channel is fine.
///
/// `rows` are the training rows with the present scales, sample by sample. Channels whose inputs are all `constant` stay as they
/// are: any change of them counts. Returns whether there are few enough inputs for principal components; more stay as they are.
pub fn balance(scales: &mut [Scale], constant: &[bool], rows: &[u8], channels: usize) -> bool {
    let Ok(components) = PrincipalComponents::fit(rows, scales.len()) else { return scales.len() <= MOST_INPUTS };
    let variances = components.residual_variances(EXPLAINED);
    // The residual and the widest step of a channel that changes.
    let of_channel = |channel: usize| {
        let inputs = || (channel..scales.len()).step_by(channels);
        let step = |input: usize| 1.0 / f64::from(scales[input].gain);
        let changes = inputs().any(|input| !constant[input]);
        let sum: f64 = inputs().map(|input| (variances[input] + ROUNDING) * step(input).powi(2)).sum();
        let widest = inputs().map(step).fold(0.0, f64::max);
        changes.then(|| ((sum / inputs().count() as f64).sqrt(), widest))
    };
    let of_channels: Vec<Option<(f64, f64)>> = (0..channels).map(of_channel).collect();
    let ratio = of_channels.iter().flatten().map(|(residual, widest)| widest / residual).fold(0.0, f64::max);
    for (scale, of_channel) in scales.iter_mut().zip(of_channels.iter().cycle()) {
        let Some((residual, widest)) = of_channel else { continue };
        let step = (residual * ratio).min(MOST_WIDER * widest) as f32;
        let middle = scale.offset + 127.5 / scale.gain;
        if let Some(balanced) = Scale::between(middle - 127.5 * step, middle + 127.5 * step) {
            *scale = balanced;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use rand_pcg::Pcg32;

    #[test]
    fn a_scale_is_twice_the_robust_range() {
        // 0 to 200 and two outliers: 0.5 % of 202 gaps is one feature at each end, so the range is 0 to 200. The second input
        // is 3 but for a spike at each end.
        let mut first: Vec<f32> = (0..=200).map(|x| x as f32).collect();
        first.extend([-1e6, 1e6]);
        let second = |i: usize| match i {
            201 => -7.0,
            202 => 50.0,
            _ => 3.0,
        };
        let features: Vec<f32> = first.iter().enumerate().flat_map(|(i, x)| [*x, second(i)]).collect();
        let (found, constant) = scales(&features, 2);
        assert_eq!((found.len(), constant), (2, vec![false, true]));
        assert_eq!((found[0].offset, found[0].gain), (-100.0, 255.0 / 400.0));
        // The least width: 1e-5 of the feature on each side.
        assert!((found[1].gain - 127.5 / 3e-5).abs() < 0.01 * found[1].gain, "{:?}", found[1]);
        assert!(found[1].offset < 3.0 && found[1].offset > 2.9999, "{:?}", found[1]);
    }

    #[test]
    fn channels_are_balanced_by_what_components_leave() {
        // Independent columns of the variances 1600, 16, 4 and 1: the first has 98.7 % of all, so it is explained.
        let signs = |row: usize| {
            [1, 2, 4, 7].map(|mask: usize| if (row & mask).count_ones().is_multiple_of(2) { 1 } else { -1 })
        };
        let row = |row| [40, 4, 2, 1].into_iter().zip(signs(row)).map(|(a, sign): (i32, i32)| (128 + sign * a) as u8);
        let rows: Vec<u8> = (0..8).flat_map(row).collect();
        let mut found = vec![Scale { offset: -10.0, gain: 1.0 }; 4];
        assert!(balance(&mut found, &[false; 4], &rows, 2));
        // Channel 0 is columns 0 and 2, and keeps a mean variance of (0 + 4) / 2; channel 1 keeps (16 + 1) / 2. Rounding adds 1/12.
        let wider = ((8.5 + 1.0 / 12.0) / (2.0 + 1.0 / 12.0) as f32).sqrt();
        for (scale, wider) in found.iter().zip([1.0, wider, 1.0, wider]) {
            assert!((scale.gain * wider - 1.0).abs() < 1e-5, "{scale:?}");
            assert!((scale.offset + 127.5 * wider - 117.5).abs() < 1e-3, "the middle stays: {scale:?}");
        }
        // Rows without any residual have that of rounding in all channels, and constant ones stay.
        let mut same = vec![Scale { offset: 0.0, gain: 2.0 }; 4];
        balance(&mut same, &[false; 4], &[7; 16], 2);
        assert!(same.iter().all(|scale| (scale.gain - 2.0).abs() < 1e-6 && scale.offset.abs() < 1e-4));
    }

    /// A temperature changes from one window to the next, and hardly within one: components explain it to the last step. The
    /// vibration beside it must still be seen.
    #[test]
    fn a_slow_channel_does_not_blind_the_others() {
        let mut random = Pcg32::new(3, 0);
        let row = |i: usize| {
            let temperature = (128 + (i * 37 % 101)) as u8;
            (0..32).flat_map(move |_| [temperature]).collect::<Vec<u8>>()
        };
        let rows: Vec<u8> = (0..200)
            .flat_map(|i| row(i).into_iter().flat_map(|slow| [slow, random.random_range(60..196)]).collect::<Vec<u8>>())
            .collect();
        // A step of the temperature is 0.1 degrees, one of the vibration 0.01 g.
        let before: Vec<Scale> = [10.0, 100.0].repeat(32).into_iter().map(|gain| Scale { offset: 0.0, gain }).collect();
        let mut after = before.clone();
        assert!(balance(&mut after, &[false; 64], &rows, 2));
        for (before, after) in before.iter().zip(&after) {
            let wider = before.gain / after.gain;
            let expected = if before.gain == 100.0 { 4.0 } else { 1.0 };
            assert!((wider - expected).abs() < 1e-3, "{wider}, not {expected}");
        }
    }

    #[test]
    fn constant_channels_and_too_many_inputs_stay_as_they_are() {
        let mut random = Pcg32::new(4, 0);
        let rows: Vec<u8> = (0..100).flat_map(|_| [random.random_range(0..255), 127]).collect();
        let before = [Scale { offset: 0.0, gain: 1.0 }, Scale { offset: 21.5, gain: 1e6 }];
        let mut after = before;
        assert!(balance(&mut after, &[false, true], &rows, 2));
        assert!(after[1] == before[1] && (after[0].gain - 1.0).abs() < 1e-6, "{after:?}");
        let mut many = vec![before[0]; MOST_INPUTS + 1];
        let (constant, rows) = (vec![false; many.len()], vec![9; 2 * many.len()]);
        assert!(!balance(&mut many, &constant, &rows, 1));
        assert!(many.iter().all(|scale| *scale == before[0]));
    }

    /// Their scale would need a step beyond `f32`: whoever asks for scales has to look.
    #[test]
    fn numbers_that_are_too_large_have_no_valid_scale() {
        let (found, _) = scales(&[-3e38, 1.0, 3e38, 2.0], 2);
        assert_eq!(found.iter().map(Scale::is_valid).collect::<Vec<_>>(), [false, true]);
    }
}
