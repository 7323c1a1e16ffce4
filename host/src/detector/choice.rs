//! The choice of a front end: each is tried on the training windows alone.
//!
//! ```text
//! parts       three of equal size, one after the other; each is held out once, the others are healthy
//! score       squared distance of a held-out window's row to the nearest healthy one
//! figure      AUC of the held-out windows against each of their [`Change`]s; mean over the changes and the parts
//! choice      the front end of the highest figure
//! ```
//!
//! The nearest row stands in for the network: it needs no training, and like a network it knows more than a linear space. A
//! front end is good if windows of other recordings lie close to the healthy ones, and changed ones farther away.
//!
//! A vibration has any phase: two healthy windows of it differ in each sample as much as a changed one does, and only the
//! spectrum tells them apart. A movement has a course and a posture, which a spectrum does not have. Where the level of each
//! recording is another one, centred windows are best.

use super::changes::Change;
use super::scales::scales;
use autoencoder_core::front_end::{FrontEnd, LONGEST_SPECTRUM, SHORTEST_SPECTRUM, Spec};
use autoencoder_io::detection::Roc;
use autoencoder_io::recordings::{Recording, Recordings};
use autoencoder_io::windows::{self, Kind, Place, samples};
use rayon::prelude::*;

/// Parts of the training windows, each of which is held out once.
const PARTS: usize = 3;
/// The most healthy windows that a part is compared with, and the most windows of a part.
const MOST: [usize; 2] = [1000, 300];
/// The most differences between the numbers of two rows, for each part and change. More inputs are tried with fewer windows.
const DIFFERENCES: usize = 120_000_000;

/// The fraction of a channel's samples that are not 0 which each sign has if the channel has both.
const BOTH_SIGNS: f64 = 0.01;

/// What a front end reaches in the trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// The front end.
    pub front_end: FrontEnd,
    /// The mean AUC, from 0 to 1. Scores that know nothing give 0.5; a front end that makes all windows the same gives 0.
    pub auc: f64,
}

/// Tries each front end that windows of this length can have on training windows, in an order from simple to complex. A spectrum
/// has `bands` bands. Without trials there are too few windows.
pub fn try_front_ends(recordings: &Recordings, spec: &Spec, train: &[Place], bands: u16) -> Vec<Trial> {
    let mut front_ends = vec![FrontEnd::Raw, FrontEnd::Centred];
    if spec.window.is_power_of_two() && (SHORTEST_SPECTRUM..=LONGEST_SPECTRUM).contains(&spec.window) {
        front_ends.push(FrontEnd::Spectrum { bands });
    }
    let pivots = pivots(recordings, spec, train);
    let parts: Vec<Part> = (0..PARTS).filter_map(|part| Part::new(recordings, spec, train, &pivots, part)).collect();
    if parts.is_empty() {
        return Vec::new();
    }
    let trial = |front_end| {
        let spec = Spec { front_end, ..*spec };
        Trial { front_end, auc: parts.iter().map(|part| part.auc(&spec)).sum::<f64>() / parts.len() as f64 }
    };
    front_ends.into_iter().map(trial).collect()
}

/// The front end of the highest figure, the first of these if there are several; raw without trials.
pub fn best(trials: &[Trial]) -> FrontEnd {
    trials.iter().rev().max_by(|a, b| a.auc.total_cmp(&b.auc)).map_or(FrontEnd::Raw, |trial| trial.front_end)
}

/// A part of the training windows that is held out.
struct Part {
    /// Windows of the other parts.
    healthy: Windows,
    /// Windows of the part.
    held_out: Windows,
    /// The same windows after each change.
    changed: Vec<Windows>,
}

impl Part {
    /// The part with this number; `None` if it or the others have no windows.
    fn new(recordings: &Recordings, spec: &Spec, train: &[Place], pivots: &[f32], part: usize) -> Option<Self> {
        let [first, end] = [part, part + 1].map(|part| part * train.len() / PARTS);
        let held_out = &train[first..end];
        // Windows at the seams may share samples with those that are held out.
        let (start, last) = (held_out.first()?, held_out.last()?);
        let apart = |a: &&Place, b: &Place| !windows::share_samples(recordings, spec, a, b);
        let before = train[..first].iter().filter(|place| apart(place, start));
        let healthy: Vec<Place> =
            before.chain(train[end..].iter().filter(|place| apart(place, last))).copied().collect();
        let inputs = spec.inputs();
        let share = (DIFFERENCES as f64 / (MOST[0] * MOST[1] * inputs) as f64).min(1.0).sqrt();
        let [healthy, held_out] = [(&healthy[..], MOST[0]), (held_out, MOST[1])]
            .map(|(places, most)| spread(places, (most as f64 * share) as usize));
        if healthy.is_empty() {
            return None;
        }
        let windows = |places: &[Place], change: Option<Change>| Windows::new(recordings, spec, places, change, pivots);
        Some(Self {
            changed: Change::ALL.into_iter().map(|change| windows(&held_out, Some(change))).collect(),
            healthy: windows(&healthy, None),
            held_out: windows(&held_out, None),
        })
    }

