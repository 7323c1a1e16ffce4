//! The windows of recordings, and the rows of a network that they become.

use crate::idx::Images;
use crate::normal::Normal;
use crate::number::counted;
use crate::recordings::{Recordings, describe_channels};
use autoencoder_core::front_end::{self, Scale, Spec, Window};
use std::ops::Range;

/// The most bytes of rows: 512 MiB.
pub const MOST_BYTES: usize = 1 << 29;

/// One window: `Spec::window` samples of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the recording.
    pub recording: usize,
    /// Its first sample.
    pub start: usize,
    /// The number of its label in [`Recordings::labels`]: that of most of its samples that are faulty, if the window is
    /// faulty, else of most that are normal. 0 without labels.
    pub label: u32,
    /// What the labels of its samples say about it.
    pub kind: Kind,
}

/// What the labels of a window's samples say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All samples are normal: a network may learn from the window. Without labels, all windows are.
    Normal,
    /// Some samples are faulty, but not most. The window counts as normal, and nothing learns from it.
    MostlyNormal,
    /// Most samples are faulty.
    Faulty,
}

/// Rows that were made of windows.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The rows, each of one line.
    pub images: Images,
    /// For each row, the number of inputs that were clipped because their feature is outside of its scale.
    pub clipped: Vec<u32>,
}

/// Why recordings have no rows.
#[derive(Debug, thiserror::Error)]
pub enum WindowsError {
    /// Every recording is shorter than a window.
    #[error("{name}: {}, and no other recording has more; a window takes {window}", counted(*samples, "sample"))]
    Short {
        /// The longest recording.
        name: String,
        /// Its samples.
        samples: usize,
        /// Samples of a window.
        window: usize,
    },
    /// The recordings do not have the channels of a blob.
    #[error("{name}: {found}; the blob is for {expected}")]
    Channels {
        /// The first recording.
        name: String,
        /// Its channels.
        found: String,
        /// The channels of the blob.
        expected: String,
    },
    /// The recordings have another rate than those of a blob.
    #[error("{name}: {found} Hz; the blob is for {expected} Hz")]
    Rate {
        /// The first recording.
        name: String,
        /// Its rate.
        found: f32,
        /// The rate of the blob.
        expected: f32,
    },
    /// The rows would take too much memory.
    #[error(
        "{windows} windows of {inputs} inputs; at most {MOST_BYTES} bytes of rows are made, so choose a longer --hop"
    )]
    TooLarge {
        /// Windows.
        windows: usize,
        /// Inputs of each.
        inputs: usize,
    },
}

/// Returns an error unless the recordings have the channels and the rate of a blob, as far as these are known.
pub fn check<S: AsRef<str>>(recordings: &Recordings, spec: &Spec, names: &[S]) -> Result<(), WindowsError> {
    let name = || recordings.recordings.first().map(|one| one.name.clone()).unwrap_or_default();
    let (channels, rate) = (usize::from(spec.channels), spec.rate);
    let same = || names.iter().map(AsRef::as_ref).eq(recordings.names.iter().map(String::as_str));
    let named = !names.is_empty() && !recordings.names.is_empty();
    if channels != recordings.channels || named && !same() {
        let found = describe_channels(recordings.channels, &recordings.names);
        return Err(WindowsError::Channels { name: name(), found, expected: describe_channels(channels, names) });
    }
    match recordings.rate {
        Some(found) if rate > 0.0 && found != rate => Err(WindowsError::Rate { name: name(), found, expected: rate }),
        _ => Ok(()),
    }
}

