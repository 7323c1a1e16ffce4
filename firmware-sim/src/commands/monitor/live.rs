//! A line on the terminal that shows the score of a stream as it comes.

use autoencoder_device::Observation;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// Characters of the bar up to the threshold, and beyond it.
const BAR: [usize; 2] = [20, 10];

/// A line that is rewritten in place and cleared at the end.
pub struct LiveLine {
    shown: bool,
    last: Option<Instant>,
    /// Characters on the line.
    length: usize,
}

impl LiveLine {
    const PERIOD: Duration = Duration::from_millis(50);

    /// The line; not shown if `quiet`, or if standard error is not a terminal.
    pub fn new(quiet: bool) -> Self {
        Self { shown: !quiet && stderr().is_terminal(), last: None, length: 0 }
    }

    /// Shows the observation of a window, unless another was shown just before.
    pub fn update(&mut self, window: usize, windows: usize, observation: &Observation) {
        if !self.shown || self.last.is_some_and(|last| last.elapsed() < Self::PERIOD) {
            return;
        }
        let text = line(window, windows, observation);
        let _ = write!(stderr(), "\r{text:length$}", length = self.length);
        (self.last, self.length) = (Some(Instant::now()), text.chars().count());
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        if self.length > 0 {
            let _ = write!(stderr(), "\r{:length$}\r", "", length = self.length);
        }
    }
}

/// `window 12 of 340 ██████████          │           score 5120  ALARM`. The line in the bar is the threshold.
fn line(window: usize, windows: usize, observation: &Observation) -> String {
    let [below, beyond] = BAR;
    let Observation { score, threshold, .. } = *observation;
    let share = f64::from(score) / f64::from(threshold.max(1));
    let filled = ((share * below as f64) as usize).min(below + beyond);
    let cells = |from: usize, to: usize| (from..to).map(|i| if i < filled { '█' } else { ' ' }).collect::<String>();
    let mark = match (observation.drifted(), observation.above()) {
        (true, _) => "  ALARM",
        (false, true) => "  above",
        (false, false) => "",
    };
    let digits = windows.to_string().len();
    format!(
        "window {:digits$} of {windows} {}│{} score {score}{mark}",
        window + 1,
        cells(0, below),
        cells(below, below + beyond)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoencoder_device::monitor::Verdict;

    #[test]
    fn the_bar_shows_the_score_against_the_threshold() {
        let shown = |score: u32, drifted: bool| {
            let verdict = Verdict { above: 0, below: 0, repeats: 0, drifted };
            line(11, 340, &Observation { score, threshold: 1000, clipped: 0, verdict, row: 0 })
        };
        let full = "█".repeat(20);
        assert_eq!(shown(500, false), format!("window  12 of 340 {}{:10}│{:10} score 500", "█".repeat(10), "", ""));
        assert_eq!(shown(1000, false), format!("window  12 of 340 {full}│{:10} score 1000", ""));
        assert_eq!(shown(1101, false), format!("window  12 of 340 {full}│██{:8} score 1101  above", ""));
        assert_eq!(shown(9999, true), format!("window  12 of 340 {full}│██████████ score 9999  ALARM"));
        assert_eq!(shown(0, true), format!("window  12 of 340 {:20}│{:10} score 0  ALARM", "", ""));
    }
}
