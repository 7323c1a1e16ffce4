//! Rounding, NaN and infinity, and the sigmoid. `kernels/tests.rs` compares the products with the plain loops.

use super::Bf16;
use crate::kernels::avx512::Avx512;
use crate::kernels::left_out::or_left_out;
use crate::kernels::{Products, ShardOperands};
use crate::network::FloatNetwork;

/// A network with all weights 0 but one.
fn network(topology: &str, layer: usize, weight: usize, value: f32) -> FloatNetwork {
    let mut network = FloatNetwork::new(&topology.parse().unwrap());
    network.layer_mut(layer).0[weight] = value;
    network
}

#[test]
fn numbers_are_rounded_to_the_nearest_and_ties_to_even() {
    let Some(bf16) = or_left_out(Bf16::detect(), "avx512_bf16") else { return };
    let network = network("2-1i", 0, 0, 1.0);
    let mut packed = bf16.packed(network.topology());
    Bf16::pack(&mut packed, &network);
    for (x, rounded) in [
        (1.003_906_2, 1.0),       // 1 + 2⁻⁸, between 1 and 1 + 2⁻⁷
        (1.011_718_8, 1.015_625), // 1 + 3·2⁻⁸, between 1 + 2⁻⁷ and 1 + 2⁻⁶
        (1.003_906_4, 1.007_812_5),
        (-3.1, -3.093_75),
    ] {
        let (layer, mut y) = (&packed.layers[0], [7.0]);
        bf16.forward(layer, &[x, 5.0], &mut bf16.operands(0, layer.spec), &mut y);
        assert_eq!(y, [rounded], "{x}");
    }
}

#[test]
fn a_sigmoid_is_accurate_saturates_and_keeps_any_nan() {
    let Some(avx512) = or_left_out(Avx512::detect(), "avx512_bf16") else { return };
    let z: Vec<f32> = (-300_000..=300_000).map(|i| i as f32 * 1e-3).collect();
    let sigmoids = |z: &[f32]| {
        let mut y = z.to_vec();
        avx512.sigmoid(&mut y, &vec![0.0; z.len()]);
        y
    };
    for (z, y) in z.iter().zip(sigmoids(&z)) {
        let error = f64::from(y) - 1.0 / (1.0 + f64::exp(-f64::from(*z)));
        assert!(error.abs() < 2e-7, "{y} of {z}: off by {error:e}");
    }
    assert_eq!(sigmoids(&[0.0, f32::INFINITY]), [0.5, 1.0]);
    assert!(sigmoids(&[f32::NEG_INFINITY])[0] < 2e-38);
    assert!(sigmoids(&[f32::NAN, -f32::NAN]).iter().all(|y| y.is_nan()));
    // Biases, and rows that do not fill a vector.
    for count in [1, 15, 16, 17, 50] {
        let z: Vec<f32> = (0..count).map(|i| i as f32 * 0.1 - 2.0).collect();
        let (mut y, b) = (vec![0.25; count], z.iter().map(|z| z - 0.25).collect::<Vec<_>>());
        avx512.sigmoid(&mut y, &b);
        for (y, expected) in y.iter().zip(sigmoids(&z)) {
            assert!((y - expected).abs() < 1e-6, "{y}, not {expected}");
        }
    }
}

/// A NaN must not vanish, because it shows that a run has diverged.
#[test]
fn a_nan_weight_makes_its_output_a_nan() {
    let Some(bf16) = or_left_out(Bf16::detect(), "avx512_bf16") else { return };
    let network = network("20-3i", 0, 20 + 7, f32::NAN);
    let mut packed = bf16.packed(network.topology());
    Bf16::pack(&mut packed, &network);
    let (layer, mut y) = (&packed.layers[0], [7.0; 3]);
    bf16.forward(layer, &[1.0; 20], &mut bf16.operands(0, layer.spec), &mut y);
    assert!(y[0] == 0.0 && y[1].is_nan() && y[2] == 0.0, "{y:?}");
}

#[test]
fn a_nan_gradient_stays_one_in_the_gradients_of_inputs_and_weights() {
    let Some(bf16) = or_left_out(Bf16::detect(), "avx512_bf16") else { return };
    let network = network("16-20i-3i", 1, 20 + 7, f32::INFINITY);
    let mut packed = bf16.packed(network.topology());
    Bf16::pack(&mut packed, &network);
    let layer = &packed.layers[1];
    let (mut operands, mut y, mut dx) = (bf16.operands(1, layer.spec), [7.0; 3], [7.0; 20]);
    let (x, dz) = ([1.0; 20], [f32::NAN, 0.0, 0.0]);
    bf16.forward(layer, &x, &mut operands, &mut y);
    bf16.input_gradient(layer, &dz, &mut operands, Some(&mut dx));
    assert!(y[1] == f32::INFINITY && dx.iter().all(|dx| dx.is_nan()), "{y:?} {dx:?}");
    let mut dw = [7.0; 60];
    let shard = ShardOperands { dz: &dz, x: &x, operands: &operands };
    bf16.weight_gradient(layer.spec, &[shard], 0..3, &mut dw);
    assert!(dw[..20].iter().all(|dw| dw.is_nan()) && dw[20..].iter().all(|dw| *dw == 0.0), "{dw:?}");
}
