//! Blob files in memory: aligned as flash would be.

use crate::checkpoint::Checkpoint;
use crate::files::{self, FileError};
use autoencoder_core::Error;
use autoencoder_core::blob::Blob;
use std::path::{Path, PathBuf};
use zerocopy::IntoBytes;

/// A file whose bytes lie at a multiple of 16.
#[derive(Clone, Debug)]
pub struct BlobFile {
    path: PathBuf,
    words: Vec<u128>,
    length: usize,
}

/// A file that cannot be opened as a blob, and why.
#[derive(Debug, thiserror::Error)]
pub enum BlobFileError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is a checkpoint.
    #[error("{}: a checkpoint, of which `host export` makes a weights blob", path.display())]
    Checkpoint {
        /// Which file.
        path: PathBuf,
    },
    /// Not a blob, a damaged one, or one of another network.
    #[error("{}", path.display())]
    Blob {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: Error,
    },
}

impl BlobFile {
    /// Reads a file; its contents are checked when it is opened.
    pub fn read(path: &Path) -> Result<Self, BlobFileError> {
        Ok(Self::new(path, &files::read(path)?))
    }

    /// `bytes` as if read from `path`.
    pub fn new(path: &Path, bytes: &[u8]) -> Self {
        let mut words = vec![0; bytes.len().div_ceil(size_of::<u128>())];
        words.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        Self { path: path.to_owned(), words, length: bytes.len() }
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.words.as_bytes()[..self.length]
    }

    /// Checks the blob.
    pub fn open(&self) -> Result<Blob<'_>, BlobFileError> {
        if Checkpoint::is_one(self.bytes()) {
            return Err(BlobFileError::Checkpoint { path: self.path.clone() });
        }
        Blob::open(self.bytes()).map_err(|source| self.error(source))
    }

    /// `source` was found in this file.
    pub fn error(&self, source: Error) -> BlobFileError {
        BlobFileError::Blob { path: self.path.clone(), source }
    }
}
