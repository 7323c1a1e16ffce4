//! `firmware-sim bench --c`: code size and RAM of programs in C, and whether they print what the board's own images answer.

use super::{Images, ROWS};
use crate::board::STAND_IN;
use crate::board::c_program::CProgram;
use crate::link::session::Session;
use crate::random_samples::{noise, numbers, section};
use crate::rows::{self, Count, Rows, Set};
use crate::shift::Shift;
use crate::weights::WeightsBlob;
use crate::{args, codes, flash_file, random};
use anyhow::{Context, ensure};
use autoencoder_core::front_end::{FrontEnd, Spec};
use autoencoder_device::Observation;
use autoencoder_device::learn::{Begin, HELD_OUT, Judgement, Method, Rejection, Saved, Status};
use autoencoder_device::message::LearningCommand;
use autoencoder_device::monitor::Drift;
use autoencoder_device::store::RecordState;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// The network of the detector, with pseudo-random weights, and its samples.
const TOPOLOGY: &str = "96-32-8-32-96";
const SPEC: Spec = Spec { channels: 3, window: 32, hop: 16, rate: 0.0, front_end: FrontEnd::Centred };

/// The detector that learns, which the repository ships, and the windows that it learns from.
const WATCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/watch.int8.blob");
const WINDOWS: usize = 120;

/// The measurements of a program.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figures {
    /// Lines of results, which are the same as those of the board's own image.
    equal_lines: usize,
    image_code_bytes: usize,
    /// Statics and stack.
    image_ram_bytes: usize,
    stack_bytes: usize,
}

pub fn run(args: &args::Bench) -> anyhow::Result<String> {
    let mut images = Images::new(args, "--c")?;
    let board = args.common.target()?.board.name;
    ensure!(
        board == STAND_IN.name,
        "--board {board}: the programs in C run on {} alone; leave --board out",
        STAND_IN.name
    );
    let weights = WeightsBlob::find(args.common.weights.as_deref())?;
    weights.ensure_whole("bench --c")?;
    let data = args.data.path()?;
    let count = Count::or("--rows", args.rows, ROWS);

    let digits = rows::test(&data, count, &weights)?.rows;
    let expected = codec(args, &weights, &digits)?;
    images.figures.push((format!("{board}-c-codec"), measure("codec", &weights, &digits, &expected)?));

    let detecting = random::weights_for(&TOPOLOGY.parse()?, &section(&SPEC))?;
    let noise = noise(&SPEC, args.rows.map_or(ROWS, |rows| rows as usize));
    let samples = bytes(&noise.chunks(SPEC.channels.into()).collect::<Vec<_>>());
    let mut device = Session::detector(args.common.target()?, &detecting, None)?;
    let expected: String = device.observe(&noise)?.iter().map(observation).collect();
    images.figures.push((format!("{board}-c-detector"), measure("detector", &detecting, &samples, &expected)?));

    let Rows { rows: shifted, .. } = Shift::default().rows(&data, Set::Training, count.and(HELD_OUT), &weights)?;
    let expected = learner(args, &weights, &shifted)?;
    images.figures.push((format!("{board}-c-learner"), measure("learner", &weights, &shifted, &expected)?));
    let watch = WeightsBlob::find(Some(Path::new(WATCH)))?;
    let stream = waves(&watch)?;
    let expected = sample_learner(args, &watch, &stream.concat())?;
    measure("learner", &watch, &bytes(&stream), &expected)?;

    images.report(|text, figures| {
        let Figures { equal_lines, image_code_bytes, image_ram_bytes, stack_bytes } = figures;
        writeln!(text, "  results  {equal_lines:6} lines, the same as those of the board's own image")?;
        writeln!(text, "  code     {image_code_bytes:6} bytes")?;
        writeln!(text, "  RAM      {image_ram_bytes:6} bytes, {stack_bytes} of them stack")
    })
}

/// Builds and runs a program, and compares what it prints.
fn measure<T: AsRef<[u8]>>(name: &str, weights: &WeightsBlob, items: &[T], expected: &str) -> anyhow::Result<Figures> {
    let program = CProgram::build(name, weights)?;
    let printed = program.run(items)?;
    let (results, stack) = printed.trim_end().rsplit_once("\nstack ").context("the program in C printed no stack")?;
    for (number, (found, expected)) in (1..).zip(results.lines().zip(expected.lines())) {
        ensure!(
            found == expected,
            "{name}.c differs from the board's own image in line {number}: {found:.80}, expected {expected:.80}"
        );
    }
    let [lines, count] = [results, expected].map(|text| text.lines().count());
    ensure!(lines == count, "{name}.c printed {lines} lines, expected {count}");
    let (sizes, stack) = (program.sizes()?, stack.parse()?);
    Ok(Figures {
        equal_lines: lines,
        image_code_bytes: sizes.code,
        image_ram_bytes: sizes.statics + stack,
        stack_bytes: stack,
    })
}

/// Samples in the memory of the board.
fn bytes<T: AsRef<[f32]>>(samples: &[T]) -> Vec<Vec<u8>> {
    samples.iter().map(|sample| sample.as_ref().iter().flat_map(|x| x.to_le_bytes()).collect()).collect()
}

/// Samples of waves, which a detector can learn.
fn waves(weights: &WeightsBlob) -> anyhow::Result<Vec<Vec<f32>>> {
    let spec = weights.section()?.context("the blob has no input section")?.spec;
    let channels = usize::from(spec.channels);
    let wave = |at: usize, channel: usize| (at as f32 * 0.11 + channel as f32).sin();
    let sample = |at| (0..channels).map(|channel| wave(at, channel)).collect();
    Ok((0..numbers(&spec, WINDOWS) / channels).map(sample).collect())
}

