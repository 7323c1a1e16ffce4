//! Checks the files that a command will write before it starts, so that its work is not lost at the end.

use anyhow::ensure;
use autoencoder_io::files::{self, folder_of};
use autoencoder_io::formats::PROTECTED;
use serde_json::json;
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

/// Returns an error if an output cannot be written, or if it would replace an input, another output or a file of a
/// protected format. Changes nothing.
pub fn ensure_writable<'a>(outputs: &[&Path], inputs: impl IntoIterator<Item = &'a Path>) -> anyhow::Result<()> {
    let inputs: Vec<&Path> = inputs.into_iter().collect();
    for (i, output) in outputs.iter().enumerate() {
        files::ensure_not_input(output, inputs.iter().copied())?;
        ensure_other(output, &outputs[..i])?;
        files::ensure_replaceable(output, &[], &PROTECTED)?;
    }
    Ok(())
}

/// Returns an error if an output is the same file as one of these other outputs, under any path.
pub fn ensure_other(output: &Path, others: &[&Path]) -> anyhow::Result<()> {
    let same = others.iter().any(|other| real(other) == real(output));
    ensure!(!same, "{}: the same file as another output", output.display());
    Ok(())
}

/// The text for standard output, if all went well. If something failed at the end, the text is printed all the same.
pub fn text_after<E: Into<anyhow::Error>>(text: String, outcome: Result<(), E>) -> anyhow::Result<String> {
    if outcome.is_err() {
        let _ = stdout().write_all(text.as_bytes()); // standard output may be closed
    }
    outcome.map(|()| text).map_err(Into::into)
}

/// Writes the flash contents for a board, and returns the text that says so; `purpose` is what they are for.
pub fn export(path: &Path, contents: &[u8], purpose: &str, json: bool) -> anyhow::Result<String> {
    files::replace(path, contents, &PROTECTED)?;
    let path = path.display();
    Ok(if json {
        format!("{}\n", json!({ "export": path.to_string(), "bytes": contents.len() }))
    } else {
        format!("{path}: the flash contents for a board to train {purpose}\n")
    })
}

/// The canonical path of a file, whether or not it exists yet.
fn real(path: &Path) -> PathBuf {
    let in_folder = || Some(fs::canonicalize(folder_of(path)).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_would_replace_a_protected_file_is_refused() {
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
