//! Passes and their gradients against plain loops.

use super::*;
use crate::gemm::Gemm;
use crate::trainer::zeroed_box;
use autoencoder_core::layer::Row;
use autoencoder_core::{Backward, Dense, Identity, Kernels, Layer, Plain, Relu};
use rand::RngExt;
use rand_pcg::Pcg32;

type Net<const I: usize, const H: usize, const K: usize> =
    (Dense<I, H, Identity>, (Dense<H, K, Relu>, Dense<K, I, Identity>));

/// -1, 0 or 1, mostly 0 of either sign: integers up to 256 are bfloat16 numbers, and so small are the sums of their
/// products that no order of them matters.
fn fill<'a>(numbers: impl IntoIterator<Item = &'a mut f32>, seed: u64) {
    let mut rng = Pcg32::new(seed, 0);
    numbers.into_iter().for_each(|x| {
        *x = match rng.random_range(0..16u32) {
            0 => 1.0,
            1 => -1.0,
            2 => -0.0,
            _ => 0.0,
        }
    });
}

/// Outputs of all layers and `dL/dz` of all layers; `gradient` gets the biases', and with some kernels the weights'.
fn pass<N: Backward<In: Row<Element = f32>, Out: Row<Element = f32>>>(
    net: &N,
    k: &impl Kernels,
    x: &[N::In],
    gradient: &mut N,
) -> [Vec<f32>; 2] {
    let (mut acts, mut d) = (zeroed_box::<N::Acts<SHARD>>(), zeroed_box::<N::Acts<SHARD>>());
    net.forward::<SHARD>(k, x, &mut acts);
    fill(N::output_mut::<SHARD>(&mut d, x.len()).iter_mut().flat_map(Row::elements_mut), 3);
    net.backward::<SHARD>(k, x, &acts, &mut d, None, gradient);
    [acts, d].map(|all| {
        N::stages::<SHARD>(&all, x.len()).flat_map(|stage| <[f32]>::ref_from_bytes(stage).unwrap().to_vec()).collect()
    })
}

/// Shards of so many rows.
fn check<const I: usize, const H: usize, const K: usize>(shards: &[usize]) {
    let mut net = zeroed_box::<Net<I, H, K>>();
    fill(net.slices_mut().flatten(), 1);
    // Without the instructions there is nothing to test.
    let Some(mut weights) = Weights::new(Net::<I, H, K>::specs()) else { return };
    weights.fill(&*net);
    let (mut operands, mut sum) = (Vec::new(), zeroed_box::<Net<I, H, K>>());
    for (shard, rows) in shards.iter().enumerate() {
        let mut x = vec![[0.0; I]; *rows];
        // Stretches of zeros between, as in digits.
        fill(x.as_flattened_mut().chunks_mut(40).step_by(3).flatten(), 4 + shard as u64);
        let mut plain = zeroed_box();
        let expected = pass(&*net, &Plain, &x, &mut *plain);
        let (mut fast, mut own) = (zeroed_box(), Operands::new(Net::<I, H, K>::specs()));
        let found = pass(&*net, &Pass::new(Gemm::default(), &weights, &mut own), &x, &mut *fast);
        assert!(expected.iter().flatten().all(|x| x.abs() <= 256.0), "no bfloat16 numbers");
        assert!(found == expected, "{rows} rows of {I}-{H}-{K}-{I}");
        for (fast, plain) in fast.slices().zip(plain.slices()).skip(1).step_by(2) {
            assert_eq!(fast, plain, "gradients of biases");
        }
        sum.slices_mut().zip(plain.slices()).for_each(|(sum, g)| sum.iter_mut().zip(g).for_each(|(sum, g)| *sum += g));
        operands.push(own);
    }
    for (layer, (spec, expected)) in Net::<I, H, K>::specs().zip(sum.slices().step_by(2)).enumerate() {
        let [inputs, outputs] = [spec.inputs, spec.outputs].map(usize::from);
        let mut found = vec![7.0; inputs * outputs];
        let rows = rows_at_once(layer, outputs);
        for (i, dw) in found.chunks_mut(rows * inputs).enumerate() {
            gradient(weights.unit(), operands.iter(), [layer, i * rows, inputs], dw);
        }
        assert!(found == expected, "gradient of layer {layer} of {I}-{H}-{K}-{I}, shards of {shards:?}");
    }
}

