//! The formats of this project's own files, known by their first four bytes.

use autoencoder_core::blob;
use std::path::{Path, PathBuf};

/// How a checkpoint begins.
pub const CHECKPOINT: [u8; 4] = *b"AECK";

/// Formats of files that took minutes to make: such a file is only replaced by one of its own format.
pub const PROTECTED: [[u8; 4]; 2] = [blob::MAGIC, CHECKPOINT];

/// The file is a checkpoint where a weights blob is needed.
#[derive(Debug, thiserror::Error)]
#[error("{}: a checkpoint, of which `host export` makes a weights blob", .0.display())]
pub struct IsCheckpoint(PathBuf);

/// Returns an error if `bytes`, read from `path`, are a checkpoint rather than a weights blob.
pub fn ensure_not_checkpoint(path: &Path, bytes: &[u8]) -> Result<(), IsCheckpoint> {
    if bytes.starts_with(&CHECKPOINT) { Err(IsCheckpoint(path.to_owned())) } else { Ok(()) }
}
