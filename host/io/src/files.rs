//! Files that are replaced whole or not at all.

mod error;
mod folder;
mod lock;

pub use error::FileError;
pub use folder::{find_upwards, folder_of};
pub use lock::{DirLock, FileLock};

use crate::formats::FileFormat;
use crate::heap;
use atomic_write_file::AtomicWriteFile;
use folder::{ensure_folder, make};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{self, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use zerocopy::IntoBytes;

/// A larger file is refused before it fills the memory, and so is an endless device. A checkpoint of the largest network that
/// can be trained takes 3 GiB.
const MAX_BYTES: u64 = 4 << 30;

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let (file, length) = open_whole(path)?;
    let mut bytes = Vec::with_capacity(length);
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| FileError::new(path, e))?;
    ensure_length(path, bytes.len())?;
    Ok(bytes)
}

/// Reads a whole file into memory that is aligned to 16 bytes. Returns the memory and the number of bytes in it.
pub fn read_aligned(path: &Path) -> Result<(Vec<u128>, usize), FileError> {
    let (mut file, length) = open_whole(path)?;
    let mut words = vec![0; length / size_of::<u128>() + 1]; // at least a byte more than the file, to find its end
    let mut filled = 0;
    loop {
        ensure_length(path, filled)?;
        if filled == size_of_val(&words[..]) {
            words.resize(2 * words.len(), 0); // a pipe
        }
        match file.read(&mut words.as_mut_bytes()[filled..]) {
            Ok(0) => return Ok((words, filled)),
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(FileError::new(path, e)),
        }
    }
}

/// Opens a file that will be read whole, if there is memory for it. Returns its length too, which is 0 for a pipe.
fn open_whole(path: &Path) -> Result<(File, usize), FileError> {
    let error = |e| FileError::new(path, e);
    let file = open(path)?;
    let length = file.metadata().map_err(error)?.len().min(MAX_BYTES) as usize;
    if !heap::is_available(length) {
        return Err(error(io::ErrorKind::OutOfMemory.into()));
    }
    Ok((file, length))
}

