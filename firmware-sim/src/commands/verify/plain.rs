//! A network of integers by plain loops, straight from the bytes of its blob: the oracle of `verify`.
//!
//! It shares no arithmetic with the device. Weights, channels, sums, activations and the rounding of the code are computed
//! as docs/blob-format.md writes them.

use crate::link::session::LayerDigest;
use crate::weights::WeightsBlob;
use anyhow::Context;
use autoencoder_core::LayerSpec;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::{Format, RawLayer};
use autoencoder_core::crc::Digest;

/// A network whose weights are unpacked.
pub struct PlainNetwork {
    layers: Vec<Layer>,
    encoder_layers: usize,
    code_bits: u8,
}

struct Layer {
    spec: LayerSpec,
    zero_point: i64,
    /// `w[o][i]`, row by row, without padding.
    weights: Vec<i64>,
    /// Bias and multiplier of each output.
    channels: Vec<[i64; 2]>,
}

impl PlainNetwork {
    /// Unpacks the weights of a blob.
    pub fn new(weights: &WeightsBlob) -> anyhow::Result<Self> {
        let blob = weights.blob()?;
        let mut reader = blob.layers();
        let layers = weights.topology().layers().iter().map(|spec| {
            let raw = reader.next_layer()?;
            Layer::new(*spec, &raw, blob.header().format).context("a layer is cut off")
        });
        let layers = layers.collect::<anyhow::Result<_>>()?;
        let encoder_layers = weights.topology().encoder_layers();
        Ok(Self { layers, encoder_layers, code_bits: blob.header().code_bits })
    }

    /// The outputs of each layer for a row. The decoder gets the code as it is rounded for the line.
    pub fn outputs(&self, row: &[u8]) -> Vec<Vec<u8>> {
        let mut x = row.to_vec();
        let outputs = (1..).zip(&self.layers).map(|(count, layer)| {
            x = layer.forward(&x);
            if count == self.encoder_layers {
                for element in &mut x {
                    *element = self.rounded(*element);
                }
            }
            x.clone()
        });
        outputs.collect()
    }

    /// `floor((level · 255 + floor(steps / 2)) / steps)`, the level being `floor((element · steps + 127) / 255)`.
    fn rounded(&self, element: u8) -> u8 {
        let steps = (1u32 << self.code_bits) - 1;
        let level = (u32::from(element) * steps + 127) / 255;
        ((level * 255 + steps / 2) / steps) as u8
    }
}

/// The digest of the first `layers` layers' outputs, and the score of the row that they are of.
pub fn digest(row: &[u8], outputs: &[Vec<u8>], layers: usize) -> LayerDigest {
    let mut digest = Digest::new();
    outputs.iter().take(layers).for_each(|outputs| digest.update(outputs));
    let last = outputs.last().map_or(&[][..], Vec::as_slice);
    let score = row.iter().zip(last).map(|(x, y)| u32::from(x.abs_diff(*y)).pow(2)).sum();
    LayerDigest { crc: digest.finalize(), score }
}

impl Layer {
    fn new(spec: LayerSpec, raw: &RawLayer<'_>, format: Format) -> Option<Self> {
        let [inputs, outputs] = spec.sizes();
        let padded = inputs.next_multiple_of(4);
        let half = |at: usize| Some(i64::from(i16::from_le_bytes(*raw.weights.get(2 * at..)?.first_chunk()?)));
        let mut weights = Vec::new();
        for o in 0..outputs {
            let (group, row) = (o / 4, o % 4);
            for i in 0..inputs {
                weights.push(if format == Format::Int8Rows {
                    i64::from(*raw.weights.get(o * padded + i)?) - 128
                } else if format == Format::Int4 {
                    // A word for four rows by two inputs: its lower half is the first input.
                    let lane = half((group * padded / 2 + i / 2) * 2 + i % 2)?;
                    (lane >> (4 * row) & 0xf) - 8
                } else {
                    // Sixteen bytes for four rows by four inputs: for each pair of inputs, rows 0 and 1, then 2 and 3.
                    let lane = half((group * padded / 4 + i / 4) * 8 + i % 4 / 2 * 4 + row / 2 * 2 + i % 2)?;
                    let even = i64::from(lane as i8);
                    if row % 2 == 0 { even } else { (lane - even) / 256 }
                });
            }
        }
        let word = |at: usize| Some(i64::from(i32::from_le_bytes(*raw.channels.get(4 * at..)?.first_chunk()?)));
        let channels = (0..outputs).map(|o| Some([word(2 * o)?, word(2 * o + 1)?])).collect::<Option<_>>()?;
        Some(Self { spec, zero_point: raw.output.zero_point.into(), weights, channels })
    }

    fn forward(&self, x: &[u8]) -> Vec<u8> {
        let x: Vec<i64> = x.iter().map(|x| i64::from(*x)).collect();
        let rows = self.weights.chunks(x.len()).zip(&self.channels);
        let outputs = rows.map(|(row, [bias, multiplier])| {
            let acc = row.iter().zip(&x).map(|(w, x)| w * x).sum::<i64>() + bias;
            let index = (acc * multiplier + (1 << 31)) >> 32;
            match self.spec.activation {
                ActivationKind::Sigmoid => sigmoid(index),
                ActivationKind::Relu => index.clamp(0, 255) as u8,
                ActivationKind::Identity => (index + self.zero_point).clamp(0, 255) as u8,
            }
        });
        outputs.collect()
    }
}

/// `round(255 / (1 + e^(-index / 64)))`, the index clamped to the table's.
fn sigmoid(index: i64) -> u8 {
    let z = index.clamp(-512, 511) as f64 / 64.0;
    (255.0 / (1.0 + (-z).exp())).round() as u8
}
