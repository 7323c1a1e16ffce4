//! Recordings of sensors: samples of some channels, one after the other, from CSV, `NumPy` and WAV files.
//!
//! A file is one recording, unless its rows name theirs ([`Selection::group`]) or it is an array of windows. Where rows are left
//! out, a recording ends and another one begins. A folder is its files. Numbers have the unit of the file.

mod copies;
mod course;
mod csv;
mod error;
mod npy;
mod paths;
mod select;
mod wav;

pub use course::Column;
pub use error::{Place, RecordingError, list};
pub use npy::read_arrays;
pub use paths::{are_recordings, ensure_other_files, has_idx_files};
pub use select::{Selection, Where};

use crate::files;
use crate::gzip::{self, Members};
use crate::number::counted;
use copies::Copies;
use paths::{Kind, Listed};
use std::path::{Path, PathBuf};

/// The most numbers that are read: 1 GiB of them.
pub const MOST_NUMBERS: usize = 1 << 28;

/// The most different labels.
pub const MOST_LABELS: usize = 1000;
/// The most recordings of a file.
pub const MOST_RECORDINGS: usize = 1 << 20;

/// Samples of some channels at a fixed rate, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The file and, if its rows name theirs, the recording in it.
    pub name: String,
    /// The numbers, sample by sample: one for each channel.
    pub samples: Vec<f32>,
    /// For each sample the number of its label in [`Recordings::labels`]; empty without labels.
    pub labels: Vec<u32>,
    /// The number of the array that it is a window of, if it is one. Windows of an array are in the order of time, and may
    /// overlap.
    pub array: Option<usize>,
}

/// What recordings are of: windows of one array are of one source, and each other recording is one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The number of an array.
    Array(usize),
    /// The number of a recording.
    Recording(usize),
}

/// Recordings of the same channels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recordings {
    /// The channels' names; empty if the file has none.
    pub names: Vec<String>,
    /// Numbers of a sample.
    pub channels: usize,
    /// Samples a second, if the file says so.
    pub rate: Option<f32>,
    /// Samples of each recording, if the file is an array of windows.
    pub window: Option<usize>,
    /// The labels that occur.
    pub labels: Vec<String>,
    /// The recordings, in the order of the files.
    pub recordings: Vec<Recording>,
    /// Files in the folders that are none of recordings.
    pub left_out: Vec<PathBuf>,
    /// The columns of the channels; empty where files have none.
    pub columns: Vec<Column>,
}

impl Recordings {
    /// Reads files and folders of files. All have the same channels, and no recording is there twice.
    pub fn read(paths: &[PathBuf], selection: &Selection) -> Result<Self, RecordingError> {
        let Listed { files, left_out } = Listed::new(paths)?;
        let mut all: Option<(Self, PathBuf)> = None;
        let mut known = Copies::default();
        let one = files.len() == 1;
        for path in files {
            let next = Self::read_file(&path, selection)?;
            if !one {
                known.add(&next)?;
            }
            match &mut all {
                None => all = Some((next, path)),
                Some((all, first)) => all.append(next, &path, first)?,
            }
        }
        let (all, first) = all.ok_or_else(|| RecordingError::NoFiles(paths.to_vec()))?;
        if all.recordings.iter().all(|recording| recording.samples.is_empty()) {
            return Err(RecordingError::Empty(first));
        }
        Ok(Self { left_out, ..all })
    }

    /// Returns an error if one of these recordings, which are to test on, has the same samples as one of those that train.
    pub fn ensure_apart_from(&self, train: &Self) -> Result<(), RecordingError> {
        Copies::of(train).ensure_none(self)
    }

    fn read_file(path: &Path, selection: &Selection) -> Result<Self, RecordingError> {
        let kind = Kind::of(path).ok_or_else(|| RecordingError::Kind(path.to_owned()))?;
        if kind != Kind::Csv && selection.needs_columns_of_text() {
            return Err(RecordingError::NoText(path.to_owned()));
        }
        match kind {
            Kind::Csv => csv::read(path, selection),
            Kind::Npy => npy::read(path, selection),
            Kind::Npz => npy::read_archive(path, selection),
            Kind::Wav => wav::read(path, selection),
        }
    }

    /// Appends the recordings of another file.
    fn append(&mut self, other: Self, path: &Path, first: &Path) -> Result<(), RecordingError> {
        let same = self.channels == other.channels && self.names == other.names;
        if !same || self.rate != other.rate {
            let described = [&*self, &other].map(Self::described);
            return Err(RecordingError::Differ { path: path.to_owned(), first: first.to_owned(), described });
        }
        if self.window != other.window {
            self.window = None;
        }
        let numbers = |all: &Self| all.recordings.iter().map(|one| one.samples.len()).sum::<usize>();
        if numbers(self) + numbers(&other) > MOST_NUMBERS {
            return Err(RecordingError::TooLarge(path.to_owned()));
        }
        self.columns.iter_mut().zip(&other.columns).for_each(|(own, other)| own.course.merge(&other.course));
        let label: Vec<u32> = other.labels.into_iter().map(|label| number_of(&mut self.labels, label)).collect();
        let arrays = self.recordings.iter().filter_map(|one| one.array).max().map_or(0, |last| last + 1);
        self.recordings.extend(other.recordings.into_iter().map(|mut recording| {
            recording.labels.iter_mut().for_each(|own| *own = label[*own as usize]);
            recording.array = recording.array.map(|array| arrays + array);
            recording
        }));
        Ok(())
    }

    /// `3 channels (x, y, z) at 50 Hz`
    fn described(&self) -> String {
        let rate = self.rate.map_or_else(String::new, |rate| format!(" at {rate} Hz"));
        self.describe_channels() + &rate
    }

    /// The source of a recording.
    pub fn source(&self, recording: usize) -> Source {
        self.recordings[recording].array.map_or(Source::Recording(recording), Source::Array)
    }

    /// The numbers of the recordings of each source, in order.
    fn sources(&self) -> impl Iterator<Item = &[Recording]> {
        self.recordings.chunk_by(|a, b| a.array.is_some() && a.array == b.array)
    }

    /// `3 channels (x, y, z)`
    pub fn describe_channels(&self) -> String {
        describe_channels(self.channels, &self.names)
    }

    /// Samples of all recordings.
    pub fn samples(&self) -> usize {
        self.recordings.iter().map(|recording| recording.samples.len() / self.channels.max(1)).sum()
    }
}

/// `3 channels (x, y, z)`
pub(crate) fn describe_channels<S: AsRef<str>>(channels: usize, names: &[S]) -> String {
    let names = if names.is_empty() { String::new() } else { format!(" ({})", error::list(names)) };
    counted(channels, "channel") + &names
}

/// The number of a label, which is added if it is new.
fn number_of(labels: &mut Vec<String>, label: String) -> u32 {
    let known = labels.iter().position(|other| *other == label);
    known.unwrap_or_else(|| {
        labels.push(label);
        labels.len() - 1
    }) as u32
}

/// Opens a file to read, decompressed if it is gzip.
fn open(path: &Path) -> Result<Box<dyn std::io::Read>, RecordingError> {
    use std::io::{BufRead, BufReader};
    let failed = |error| RecordingError::Io(path.to_owned(), error);
    let mut reader = BufReader::with_capacity(1 << 16, files::open(path).map_err(RecordingError::File)?);
    let gzip = reader.fill_buf().map_err(failed)?.starts_with(&gzip::MAGIC);
    Ok(if gzip { Box::new(Members::new(reader)) } else { Box::new(reader) })
}

#[cfg(test)]
mod tests;
