//! Files that are either the old or the new, never half of one.

use atomic_write_file::AtomicWriteFile;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{self, Path, PathBuf};

/// A larger file, or a device node, is refused before it fills the memory. A checkpoint of the largest network that can be
/// trained takes 3 GiB.
const MAX_BYTES: u64 = 4 << 30;

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

/// Returns an error if writing `output` would replace one of `inputs`.
///
/// An input is a file, a folder with files, or the start of the names of files. An input that does not exist yet is
/// another output.
pub fn ensure_not_input<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), FileError> {
    let there = fs::canonicalize(output);
    let is_new = there.is_err();
    let file = there.or_else(|_| path::absolute(output)).map_err(|e| FileError::new(output, e))?;
    let folder = file.parent().filter(|_| file.is_file());
    let name = file.file_name().unwrap_or_default().as_encoded_bytes();
    for input in inputs {
        let replaced = if is_new {
            path::absolute(input).is_ok_and(|input| input == file)
        } else if let Ok(input) = fs::canonicalize(input) {
            input == file || folder == Some(&input)
        } else {
            let begins = input.file_name().is_some_and(|start| name.starts_with(start.as_encoded_bytes()));
            begins && fs::canonicalize(folder_of(input)).is_ok_and(|input| folder == Some(&input))
        };
        if replaced {
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

/// Replaces the file at `path` whole or not at all.
///
/// The bytes are written to a file without a name, which is synced and renamed; then the folder is synced. The folder is
/// made if it does not exist. A link that leads somewhere stays a link; a pipe or a device such as `/dev/null` is written
/// to as it is. A file that begins with one of the `protected` formats is only replaced by one of the same format.
pub fn replace(path: &Path, bytes: &[u8], protected: &[[u8; 4]]) -> Result<(), FileError> {
    let write = || {
        let path = &match fs::canonicalize(path) {
            Err(_) if path.is_symlink() => return Err(io::Error::new(io::ErrorKind::NotFound, "a link to nothing")),
            Err(_) => path.to_owned(),
            Ok(path) => path,
        };
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into()); // found when all is written, it would leave that behind
        }
        if path.exists() && !path.is_file() {
            return fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
        }
        let mut start = [0; 4];
        let there = File::open(path).and_then(|mut there| there.read_exact(&mut start)).is_ok();
        if there && protected.contains(&start) && !bytes.starts_with(&start) {
            let what = "a file of a protected format is there, which this is not";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        make(folder_of(path))?;
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    write().map_err(|e: io::Error| FileError::new(path, e))
}

/// A lock on a folder, held until it is dropped or the process ends in whatever way.
#[derive(Debug)]
pub struct DirLock {
    /// `None` where folders cannot be locked: on some network drives, on Windows.
    _lock: Option<File>,
}

impl DirLock {
    /// Locks a folder, which is made if it does not exist. Returns an error if another process has locked it.
    pub fn new(folder: &Path) -> Result<Self, FileError> {
        make(folder).map_err(|e| FileError::new(folder, e))?;
        let Ok(lock) = File::open(folder) else { return Ok(Self { _lock: None }) };
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: Some(lock) }),
            Err(TryLockError::Error(_)) => Ok(Self { _lock: None }),
            Err(TryLockError::WouldBlock) => {
                let what = "another process is writing into this folder";
                Err(FileError::new(folder, io::Error::new(io::ErrorKind::ResourceBusy, what)))
            }
        }
    }
}

/// The folder of a file.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a folder, and those above it, unless it is there.
fn make(folder: &Path) -> io::Result<()> {
    if folder.exists() && !folder.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is not a folder", folder.display())));
    }
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::PROTECTED;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file");
        replace(&path, b"one", &[]).unwrap();
        replace(&path, b"two", &[]).unwrap();
        assert_eq!(read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
        let below_a_file = path.join("file");
        assert!(
            replace(&below_a_file, b"three", &[]).unwrap_err().to_string().starts_with(below_a_file.to_str().unwrap())
        );
        let inner = path.parent().unwrap();
        assert!(replace(inner, b"a folder", &[]).unwrap_err().source.kind() == io::ErrorKind::IsADirectory);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nor beside a folder");
        assert_eq!(read(&path).unwrap(), b"two");
    }

    #[test]
    fn a_folder_is_locked_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new");
        let first = DirLock::new(&out).unwrap();
        let error = DirLock::new(&out).unwrap_err();
        assert!(error.source.to_string().contains("another process"), "{error}");
        drop(first);
        DirLock::new(&out).unwrap();
    }

    #[test]
    fn a_protected_file_is_only_replaced_by_one_of_its_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        for old in [b"AENC 1", b"AECK 1"] {
            fs::write(&path, old).unwrap();
            assert!(replace(&path, b"a picture", &PROTECTED).is_err());
            assert!(read(&path).unwrap() == old);
            replace(&path, &[&old[..4], b" 2"].concat(), &PROTECTED).unwrap();
            assert!(read(&path).unwrap().ends_with(b" 2"));
        }
    }

    #[test]
    fn an_output_that_would_replace_an_input_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [input, other] = ["input", "other"].map(|name| folder.path().join(name));
        fs::write(&input, "one").unwrap();
        assert!(ensure_not_input(&input, [input.as_path()]).is_err());
        assert!(ensure_not_input(&input, [folder.path()]).is_err());
        assert!(ensure_not_input(&folder.path().join("./input"), [other.as_path(), input.as_path()]).is_err());
        assert!(ensure_not_input(&other, [input.as_path(), folder.path()]).is_ok(), "a new file replaces nothing");
        assert!(
            ensure_not_input(&other, [folder.path().join("./other").as_path()]).is_err(),
            "but not two outputs in one"
        );
        assert!(ensure_not_input(&input, [other.as_path()]).is_ok());
        assert!(ensure_not_input(&input, [folder.path().join("in").as_path()]).is_err(), "files whose names begin so");
        assert!(ensure_not_input(&input, [folder.path().join("out").as_path()]).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"two", &[]).unwrap();
        assert!(link.is_symlink());
        assert_eq!(read(&file).unwrap(), b"two");
        fs::remove_file(&file).unwrap();
        assert!(replace(&link, b"three", &[]).unwrap_err().source.to_string().contains("a link to nothing"));
        assert!(link.is_symlink());
        let device = Path::new("/dev/null");
        replace(device, b"three", &[]).unwrap();
        assert!(!fs::metadata(device).unwrap().is_file());
    }
}
