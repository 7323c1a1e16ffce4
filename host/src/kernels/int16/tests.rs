//! The bound of the rounding errors, the largest sums, NaN and infinity. `kernels/tests.rs` compares the products with the plain
//! loops.

use super::Int16;
use crate::kernels::left_out::or_left_out;
use crate::kernels::tests::{Case, Results, ShardRows};
use crate::kernels::{Products, ShardOperands};
use crate::network::FloatNetwork;
use rand::{Rng, RngExt};
use rand_pcg::Pcg32;

/// The largest of some numbers.
fn largest(numbers: impl Iterator<Item = f32>) -> f32 {
    numbers.fold(0.0, |largest, number| largest.max(number.abs()))
}

/// The size of a step of a left operand: twice the finest one for a limit of 2¹⁹ - 1024 for the sum of a row and of `limit`
/// for a number, because scales are powers of two.
fn left_step<'a>(rows: impl Iterator<Item = &'a [f32]> + Clone, limit: f32) -> f32 {
    let sum = largest(rows.clone().map(|row| row.iter().map(|x| x.abs()).sum()));
    2.0 * (sum / 523_264.0).max(largest(rows.flatten().copied()) / limit)
}

/// The most by which `y`, `dx` and `dw` of a case may differ from the exact products: each factor is off by half a step.
pub(in crate::kernels) fn error_bounds(case: &Case) -> Results {
    let [inputs, outputs] = case.spec().sizes();
    let weights = case.network.layer(case.index).weights;
    let w_steps: Vec<f32> = weights.chunks(inputs).map(|row| 2.0 * largest(row.iter().copied()) / 4096.0).collect();
    let product = |a: f32, a_step: f32, b: f32, b_step: f32| {
        (a_step * b.abs() + b_step * a.abs() + a_step * b_step / 2.0) / 2.0 * 1.01
    };
    let (mut y, mut dx, mut dw) = (Vec::new(), Vec::new(), vec![0.0; weights.len()]);
    for ShardRows { x, dz } in &case.shards {
        let x_step = left_step(x.chunks(inputs), 4096.0);
        for x in x.chunks(inputs) {
            for (w, w_step) in weights.chunks(inputs).zip(&w_steps) {
                y.push(w.iter().zip(x).map(|(w, x)| product(*x, x_step, *w, *w_step)).sum());
            }
        }
        for dz in dz.chunks(outputs) {
            // In steps of the weights, whose own steps are then 1. A step may be half of `w_steps`.
            let scaled: Vec<f32> = dz.iter().zip(&w_steps).map(|(dz, step)| dz * step).collect();
            let step = left_step([&scaled[..]].into_iter(), 32_767.0);
            for i in 0..inputs {
                let terms = weights[i..].iter().step_by(inputs).zip(&scaled).zip(&w_steps);
                let term = |((w, dz), w_step): ((&f32, &f32), &f32)| {
                    if *w_step == 0.0 { 0.0 } else { product(*dz, step, 2.0 * w / w_step, 1.0) }
                };
                dx.push(if case.index > 0 { terms.map(term).sum() } else { 0.0 });
            }
        }
        for (o, dw) in dw.chunks_mut(inputs).enumerate() {
            let column = dz[o.min(dz.len())..].iter().step_by(outputs);
            let step = 2.0 * largest(column.clone().copied()) / 4095.0;
            for (i, dw) in dw.iter_mut().enumerate() {
                let x = x[i.min(x.len())..].iter().step_by(inputs);
                *dw += x.zip(column.clone()).map(|(x, dz)| product(*x, x_step, *dz, step)).sum::<f32>();
            }
        }
    }
    [y, dx, dw]
}

/// If a sum overflowed, it would have the wrong sign.
#[test]
fn sums_of_equal_signs_do_not_overflow() {
    let mut rng = Pcg32::new(1, 0);
    for round in 0..60 {
        let shape = [[784, 256], [400, 64], [399, 33], [2000, 16], [16, 2000], [208, 128]][round % 6];
        let exponent = rng.random_range(-20..20);
        let scale = 2.0f32.powi(exponent) * rng.random_range(1.0..2.0);
        // All numbers alike, or a few large ones among small ones.
        let small = [1.0, 0.999, 0.3, 0.01, 0.0][round / 12];
        let number = move |rng: &mut Pcg32| if rng.random_range(0..8u32) == 0 { scale } else { small * scale };
        Case::new([round / 6 % 2, shape[0], shape[1]], &[128, 7], &mut rng, number).check(1e-3, 0.02, false);
    }
}

/// A few numbers that are many times as large as the others, in rows of their own.
#[test]
fn numbers_of_all_sizes_are_within_the_bounds() {
    let mut rng = Pcg32::new(2, 0);
    for round in 0..30 {
        let shape = [[64, 64], [130, 50], [784, 64], [33, 192]][round % 4];
        let number = |rng: &mut Pcg32| {
            let sign = if rng.next_u32() & 1 == 0 { 1.0 } else { -1.0 };
            sign * rng.random_range(1.0..2.0f32) * 2.0f32.powi(rng.random_range(-12..4))
        };
        Case::new([round / 4 % 2, shape[0], shape[1]], &[40], &mut rng, number).check(1e-3, 0.02, false);
    }
}

/// A network with all weights 0 but one.
fn network(topology: &str, layer: usize, weight: usize, value: f32) -> FloatNetwork {
    let mut network = FloatNetwork::new(&topology.parse().unwrap());
    network.layer_mut(layer).0[weight] = value;
    network
}

/// `y`, `dx` and `dw` of one layer, by the processor's best instructions.
fn results(network: &FloatNetwork, index: usize, x: &[f32], dz: &[f32]) -> Option<[Vec<f32>; 3]> {
    Some(results_of(or_left_out(Int16::detect(), "avx2")?, network, index, x, dz))
}

