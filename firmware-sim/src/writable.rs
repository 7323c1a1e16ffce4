//! Whether a file can be written, so that a command fails before long work and not after it.

use anyhow::{Context, ensure};
use autoencoder_io::files::folder_of;
use std::fs;
use std::path::Path;

/// Returns an error if nothing can be written at `path`. Its folder is made if it does not exist.
pub fn ensure_writable(path: &Path) -> anyhow::Result<()> {
    let shown = || path.display().to_string();
    ensure!(!path.is_dir(), "{}: a folder", path.display());
    if path.exists() && !path.is_file() {
        return Ok(()); // a device or a pipe is written to as it is
    }
    let folder = folder_of(path);
    fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder)).with_context(shown)?;
    Ok(())
}
