//! Which windows train, which validate, and which test.
//!
//! Of every seven recordings, one validates and one tests; the others train. With fewer than [`PARTS`] recordings, each is cut
//! into as many parts of equal length: the last tests, the one before validates, the others train. So windows of two sets never
//! overlap: they are of different recordings, or of different times.

use autoencoder_core::front_end::Spec;
use autoencoder_io::recordings::Recordings;
use autoencoder_io::windows::Place;

/// Parts of the recordings: one validates, one tests.
const PARTS: usize = 7;

/// The windows of each set.
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
    /// Divides the windows of recordings. Without `test`, no window tests: the parts for testing train.
    pub fn new(recordings: &Recordings, spec: &Spec, places: &[Place], test: bool) -> Self {
        let count = recordings.recordings.len();
        let mut split = Self::default();
        for place in places {
            let part = if count >= PARTS {
                Some(place.recording % PARTS)
            } else {
                let samples = recordings.recordings[place.recording].samples.len() / recordings.channels.max(1);
                let part = |sample: usize| sample * PARTS / samples.max(1);
                let (first, last) = (part(place.start), part(place.start + usize::from(spec.window) - 1));
                // Windows may reach from one training part to the next.
                (first == last || last < PARTS - 2 || !test && first == PARTS - 1).then_some(last)
            };
            match part {
                Some(part) if part == PARTS - 1 && test => split.test.push(*place),
                Some(part) if part == PARTS - 2 => split.validation.push(*place),
                Some(_) => split.train.push(*place),
                None => {}
            }
        }
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoencoder_core::front_end::FrontEnd;
    use autoencoder_io::recordings::Recording;
    use autoencoder_io::windows::places;

    fn split(lengths: &[usize], window: u16, test: bool) -> ([Vec<(usize, usize)>; 3], usize) {
        let recording = |length: &usize| Recording { samples: vec![0.0; *length], ..Recording::default() };
        let recordings =
            Recordings { channels: 1, recordings: lengths.iter().map(recording).collect(), ..Recordings::default() };
        let spec = Spec { channels: 1, window, hop: 1, rate: 0.0, front_end: FrontEnd::Raw };
        let places = places(&recordings, &spec).unwrap();
        let Split { train, validation, test } = Split::new(&recordings, &spec, &places, test);
        let of = |places: Vec<Place>| places.into_iter().map(|place| (place.recording, place.start)).collect();
        ([of(train), of(validation), of(test)], places.len())
    }

    #[test]
    fn of_seven_recordings_one_validates_and_one_tests() {
        let (sets, all) = split(&[2; 15], 2, true);
        let recordings = sets.each_ref().map(|set| set.iter().map(|(recording, _)| *recording).collect::<Vec<_>>());
        assert_eq!(recordings, [vec![0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 14], vec![5, 12], vec![6, 13]]);
        assert_eq!(all, 15);
        let (sets, _) = split(&[2; 15], 2, false);
        assert_eq!(sets.each_ref().map(Vec::len), [13, 2, 0]);
    }

    #[test]
    fn one_recording_is_cut_in_time_and_no_sample_is_in_two_sets() {
        for (length, window) in [(70, 4), (71, 10), (700, 64), (7, 1), (69, 3)] {
            for test in [true, false] {
                let (sets, all) = split(&[length], window, test);
                let samples = sets.each_ref().map(|set| {
                    let samples = set.iter().flat_map(|(_, start)| *start..start + usize::from(window));
                    samples.collect::<std::collections::BTreeSet<_>>()
                });
                let [train, validation, tested] = &samples;
                assert!(train.is_disjoint(validation) && train.is_disjoint(tested) && validation.is_disjoint(tested));
                assert!(!train.is_empty() && !validation.is_empty() && tested.is_empty() != test, "{length} {window}");
                // A window is left out only where it would be in two sets.
                let left_out = all - sets.iter().map(Vec::len).sum::<usize>();
                assert_eq!(left_out, 2 * (usize::from(window) - 1), "{length}, {window}, {test}");
            }
        }
    }
}
