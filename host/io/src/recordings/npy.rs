//! `NumPy` arrays: `[samples]`, `[samples, channels]`, or `[windows, samples, channels]`, whose windows are recordings.

use super::error::RecordingError;
use super::{MOST_NUMBERS, Recording, Recordings, Selection, open};
use ndarray::{ArrayD, Axis};
use ndarray_npy::{ReadNpyError, ReadNpyExt, ReadableElement};
use num_traits::AsPrimitive;
use std::io::{Cursor, Read};
use std::path::Path;
use zip::ZipArchive;

/// Reads an array.
pub(super) fn read(path: &Path, selection: &Selection) -> Result<Recordings, RecordingError> {
    recordings(path, &path.display().to_string(), &bytes_of(path, open(path)?)?, selection)
}

/// Reads the arrays of an archive, each of which is a recording or several.
pub(super) fn read_archive(path: &Path, selection: &Selection) -> Result<Recordings, RecordingError> {
    let refused = |error: zip::result::ZipError| refused(path, &error.to_string());
    let mut archive = ZipArchive::new(Cursor::new(bytes_of(path, open(path)?)?)).map_err(refused)?;
    let mut all: Option<Recordings> = None;
    for index in 0..archive.len() {
        let array = archive.by_index(index).map_err(refused)?;
        let name = format!("{}:{}", path.display(), array.name().strip_suffix(".npy").unwrap_or(array.name()));
        let next = recordings(path, &name, &bytes_of(path, array)?, selection)?;
        match &mut all {
            None => all = Some(next),
            Some(all) => all.append(next, path, path)?,
        }
    }
    all.ok_or_else(|| RecordingError::Empty(path.to_owned()))
}

fn refused(path: &Path, reason: &str) -> RecordingError {
    RecordingError::Array { path: path.to_owned(), reason: reason.to_owned() }
}

/// All bytes, of which there may be as many as the numbers take in the widest type.
fn bytes_of(path: &Path, reader: impl Read) -> Result<Vec<u8>, RecordingError> {
    const MOST: u64 = (MOST_NUMBERS * size_of::<f64>()) as u64;
    let mut bytes = Vec::new();
    let read = reader.take(MOST + 1).read_to_end(&mut bytes);
    read.map_err(|error| RecordingError::Io(path.to_owned(), error))?;
    if bytes.len() as u64 > MOST { Err(RecordingError::TooLarge(path.to_owned())) } else { Ok(bytes) }
}

/// The numbers of an array of any type.
fn array(bytes: &[u8]) -> Result<ArrayD<f32>, ReadNpyError> {
    fn of<T: ReadableElement + AsPrimitive<f32>>(bytes: &[u8]) -> Result<ArrayD<f32>, ReadNpyError> {
        Ok(ArrayD::<T>::read_npy(bytes)?.mapv(AsPrimitive::as_))
    }
    let types =
        [of::<f32>, of::<f64>, of::<u8>, of::<i8>, of::<u16>, of::<i16>, of::<u32>, of::<i32>, of::<u64>, of::<i64>];
    let mut outcome = types[0](bytes);
    for of in &types[1..] {
        if !matches!(outcome, Err(ReadNpyError::WrongDescriptor(_))) {
            break;
        }
        outcome = of(bytes);
    }
    outcome
}

/// The recordings of one array.
fn recordings(path: &Path, name: &str, bytes: &[u8], selection: &Selection) -> Result<Recordings, RecordingError> {
    let array = array(bytes).map_err(|error| match error {
        ReadNpyError::WrongDescriptor(of) => refused(path, &format!("an array of type {of}; expected numbers")),
        ReadNpyError::MissingData => refused(path, "the array is cut off"),
        error => refused(path, &error.to_string()),
    })?;
    if let Some(index) = array.iter().position(|number| !number.is_finite()) {
        return Err(RecordingError::NotFinite { path: path.to_owned(), index });
    }
    if array.len() > MOST_NUMBERS {
        return Err(RecordingError::TooLarge(path.to_owned()));
    }
    let dimensions = array.ndim();
    let array = match dimensions {
        1 => array.insert_axis(Axis(1)).insert_axis(Axis(0)),
        2 => array.insert_axis(Axis(0)),
        3 => array,
        other => {
            let reason = format!(
                "an array of {other} dimensions; expected [samples], [samples, channels] or [windows, samples, channels]"
            );
            return Err(refused(path, &reason));
        }
    };
    let [windows, samples, channels] = [0, 1, 2].map(|axis| array.len_of(Axis(axis)));
    let columns = columns(path, channels, selection)?;
    let recordings = array.outer_iter().enumerate().map(|(i, window)| Recording {
        name: if windows == 1 { name.to_owned() } else { format!("{name}[{i}]") },
        samples: window
            .outer_iter()
            .flat_map(|sample| columns.iter().map(move |c| sample[[*c]]).collect::<Vec<_>>())
            .collect(),
        labels: Vec::new(),
    });
    let (channels, recordings) = (columns.len(), recordings.collect());
    let window = (dimensions == 3).then_some(samples);
    Ok(Recordings { channels, window, recordings, ..Recordings::default() })
}

/// The columns that were chosen by number; all if none were.
pub(super) fn columns(path: &Path, channels: usize, selection: &Selection) -> Result<Vec<usize>, RecordingError> {
    if selection.columns.is_empty() {
        return Ok((0..channels).collect());
    }
    let column = |name: &String| {
        let number = name.parse().ok().filter(|number| (1..=channels).contains(number));
        number.map(|number: usize| number - 1).ok_or_else(|| RecordingError::Column {
            path: path.to_owned(),
            column: name.clone(),
            columns: (1..=channels).map(|number| number.to_string()).collect(),
        })
    };
    selection.columns.iter().map(column).collect()
}
