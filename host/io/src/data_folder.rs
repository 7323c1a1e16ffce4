//! The option `--data`, which both programs have.

use crate::files::{FileError, find_upwards};
use std::path::{Path, PathBuf};

/// The folder of the rows.
#[derive(clap::Args)]
pub struct DataFolder {
    /// Folder of IDX files, plain or gzip. If it holds several data sets, give DIR/NAME, where NAME is the prefix of one set's
    /// file names: emnist/emnist-letters [default: data/mnist, here or in a folder above]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The default folder does not exist.
#[derive(Debug, thiserror::Error)]
#[error("no --data was given, and the default folder does not exist")]
pub struct NoData(#[from] FileError);

impl DataFolder {
    /// The folder of an option `--data`.
    pub fn new(data: Option<PathBuf>) -> Self {
        Self { data }
    }

    /// Whether the command line names a folder.
    pub fn is_given(&self) -> bool {
        self.data.is_some()
    }

    /// The folder that the command line names, or else the one of the repository.
    pub fn path(&self) -> Result<PathBuf, NoData> {
        match &self.data {
            Some(folder) => Ok(folder.clone()),
            None => Ok(find_upwards(Path::new("data/mnist"))?),
        }
    }
}
