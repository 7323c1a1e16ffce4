//! The formats of this project's own files, known by their first four bytes.

use autoencoder_core::blob;
use std::path::{Path, PathBuf};

/// The first bytes of a checkpoint.
pub const CHECKPOINT: [u8; 4] = *b"AECK";

/// A format of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFormat {
    /// The first bytes of such a file.
    pub magic: [u8; 4],
    /// Its name in messages.
    pub name: &'static str,
}

/// Formats of files that took minutes to make. Only a file of the same format replaces one.
pub const PROTECTED: [FileFormat; 3] = [
    FileFormat { magic: blob::MAGIC, name: "a weights blob" },
    FileFormat { magic: CHECKPOINT, name: "a checkpoint" },
    FLASH,
];

/// The flash of a device that has learned.
pub const FLASH: FileFormat = FileFormat { magic: *b"AEKP", name: "the flash of a device that has learned" };

/// The file is a checkpoint where a weights blob is needed.
#[derive(Debug, thiserror::Error)]
#[error("{}: a checkpoint; expected a weights blob, which `export` makes of it", .0.display())]
pub struct IsCheckpoint(PathBuf);

/// Returns an error if `bytes`, read from `path`, are a checkpoint rather than a weights blob.
pub fn ensure_not_checkpoint(path: &Path, bytes: &[u8]) -> Result<(), IsCheckpoint> {
    if bytes.starts_with(&CHECKPOINT) { Err(IsCheckpoint(path.to_owned())) } else { Ok(()) }
}