fn results_of(int16: Int16, network: &FloatNetwork, index: usize, x: &[f32], dz: &[f32]) -> [Vec<f32>; 3] {
    let mut packed = int16.packed(network.topology());
    Int16::pack(&mut packed, network);
    let layer = &packed.layers[index];
    let [inputs, outputs] = layer.spec.sizes();
    let mut operands = int16.operands(index, layer.spec);
    let (mut y, mut dx) = (vec![7.0; x.len() / inputs * outputs], vec![7.0; x.len()]);
    int16.forward(layer, x, &mut operands, &mut y);
    int16.input_gradient(layer, dz, &mut operands, (index > 0).then_some(&mut dx));
    let mut dw = vec![7.0; inputs * outputs];
    let rows = int16.gradient_rows(index, layer.spec);
    for (i, dw) in dw.chunks_mut(rows * inputs).enumerate() {
        let shard = ShardOperands { dz, x, operands: &operands };
        int16.weight_gradient(layer.spec, &[shard], i * rows..(i * rows + rows).min(outputs), dw);
    }
    [y, dx, dw]
}

#[test]
fn all_instructions_give_the_same_bytes() {
    let all: Vec<Int16> = Int16::all().collect();
    if or_left_out(all.get(1), "avx512_vnni").is_none() {
        return;
    }
    let mut rng = Pcg32::new(3, 0);
    for (topology, index) in [("300-70i", 0), ("784-64i", 0), ("5-300-70i", 1)] {
        let parsed: autoencoder_core::Topology = topology.parse().unwrap();
        let [inputs, outputs] = parsed.layers()[index].sizes();
        let mut network = FloatNetwork::new(&parsed);
        let mut numbers = |count| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
        network.layer_mut(index).0.copy_from_slice(&numbers(inputs * outputs));
        let (mut x, dz) = (numbers(37 * inputs), numbers(37 * outputs));
        x.iter_mut().filter(|x| **x < 0.5).for_each(|x| *x = 0.0); // in lists, if the layer is wide
        let found: Vec<_> = all.iter().map(|int16| results_of(*int16, &network, index, &x, &dz)).collect();
        assert!(found.windows(2).all(|two| two[0] == two[1]), "{topology}");
    }
}

/// The inner loops take some rows at a time; `dw` has as many as there are outputs.
#[test]
fn any_number_of_rows_is_within_the_bounds() {
    let mut rng = Pcg32::new(4, 0);
    for count in 1..=18 {
        for shape in [[1, 20, 5], [1, 5, count]] {
            let number = |rng: &mut Pcg32| rng.random_range(-1.0..1.0f32);
            Case::new(shape, &[count], &mut rng, number).check(1e-3, 0.02, false);
        }
    }
}

/// Pixels are multiples of 1/255. A sum of pixels has no error but that of its conversion.
#[test]
fn pixels_are_exact() {
    for outputs in [3, 64] {
        let mut network = FloatNetwork::new(&format!("784-{outputs}i").parse().unwrap());
        network.layer_mut(0).0.fill(1.0);
        let x: Vec<f32> = (0..784).map(|i| (i * 7 % 256) as f32 / 255.0).collect();
        let sum: usize = (0..784).map(|i| i * 7 % 256).sum();
        let Some([y, ..]) = results(&network, 0, &x, &vec![0.0; outputs]) else { return };
        for y in y {
            assert!((y - sum as f32 / 255.0).abs() <= y * f32::EPSILON, "{y}, not {sum} / 255");
        }
    }
}

/// A NaN must not vanish, because it shows that a run has diverged.
#[test]
fn numbers_that_are_not_finite_make_results_nan() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (topology, index) in [("20-64i", 0), ("20-3i", 0), ("3-20i-5i", 1)] {
            let topology_of: autoencoder_core::Topology = topology.parse().unwrap();
            let [inputs, outputs] = topology_of.layers()[index].sizes();
            // A weight: its output, and all gradients of the inputs.
            let bad = network(topology, index, inputs + 7, value);
            let (x, dz) = (vec![1.0; 2 * inputs], vec![1.0; 2 * outputs]);
            let Some([y, dx, dw]) = results(&bad, index, &x, &dz) else { return };
            assert!(y.iter().enumerate().all(|(i, y)| y.is_nan() == (i % outputs == 1)), "{topology}: {y:?}");
            assert!(index == 0 || dx.iter().all(|dx| dx.is_nan()), "{topology}: {dx:?}");
            assert!(dw.iter().all(|dw| (dw - 2.0).abs() < 1e-6), "{topology}: {dw:?}");
            // An input, among dense ones and in lists: all outputs of its shard, and all gradients of the weights.
            let good = network(topology, index, 0, 1.0);
            for others in [1.0, 0.0] {
                let mut bad_x = vec![others; x.len()];
                bad_x[inputs + 3] = value;
                let Some([y, _, dw]) = results(&good, index, &bad_x, &dz) else { return };
                assert!(y.iter().chain(&dw).all(|number| number.is_nan()), "{topology}: {y:?} {dw:?}");
            }
            // A gradient: those of its row and of its column.
            let mut bad_dz = dz.clone();
            bad_dz[outputs + 2] = value;
            let Some([y, dx, dw]) = results(&good, index, &x, &bad_dz) else { return };
            assert!(y.iter().all(|y| y.is_finite()), "{topology}: {y:?}");
            if index > 0 {
                assert!(dx.iter().enumerate().all(|(i, dx)| dx.is_nan() == (i >= inputs)), "{topology}: {dx:?}");
            }
            assert!(dw.iter().enumerate().all(|(i, dw)| dw.is_nan() == (i / inputs == 2)), "{topology}: {dw:?}");
        }
    }
}
