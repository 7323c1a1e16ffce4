//! The files that a command writes, checked before it does anything: its work is not lost at the end.

use anyhow::ensure;
use autoencoder_io::files::{self, FileError, folder_of};
use autoencoder_io::formats::PROTECTED;
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

/// Returns an error if an output would replace one of the inputs, another output, or a file that took long to make, or if it
/// cannot be written. Nothing is changed.
pub fn ensure_writable<'a>(outputs: &[&Path], inputs: impl IntoIterator<Item = &'a Path>) -> anyhow::Result<()> {
    let inputs: Vec<&Path> = inputs.into_iter().collect();
    for (i, output) in outputs.iter().enumerate() {
        files::ensure_not_input(output, inputs.iter().copied())?;
        ensure_other(output, &outputs[..i])?;
        files::ensure_replaceable(output, &[], &PROTECTED)?;
    }
    Ok(())
}

/// Returns an error if an output is one of these other outputs, too, by whatever name.
pub fn ensure_other(output: &Path, others: &[&Path]) -> anyhow::Result<()> {
    let same = others.iter().any(|other| real(other) == real(output));
    ensure!(!same, "{}: the same file as another output", output.display());
    Ok(())
}

/// What is to be printed, and the outcome of writing a picture: if that failed, the rest is printed all the same.
pub fn after_picture(text: String, written: Result<(), FileError>) -> anyhow::Result<String> {
    if written.is_err() {
        let _ = stdout().write_all(text.as_bytes()); // nobody may be listening
    }
    written?;
    Ok(text)
}

/// Where a file is or will be.
fn real(path: &Path) -> PathBuf {
    let in_folder = || Some(fs::canonicalize(folder_of(path)).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_lost_is_refused_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("blob"), "AENC 1").unwrap();
        fs::write(path("input"), "one").unwrap();
        fs::write(path("codes.png"), "old").unwrap();
        let input = path("input");
        let outcome = |outputs: &[&str]| {
            let outputs: Vec<PathBuf> = outputs.iter().map(|name| path(name)).collect();
            let outputs: Vec<&Path> = outputs.iter().map(PathBuf::as_path).collect();
            ensure_writable(&outputs, [input.as_path()]).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(outcome(&["codes", "codes.png", "new/folder/file"]), Ok(()));
        for (outputs, because) in [
            (&["new", "blob"][..], "a weights blob is there"),
            (&["new", "input"], "would replace an input"),
            (&["new", "./new"], "the same file as another output"),
            (&["input/file"], "is not a folder"),
            (&["."], "a directory"),
        ] {
            let said = outcome(outputs);
            assert!(said.as_ref().is_err_and(|said| said.contains(because)), "{said:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