/// What the image of the application answers to each row.
fn codec(args: &args::Bench, weights: &WeightsBlob, rows: &[Vec<u8>]) -> anyhow::Result<String> {
    let mut device = Session::open(args.common.target()?, weights)?;
    let mut text = String::new();
    for row in rows {
        let mut frame = device.encode(row)?;
        let codes = codes::read(&frame).codes;
        let code = &codes.first().context("no code")?.packed;
        let reconstruction = device.decode_frame(&mut frame)?;
        let (code, reconstruction, score) = (hex(code), hex(&reconstruction), device.score(row)?);
        writeln!(text, "code {code}\nrow {reconstruction}\nscore {score}")?;
    }
    Ok(text)
}

/// The settings of learner.c for a run over this many rows or windows, of which some are held out.
fn begin(rows: usize) -> LearningCommand<'static> {
    let (method, rows) = (Method::Adam, rows.saturating_sub(HELD_OUT) as u32);
    LearningCommand::Begin(Begin { method, rate: method.rate(), batch: 1, rows, passes: 2, forced: true })
}

/// What the image that learns answers, and a second one with the flash of the first.
fn learner(args: &args::Bench, weights: &WeightsBlob, rows: &[Vec<u8>]) -> anyhow::Result<String> {
    let mut device = Session::learning(args.common.target()?, weights, flash_file::erased(weights.topology()))?;
    let mut text = state(device.status(LearningCommand::Status)?);
    device.status(begin(rows.len()))?;
    for row in rows {
        text += &learned(device.learn(row)?);
    }
    let judged = device.judge()?;
    ensure!(
        judged.kept.is_ok(),
        "--rows: learning from {} does not help enough to be kept; give more rows",
        rows.len()
    );
    text += &judgement(judged);
    text += &state(device.status(LearningCommand::Status)?);
    let flash = device.flash()?;
    drop(device);
    let mut device = Session::learning(args.common.target()?, weights, flash.clone())?;
    text += &state(device.status(LearningCommand::Status)?);
    for row in rows {
        writeln!(text, "score {}", device.score(row)?)?;
    }
    text += &contents(&flash);
    text += &state(device.status(LearningCommand::Reset)?);
    Ok(text)
}

/// The same of the image that takes samples.
fn sample_learner(args: &args::Bench, weights: &WeightsBlob, samples: &[f32]) -> anyhow::Result<String> {
    let open = |flash| Session::detector(args.common.target()?, weights, Some(flash));
    let mut device = open(flash_file::erased(weights.topology()))?;
    let mut text = state(device.status(LearningCommand::Status)?);
    device.status(begin(WINDOWS))?;
    let windows = device.learn_samples(samples)?;
    ensure!(windows.len() == WINDOWS, "{} windows were learned from, expected {WINDOWS}", windows.len());
    for done in windows {
        text += &learned(done);
    }
    let mut steps = 1;
    while device.repeat()? > 0 {
        steps += 1;
    }
    ensure!(steps > 1, "no window was learned from again");
    writeln!(text, "repeated {steps}")?;
    let judged = device.judge()?;
    ensure!(matches!(judged.kept, Ok(Saved::Channels(_))), "the run over samples kept no parameters: {judged:?}");
    text += &judgement(judged);
    text += &state(device.status(LearningCommand::Status)?);
    let flash = device.flash()?;
    drop(device);
    let mut device = open(flash.clone())?;
    text += &state(device.status(LearningCommand::Status)?);
    device.observe(samples)?.iter().for_each(|found| text += &observation(found));
    text += &contents(&flash);
    text += &state(device.status(LearningCommand::Reset)?);
    Ok(text)
}

fn observation(found: &Observation) -> String {
    let Observation { score, threshold, clipped, verdict, row } = found;
    let drift = match verdict.drift() {
        None => 0,
        Some(Drift::Above) => 1,
        Some(Drift::Below) => 2,
        Some(Drift::Repeating) => 3,
    };
    let [above, below, repeats] = [verdict.above, verdict.below, verdict.repeats];
    format!("observation {score} {threshold} {clipped} {row} {drift} {above} {below} {repeats}\n")
}

fn learned((score, held_out): (u32, bool)) -> String {
    format!("learned {score} {}\n", u8::from(held_out))
}

fn judgement(Judgement { before, after, kept }: Judgement) -> String {
    let (outcome, record) = match kept {
        Ok(Saved::Channels(record)) => (0, record),
        Ok(Saved::ThresholdsOnly(record)) => (1, record),
        Err(Rejection::TooFewRows) => (2, 0),
        Err(Rejection::NotBetter) => (3, 0),
        Err(Rejection::NothingEncoded) => (4, 0),
        Err(Rejection::Foreign) => (5, 0),
        Err(Rejection::Clipped) => (6, 0),
        Err(_) => (7, 0),
    };
    format!("judgement {before} {after} {outcome} {record}\n")
}

fn state(Status { kept, rows, thresholds }: Status) -> String {
    let (record, number) = match kept {
        Ok(RecordState::Nothing) => (0, 0),
        Ok(RecordState::Learned(record)) => (1, record.sequence),
        Ok(RecordState::Base(record)) => (2, record.sequence),
        Ok(RecordState::OtherWeights { .. }) => (3, 0),
        Ok(RecordState::Damaged) | Err(_) => (4, 0),
    };
    format!("state {record} {number} {rows} {} {}\n", thresholds.lower, thresholds.upper)
}

/// The bytes of a flash, 128 to a line.
fn contents(flash: &[u8]) -> String {
    let lines: Vec<String> = flash.chunks(128).map(|bytes| format!("flash {}\n", hex(bytes))).collect();
    lines.concat()
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.concat()
}
