//! The integer layer against plain integer arithmetic from its equations.

use autoencoder_core::LayerSpec;
use autoencoder_core::activation::ActivationKind::{self, Identity, Relu, Sigmoid};
use autoencoder_core::quant::{
    ACCUMULATOR_LIMIT, ChannelParams, Dense, Int4Tile, Int8Tile, Kernel, Plain, QuantParams, Weights, padded,
};
use host::kernels::Fast;
use proptest::prelude::*;

/// The weight of an output and an input, which is 0 in the padding.
fn weight(w: &[Vec<i8>], output: usize, input: usize) -> i8 {
    w.get(output).and_then(|row| row.get(input)).copied().unwrap_or(0)
}

/// Rows of weights in the blob's layout, padded.
fn pack(w: &[Vec<i8>], [inputs, outputs]: [usize; 2]) -> Vec<Int8Tile> {
    let tile = |o: usize, i: usize| Int8Tile::pack([0, 1, 2, 3].map(|r| [0, 1, 2, 3].map(|c| weight(w, o + r, i + c))));
    (0..outputs).step_by(4).flat_map(|o| (0..inputs).step_by(4).map(move |i| tile(o, i))).collect()
}

/// Rows of weights in the layout of 4-bit weights, padded.
fn pack_int4(w: &[Vec<i8>], [inputs, outputs]: [usize; 2]) -> Vec<Int4Tile> {
    let tile = |o: usize, i: usize| Int4Tile::pack([0, 1, 2, 3].map(|r| [0, 1].map(|c| weight(w, o + r, i + c))));
    (0..outputs).step_by(4).flat_map(|o| (0..inputs).step_by(2).map(move |i| tile(o, i))).collect()
}

/// The equations, one number at a time.
fn plainly(
    activation: ActivationKind,
    x: &[u8],
    w: &[Vec<i8>],
    channels: &[ChannelParams],
    output: QuantParams,
) -> Vec<u8> {
    let channel = |(w, channel): (&Vec<i8>, &ChannelParams)| {
        let acc: i32 = x.iter().zip(w).map(|(x, w)| i32::from(*x) * i32::from(*w)).sum();
        let product = i128::from(acc + channel.bias) * i128::from(channel.multiplier);
        let z = (product + (1 << 31)).div_euclid(1 << 32);
        match activation {
            Sigmoid => (255.0 / (1.0 + (-(z.clamp(-512, 511) as f64) / 64.0).exp())).round() as u8,
            Relu => z.clamp(0, 255) as u8,
            Identity => (z + i128::from(output.zero_point)).clamp(0, 255) as u8,
        }
    };
    w.iter().zip(channels).map(channel).collect()
}

/// Checks every kernel against the equations of a layer, with these weights and with 4 bits of each.
fn check(activation: ActivationKind, x: &[u8], w: &[Vec<i8>], channels: &[ChannelParams], zero_point: u8) {
    let spec = LayerSpec { inputs: x.len() as u16, outputs: w.len() as u16, activation };
    let sizes @ [inputs, outputs] = spec.sizes().map(padded);
    let output = QuantParams { scale: 1.0, zero_point };
    let mut all_channels = channels.to_vec();
    all_channels.resize(outputs, ChannelParams::default());
    // The padding of the inputs must not matter.
    let mut padded_x = x.to_vec();
    padded_x.resize(inputs, 0xa5);
    let check = |weights: Weights<'_>, w: &[Vec<i8>]| {
        let layer = Dense::new(spec, weights, &all_channels, output).unwrap();
        let mut y = vec![0; outputs];
        Plain.dense(&layer, &padded_x, &mut y, &mut []);
        assert_eq!(y[..w.len()], plainly(activation, x, w, channels, output));
        let (mut fast, mut scratch) = (vec![0; outputs], vec![0; Fast::scratch_bytes(inputs)]);
        Fast.dense(&layer, &padded_x, &mut fast, &mut scratch);
        assert_eq!(fast, y, "the host's vectors give the same bytes");
    };
    check(Weights::Int8(&pack(w, sizes)), w);
    let coarse: Vec<Vec<i8>> = w.iter().map(|row| row.iter().map(|w| w >> 4).collect()).collect(); // -8..=7
    check(Weights::Int4(&pack_int4(&coarse, sizes)), &coarse);
}

