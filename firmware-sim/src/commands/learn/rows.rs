//! `firmware-sim learn` from rows of a shifted sensor.

use crate::flash_file::{LockedFlash, describe, wear};
use crate::link::session::Session;
use crate::rows::{self, Count, Rows, Set, Shape, ensure_some_left, mse};
use crate::shift::Shift;
use crate::terminal::{note, progress};
use crate::weights::WeightsBlob;
use crate::writable::{ensure_other, ensure_writable, text_after};
use crate::{args, drawing};
use autoencoder_device::learn::{Begin, HELD_OUT, Judgement, Rejection, Saved};
use autoencoder_device::message::LearningCommand;
use autoencoder_device::store::RecordState;
use autoencoder_io::files;
use autoencoder_io::interrupt;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// The default number of training rows.
const ROWS: usize = 4000;
/// Rows in the picture.
const DRAWN: usize = 16;

/// The mean squared error over a set of test rows, before and after learning.
struct Change {
    before: f64,
    after: f64,
}

/// Learns from the training rows of a folder, and measures on its test rows.
pub fn run(args: &args::Learn, data: &Path) -> anyhow::Result<String> {
    let shift = args.shift.clone().unwrap_or_default();
    let weights = WeightsBlob::find(args.common.weights.as_deref())?;
    weights.ensure_whole("learn")?;
    let read = || [weights.path.as_path(), data].into_iter().chain(shift.folder());
    ensure_other(&args.out, &[args.flash.as_path()])?;
    ensure_writable(&[&args.out], read())?;
    files::ensure_not_input(&args.flash, read())?;
    let test_rows = Count::of("--test-rows", args.test_rows);
    let Rows { rows: shifted, shape } = shift.rows(data, Set::Test, test_rows, &weights)?;
    let original = rows::test(data, test_rows, &weights)?.rows;
    let count = Count::or("--rows", args.rows, ROWS).and(HELD_OUT);
    let stream = shift.rows(data, Set::Training, count, &weights)?.rows;
    let count = ensure_some_left(stream.len(), shape, shift.folder().unwrap_or(data))?;
    let drawn = &shifted[..DRAWN.min(shifted.len())];

    let flash_file = LockedFlash::to_learn(&args.flash, &weights, args.force)?;
    let mut session = Session::learning(args.common.target()?, &weights, flash_file.file.contents.clone())?;
    let kept = session.kept(&flash_file.file, args.force)?;
    interrupt::watch()?;
    if !args.common.json {
        note(&format!("flash: {}: {}", args.flash.display(), describe(kept)));
    }
    let flash = args.flash.display();
    let nothing_kept = || format!("nothing of this run is kept; {flash} is unchanged");
    let before = session
        .reconstruct_all(drawn)
        .and_then(|drawn| measure(&mut session, &shifted, &original).map(|mse| (drawn, mse)));
    let (drawn_before, before) = interrupt::explain(before, nothing_kept)?;

    let method = args.optimizer;
    let rate = args.rate.unwrap_or(method.rate());
    let begin = Begin { method, rate, batch: args.batch, rows: count as u32, passes: 1, forced: false };
    session.status(LearningCommand::Begin(begin))?;
    let (errors, instructions) = interrupt::explain(learn(&mut session, &stream), nothing_kept)?;
    let steps = errors.len().div_ceil(args.batch.into()).max(1);
    let instructions = instructions / steps as u64;
    let judgement = session.judge()?;
    let now = session.status(LearningCommand::Status)?.kept?;
    flash_file.write(&session.flash()?)?; // at once: the measurements below can be interrupted

    let after = measure(&mut session, &shifted, &original);
    let after = interrupt::explain(after, || format!("the run itself is complete, and {flash} holds its result"))?;
    let [on_shifted, on_original] = [0, 1].map(|i| Change { before: before[i], after: after[i] });
    let drawn_after = session.reconstruct_all(drawn)?;
    let report = session.finish()?;
    let picture = drawing::png(&[drawn, &drawn_before, &drawn_after], shape).write(&args.out);
    let outcome = Outcome {
        args,
        shift,
        shape,
        rows: count,
        test_rows: shifted.len(),
        row: weights.row(),
        errors,
        instructions,
        judgement,
        now,
        on_shifted,
        on_original,
    };
    let text = if args.common.json {
        report.json(outcome.json())
    } else {
        let mut text = String::new();
        outcome.text(&mut text)?;
        report.text(&mut text)?;
        text
    };
    text_after(text, picture)
}

