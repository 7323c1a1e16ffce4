//! `firmware-sim bench`: what the device takes of its processor, flash and RAM, by layer, and whether it gives the bytes
//! of this process.
//!
//! Instructions are counted by the emulator alone: the timer that counts them there counts time on a board, and in this
//! process nothing does. The code's size is read off the images that the emulator runs. Over the other links there
//! remain RAM, stack, and whether the bytes are the same.

use super::firmware::{self, Firmware};
use super::image::Program;
use super::images::Count;
use super::limits::{Figures, Limits};
use super::link::{Kind, Link};
use super::qemu::Qemu;
use super::session::Session;
use super::synthetic::{self, Random};
use super::weights::Weights;
use super::{args, images, progress};
use anyhow::{Context, bail, ensure};
use autoencoder_core::quant::code;
use firmware_sim::{Command, Reply, Request, Response, frame};
use serde_json::json;
use std::fmt::Write;

/// Test images that are taken where nothing else is said.
pub const IMAGES: usize = 100;

pub fn run(args: &args::Bench) -> anyhow::Result<String> {
    let counted = args.common.link == Kind::Qemu;
    ensure!(counted || args.budget.is_none(), "--budget: only the emulator counts instructions (--link qemu)");
    let limits = args.budget.as_deref().map(Limits::read).transpose()?;
    let weights = match &args.topology {
        Some(topology) => synthetic::weights(topology)?,
        None => Weights::find(args.common.weights.as_deref())?,
    };
    let images = if args.topology.is_some() {
        let mut random = Random::new();
        (0..args.images.map_or(IMAGES, |images| images as usize)).map(|_| random.row(weights.inputs)).collect()
    } else {
        images::test(&args.source.data, Count::or("--images", args.images, IMAGES), &weights)?
    };
    let board = firmware::board(&args.common)?;
    let firmware = counted.then(|| Firmware::of(board, &weights)).transpose()?;
    let mut device = Session::open(&args.common, &weights)?;
    let mut here = Session::open(&args::Common { board: None, ..args.common.here() }, &weights)?;
    let mut profile = firmware.as_ref().map(Profile::boot).transpose()?;
    let decodes = !device.encoder_only();
    let (mut encode, mut decode, mut equal) = (Mean::default(), Mean::default(), 0);
    for image in progress(&images) {
        let code = device.encode(image)?;
        if let Some(profile) = &mut profile {
            encode.add(device.instructions()?, profile.layers(Command::Encode { image })?);
        }
        let decoded = device.decode_frame(&mut code.clone())?;
        if let Some(profile) = profile.as_mut().filter(|_| decodes) {
            let instructions = device.instructions()?;
            decode.add(instructions, profile.decode(&code, weights.code)?);
        }
        let expected = here.encode(image)?;
        equal += usize::from(same_code(&code, &expected) && decoded == here.decode_frame(&mut expected.clone())?);
    }
    // The digit again, no pixel of it zero: nothing can be left out.
    let first = images.first().context("no images")?;
    let full: Vec<u8> = first.iter().map(|pixel| (*pixel).max(1)).collect();
    let mut dense = Mean::default();
    device.encode(&full)?;
    if let Some(profile) = &mut profile {
        dense.add(device.instructions()?, profile.layers(Command::Encode { image: &full })?);
    }
    let report = device.finish()?;
    let layout = |program| firmware.as_ref().map(|firmware| firmware.images.layout(program)).transpose();
    let (engine, image) = (layout(Program::Engine)?, layout(Program::Application)?);
    let [encoder_macs, decoder_macs] = weights.macs;
    let macs = encoder_macs + if decodes { decoder_macs } else { 0 };
    let figures = Figures {
        encode_instructions: counted.then(|| encode.total()),
        encode_dense_instructions: counted.then(|| dense.total()),
        decode_instructions: (counted && decodes).then(|| decode.total()),
        instructions_per_mac: counted.then(|| (dense.total() + decode.total()) as f64 / macs as f64),
        engine_code_bytes: engine.map(|engine| engine.flash),
        image_code_bytes: image.map(|image| image.flash),
        engine_ram_bytes: engine.map(|engine| engine.statics + report.memory.stack),
        image_ram_bytes: report.memory.ram(),
        stack_bytes: report.memory.stack,
    };
    let name = firmware
        .as_ref()
        .map_or_else(|| format!("{}-{}", board.name, weights.topology), |firmware| firmware.name(weights.topology));
    if let Some(limits) = limits {
        limits.hold(&name, &figures)?;
        ensure!(
            equal == images.len(),
            "over budget: {} of {} digits differ from the in-process result",
            images.len() - equal,
            images.len()
        );
    }
    let count = images.len();
    if args.common.json {
        let mut keys = serde_json::to_value(figures)?;
        keys["images"] = json!(count);
        keys["equal_digits"] = json!(equal);
        keys["layers"] = json!({ "encode": encode.json(), "encode_dense": dense.json(), "decode": decode.json() });
        return Ok(report.json(keys));
    }
    let mut text = String::new();
    if let Some(per_mac) = figures.instructions_per_mac {
        writeln!(text, "instructions on {name}, the mean of {count} digits")?;
        encode.text(&mut text, "encode")?;
        dense.text(&mut text, "encode an image without a zero pixel")?;
        if decodes {
            decode.text(&mut text, "decode")?;
        }
        writeln!(text, "{per_mac:.3} instructions for each multiply-accumulate where nothing is left out")?;
    } else {
        writeln!(text, "{name}: instructions and bytes of code are counted by the emulator alone (--link qemu)")?;
    }
    if let (Some(code), Some(ram)) = (figures.engine_code_bytes, figures.engine_ram_bytes) {
        writeln!(text, "engine  {code:6} bytes of code, {ram:5} of RAM")?;
    }
    let code = figures.image_code_bytes.map_or_else(String::new, |code| format!("{code:6} bytes of code, "));
    writeln!(text, "image   {code}{:5} of RAM, {} of them stack", figures.image_ram_bytes, figures.stack_bytes)?;
    writeln!(text, "{equal} of {count} digits: codes and images the same bytes as in process")?;
    report.text(&mut text)?;
    Ok(text)
}

