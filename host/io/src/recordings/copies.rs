//! Recordings that are there twice, under whatever name: a copy of what trains is no test, and counts twice where it trains.

use super::error::RecordingError;
use super::{Recording, Recordings};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Shorter recordings may be the same by chance.
const SHORTEST: usize = 64;

/// The names of recordings by what is in them.
#[derive(Default)]
pub(super) struct Copies(HashMap<u64, String>);

impl Copies {
    pub(super) fn of(recordings: &Recordings) -> Self {
        Self(fingerprints(recordings).collect())
    }

    /// Adds the recordings of another file, of which none may be known.
    pub(super) fn add(&mut self, next: &Recordings) -> Result<(), RecordingError> {
        let next: Vec<(u64, String)> = fingerprints(next).collect();
        for (content, name) in &next {
            if let Some(first) = self.0.get(content) {
                return Err(RecordingError::Copy { name: name.clone(), first: first.clone() });
            }
        }
        self.0.extend(next);
        Ok(())
    }

    /// Returns an error if one of the recordings, which are to test on, is known.
    pub(super) fn ensure_none(&self, tests: &Recordings) -> Result<(), RecordingError> {
        for (content, name) in fingerprints(tests) {
            if let Some(first) = self.0.get(&content) {
                return Err(RecordingError::TestCopies { name, first: first.clone() });
            }
        }
        Ok(())
    }
}

/// The hash and the name of each recording or array, but for those that are short or that never change.
fn fingerprints(recordings: &Recordings) -> impl Iterator<Item = (u64, String)> {
    recordings.sources().filter_map(|source| Some((fingerprint(source, recordings.channels)?, source[0].name.clone())))
}

fn fingerprint(source: &[Recording], channels: usize) -> Option<u64> {
    let samples = || source.iter().flat_map(|recording| recording.samples.chunks_exact(channels.max(1)));
    let first = samples().next()?;
    if samples().count() * channels < SHORTEST || samples().all(|sample| sample == first) {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    samples().flatten().for_each(|number| number.to_bits().hash(&mut hasher));
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recordings(samples: &[&[f32]], array: Option<usize>) -> Recordings {
        let recording = |(i, samples): (usize, &&[f32])| Recording {
            name: format!("recording {i}"),
            samples: samples.to_vec(),
            labels: Vec::new(),
            array,
        };
        let recordings = samples.iter().enumerate().map(recording).collect();
        Recordings { channels: 1, recordings, ..Recordings::default() }
    }

    #[test]
    fn a_copy_of_another_files_recording_is_found() {
        let wave: Vec<f32> = (0..64).map(|i| (i as f32).sin()).collect();
        let other: Vec<f32> = wave.iter().map(|x| x + 1.0).collect();
        let outcome = |first: &Recordings, second: &Recordings| {
            let mut known = Copies::default();
            known.add(first).unwrap();
            [known.ensure_none(second), known.add(second)].map(|outcome| outcome.map_err(|error| error.to_string()))
        };
        let both = recordings(&[&other, &wave], None);
        assert_eq!(
            outcome(&both, &recordings(&[&wave], None)),
            [
                Err("recording 0: the same samples as recording 1, which train, so they are no test; give other recordings"
                    .to_owned()),
                Err("recording 0: the same samples as recording 1; give each recording once".to_owned())
            ]
        );
        // One number less, or an array of which they are a part.
        assert_eq!(outcome(&both, &recordings(&[&wave[..63]], None)), [Ok(()), Ok(())]);
        assert_eq!(outcome(&both, &recordings(&[&wave, &other], Some(0))), [Ok(()), Ok(())]);
        // What is short or never changes may be the same by chance; and one file may repeat itself.
        for chance in [recordings(&[&wave[..63]], None), recordings(&[&[0.5; 100]], None)] {
            assert_eq!(outcome(&chance, &chance), [Ok(()), Ok(())]);
        }
        assert!(Copies::default().add(&recordings(&[&wave, &wave], None)).is_ok());
    }
}
