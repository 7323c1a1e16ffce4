//! `NumPy` arrays: `[samples]`, `[samples, channels]`, or `[windows, samples, channels]`, whose windows are recordings.
//!
//! An array is read as its own type and then becomes one of `f32`, so that of the most numbers takes 3 GiB for a moment if they
//! are `f64`, and the archive that it is in up to 2 GiB more.

use super::error::RecordingError;
use super::{MOST_NUMBERS, Recording, Recordings, Selection, open};
use crate::number::counted;
use crate::terminal::printable;
use half::f16;
use ndarray::{ArrayD, Axis};
use ndarray_npy::{ReadNpyError, ReadNpyExt, ReadableElement};
use num_traits::AsPrimitive;
use std::io::{Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Reads an array.
pub(super) fn read(path: &Path, selection: &Selection) -> Result<Recordings, RecordingError> {
    recordings(path, &mut *open(path)?, selection)
}

/// Reads the arrays of an archive, each of which is a recording or several.
pub(super) fn read_archive(path: &Path, selection: &Selection) -> Result<Recordings, RecordingError> {
    let mut all: Option<(Recordings, PathBuf)> = None;
    for_each_array(path, |name, array| {
        // In messages, an array of the file is like a file.
        let name = PathBuf::from(format!("{}, array {name}", path.display()));
        let next = recordings(&name, array, selection)?;
        match &mut all {
            None => all = Some((next, name)),
            Some((all, first)) => all.append(next, &name, first)?,
        }
        Ok(())
    })?;
    all.map(|(all, _)| all).ok_or_else(|| RecordingError::Empty(path.to_owned()))
}

/// Reads the arrays of an archive, and their names. The numbers may be of any type, and need not be finite.
pub fn read_arrays(path: &Path) -> Result<Vec<(String, ArrayD<f32>)>, RecordingError> {
    read_arrays_up_to(path, MOST_NUMBERS)
}

/// The same, of at most `most` numbers in all.
pub(super) fn read_arrays_up_to(path: &Path, most: usize) -> Result<Vec<(String, ArrayD<f32>)>, RecordingError> {
    let (mut arrays, mut count) = (Vec::new(), 0);
    for_each_array(path, |name, array| {
        let numbers = numbers(path, array, most - count).map_err(|error| match error {
            RecordingError::Array { reason, .. } => refused(path, &format!("{name}: {reason}")),
            error => error,
        })?;
        count += numbers.len();
        arrays.push((name.to_owned(), numbers));
        Ok(())
    })?;
    Ok(arrays)
}

/// Gives the name and the contents of each array of an archive.
fn for_each_array(
    path: &Path,
    mut take: impl FnMut(&str, &mut dyn Read) -> Result<(), RecordingError>,
) -> Result<(), RecordingError> {
    let refused = |error: zip::result::ZipError| refused(path, &format!("not an .npz file that can be read: {error}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes_of(path, open(path)?)?)).map_err(refused)?;
    for index in 0..archive.len() {
        let mut array = archive.by_index(index).map_err(refused)?;
        let name = printable(array.name().strip_suffix(".npy").unwrap_or(array.name()));
        take(&name, &mut array)?;
    }
    Ok(())
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

/// The bytes of an array up to its first number: a mark of six bytes, a version of two, the length of the rest, a Python literal.
fn header(mut array: impl Read) -> std::io::Result<Vec<u8>> {
    /// More than any array of numbers has.
    const LONGEST: u64 = 1 << 16;
    let mut bytes = Vec::new();
    array.by_ref().take(8).read_to_end(&mut bytes)?;
    let version = bytes.get(6).copied().unwrap_or(1);
    array.by_ref().take(if version > 1 { 4 } else { 2 }).read_to_end(&mut bytes)?;
    let length = bytes.iter().skip(8).rev().fold(0, |length: u64, byte| length << 8 | u64::from(*byte));
    array.take(length.min(LONGEST)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The number of numbers that a header announces, if it can be read.
fn count(header: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(header);
    let (_, shape) = text.split_once("'shape'")?;
    let (shape, _) = shape.split_once('(')?.1.split_once(')')?;
    let lengths =
        shape.split(',').map(|length| length.trim().trim_end_matches('L')).filter(|length| !length.is_empty());
    lengths.map(|length| length.parse().ok()).try_fold(1usize, |count, length| Some(count.saturating_mul(length?)))
}

/// The numbers of an array of any type, of which there may be `most`.
fn numbers(path: &Path, array: &mut dyn Read, most: usize) -> Result<ArrayD<f32>, RecordingError> {
    /// The numbers, if they are of this type.
    fn of<T: ReadableElement + AsPrimitive<f32>>(
        header: &[u8],
        rest: &mut dyn Read,
    ) -> Result<ArrayD<f32>, ReadNpyError> {
        // Without the numbers, only the type is looked at.
        if let Err(error @ ReadNpyError::WrongDescriptor(_)) = ArrayD::<T>::read_npy(header) {
            return Err(error);
        }
        Ok(ArrayD::<T>::read_npy(header.chain(rest))?.mapv(AsPrimitive::as_))
    }
    let mut header = header(&mut *array).map_err(|error| RecordingError::Io(path.to_owned(), error))?;
    if count(&header).is_some_and(|count| count > most) {
        return Err(RecordingError::TooLarge(path.to_owned()));
    }
    // The reader knows no half floats, so it reads their bits.
    if let Some(at) = header.windows(3).position(|descriptor| descriptor == b"f2'") {
        header[at] = b'u';
        let bits = ArrayD::<u16>::read_npy(header.chain(array));
        return bits
            .map(|bits| bits.mapv(|bits| f16::from_bits(bits).to_f32()))
            .map_err(|error| refused(path, &reason(error)));
    }
    let types = [of::<f64>, of::<u8>, of::<i8>, of::<u16>, of::<i16>, of::<u32>, of::<i32>, of::<u64>, of::<i64>];
    let mut outcome = of::<f32>(&header, array);
    for of in types {
        if !matches!(outcome, Err(ReadNpyError::WrongDescriptor(_))) {
            break;
        }
        outcome = of(&header, array);
    }
    outcome.map_err(|error| refused(path, &reason(error)))
}

/// Why the bytes are no array of numbers.
fn reason(error: ReadNpyError) -> String {
    match error {
        ReadNpyError::WrongDescriptor(of) => format!("an array of type {of}; expected numbers"),
        ReadNpyError::MissingData => "the array is cut off".into(),
        ReadNpyError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => "the array is cut off".into(),
        ReadNpyError::ExtraBytes(count) => format!("{} after the end of the array", counted(count, "byte")),
        error => format!("not an array that can be read: {error}"),
    }
}

/// The place of a number in an array: `row 3, column 2`.
fn place(index: &[usize]) -> String {
    let names: &[&str] = if index.len() == 3 { &["window", "sample", "channel"] } else { &["row", "column"] };
    let named = names.iter().zip(index).map(|(name, i)| format!("{name} {}", i + 1));
    named.collect::<Vec<_>>().join(", ")
}

/// The recordings of one array.
fn recordings(path: &Path, array: &mut dyn Read, selection: &Selection) -> Result<Recordings, RecordingError> {
    let name = path.display();
    let array = numbers(path, array, MOST_NUMBERS)?;
    let dimensions = array.ndim();
    if dimensions == 0 || dimensions > 3 {
        let reason = format!(
            "an array of {dimensions} dimensions; expected [samples], [samples, channels] or [windows, samples, channels]"
        );
        return Err(refused(path, &reason));
    }
    if array.iter().any(|number| !number.is_finite())
        && let Some((index, number)) = array.indexed_iter().find(|(_, number)| !number.is_finite())
    {
        let place = place(ndarray::Dimension::slice(&index));
        return Err(RecordingError::NotFinite { path: path.to_owned(), place, number: *number });
    }
    let array = match dimensions {
        1 => array.insert_axis(Axis(1)).insert_axis(Axis(0)),
        2 => array.insert_axis(Axis(0)),
        _ => array,
    };
    let [windows, samples, channels] = [0, 1, 2].map(|axis| array.len_of(Axis(axis)));
    let columns = columns(path, channels, selection)?;
    let recordings = array.outer_iter().enumerate().map(|(i, window)| Recording {
        name: if windows == 1 { name.to_string() } else { format!("{name}, window {}", i + 1) },
        samples: window
            .outer_iter()
            .flat_map(|sample| columns.iter().map(move |c| sample[[*c]]).collect::<Vec<_>>())
            .collect(),
        labels: Vec::new(),
        array: (dimensions == 3).then_some(0),
    });
    let (channels, recordings) = (columns.len(), recordings.collect());
    let window = (dimensions == 3).then_some(samples);
    Ok(Recordings { channels, window, recordings, ..Recordings::default() })
}

/// The columns that were chosen by number; all if none were.
pub(super) fn columns(path: &Path, channels: usize, selection: &Selection) -> Result<Vec<usize>, RecordingError> {
    if channels == 0 {
        return Err(refused(path, "the array has no channel"));
    }
    if selection.columns.is_empty() {
        return Ok((0..channels).collect());
    }
    let column = |name: &String| {
        let number = name.trim().parse().ok().filter(|number| (1..=channels).contains(number));
        number.map(|number: usize| number - 1).ok_or_else(|| RecordingError::Column {
            path: path.to_owned(),
            column: name.clone(),
            columns: (1..=channels).map(|number| number.to_string()).collect(),
        })
    };
    let chosen: Vec<usize> = selection.columns.iter().map(column).collect::<Result<_, _>>()?;
    match (1..chosen.len()).find(|i| chosen[..*i].contains(&chosen[*i])) {
        Some(i) => Err(RecordingError::Twice { path: path.to_owned(), column: (chosen[i] + 1).to_string() }),
        None => Ok(chosen),
    }
}
