//! Which windows train, which validate, and which test.
//!
//! Of every seven recordings, one validates and one tests; the others train. A fixed random permutation decides, so that a regular
//! order of the files does no harm. With fewer than [`PARTS`] recordings, each is cut into as many parts of equal length: the
//! last tests, the one before validates, the others train. Only recordings with windows to divide count, and of these only the
//! samples of such windows. An array of windows is one recording.
//!
//! So windows of two sets never overlap: they are of different recordings, or of different times.

use autoencoder_core::front_end::Spec;
use autoencoder_io::recordings::Recordings;
use autoencoder_io::windows::{self, Place};
use rand::RngExt;
use rand_pcg::Pcg32;

/// Parts of the recordings: one validates, one tests.
const PARTS: usize = 7;
const VALIDATES: usize = PARTS - 2;
const TESTS: usize = PARTS - 1;

/// The windows of each set, in the order of the recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// They train.
    pub train: Vec<Place>,
    /// They decide when to stop, and calibrate the thresholds.
    pub validation: Vec<Place>,
    /// Nothing is chosen on them.
    pub test: Vec<Place>,
}

impl Split {
    /// Divides windows of recordings, which are in order. Without `test`, no window tests: the parts for testing train.
    pub fn new(recordings: &Recordings, spec: &Spec, places: &[Place], test: bool) -> Self {
        let source = |place: &Place| recordings.source(place.recording);
        let sources: Vec<&[Place]> = places.chunk_by(|a, b| source(a) == source(b)).collect();
        let mut split = Self::default();
        let order = if sources.len() >= PARTS { shuffled(sources.len()) } else { Vec::new() };
        for (i, source) in sources.into_iter().enumerate() {
            let parts = match order.get(i) {
                Some(number) => vec![Some(number % PARTS); source.len()],
                None => cut(recordings, spec, source),
            };
            for (place, part) in source.iter().zip(parts) {
                match part {
                    Some(TESTS) if test => split.test.push(*place),
                    Some(VALIDATES) => split.validation.push(*place),
                    Some(_) => split.train.push(*place),
                    None => {}
                }
            }
        }
        split
    }
}

/// The numbers below `count` in a random order, which is always the same.
fn shuffled(count: usize) -> Vec<usize> {
    let mut random = Pcg32::new(1, 0);
    let mut order: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        order.swap(i, random.random_range(0..=i));
    }
    order
}

/// The part of each window of one recording, or of one array, that is cut in time. `None` leaves a window out, because it would be
/// in two sets.
fn cut(recordings: &Recordings, spec: &Spec, places: &[Place]) -> Vec<Option<usize>> {
    let window = usize::from(spec.window);
    // The samples of these windows, one after the other, without those between them.
    let mut samples = 0;
    let mut before: Option<&Place> = None;
    let mut first_samples = Vec::with_capacity(places.len());
    for place in places {
        let shared = before.filter(|before| before.recording == place.recording);
        let shared = shared.map_or(0, |before| (before.start + window).saturating_sub(place.start));
        first_samples.push(samples - shared);
        samples += window - shared;
        before = Some(place);
    }
    let part = |sample: usize| sample * PARTS / samples.max(1);
    let part_of = |first_sample: &usize| {
        let (first, last) = (part(*first_sample), part(first_sample + window - 1));
        // Windows may reach from one training part to the next.
        (first == last || last < VALIDATES).then_some(last)
    };
    let mut parts: Vec<Option<usize>> = first_samples.iter().map(part_of).collect();
    if places.first().is_some_and(|place| recordings.recordings[place.recording].array.is_some()) {
        for part in [VALIDATES, TESTS] {
            leave_out_overlaps(recordings, places, &mut parts, part);
        }
    }
    parts
}