fn channel() -> impl Strategy<Value = ChannelParams> {
    (-(1 << 24)..1 << 24, prop_oneof![0..1 << 12, 0..i32::MAX])
        .prop_map(|(bias, multiplier)| ChannelParams { bias, multiplier })
}

/// Inputs, weights and channels of a layer of any size, multiples of four or not.
fn layer() -> impl Strategy<Value = (Vec<u8>, Vec<Vec<i8>>, Vec<ChannelParams>)> {
    use prop::collection::vec;
    (1usize..40, 1usize..20).prop_flat_map(|(inputs, outputs)| {
        (vec(any::<u8>(), inputs), vec(vec(-127i8..=127, inputs), outputs), vec(channel(), outputs))
    })
}

proptest! {
    #[test]
    fn a_layer_computes_its_equations((x, w, channels) in layer(), zero_point in any::<u8>()) {
        for activation in [Sigmoid, Relu, Identity] {
            check(activation, &x, &w, &channels, zero_point);
        }
    }
}

#[test]
fn saturated_weights_and_inputs() {
    // The longest row of extreme weights that the accumulator bound admits.
    const LONGEST: usize = (ACCUMULATOR_LIMIT / 255 / 127) as usize / 4 * 4;
    assert_eq!(LONGEST, 256);
    for (low, high) in [(127, 127), (127, -127), (-127, 127), (-127, -127)] {
        let w = [low, high, high, low].map(|w| vec![w; LONGEST]);
        for multiplier in [1, 1 << 8, 1 << 20, i32::MAX] {
            for bias in [-(1 << 24), 0, 1 << 24] {
                for x in [0, 1, 255] {
                    let channels = [ChannelParams { bias, multiplier }; 4];
                    check(Sigmoid, &[x; LONGEST], &w, &channels, 0);
                    check(Relu, &[x; LONGEST], &w, &channels, 0);
                    check(Identity, &[x; LONGEST], &w, &channels, 128);
                }
            }
        }
    }
}

/// A kernel on a device reads as many weights as a layer's sizes imply, without checks. So a layer accepts no other
/// number.
#[test]
fn a_layer_has_exactly_the_weights_and_channels_of_its_sizes() {
    for [inputs, outputs] in [[1, 1], [4, 4], [5, 3], [12, 8], [70, 33]] {
        let spec = LayerSpec { inputs, outputs, activation: Identity };
        let [inputs, outputs] = [inputs, outputs].map(|size| usize::from(size).div_ceil(4) * 4);
        let channels = vec![ChannelParams::default(); outputs + 4];
        let int8 = vec![Int8Tile::pack([[1; 4]; 4]); inputs * outputs];
        let int4 = vec![Int4Tile::pack([[1; 2]; 4]); inputs * outputs];
        let [eight, four] = [inputs * outputs / 16, inputs * outputs / 8];
        let fits = |weights, count: usize| Dense::new(spec, weights, &channels[..count], QuantParams::UNIT).is_some();
        for tiles in 0..four + 4 {
            assert_eq!(fits(Weights::Int8(&int8[..tiles]), outputs), tiles == eight, "{spec:?}: {tiles} tiles");
            assert_eq!(fits(Weights::Int4(&int4[..tiles]), outputs), tiles == four, "{spec:?}: {tiles} tiles");
        }
        for count in 0..outputs + 4 {
            assert_eq!(fits(Weights::Int8(&int8[..eight]), count), count == outputs, "{spec:?}: {count} channels");
            assert_eq!(fits(Weights::Int4(&int4[..four]), count), count == outputs, "{spec:?}: {count} channels");
        }
    }
}

/// The two sums that a Cortex-M4 keeps for a pair of rows, modulo 2^32, give the rows' own sums.
#[test]
fn the_sums_of_paired_rows_separate_within_the_bound() {
    for (low, high) in [(127i32, 127i32), (127, -127), (-127, 127), (-127, -127), (-1, 127), (1, -127), (-127, 0)] {
        let n = (ACCUMULATOR_LIMIT as i32 - 1) / 255 / 127;
        let (mut l, mut r) = (0i32, 0i32);
        for _ in 0..n {
            l = l.wrapping_add(low * 255);
            r = r.wrapping_add((256 * high + low).wrapping_mul(255));
        }
        assert_eq!((l, r.wrapping_sub(l) >> 8), (n * 255 * low, n * 255 * high));
    }
}