/// The windows of all recordings, one every `Spec::hop` samples, in order. None begins in one recording and ends in another.
/// `normal` says which labels are those of normal samples.
pub fn places(recordings: &Recordings, spec: &Spec, normal: &Normal) -> Result<Vec<Place>, WindowsError> {
    let lengths = || recordings.recordings.iter().map(|one| one.samples.len() / recordings.channels.max(1));
    let (window, hop) = (usize::from(spec.window), usize::from(spec.hop));
    let starts = |length: usize| (0..=length.saturating_sub(window)).step_by(hop).filter(move |_| length >= window);
    let (windows, inputs) = (lengths().map(|length| starts(length).count()).sum::<usize>(), spec.inputs());
    if windows == 0 {
        let longest = recordings.recordings.iter().rev().max_by_key(|one| one.samples.len());
        let name = longest.map(|one| one.name.clone()).unwrap_or_default();
        return Err(WindowsError::Short { name, samples: lengths().max().unwrap_or(0), window });
    }
    if windows.saturating_mul(inputs) > MOST_BYTES {
        return Err(WindowsError::TooLarge { windows, inputs });
    }
    let is_normal: Vec<bool> = recordings.labels.iter().map(|label| normal.accepts(label)).collect();
    let mut places = Vec::with_capacity(windows);
    for (recording, length) in lengths().enumerate() {
        let labels = &recordings.recordings[recording].labels;
        places.extend(starts(length).map(|start| {
            let (label, kind) = vote(labels, start..start + window, &is_normal);
            Place { recording, start, label, kind }
        }));
    }
    Ok(places)
}

/// The label and the kind of a window. Of labels that equally many samples have, it is the first.
fn vote(labels: &[u32], samples: Range<usize>, is_normal: &[bool]) -> (u32, Kind) {
    let Some(labels) = labels.get(samples) else { return (0, Kind::Normal) };
    let is_normal = |label: u32| is_normal.get(label as usize).is_none_or(|normal| *normal);
    let mut counts: Vec<(u32, usize)> = Vec::new();
    for label in labels {
        match counts.iter_mut().find(|(other, _)| other == label) {
            Some((_, count)) => *count += 1,
            None => counts.push((*label, 1)),
        }
    }
    let faulty: usize = counts.iter().filter(|(label, _)| !is_normal(*label)).map(|(_, count)| count).sum();
    let kind = match faulty {
        0 => Kind::Normal,
        _ if 2 * faulty > labels.len() => Kind::Faulty,
        _ => Kind::MostlyNormal,
    };
    let own = counts.iter().filter(|(label, _)| is_normal(*label) != (kind == Kind::Faulty));
    (own.rev().max_by_key(|(_, count)| *count).map_or(0, |(label, _)| *label), kind)
}

/// How many recordings are shorter than a window: `; 2 recordings are shorter than a window`. Empty if none is.
pub fn describe_short(recordings: &Recordings, spec: &Spec) -> String {
    let least = usize::from(spec.window) * recordings.channels;
    match recordings.recordings.iter().filter(|one| one.samples.len() < least).count() {
        0 => String::new(),
        1 => "; 1 recording is shorter than a window".into(),
        short => format!("; {short} recordings are shorter than a window"),
    }
}

/// Whether two windows have samples in common: of one recording, or of recordings of one array that overlap.
pub fn share_samples(recordings: &Recordings, spec: &Spec, a: &Place, b: &Place) -> bool {
    if a.recording == b.recording {
        return a.start.abs_diff(b.start) < usize::from(spec.window);
    }
    overlap(recordings, a.recording.min(b.recording), a.recording.max(b.recording))
}

/// Whether a recording ends with samples that a later one of the same array begins with. An array does not say how its windows
/// overlap, but their samples do. A single sample, or those of a sensor at rest, may be the same by chance.
pub fn overlap(recordings: &Recordings, earlier: usize, later: usize) -> bool {
    const LEAST: usize = 2;
    let samples = |recording: usize| &recordings.recordings[recording].samples[..];
    let (first, second, channels) = (samples(earlier), samples(later), recordings.channels.max(1));
    let length = first.len() / channels;
    // Each begins at least one sample after the one before it.
    if recordings.source(earlier) != recordings.source(later) || later - earlier >= length {
        return false;
    }
    let same = |sample: &[f32]| Some(sample) == first.chunks_exact(channels).next_back();
    let Some(last_change) = first.chunks_exact(channels).rposition(|sample| !same(sample)) else { return false };
    let last_shift = last_change.min(length - LEAST.min(length));
    (0..=last_shift).any(|shift| second.starts_with(&first[shift * channels..]))
}

