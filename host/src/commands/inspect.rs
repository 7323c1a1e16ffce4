//! `inspect`: shows the contents of a weights blob.

use crate::args;
use crate::commands::sensor::describe as describe_front_end;
use autoencoder_core::blob::{Format, Thresholds, VERSION};
use autoencoder_core::quant::Weights;
use autoencoder_core::{Error, LayerSpec};
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::formats::ensure_not_checkpoint;
use autoencoder_io::number::{counted, percent};
use autoencoder_io::terminal::printable;
use autoencoder_io::topology::describe;
use host::detector::Sensor;
use host::weights::dequantise::unpack;
use std::fmt::Write;
use zerocopy::FromBytes;

/// Bars of the histogram.
const BINS: usize = 16;

pub fn run(args: &args::Inspect) -> anyhow::Result<String> {
    let file = BlobFile::read(&args.blob)?;
    ensure_not_checkpoint(&args.blob, file.bytes())?;
    let blob = file.open()?;
    let header = blob.header();
    let topology = &header.topology;
    let mut text = String::new();
    writeln!(text, "{}", args.blob.display())?;
    writeln!(text, "  format version   {VERSION}")?;
    writeln!(text, "  length           {} bytes", blob.bytes().len())?;
    let after = file.bytes().len() - blob.bytes().len();
    writeln!(text, "  after it         {}, ignored", counted(after, "byte"))?;
    writeln!(text, "  CRC-32           {:08x}", blob.crc())?;
    writeln!(text, "  numbers          {}", numbers(header.format))?;
    writeln!(text, "  accumulators     {}", if header.accumulators_checked { "checked" } else { "not checked" })?;
    writeln!(text, "  topology         {}", describe(topology))?;
    writeln!(text, "  trained for      {}", counted(header.steps, "step"))?;
    writeln!(text, "  input            real = {:.6} · (q - {})", header.input.scale, header.input.zero_point)?;
    let (elements, bits) = (counted(topology.code(), "element"), counted(header.code_bits, "bit"));
    writeln!(text, "  code             {elements}, {bits} an element")?;
    match header.thresholds {
        Thresholds::NONE => writeln!(text, "  thresholds       none")?,
        Thresholds { lower, upper } => writeln!(text, "  thresholds       scores from {lower} to {upper}")?,
    }
    writeln!(text, "  encoder          {} of {} layers", topology.encoder_layers(), topology.layers().len())?;
    sensor(&mut text, &file, blob.input().map_err(|source| file.error(source))?)?;
    writeln!(text, "\n  layer  inputs  outputs  activation  weights B  tables B  output: scale  zero")?;
    let mut numbers = Vec::new();
    let mut layers = blob.layers();
    for (number, spec) in (1..).zip(topology.layers()) {
        let layer = layers.next_layer().map_err(|source| file.error(source))?;
        let activation = format!("{:?}", spec.activation);
        writeln!(
            text,
            "  {number:5}  {:6}  {:7}  {activation:10}  {:9}  {:8}  {:13.6}  {:4}",
            spec.inputs,
            spec.outputs,
            layer.weights.len(),
            layer.channels.len(),
            layer.output.scale,
            layer.output.zero_point
        )?;
        numbers.extend(weights(header.format, *spec, layer.weights).ok_or_else(|| file.error(Error::Malformed))?);
    }
    writeln!(text, "\n  weights, all layers")?;
    histogram(&mut text, &numbers)?;
    Ok(text)
}

/// Shows the input section, if there is one.
fn sensor(text: &mut String, file: &BlobFile, section: &[u8]) -> anyhow::Result<()> {
    if section.is_empty() {
        writeln!(text, "  input section    none: rows are the network's inputs")?;
        return Ok(());
    }
    let sensor = Sensor::read(section).map_err(|source| file.error(source))?;
    let Sensor { spec, names, scales, .. } = &sensor;
    writeln!(text, "  input section    {}", counted(section.len(), "byte"))?;
    let names = if names.is_empty() { "no names".to_owned() } else { printable(&names.join(", ")) };
    writeln!(text, "    channels       {}: {names}", spec.channels)?;
    let rate = if spec.rate > 0.0 { format!(" at {} Hz", spec.rate) } else { String::new() };
    writeln!(text, "    windows        {} every {}{rate}", counted(spec.window, "sample"), spec.hop)?;
    writeln!(text, "    front end      {}", describe_front_end(spec.front_end))?;
    writeln!(text, "    false alarms   {} asked for", percent(sensor.rate()))?;
    let steps = scales.iter().map(|scale| 1.0 / scale.gain);
    let (finest, coarsest) = (steps.clone().fold(f32::INFINITY, f32::min), steps.fold(0.0, f32::max));
    writeln!(
        text,
        "    scales         {} with steps from {finest:.3e} to {coarsest:.3e}",
        counted(scales.len(), "input")
    )?;
    Ok(())
}

/// The format of the weights, and the processors that it is for.
fn numbers(format: Format) -> &'static str {
    match format {
        Format::F32 => "F32, for export and evaluation",
        Format::Int8 => "Int8, two rows in a lane, for every processor",
        Format::Int4 => "Int4, four rows in a lane, for every processor",
        Format::Int8Rows => "Int8, row by row, for a processor with Helium (Cortex-M55, Cortex-M85)",
        _ => "of a format that this program does not know",
    }
}

/// The weights of a layer as numbers, without its padding; `None` if the bytes are none.
fn weights(format: Format, spec: LayerSpec, bytes: &[u8]) -> Option<Vec<f32>> {
    let integers = match format {
        Format::F32 => {
            let numbers = bytes.as_chunks().0.iter().take(spec.weights());
            return Some(numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect());
        }
        Format::Int8 => Weights::Int8(<[_]>::ref_from_bytes(bytes).ok()?),
        Format::Int4 => Weights::Int4(<[_]>::ref_from_bytes(bytes).ok()?),
        Format::Int8Rows => Weights::Int8Rows(bytes),
        _ => return None,
    };
    Some(unpack(spec, integers).into_iter().map(f32::from).collect())
}

/// Writes the histogram of some numbers: [`BINS`] equal intervals from minus the largest absolute value to that value.
fn histogram(text: &mut String, numbers: &[f32]) -> anyhow::Result<()> {
    let largest = numbers.iter().fold(f32::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
    let mut counts = [0usize; BINS];
    for x in numbers {
        counts[(((x / largest + 1.0) * (BINS / 2) as f32) as usize).min(BINS - 1)] += 1;
    }
    let most = counts.into_iter().max().unwrap_or(1).max(1);
    for (i, count) in counts.iter().enumerate() {
        let from = largest * (2.0 * i as f32 / BINS as f32 - 1.0);
        let to = largest * (2.0 * (i + 1) as f32 / BINS as f32 - 1.0);
        let bar = "█".repeat((count * 40).div_ceil(most));
        writeln!(text, "  {from:9.3} .. {to:9.3}  {count:8}  {bar}")?;
    }
    Ok(())
}