/// Returns an error if more than [`MAX_BYTES`] have been read.
fn ensure_length(path: &Path, bytes: usize) -> Result<(), FileError> {
    if bytes as u64 <= MAX_BYTES {
        return Ok(());
    }
    Err(FileError::new(path, io::Error::new(io::ErrorKind::FileTooLarge, "file too large")))
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
/// made if it does not exist. A link stays a link, and the file that it leads to is replaced. Bytes for a pipe or a device are
/// written into it. A file of one of the `protected` formats is only replaced by one of the same format.
pub fn replace(path: &Path, bytes: &[u8], protected: &[FileFormat]) -> Result<(), FileError> {
    let to_stdout = is_stdout(path);
    if to_stdout {
        STDOUT_USED.store(true, Relaxed);
    }
    let write = || match Target::of(path, bytes, protected)? {
        // A socket cannot be opened by its path.
        Target::Stream(_) if to_stdout => {
            io::stdout().write_all(bytes)?;
            io::stdout().flush()
        }
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

/// Whether [`replace`] has written to standard output, as to `/dev/stdout`. Text does not belong there then.
pub fn stdout_used() -> bool {
    STDOUT_USED.load(Relaxed)
}

static STDOUT_USED: AtomicBool = AtomicBool::new(false);

/// Whether a path leads to the standard output of this process.
#[cfg(unix)]
pub fn is_stdout(path: &Path) -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let stdout = io::stdout().as_fd().try_clone_to_owned().and_then(|stdout| File::from(stdout).metadata());
    let [stdout, file] = [stdout, fs::metadata(path)].map(|found| found.map(|it| (it.dev(), it.ino())).ok());
    stdout.is_some() && stdout == file
}

/// Elsewhere standard output has no path.
#[cfg(not(unix))]
pub fn is_stdout(_: &Path) -> bool {
    false
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

/// The destination of a write.
enum Target {
    /// A file, which is replaced.
    File(PathBuf),
    /// A pipe, a device, or an open file without a path.
    Stream(PathBuf),
}

impl Target {
    /// The destination of bytes that begin with `start`; an error if they must not be written to `path`.
    fn of(path: &Path, start: &[u8], protected: &[FileFormat]) -> io::Result<Self> {
        let found = fs::metadata(path).ok();
        if found.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(io::ErrorKind::IsADirectory.into()); // a rename would fail only after the new file was written
        }
        if found.as_ref().is_some_and(|found| !found.is_file()) {
            return Ok(Self::Stream(path.to_owned())); // as it is: a pipe may have no path of its own
        }
        if found.is_none() && path.is_symlink() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "a link to nothing"));
        }
        let path = match found.map(|_| fs::canonicalize(path)) {
            None => path.to_owned(),
            Some(Ok(path)) => path,
            // An open file that was removed: `/dev/stdout` leads to it, and it has no path.
            Some(Err(e)) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::Stream(path.to_owned())),
            Some(Err(e)) => return Err(e),
        };
        let mut old = Vec::new();
        match File::open(&path) {
            Ok(file) => _ = file.take(4).read_to_end(&mut old)?,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(e) => return Err(e), // it may be a file that would be missed
        }
        match protected.iter().find(|format| old.starts_with(format.magic) && !start.starts_with(format.magic)) {
            Some(FileFormat { name, .. }) => {
                let what = format!("{name} is there, which is not replaced: give another name, or delete it");
                Err(io::Error::new(io::ErrorKind::AlreadyExists, what))
            }
            None => Ok(Self::File(path)),
        }
    }
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
    fn data_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let gzip: &[u8] = b"\x1f\x8b\x08\0";
        let types = [0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e].map(|kind| [0, 0, kind, 1]);
        for old in types.iter().map(|start| &start[..]).chain([gzip]) {
            fs::write(&path, old).unwrap();
            for start in [&b""[..], b"AENC", b"\x89PNG"] {
                for refused in [replace(&path, start, &PROTECTED), ensure_replaceable(&path, start, &PROTECTED)] {
                    let said = refused.unwrap_err().source.to_string();
                    let name = if old == gzip { "a gzip file" } else { "an IDX file" };
                    assert!(said.starts_with(&format!("{name} is there, which is not replaced")), "{said}");
                }
            }
            assert_eq!(read(&path).unwrap(), old);
        }
        // Two zeros and another byte, or less than that, are some other file.
        for old in [&[0, 0, 7, 1][..], &[0, 0], &[0x1f], &[]] {
            fs::write(&path, old).unwrap();
            replace(&path, b"new", &PROTECTED).unwrap();
        }
    }

    #[test]
    fn a_check_finds_outputs_that_cannot_be_written_and_changes_nothing() {
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

    /// `/dev/stdout` and `>(command)` lead to such a link.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_and_a_removed_file_are_written_through_a_link_of_proc() {
        use std::os::fd::AsRawFd;
        let folder = tempfile::tempdir().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let link = folder.path().join("stdout");
        std::os::unix::fs::symlink(format!("/proc/self/fd/{}", writer.as_raw_fd()), &link).unwrap();
        assert!(fs::canonicalize(&link).is_err(), "a pipe has no path");
        ensure_replaceable(&link, b"four", &PROTECTED).unwrap();
        replace(&link, b"four", &PROTECTED).unwrap();
        drop(writer);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"four");

        let path = folder.path().join("removed");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let link = folder.path().join("file");
        std::os::unix::fs::symlink(format!("/proc/self/fd/{}", file.as_raw_fd()), &link).unwrap();
        ensure_replaceable(&link, b"five", &PROTECTED).unwrap();
        replace(&link, b"five", &PROTECTED).unwrap();
        (&file).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"fourfive");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "two links");
    }

    #[test]
    fn aligned_bytes_are_those_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for length in [0, 1, 15, 16, 17, 1000] {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            let (words, count) = read_aligned(&path).unwrap();
            assert_eq!((&words.as_bytes()[..count], count), (&bytes[..], length));
        }
        assert!(read_aligned(folder.path()).is_err(), "a folder");
    }

    #[cfg(unix)]
    #[test]
    fn aligned_bytes_come_from_a_pipe_of_any_length() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let bytes: Vec<u8> = (0..100_003).map(|i| (i * 7) as u8).collect();
        let writer = std::thread::spawn({
            let (pipe, bytes) = (pipe.clone(), bytes.clone());
            move || fs::write(pipe, bytes).unwrap()
        });
        let (words, count) = read_aligned(&pipe).unwrap();
        writer.join().unwrap();
        assert!(words.as_bytes()[..count] == bytes);
    }
}
