//! Files of recordings, by their names, and the folders that they are in.

use super::error::RecordingError;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders within folders that are looked into for recordings.
const DEEPEST: usize = 4;

/// The kind of a file of recordings, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Csv,
    Npy,
    Npz,
    Wav,
}

impl Kind {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        Some(match name.rsplit_once('.')?.1 {
            "csv" | "tsv" => Self::Csv,
            "npy" => Self::Npy,
            "npz" => Self::Npz,
            "wav" => Self::Wav,
            _ => return None,
        })
    }
}

/// Whether a path is a file of recordings by its name, or a folder that has one, perhaps in another folder, and no IDX files.
pub fn are_recordings(path: &Path) -> bool {
    if path.is_dir() { has_recordings(path, DEEPEST) && !has_idx_files(path) } else { Kind::of(path).is_some() }
}

/// Whether a folder has files that are named like IDX files.
pub fn has_idx_files(folder: &Path) -> bool {
    // `-idx3-ubyte`, or `.idx3-ubyte` in some copies.
    let is_idx_name = |name: &str| {
        let mut found = name.match_indices("idx");
        found.any(|(at, idx)| {
            name[..at].ends_with(|before: char| !before.is_alphanumeric())
                && name[at + idx.len()..].starts_with(|next: char| next.is_ascii_digit())
        })
    };
    let is_idx = |path: &PathBuf| {
        path.file_name().is_some_and(|name| is_idx_name(&name.to_string_lossy().to_lowercase()))
            && Kind::of(path).is_none()
    };
    entries(folder).is_ok_and(|all| all.iter().any(is_idx))
}

/// Whether there is a file of recordings in a folder, or in one of its folders. One that cannot be read has none.
fn has_recordings(folder: &Path, deepest: usize) -> bool {
    let has = |path: &PathBuf| {
        if path.is_dir() { deepest > 0 && has_recordings(path, deepest - 1) } else { Kind::of(path).is_some() }
    };
    entries(folder).is_ok_and(|all| all.iter().any(has))
}

/// What is in a folder, by name. Hidden files and folders are left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, RecordingError> {
    let failed = |error| RecordingError::Io(folder.to_owned(), error);
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            all.push(entry.path());
        }
    }
    all.sort();
    Ok(all)
}

/// The files that are named, and those of the folders that are named.
#[derive(Default)]
pub(super) struct Listed {
    /// Files of recordings, each once.
    pub(super) files: Vec<PathBuf>,
    /// Other files in the folders.
    pub(super) left_out: Vec<PathBuf>,
}

impl Listed {
    pub(super) fn new(paths: &[PathBuf]) -> Result<Self, RecordingError> {
        let mut listed = Self::default();
        for path in paths {
            if path.is_dir() {
                listed.add_folder(path)?;
            } else {
                listed.files.push(path.clone());
            }
        }
        let mut known: HashMap<PathBuf, &PathBuf> = HashMap::new();
        for path in &listed.files {
            if let Some(first) = known.insert(real(path), path) {
                return Err(RecordingError::SameFile { path: path.clone(), first: first.clone() });
            }
        }
        Ok(listed)
    }

    /// Adds the files of a folder. Those of its own folders would be missed, so they are an error.
    fn add_folder(&mut self, folder: &Path) -> Result<(), RecordingError> {
        let all = entries(folder)?;
        let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = all.into_iter().partition(|path| path.is_dir());
        if let Some(inner) = folders.into_iter().find(|inner| has_recordings(inner, DEEPEST - 1)) {
            return Err(RecordingError::FolderInFolder { folder: folder.to_owned(), inner });
        }
        let (files, others): (Vec<PathBuf>, Vec<PathBuf>) =
            files.into_iter().partition(|path| Kind::of(path).is_some());
        if files.is_empty() {
            return Err(RecordingError::NoFiles(vec![folder.to_owned()]));
        }
        self.files.extend(files);
        self.left_out.extend(others);
        Ok(())
    }
}

