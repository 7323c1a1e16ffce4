//! `firmware-sim train`: a whole small network trained on the device, from random weights.

use crate::board::firmware::Program;
use crate::link::stack::Stack;
use crate::link::{Kind, Ram, report_stream};
use crate::random::Random;
use crate::rows::{Count, Folder, Set, Shape, set_noun};
use crate::terminal::note;
use crate::writable::{after_picture, ensure_writable};
use crate::{args, drawing};
use anyhow::{Context, anyhow, bail, ensure};
use autoencoder_device::app::Probes;
use autoencoder_device::frame;
use autoencoder_device::tiny::{BATCH, DRAWN, PIXELS, RAM, Report, Task, TinyTraining};
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use autoencoder_io::number::counted;
use autoencoder_io::zeroed_box;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// How many training and test images are taken by default.
const IMAGES: usize = 4000;
const TEST_IMAGES: usize = 500;

/// A row that is trained on: an image of 8 by 8 pixels, or other values.
type Row = [u8; PIXELS];

pub fn run(args: &args::Train) -> anyhow::Result<String> {
    let folder = args.data.path()?;
    let data = Folder::data(&folder);
    let (count, test_count) =
        (Count::or("--rows", args.rows, IMAGES), Count::or("--test-rows", args.test_rows, TEST_IMAGES));
    let (learned, _) = reduced(data, Set::Training, count)?;
    let (held_out, shape) = reduced(data, Set::Test, test_count)?;
    let there = held_out.len();
    ensure!(
        there >= BATCH,
        "{}: {}; training takes {BATCH}",
        folder.display(),
        counted(there, &set_noun(Set::Test, shape))
    );
    let task = Task { steps: args.steps, learned: &learned, held_out: &held_out };
    if let Some(path) = &args.export {
        ensure_writable(&[path], [folder.as_path()])?;
        let contents = flash(&task);
        files::replace(path, &contents, &PROTECTED)?;
        if args.json {
            return Ok(format!("{}\n", json!({ "export": path.display().to_string(), "bytes": contents.len() })));
        }
        return Ok(format!("{}: the flash contents for a board to train a whole network\n", path.display()));
    }
    ensure_writable(&[&args.out], [folder.as_path()])?;
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
    let picture = drawing::png(&[&originals, images], shape).write(&args.out);
    if args.json {
        let object = json!({
            "steps": args.steps,
            "batch": BATCH,
            "rows": learned.len(),
            "test_rows": held_out.len(),
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
        return after_picture(format!("{object}\n"), picture);
    }
    let mut text = drawing::terminal(Some(&originals), images, shape);
    let count = shape.counted(learned.len());
    writeln!(text, "\n64-16-4-16-64 in f32 from random weights, {count}, batches of {BATCH}")?;
    writeln!(text, "    step  MSE of {}", counted(there, &set_noun(Set::Test, shape)))?;
    for (step, mse, _) in progress {
        writeln!(text, "  {step:6}  {mse:.6}")?;
    }
    let what = shape.plural();
    writeln!(
        text,
        "CRC-32 of all parameters: {crc:08x}; test {what} above their reconstructions: {}",
        args.out.display()
    )?;
    if *instructions > 0 {
        writeln!(text, "{instructions} instructions for a step")?;
    }
    let Ram { statics, stack, heap, .. } = ram;
    writeln!(text, "RAM {} of {RAM} bytes: static {statics}, stack {stack}, heap {heap}", ram.used())?;
    after_picture(text, picture)
}

/// The first rows of a set, each reduced to 64 values, and their shape.
fn reduced(data: Folder<'_>, set: Set, count: Count) -> anyhow::Result<(Vec<Row>, Shape)> {
    let images = data.images(set)?;
    let from = Shape { width: images.width, height: images.height };
    let Some((reduction, shape)) = Reduction::new(from) else {
        let Shape { width, height } = from;
        let (path, size) = (data.path.display(), images.image_size());
        let what =
            if from.is_image() { format!("images of {width} by {height}") } else { format!("rows of {size} values") };
        bail!("{path}: {what}; training takes rows of 64 values, longer ones, or images of at least 8 by 8");
    };
    let count = count.resolve(images.len(), &set_noun(set, from), data.path)?;
    Ok(((0..count).map(|n| reduction.row(images.image(n))).collect(), shape))
}

/// Blocks of equal size in the middle of a row, whose means are its 64 values; what is left at the edges is left out.
#[derive(Clone, Copy)]
struct Reduction {
    /// Values from left to right, in the row and in a block.
    width: [usize; 2],
    /// The same from top to bottom.
    height: [usize; 2],
    /// Blocks from left to right.
    columns: usize,
}

impl Reduction {
    /// How rows of this shape are reduced, and the shape that comes of it: 8 by 8, or 64 values. Rows of 64 values stay as they
    /// are. `None` for smaller rows, and for images that are narrower or lower than 8 pixels.
    fn new(from: Shape) -> Option<(Self, Shape)> {
        let Shape { width, height } = from;
        let to = match (width, height) {
            _ if width * height == PIXELS => from,
            (_, 1) => Shape { width: PIXELS, height: 1 },
            _ => Shape { width: 8, height: 8 },
        };
        let [block_width, block_height] = [width / to.width, height / to.height];
        let reduction = Self { width: [width, block_width], height: [height, block_height], columns: to.width };
        (block_width > 0 && block_height > 0).then_some((reduction, to))
    }

    fn row(self, row: &[u8]) -> Row {
        let Self { width: [width, across], height: [height, down], columns } = self;
        let rows = PIXELS / columns;
        let [left, top] = [(width - columns * across) / 2, (height - rows * down) / 2];
        std::array::from_fn(|i| {
            let corner = (top + down * (i / columns)) * width + left + across * (i % columns);
            let block = (0..across * down).map(|j| usize::from(row[corner + j / across * width + j % across]));
            ((block.sum::<usize>() + across * down / 2) / (across * down)) as u8
        })
    }
}

/// The reports of a device about its training.
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
        training.train(task, &Probes::NONE, &mut |report| {
            // Only a line needs signs of life. The buffer has room for the other reports.
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

/// The RAM of training in this process.
pub fn measure() -> anyhow::Result<Ram> {
    let images = [[128; PIXELS]; BATCH];
    Ok(in_process(&Task { steps: 1, learned: &images, held_out: &images })?.ram)
}

/// What training takes on the emulated board, and the instructions of a step; on the first training rows, or on pseudo-random
/// ones if those cannot be reduced.
pub fn emulate(data: &Path, steps: u32) -> anyhow::Result<(Ram, u32)> {
    const ROWS: usize = 500;
    let rows = match reduced(Folder::data(data), Set::Training, Count::UpTo(ROWS)) {
        Ok((rows, _)) if rows.len() > BATCH => rows,
        rows => {
            let few = || anyhow!("{}: too few rows", data.display());
            note(&format!("64-16-4-16-64 is trained on pseudo-random rows: {:#}", rows.err().unwrap_or_else(few)));
            let mut random = Random::new();
            (0..ROWS).map(|_| *random.row(PIXELS).first_chunk().unwrap_or(&[0; PIXELS])).collect()
        }
    };
    let (learned, held_out) = rows.split_at((4 * rows.len() / 5).clamp(1, rows.len() - BATCH));
    let Reports { ram, instructions, .. } = on_device(&Task { steps, learned, held_out }, &Kind::Qemu)?;
    Ok((ram, instructions))
}

/// The contents of the device's flash.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn reduce(width: usize, height: usize, row: &[u8]) -> Option<(Vec<u8>, Shape)> {
        let (reduction, shape) = Reduction::new(Shape { width, height })?;
        Some((reduction.row(row).to_vec(), shape))
    }

    #[test]
    fn an_image_is_reduced_to_the_means_of_its_blocks() {
        let shape = Shape { width: 8, height: 8 };
        // Blocks of 3 by 3 behind two columns and two rows that are left out, as an independent sum has them.
        let image: Vec<u8> = (0..784).map(|i| (i * 37 % 251) as u8).collect();
        let mut expected = Vec::new();
        for y in 0..8 {
            for x in 0..8 {
                let block = (0..3).flat_map(|dy| (0..3).map(move |dx| (2 + 3 * y + dy) * 28 + 2 + 3 * x + dx));
                expected.push((block.map(|i| f64::from(image[i])).sum::<f64>() / 9.0).round() as u8);
            }
        }
        assert_eq!(reduce(28, 28, &image), Some((expected, shape)));
        let image: Vec<u8> =
            (0..17 * 9).map(|i| if i / 17 == 8 || i % 17 == 16 { 0 } else { (i % 17) as u8 }).collect();
        let columns: Vec<u8> = (0..64).map(|i| 2 * (i % 8) + 1).collect();
        assert_eq!(reduce(17, 9, &image), Some((columns, shape)), "the mean of 0 and 1 is rounded to 1");
    }

    #[test]
    fn rows_of_64_values_stay_as_they_are_and_longer_ones_are_reduced() {
        let row: Vec<u8> = (0..64).collect();
        for (width, height) in [(64, 1), (8, 8), (16, 4), (4, 16), (1, 64)] {
            assert_eq!(reduce(width, height, &row), Some((row.clone(), Shape { width, height })));
        }
        let long: Vec<u8> = (0..130).map(|i| (i.max(1) - 1) as u8 / 2).collect();
        assert_eq!(reduce(130, 1, &long), Some((row, Shape { width: 64, height: 1 })));
        for (width, height) in [(63, 1), (5, 6), (7, 100), (100, 7), (1, 1)] {
            assert_eq!(reduce(width, height, &[0; 700]), None, "{width} by {height}");
        }
    }
}
