//! `firmware-sim bench`: instructions by layer, code size and RAM of the device, and whether it computes the same bytes
//! as this process.
//!
//! Only the emulator counts instructions, with a timer that counts time on a real board. The code size is read from the
//! images that the emulator runs. Over the other links, the command measures RAM and stack and compares the bytes.

mod c;
mod detector;
mod learning;
mod profile;

use crate::board::budget_file::BudgetFile;
use crate::board::firmware::Program;
use crate::board::needs::activations;
use crate::board::{Board, ENGINE_ACTIVATIONS};
use crate::link::flashed::Firmware;
use crate::link::measure::{Estimate, ensure_room};
use crate::link::report::Report;
use crate::link::session::Session;
use crate::link::{Kind, Target};
use crate::random::{self, Random};
use crate::rows::{self, Count};
use crate::terminal::progress;
use crate::weights::WeightsBlob;
use crate::writable::text_after;
use crate::{args, codes};
use anyhow::{Context, ensure};
use autoencoder_core::LayerSpec;
use autoencoder_device::Command;
use autoencoder_io::number::counted;
use autoencoder_io::topology::{ensure_autoencoder, name};
use profile::{Mean, Profile};
use serde::Serialize;
use serde_json::json;
use std::fmt::Write;

/// The default number of test rows.
const ROWS: usize = 100;

/// The measurements of an image. Instructions and code size are available only in the emulator.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figures {
    encode_instructions: Option<u64>,
    /// To encode a row without zeros.
    encode_dense_instructions: Option<u64>,
    /// Also `None` if the device holds only the encoder.
    decode_instructions: Option<u64>,
    /// For encoding a row without zeros and for decoding.
    instructions_per_mac: Option<f64>,
    /// Code of the network and of the blob reader, without driver and protocol.
    engine_code_bytes: Option<usize>,
    image_code_bytes: Option<usize>,
    /// The engine's statics, and the stack.
    engine_ram_bytes: Option<usize>,
    /// RAM of the image that this network uses.
    image_ram_bytes: usize,
    stack_bytes: usize,
}

/// The measurements of images by their names, for a command that runs in the emulator alone.
struct Images<'a, F> {
    args: &'a args::Bench,
    board: &'static Board,
    budget: Option<BudgetFile>,
    figures: Vec<(String, F)>,
}

impl<'a, F: Serialize> Images<'a, F> {
    /// No measurements so far. `what` asks for them.
    fn new(args: &'a args::Bench, what: &str) -> anyhow::Result<Self> {
        ensure!(
            args.common.link == Kind::Qemu,
            "bench {what} measures images, which only the emulator can do (--link qemu)"
        );
        let budget = args.budget.as_deref().map(BudgetFile::read).transpose()?;
        let board = args.common.target()?.emulated.context("no board")?;
        Ok(Self { args, board, budget, figures: Vec::new() })
    }

    /// The figures as an object, or as what `text` writes of each image; with an error if one exceeds its budget.
    fn report(self, text: impl Fn(&mut String, &F) -> std::fmt::Result) -> anyhow::Result<String> {
        let (mut written, mut object) = (String::new(), json!({}));
        for (name, figures) in &self.figures {
            object[name] = json!(figures);
            writeln!(written, "{name}")?;
            text(&mut written, figures)?;
        }
        let written = if self.args.common.json { format!("{object}\n") } else { written };
        let check =
            |budget: BudgetFile| self.figures.iter().try_for_each(|(name, figures)| budget.check(name, figures));
        text_after(written, self.budget.map_or(Ok(()), check))
    }
}

/// The measurements over all rows.
struct Measured {
    encode: Mean,
    dense: Mean,
    decode: Mean,
    /// The number of rows that gave the same bytes as in process.
    equal: usize,
    report: Report,
}

pub fn run(args: &args::Bench) -> anyhow::Result<String> {
    if args.learning {
        return learning::run(args);
    }
    if args.detector {
        return detector::run(args);
    }
    if args.c {
        return c::run(args);
    }
    let counted = args.common.link == Kind::Qemu;
    ensure!(counted || args.budget.is_none(), "--budget: only the emulator counts instructions (--link qemu)");
    let budget = args.budget.as_deref().map(BudgetFile::read).transpose()?;
    let target = args.common.target()?;
    let weights = match args.network.get() {
        Some(topology) => {
            ensure_autoencoder(topology)?;
            let Estimate { footprint, .. } = Estimate::of_sizes(topology)?;
            ensure_room(&target, topology, &footprint, &name(topology))?; // before the weights are made
            random::weights(topology)?
        }
        None => WeightsBlob::find(args.common.weights.as_deref())?,
    };
    if let Some(section) = weights.section()? {
        return detector::run_blob(args, &weights, &section);
    }
    weights.ensure_encodes("bench")?;
    let rows = if args.network.get().is_some() {
        let mut random = Random::new();
        (0..args.rows.map_or(ROWS, |rows| rows as usize)).map(|_| random.row(weights.row())).collect()
    } else {
        rows::test(&args.data.path()?, Count::or("--rows", args.rows, ROWS), &weights)?.rows
    };
    let emulated = target.emulated;
    let device = Session::open(target, &weights)?;
    let firmware = emulated.map(|board| Firmware::new(board, &weights)).transpose()?;
    let decodes = weights.topology().has_decoder() && !device.encoder_alone();
    let measured = measure(device, firmware.as_ref(), &rows, decodes)?;
    let Measured { encode, dense, decode, equal, report } = &measured;
    let layout = |program| firmware.as_ref().map(|firmware| firmware.images.layout(program)).transpose();
    let (engine, image) = (layout(Program::Engine)?, layout(Program::Application)?);
    // The engine's image has a buffer for the default network; this network may need another one.
    let activations = activations(weights.topology(), report.emulated.unwrap_or(report.board));
    let (encoder, decoder) = weights.topology().layers().split_at(weights.topology().encoder_layers());
    let macs = |layers: &[LayerSpec]| layers.iter().map(|layer| layer.weights()).sum::<usize>();
    let macs = macs(encoder) + if decodes { macs(decoder) } else { 0 };
    let figures = Figures {
        encode_instructions: counted.then(|| encode.total()),
        encode_dense_instructions: counted.then(|| dense.total()),
        decode_instructions: (counted && decodes).then(|| decode.total()),
        instructions_per_mac: counted.then(|| (dense.total() + decode.total()) as f64 / macs as f64),
        engine_code_bytes: engine.map(|engine| engine.flash),
        image_code_bytes: image.map(|image| image.flash),
        engine_ram_bytes: engine.map(|engine| engine.statics - ENGINE_ACTIVATIONS + activations + report.ram.stack),
        image_ram_bytes: report.ram.used(),
        stack_bytes: report.ram.stack,
    };
    let network = weights.name();
    let name = firmware
        .as_ref()
        .map_or_else(|| format!("{}-{network}", report.board.name), |firmware| firmware.name(&network));
    let text = if args.common.json {
        measured.json(&figures, rows.len())?
    } else {
        let mut text = String::new();
        measured.text(&mut text, &name, rows.len(), &figures)?;
        text
    };
    let Some(budget) = budget else { return Ok(text) };
    let held = budget.check(&name, &figures).and_then(|()| {
        let (count, differ) = (rows.len(), rows.len() - equal);
        ensure!(differ == 0, "over budget: {differ} of {count} rows differ from the in-process result");
        Ok(())
    });
    text_after(text, held)
}