/// Whether two frames carry the same code, with whichever part of the weights it was made.
fn same_code(a: &[u8], b: &[u8]) -> bool {
    let [a, b] = [a, b].map(|frame| super::codes::read(frame).0);
    a.len() == 1 && b.len() == 1 && a[0].packed == b[0].packed
}

/// What a layer took: all of it, and the preparation of its inputs.
type Layer = [u32; 2];

/// The image that counts its layers.
struct Profile {
    device: Qemu,
    buffer: Vec<u8>,
}

impl Profile {
    fn boot(firmware: &Firmware<'_>) -> anyhow::Result<Self> {
        Ok(Self { device: firmware.boot(Program::Profile)?, buffer: vec![0; frame::frame_bytes(1 << 16)] })
    }

    /// What each layer takes to encode or to decode.
    fn layers(&mut self, command: Command<'_>) -> anyhow::Result<Vec<Layer>> {
        let request = frame::write(&Request { sequence: 1, command }, &mut self.buffer)?;
        let mut answer = self.device.exchange(request)?.to_vec();
        let Ok(Reply::Code { code, .. }) = Response::read(frame::read(&mut answer)?)?.result else {
            bail!("the image that counts layers sent no counts");
        };
        let words: Vec<u32> = code.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        Ok(words.as_chunks::<2>().0.to_vec())
    }

    /// The same for the code in a frame; its elements are sent one to a byte.
    fn decode(&mut self, frame: &[u8], (elements, bits): (usize, u8)) -> anyhow::Result<Vec<Layer>> {
        let (codes, _) = super::codes::read(frame);
        let code = codes.first().context("the device sent no code")?;
        let mut row = code.packed.clone();
        row.resize(elements, 0);
        code::unpack(&mut row, bits);
        self.layers(Command::Decode { weights: code.weights, code: &row })
    }
}

/// Means over digits.
#[derive(Default)]
struct Mean {
    count: u64,
    total: u64,
    layers: Vec<[u64; 2]>,
}

impl Mean {
    fn add(&mut self, total: u32, layers: Vec<Layer>) {
        self.count += 1;
        self.total += u64::from(total);
        self.layers.resize(layers.len(), [0; 2]);
        for (sum, layer) in self.layers.iter_mut().zip(layers) {
            *sum = [0, 1].map(|part| sum[part] + u64::from(layer[part]));
        }
    }

    fn total(&self) -> u64 {
        self.total / self.count.max(1)
    }

    /// Each layer: the preparation of its inputs, and its rows.
    fn layers(&self) -> impl Iterator<Item = [u64; 2]> {
        let count = self.count.max(1);
        self.layers.iter().map(move |[whole, prepare]| [prepare / count, whole.saturating_sub(*prepare) / count])
    }

    /// What is not in a layer: the image or code is copied, the command found.
    fn rest(&self) -> u64 {
        self.total().saturating_sub(self.layers().flatten().sum())
    }

    fn json(&self) -> serde_json::Value {
        let layers = self.layers().map(|[prepare, rows]| json!({ "inputs": prepare, "rows": rows }));
        json!(layers.collect::<Vec<_>>())
    }

    fn text(&self, text: &mut String, name: &str) -> std::fmt::Result {
        writeln!(text, "  {name:38} {:9}", self.total())?;
        for (i, [prepare, rows]) in (1..).zip(self.layers()) {
            writeln!(text, "    layer {i:<2} {:9}  inputs {prepare:6}, rows {rows:9}", prepare + rows)?;
        }
        writeln!(text, "    other    {:9}", self.rest())
    }
}
