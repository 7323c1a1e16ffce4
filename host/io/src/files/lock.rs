//! Locks between processes: on a folder that one writes into, and on a file that one replaces.

use super::error::FileError;
use super::folder::{folder_of, make};
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A lock on a folder. It ends when it is dropped, and when its process ends in any way.
///
/// Windows does not open folders as files, so there this is no lock: two runs can write into one folder. Each of their files
/// is then still the whole file of one of them.
#[derive(Debug)]
pub struct DirLock {
    /// `None` where folders cannot be locked: on Windows and on some network drives.
    _lock: Option<File>,
}

impl DirLock {
    /// Locks a folder, which is made if it does not exist. Returns an error if another process has locked it.
    pub fn new(folder: &Path) -> Result<Self, FileError> {
        let error = |e| FileError::new(folder, e);
        if folder.exists() && !folder.is_dir() {
            return Err(error(io::Error::new(io::ErrorKind::NotADirectory, "not a folder")));
        }
        make(folder).map_err(error)?;
        let Ok(lock) = File::open(folder) else { return Ok(Self { _lock: None }) };
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: Some(lock) }),
            Err(TryLockError::Error(_)) => Ok(Self { _lock: None }),
            Err(TryLockError::WouldBlock) => {
                let what = "another process is writing into this folder";
                Err(error(io::Error::new(io::ErrorKind::ResourceBusy, what)))
            }
        }
    }
}

/// A lock on a file that will be replaced. It ends when it is dropped, and when its process ends in any way.
///
/// The lock is that of a hidden file beside the other one. Dropping the lock removes the hidden file. A killed process leaves
/// it there, but no longer locks it.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    /// `None` where files cannot be locked: on some network drives.
    lock: Option<File>,
}

impl FileLock {
    /// Locks a file, whether it exists or not. Its folder is made if it does not exist. Returns an error if another process
    /// has locked it.
    pub fn new(file: &Path) -> Result<Self, FileError> {
        let error = |e| FileError::new(file, e);
        let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let mut name = OsString::from(".");
        name.push(real.file_name().unwrap_or_default());
        name.push(".lock");
        let path = folder_of(&real).join(name);
        make(folder_of(&path)).map_err(error)?;
        loop {
            let lock = File::options().write(true).create(true).truncate(false).open(&path).map_err(error)?;
            if lock.metadata().is_ok_and(|metadata| metadata.len() > 0) {
                let what = format!("{} is in the way: it is not a lock", path.display());
                return Err(error(io::Error::new(io::ErrorKind::AlreadyExists, what)));
            }
            match lock.try_lock() {
                // Another process may have removed the file between the two calls. Its lock is then of no use.
                Ok(()) if is_same(&lock, &path) => return Ok(Self { path, lock: Some(lock) }),
                Ok(()) => {}
                Err(TryLockError::Error(_)) => return Ok(Self { path, lock: None }),
                Err(TryLockError::WouldBlock) => {
                    let what = "another process is using this file";
                    return Err(error(io::Error::new(io::ErrorKind::ResourceBusy, what)));
                }
            }
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        let locked = self.lock.take();
        let _ = fs::remove_file(&self.path); // before the lock ends, or the file could be another process's
        drop(locked);
    }
}

/// Whether an open file is the one at `path`.
#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let [open, there] = [file.metadata(), fs::metadata(path)].map(|found| found.map(|it| (it.dev(), it.ino())).ok());
    open == there
}

/// Windows removes the name of an open file at once. The standard library cannot compare two files there, so a file that was
/// removed and made again between two calls passes for the same.
#[cfg(not(unix))]
fn is_same(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::super::replace;
    use super::*;

    #[test]
    fn a_folder_is_locked_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new");
        let first = DirLock::new(&out).unwrap();
        let error = DirLock::new(&out).unwrap_err();
        assert!(error.source.to_string().contains("another process"), "{error}");
        drop(first);
        DirLock::new(&out).unwrap();
        let file = out.join("file");
        fs::write(&file, "one").unwrap();
        let error = DirLock::new(&file).unwrap_err();
        assert_eq!((error.path, error.source.to_string().as_str()), (file, "not a folder"));
    }

    #[test]
    fn a_file_is_locked_once_at_a_time_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/file");
        for _ in 0..2 {
            let first = FileLock::new(&file).unwrap();
            let error = FileLock::new(&file).unwrap_err();
            assert!(error.source.to_string().contains("another process"), "{error}");
            let other = FileLock::new(&folder.path().join("new/other")).unwrap();
            replace(&file, b"new", &[]).unwrap();
            FileLock::new(&file).unwrap_err();
            drop((first, other));
            assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
        }
        // A file that is not a lock stays. One that a killed process left does not lock.
        fs::write(folder.path().join("new/.file.lock"), "one").unwrap();
        assert!(
            FileLock::new(&file)
                .unwrap_err()
                .source
                .to_string()
                .ends_with(".file.lock is in the way: it is not a lock")
        );
        assert_eq!(fs::read(folder.path().join("new/.file.lock")).unwrap(), b"one");
        fs::write(folder.path().join("new/.file.lock"), "").unwrap();
        drop(FileLock::new(&file).unwrap());
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    }

    /// Many threads compete, and one at a time holds the lock.
    #[test]
    fn a_lock_that_is_removed_by_one_is_not_held_by_another() {
        use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let (holders, held) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while held.load(SeqCst) < 200 {
                        let Ok(lock) = FileLock::new(&file) else { continue };
                        assert_eq!(holders.fetch_add(1, SeqCst), 0);
                        held.fetch_add(1, SeqCst);
                        holders.fetch_sub(1, SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }
}
