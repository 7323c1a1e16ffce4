//! The options that name data: folders of IDX files, or recordings of sensors.

use crate::data_folder::{DataFolder, NoData};
use crate::recordings::{
    RecordingError, Recordings, Selection, Where, are_recordings, ensure_other_files, has_idx_files,
};
use std::path::PathBuf;

/// The data of a command.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct DataOptions {
    /// Recordings: .csv, .tsv, .npy, .npz or .wav files, plain or gzip, or folders of them, whose other files are left out. Or one
    /// folder of IDX files, plain or gzip; if it holds several data sets, give DIR/NAME, where NAME is the prefix of one set's file
    /// names: emnist/emnist-letters
    /// [default: data/mnist, here or in a folder above]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    data: Vec<PathBuf>,
    /// Columns of the channels, by name or by number from 1 [default: all that no other option names]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// Column that tells one recording from another [default: each file is a recording]
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// Column that labels each sample
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Use only rows whose column has one of these values; may be given several times
    #[arg(long = "where", value_name = "COLUMN=VALUE[,VALUE]")]
    conditions: Vec<Where>,
}

/// The data that the options name.
pub enum Data {
    /// A folder of IDX files.
    Folder(PathBuf),
    /// Recordings.
    Recordings(Recordings),
}

/// The data cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// There is no default folder.
    #[error(transparent)]
    NoData(#[from] NoData),
    /// The recordings cannot be read.
    #[error(transparent)]
    Recordings(#[from] RecordingError),
    /// A path leads to no data.
    #[error("{}: {}", .0.display(), if .0.is_dir() {
        "a folder without recordings (.csv, .tsv, .npy, .npz or .wav) and without IDX files"
    } else {
        "expected recordings, in files that are named .csv, .tsv, .npy, .npz or .wav, or a folder of IDX files"
    })]
    NothingThere(PathBuf),
    /// An option for recordings was given, but the data are IDX files.
    #[error("{}: IDX files have no columns; {option} needs recordings: .csv, .tsv, .npy, .npz or .wav", path.display())]
    NoColumns {
        /// The folder.
        path: PathBuf,
        /// The option.
        option: &'static str,
    },
}

impl DataOptions {
    /// Whether the data are recordings, by their names.
    pub fn are_recordings(&self) -> bool {
        self.data.len() > 1 || self.data.first().is_some_and(|path| are_recordings(path))
    }

    /// The paths that were given.
    pub fn paths(&self) -> &[PathBuf] {
        &self.data
    }

    /// The paths, for messages.
    pub fn describe(&self) -> String {
        self.data.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Whether a column of labels was named.
    pub fn has_labels(&self) -> bool {
        self.label.is_some()
    }

    /// Reads recordings, or finds the folder of IDX files. Rows of recordings that meet all conditions of `exclude` are left
    /// out.
    pub fn read(&self, exclude: &[Where]) -> Result<Data, DataError> {
        if self.are_recordings() {
            let selection = Selection { exclude: exclude.to_vec(), ..self.selection() };
            return Ok(Data::Recordings(Recordings::read(&self.data, &selection)?));
        }
        Ok(Data::Folder(self.read_folder()?))
    }

    /// Reads the rows of recordings that also meet these conditions.
    pub fn read_where(&self, conditions: &[Where]) -> Result<Recordings, RecordingError> {
        let mut selection = self.selection();
        selection.conditions.extend_from_slice(conditions);
        Recordings::read(&self.data, &selection)
    }

    /// Finds the folder of IDX files. Returns an error if an option for recordings was given.
    pub fn read_folder(&self) -> Result<PathBuf, DataError> {
        let path = self.folder()?;
        if path.is_file() || path.is_dir() && !has_idx_files(&path) {
            return Err(DataError::NothingThere(path));
        }
        match self.first_of_columns() {
            Some(option) => Err(DataError::NoColumns { path, option }),
            None => Ok(path),
        }
    }

    /// The first of these options that was given.
    pub fn first_given(&self) -> Option<&'static str> {
        if self.data.is_empty() { self.first_of_columns() } else { Some("--data") }
    }

    /// The first option that was given of those about columns.
    fn first_of_columns(&self) -> Option<&'static str> {
        let options = [
            ("--columns", !self.columns.is_empty()),
            ("--group", self.group.is_some()),
            ("--label", self.label.is_some()),
            ("--where", !self.conditions.is_empty()),
        ];
        options.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
    }

    /// Reads recordings for a network whose channels have these names. Unless `--columns` says otherwise, they are the columns
    /// of files that have names.
    pub fn read_for(&self, names: &[String]) -> Result<Recordings, RecordingError> {
        Recordings::read(&self.data, &Selection { expected: names.to_vec(), ..self.selection() })
    }

    /// Whether the command line names the columns of the channels.
    pub fn names_columns(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Reads other files or folders of recordings with the same columns, to test on.
    pub fn read_tests(&self, paths: &[PathBuf]) -> Result<Recordings, RecordingError> {
        ensure_other_files(paths, &self.data)?;
        Recordings::read(paths, &self.selection())
    }

    fn selection(&self) -> Selection {
        let Self { columns, group, label, conditions, .. } = self.clone();
        Selection { columns, group, label, conditions, ..Selection::default() }
    }

    /// The folder of IDX files.
    pub fn folder(&self) -> Result<PathBuf, NoData> {
        DataFolder::new(self.data.first().cloned()).path()
    }
}
