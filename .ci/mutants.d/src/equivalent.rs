//! The list of mutants that change nothing that a test could observe.

use crate::sites::Site;
use crate::source::Source;
use anyhow::{Context, Result, ensure};
use std::cell::Cell;
use std::fs;
use std::path::Path;

/// One entry: a paragraph of the list.
struct Entry {
    file: String,
    /// The line of the source, without the spaces around it.
    line: String,
    changes: Vec<String>,
    used: Cell<usize>,
}

/// All of them.
pub struct Equivalent(Vec<Entry>);

impl Equivalent {
    /// Reads the list.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut entries = Vec::new();
        for paragraph in text.split("\n\n") {
            let is_reason = |line: &&str| line.starts_with('#');
            let mut lines = paragraph.lines().filter(|line| !is_reason(line) && !line.trim().is_empty()).map(str::trim);
            let (Some(file), Some(line)) = (lines.next(), lines.next()) else { continue };
            let changes: Vec<String> = lines.map(String::from).collect();
            let has_reason = paragraph.lines().any(|line| is_reason(&line));
            ensure!(has_reason && !changes.is_empty(), "an entry without a reason or a change: {file}: {line}");
            entries.push(Entry { file: file.into(), line: line.into(), changes, used: Cell::new(0) });
        }
        Ok(Self(entries))
    }

    /// Whether the mutant is in the list.
    pub fn contains(&self, source: &Source, site: &Site) -> bool {
        let is_it = |entry: &&Entry| {
            source.path == Path::new(&entry.file)
                && source.line(site) == entry.line
                && entry.changes.iter().any(|change| *change == site.what || change == "*")
        };
        let Some(entry) = self.0.iter().find(is_it) else { return false };
        entry.used.set(entry.used.get() + 1);
        true
    }

    /// An error if an entry stands for nothing: its line has changed.
    pub fn check_all_used(&self) -> Result<()> {
        for Entry { file, line, .. } in self.0.iter().filter(|entry| entry.used.get() == 0) {
            eprintln!("no mutant is like this in .ci/mutants.d/equivalent.txt: {file}: {line}");
        }
        Ok(())
    }
}