/// Sends the rows through the device, through this process and, in the emulator, through the profiler.
fn measure(
    mut device: Session<'_>,
    firmware: Option<&Firmware<'_>>,
    rows: &[Vec<u8>],
    decodes: bool,
) -> anyhow::Result<Measured> {
    let weights = device.weights;
    let mut here = Session::open(Target::reference(), weights)?;
    let mut profile = firmware.map(Profile::boot).transpose()?;
    let (mut encode, mut decode, mut equal) = (Mean::default(), Mean::default(), 0);
    for row in progress(rows) {
        let code = device.encode(row)?;
        if let Some(profile) = &mut profile {
            encode.add(device.instructions()?, profile.layers(Command::Encode { row })?);
        }
        let expected = here.encode(row)?;
        let mut same = same_code(&code, &expected);
        if weights.topology().has_decoder() {
            let decoded = device.decode_frame(&mut code.clone())?;
            if let Some(profile) = profile.as_mut().filter(|_| decodes) {
                let instructions = device.instructions()?;
                decode.add(instructions, profile.decode(&code, weights)?);
            }
            same &= decoded == here.decode_frame(&mut expected.clone())?;
        }
        equal += usize::from(same);
    }
    // The first row again, without zeros, so that the kernel skips nothing.
    let first = rows.first().context("no rows")?;
    let full: Vec<u8> = first.iter().map(|value| (*value).max(1)).collect();
    let mut dense = Mean::default();
    device.encode(&full)?;
    if let Some(profile) = &mut profile {
        dense.add(device.instructions()?, profile.layers(Command::Encode { row: &full })?);
    }
    Ok(Measured { encode, dense, decode, equal, report: device.finish()? })
}

/// Whether two frames carry the same code. Either may be from the whole network or from the encoder alone.
fn same_code(a: &[u8], b: &[u8]) -> bool {
    let [a, b] = [a, b].map(|frame| codes::read(frame).codes);
    a.len() == 1 && b.len() == 1 && a[0].packed == b[0].packed
}

impl Measured {
    fn json(&self, figures: &Figures, count: usize) -> anyhow::Result<String> {
        let Self { encode, dense, decode, equal, report } = self;
        let mut keys = serde_json::to_value(figures)?;
        keys["rows"] = json!(count);
        keys["equal_rows"] = json!(equal);
        keys["layers"] = json!({ "encode": encode.json(), "encode_dense": dense.json(), "decode": decode.json() });
        Ok(report.json(keys))
    }

    fn text(&self, text: &mut String, name: &str, count: usize, figures: &Figures) -> std::fmt::Result {
        let Self { encode, dense, decode, equal, report } = self;
        if let Some(per_mac) = figures.instructions_per_mac {
            writeln!(text, "instructions on {name}, the mean of {}", counted(count, "row"))?;
            encode.text(text, "encode")?;
            dense.text(text, "encode a row without zeros")?;
            if figures.decode_instructions.is_some() {
                decode.text(text, "decode")?;
            }
            writeln!(text, "{per_mac:.3} instructions for each multiply-accumulate if the row has no zeros")?;
        } else {
            writeln!(text, "{name}: only the emulator counts instructions and bytes of code (--link qemu)")?;
        }
        if let (Some(code), Some(ram)) = (figures.engine_code_bytes, figures.engine_ram_bytes) {
            writeln!(text, "engine  {code:6} bytes of code, {ram:5} of RAM")?;
        }
        let code = figures.image_code_bytes.map_or_else(String::new, |code| format!("{code:6} bytes of code, "));
        writeln!(text, "image   {code}{:5} of RAM, {} of them stack", figures.image_ram_bytes, figures.stack_bytes)?;
        let rows = counted(count, "row");
        writeln!(text, "{equal} of {rows}: codes and reconstructions are the same bytes as in process")?;
        report.text(text)
    }
}
