//! `firmware-sim learn`

use super::images::Count;
use super::session::Session;
use super::shift::Set;
use super::weights::Weights;
use super::{args, drawing, flash, images, note, progress, writable};
use anyhow::ensure;
use firmware_sim::learn::{Begin, HELD_OUT, Judgement};
use firmware_sim::message::Learning;
use firmware_sim::store::{ENDURANCE, Kept, Record};
use host::files;
use serde_json::{Value, json};
use std::fmt::Write;

/// Training images that are learned from where nothing else is said.
const IMAGES: usize = 4000;
/// Images in the picture.
const DRAWN: usize = 16;

pub fn run(args: &args::Learn) -> anyhow::Result<String> {
    let weights = Weights::find(args.common.weights.as_deref())?;
    let read = || [weights.path.as_path(), &args.source.data].into_iter().chain(args.shift.folder());
    files::spare(&args.out, read().chain([args.flash.as_path()]))?;
    files::spare(&args.flash, read())?;
    let test_images = Count::of("--test-images", args.test_images);
    let shifted = args.shift.images(&args.source.data, Set::Test, test_images, &weights)?;
    let old = images::test(&args.source.data, test_images, &weights)?;
    let count = Count::or("--images", args.images, IMAGES).and(HELD_OUT);
    let stream = args.shift.images(&args.source.data, Set::Training, count, &weights)?;
    let count = stream.len().saturating_sub(HELD_OUT);
    ensure!(count > 0, "{} training images: {HELD_OUT} are held out, none is left", stream.len());
    let drawn = &shifted[..DRAWN.min(shifted.len())];

    let mut session = Session::learning(&args.common, &weights, flash::read(&args.flash)?)?;
    let kept = session.status(Learning::Status)?.kept?;
    [&args.flash, &args.out].into_iter().try_for_each(|path| writable(path))?;
    if !args.common.json {
        note(&format!("flash: {}: {}", args.flash.display(), describe(kept)));
    }
    let drawn_before = session.reconstruct_all(drawn)?;
    let before = session.mse(&shifted)?;
    let old_before = session.mse(&old)?;

    let method = args.optimizer.method();
    let rate = args.rate.unwrap_or(method.rate());
    session.status(Learning::Begin(Begin { method, rate, batch: args.batch, images: count as u32 }))?;
    let (course, instructions) = course(&mut session, &stream)?;
    let steps = course.len().div_ceil(args.batch.into()).max(1);
    let instructions = instructions / steps as u64;
    let judgement = session.judge()?;
    let now = session.status(Learning::Status)?.kept?;

    let after = session.mse(&shifted)?;
    let old_after = session.mse(&old)?;
    let drawn_after = session.reconstruct_all(drawn)?;
    let contents = session.flash()?;
    let report = session.finish()?;
    flash::write(&args.flash, &contents)?;
    drawing::png(&[drawn, &drawn_before, &drawn_after], weights.inputs).write(&args.out)?;

    if args.common.json {
        return Ok(report.json(json!({
            "shift": args.shift.to_string(),
            "images": count,
            "held_out": HELD_OUT,
            "test_images": shifted.len(),
            "mse_before": before,
            "mse_after": after,
            "mse_old_data_before": old_before,
            "mse_old_data": old_after,
            "instructions_per_step": instructions,
            "persisted": judgement.kept.is_some(),
            "record": judgement.kept,
            "wear": wear(now),
            "flash": args.flash.display().to_string(),
            "out": args.out.display().to_string(),
        })));
    }
    let mut text = String::new();
    writeln!(text, "{count} images learned from, the sensor {}: {}", args.shift, args.out.display())?;
    chart(&mut text, &course)?;
    writeln!(text, "                 MSE before     after   {} test images", shifted.len())?;
    writeln!(text, "  shifted sensor   {before:.6}  {after:.6}")?;
    writeln!(text, "  original sensor  {old_before:.6}  {old_after:.6}")?;
    let Judgement { before, after, kept } = judgement;
    writeln!(
        text,
        "  held out         {:.6}  {:.6}   {HELD_OUT} images, by which the device decides",
        images::mse(before.into(), HELD_OUT * weights.inputs),
        images::mse(after.into(), HELD_OUT * weights.inputs)
    )?;
    match kept {
        Some(record) => writeln!(text, "kept as record {record} in the device's flash: {}", args.flash.display())?,
        None => writeln!(text, "rolled back: it did not help on the images held out")?,
    }
    writeln!(text, "  {}", describe(now))?;
    if instructions > 0 {
        let images = if args.batch == 1 { "an image and its step" } else { "a batch and its step" };
        writeln!(text, "{instructions} instructions for {images}")?;
    }
    report.text(&mut text)?;
    Ok(text)
}

/// Errors of the images in the order in which they were learned from, each before its step; the instructions of it all.
fn course(session: &mut Session<'_>, stream: &[Vec<u8>]) -> anyhow::Result<(Vec<f64>, u64)> {
    let (mut errors, mut instructions) = (Vec::new(), 0);
    for image in progress(stream) {
        let (error, held_out) = session.learn(image)?;
        if !held_out {
            errors.push(images::mse(error.into(), image.len()));
            instructions += u64::from(session.instructions()?);
        }
    }
    Ok((errors, instructions))
}

/// The mean error of each tenth of the course.
fn chart(text: &mut String, errors: &[f64]) -> std::fmt::Result {
    let size = errors.len().div_ceil(10).max(1);
    for (i, part) in errors.chunks(size).enumerate() {
        let mean = part.iter().sum::<f64>() / part.len() as f64;
        writeln!(text, "  {:6}  {mean:.6}", i * size)?;
    }
    Ok(())
}

/// What is in a flash.
pub fn describe(kept: Kept) -> String {
    match kept {
        Kept::Nothing => "nothing was learned yet".into(),
        Kept::Learned(record) => format!("tables that were learned, {}", describe_record(record)),
        Kept::Factory(record) => format!("the factory's tables, {}", describe_record(record)),
        Kept::OtherWeights { found } => format!("ignored: a record of other weights ({found:08x})"),
        Kept::Damaged => "no whole record of this version; the factory's tables are used".into(),
    }
}

fn describe_record(record: Record) -> String {
    let Record { sequence, other_damaged, .. } = record;
    let damage = if other_damaged { "; the other slot is damaged: a save was cut off, or bits changed" } else { "" };
    format!("record {sequence}; at most {} of {ENDURANCE} rated erasures used{damage}", record.erasures())
}

/// The same in numbers.
pub fn wear(kept: Kept) -> Value {
    let record = kept.record();
    json!({
        "records": record.map_or(0, |record| record.sequence),
        "erasures": record.map_or(0, |record| record.erasures()),
        "endurance": ENDURANCE,
        "other_slot_damaged": record.is_some_and(|record| record.other_damaged),
    })
}
