//! `firmware-sim train`: a whole small network trained on the device, from random weights.

use super::image::Program;
use super::images::Count;
use super::link::{Kind, Memory};
use super::speaker;
use super::stack::Stack;
use super::{args, drawing, writable};
use anyhow::{Context, bail, ensure};
use firmware_sim::app::Board;
use firmware_sim::frame;
use firmware_sim::message::Usage;
use firmware_sim::whole::{BATCH, DRAWN, PIXELS, RAM, Report, Task, Whole};
use host::files;
use host::idx::Images;
use host::trainer::zeroed_box;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// Training and test images that are taken where nothing else is said.
const IMAGES: usize = 4000;
const TEST_IMAGES: usize = 500;

/// An image of 8 by 8 pixels.
type Image = [u8; PIXELS];

pub fn run(args: &args::Train) -> anyhow::Result<String> {
    let count = Count::or;
    let (learned, held_out) = (
        small(
            &Images::train(&args.source.data)?,
            count("--images", args.images, IMAGES),
            "training",
            &args.source.data,
        )?,
        small(
            &Images::test(&args.source.data)?,
            count("--test-images", args.test_images, TEST_IMAGES),
            "test",
            &args.source.data,
        )?,
    );
    let task = Task { steps: args.steps, learned: &learned, held_out: &held_out };
    if let Some(path) = &args.export {
        files::spare(path, [args.source.data.as_path()])?;
        files::replace(path, &flash(&task))?;
        return Ok(format!("{}: what a board needs in its flash that trains a whole network\n", path.display()));
    }
    files::spare(&args.out, [args.source.data.as_path()])?;
    writable(&args.out)?;
    let reports = match &args.link {
        Kind::InProcess => here(&task)?,
        link => there(&task, link)?,
    };
    let Reports { progress, images, memory, instructions, .. } = &reports;
    let (Some((_, before, _)), Some((_, after, crc))) = (progress.first(), progress.last()) else {
        bail!("the device said nothing of its training");
    };
    ensure!(memory.ram() <= RAM, "over budget: training takes {} bytes of RAM of {RAM}", memory.ram());
    let originals: Vec<Vec<u8>> = held_out.iter().take(DRAWN).map(|image| image.to_vec()).collect();
    drawing::png(&[&originals, images], PIXELS).write(&args.out)?;
    if args.json {
        let object = json!({
            "steps": args.steps,
            "batch": BATCH,
            "images": learned.len(),
            "test_images": held_out.len(),
            "mse_before": before,
            "mse_after": after,
            "parameters_crc": format!("{crc:08x}"),
            "progress": progress.iter().map(|(step, mse, crc)| json!([step, mse, format!("{crc:08x}")])).collect::<Vec<_>>(),
            "instructions_per_step": instructions,
            "ram_bytes": memory.ram(),
            "static_bytes": memory.statics,
            "stack_bytes": memory.stack,
            "heap_bytes": memory.heap,
            "out": args.out.display().to_string(),
        });
        return Ok(format!("{object}\n"));
    }
    let mut text = drawing::terminal(Some(&originals), images, PIXELS);
    writeln!(text, "\n64-16-4-16-64 in f32 from random weights, {} images, batches of {BATCH}", learned.len())?;
    writeln!(text, "    step  MSE of {} test images", held_out.len())?;
    for (step, mse, _) in progress {
        writeln!(text, "  {step:6}  {mse:.6}")?;
    }
    writeln!(text, "all parameters {crc:08x}; test images above their reconstructions: {}", args.out.display())?;
    if *instructions > 0 {
        writeln!(text, "{instructions} instructions for a step")?;
    }
    let Memory { statics, stack, heap } = memory;
    writeln!(text, "RAM {} of {RAM} bytes: static {statics}, stack {stack}, heap {heap}", memory.ram())?;
    Ok(text)
}

