//! `host inspect`

use crate::args;
use autoencoder_core::blob::{Format, NO_THRESHOLD, VERSION};
use autoencoder_core::model::name_of;
use autoencoder_core::quant::{Octet, Quad};
use host::blob_file::BlobFile;
use std::fmt::Write;
use zerocopy::FromBytes;

/// Bars of the histogram.
const BINS: usize = 16;

pub fn run(args: &args::Inspect) -> anyhow::Result<String> {
    let file = BlobFile::read(&args.blob)?;
    let blob = file.open()?;
    let header = blob.header();
    let mut text = String::new();
    writeln!(text, "{}", args.blob.display())?;
    writeln!(text, "  format version   {VERSION}")?;
    writeln!(text, "  length           {} bytes", blob.bytes().len())?;
    writeln!(text, "  behind it        {} bytes, ignored", file.bytes().len() - blob.bytes().len())?;
    writeln!(text, "  CRC-32           {:08x}", blob.crc())?;
    writeln!(text, "  numbers          {:?}", header.format)?;
    writeln!(text, "  accumulators     {}", if header.accumulators_checked { "checked" } else { "not checked" })?;
    writeln!(text, "  topology         {}", name_of(header).unwrap_or("not one of this program's"))?;
    writeln!(text, "  trained for      {} steps", header.steps)?;
    writeln!(text, "  input            real = {:.6} · (q - {})", header.input.scale, header.input.zero)?;
    writeln!(text, "  code             {} bits an element", header.code_bits)?;
    match header.threshold {
        NO_THRESHOLD => writeln!(text, "  threshold        none")?,
        threshold => writeln!(text, "  threshold        a score of {threshold}")?,
    }
    writeln!(text, "  encoder          {} of {} layers", header.encoder_layers, header.layers.len())?;
    writeln!(text, "\n  layer  inputs  outputs  activation  weights B  tables B  output: scale  zero")?;
    let mut numbers = Vec::new();
    let mut reader = blob.layers();
    for (i, spec) in header.layers.iter().enumerate() {
        let bulk = reader.layer().map_err(|source| file.error(source))?;
        let activation = format!("{:?}", spec.activation);
        writeln!(
            text,
            "  {:5}  {:6}  {:7}  {activation:10}  {:9}  {:8}  {:13.6}  {:4}",
            i + 1,
            spec.inputs,
            spec.outputs,
            bulk.weights.len(),
            bulk.channels.len(),
            bulk.output.scale,
            bulk.output.zero
        )?;
        match header.format {
            Format::F32 => {
                let weights = usize::from(spec.inputs) * usize::from(spec.outputs);
                let floats = bulk.weights.chunks_exact(4).take(weights);
                numbers.extend(floats.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            }
            Format::Int8 => {
                let quads = <[Quad]>::ref_from_bytes(bulk.weights).unwrap_or_default();
                numbers.extend(quads.iter().flat_map(|quad| quad.unpack()).flatten().map(f32::from));
            }
            Format::Int4 => {
                let octets = <[Octet]>::ref_from_bytes(bulk.weights).unwrap_or_default();
                numbers.extend(octets.iter().flat_map(|octet| octet.unpack()).flatten().map(f32::from));
            }
        }
    }
    writeln!(text, "\n  weights, all layers")?;
    histogram(&mut text, &numbers)?;
    Ok(text)
}

/// How many numbers lie in each of [`BINS`] equal intervals between the largest and its negative.
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