/// Leaves out the windows before a part whose recording shares samples with another one in the part. Each recording is a window
/// of an array, which may be longer than `Spec::window`.
fn leave_out_overlaps(recordings: &Recordings, places: &[Place], parts: &mut [Option<usize>], part: usize) {
    let Some(first) = parts.iter().position(|own| own.is_some_and(|own| own >= part)) else { return };
    // Each begins at least one sample after the one before it, so no more of them reach the first one in the part. This one may
    // itself have windows before the part.
    let most = recordings.recordings[places[first].recording].samples.len() / recordings.channels;
    let mut end = first;
    for earlier in places[..first].chunk_by(|a, b| a.recording == b.recording).rev().take(most + 1) {
        let start = end - earlier.len();
        let later = places[first..].iter().find(|place| place.recording != earlier[0].recording);
        if later.is_some_and(|later| windows::overlap(recordings, earlier[0].recording, later.recording)) {
            parts[start..end].fill(None);
        }
        end = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoencoder_core::front_end::FrontEnd;
    use autoencoder_io::normal::Normal;
    use autoencoder_io::recordings::Recording;
    use autoencoder_io::windows::{Kind, places, samples};
    use std::collections::BTreeSet;

    /// Recordings of numbers that count on from one to the next.
    fn recordings(lengths: &[usize]) -> Recordings {
        let mut next = 0;
        let recording = |length: &usize| {
            next += length;
            let samples = (next - length..next).map(|sample| sample as f32).collect();
            Recording { samples, ..Recording::default() }
        };
        Recordings { channels: 1, recordings: lengths.iter().map(recording).collect(), ..Recordings::default() }
    }

    fn spec(window: u16, hop: u16) -> Spec {
        Spec { channels: 1, window, hop, rate: 0.0, front_end: FrontEnd::Raw }
    }

    fn split(lengths: &[usize], window: u16, test: bool) -> ([Vec<(usize, usize)>; 3], usize) {
        let (recordings, spec) = (recordings(lengths), spec(window, 1));
        let places = places(&recordings, &spec, &Normal::default()).unwrap();
        let Split { train, validation, test } = Split::new(&recordings, &spec, &places, test);
        let of = |places: Vec<Place>| places.into_iter().map(|place| (place.recording, place.start)).collect();
        ([of(train), of(validation), of(test)], places.len())
    }

    /// The samples of the windows of each set, and that no sample is in two of them.
    fn samples_of(recordings: &Recordings, spec: &Spec, split: &Split) -> [BTreeSet<u32>; 3] {
        let of = |places: &[Place]| {
            places.iter().flat_map(|place| samples(recordings, spec, place)).map(|x| *x as u32).collect()
        };
        let sets: [BTreeSet<u32>; 3] = [&split.train, &split.validation, &split.test].map(|places| of(places));
        let [train, validation, test] = &sets;
        assert!(train.is_disjoint(validation) && train.is_disjoint(test) && validation.is_disjoint(test));
        sets
    }

    #[test]
    fn of_seven_recordings_one_validates_and_one_tests() {
        let (sets, all) = split(&[2; 15], 2, true);
        let recordings = sets.each_ref().map(|set| set.iter().map(|(recording, _)| *recording).collect::<Vec<_>>());
        assert_eq!((all, recordings.each_ref().map(Vec::len)), (15, [11, 2, 2]));
        let mut each: Vec<usize> = recordings.concat();
        each.sort_unstable();
        assert_eq!(each, (0..15).collect::<Vec<_>>());
        assert!(recordings.iter().all(|set| set.is_sorted()));
        let (sets, _) = split(&[2; 15], 2, false);
        assert_eq!(sets.each_ref().map(Vec::len), [13, 2, 0]);
    }

    /// Seven machines in turn. A fixed random permutation decides, so that a regular order of the files does no harm: each trains.
    #[test]
    fn a_regular_order_of_the_recordings_does_no_harm() {
        let (sets, _) = split(&[2; 140], 2, true);
        let [train, validation, test] =
            sets.map(|set| set.iter().map(|(recording, _)| recording % 7).collect::<BTreeSet<_>>());
        assert!(train.len() == 7 && validation.len() > 3 && test.len() > 3, "{validation:?}, {test:?}");
    }

    #[test]
    fn one_recording_is_cut_in_time_and_no_sample_is_in_two_sets() {
        for (length, window) in [(70, 4), (71, 10), (700, 64), (7, 1), (69, 3)] {
            for test in [true, false] {
                let (recordings, spec) = (recordings(&[length]), spec(window, 1));
                let places = places(&recordings, &spec, &Normal::default()).unwrap();
                let split = Split::new(&recordings, &spec, &places, test);
                let [train, validation, tested] = samples_of(&recordings, &spec, &split);
                assert!(!train.is_empty() && !validation.is_empty() && tested.is_empty() != test, "{length} {window}");
                // A window is left out only where it would be in two sets.
                let left_out = places.len() - split.train.len() - split.validation.len() - split.test.len();
                assert_eq!(left_out, 2 * (usize::from(window) - 1), "{length}, {window}, {test}");
            }
        }
    }

    /// Five healthy recordings and two faulty ones, whose windows do not train: seven would be divided, five are cut.
    #[test]
    fn recordings_without_windows_to_divide_do_not_count() {
        let (recordings, spec) = (recordings(&[70; 7]), spec(4, 2));
        let places = places(&recordings, &spec, &Normal::default()).unwrap();
        let healthy: Vec<Place> = places.into_iter().filter(|place| place.recording < 5).collect();
        let split = Split::new(&recordings, &spec, &healthy, true);
        let sets = samples_of(&recordings, &spec, &split);
        let counts = [&split.train, &split.validation, &split.test].map(|set| {
            (0..5).map(|recording| set.iter().filter(|place| place.recording == recording).count()).collect::<Vec<_>>()
        });
        assert_eq!(counts, [vec![24; 5], vec![4; 5], vec![4; 5]]);
        assert!(sets.iter().all(|set| set.iter().all(|sample| *sample < 5 * 70)));
    }

    /// A recording whose end is faulty: its healthy part is cut, not all of it.
    #[test]
    fn only_the_samples_of_windows_to_divide_are_cut() {
        let (recordings, spec) = (recordings(&[700]), spec(10, 5));
        let mut places = places(&recordings, &spec, &Normal::default()).unwrap();
        // Samples 200 to 299 and those from 400 on are faulty.
        places.retain(|place| place.start + 10 <= 200 || (300..390).contains(&place.start));
        let split = Split::new(&recordings, &spec, &places, true);
        let starts = |set: &[Place]| (set[0].start, set[set.len() - 1].start, set.len());
        // 295 samples in seven parts: the sixth begins with number 211, which is sample 311, the seventh with 253, sample 353.
        assert_eq!(
            [&split.train, &split.validation, &split.test].map(|set| starts(set)),
            [(0, 300, 40), (315, 340, 6), (355, 385, 7)]
        );
        samples_of(&recordings, &spec, &split);
    }

    /// Windows of an array, each of `window` samples and `hop` samples after the one before it.
    fn array(count: usize, window: usize, hop: usize) -> Recordings {
        let window = |i: usize| Recording {
            samples: (hop * i..hop * i + window).map(|sample| sample as f32).collect(),
            array: Some(0),
            ..Recording::default()
        };
        Recordings { channels: 1, recordings: (0..count).map(window).collect(), ..Recordings::default() }
    }

    /// The windows that train, validate, and test. No sample is in two sets.
    fn split_array(recordings: &Recordings, spec: &Spec) -> [Vec<Place>; 3] {
        let places = places(recordings, spec, &Normal::default()).unwrap();
        let split = Split::new(recordings, spec, &places, true);
        samples_of(recordings, spec, &split);
        [split.train, split.validation, split.test]
    }

    /// Windows of 8 samples that begin 2 samples apart, as an array: all of them are recordings, and none is on its own.
    #[test]
    fn an_array_of_overlapping_windows_is_cut_in_time() {
        let sets = split_array(&array(70, 8, 2), &spec(8, 8));
        // Three windows before each seam share samples with the first one behind it.
        assert_eq!(sets.each_ref().map(Vec::len), [47, 7, 10]);
        assert!(sets[0].iter().all(|place| place.kind == Kind::Normal && place.recording < 50));
    }

    /// Three windows of 4 samples in each window of the array: those of neighbours are the same samples.
    #[test]
    fn windows_shorter_than_those_of_an_array_are_in_one_set() {
        let spec = spec(4, 2);
        // Again three windows of the array before each seam, which have three windows each.
        assert_eq!(split_array(&array(70, 8, 2), &spec).map(|set| set.len()), [3 * 47, 3 * 7, 3 * 10]);
        // The seams are within a window of the array: its windows before the seam share samples with the next one.
        for count in 71..77 {
            let sets = split_array(&array(count, 8, 2), &spec);
            assert!(sets.iter().all(|set| set.len() >= 3 * 6), "{count}");
        }
        // Windows of the array without common samples: only those at the two seams are left out, or none if these are between them.
        assert_eq!(split_array(&array(14, 8, 8), &spec).map(|set| set.len()), [30, 6, 6]);
        assert_eq!(split_array(&array(1, 700, 700), &spec).map(|set| set.len()), [249, 49, 49]);
    }
}
