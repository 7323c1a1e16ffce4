//! `firmware-sim bench --learning`: what the images that learn take of the emulated board, and whether it is what they
//! may.

use super::boards::STAND_IN;
use super::image::{Images, Program};
use super::images::Count;
use super::limits::Limits;
use super::link::Kind;
use super::session::Session;
use super::shift::{Set, Shift};
use super::weights::Weights;
use super::{args, bench, flash, progress, train};
use anyhow::ensure;
use firmware_sim::learn::{Begin, HELD_OUT, Method};
use firmware_sim::message::Learning;
use serde::Serialize;
use serde_json::json;
use std::fmt::Write;

/// What an image that learns takes.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figures {
    /// For an image and its step, on average; of training a whole network, for a batch and its step.
    step_instructions: u64,
    image_code_bytes: usize,
    image_ram_bytes: usize,
    stack_bytes: usize,
}

pub fn run(args: &args::Bench) -> anyhow::Result<String> {
    ensure!(
        args.common.link == Kind::Qemu,
        "bench --learning counts instructions, which only the emulator can: --link qemu"
    );
    let limits = args.budget.as_deref().map(Limits::read).transpose()?;
    let weights = Weights::find(args.common.weights.as_deref())?;
    let measured = [
        (format!("{}-{}-learn", STAND_IN.name, weights.topology), adapting(args, &weights)?),
        (format!("{}-tiny-whole", STAND_IN.name), training(args)?),
    ];
    let mut text = String::new();
    let mut object = json!({});
    for (name, figures) in &measured {
        if let Some(limits) = &limits {
            limits.hold(name, figures)?;
        }
        object[name] = json!(figures);
        let Figures { step_instructions, image_code_bytes, image_ram_bytes, stack_bytes } = figures;
        writeln!(text, "{name}")?;
        writeln!(text, "  step  {step_instructions:9} instructions")?;
        writeln!(text, "  code  {image_code_bytes:9} bytes")?;
        writeln!(text, "  RAM   {image_ram_bytes:9} bytes, {stack_bytes} of them stack")?;
    }
    Ok(if args.common.json { format!("{object}\n") } else { text })
}

/// A course from its beginning to the record that keeps it.
fn adapting(args: &args::Bench, weights: &Weights) -> anyhow::Result<Figures> {
    let count = Count::or("--images", args.images, bench::IMAGES);
    let stream = Shift::default().images(&args.source.data, Set::Training, count.and(HELD_OUT), weights)?;
    let mut session = Session::learning(&args.common, weights, flash::erased())?;
    let images = stream.len().saturating_sub(HELD_OUT) as u32;
    let (method, batch) = (Method::Adam, 1);
    session.status(Learning::Begin(Begin { method, rate: method.rate(), batch, images }))?;
    let mut instructions = 0;
    for image in progress(&stream) {
        let (_, held_out) = session.learn(image)?;
        if !held_out {
            instructions += u64::from(session.instructions()?);
        }
    }
    ensure!(
        session.judge()?.kept.is_some(),
        "the course did not help: its end, which takes most stack, is not measured"
    );
    let memory = session.finish()?.memory;
    let (board, target) = STAND_IN.emulated();
    let code = Images::learning(board, target, weights.topology)?.layout(Program::Learner)?.flash;
    Ok(Figures {
        step_instructions: instructions / u64::from(images.max(1)),
        image_code_bytes: code,
        image_ram_bytes: memory.ram(),
        stack_bytes: memory.stack,
    })
}

/// A whole network trained for a while.
fn training(args: &args::Bench) -> anyhow::Result<Figures> {
    let (memory, instructions) = train::emulated(&args.source.data, 1000)?;
    let (_, target) = STAND_IN.emulated();
    Ok(Figures {
        step_instructions: instructions.into(),
        image_code_bytes: Images::training(Program::Whole, target)?.layout(Program::Whole)?.flash,
        image_ram_bytes: memory.ram(),
        stack_bytes: memory.stack,
    })
}
