//! Pseudo-random networks, for measuring the needs of a topology before it is trained. None of their inputs and outputs
//! is zero, so a kernel cannot skip any work.

use crate::weights::WeightsBlob;
use anyhow::ensure;
use autoencoder_core::blob::{self, ALIGNMENT, Format, Header, RawLayer, Thresholds};
use autoencoder_core::quant::{ACCUMULATOR_LIMIT, ChannelParams, Int8Tile, QuantParams, padded};
use autoencoder_core::{LayerSpec, Topology};
use autoencoder_io::blob_file::{BlobFile, write_blob};
use autoencoder_io::topology::name;
use zerocopy::IntoBytes;

/// A linear congruential generator: the same numbers every time.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(1)
    }

    /// A number in `low..=high`.
    pub fn range(&mut self, low: i32, high: i32) -> i32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + ((self.0 >> 33) % (u64::from(low.abs_diff(high)) + 1)) as i32
    }

    /// A row of values, none of them zero.
    pub fn row(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.range(1, 255) as u8).collect()
    }
}

/// Bits of a code element of these networks.
pub const CODE_BITS: u8 = 8;

/// Int8 weights for a topology.
pub fn weights(topology: &Topology) -> anyhow::Result<WeightsBlob> {
    weights_for(topology, &[])
}

/// As [`weights`], with an input section.
pub fn weights_for(topology: &Topology, section: &[u8]) -> anyhow::Result<WeightsBlob> {
    let mut random = Random::new();
    length(topology)?;
    let layers: Vec<_> = topology.layers().iter().map(|layer| numbers(*layer, &mut random)).collect();
    let stored = layers.iter().map(|(channels, weights)| RawLayer {
        output: QuantParams::UNIT,
        channels: channels.as_bytes(),
        weights: weights.as_bytes(),
    });
    let name = format!("pseudo-random {}", name(topology));
    WeightsBlob::new(name.as_ref(), BlobFile::new(name.as_ref(), &write_blob(&header(topology), stored, section)?))
}

fn header(topology: &Topology) -> Header {
    Header {
        format: Format::Int8,
        accumulators_checked: true,
        // Takes as many bytes in the header as a realistic number of steps.
        steps: 30_000,
        input: QuantParams::UNIT,
        code_bits: CODE_BITS,
        thresholds: Thresholds::NONE,
        topology: topology.clone(),
    }
}

/// The length in bytes of the blob that [`weights`] makes, from the sizes alone. Returns an error if a blob cannot be
/// that long.
///
/// Each layer has a scale and a zero point, then two arrays. An array is stored as padding with its own length, the
/// array's length, and its bytes.
pub fn length(topology: &Topology) -> anyhow::Result<usize> {
    const OUTPUT: usize = size_of::<f32>() + 1;
    let mut length = blob::len(&header(topology), [], &[])?;
    let end = 1 + size_of::<u32>(); // an empty input section, and the CRC
    for layer in topology.layers() {
        let [inputs, outputs] = layer.padded_sizes();
        let mut at = length - end + OUTPUT;
        for bytes in [outputs * size_of::<ChannelParams>(), inputs * outputs] {
            let digits = (usize::BITS - bytes.leading_zeros()).div_ceil(7) as usize; // a variable-length number
            at = (at + 1 + digits).next_multiple_of(ALIGNMENT) + bytes;
        }
        length = at + end;
    }
    ensure!(
        u32::try_from(length).is_ok(),
        "{}: needs a blob of {length} bytes; at most {} are possible",
        name(topology),
        u32::MAX
    );
    Ok(length)
}

/// The same layers with smaller sizes, which are still large enough to run through every loop. They use as much stack
/// as the original.
pub fn miniature(topology: &Topology) -> anyhow::Result<Topology> {
    const MOST: u16 = 40;
    let small = |layer: &LayerSpec| LayerSpec {
        inputs: layer.inputs.min(MOST),
        outputs: layer.outputs.min(MOST),
        activation: layer.activation,
    };
    let layers: Vec<LayerSpec> = topology.layers().iter().map(small).collect();
    Ok(Topology::new(&layers, topology.encoder_layers())?)
}

