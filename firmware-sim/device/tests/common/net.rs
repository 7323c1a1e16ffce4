//! Networks of pseudo-random integers, of any shape: their blobs, and their outputs, computed by plain loops over
//! unpadded rows.
#![allow(dead_code, missing_docs)] // each test program uses a part of it

use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::{self, Format, Header, RawLayer, Thresholds};
use autoencoder_core::quant::{ChannelParams, Int4Tile, Int8Tile, QuantParams};
use autoencoder_core::{LayerSpec, Topology};
use zerocopy::IntoBytes;

/// A linear congruential generator: the same numbers on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number in `low..=high`.
    pub fn range(&mut self, low: i32, high: i32) -> i32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + ((self.0 >> 33) % u64::from(low.abs_diff(high) + 1)) as i32
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.range(0, 255) as u8).collect()
    }
}

/// A layer without padding.
#[derive(Clone)]
pub struct Layer {
    pub spec: LayerSpec,
    /// A row for each output.
    pub weights: Vec<Vec<i8>>,
    pub channels: Vec<ChannelParams>,
    pub output: QuantParams,
}

/// An integer network.
#[derive(Clone)]
pub struct Net {
    format: Format,
    code_bits: u8,
    topology: Topology,
    pub layers: Vec<Layer>,
}

impl Net {
    /// A network with weights of 8 bits. [`Topology`] parses `topology`.
    pub fn new(topology: &str, seed: u64) -> Self {
        Self::of(topology, Format::Int8, seed)
    }

    /// A network with weights of 8 or 4 bits.
    pub fn of(topology: &str, format: Format, seed: u64) -> Self {
        let topology: Topology = topology.parse().unwrap();
        let (least, most) = if format == Format::Int4 { (-8, 7) } else { (-127, 127) };
        let mut random = Random::new(seed);
        let layers = topology.layers().iter().map(|spec| {
            let mut row = || (0..spec.inputs).map(|_| random.range(least, most) as i8).collect::<Vec<_>>();
            let weights: Vec<_> = (0..spec.outputs).map(|_| row()).collect();
            // Scales the sums to the whole range of the outputs and a little beyond.
            let (indices, zero_point) = match spec.activation {
                ActivationKind::Sigmoid => (256.0, 0),
                ActivationKind::Relu => (150.0, 0),
                ActivationKind::Identity => (100.0, random.range(64, 192) as u8),
            };
            let deviation = 0.29 * f64::from(most - least) * 147.0 * f64::from(spec.inputs).sqrt();
            let multiplier = (indices / deviation * 4_294_967_296.0) as i32;
            let bias = 800 * most;
            let mut channel = || ChannelParams {
                bias: random.range(-bias, bias),
                multiplier: random.range(multiplier / 2, multiplier),
            };
            let channels = (0..spec.outputs).map(|_| channel()).collect();
            Layer { spec: *spec, weights, channels, output: QuantParams { zero_point, ..QuantParams::UNIT } }
        });
        let layers = layers.collect();
        Self { format, code_bits: 8, topology, layers }
    }

    /// A network that passes its inputs on: each unit averages the inputs at its own place, plus random contributions
    /// of all others. It can learn rows whose neighbouring elements are alike. Random weights alone pass on too little.
    pub fn relay(topology: &str, format: Format, seed: u64) -> Self {
        let mut net = Self::of(topology, format, seed);
        let (own, others) = if format == Format::Int4 { (7, 8) } else { (100, 10) };
        for layer in &mut net.layers {
            let [inputs, outputs] = layer.spec.sizes();
            for (o, (channel, weights)) in layer.channels.iter_mut().zip(&mut layer.weights).enumerate() {
                for (i, weight) in weights.iter_mut().enumerate() {
                    let is_own = i * outputs / inputs == o || o * inputs / outputs == i;
                    *weight = if is_own { own } else { *weight / others };
                }
                let sum: i32 = weights.iter().map(|w| i32::from(*w)).sum();
                // Maps the middle of the inputs to the middle of the outputs, and the mean of a unit's own inputs to
                // its output.
                let (bias, slope) = match layer.spec.activation {
                    ActivationKind::Sigmoid => (-128 * sum, 2.0),
                    ActivationKind::Relu => (0, 1.0),
                    ActivationKind::Identity => (-i32::from(layer.output.zero_point) * sum, 1.0),
                };
                let multiplier = slope / f64::from(own) * (outputs as f64 / inputs as f64).min(1.0) * 4_294_967_296.0;
                *channel = ChannelParams { bias, multiplier: multiplier as i32 };
            }
        }
        net
    }

