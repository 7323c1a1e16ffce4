//! The files of a folder that hold the images and labels of one data set.

use super::error::IdxError;
use crate::files::{self, FileError};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The training or the test files of a data set, recognised by a marker in their names: `train-images-idx3-ubyte.gz` of MNIST,
/// Fashion-MNIST and KMNIST, `emnist-letters-test-labels-idx1-ubyte.gz` of EMNIST. The names of rows that are not images need
/// not contain `images`: `fan-train-idx2-ubyte`.
pub(super) struct Split {
    name: &'static str,
    markers: &'static [&'static str],
}

pub(super) const TRAIN: Split = Split { name: "training", markers: &["train"] };
pub(super) const TEST: Split = Split { name: "test", markers: &["t10k", "test"] };

impl Split {
    /// The name of the data set, which precedes the marker in the name of a file and may be empty. `None` if the file is not one
    /// of this set.
    fn before<'a>(&self, name: &'a str, what: &str) -> Option<&'a str> {
        let lower = name.to_ascii_lowercase();
        let last = |set: &Self| set.markers.iter().filter_map(|marker| last_word(&lower, marker)).max();
        let at = last(self)?;
        if [TRAIN, TEST].iter().filter_map(last).max() > Some(at) {
            return None; // `test-rows-train-images` are training images
        }
        // QMNIST's labels are `idx2-int`.
        let rows = what == "images" && lower.contains("idx2") && !lower.contains("labels");
        let named = lower.contains("idx") && lower.contains(what) || rows;
        named.then(|| name[..at].trim_end_matches(['-', '_', '.']))
    }
}

/// The position of the last word that begins with `marker`. In `latest-train`, no word begins with `test`.
fn last_word(name: &str, marker: &str) -> Option<usize> {
    let begins = |at: &usize| name[..*at].chars().next_back().is_none_or(|before| !before.is_alphanumeric());
    name.rmatch_indices(marker).map(|(at, _)| at).find(begins)
}

/// The folder of the files.
fn folder(data: &Path) -> &Path {
    if data.is_dir() { data } else { files::folder_of(data) }
}

/// Finds the file of a set that holds `what`, images or labels. If it is there both plain and compressed, the plain one.
pub(super) fn find(data: &Path, set: &Split, what: &'static str) -> Result<PathBuf, IdxError> {
    let error = |e| FileError::new(data, e);
    let folder = folder(data);
    let start = if folder == data { "" } else { data.file_name().and_then(OsStr::to_str).unwrap_or_default() };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let name = entry.map_err(error)?.file_name().into_string();
        // Archives have folders with the names of files; macOS adds hidden files (`._name`).
        let file = |name: &String| !name.starts_with('.') && !folder.join(name).is_dir();
        names.extend(name.ok().filter(|name| name.starts_with(start) && file(name)));
    }
    if names.is_empty() {
        fs::read_dir(data).map_err(error)?; // neither a folder nor the start of a name
    }
    let before = |name: &str| set.before(&name[start.len()..], what).map(str::len);
    names.retain(|name| before(name).is_some());
    // If names begin alike, the shortest: `emnist-letters` beside `emnist-letters-hard`.
    if names.iter().any(|name| before(name) == Some(0)) {
        names.retain(|name| before(name) == Some(0));
    }
    names.sort();
    names.dedup_by(|compressed, plain| *compressed == format!("{plain}.gz"));
    if let [name] = &names[..] {
        return Ok(folder.join(name));
    }
    let (data, set_name) = (data.to_owned(), set.name);
    let mut sets: Vec<String> = names.iter().filter_map(|name| Some(set.before(name, what)?.to_owned())).collect();
    sets.sort();
    sets.dedup();
    Err(match sets.len() {
        0 => IdxError::Missing { data, set: set_name, what },
        1 => IdxError::Ambiguous { data, set: set_name, what, files: names },
        _ => IdxError::Several { data, folder: folder.to_owned(), set: set_name, what, names: sets },
    })
}
