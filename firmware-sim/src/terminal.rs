//! Notes and progress on standard error while a command runs.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// Lines about the same kind of thing, of which there may be thousands.
const LINES: usize = 10;

/// Writes a line. It is not an error if nobody reads it.
pub fn note(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

/// Writes lines about the same kind of thing, the first of them; `start` stands before each.
pub fn notes(start: &str, lines: &[String]) {
    for line in lines.iter().take(LINES) {
        note(&format!("{start}: {line}"));
    }
    if let Some(more) = lines.len().checked_sub(LINES).filter(|more| *more > 0) {
        note(&format!("{start}: and {more} more of the kind"));
    }
}

/// The rows one by one. On a terminal, a line says how many are done and how long the rest will take.
pub fn progress(rows: &[Vec<u8>]) -> impl Iterator<Item = &Vec<u8>> {
    let begun = Instant::now();
    let mut line = Line { shown: stderr().is_terminal(), last: begun, length: 0 };
    rows.iter().enumerate().inspect(move |(done, _)| line.update(*done, rows.len(), begun)).map(|(_, row)| row)
}

/// A line that is written again and again, and cleared at the end.
struct Line {
    shown: bool,
    last: Instant,
    /// Characters on the line.
    length: usize,
}

impl Line {
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

impl Drop for Line {
    fn drop(&mut self) {
        if self.length > 0 {
            let _ = write!(stderr(), "\r{:length$}\r", "", length = self.length);
        }
    }
}
