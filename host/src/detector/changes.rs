//! Changes of healthy windows, to try a detector with where no fault has been recorded.
//!
//! ```text
//! x[t, c]            a sample: time t from 0 to N - 1, channel c     μ[c]  the window's mean of a channel
//! louder, quieter    μ + (x - μ) · 1.25,  μ + (x - μ) / 1.25
//! faster, slower     x(1.25 · t),  x(t / 1.25): linear between samples; what lies behind the end is mirrored there
//! turned             -x in each channel that can have the other sign; in others 2m - x, with the mean m of all samples
//! ```
//!
//! They are what happens to any sensor's signal: its amplitude, its tempo and its orientation change. A quarter is a change
//! that matters and that is hard to find. A temperature or a current of one sign cannot become negative, which any front end
//! that keeps the level would find: it is turned about its mean.

/// The factor of amplitude and tempo.
const FACTOR: f32 = 1.25;

/// A change of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A larger amplitude.
    Louder,
    /// A smaller amplitude.
    Quieter,
    /// A higher tempo.
    Faster,
    /// A lower tempo.
    Slower,
    /// Each channel the other way round.
    Turned,
}

impl Change {
    /// All changes.
    pub const ALL: [Self; 5] = [Self::Louder, Self::Quieter, Self::Faster, Self::Slower, Self::Turned];

    /// Appends a changed window to `out`. `window` has its samples one after the other, each of as many numbers as there are
    /// `pivots`: the numbers about which the channels are turned.
    pub fn apply(self, window: &[f32], pivots: &[f32], out: &mut Vec<f32>) {
        let channels = pivots.len();
        match self {
            Self::Louder => scale(window, channels, FACTOR, out),
            Self::Quieter => scale(window, channels, 1.0 / FACTOR, out),
            Self::Faster => stretch(window, channels, FACTOR, out),
            Self::Slower => stretch(window, channels, 1.0 / FACTOR, out),
            Self::Turned => out.extend(window.iter().zip(pivots.iter().cycle()).map(|(x, pivot)| 2.0 * pivot - x)),
        }
    }
}

/// Multiplies what differs from the mean.
fn scale(window: &[f32], channels: usize, factor: f32, out: &mut Vec<f32>) {
    let samples = (window.len() / channels) as f64;
    let mean = |channel| window.iter().skip(channel).step_by(channels).map(|x| f64::from(*x)).sum::<f64>() / samples;
    let means: Vec<f32> = (0..channels).map(|channel| mean(channel) as f32).collect();
    out.extend(window.iter().zip(means.iter().cycle()).map(|(x, mean)| mean + (x - mean) * factor));
}

/// Goes through the samples at another tempo.
fn stretch(window: &[f32], channels: usize, tempo: f32, out: &mut Vec<f32>) {
    let last = window.len() / channels - 1;
    for t in 0..=last {
        let time = t as f32 * tempo;
        let time = if time > last as f32 { 2.0 * last as f32 - time } else { time };
        let before = (time as usize).min(last);
        let part = time - before as f32;
        let [before, after] = [before, (before + 1).min(last)].map(|at| &window[at * channels..][..channels]);
        out.extend(before.iter().zip(after).map(|(a, b)| a + (b - a) * part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: Change, window: &[f32], channels: usize) -> Vec<f32> {
        let mut out = Vec::new();
        change.apply(window, &vec![0.0; channels], &mut out);
        out
    }

    #[test]
    fn a_channel_is_turned_about_its_pivot() {
        let mut out = Vec::new();
        Change::Turned.apply(&[20.0, -1.0, 21.0, 2.0], &[22.0, 0.0], &mut out);
        assert_eq!(out, [24.0, 1.0, 23.0, -2.0]);
    }

    #[test]
    fn amplitude_changes_about_each_channels_mean() {
        // Channels of the means 2 and -10.
        let window = [0.0, -14.0, 4.0, -6.0];
        assert_eq!(changed(Change::Louder, &window, 2), [-0.5, -15.0, 4.5, -5.0]);
        let quieter = changed(Change::Quieter, &window, 2);
        let expected = [0.4, -13.2, 3.6, -6.8];
        assert!(quieter.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{quieter:?}");
        assert_eq!(changed(Change::Turned, &window, 2), [0.0, 14.0, -4.0, 6.0]);
    }

    #[test]
    fn tempo_changes_and_the_end_is_a_mirror() {
        // Two channels that rise by 1 and by 100 a sample: a sample is its time.
        let window: Vec<f32> = (0..9).flat_map(|t| [t as f32, 100.0 * t as f32]).collect();
        let times = |change| changed(change, &window, 2).chunks(2).map(|x| (x[0], x[1])).collect::<Vec<_>>();
        let expected = [0.0, 1.25, 2.5, 3.75, 5.0, 6.25, 7.5, 7.25, 6.0]; // 8.75 and 10 lie behind the end, 8
        assert_eq!(times(Change::Faster), expected.map(|t| (t, 100.0 * t)));
        for (t, (x, y)) in times(Change::Slower).into_iter().enumerate() {
            let time = 0.8 * t as f32;
            assert!((x - time).abs() < 1e-5 && (y - 100.0 * time).abs() < 1e-3, "{t}: {x}, {y}");
        }
    }
}
