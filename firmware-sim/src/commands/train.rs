//! `firmware-sim train`: a whole small network trained on the device, from random weights.

use crate::board::firmware::Program;
use crate::link::stack::Stack;
use crate::link::{Kind, Ram, report_stream};
use crate::rows::{Count, Shape};
use crate::writable::ensure_writable;
use crate::{args, drawing};
use anyhow::{Context, bail, ensure};
use autoencoder_device::app::Board;
use autoencoder_device::frame;
use autoencoder_device::tiny::{BATCH, DRAWN, PIXELS, RAM, Report, Task, TinyTraining};
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use autoencoder_io::idx::Images;
use autoencoder_io::zeroed_box;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// How many training and test images are taken by default.
const IMAGES: usize = 4000;
const TEST_IMAGES: usize = 500;

/// An image of 8 by 8 pixels.
type Image = [u8; PIXELS];

pub fn run(args: &args::Train) -> anyhow::Result<String> {
    let data = &args.source.data;
    let (count, test_count) =
        (Count::or("--images", args.images, IMAGES), Count::or("--test-images", args.test_images, TEST_IMAGES));
    let learned = reduce(&Images::train(data)?, count, "training", data)?;
    let held_out = reduce(&Images::test(data)?, test_count, "test", data)?;
    let task = Task { steps: args.steps, learned: &learned, held_out: &held_out };
    if let Some(path) = &args.export {
        files::ensure_not_input(path, [data.as_path()])?;
        files::replace(path, &flash(&task), &PROTECTED)?;
        return Ok(format!("{}: what a board needs in its flash to train a whole network\n", path.display()));
    }
    files::ensure_not_input(&args.out, [data.as_path()])?;
    ensure_writable(&args.out)?;
    let reports = match &args.link {
        Kind::InProcess => in_process(&task)?,
        link => on_device(&task, link)?,
    };
    let Reports { progress, images, ram, instructions, .. } = &reports;
    let (Some((_, before, _)), Some((_, after, crc))) = (progress.first(), progress.last()) else {
        bail!("the device reported nothing of its training");
    };
    ensure!(ram.used() <= RAM, "over budget: training takes {} bytes of RAM of {RAM}", ram.used());
    let originals: Vec<Vec<u8>> = held_out.iter().take(DRAWN).map(|image| image.to_vec()).collect();
    let shape = Shape::guess(PIXELS);
    drawing::png(&[&originals, images], shape).write(&args.out)?;
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
            "ram_bytes": ram.used(),
            "static_bytes": ram.statics,
            "stack_bytes": ram.stack,
            "heap_bytes": ram.heap,
            "out": args.out.display().to_string(),
        });
        return Ok(format!("{object}\n"));
    }
    let mut text = drawing::terminal(Some(&originals), images, shape);
    writeln!(text, "\n64-16-4-16-64 in f32 from random weights, {} images, batches of {BATCH}", learned.len())?;
    writeln!(text, "    step  MSE of {} test images", held_out.len())?;
    for (step, mse, _) in progress {
        writeln!(text, "  {step:6}  {mse:.6}")?;
    }
    writeln!(text, "all parameters {crc:08x}; test images above their reconstructions: {}", args.out.display())?;
    if *instructions > 0 {
        writeln!(text, "{instructions} instructions for a step")?;
    }
    let Ram { statics, stack, heap, .. } = ram;
    writeln!(text, "RAM {} of {RAM} bytes: static {statics}, stack {stack}, heap {heap}", ram.used())?;
    Ok(text)
}

/// The first images, each pixel a mean of 3 by 3 pixels; the outer two rows and columns are left out.
fn reduce(images: &Images, count: Count, set: &str, folder: &Path) -> anyhow::Result<Vec<Image>> {
    const WIDTH: usize = 28;
    ensure!(
        (images.height, images.width) == (WIDTH, WIDTH),
        "{}: images of {} by {}; training takes {WIDTH} by {WIDTH}",
        folder.display(),
        images.width,
        images.height
    );
    let count = count.resolve(images.len(), set, folder)?;
    let mean = |image: &[u8], i: usize| {
        let corner = (2 + 3 * (i / 8)) * WIDTH + 2 + 3 * (i % 8);
        let block = (0..9).map(|j| u16::from(image[corner + j / 3 * WIDTH + j % 3]));
        ((block.sum::<u16>() + 4) / 9) as u8
    };
    Ok((0..count).map(|n| std::array::from_fn(|i| mean(images.image(n), i))).collect())
}