/// The samples of a window.
pub fn samples<'a>(recordings: &'a Recordings, spec: &Spec, place: &Place) -> &'a [f32] {
    let channels = recordings.channels;
    &recordings.recordings[place.recording].samples[place.start * channels..][..spec.samples()]
}

/// The features of some windows, one window after the other.
pub fn features(recordings: &Recordings, spec: &Spec, places: &[Place]) -> Vec<f32> {
    let mut scratch = vec![0.0; spec.scratch()];
    let mut all = Vec::with_capacity(places.len() * spec.inputs());
    for place in places {
        let window = Window::new(samples(recordings, spec, place), 0, recordings.channels);
        front_end::features(spec, &window, &mut scratch, |feature| all.push(feature));
    }
    all
}

/// The rows of some windows, computed as a device computes them.
pub fn rows(recordings: &Recordings, spec: &Spec, scales: &[Scale], places: &[Place]) -> Rows {
    let inputs = spec.inputs();
    let mut scratch = vec![0.0; spec.scratch()];
    let mut pixels = vec![0; places.len() * inputs];
    let clipped = places.iter().zip(pixels.chunks_exact_mut(inputs.max(1))).map(|(place, row)| {
        let window = Window::new(samples(recordings, spec, place), 0, recordings.channels);
        front_end::row(spec, scales.iter().copied(), &window, &mut scratch, row)
    });
    let clipped = clipped.collect();
    Rows { images: Images { pixels, height: 1, width: inputs }, clipped }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recordings::Recording;
    use autoencoder_core::front_end::FrontEnd;

    fn recordings(lengths: &[usize]) -> Recordings {
        let recording = |(number, length): (usize, &usize)| Recording {
            name: format!("{number}"),
            samples: (0..2 * length).map(|i| (100 * number + i) as f32).collect(),
            labels: (0..*length).map(|i| u32::from(i >= 5)).collect(),
            array: None,
        };
        Recordings {
            channels: 2,
            labels: vec![String::new(), "loose".into()],
            recordings: lengths.iter().enumerate().map(recording).collect(),
            ..Recordings::default()
        }
    }

    fn spec(window: u16, hop: u16) -> Spec {
        Spec { channels: 2, window, hop, rate: 0.0, front_end: FrontEnd::Raw }
    }

    #[test]
    fn windows_stay_within_their_recording() {
        let recordings = recordings(&[9, 3, 4]);
        let places = places(&recordings, &spec(4, 2), &Normal::default()).unwrap();
        let found: Vec<_> = places.iter().map(|place| (place.recording, place.start)).collect();
        assert_eq!(found, [(0, 0), (0, 2), (0, 4), (2, 0)]);
        assert_eq!(
            samples(&recordings, &spec(4, 2), &places[3]),
            [200.0, 201.0, 202.0, 203.0, 204.0, 205.0, 206.0, 207.0]
        );
        let error = super::places(&recordings, &spec(10, 1), &Normal::default()).unwrap_err().to_string();
        assert_eq!(error, "0: 9 samples, and no other recording has more; a window takes 10");
    }

    /// Samples 0 to 4 are normal, those after them are loose: a window with a single one of them must not train.
    #[test]
    fn a_window_is_normal_if_all_samples_are_and_faulty_if_most_are_not() {
        let recordings = recordings(&[9, 3, 4]);
        let found = places(&recordings, &spec(4, 1), &Normal::default()).unwrap();
        let found: Vec<_> = found.iter().map(|place| (place.start, place.label, place.kind)).collect();
        let expected = [
            (0, 0, Kind::Normal),
            (1, 0, Kind::Normal),
            (2, 0, Kind::MostlyNormal),
            (3, 0, Kind::MostlyNormal),
            (4, 1, Kind::Faulty),
            (5, 1, Kind::Faulty),
            (0, 0, Kind::Normal),
        ];
        assert_eq!(found, expected);
    }

    /// Two normal labels and two faulty ones: the vote is between normal and faulty, then between the labels of that kind.
    #[test]
    fn faults_of_several_labels_are_one_vote() {
        let is_normal = [true, true, false, false];
        let of = |labels: &[u32]| vote(labels, 0..labels.len(), &is_normal);
        assert_eq!(of(&[0, 0, 0, 2, 3, 2, 3]), (2, Kind::Faulty));
        assert_eq!(of(&[2, 2, 0, 1, 1]), (1, Kind::MostlyNormal));
        assert_eq!(of(&[0, 1, 1, 0]), (0, Kind::Normal));
        assert_eq!(of(&[3, 2, 3, 0]), (3, Kind::Faulty));
        assert_eq!(vote(&[], 0..4, &is_normal), (0, Kind::Normal));
    }

    #[test]
    fn rows_are_scaled_features_and_clipping_is_counted() {
        let recordings = recordings(&[3]);
        let spec = spec(2, 1);
        let places = places(&recordings, &spec, &Normal::default()).unwrap();
        assert_eq!(features(&recordings, &spec, &places), [0.0, 1.0, 2.0, 3.0, 2.0, 3.0, 4.0, 5.0]);
        let scales = [Scale { offset: 1.0, gain: 100.0 }; 4];
        let rows = rows(&recordings, &spec, &scales, &places);
        assert_eq!(rows.images.pixels, [0, 0, 100, 200, 100, 200, 255, 255]);
        assert_eq!(rows.clipped, [1, 2]);
    }

    #[test]
    fn recordings_without_windows_are_named() {
        let short = |lengths: &[usize]| describe_short(&recordings(lengths), &spec(4, 1));
        assert_eq!(short(&[4, 9]), "");
        assert_eq!(short(&[4, 3]), "; 1 recording is shorter than a window");
        assert_eq!(short(&[0, 4, 3]), "; 2 recordings are shorter than a window");
    }

    #[test]
    fn windows_of_an_array_share_what_their_samples_say() {
        let recordings = |rows: &[[i8; 8]], array: Option<usize>| Recordings {
            channels: 1,
            recordings: rows
                .iter()
                .map(|row| Recording { samples: row.map(f32::from).to_vec(), array, ..Recording::default() })
                .collect(),
            ..Recordings::default()
        };
        let overlapping = [[1, 2, 3, 4, 5, 6, 7, 8], [5, 6, 7, 8, 9, 9, 9, 9]];
        assert!(overlap(&recordings(&overlapping, Some(0)), 0, 1));
        assert!(!overlap(&recordings(&overlapping, None), 0, 1), "files of their own");
        // One sample in common, zeros at the ends, and windows of a sensor at rest.
        for rows in [
            [[1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 3, 4, 5, 6, 7, 9]],
            [[1, 2, 3, 4, 0, 0, 0, 0], [0, 0, 0, 0, 5, 6, 7, 8]],
            [[7; 8], [7; 8]],
        ] {
            assert!(!overlap(&recordings(&rows, Some(0)), 0, 1), "{rows:?}");
        }
        // Windows of one recording share samples if they are less than a window apart.
        let place = |recording, start| Place { recording, start, label: 0, kind: Kind::Normal };
        let shares = |a: Place, b: Place| share_samples(&recordings(&overlapping, Some(0)), &spec(3, 1), &a, &b);
        assert_eq!([(2, 0), (0, 2), (0, 3)].map(|(a, b)| shares(place(0, a), place(0, b))), [true, true, false]);
        assert!(shares(place(1, 0), place(0, 0)), "in any order");
    }

    #[test]
    fn more_rows_than_memory_takes_are_refused() {
        let mut recordings = recordings(&[1]);
        recordings.recordings[0].samples = vec![0.0; 2 << 20];
        recordings.recordings[0].labels.clear();
        let error = places(&recordings, &spec(30_000, 1), &Normal::default()).unwrap_err();
        assert!(matches!(error, WindowsError::TooLarge { windows: 1_018_577, inputs: 60_000 }), "{error}");
    }
}
