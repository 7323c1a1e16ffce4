//! A run of learning on a device, over rows or over windows of samples.

use crate::args;
use crate::flash_file::{LockedFlash, describe, wear};
use crate::link::session::Session;
use crate::rows::mse;
use crate::terminal::{note, progress};
use crate::weights::WeightsBlob;
use crate::writable::{ensure_other, ensure_writable};
use anyhow::bail;
use autoencoder_core::blob::Thresholds;
use autoencoder_device::learn::{Begin, HELD_OUT, Judgement, Rejection, Saved};
use autoencoder_device::message::LearningCommand;
use autoencoder_device::store::RecordState;
use autoencoder_io::{files, interrupt};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Returns an error unless the outputs of the command may be written. `read` are the files and folders that it reads.
pub fn ensure_outputs<'a>(args: &args::Learn, read: impl Iterator<Item = &'a Path> + Clone) -> anyhow::Result<()> {
    ensure_other(&args.out, &[args.flash.as_path()])?;
    ensure_writable(&[&args.out], read.clone())?;
    files::ensure_not_input(&args.flash, read)?;
    Ok(())
}

/// A device with the contents of a flash file, which is locked until the file is written.
pub struct Learning<'a, 'w> {
    args: &'a args::Learn,
    pub session: Session<'w>,
    file: LockedFlash,
}

/// What a run of learning has done.
pub struct Run<'a> {
    args: &'a args::Learn,
    /// Elements of a row.
    row: usize,
    /// The error of each row that was learned from, before its step.
    errors: Vec<f64>,
    /// Instructions of a step; 0 if nothing counts them.
    instructions: u64,
    judgement: Judgement,
    /// What the flash holds now.
    now: RecordState,
    /// The thresholds that the device has now.
    pub thresholds: Thresholds,
}

impl<'a, 'w> Learning<'a, 'w> {
    /// Opens the flash file, and a device with its contents.
    pub fn open(
        args: &'a args::Learn,
        weights: &'w WeightsBlob,
        device: impl FnOnce(Vec<u8>) -> anyhow::Result<Session<'w>>,
    ) -> anyhow::Result<Self> {
        let file = LockedFlash::to_learn(&args.flash, weights, args.force)?;
        let mut session = device(file.file.contents.clone())?;
        let kept = session.kept(&file.file, args.force)?;
        interrupt::watch()?;
        if !args.common.json {
            note(&format!("flash: {}: {}", args.flash.display(), describe(kept)));
        }
        Ok(Self { args, session, file })
    }

