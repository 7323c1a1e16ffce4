//! Files that are either the old or the new, never half of one.

mod lock;

pub use lock::{DirLock, FileLock};

use crate::formats::FileFormat;
use atomic_write_file::AtomicWriteFile;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::iter;
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
/// made if it does not exist. A link that leads somewhere stays a link; a pipe or a device is written to as it is. A file
/// that begins with one of the `protected` formats is only replaced by one of the same format.
pub fn replace(path: &Path, bytes: &[u8], protected: &[FileFormat]) -> Result<(), FileError> {
    let write = || match Target::of(path, bytes, protected)? {
        Target::Stream(path) => fs::OpenOptions::new().write(true).open(path)?.write_all(bytes),
        Target::File(path) => {
            make(folder_of(&path))?;
            let mut file = AtomicWriteFile::open(path)?;
            file.write_all(bytes)?;
            file.commit()
        }
    };
    write().map_err(|e: io::Error| FileError::new(path, e))
}

/// Returns an error if [`replace`] would refuse to write bytes that begin with `start`, or if no file can be made there.
/// Nothing is changed. Called before long work, so that its result is not lost.
pub fn ensure_replaceable(path: &Path, start: &[u8], protected: &[FileFormat]) -> Result<(), FileError> {
    let check = || {
        let Target::File(path) = Target::of(path, start, protected)? else { return Ok(()) };
        let folder = folder_of(&path).ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
        ensure_folder(folder)?;
        AtomicWriteFile::open(folder.join(path.file_name().unwrap_or_default()))?.discard()
    };
    check().map_err(|e: io::Error| FileError::new(path, e))
}

/// What is written to.
enum Target {
    /// A file, which is replaced.
    File(PathBuf),
    /// A pipe or a device.
    Stream(PathBuf),
}

impl Target {
    /// What bytes with this beginning are written to at `path`; an error if they are not.
    fn of(path: &Path, start: &[u8], protected: &[FileFormat]) -> io::Result<Self> {
        let path = match fs::canonicalize(path) {
            Err(_) if path.is_symlink() => return Err(io::Error::new(io::ErrorKind::NotFound, "a link to nothing")),
            Err(_) => path.to_owned(),
            Ok(path) => path,
        };
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into()); // found only after writing, it would leave the new file there
        }
        if path.exists() && !path.is_file() {
            return Ok(Self::Stream(path));
        }
        let mut there = [0; 4];
        let read = File::open(&path).and_then(|mut file| file.read_exact(&mut there)).is_ok();
        match protected.iter().find(|format| read && format.magic == there && !start.starts_with(&there)) {
            Some(FileFormat { name, .. }) => {
                let what = format!("{name} is there, which is not replaced: give another name, or delete it");
                Err(io::Error::new(io::ErrorKind::AlreadyExists, what))
            }
            None => Ok(Self::File(path)),
        }
    }
}

/// The file or folder of this name in the current folder or in the nearest folder above it that has one. The error says where
/// it was looked for.
pub fn find_upwards(name: &Path) -> Result<PathBuf, FileError> {
    let error = |e| FileError::new(name, e);
    let here = std::env::current_dir().map_err(error)?;
    find_above(&here, name).ok_or_else(|| {
        let what = format!("neither in {} nor in a folder above it", here.display());
        error(io::Error::new(io::ErrorKind::NotFound, what))
    })
}

/// The same from any folder; the path is as seen from there.
fn find_above(here: &Path, name: &Path) -> Option<PathBuf> {
    let depth = here.ancestors().position(|folder| folder.join(name).exists())?;
    Some(iter::repeat_n("..", depth).collect::<PathBuf>().join(name))
}

/// The folder of a file.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a folder, and those above it, unless it is there.
fn make(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        ensure_folder(folder)?;
    }
    fs::create_dir_all(folder)
}

/// An error if what is there is no folder.
fn ensure_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() || path.as_os_str().is_empty() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is not a folder", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{FLASH, PROTECTED};

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
    fn a_protected_file_is_only_replaced_by_one_of_its_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        for (old, name) in [("AENC 1", "a weights blob"), ("AECK 1", "a checkpoint"), ("AEKP 1", FLASH.name)] {
            fs::write(&path, old).unwrap();
            for refused in [replace(&path, b"a picture", &PROTECTED), ensure_replaceable(&path, b"", &PROTECTED)] {
                let said = refused.unwrap_err().source.to_string();
                assert!(said.starts_with(&format!("{name} is there, which is not replaced")), "{said}");
            }
            assert!(read(&path).unwrap() == old.as_bytes());
            ensure_replaceable(&path, &old.as_bytes()[..4], &PROTECTED).unwrap();
            replace(&path, format!("{} 2", &old[..4]).as_bytes(), &PROTECTED).unwrap();
            assert!(read(&path).unwrap().ends_with(b" 2"));
        }
    }

    #[test]
    fn what_cannot_be_written_is_known_before_and_knowing_it_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "one").unwrap();
        let there = |name: &str| ensure_replaceable(&folder.path().join(name), b"", &PROTECTED);
        for name in ["file", "new", "not/yet/there"] {
            there(name).unwrap();
        }
        assert!(ensure_replaceable(folder.path(), b"", &[]).is_err(), "a folder");
        for name in ["file/below", "file/far/below"] {
            let said = there(name).unwrap_err().source.to_string();
            assert_eq!(said, format!("{} is not a folder", file.display()));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(read(&file).unwrap(), b"one");
    }

    #[test]
    fn a_folder_is_found_here_or_above() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        fs::create_dir_all(root.path().join("data/found by this test")).unwrap();
        let name = Path::new("data/found by this test");
        for (here, expected) in [(root.path(), ""), (below.parent().unwrap(), ".."), (&below, "../..")] {
            let found = find_above(here, name).unwrap();
            assert_eq!(found, Path::new(expected).join(name));
            assert!(here.join(found).is_dir());
        }
        fs::create_dir_all(below.join("data/found by this test")).unwrap();
        assert_eq!(find_above(&below, name).unwrap(), name, "the nearest");
        let nowhere = find_upwards(Path::new("no folder of this name")).unwrap_err();
        let here = std::env::current_dir().unwrap();
        let said = format!("neither in {} nor in a folder above it", here.display());
        assert_eq!((nowhere.to_string(), nowhere.source.to_string()), ("no folder of this name".into(), said));
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
    fn links_and_pipes_stay_what_they_are() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| folder.path().join(name));
        fs::write(&file, "one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"two", &[]).unwrap();
        assert!(link.is_symlink());
        assert_eq!(read(&file).unwrap(), b"two");
        fs::remove_file(&file).unwrap();
        for refused in [replace(&link, b"three", &[]), ensure_replaceable(&link, b"three", &[])] {
            assert!(refused.unwrap_err().source.to_string().contains("a link to nothing"));
        }
        assert!(link.is_symlink());

        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        ensure_replaceable(&pipe, b"four", &PROTECTED).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || read(&pipe).unwrap()
        });
        replace(&pipe, b"four", &PROTECTED).unwrap();
        assert_eq!(reader.join().unwrap(), b"four");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }
}
