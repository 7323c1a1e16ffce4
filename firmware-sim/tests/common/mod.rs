//! Networks of pseudo-random integers: their blob, and what they compute, by plain loops.
#![allow(dead_code, missing_docs)] // each test program uses a part of it

use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::{Bulk, Format, Header, NO_THRESHOLD, Writer};
use autoencoder_core::quant::requantise::SIGMOID;
use autoencoder_core::quant::{Affine, Channel, Octet, Quad};
use autoencoder_core::{Layer, LayerSpec};
use zerocopy::IntoBytes;

/// A small linear congruential generator: the same numbers everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// `low..=high`
    pub fn range(&mut self, low: i32, high: i32) -> i32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + ((self.0 >> 33) % u64::from(low.abs_diff(high) + 1)) as i32
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.range(0, 255) as u8).collect()
    }
}

struct Dense {
    spec: LayerSpec,
    weights: Vec<Vec<i8>>,
    channels: Vec<Channel>,
}

/// An integer network with sigmoids.
pub struct Net {
    format: Format,
    layers: Vec<Dense>,
    encoder_layers: usize,
}

impl Net {
    pub fn new<E: Layer, D: Layer>(seed: u64) -> Self {
        Self::of::<E, D>(Format::Int8, seed)
    }

    /// With weights of 8 or 4 bits.
    pub fn of<E: Layer, D: Layer>(format: Format, seed: u64) -> Self {
        let (least, most) = if format == Format::Int4 { (-8, 7) } else { (-127, 127) };
        let mut random = Random::new(seed);
        let layers = E::specs().chain(D::specs()).map(|spec| {
            assert_eq!(spec.activation, ActivationKind::Sigmoid);
            let mut row = || (0..spec.inputs).map(|_| random.range(least, most) as i8).collect::<Vec<_>>();
            let weights: Vec<_> = (0..spec.outputs).map(|_| row()).collect();
            // So that the sums reach over the whole of the sigmoid table and a little beyond.
            let deviation = 0.29 * f64::from(most - least) * 147.0 * f64::from(spec.inputs).sqrt();
            let multiplier = (256.0 / deviation * 4_294_967_296.0) as i32;
            let bias = 800 * most;
            let mut channel =
                || Channel { bias: random.range(-bias, bias), multiplier: random.range(multiplier / 2, multiplier) };
            let channels = (0..spec.outputs).map(|_| channel()).collect();
            Dense { spec, weights, channels }
        });
        Self { format, layers: layers.collect(), encoder_layers: E::specs().count() }
    }

    /// Flips a bit of one weight.
    pub fn flip(&mut self, layer: usize, row: usize, input: usize) {
        let weight = &mut self.layers[layer].weights[row][input];
        *weight ^= 0x20;
        assert_ne!(*weight, i8::MIN, "no weight of a blob");
    }

    pub fn header(&self) -> Header {
        Header {
            format: self.format,
            accumulators_checked: true,
            steps: 30_000,
            input: Affine::UNIT,
            code_bits: 8,
            threshold: NO_THRESHOLD,
            encoder_layers: self.encoder_layers as u8,
            layers: self.layers.iter().map(|layer| layer.spec).collect(),
        }
    }

    pub fn blob(&self) -> Vec<u8> {
        self.blob_with(&self.header())
    }

    pub fn blob_with(&self, header: &Header) -> Vec<u8> {
        let mut buffer = vec![0; 600_000];
        let mut writer = Writer::new(&mut buffer, header).unwrap();
        for Dense { spec, weights, channels } in &self.layers {
            let mut packed = Vec::new();
            for rows in weights.chunks(4) {
                for i in (0..usize::from(spec.inputs)).step_by(if self.format == Format::Int4 { 2 } else { 4 }) {
                    if self.format == Format::Int4 {
                        let octet = Octet::pack([0, 1, 2, 3].map(|r| [rows[r][i], rows[r][i + 1]]));
                        packed.extend(octet.as_bytes());
                    } else {
                        let quad = Quad::pack([0, 1, 2, 3].map(|r| [0, 1, 2, 3].map(|c| rows[r][i + c])));
                        packed.extend(quad.as_bytes());
                    }
                }
            }
            let (channels, weights) = (channels.as_bytes(), &packed);
            writer.layer(Bulk { output: Affine::UNIT, channels, weights }).unwrap();
        }
        let length = writer.finish().unwrap().len();
        buffer.truncate(length);
        buffer
    }

    pub fn encode(&self, image: &[u8]) -> Vec<u8> {
        forward(&self.layers[..self.encoder_layers], image)
    }

    /// The outputs of every layer.
    pub fn stages(&self, image: &[u8]) -> Vec<Vec<u8>> {
        (1..=self.layers.len()).map(|count| forward(&self.layers[..count], image)).collect()
    }

    pub fn decode(&self, code: &[u8]) -> Vec<u8> {
        forward(&self.layers[self.encoder_layers..], code)
    }
}

fn forward(layers: &[Dense], x: &[u8]) -> Vec<u8> {
    layers.iter().fold(x.to_vec(), |x, layer| {
        let outputs = layer.weights.iter().zip(&layer.channels).map(|(row, channel)| {
            let sum: i128 = row.iter().zip(&x).map(|(w, x)| i128::from(*w) * i128::from(*x)).sum();
            let product = (sum + i128::from(channel.bias)) * i128::from(channel.multiplier);
            let index = 512 + (product + (1 << 31)).div_euclid(1 << 32);
            SIGMOID[index.clamp(0, 1023) as usize]
        });
        outputs.collect()
    })
}

/// The CRC at the end of a blob.
pub fn crc(blob: &[u8]) -> u32 {
    u32::from_le_bytes(*blob.last_chunk().unwrap())
}
