//! The folders of files.

use super::error::FileError;
use std::path::{Path, PathBuf};
use std::{fs, io, iter};

/// Finds a file or a folder in the current folder, or else in the nearest folder above it that has one of this name. The error
/// names the current folder.
pub fn find_upwards(name: &Path) -> Result<PathBuf, FileError> {
    let error = |e| FileError::new(name, e);
    let here = std::env::current_dir().map_err(error)?;
    find_above(&here, name).ok_or_else(|| {
        let what = format!("neither in {} nor in a folder above it", here.display());
        error(io::Error::new(io::ErrorKind::NotFound, what))
    })
}

/// The same from the folder `here`; the path is relative to it.
fn find_above(here: &Path, name: &Path) -> Option<PathBuf> {
    let depth = here.ancestors().position(|folder| folder.join(name).exists())?;
    Some(iter::repeat_n("..", depth).collect::<PathBuf>().join(name))
}

/// The folder of a file.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a folder and those above it, unless they exist.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        ensure_folder(folder)?;
    }
    fs::create_dir_all(folder)
}

/// Returns an error if something other than a folder is at `path`.
pub(super) fn ensure_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() || path.as_os_str().is_empty() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is not a folder", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
