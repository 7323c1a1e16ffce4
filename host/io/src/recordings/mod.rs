//! Recordings of sensors: samples of some channels, one after the other, from CSV, `NumPy` and WAV files.
//!
//! A file is one recording, unless its rows name theirs ([`Selection::group`]) or it is an array of windows. Where rows are left
//! out, a recording ends and another one begins. A folder is its files. Numbers have the unit of the file.

mod csv;
mod error;
mod npy;
mod select;
mod wav;

pub use error::{Place, RecordingError};
pub use npy::read_arrays;
pub use select::{Selection, Where};

use crate::files;
use crate::number::counted;
use std::ffi::OsStr;
use std::fs;
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
}

/// The kind of a file of recordings, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Csv,
    Npy,
    Npz,
    Wav,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        Some(match name.rsplit_once('.')?.1 {
            "csv" | "tsv" => Self::Csv,
            "npy" => Self::Npy,
            "npz" => Self::Npz,
            "wav" => Self::Wav,
            _ => return None,
        })
    }
}

/// Whether a path is a file of recordings by its name, or a folder that has one and no IDX files.
pub fn are_recordings(path: &Path) -> bool {
    if !path.is_dir() {
        return Kind::of(path).is_some();
    }
    let is_idx = |name: &OsStr| name.to_string_lossy().contains("idx") && Kind::of(name.as_ref()).is_none();
    let has_idx =
        || fs::read_dir(path).is_ok_and(|mut all| all.any(|one| one.is_ok_and(|one| is_idx(&one.file_name()))));
    files_of(path).is_ok_and(|files| !files.is_empty()) && !has_idx()
}

impl Recordings {
    /// Reads files and folders of files. All have the same channels.
    pub fn read(paths: &[PathBuf], selection: &Selection) -> Result<Self, RecordingError> {
        let mut all: Option<(Self, PathBuf)> = None;
        for path in expand(paths)? {
            let next = Self::read_file(&path, selection)?;
            match &mut all {
                None => all = Some((next, path)),
                Some((all, first)) => all.append(next, &path, first)?,
            }
        }
        let (all, first) = all.ok_or_else(|| RecordingError::NoFiles(paths.to_vec()))?;
        if all.recordings.iter().all(|recording| recording.samples.is_empty()) {
            return Err(RecordingError::Empty(first));
        }
        Ok(all)
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
        describe_channels(self.channels, &self.names) + &rate
    }

    /// The source of a recording.
    pub fn source(&self, recording: usize) -> Source {
        self.recordings[recording].array.map_or(Source::Recording(recording), Source::Array)
    }

    /// Samples of all recordings.
    pub fn samples(&self) -> usize {
        self.recordings.iter().map(|recording| recording.samples.len() / self.channels.max(1)).sum()
    }
}

/// `3 channels (x, y, z)`
pub(crate) fn describe_channels<S: AsRef<str>>(channels: usize, names: &[S]) -> String {
    let names = names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    let names = if names.is_empty() { names } else { format!(" ({names})") };
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

/// The files that are named, and those of the folders that are named, by name.
fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, RecordingError> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            let files = files_of(path)?;
            if files.is_empty() {
                return Err(RecordingError::NoFiles(vec![path.clone()]));
            }
            all.extend(files);
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

/// The files of recordings in a folder, hidden ones left out.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, RecordingError> {
    let failed = |error| RecordingError::Io(folder.to_owned(), error);
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.path().is_file() && Kind::of(&entry.path()).is_some() {
            all.push(entry.path());
        }
    }
    all.sort();
    Ok(all)
}

/// Opens a file to read, decompressed if it is gzip.
fn open(path: &Path) -> Result<Box<dyn std::io::Read>, RecordingError> {
    use std::io::{BufRead, BufReader};
    let failed = |error| RecordingError::Io(path.to_owned(), error);
    let mut reader = BufReader::with_capacity(1 << 16, files::open(path).map_err(RecordingError::File)?);
    let gzip = reader.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(flate2::bufread::MultiGzDecoder::new(reader)) } else { Box::new(reader) })
}

#[cfg(test)]
mod tests;