#[test]
fn a_pass_in_small_integers_is_exact() {
    check::<784, 256, 128>(&[SHARD, SHARD]);
    check::<784, 64, 32>(&[100, 1]);
    check::<48, 128, 24>(&[SHARD, 17, 16]);
    check::<33, 130, 7>(&[5]);
    check::<1, 1, 1>(&[1, 2, 3]);
    check::<50, 192, 49>(&[31]);
}

#[test]
fn numbers_are_rounded_to_the_nearest_and_ties_to_even() {
    let Some(mut weights) = Weights::new(Dense::<2, 1, Identity>::specs()) else { return };
    let mut net = zeroed_box::<Dense<2, 1, Identity>>();
    net.weights = [[1.0, 0.0]];
    weights.fill(&*net);
    for (x, rounded) in [
        (1.003_906_2, 1.0),       // 1 + 2⁻⁸, between 1 and 1 + 2⁻⁷
        (1.011_718_8, 1.015_625), // 1 + 3·2⁻⁸, between 1 + 2⁻⁷ and 1 + 2⁻⁶
        (1.003_906_4, 1.007_812_5),
        (-3.1, -3.093_75),
    ] {
        let (mut operands, mut y) = (Operands::new(Dense::<2, 1, Identity>::specs()), [[7.0]]);
        Pass::new(Gemm::default(), &weights, &mut operands).x_wt(&[[x, 5.0]], &net.weights, &mut y);
        assert_eq!(y, [[rounded]], "{x}");
    }
}

#[test]
fn a_sigmoid_is_accurate_saturates_and_keeps_any_nan() {
    let Some(unit) = Bfloat16::detect() else { return };
    let z: Vec<f32> = (-300_000..=300_000).map(|i| i as f32 * 1e-3).collect();
    let sigmoids = |z: &[f32]| {
        let mut y = z.to_vec();
        unit.sigmoid(&mut y, &vec![0.0; z.len()]);
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
        unit.sigmoid(&mut y, &b);
        for (y, expected) in y.iter().zip(sigmoids(&z)) {
            assert!((y - expected).abs() < 1e-6, "{y}, not {expected}");
        }
    }
}

/// What is not a number has to be seen: it is the sign that a run has diverged.
#[test]
fn what_is_no_number_stays_none() {
    let Some(mut weights) = Weights::new(Dense::<20, 3, Identity>::specs()) else { return };
    let mut net = zeroed_box::<Dense<20, 3, Identity>>();
    net.weights[1][7] = f32::NAN;
    weights.fill(&*net);
    let (mut operands, mut y) = (Operands::new(Dense::<20, 3, Identity>::specs()), [[7.0; 3]]);
    Pass::new(Gemm::default(), &weights, &mut operands).x_wt(&[[1.0; 20]], &net.weights, &mut y);
    assert!(y[0][0] == 0.0 && y[0][1].is_nan() && y[0][2] == 0.0, "{y:?}");
}

/// The same in gradients, of the input or of the weights.
#[test]
fn what_is_no_number_stays_none_in_gradients() {
    type Net = (Dense<16, 20, Identity>, Dense<20, 3, Identity>);
    let Some(mut weights) = Weights::new(Net::specs()) else { return };
    let (mut net, mut operands) = (zeroed_box::<Net>(), Operands::new(Net::specs()));
    net.1.weights[1][7] = f32::INFINITY;
    weights.fill(&*net);
    let (mut y, mut dx) = ([[7.0; 3]], [[7.0; 20]]);
    let pass = Pass::new(Gemm::default(), &weights, &mut operands);
    pass.x_wt(&[[1.0; 16]], &net.0.weights, &mut dx);
    pass.x_wt(&[[1.0; 20]], &net.1.weights, &mut y);
    pass.dyt_x(&[[f32::NAN, 0.0, 0.0]], &[[1.0; 20]], &mut [[0.0; 20]; 3]);
    pass.dy_w(&[[f32::NAN, 0.0, 0.0]], &net.1.weights, &mut dx);
    assert!(y[0][1] == f32::INFINITY && dx[0].iter().all(|dx| dx.is_nan()), "{y:?} {dx:?}");
    let mut dw = vec![7.0; 60];
    gradient(weights.unit(), [&operands].into_iter(), [1, 0, 20], &mut dw);
    assert!(dw[..20].iter().all(|dw| dw.is_nan()) && dw[20..].iter().all(|dw| *dw == 0.0), "{dw:?}");
}
