//! `firmware-sim bench` of detectors: instructions, code size and RAM of the image that takes samples, on an emulated board.

use super::{Images, ROWS};
use crate::board::firmware::{BoardImages, Program};
use crate::link::Ram;
use crate::link::session::Session;
use crate::random_samples::{noise, noise_in_scale, section, windows};
use crate::samples::ensure_unused;
use crate::weights::WeightsBlob;
use crate::{args, flash_file, random};
use anyhow::{Context, ensure};
use autoencoder_core::crc::checksum;
use autoencoder_core::front_end::{FrontEnd, Section, Spec};
use autoencoder_device::input::samples_in_command;
use autoencoder_device::learn::{Begin, HELD_OUT, Method};
use autoencoder_device::message::LearningCommand;
use serde::Serialize;
use std::fmt::Write;

/// The network of the measurements, with pseudo-random weights.
const TOPOLOGY: &str = "96-32-8-32-96";
/// Three channels: windows of 32 samples, or the spectrum of 256.
const SPECS: [(&str, Spec); 3] = [
    ("raw", Spec { channels: 3, window: 32, hop: 32, rate: 0.0, front_end: FrontEnd::Raw }),
    ("centred", Spec { channels: 3, window: 32, hop: 32, rate: 0.0, front_end: FrontEnd::Centred }),
    ("spectrum", Spec { channels: 3, window: 256, hop: 128, rate: 0.0, front_end: FrontEnd::Spectrum { bands: 32 } }),
];

/// The measurements of one front end.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figures {
    /// For a window: its row from the samples in the ring.
    front_end_instructions: u64,
    /// For a window: everything after the row.
    network_instructions: u64,
    /// To take a sample that completes no window.
    sample_instructions: u64,
    /// For a window of a run of learning: everything after the row. `None` on a board that does not learn.
    step_instructions: Option<u64>,
    image_code_bytes: usize,
    /// RAM of the image that this network uses.
    image_ram_bytes: usize,
    stack_bytes: usize,
}

/// Measures the front ends with a network of pseudo-random weights.
pub fn run(args: &args::Bench) -> anyhow::Result<String> {
    let mut images = Images::new(args, "--detector")?;
    let count = windows_of(args);
    for (name, spec) in &SPECS {
        let weights = random::weights_for(&TOPOLOGY.parse()?, &section(spec))?;
        images
            .figures
            .push((format!("{}-{name}", images.board.name), measure(args, spec, &weights, &noise(spec, count))?));
    }
    report(images)
}

/// Measures the detector in a blob.
pub fn run_blob(args: &args::Bench, weights: &WeightsBlob, section: &Section<'_>) -> anyhow::Result<String> {
    ensure_unused("a detector is measured with pseudo-random samples", &[("--data", args.data.is_given())])?;
    let mut images = Images::new(args, "of a detector")?;
    let samples = noise_in_scale(section, windows_of(args))?;
    let name = format!("{}-{}-detector", images.board.name, weights.name());
    images.figures.push((name, measure(args, &section.spec, weights, &samples)?));
    report(images)
}

fn report(images: Images<'_, Figures>) -> anyhow::Result<String> {
    images.report(|text, figures| {
        let Figures {
            front_end_instructions,
            network_instructions,
            sample_instructions,
            step_instructions,
            image_code_bytes,
            image_ram_bytes,
            stack_bytes,
        } = figures;
        writeln!(text, "  sample     {sample_instructions:9} instructions")?;
        writeln!(text, "  front end  {front_end_instructions:9} instructions for a window")?;
        writeln!(text, "  network    {network_instructions:9} instructions for a window")?;
        if let Some(step) = step_instructions {
            writeln!(text, "  learning   {step:9} instructions for a window")?;
        }
        writeln!(text, "  code       {image_code_bytes:9} bytes")?;
        writeln!(text, "  RAM        {image_ram_bytes:9} bytes, {stack_bytes} of them stack")
    })
}

/// The number of windows to measure on.
fn windows_of(args: &args::Bench) -> usize {
    args.rows.map_or(ROWS, |rows| rows as usize)
}

/// Measures one detector, and checks its rows.
fn measure(args: &args::Bench, spec: &Spec, weights: &WeightsBlob, samples: &[f32]) -> anyhow::Result<Figures> {
    let count = windows_of(args);
    let target = args.common.target()?;
    let board = target.emulated.context("no board")?;
    let section = weights.section()?.context("no input section")?;
    let mut device = Session::detector(target, weights, None)?;
    let channels = usize::from(spec.channels);
    let (mut begun, mut front_end, mut network) = (0, 0, 0);
    for window in windows(&section, samples)? {
        // All but the last sample, then the last one alone.
        let [from, last] = [begun, window.end - 1].map(|sample| sample * channels);
        ensure!(device.observe(&samples[from..last])?.is_empty(), "a window ends too early");
        begun = window.end;
        let found = device.observe(&samples[last..last + channels])?;
        let complete = u64::from(device.instructions()?);
        let [found] = found[..] else { anyhow::bail!("the device has not completed a window") };
        ensure!(found.row == checksum(&window.row), "a row differs from that of this process");
        ensure!(device.monitor(&window.row)?.0 == found.score, "a score differs from that of the row");
        let scored = u64::from(device.instructions()?);
        front_end += complete.saturating_sub(scored);
        network += scored;
    }
    // Nothing but samples: as many as one command holds, in a new window.
    device.restart()?;
    let most = samples_in_command(spec).min(usize::from(spec.window) - 1);
    device.observe(&samples[..most * channels])?;
    // None of them, if each sample completes a window.
    let sample = u64::from(device.instructions()?).checked_div(most as u64).unwrap_or_default();
    let mut ram = device.finish()?.ram;
    let front_end = front_end / count as u64;
    let mut step = None;
    if board.detector_learns() {
        let (whole, used) = learn(args, spec, weights, samples)?;
        step = Some(whole.saturating_sub(front_end));
        ram = used;
    }
    Ok(Figures {
        front_end_instructions: front_end,
        network_instructions: network / count as u64,
        sample_instructions: sample,
        step_instructions: step,
        image_code_bytes: BoardImages::detector(board)?.layout(Program::Detector)?.flash,
        image_ram_bytes: ram.used(),
        stack_bytes: ram.stack,
    })
}

/// The instructions of a window in a run of learning, its row included, and the RAM that the run uses.
fn learn(args: &args::Bench, spec: &Spec, weights: &WeightsBlob, samples: &[f32]) -> anyhow::Result<(u64, Ram)> {
    let flash = flash_file::erased(weights.topology());
    let mut device = Session::detector(args.common.target()?, weights, Some(flash))?;
    let begin =
        Begin { method: Method::Adam, rate: Method::Adam.rate(), batch: 1, rows: 100, passes: 2, forced: false };
    device.status(LearningCommand::Begin(begin))?;
    let (mut instructions, mut steps) = (0, 0);
    // One sample at a time, so that the command that completes a window does nothing else.
    for sample in samples.chunks(spec.channels.into()) {
        if let [(_, false)] = device.learn_samples(sample)?[..] {
            instructions += u64::from(device.instructions()?);
            steps += 1;
        }
    }
    ensure!(steps > 0, "--rows: too few windows to learn from; expected more than {HELD_OUT}");
    device.judge()?;
    Ok((instructions / steps, device.finish()?.ram))
}
