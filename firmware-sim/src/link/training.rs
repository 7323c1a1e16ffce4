//! A device that trains a whole small network, in this process or at the other end of a link.

use super::report_stream;
use super::stack::Stack;
use super::{Kind, Ram};
use crate::board::firmware::Program;
use crate::random::Random;
use crate::reduction::reduced;
use crate::rows::{Count, Folder, Set};
use crate::terminal::note;
use anyhow::{Context, anyhow, bail, ensure};
use autoencoder_device::app::Probes;
use autoencoder_device::frame;
use autoencoder_device::tiny::{BATCH, PIXELS, Report, Task, TinyTraining};
use autoencoder_io::zeroed_box;
use std::path::Path;

/// The reports of a device about its training.
#[derive(Default)]
pub struct Reports {
    /// CRC of the task that it carries out; `None` before its first report.
    task: Option<u32>,
    /// Steps, MSE, and CRC of the parameters.
    pub progress: Vec<(u32, f32, u32)>,
    /// The first test images, reconstructed.
    pub images: Vec<Vec<u8>>,
    pub ram: Ram,
    /// Instructions of one step; 0 if nothing counts them.
    pub instructions: u32,
}

impl Reports {
    /// Adds the report in a frame and returns whether it was the last.
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

/// Trains in this process, guarded.
pub fn in_process(task: &Task<'_>) -> anyhow::Result<Reports> {
    /// Bytes of the frame of the longest report.
    const FRAME: usize = frame::frame_bytes(PIXELS);
    let mut training = zeroed_box::<TinyTraining>();
    let (mut stack, mut frames) = (Stack::new()?, Vec::with_capacity(64 * FRAME));
    stack.guard(|| {
        training.train(task, &Probes::NONE, &mut |report| {
            // Only a line needs a report of each step. The buffer has room for the other reports.
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

/// The RAM of training on the emulated board, and the instructions of a step. It trains on the first training rows, or on
/// pseudo-random ones if those cannot be reduced.
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
pub fn flash(task: &Task<'_>) -> Vec<u8> {
    [task.header().as_flattened(), task.learned.as_flattened(), task.held_out.as_flattened()].concat()
}

/// Trains on the device at the other end of a link.
pub fn on_device(task: &Task<'_>, link: &Kind) -> anyhow::Result<Reports> {
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