    /// The mean AUC over the changes; 0 if the front end makes all windows the same.
    fn auc(&self, spec: &Spec) -> f64 {
        let inputs = spec.inputs();
        let features = windows::features(&self.healthy.recordings, spec, &self.healthy.places);
        let (scales, constant) = scales(&features, inputs);
        if constant.iter().all(|constant| *constant) {
            return 0.0;
        }
        let rows = |set: &Windows| windows::rows(&set.recordings, spec, &scales, &set.places).images.pixels;
        let healthy = rows(&self.healthy);
        let scores = |set: &Windows| {
            let nearest = |row: &[u8]| healthy.chunks_exact(inputs).map(|other| distance(row, other)).min();
            rows(set).par_chunks_exact(inputs).map(|row| nearest(row).unwrap_or(0)).collect::<Vec<u32>>()
        };
        let held_out = scores(&self.held_out);
        let auc = |set: &Windows| Roc::new(&held_out, &scores(set)).map_or(0.5, |roc| roc.auc());
        self.changed.iter().map(auc).sum::<f64>() / self.changed.len() as f64
    }
}

/// Windows as recordings of their own.
struct Windows {
    recordings: Recordings,
    places: Vec<Place>,
}

impl Windows {
    fn new(recordings: &Recordings, spec: &Spec, places: &[Place], change: Option<Change>, pivots: &[f32]) -> Self {
        let mut all = Vec::with_capacity(places.len() * spec.samples());
        for place in places {
            let window = samples(recordings, spec, place);
            match change {
                Some(change) => change.apply(window, pivots, &mut all),
                None => all.extend(window),
            }
        }
        let place = |i| Place { recording: 0, start: i * usize::from(spec.window), label: 0, kind: Kind::Normal };
        Self {
            recordings: Recordings {
                channels: recordings.channels,
                recordings: vec![Recording { samples: all, ..Recording::default() }],
                ..Recordings::default()
            },
            places: (0..places.len()).map(place).collect(),
        }
    }
}

/// For each channel, the number about which its samples can be turned: 0 if each sign has at least 1 % of those that are not 0,
/// or if another channel has numbers as large with both signs; else the mean of all samples. Gravity may lie on one axis of an
/// accelerometer, but a temperature of 20 degrees beside vibrations of 1 g is no such axis.
fn pivots(recordings: &Recordings, spec: &Spec, places: &[Place]) -> Vec<f32> {
    let mut counts = vec![[0usize; 2]; recordings.channels];
    let mut largest = vec![[0f32; 2]; recordings.channels];
    let mut sums = vec![0f64; recordings.channels];
    for place in places {
        for sample in samples(recordings, spec, place).chunks_exact(recordings.channels) {
            for (channel, x) in sample.iter().enumerate() {
                sums[channel] += f64::from(*x);
                if *x != 0.0 {
                    let sign = usize::from(*x > 0.0);
                    counts[channel][sign] += 1;
                    largest[channel][sign] = largest[channel][sign].max(x.abs());
                }
            }
        }
    }
    let both: Vec<bool> = counts
        .iter()
        .map(|[negative, positive]| {
            let (rarer, all) = (negative.min(positive), negative + positive);
            *rarer as f64 >= BOTH_SIGNS * all.max(1) as f64
        })
        .collect();
    let extents = largest.iter().zip(&both).filter(|(_, both)| **both);
    let extent = extents.map(|([negative, positive], _)| f64::from(negative.min(*positive))).fold(0.0, f64::max);
    let samples = places.len() * usize::from(spec.window);
    let mean = |channel: usize| sums[channel] / samples.max(1) as f64;
    let pivot = |channel: usize| {
        let turns = both[channel] || mean(channel).abs() <= extent;
        if turns { 0.0 } else { mean(channel) as f32 }
    };
    (0..recordings.channels).map(pivot).collect()
}

/// At most `most` places, or one, spread evenly.
pub fn spread(places: &[Place], most: usize) -> Vec<Place> {
    let count = places.len().min(most.max(1));
    (0..count).map(|i| places[i * places.len() / count]).collect()
}

/// The sum of squared differences. The longest row has 65,535 numbers, so it fits.
fn distance(a: &[u8], b: &[u8]) -> u32 {
    a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum()
}

#[cfg(test)]
mod tests;
