//! Formats of files, recognised by their first bytes.

use autoencoder_core::blob;
use std::path::{Path, PathBuf};

/// The first bytes of a checkpoint.
pub const CHECKPOINT: [u8; 4] = *b"AECK";

/// A format of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFormat {
    /// The first bytes of such a file, four at most.
    pub magic: &'static [u8],
    /// Its name in messages.
    pub name: &'static str,
}

/// Formats of files that would be missed: results of long work, and data. Only a file of the same format replaces one.
pub const PROTECTED: [FileFormat; 10] = [
    FileFormat { magic: &blob::MAGIC, name: "a weights blob" },
    FileFormat { magic: &CHECKPOINT, name: "a checkpoint" },
    FLASH,
    idx(&[0, 0, 0x08]),
    idx(&[0, 0, 0x09]),
    idx(&[0, 0, 0x0b]),
    idx(&[0, 0, 0x0c]),
    idx(&[0, 0, 0x0d]),
    idx(&[0, 0, 0x0e]),
    FileFormat { magic: &[0x1f, 0x8b], name: "a gzip file" },
];

/// The flash of a device that has learned.
pub const FLASH: FileFormat = FileFormat { magic: b"AEKP", name: "the flash of a device that has learned" };

/// An IDX file with numbers of one type, which is the third byte.
const fn idx(magic: &'static [u8]) -> FileFormat {
    FileFormat { magic, name: "an IDX file" }
}

/// A file is a checkpoint where a weights blob is needed.
#[derive(Debug, thiserror::Error)]
#[error("{}: a checkpoint; expected a weights blob, which `export` makes of it", .0.display())]
pub struct IsCheckpoint(PathBuf);

/// Returns an error if `bytes`, read from `path`, are a checkpoint rather than a weights blob.
pub fn ensure_not_checkpoint(path: &Path, bytes: &[u8]) -> Result<(), IsCheckpoint> {
    if bytes.starts_with(&CHECKPOINT) { Err(IsCheckpoint(path.to_owned())) } else { Ok(()) }
}
