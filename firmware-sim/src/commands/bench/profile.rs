//! Counts the instructions of each layer with a separate image, the profiler.

use crate::board::firmware::Program;
use crate::codes;
use crate::link::Link;
use crate::link::flashed::Firmware;
use crate::link::qemu::Qemu;
use crate::weights::WeightsBlob;
use anyhow::{Context, bail};
use autoencoder_core::quant::code;
use autoencoder_device::{Command, Reply, Request, Response, frame};
use serde_json::json;
use std::fmt::Write;

/// Instructions of a layer: the total, and the part of it that prepares the inputs.
type Layer = [u32; 2];

/// The profiler, which counts the instructions of each layer.
pub struct Profile {
    device: Qemu,
    buffer: Vec<u8>,
}

impl Profile {
    pub fn boot(firmware: &Firmware<'_>) -> anyhow::Result<Self> {
        Ok(Self { device: firmware.boot(Program::Profile)?, buffer: vec![0; frame::frame_bytes(1 << 16)] })
    }

    /// The instructions of each layer to encode or to decode.
    pub fn layers(&mut self, command: Command<'_>) -> anyhow::Result<Vec<Layer>> {
        let request = frame::write(&Request { sequence: 1, command }, &mut self.buffer)?;
        let mut answer = self.device.exchange(request)?.to_vec();
        let Ok(Reply::Code { code, .. }) = Response::read(frame::read(&mut answer)?)?.result else {
            bail!("the profiler sent no counts");
        };
        let words: Vec<u32> = code.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        Ok(words.as_chunks::<2>().0.to_vec())
    }

    /// The instructions of each layer to decode the code in a frame. Its elements are sent one per byte.
    pub fn decode(&mut self, frame: &[u8], weights: &WeightsBlob) -> anyhow::Result<Vec<Layer>> {
        let codes = codes::read(frame).codes;
        let code = codes.first().context("the device sent no code")?;
        let mut elements = code.packed.clone();
        elements.resize(weights.topology().code(), 0);
        code::unpack(&mut elements, weights.header.code_bits);
        self.layers(Command::Decode { identity: code.identity, code: &elements })
    }
}

/// Means over rows.
#[derive(Default)]
pub struct Mean {
    count: u64,
    total: u64,
    layers: Vec<[u64; 2]>,
}

impl Mean {
    pub fn add(&mut self, total: u32, layers: Vec<Layer>) {
        self.count += 1;
        self.total += u64::from(total);
        self.layers.resize(layers.len(), [0; 2]);
        for (sum, layer) in self.layers.iter_mut().zip(layers) {
            *sum = [0, 1].map(|part| sum[part] + u64::from(layer[part]));
        }
    }

    pub fn total(&self) -> u64 {
        self.total / self.count.max(1)
    }

    /// For each layer, the instructions that prepare its inputs, and those for its rows of weights.
    fn layers(&self) -> impl Iterator<Item = [u64; 2]> {
        let count = self.count.max(1);
        self.layers.iter().map(move |[whole, prepare]| [prepare / count, whole.saturating_sub(*prepare) / count])
    }

    /// The instructions outside the layers: finding the command, and copying the row or the code.
    fn rest(&self) -> u64 {
        self.total().saturating_sub(self.layers().flatten().sum())
    }

    pub fn json(&self) -> serde_json::Value {
        let layers = self.layers().map(|[prepare, rows]| json!({ "inputs": prepare, "rows": rows }));
        json!(layers.collect::<Vec<_>>())
    }

    pub fn text(&self, text: &mut String, name: &str) -> std::fmt::Result {
        writeln!(text, "  {name:38} {:9}", self.total())?;
        for (i, [prepare, rows]) in (1..).zip(self.layers()) {
            writeln!(text, "    layer {i:<2} {:9}  inputs {prepare:6}, rows {rows:9}", prepare + rows)?;
        }
        writeln!(text, "    other    {:9}", self.rest())
    }
}