/// The outcome of a run of learning.
struct Outcome<'a> {
    args: &'a args::Learn,
    shift: Shift,
    shape: Shape,
    /// Rows learned from.
    rows: usize,
    test_rows: usize,
    /// Values of a row.
    row: usize,
    /// The error of each row before its step.
    errors: Vec<f64>,
    /// Instructions of a step; 0 if nothing counts them.
    instructions: u64,
    judgement: Judgement,
    /// What the flash holds now.
    now: RecordState,
    on_shifted: Change,
    on_original: Change,
}

impl Outcome<'_> {
    fn json(&self) -> Value {
        let Self { args, shift, judgement, on_shifted, on_original, .. } = self;
        json!({
            "shift": shift.to_string(),
            "rows": self.rows,
            "held_out": HELD_OUT,
            "test_rows": self.test_rows,
            "mse_before": on_shifted.before,
            "mse_after": on_shifted.after,
            "mse_old_data_before": on_original.before,
            "mse_old_data": on_original.after,
            "instructions_per_step": self.instructions,
            "persisted": judgement.kept.is_ok(),
            "record": judgement.kept.ok().map(Saved::record),
            "rejected": judgement.kept.err().map(|rejection| rejection.to_string()),
            "wear": wear(self.now),
            "flash": args.flash.display().to_string(),
            "out": args.out.display().to_string(),
        })
    }

    fn text(&self, text: &mut String) -> std::fmt::Result {
        let Self { args, shift, shape, on_shifted, on_original, .. } = self;
        let (flash, out) = (args.flash.display(), args.out.display());
        writeln!(text, "learned from {}, sensor {}: {out}", shape.counted(self.rows), shift)?;
        chart(text, &self.errors)?;
        writeln!(text, "                 MSE before     after   {} for testing", shape.counted(self.test_rows))?;
        for (name, Change { before, after }) in [("shifted sensor", on_shifted), ("original sensor", on_original)] {
            writeln!(text, "  {name:15}  {before:.6}  {after:.6}")?;
        }
        let Judgement { before, after, kept } = self.judgement;
        let [before, after] = [before, after].map(|sum| mse(sum.into(), HELD_OUT * self.row));
        if kept != Err(Rejection::TooFewRows) {
            writeln!(
                text,
                "  held out         {before:.6}  {after:.6}   {HELD_OUT} {} from all over the run, \
                 by which the device decides",
                shape.plural()
            )?;
        }
        match kept {
            Ok(Saved::ThresholdsOnly(record)) => writeln!(
                text,
                "the learned parameters did not clearly help on the held-out rows: the old ones are kept, with new \
                 thresholds, as record {record} in the device's flash: {flash}"
            )?,
            Ok(Saved::Channels(record)) => writeln!(text, "kept as record {record} in the device's flash: {flash}")?,
            Err(rejection) => writeln!(text, "rolled back: {rejection}")?,
        }
        writeln!(text, "  {}", describe(self.now))?;
        if self.instructions > 0 {
            let learned = if args.batch == 1 { "a row and its step" } else { "a batch and its step" };
            writeln!(text, "{} instructions for {learned}", self.instructions)?;
        }
        Ok(())
    }
}

/// The MSE of the rows of the shifted sensor, and of the original one.
fn measure(session: &mut Session<'_>, shifted: &[Vec<u8>], original: &[Vec<u8>]) -> anyhow::Result<[f64; 2]> {
    Ok([session.mse(shifted)?, session.mse(original)?])
}

/// Learns from the rows in order. Returns the error of each row before its step, and the total of instructions.
fn learn(session: &mut Session<'_>, stream: &[Vec<u8>]) -> anyhow::Result<(Vec<f64>, u64)> {
    let (mut errors, mut instructions) = (Vec::new(), 0);
    for row in progress(stream) {
        let (error, held_out) = session.learn(row)?;
        if !held_out {
            errors.push(mse(error.into(), row.len()));
            instructions += u64::from(session.instructions()?);
        }
    }
    Ok((errors, instructions))
}

/// Writes the mean error of each tenth of the run.
pub fn chart(text: &mut String, errors: &[f64]) -> std::fmt::Result {
    let size = errors.len().div_ceil(10).max(1);
    for (i, part) in errors.chunks(size).enumerate() {
        let mean = part.iter().sum::<f64>() / part.len() as f64;
        writeln!(text, "  {:6}  {mean:.6}", i * size)?;
    }
    Ok(())
}
