//! The training loop: steps, checkpoints, the loss curve.

use super::options::Setup;
use super::progress::Progress;
use super::splits::Splits;
use crate::args;
use anyhow::anyhow;
use autoencoder_io::files::{self, DirLock};
use autoencoder_io::formats::PROTECTED;
use autoencoder_io::interrupt;
use host::profile::Profile;
use host::train::Trainer;
use host::train::checkpoint::{Checkpoint, CheckpointError, Point, Run};
use host::{evaluate, report};
use std::time::Duration;

/// Steps between checkpoints, and the most between lines.
const SAVE_EVERY: u32 = 1000;

/// A run, its trainer, and its results so far.
pub struct TrainingLoop<'a> {
    pub args: &'a args::Train,
    pub run: Run,
    pub splits: Splits,
    pub trainer: Trainer,
    pub history: Vec<Point>,
    /// Sum and number of the losses since the last point.
    pending: (f64, u32),
    /// Time in training steps, those before the run was continued included.
    pub time: Duration,
    pub profile: Profile,
    /// Rows a step, not more than `rows`.
    pub batch: usize,
    /// The step of the last checkpoint on disk.
    saved: Option<u32>,
    /// The lock on the output folder.
    _lock: DirLock,
}

impl<'a> TrainingLoop<'a> {
    /// Makes and locks the output folder, and restores the state of a stopped run.
    pub fn new(args: &'a args::Train, setup: Setup, trainer: Trainer) -> anyhow::Result<Self> {
        let Setup { run, lock, checkpoint, splits, .. } = setup;
        let lock = lock.map_or_else(|| DirLock::new(&args.out), Ok)?;
        let rows = splits.train.len().min(run.recipe()?.rows);
        let batch = run.batch.min(rows);
        let mut training = Self {
            args,
            run,
            splits,
            trainer,
            history: Vec::new(),
            pending: (0.0, 0),
            time: Duration::ZERO,
            profile: Profile::default(),
            batch,
            saved: None,
            _lock: lock,
        };
        if let Some(checkpoint) = checkpoint {
            checkpoint.expect(&args.out.join("checkpoint"), &training.run)?;
            checkpoint.restore(&mut training.trainer);
            training.time = Duration::try_from_secs_f64(checkpoint.seconds).unwrap_or_default();
            training.pending = checkpoint.pending;
            training.history = checkpoint.history;
            training.saved = Some(checkpoint.step);
        }
        // The files of an earlier run stay together until this one has a checkpoint.
        if training.saved.is_some() || !args.out.join("loss.csv").is_file() {
            training.write_csv()?;
        }
        interrupt::watch()?; // the first signal asks for a checkpoint; the second does not wait for it
        Ok(training)
    }

    /// Trains to the end. Ctrl-C writes a checkpoint and is an error.
    pub fn run(&mut self) -> anyhow::Result<()> {
        let steps = self.trainer.steps();
        // Testing takes about as long as fifteen steps.
        let line_every = (steps / 10).clamp(100, SAVE_EVERY);
        let point_every = (steps / 100).clamp(1, 100);
        let progress = Progress::new(steps, self.trainer.steps_done());
        while self.trainer.steps_done() < steps {
            if interrupt::requested() {
                self.save()?;
                return Err(self.stopped());
            }
            let (loss, time) = self.profile.step(|| self.trainer.step(&self.splits.train));
            self.time += time;
            let step = self.trainer.steps_done();
            if !loss.is_finite() {
                return Err(self.diverged(&format!("the loss is {loss}")));
            }
            self.pending = (self.pending.0 + f64::from(loss), self.pending.1 + 1);
            if step == steps {
                self.save()?; // before the evaluation, for which the system may refuse memory
            }
            let line = step.is_multiple_of(line_every) || step == steps;
            if line || step.is_multiple_of(point_every) {
                let test_mse = line.then(|| self.test_mse());
                let (sum, count) = std::mem::take(&mut self.pending);
                let loss = (sum / f64::from(count)) as f32;
                self.history.push(Point { step, loss, learning_rate: self.trainer.learning_rate(), test_mse });
            }
            progress.show(step, loss, self.batch, self.history.last().filter(|_| line));
            if step.is_multiple_of(SAVE_EVERY) || step == steps {
                self.save()?;
            }
        }
        progress.finish();
        Ok(())
    }

    /// The MSE of the present network over the test rows.
    pub fn test_mse(&self) -> f64 {
        let network = self.trainer.network();
        evaluate::mean(&evaluate::errors(network, self.trainer.code_bits(), &self.splits.test))
    }

    /// Replaces the checkpoint, unless the run has diverged.
    fn save(&mut self) -> anyhow::Result<()> {
        let mut checkpoint = Checkpoint::new(self.run.clone(), &mut self.trainer);
        checkpoint.seconds = self.time.as_secs_f64();
        checkpoint.history.clone_from(&self.history);
        checkpoint.pending = self.pending;
        match checkpoint.write(&self.args.out.join("checkpoint")) {
            Err(CheckpointError::NotFinite { .. }) => return Err(self.diverged("a weight or a moment is not finite")),
            written => written?,
        }
        self.saved = Some(checkpoint.step);
        self.write_csv()
    }

    /// The message of a run that was stopped after a checkpoint.
    fn stopped(&self) -> anyhow::Error {
        let out = &self.args.out;
        let left = ["f32", "int8", "int4"].iter().any(|name| out.join(format!("model.{name}.blob")).exists());
        let blobs = if left { " (the blobs there are those of an earlier run)" } else { "" };
        let (step, steps) = (self.trainer.steps_done(), self.run.steps);
        let (out, data) = (quoted(&out.display().to_string()), quoted(&self.splits.data));
        if self.splits.detector.is_some() {
            return anyhow!(
                "stopped at step {step} of {steps}; continue with --resume and otherwise the same options{blobs}"
            );
        }
        anyhow!("stopped at step {step} of {steps}; continue with --resume --out {out} --data {data}{blobs}")
    }

    /// The message of a run whose numbers are no longer finite.
    fn diverged(&self, what: &str) -> anyhow::Error {
        let step = self.trainer.steps_done();
        let out = self.args.out.display();
        match self.saved {
            Some(saved) => {
                anyhow!("{what} at step {step}: training diverged; the checkpoint of step {saved} is still in {out}")
            }
            None => anyhow!("{what} at step {step}: training diverged; no checkpoint was due yet"),
        }
    }

    fn write_csv(&self) -> anyhow::Result<()> {
        let path = self.args.out.join("loss.csv");
        Ok(files::replace(&path, report::csv(&self.history).as_bytes(), &PROTECTED)?)
    }
}

/// A path as an argument for a shell.
fn quoted(path: &str) -> String {
    if path.contains(char::is_whitespace) { format!("'{path}'") } else { path.into() }
}
