//! Files that are either the old or the new, never half of one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::Builder;

/// A larger file than this, a device node say, is refused before it fills the memory.
const MAX_BYTES: u64 = 1 << 30;

/// A file that could not be read or written, and which.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// `source` happened at `path`.
    pub fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source }
    }
}

/// The whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let error = |e| FileError::new(path, e);
    open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(error)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(error(io::Error::new(io::ErrorKind::FileTooLarge, "file too large")));
    }
    Ok(bytes)
}

/// An error if writing `output` would replace one of `inputs`, or a file in one that is a folder.
pub fn spare<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), FileError> {
    let Ok(file) = fs::canonicalize(output) else { return Ok(()) }; // nothing there yet
    let folder = file.parent().filter(|_| file.is_file());
    for input in inputs.into_iter().filter_map(|input| fs::canonicalize(input).ok()) {
        if input == file || folder == Some(&input) {
            let what = "the output would replace an input";
            return Err(FileError::new(output, io::Error::new(io::ErrorKind::AlreadyExists, what)));
        }
    }
    Ok(())
}

/// Opens a file for reading.
pub fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(|e| FileError::new(path, e))
}

/// Replaces the file at `path`: written beside it, synced, renamed. The folder is made if it is not there. A link stays a
/// link, if it leads somewhere; a pipe or a device such as `/dev/null` is written to as it is.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let write = || {
        let path = &match fs::canonicalize(path) {
            Err(_) if path.is_symlink() => return Err(io::Error::new(io::ErrorKind::NotFound, "a link to nothing")),
            Err(_) => path.to_owned(),
            Ok(path) => path,
        };
        if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
            return fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if folder.exists() && !folder.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is not a folder", folder.display())));
        }
        fs::create_dir_all(folder)?;
        let mut builder = Builder::new();
        builder.prefix(".").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask
        // Without the name of the temporary file, which says nothing to anybody.
        let mut file = builder.tempfile_in(folder).map_err(|e| io::Error::from(e.kind()))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|e: io::Error| FileError::new(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
        let below_a_file = path.join("file");
        assert!(replace(&below_a_file, b"three").unwrap_err().to_string().starts_with(below_a_file.to_str().unwrap()));
        assert!(replace(folder.path(), b"a folder").is_err());
        assert_eq!(read(&path).unwrap(), b"two");
    }

    #[test]
    fn an_input_is_spared() {
        let folder = tempfile::tempdir().unwrap();
        let [input, other] = ["input", "other"].map(|name| folder.path().join(name));
        fs::write(&input, "one").unwrap();
        assert!(spare(&input, [input.as_path()]).is_err());
        assert!(spare(&input, [folder.path()]).is_err());
        assert!(spare(&folder.path().join("./input"), [other.as_path(), input.as_path()]).is_err());
        assert!(spare(&other, [input.as_path(), folder.path()]).is_ok(), "a new file replaces nothing");
        assert!(spare(&input, [other.as_path()]).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(read(&file).unwrap(), b"two");
        fs::remove_file(&file).unwrap();
        assert!(replace(&link, b"three").unwrap_err().source.to_string().contains("a link to nothing"));
        assert!(link.is_symlink());
        let device = Path::new("/dev/null");
        replace(device, b"three").unwrap();
        assert!(!fs::metadata(device).unwrap().is_file());
    }
}