/// Channels and weights of one layer, with sums within the accumulator's limit and outputs around 128.
fn numbers(layer: LayerSpec, random: &mut Random) -> (Vec<ChannelParams>, Vec<Int8Tile>) {
    let [inputs, outputs] = layer.sizes();
    // The most inputs whose weights can all be at least 1 in magnitude; weights beyond them are zero.
    let weighted = inputs.min((ACCUMULATOR_LIMIT / 255) as usize - 1);
    let largest = ((ACCUMULATOR_LIMIT - 1) / (255 * weighted as i64)).min(127) as i32;
    let mut tiles = Vec::new();
    for row in (0..outputs).step_by(4) {
        for input in (0..inputs).step_by(4) {
            let mut weight = |row, input| {
                if row < outputs && input < weighted { random.range(-largest, largest) as i8 } else { 0 }
            };
            let rows = [row, row + 1, row + 2, row + 3];
            tiles.push(Int8Tile::pack(rows.map(|row| [0, 1, 2, 3].map(|i| weight(row, input + i)))));
        }
    }
    // One standard deviation of a sum of uniform products moves an output by 16.
    let deviation = f64::from(largest) / 3f64.sqrt() * (255.0 / 3f64.sqrt()) * (weighted as f64).sqrt();
    let step = deviation / 16.0;
    let channel = ChannelParams { bias: (128.0 * step) as i32, multiplier: (4_294_967_296.0 / step) as i32 };
    let mut channels = vec![channel; outputs];
    channels.resize(padded(outputs), ChannelParams::default());
    (channels, tiles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoencoder_core::Network;

    #[test]
    fn the_length_of_a_blob_is_known_from_the_sizes() {
        for text in ["1-1", "70-9r-3-9r-70i", "30-30", "64-32-8-8*-64", "4-16-4", "3-131-3", "classic", "anomaly"] {
            let topology: Topology = text.parse().unwrap();
            assert_eq!(length(&topology).unwrap(), weights(&topology).unwrap().length, "{text}");
            let halves = [topology.encoder(), topology.decoder()].map(|half| half.map(|half| length(&half).unwrap()));
            let expected = weights(&topology).unwrap().half_lengths().unwrap();
            assert!(expected.is_none_or(|expected| expected.map(Some) == halves), "{text}");
        }
        // Channels of 8 bytes and weights of one byte: nearly the longest blob. Nothing is allocated.
        let largest = |sizes: &str| length(&sizes.parse().unwrap()).map_err(|error| error.to_string());
        let bytes = 65_528 * 65_528 + 8 * 65_528;
        assert!((bytes..bytes + 100).contains(&largest("65528-65528").unwrap()));
        let said = largest("65535-65535").unwrap_err();
        assert!(said.starts_with("65535-65535: needs a blob of 429"), "{said}");
        assert!(said.ends_with(" bytes; at most 4294967295 are possible"), "{said}");
    }

    #[test]
    fn the_network_of_any_topology_has_nonzero_outputs() {
        for text in ["70-9r-3-9r-70i", "30-30", "1-1", "64-32-8-8*-64", "40000-2-40000", "784-256-128-256-784"] {
            let weights = weights(&text.parse().unwrap()).unwrap();
            assert_eq!(weights.topology().to_string(), text);
            let network = Network::open(weights.bytes()).unwrap();
            let mut memory = vec![0; network.memory_bytes()];
            let row = Random::new().row(weights.row());
            let code = network.encode(&row, &mut memory).unwrap().to_vec();
            assert!(code.iter().all(|element| *element > 0), "{text}: {code:?}");
            assert!(network.decode(&code, &mut memory).unwrap().iter().all(|pixel| *pixel > 0), "{text}");
        }
    }
}
