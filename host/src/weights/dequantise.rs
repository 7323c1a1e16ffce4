//! From integers back to floats: the network of a device, with what it has learned, as one that any framework computes.
//!
//! An input `q` of a layer stands for `x = S·(q - Z)`, and an output for `y = s·(q - z)`. With the integers `w`, the bias `b` and the
//! multiplier `m` of a channel, from the blob or learned, the layer computes
//!
//! ```text
//! acc = Σ w·q + b = Σ w·x / S + Z·Σ w + b
//! sigmoid         y = σ(acc · m / 2^38)                    the table has 64 = 2^6 steps for 1
//! ReLU, identity  y = activation(acc · m · s / 2^32)
//! ```
//!
//! So with `k = m / 2^38` or `k = m·s / 2^32`, the float layer has the weights `k·w / S` and the bias `k·(Z·Σ w + b)`. Nothing is
//! left out but the rounding of outputs to 8 bits, the rounding of the table's index, and the ends of the ranges: given the same
//! inputs within its range, a layer's output differs from the device's by less than one step.

use crate::network::FloatNetwork;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::quant::{ChannelParams, Dense, QuantParams, Weights, padded, rows};
use autoencoder_core::{LayerSpec, Network};

/// The float network of an integer one. `learned` are the channels of all layers, with padding, that replace those of the blob.
pub fn dequantise(network: &Network<'_>, learned: Option<&[ChannelParams]>) -> FloatNetwork {
    let mut floats = FloatNetwork::new(network.topology());
    let (mut from, mut learned) = (network.blob().header().input, learned);
    for (layer, (weights, bias)) in network.layers().zip(floats.layers_mut()) {
        let own = learned.as_mut().and_then(|channels| channels.split_off(..layer.padded_sizes()[1]));
        write(&layer, from, own.unwrap_or(layer.channels()), weights, bias);
        from = layer.output();
    }
    floats
}

/// The float layer of an integer one, whose inputs have the parameters `from`.
fn write(layer: &Dense<'_>, from: QuantParams, channels: &[ChannelParams], weights: &mut [f32], bias: &mut [f32]) {
    let unit = match layer.spec().activation {
        ActivationKind::Sigmoid => 2f64.powi(-38),
        ActivationKind::Relu | ActivationKind::Identity => f64::from(layer.output().scale) * 2f64.powi(-32),
    };
    let integers = unpack(layer.spec(), layer.weights());
    let inputs = usize::from(layer.spec().inputs);
    let rows = integers.chunks_exact(inputs).zip(weights.chunks_exact_mut(inputs));
    for (((integers, weights), bias), channel) in rows.zip(bias).zip(channels) {
        let k = f64::from(channel.multiplier) * unit;
        for (weight, w) in weights.iter_mut().zip(integers) {
            *weight = (k * f64::from(*w) / f64::from(from.scale)) as f32;
        }
        let sum: i64 = integers.iter().map(|w| i64::from(*w)).sum();
        let zero = i64::from(from.zero_point) * sum;
        *bias = (k * (zero + i64::from(channel.bias)) as f64) as f32;
    }
}

/// The integers of a layer, `[outputs, inputs]` without padding.
pub fn unpack(spec: LayerSpec, weights: Weights<'_>) -> Vec<i16> {
    match weights {
        Weights::Int8(tiles) => unpadded(spec, tiles.iter().map(|tile| tile.unpack())),
        Weights::Int4(tiles) => unpadded(spec, tiles.iter().map(|tile| tile.unpack().map(|row| row.map(i16::from)))),
        Weights::Int8Rows(bytes) => {
            let [inputs, outputs] = spec.sizes();
            let stored = bytes.chunks_exact(padded(inputs)).take(outputs);
            stored.flat_map(|row| &row[..inputs]).map(|byte| i16::from(rows::unpack(*byte))).collect()
        }
    }
}

/// The integers in tiles of four rows by `N` inputs, row by row, without those that pad inputs and outputs.
fn unpadded<const N: usize>(spec: LayerSpec, tiles: impl Iterator<Item = [[i16; N]; 4]>) -> Vec<i16> {
    let [inputs, outputs] = spec.sizes();
    let tiles_a_group = padded(inputs) / N;
    let mut numbers = vec![0; spec.weights()];
    for (i, tile) in tiles.enumerate() {
        let (group, first) = (i / tiles_a_group, i % tiles_a_group * N);
        for (output, row) in (4 * group..outputs).zip(tile) {
            let to = &mut numbers[output * inputs..][..inputs];
            to.iter_mut().skip(first).zip(row).for_each(|(to, w)| *to = w);
        }
    }
    numbers
}