/// Returns an error if a file to test on is also one that trains.
pub fn ensure_other_files(tests: &[PathBuf], train: &[PathBuf]) -> Result<(), RecordingError> {
    let train: Vec<PathBuf> = Listed::new(train)?.files.iter().map(|path| real(path)).collect();
    match Listed::new(tests)?.files.into_iter().find(|path| train.contains(&real(path))) {
        Some(path) => Err(RecordingError::TestTrains(path)),
        None => Ok(()),
    }
}

/// The path without links. One that leads to no file is as it is: reading it is an error.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recordings::{Recordings, Selection};
    use tempfile::TempDir;

    /// A folder with files of one row each, and the text of an error without the folder's path.
    struct Place(TempDir);

    impl Place {
        fn new(files: &[&str]) -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            for file in files {
                fs::create_dir_all(place.path(file).parent().unwrap()).unwrap();
                fs::write(place.path(file), "x\n1\n").unwrap();
            }
            place
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn said<T>(&self, outcome: Result<T, RecordingError>) -> Result<T, String> {
            outcome.map_err(|error| error.to_string().replace(&format!("{}/", self.0.path().display()), ""))
        }

        /// Reads paths: the number of recordings, and the files that were left out.
        fn read(&self, names: &[&str]) -> Result<(usize, usize), String> {
            let paths: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
            let read = self.said(Recordings::read(&paths, &Selection::default()))?;
            Ok((read.recordings.len(), read.left_out.len()))
        }
    }

    #[test]
    fn a_file_is_read_once_whatever_its_names_are() {
        let place = Place::new(&["a/1.csv", "a/2.csv", "b/3.csv"]);
        std::os::unix::fs::symlink(place.path("a/1.csv"), place.path("b/link.csv")).unwrap();
        assert_eq!(place.read(&["a", "b/3.csv"]), Ok((3, 0)));
        for (names, said) in [
            (&["a/1.csv", "a/1.csv"][..], "a/1.csv: given twice; give each recording once"),
            (&["a", "a/2.csv"], "a/2.csv: given twice; give each recording once"),
            (&["a/1.csv", "a/../a/1.csv"], "a/../a/1.csv: the same file as a/1.csv; give each recording once"),
            (&["a", "b"], "b/link.csv: the same file as a/1.csv; give each recording once"),
        ] {
            assert_eq!(place.read(names), Err(said.to_owned()));
        }
    }

    #[test]
    fn a_file_that_trains_is_no_test() {
        let place = Place::new(&["a/1.csv", "a/2.csv", "b/3.csv"]);
        let apart =
            |tests: &str, train: &str| place.said(ensure_other_files(&[place.path(tests)], &[place.path(train)]));
        assert_eq!(apart("b", "a"), Ok(()));
        for (tests, train) in [("a/1.csv", "a"), ("a", "a/1.csv"), ("a/1.csv", "a/../a/1.csv")] {
            let said = apart(tests, train).unwrap_err();
            assert!(said.starts_with("a/1.csv: its samples train, so they are no test"), "{said}");
        }
    }

    #[test]
    fn files_of_other_kinds_are_left_out_and_folders_in_a_folder_are_an_error() {
        let place = Place::new(&["runs/1.csv", "runs/README.md", "runs/.hidden/2.csv", "runs/pictures/a.png"]);
        assert_eq!(place.read(&["runs"]), Ok((1, 1)));
        let place = Place::new(&["runs/1.csv", "runs/old/2.csv", "deep/a/b/3.csv"]);
        for (name, inner) in [("runs", "runs/old"), ("deep", "deep/a")] {
            let expected =
                format!("{name}: folders in a folder are not read, and {inner} has recordings; name each folder");
            assert_eq!(place.read(&[name]), Err(expected));
            assert!(are_recordings(&place.path(name)));
        }
        // Names with these three letters are no IDX files without their dimensions.
        let place = Place::new(&["runs/1.csv", "runs/pidx.log", "rows/1.csv", "rows/train-rows-idx2-ubyte.gz"]);
        assert_eq!(["runs", "rows"].map(|name| are_recordings(&place.path(name))), [true, false]);
        let place = Place::new(&["notes/README.md"]);
        assert!(!are_recordings(&place.path("notes")));
        assert_eq!(
            place.read(&["notes"]),
            Err("notes: no file of recordings; expected .csv, .tsv, .npy, .npz or .wav".to_owned())
        );
    }
}
