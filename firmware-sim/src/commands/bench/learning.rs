//! `firmware-sim bench --learning`: instructions, code size and RAM of the images that learn, on the emulated board.

use super::{Images, ROWS};
use crate::board::STAND_IN;
use crate::board::firmware::{BoardImages, Program};
use crate::link::session::Session;
use crate::link::training;
use crate::rows::{Count, Rows, Set, ensure_some_left};
use crate::shift::Shift;
use crate::terminal::progress;
use crate::weights::WeightsBlob;
use crate::{args, flash_file};
use anyhow::ensure;
use autoencoder_device::learn::{Begin, HELD_OUT, Method};
use autoencoder_device::message::LearningCommand;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// The measurements of an image that learns.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figures {
    /// The mean for one step. A step of the learning device takes one row; a step that trains a whole network takes a
    /// batch.
    step_instructions: u64,
    image_code_bytes: usize,
    /// RAM of the image that this network uses.
    image_ram_bytes: usize,
    stack_bytes: usize,
}

pub fn run(args: &args::Bench) -> anyhow::Result<String> {
    let mut images = Images::new(args, "--learning")?;
    let weights = WeightsBlob::find(args.common.weights.as_deref())?;
    weights.ensure_whole("bench --learning")?;
    ensure!(
        weights.section()?.is_none(),
        "{}: a detector, whose learning is measured without --learning",
        weights.path.display()
    );
    let data = args.data.path()?;
    let name = format!("{}-{}-learn", STAND_IN.name, weights.name());
    images.figures.push((name, adapting(args, &data, &weights)?));
    images.figures.push((format!("{}-tiny", STAND_IN.name), training(&data)?));
    images.report(|text, figures| {
        let Figures { step_instructions, image_code_bytes, image_ram_bytes, stack_bytes } = figures;
        writeln!(text, "  step  {step_instructions:9} instructions")?;
        writeln!(text, "  code  {image_code_bytes:9} bytes")?;
        writeln!(text, "  RAM   {image_ram_bytes:9} bytes, {stack_bytes} of them stack")
    })
}

/// Measures a run of learning, from its beginning until its record is saved.
fn adapting(args: &args::Bench, data: &Path, weights: &WeightsBlob) -> anyhow::Result<Figures> {
    let count = Count::or("--rows", args.rows, ROWS);
    let Rows { rows: stream, shape } = Shift::default().rows(data, Set::Training, count.and(HELD_OUT), weights)?;
    let rows = ensure_some_left(stream.len(), shape, data)? as u32;
    let mut session = Session::learning(args.common.target()?, weights, flash_file::erased(weights.topology()))?;
    let (method, batch) = (Method::Adam, 1);
    session.status(LearningCommand::Begin(Begin {
        method,
        rate: method.rate(),
        batch,
        rows,
        passes: 1,
        forced: false,
    }))?;
    let mut instructions = 0;
    for row in progress(&stream) {
        let (_, held_out) = session.learn(row)?;
        if !held_out {
            instructions += u64::from(session.instructions()?);
        }
    }
    ensure!(
        session.judge()?.kept.is_ok(),
        "--rows: learning from {} does not help enough to be kept, and keeping needs the most stack; give more rows",
        shape.counted(rows as usize)
    );
    let ram = session.finish()?.ram;
    Ok(Figures {
        step_instructions: instructions / u64::from(rows),
        image_code_bytes: BoardImages::learner(STAND_IN)?.layout(Program::Learner)?.flash,
        image_ram_bytes: ram.used(),
        stack_bytes: ram.stack,
    })
}

/// Measures some steps that train a whole network.
fn training(data: &Path) -> anyhow::Result<Figures> {
    let (ram, instructions) = training::emulate(data, 1000)?;
    Ok(Figures {
        step_instructions: instructions.into(),
        image_code_bytes: BoardImages::training(Program::Tiny)?.layout(Program::Tiny)?.flash,
        image_ram_bytes: ram.used(),
        stack_bytes: ram.stack,
    })
}