/// What a device reported of its training.
#[derive(Default)]
struct Reports {
    /// CRC of the task that it carries out; `None` before it says so.
    task: Option<u32>,
    /// Steps, MSE, and CRC of the parameters.
    progress: Vec<(u32, f32, u32)>,
    /// The first test images, reconstructed.
    images: Vec<Vec<u8>>,
    ram: Ram,
    /// Of one step; 0 where nothing counts them.
    instructions: u32,
}

impl Reports {
    /// Takes the report in a frame and returns whether it was the last.
    fn add(&mut self, frame: &mut [u8]) -> anyhow::Result<bool> {
        let report = frame::read(frame).and_then(Report::read).context("what the device reported of its training")?;
        match report {
            Report::Task(Some(crc)) => self.task = Some(crc),
            Report::Task(None) => bail!("the device has no task in its flash: --export writes what belongs there"),
            Report::Step(_) => {}
            Report::Progress { step, mse, crc } => self.progress.push((step, mse, crc)),
            Report::Image(pixels) => self.images.push(pixels.to_vec()),
            Report::Usage(usage) => (self.ram, self.instructions) = (usage.into(), usage.instructions),
        }
        Ok(matches!(report, Report::Usage(_)))
    }
}

/// Trains in this process, under guard.
fn in_process(task: &Task<'_>) -> anyhow::Result<Reports> {
    /// Bytes of the frame of the longest report.
    const FRAME: usize = frame::frame_bytes(PIXELS);
    let mut training = zeroed_box::<TinyTraining>();
    let (mut stack, mut frames) = (Stack::new()?, Vec::with_capacity(64 * FRAME));
    stack.guard(|| {
        training.train(task, &Board::UNKNOWN, &mut |report| {
            // Signs of life are for a line. There is room for the other reports.
            if !matches!(report, Report::Step(_)) {
                frames.extend_from_slice(frame::write(report, &mut [0; FRAME]).unwrap_or_default());
            }
        });
    })?;
    let mut reports = Reports::default();
    for frame in frames.split_inclusive_mut(|byte| *byte == 0) {
        reports.add(frame)?;
    }
    reports.ram = Ram { statics: size_of::<TinyTraining>(), stack: stack.used(), ..Ram::default() };
    Ok(reports)
}

/// What training takes in this process.
pub fn measure() -> anyhow::Result<Ram> {
    let images = [[128; PIXELS]; BATCH];
    Ok(in_process(&Task { steps: 1, learned: &images, held_out: &images })?.ram)
}

/// What training takes on the emulated board, and the instructions of a step.
pub fn emulate(data: &Path, steps: u32) -> anyhow::Result<(Ram, u32)> {
    let images = reduce(&Images::train(data)?, Count::Asked(500, "--data"), "training", data)?;
    let (learned, held_out) = images.split_at(400);
    let Reports { ram, instructions, .. } = on_device(&Task { steps, learned, held_out }, &Kind::Qemu)?;
    Ok((ram, instructions))
}

/// What lies in the device's flash.
fn flash(task: &Task<'_>) -> Vec<u8> {
    [task.header().as_flattened(), task.learned.as_flattened(), task.held_out.as_flattened()].concat()
}

/// Trains on the device at the other end of a link.
fn on_device(task: &Task<'_>, link: &Kind) -> anyhow::Result<Reports> {
    let mut device = report_stream::open(link, Program::Tiny, &flash(task))?;
    let mut reports = Reports::default();
    while !reports.add(&mut device.next()?)? {
        ensure!(
            reports.task.is_none_or(|crc| crc == task.crc()),
            "the device has another task in its flash: --export writes the one that belongs there"
        );
    }
    Ok(reports)
}
