//! A network of pseudo-random numbers: to count what a topology takes that nobody has trained. No unit of it is ever
//! zero, so that nothing can be left out.

use super::ledger::Shape;
use super::weights::Weights;
use autoencoder_core::LayerSpec;
use autoencoder_core::blob::{Bulk, Format, Header, NO_THRESHOLD, Writer};
use autoencoder_core::quant::{ACCUMULATOR_LIMIT, Affine, Channel, Quad};
use host::blob_file::BlobFile;
use zerocopy::IntoBytes;

/// The same numbers every time: a linear congruential generator.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(1)
    }

    /// `low..=high`
    fn range(&mut self, low: i32, high: i32) -> i32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + ((self.0 >> 33) % (u64::from(low.abs_diff(high)) + 1)) as i32
    }

    /// A row of inputs, none of them zero.
    pub fn row(&mut self, inputs: usize) -> Vec<u8> {
        (0..inputs).map(|_| self.range(1, 255) as u8).collect()
    }
}

/// Weights for a topology.
pub fn weights(topology: &str) -> anyhow::Result<Weights> {
    let shape = Shape::of(topology)?;
    let mut random = Random::new();
    let header = Header {
        format: Format::Int8,
        accumulators_checked: true,
        steps: 0,
        input: Affine::UNIT,
        code_bits: 8,
        threshold: NO_THRESHOLD,
        encoder_layers: shape.encoder_layers as u8,
        layers: shape.layers.iter().copied().collect(),
    };
    let layers: Vec<(Vec<u8>, Vec<u8>)> = shape.layers.iter().map(|layer| numbers(*layer, &mut random)).collect();
    let bytes = layers.iter().map(|(weights, channels)| weights.len() + channels.len() + 64).sum::<usize>() + 1024;
    let mut buffer = vec![0; bytes];
    let mut writer = Writer::new(&mut buffer, &header)?;
    for (weights, channels) in &layers {
        writer.layer(Bulk { output: Affine::UNIT, channels, weights })?;
    }
    let name = format!("pseudo-random {topology}");
    Weights::of(name.as_ref(), BlobFile::new(name.as_ref(), writer.finish()?))
}

/// Weights and channels of one layer: sums within the accumulator's bound, outputs about 128.
fn numbers(layer: LayerSpec, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let (inputs, outputs) = (usize::from(layer.inputs), usize::from(layer.outputs));
    let largest = ((ACCUMULATOR_LIMIT - 1) / (255 * i64::from(layer.inputs))).min(127) as i32;
    let mut weight = || random.range(-largest, largest) as i8;
    let quads: Vec<Quad> =
        (0..inputs / 4 * (outputs / 4)).map(|_| Quad::pack([(); 4].map(|()| [(); 4].map(|()| weight())))).collect();
    // The deviation of a sum of uniform products, which is to move an output by 16.
    let deviation = f64::from(largest) / 3f64.sqrt() * (255.0 / 3f64.sqrt()) * f64::from(layer.inputs).sqrt();
    let step = deviation / 16.0;
    let channel = Channel { bias: (128.0 * step) as i32, multiplier: (4_294_967_296.0 / step) as i32 };
    (quads.as_bytes().to_vec(), channel.as_bytes().repeat(outputs))
}
