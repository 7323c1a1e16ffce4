//! The option `--data`, which both programs have.

use crate::files::{FileError, find_upwards};
use std::path::{Path, PathBuf};

/// Where rows come from.
#[derive(clap::Args)]
pub struct DataFolder {
    /// Folder of IDX files, plain or gzip. If it holds several data sets, give DIR/NAME, where NAME is the prefix of one set's
    /// file names: emnist/emnist-letters [default: data/mnist, here or in a folder above]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// There is no such folder as the default one.
#[derive(Debug, thiserror::Error)]
#[error("no --data was given, and the default is not there")]
pub struct NoData(#[from] FileError);

impl DataFolder {
    /// Whether a folder was named.
    pub fn is_given(&self) -> bool {
        self.data.is_some()
    }

    /// The folder that was named, or the one that comes with the repository.
    pub fn path(&self) -> Result<PathBuf, NoData> {
        match &self.data {
            Some(folder) => Ok(folder.clone()),
            None => Ok(find_upwards(Path::new("data/mnist"))?),
        }
    }
}
