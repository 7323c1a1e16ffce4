//! WAV files: integers of 8 to 32 bits or floats, any number of channels. An integer keeps its value,
//! rounded to the nearest `f32` if it has more than 24 bits.

use super::error::RecordingError;
use super::npy::columns;
use super::{MOST_NUMBERS, Recording, Recordings, Selection, open};
use hound::{SampleFormat, WavReader};
use std::path::Path;

/// Reads a file.
pub(super) fn read(path: &Path, selection: &Selection) -> Result<Recordings, RecordingError> {
    let refused = |error: hound::Error| {
        let reason = match error {
            // Whatever the reader of a file can fail with, this one has been read from before.
            hound::Error::IoError(_) => "the file is cut off".to_owned(),
            error => format!("not a WAV file that can be read: {error}"),
        };
        RecordingError::Array { path: path.to_owned(), reason }
    };
    let mut reader = WavReader::new(open(path)?).map_err(refused)?;
    let spec = reader.spec();
    if reader.len() as usize > MOST_NUMBERS {
        return Err(RecordingError::TooLarge(path.to_owned()));
    }
    let numbers: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>(),
        SampleFormat::Int => reader.samples::<i32>().map(|number| number.map(|number| number as f32)).collect(),
    }
    .map_err(refused)?;
    if let Some(index) = numbers.iter().position(|number| !number.is_finite()) {
        let channels = usize::from(spec.channels).max(1);
        let place = format!("sample {}, channel {}", index / channels + 1, index % channels + 1);
        return Err(RecordingError::NotFinite { path: path.to_owned(), place, number: numbers[index] });
    }
    let chosen = columns(path, spec.channels.into(), selection)?;
    let samples = numbers.chunks_exact(usize::from(spec.channels)).flat_map(|sample| chosen.iter().map(|c| sample[*c]));
    let recording = Recording { name: path.display().to_string(), samples: samples.collect(), ..Recording::default() };
    Ok(Recordings {
        channels: chosen.len(),
        rate: Some(spec.sample_rate as f32),
        recordings: vec![recording],
        ..Recordings::default()
    })
}
