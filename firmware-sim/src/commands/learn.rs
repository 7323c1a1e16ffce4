//! `firmware-sim learn`

use crate::flash_file::{self, describe, wear};
use crate::link::session::Session;
use crate::rows::{self, Count, Rows, mse};
use crate::shift::Set;
use crate::terminal::{note, progress};
use crate::weights::Weights;
use crate::writable::ensure_writable;
use crate::{args, drawing};
use anyhow::ensure;
use autoencoder_device::learn::{Begin, HELD_OUT, Judgement};
use autoencoder_device::message::Learning;
use autoencoder_io::files;
use serde_json::json;
use std::fmt::Write;

/// How many training rows are learned from by default.
const ROWS: usize = 4000;
/// Rows in the picture.
const DRAWN: usize = 16;

/// The mean squared error of the rows that are measured, before learning and after it.
struct Change {
    before: f64,
    after: f64,
}

pub fn run(args: &args::Learn) -> anyhow::Result<String> {
    let weights = Weights::find(args.common.weights.as_deref())?;
    weights.ensure_whole("learn")?;
    let read = || [weights.path.as_path(), &args.source.data].into_iter().chain(args.shift.folder());
    files::ensure_not_input(&args.out, read().chain([args.flash.as_path()]))?;
    files::ensure_not_input(&args.flash, read())?;
    let test_rows = Count::of("--test-images", args.test_images);
    let Rows { rows: shifted, shape } = args.shift.rows(&args.source.data, Set::Test, test_rows, &weights)?;
    let original = rows::test(&args.source.data, test_rows, &weights)?.rows;
    let count = Count::or("--images", args.images, ROWS).and(HELD_OUT);
    let stream = args.shift.rows(&args.source.data, Set::Training, count, &weights)?.rows;
    let count = stream.len().saturating_sub(HELD_OUT);
    let what = shape.plural();
    ensure!(count > 0, "{} training {what}: {HELD_OUT} are held out, none is left", stream.len());
    let drawn = &shifted[..DRAWN.min(shifted.len())];

    let flash = flash_file::read(&args.flash, &weights)?;
    let mut session = Session::learning(args.common.target()?, &weights, flash)?;
    let kept = session.status(Learning::Status)?.kept?;
    [&args.flash, &args.out].into_iter().try_for_each(|path| ensure_writable(path))?;
    if !args.common.json {
        note(&format!("flash: {}: {}", args.flash.display(), describe(kept)));
    }
    let drawn_before = session.reconstruct_all(drawn)?;
    let before = [session.mse(&shifted)?, session.mse(&original)?];

    let method = args.optimizer.method();
    let rate = args.rate.unwrap_or(method.rate());
    session.status(Learning::Begin(Begin { method, rate, batch: args.batch, images: count as u32 }))?;
    let (errors, instructions) = learn(&mut session, &stream)?;
    let steps = errors.len().div_ceil(args.batch.into()).max(1);
    let instructions = instructions / steps as u64;
    let judgement = session.judge()?;
    let now = session.status(Learning::Status)?.kept?;

    let after = [session.mse(&shifted)?, session.mse(&original)?];
    let [on_shifted, on_original] = [0, 1].map(|i| Change { before: before[i], after: after[i] });
    let drawn_after = session.reconstruct_all(drawn)?;
    let contents = session.flash()?;
    let report = session.finish()?;
    flash_file::write(&args.flash, &contents)?;
    drawing::png(&[drawn, &drawn_before, &drawn_after], shape).write(&args.out)?;

    if args.common.json {
        return Ok(report.json(json!({
            "shift": args.shift.to_string(),
            "images": count,
            "held_out": HELD_OUT,
            "test_images": shifted.len(),
            "mse_before": on_shifted.before,
            "mse_after": on_shifted.after,
            "mse_old_data_before": on_original.before,
            "mse_old_data": on_original.after,
            "instructions_per_step": instructions,
            "persisted": judgement.kept.is_some(),
            "record": judgement.kept,
            "wear": wear(now),
            "flash": args.flash.display().to_string(),
            "out": args.out.display().to_string(),
        })));
    }
    let mut text = String::new();
    writeln!(text, "{count} {what} learned from, the sensor {}: {}", args.shift, args.out.display())?;
    chart(&mut text, &errors)?;
    writeln!(text, "                 MSE before     after   {} test {what}", shifted.len())?;
    for (name, Change { before, after }) in [("shifted sensor", on_shifted), ("original sensor", on_original)] {
        writeln!(text, "  {name:15}  {before:.6}  {after:.6}")?;
    }
    let Judgement { before, after, kept } = judgement;
    let [before, after] = [before, after].map(|sum| mse(sum.into(), HELD_OUT * weights.row()));
    writeln!(text, "  held out         {before:.6}  {after:.6}   {HELD_OUT} {what}, by which the device decides")?;
    match kept {
        Some(record) => writeln!(text, "kept as record {record} in the device's flash: {}", args.flash.display())?,
        None => writeln!(text, "rolled back: it did not help on the {what} held out")?,
    }
    writeln!(text, "  {}", describe(now))?;
    if instructions > 0 {
        let learned = if args.batch == 1 { "one of the rows and its step" } else { "a batch and its step" };
        writeln!(text, "{instructions} instructions for {learned}")?;
    }
    report.text(&mut text)?;
    Ok(text)
}

/// The errors of the rows in the order in which they were learned from, each before its step, and the instructions of it
/// all.
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

/// The mean error of each tenth of the run.
fn chart(text: &mut String, errors: &[f64]) -> std::fmt::Result {
    let size = errors.len().div_ceil(10).max(1);
    for (i, part) in errors.chunks(size).enumerate() {
        let mean = part.iter().sum::<f64>() / part.len() as f64;
        writeln!(text, "  {:6}  {mean:.6}", i * size)?;
    }
    Ok(())
}
