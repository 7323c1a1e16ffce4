//! The integer layer against plain integer arithmetic written out from its equations.

use autoencoder_core::quant::requantise::SIGMOID;
use autoencoder_core::quant::{ACCUMULATOR_LIMIT, Affine, Channel, Dense, Octet, Quad, Weights};
use autoencoder_core::{Activation, Identity, Layer, Plain, Relu, Sigmoid};
use host::gemm::Gemm;
use proptest::prelude::*;

/// Rows of weights in the blob's layout.
fn pack<const I: usize, const O: usize>(w: &[[i8; I]; O]) -> Vec<Quad> {
    let quad = |r: usize, c: usize| Quad::pack([0, 1, 2, 3].map(|i| [0, 1, 2, 3].map(|j| w[r + i][c + j])));
    (0..O).step_by(4).flat_map(|r| (0..I).step_by(4).map(move |c| quad(r, c))).collect()
}

/// The same in the layout of 4-bit weights.
fn pack_int4<const I: usize, const O: usize>(w: &[[i8; I]; O]) -> Vec<Octet> {
    let octet = |r: usize, c: usize| Octet::pack([0, 1, 2, 3].map(|i| [w[r + i][c], w[r + i][c + 1]]));
    (0..O).step_by(4).flat_map(|r| (0..I).step_by(2).map(move |c| octet(r, c))).collect()
}

/// The equations, one number at a time.
fn plainly<const I: usize, const O: usize, A: Activation>(
    x: &[u8; I],
    w: &[[i8; I]; O],
    channels: &[Channel; O],
    output: Affine,
) -> [u8; O] {
    use autoencoder_core::activation::ActivationKind::{Identity, Relu, Sigmoid};
    std::array::from_fn(|o| {
        let acc: i32 = x.iter().zip(&w[o]).map(|(x, w)| i32::from(*x) * i32::from(*w)).sum();
        let product = i128::from(acc + channels[o].bias) * i128::from(channels[o].multiplier);
        let z = (product + (1 << 31)).div_euclid(1 << 32);
        match A::KIND {
            Sigmoid => SIGMOID[(z + 512).clamp(0, 1023) as usize],
            Relu => z.clamp(0, 255) as u8,
            Identity => (z + i128::from(output.zero)).clamp(0, 255) as u8,
        }
    })
}

fn check<const I: usize, const O: usize, A: Activation>(x: [u8; I], w: [[i8; I]; O], channels: [Channel; O], zero: u8) {
    let output = Affine { scale: 1.0, zero };
    let check = |weights: Weights<'_>, w: &[[i8; I]; O]| {
        let layer = Dense::<I, O, A>::new(weights, &channels, output).unwrap();
        let mut y = [[0; O]];
        layer.forward(&Plain, &[x], &mut y);
        assert_eq!(y[0], plainly::<I, O, A>(&x, w, &channels, output));
        let mut vectorised = [[0; O]];
        layer.forward(&Gemm::default(), &[x], &mut vectorised);
        assert_eq!(vectorised, y, "the host's vectors give the same bytes");
    };
    check(Weights::Int8(&pack(&w)), &w);
    let coarse = w.map(|row| row.map(|w| w >> 4)); // -8..=7
    check(Weights::Int4(&pack_int4(&coarse)), &coarse);
}

const INPUTS: usize = 12;
const OUTPUTS: usize = 8;

fn channel() -> impl Strategy<Value = Channel> {
    (-(1 << 24)..1 << 24, prop_oneof![0..1 << 12, 0..i32::MAX])
        .prop_map(|(bias, multiplier)| Channel { bias, multiplier })
}

proptest! {
    #[test]
    fn a_layer_computes_its_equations(
        x in prop::array::uniform12(any::<u8>()),
        w in prop::array::uniform8(prop::array::uniform12(-127i8..=127)),
        channels in prop::array::uniform8(channel()),
        zero in any::<u8>(),
    ) {
        check::<INPUTS, OUTPUTS, Sigmoid>(x, w, channels, zero);
        check::<INPUTS, OUTPUTS, Relu>(x, w, channels, zero);
        check::<INPUTS, OUTPUTS, Identity>(x, w, channels, zero);
    }
}

#[test]
fn saturated_weights_and_inputs() {
    // The longest row of extreme weights that the accumulator bound admits.
    const LONGEST: usize = (ACCUMULATOR_LIMIT / 255 / 127) as usize / 4 * 4;
    assert_eq!(LONGEST, 256);
    for (low, high) in [(127, 127), (127, -127), (-127, 127), (-127, -127)] {
        let w = [[low; LONGEST], [high; LONGEST], [high; LONGEST], [low; LONGEST]];
        for multiplier in [1, 1 << 8, 1 << 20, i32::MAX] {
            for bias in [-(1 << 24), 0, 1 << 24] {
                for x in [0, 1, 255] {
                    let channels = [Channel { bias, multiplier }; 4];
                    check::<LONGEST, 4, Sigmoid>([x; LONGEST], w, channels, 0);
                    check::<LONGEST, 4, Relu>([x; LONGEST], w, channels, 0);
                    check::<LONGEST, 4, Identity>([x; LONGEST], w, channels, 128);
                }
            }
        }
    }
}

/// The two sums that a Cortex-M4 keeps for a pair of rows, modulo 2^32, give the rows' own sums.
#[test]
fn paired_rows_come_apart_within_the_bound() {
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
