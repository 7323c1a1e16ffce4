//! Notes and progress on standard error while a command runs.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// The most lines that are written about one kind of problem; there may be thousands.
const LINES: usize = 10;

/// Writes a line. It is not an error if nobody reads it.
pub fn note(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

/// Writes the first lines of a list, each after `start`, and the number of lines that are left out.
pub fn notes(start: &str, lines: &[String]) {
    for line in lines.iter().take(LINES) {
        note(&format!("{start}: {line}"));
    }
    if let Some(more) = lines.len().checked_sub(LINES).filter(|more| *more > 0) {
        note(&format!("{start}: and {more} more like these"));
    }
}

/// Iterates over rows, or windows. On a terminal, a line shows how many are done and how much time is left.
pub fn progress<T>(rows: &[T]) -> impl Iterator<Item = &T> {
    let begun = Instant::now();
    let mut line = ProgressLine { shown: stderr().is_terminal(), last: begun, length: 0 };
    rows.iter().enumerate().inspect(move |(done, _)| line.update(*done, rows.len(), begun)).map(|(_, row)| row)
}

/// A line that is rewritten in place and cleared at the end.
struct ProgressLine {
    shown: bool,
    last: Instant,
    /// Characters on the line.
    length: usize,
}

impl ProgressLine {
    const PERIOD: Duration = Duration::from_millis(100);

    fn update(&mut self, done: usize, all: usize, begun: Instant) {
        if !self.shown || self.last.elapsed() < Self::PERIOD {
            return;
        }
        let left = begun.elapsed().as_secs_f64() / done.max(1) as f64 * (all - done) as f64;
        let text = format!("{done} of {all} rows, {left:.0} s left");
        let _ = write!(stderr(), "\r{text:length$}", length = self.length);
        (self.last, self.length) = (Instant::now(), text.len());
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.length > 0 {
            let _ = write!(stderr(), "\r{:length$}\r", "", length = self.length);
        }
    }
}