/// The first images, each a mean of 3 by 3 pixels; the outer two rows and columns are left out.
fn small(images: &Images, count: Count, set: &str, folder: &Path) -> anyhow::Result<Vec<Image>> {
    const WIDTH: usize = 28;
    ensure!(
        (images.height, images.width) == (WIDTH, WIDTH),
        "{}: images of {} by {}; it takes 28 by 28",
        folder.display(),
        images.width,
        images.height
    );
    let count = count.among(images.len(), set, folder)?;
    let mean = |image: &[u8], i: usize| {
        let corner = (2 + 3 * (i / 8)) * WIDTH + 2 + 3 * (i % 8);
        let block = (0..9).map(|j| u16::from(image[corner + j / 3 * WIDTH + j % 3]));
        ((block.sum::<u16>() + 4) / 9) as u8
    };
    Ok((0..count).map(|n| std::array::from_fn(|i| mean(images.image(n), i))).collect())
}

/// What a device said of its training.
#[derive(Default)]
struct Reports {
    /// CRC of the task that it carries out; `None` before it says so.
    task: Option<u32>,
    /// Steps, MSE, and CRC of the parameters.
    progress: Vec<(u32, f32, u32)>,
    /// The first test images, reconstructed.
    images: Vec<Vec<u8>>,
    memory: Memory,
    /// Of one step; 0 where nobody counts them.
    instructions: u32,
}

impl Reports {
    /// Takes the report in a frame; whether it was the last.
    fn add(&mut self, frame: &mut [u8]) -> anyhow::Result<bool> {
        let report = frame::read(frame).and_then(Report::read).context("what the device said of its training")?;
        match report {
            Report::Task(Some(crc)) => self.task = Some(crc),
            Report::Task(None) => bail!("the device has no task in its flash: --export writes what belongs there"),
            Report::Step(_) => {}
            Report::Progress { step, mse, crc } => self.progress.push((step, mse, crc)),
            Report::Image(pixels) => self.images.push(pixels.to_vec()),
            Report::Usage(Usage { static_bytes, stack_bytes, instructions }) => {
                self.memory = Memory { statics: static_bytes as usize, stack: stack_bytes as usize, heap: 0 };
                self.instructions = instructions;
            }
        }
        Ok(matches!(report, Report::Usage(_)))
    }
}

/// In this process, under guard.
fn here(task: &Task<'_>) -> anyhow::Result<Reports> {
    /// Of a frame of the longest report.
    const FRAME: usize = frame::frame_bytes(PIXELS);
    let mut whole = zeroed_box::<Whole>();
    let (mut stack, mut frames) = (Stack::new(), Vec::with_capacity(64 * FRAME));
    stack.guard(|| {
        whole.train(task, &Board::UNKNOWN, &mut |report| {
            // Signs of life are for a line: there is room for those that stay.
            if !matches!(report, Report::Step(_)) {
                frames.extend_from_slice(frame::write(report, &mut [0; FRAME]).unwrap_or_default());
            }
        });
    })?;
    let mut reports = Reports::default();
    for frame in frames.split_inclusive_mut(|byte| *byte == 0) {
        reports.add(frame)?;
    }
    reports.memory = Memory { statics: size_of::<Whole>(), stack: stack.used(), heap: 0 };
    Ok(reports)
}

/// What training takes in this process.
pub fn measured() -> anyhow::Result<Memory> {
    let images = [[128; PIXELS]; BATCH];
    Ok(here(&Task { steps: 1, learned: &images, held_out: &images })?.memory)
}

/// What training takes on the emulated board, and the instructions of a step.
pub fn emulated(data: &Path, steps: u32) -> anyhow::Result<(Memory, u32)> {
    let images = small(&Images::train(data)?, Count::Asked(500, "--data"), "training", data)?;
    let (learned, held_out) = images.split_at(400);
    let Reports { memory, instructions, .. } = there(&Task { steps, learned, held_out }, &Kind::Qemu)?;
    Ok((memory, instructions))
}

/// What lies in the device's flash.
fn flash(task: &Task<'_>) -> Vec<u8> {
    [task.header().as_flattened(), task.learned.as_flattened(), task.held_out.as_flattened()].concat()
}

/// On the device at the other end of a link.
fn there(task: &Task<'_>, link: &Kind) -> anyhow::Result<Reports> {
    let mut device = speaker::open(link, Program::Whole, &flash(task))?;
    let mut reports = Reports::default();
    while !reports.add(&mut device.hear()?)? {
        ensure!(
            reports.task.is_none_or(|crc| crc == task.crc()),
            "the device has another task in its flash: --export writes the one that belongs there"
        );
    }
    Ok(reports)
}