    /// Measures with the parameters from before the run.
    pub fn before<T>(&mut self, measure: impl FnOnce(&mut Session<'w>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let result = measure(&mut self.session);
        interrupt::explain(result, || self.nothing_kept())
    }

    /// Gives the device each item of a stream to learn from, then the steps of the further passes, and writes what it
    /// keeps to the flash file. `learn` returns the score, and whether the item was held out.
    pub fn run<T>(
        &mut self,
        begin: Begin,
        stream: &[T],
        learn: impl Fn(&mut Session<'w>, &T) -> anyhow::Result<(u32, bool)>,
    ) -> anyhow::Result<Run<'a>> {
        let row = self.session.weights.row();
        let run = self.session.status(LearningCommand::Begin(begin)).and_then(|_| {
            let (mut errors, mut instructions) = (Vec::new(), 0);
            for item in progress(stream) {
                let (score, held_out) = learn(&mut self.session, item)?;
                if !held_out {
                    errors.push(mse(score.into(), row));
                    instructions += u64::from(self.session.instructions()?);
                }
            }
            if begin.passes > 1 {
                while self.session.repeat()? > 0 {}
            }
            Ok((errors, instructions))
        });
        let (errors, instructions) = interrupt::explain(run, || self.nothing_kept())?;
        let judgement = self.session.judge()?;
        let status = self.session.status(LearningCommand::Status)?;
        self.file.write(&self.session.flash()?)?; // at once: what is measured after it can be interrupted
        let steps = errors.len().div_ceil(self.args.batch.into()).max(1);
        let (now, thresholds) = (status.kept?, status.thresholds);
        Ok(Run { args: self.args, row, errors, instructions: instructions / steps as u64, judgement, now, thresholds })
    }

    /// Measures with the parameters that the run left.
    pub fn after<T>(&mut self, measure: impl FnOnce(&mut Session<'w>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let flash = self.args.flash.display();
        interrupt::explain(measure(&mut self.session), || {
            format!("the run itself is complete, and {flash} holds its result")
        })
    }

    fn nothing_kept(&self) -> String {
        format!("nothing of this run is kept; {} is unchanged", self.args.flash.display())
    }
}

impl Run<'_> {
    /// Whether the device keeps anything of the run.
    pub const fn is_kept(&self) -> bool {
        self.judgement.kept.is_ok()
    }

    /// Returns an error if the device has refused the run, which only `--foreign` changes.
    pub fn ensure_accepted(&self) -> anyhow::Result<()> {
        match self.judgement.kept {
            Err(rejection) if is_refusal(rejection) => {
                bail!("the device has refused the run: {rejection}; --foreign learns from them all the same")
            }
            _ => Ok(()),
        }
    }

    /// The MSE of the held-out rows before the run and after it, if there were enough to judge by.
    pub fn held_out(&self) -> Option<[f64; 2]> {
        let Judgement { before, after, kept } = self.judgement;
        let mse = |sum: u32| mse(sum.into(), HELD_OUT * self.row);
        (kept != Err(Rejection::TooFewRows)).then(|| [before, after].map(mse))
    }

    /// Adds the run to the keys of a report.
    pub fn add_to(&self, keys: &mut Value) {
        let Judgement { kept, .. } = self.judgement;
        keys["held_out"] = json!(HELD_OUT);
        keys["instructions_per_step"] = json!(self.instructions);
        keys["persisted"] = json!(kept.is_ok());
        keys["record"] = json!(kept.ok().map(Saved::record));
        keys["thresholds_only"] = json!(matches!(kept, Ok(Saved::ThresholdsOnly(_))));
        keys["rejected"] = json!(kept.err().map(|rejection| rejection.to_string()));
        keys["wear"] = wear(self.now);
        keys["flash"] = json!(self.args.flash.display().to_string());
        keys["out"] = json!(self.args.out.display().to_string());
    }

    /// Writes the mean error of each tenth of the run.
    pub fn chart(&self, text: &mut String) -> std::fmt::Result {
        let size = self.errors.len().div_ceil(10).max(1);
        for (i, part) in self.errors.chunks(size).enumerate() {
            let mean = part.iter().sum::<f64>() / part.len() as f64;
            writeln!(text, "  {:6}  {mean:.6}", i * size)?;
        }
        Ok(())
    }

    /// Writes what the device keeps, and why. `kind` is the name of a row.
    pub fn text(&self, text: &mut String, kind: &str) -> std::fmt::Result {
        let flash = self.args.flash.display();
        match self.judgement.kept {
            Ok(Saved::Channels(record)) => writeln!(text, "kept as record {record} in the device's flash: {flash}")?,
            Ok(Saved::ThresholdsOnly(record)) => writeln!(
                text,
                "thresholds alone, kept as record {record} in the device's flash: {flash}; the windows are no drift, \
                 or the parameters did not clearly help"
            )?,
            Err(rejection) if is_refusal(rejection) => writeln!(text, "refused: nothing of the run is kept")?,
            Err(rejection) => writeln!(text, "rolled back: {rejection}")?,
        }
        writeln!(text, "  {}", describe(self.now))?;
        if self.instructions > 0 {
            let learned = if self.args.batch == 1 { kind } else { "batch" };
            writeln!(text, "{} instructions for a {learned} and its step", self.instructions)?;
        }
        Ok(())
    }
}

/// Whether a run is rejected because of what its windows are, not because it did not help.
const fn is_refusal(rejection: Rejection) -> bool {
    matches!(rejection, Rejection::Foreign | Rejection::Clipped)
}