    /// The same network with `code_bits` bits for each element of the code.
    pub fn with_code_bits(self, code_bits: u8) -> Self {
        Self { code_bits, ..self }
    }

    /// Its encoder alone.
    pub fn encoder(&self) -> Self {
        let layers = self.layers[..self.topology.encoder_layers()].to_vec();
        Self { topology: self.topology.encoder().unwrap(), layers, ..*self }
    }

    /// Its decoder alone.
    pub fn decoder(&self) -> Self {
        let layers = self.layers[self.topology.encoder_layers()..].to_vec();
        Self { topology: self.topology.decoder().unwrap(), layers, ..*self }
    }

    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Flips a bit of one weight.
    pub fn flip(&mut self, layer: usize, row: usize, input: usize) {
        let weight = &mut self.layers[layer].weights[row][input];
        *weight ^= 0x20;
        assert_ne!(*weight, i8::MIN, "not a weight of a blob");
    }

    pub fn header(&self) -> Header {
        Header {
            format: self.format,
            accumulators_checked: true,
            steps: 30_000,
            input: QuantParams::UNIT,
            code_bits: self.code_bits,
            thresholds: Thresholds::NONE,
            topology: self.topology.clone(),
        }
    }

    pub fn blob(&self) -> Vec<u8> {
        self.blob_with(&self.header())
    }

    /// The blob of its layers with any header.
    pub fn blob_with(&self, header: &Header) -> Vec<u8> {
        self.blob_with_section(header, &[])
    }

    /// The blob of its layers with any header and input section.
    pub fn blob_with_section(&self, header: &Header, section: &[u8]) -> Vec<u8> {
        let stored: Vec<_> = self.layers.iter().map(|layer| layer.stored(self.format)).collect();
        let layers = self.layers.iter().zip(&stored).map(|(layer, (channels, weights))| RawLayer {
            output: layer.output,
            channels: channels.as_bytes(),
            weights,
        });
        let mut buffer = vec![0; blob::len(header, layers.clone(), section).unwrap()];
        blob::write(header, layers, section, &mut buffer).unwrap();
        buffer
    }

    /// The code of a row, one byte for each element.
    pub fn encode(&self, row: &[u8]) -> Vec<u8> {
        forward(&self.layers[..self.topology.encoder_layers()], row)
    }

    pub fn decode(&self, code: &[u8]) -> Vec<u8> {
        forward(&self.layers[self.topology.encoder_layers()..], code)
    }

    /// The levels of a code: its elements, rounded to the code bits of the blob.
    pub fn levels(&self, code: &[u8]) -> Vec<u32> {
        code.iter().map(|element| (f64::from(*element) / 255.0 * self.steps()).round() as u32).collect()
    }

