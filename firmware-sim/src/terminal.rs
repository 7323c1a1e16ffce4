//! What a person reads while a command runs: lines and progress on standard error.

use indicatif::{ProgressBar, ProgressFinish, ProgressIterator, ProgressStyle};
use std::io::{Write, stderr};

/// Writes a line. It is not an error if nobody reads it.
pub fn note(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

/// The rows one by one, with a progress bar if standard error is a terminal.
pub fn progress(rows: &[Vec<u8>]) -> impl Iterator<Item = &Vec<u8>> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} rows  {eta} left");
    let bar = ProgressBar::new(rows.len() as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    rows.iter().progress_with(bar.with_finish(ProgressFinish::AndClear))
}
