//! The progress of training.

use host::train::checkpoint::Point;
use std::io::{IsTerminal, Write, stderr};
use std::time::Instant;

/// A progress bar on a terminal, plain lines elsewhere; both on standard error.
pub struct Progress {
    bar: indicatif::ProgressBar,
    terminal: bool,
    start: Instant,
    first: u32,
}

impl Progress {
    /// A bar for `steps` steps, of which `first` are done.
    pub fn new(steps: u32, first: u32) -> Self {
        let terminal = stderr().is_terminal();
        let bar = if terminal { indicatif::ProgressBar::new(steps.into()) } else { indicatif::ProgressBar::hidden() };
        bar.set_style(
            indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} steps  {msg}  {eta} left")
                .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()),
        );
        bar.set_position(first.into());
        bar.reset_eta();
        Self { bar, terminal, start: Instant::now(), first }
    }

    /// Shows a step that is done. With `point`, also prints a line.
    pub fn show(&self, step: u32, loss: f32, batch: usize, point: Option<&Point>) {
        let rate = || f64::from(step - self.first) * batch as f64 / self.start.elapsed().as_secs_f64();
        if self.terminal && step.is_multiple_of(20) {
            self.bar.set_position(step.into());
            self.bar.set_message(format!("loss {loss:.5}  {:.0} rows/s", rate()));
        }
        let Some(point) = point else { return };
        let line = format!(
            "step {step:6}  loss {loss:.5}  test MSE {:.5}  {:.0} rows/s",
            point.test_mse.unwrap_or(f64::NAN),
            rate()
        );
        if self.terminal {
            self.bar.println(line);
        } else {
            let _ = writeln!(stderr(), "{line}"); // nobody may be listening
        }
    }

    /// Removes the bar and leaves the lines.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
