//! The choice of a front end, from the training windows alone.
//!
//! ```text
//! share = mean over channels of  Var(means of the windows) / Var(samples)
//! ```
//!
//! A window of a slow signal differs from the next in its level, so the means have a large share of the variance: raw windows.
//! A vibration has the same level in every window and any phase. Two windows of it differ in each sample, but not in their
//! spectrum: below [`SHARE`], the spectrum. On seven kinds of shoulder exercises, measured at the wrist, the share is 0.20 to
//! 0.38; on a ceiling fan it is 0.01. The limit was set after these were known.
//!
//! `centred` is never chosen: of the seven exercises it is better for one, and far worse for others. It is for sensors whose
//! level says nothing, which is not in the data.

use autoencoder_core::front_end::{FrontEnd, LONGEST_SPECTRUM, SHORTEST_SPECTRUM, Spec};
use autoencoder_io::recordings::Recordings;
use autoencoder_io::windows::{Place, samples};

/// Below this share of the variance in the windows' means, the spectrum is chosen.
pub const SHARE: f64 = 0.05;

/// A front end and the number that decided it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The front end.
    pub front_end: FrontEnd,
    /// The share of the variance that is in the windows' means, from 0 to 1; 1 if the signal never changes.
    pub share: f64,
}

/// Chooses a front end for training windows. A spectrum has `bands` bands.
pub fn choose(recordings: &Recordings, spec: &Spec, train: &[Place], bands: u16) -> Choice {
    let share = share_of_means(recordings, spec, train);
    let front_end =
        if has_spectrum(spec.window) && share < SHARE { FrontEnd::Spectrum { bands } } else { FrontEnd::Raw };
    Choice { front_end, share }
}

/// Whether a window of this length has a spectrum.
pub fn has_spectrum(window: u16) -> bool {
    window.is_power_of_two() && (SHORTEST_SPECTRUM..=LONGEST_SPECTRUM).contains(&window)
}

fn share_of_means(recordings: &Recordings, spec: &Spec, train: &[Place]) -> f64 {
    let (channels, window) = (usize::from(spec.channels), f64::from(spec.window));
    let share = |channel: usize| {
        let (mut means, mut all) = (Moments::default(), Moments::default());
        for place in train {
            let values = samples(recordings, spec, place).iter().skip(channel).step_by(channels).map(|x| f64::from(*x));
            means.add(values.clone().sum::<f64>() / window);
            values.for_each(|x| all.add(x));
        }
        let (of_means, of_all) = (means.variance(), all.variance());
        if of_all > 0.0 { of_means / of_all } else { 1.0 }
    };
    (0..channels).map(share).sum::<f64>() / channels as f64
}

/// Mean and sum of squared deviations so far (Welford, 1962).
#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    deviations: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        let before = x - self.mean;
        self.mean += before / self.count;
        self.deviations += before * (x - self.mean);
    }

    fn variance(&self) -> f64 {
        self.deviations / self.count.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoencoder_io::recordings::Recording;
    use autoencoder_io::windows::places;

    fn choice(window: u16, signal: impl Fn(usize) -> f32) -> Choice {
        let samples = (0..6400).map(signal).collect();
        let recordings = Recordings {
            channels: 1,
            recordings: vec![Recording { samples, ..Recording::default() }],
            ..Recordings::default()
        };
        let spec = Spec { channels: 1, window, hop: window, rate: 0.0, front_end: FrontEnd::Raw };
        choose(&recordings, &spec, &places(&recordings, &spec).unwrap(), 16)
    }

    #[test]
    fn a_vibration_gets_its_spectrum_and_a_slow_signal_its_samples() {
        // A tone of a whole number of periods in a window, on a level of 9.81: the means do not vary.
        let tone = |i: usize| 9.81 + (std::f32::consts::TAU * i as f32 / 8.0).sin();
        let found = choice(64, tone);
        assert!(found.share < 1e-6 && found.front_end == FrontEnd::Spectrum { bands: 16 }, "{found:?}");
        // A window of this length has no spectrum.
        assert_eq!(choice(48, tone).front_end, FrontEnd::Raw);
        // A square wave with a period of two windows: all of the variance is in the means.
        let found = choice(64, |i| if i / 64 % 2 == 0 { 1.0 } else { -1.0 });
        assert!((found.share - 1.0).abs() < 1e-9 && found.front_end == FrontEnd::Raw, "{found:?}");
        assert_eq!(choice(64, |_| 3.0), Choice { front_end: FrontEnd::Raw, share: 1.0 });
    }
}