    /// A packed code: the levels in order, the lowest bit first.
    pub fn packed(&self, code: &[u8]) -> Vec<u8> {
        let bits = self.levels(code).into_iter().flat_map(|level| (0..self.code_bits).map(move |bit| level >> bit & 1));
        let bits: Vec<u32> = bits.collect();
        bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | *bit as u8)).collect()
    }

    /// The code as the decoder receives it, after rounding.
    pub fn rounded(&self, code: &[u8]) -> Vec<u8> {
        self.levels(code).iter().map(|level| (f64::from(*level) / self.steps() * 255.0).round() as u8).collect()
    }

    /// The reconstruction of a row through a rounded code.
    pub fn reconstruct(&self, row: &[u8]) -> Vec<u8> {
        self.decode(&self.rounded(&self.encode(row)))
    }

    /// `Σ (y - x)²`
    pub fn score(&self, row: &[u8]) -> u32 {
        row.iter().zip(self.reconstruct(row)).map(|(x, y)| u32::from(x.abs_diff(y)).pow(2)).sum()
    }

    /// The outputs of every layer, without rounding of the code.
    pub fn layer_outputs(&self, row: &[u8]) -> Vec<Vec<u8>> {
        (1..=self.layers.len()).map(|count| forward(&self.layers[..count], row)).collect()
    }

    /// The channels of all layers as a blob holds them, including padding.
    pub fn padded_channels(&self) -> Vec<ChannelParams> {
        self.layers.iter().flat_map(|layer| layer.stored(self.format).0).collect()
    }

    fn steps(&self) -> f64 {
        f64::from((1u32 << self.code_bits) - 1)
    }
}

impl Layer {
    /// Channels and weights as a blob holds them, padded with zeros to multiples of four.
    fn stored(&self, format: Format) -> (Vec<ChannelParams>, Vec<u8>) {
        let [inputs, outputs] = self.spec.sizes().map(|size| size.div_ceil(4) * 4);
        let mut channels = self.channels.clone();
        channels.resize(outputs, ChannelParams::default());
        let weight = |row: usize, input: usize| {
            self.weights.get(row).and_then(|row| row.get(input)).copied().unwrap_or_default()
        };
        let mut weights = Vec::new();
        if format == Format::Int8Rows {
            for row in 0..outputs {
                weights.extend((0..inputs).map(|input| (i16::from(weight(row, input)) + 128) as u8));
            }
            return (channels, weights);
        }
        for row in (0..outputs).step_by(4) {
            let rows = [row, row + 1, row + 2, row + 3];
            for input in (0..inputs).step_by(4) {
                if format == Format::Int4 {
                    for input in [input, input + 2] {
                        let tile = Int4Tile::pack(rows.map(|row| [0, 1].map(|i| weight(row, input + i))));
                        weights.extend(tile.as_bytes());
                    }
                } else {
                    let tile = Int8Tile::pack(rows.map(|row| [0, 1, 2, 3].map(|i| weight(row, input + i))));
                    weights.extend(tile.as_bytes());
                }
            }
        }
        (channels, weights)
    }

    /// `index = offset + floor((acc · multiplier + 2^31) / 2^32)`, and the output for that index.
    pub fn forward(&self, x: &[u8]) -> Vec<u8> {
        let outputs = self.weights.iter().zip(&self.channels).map(|(row, channel)| {
            let sum: i128 = row.iter().zip(x).map(|(w, x)| i128::from(*w) * i128::from(*x)).sum();
            let product = (sum + i128::from(channel.bias)) * i128::from(channel.multiplier);
            let index = (product + (1 << 31)).div_euclid(1 << 32);
            match self.spec.activation {
                ActivationKind::Sigmoid => sigmoid(index.clamp(-512, 511) as i32),
                ActivationKind::Relu => index.clamp(0, 255) as u8,
                ActivationKind::Identity => (index + i128::from(self.output.zero_point)).clamp(0, 255) as u8,
            }
        });
        outputs.collect()
    }
}

/// Rows of a slow wave, each of which continues the one before it. Neighbouring elements are alike, rows are not.
pub fn waves(row: usize, count: usize) -> Vec<u8> {
    (0..row * count).map(|i| (60.0 * (i as f64 * 0.037).sin() + 128.0) as u8).collect()
}

/// `round(255 / (1 + e^-z))` at `z = index / 64`
pub fn sigmoid(index: i32) -> u8 {
    (255.0 / (1.0 + (-f64::from(index) / 64.0).exp()) + 0.5).floor() as u8
}

fn forward(layers: &[Layer], x: &[u8]) -> Vec<u8> {
    layers.iter().fold(x.to_vec(), |x, layer| layer.forward(&x))
}

/// The CRC at the end of a blob.
pub fn crc(blob: &[u8]) -> u32 {
    u32::from_le_bytes(*blob.last_chunk().unwrap())
}
