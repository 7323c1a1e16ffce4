//! The products of every implementation against the plain loops of the core.

use super::left_out::or_left_out;
use super::*;
use crate::network::FloatNetwork;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::{LayerSpec, Topology, kernels};
use pulp::Arch;
use rand::RngExt;
use rand_pcg::Pcg32;

/// The rows of one shard: inputs, and gradients of the outputs' sums.
pub(super) struct ShardRows {
    pub(super) x: Vec<f32>,
    pub(super) dz: Vec<f32>,
}

/// A layer of a network, and shards with these numbers of rows.
pub(super) struct Case {
    pub(super) network: FloatNetwork,
    pub(super) index: usize,
    pub(super) shards: Vec<ShardRows>,
}

/// `y` and `dx` of all shards, and `dw`.
pub(super) type Results = [Vec<f32>; 3];

/// Layer 0 or 1 of a network.
fn topology(index: usize, inputs: usize, outputs: usize) -> Topology {
    let sizes = if index == 0 { format!("{inputs}-{outputs}i") } else { format!("3-{inputs}i-{outputs}i") };
    sizes.parse().unwrap()
}

impl Case {
    /// Numbers made by `number`.
    pub(super) fn new(
        [index, inputs, outputs]: [usize; 3],
        shards: &[usize],
        rng: &mut Pcg32,
        mut number: impl FnMut(&mut Pcg32) -> f32,
    ) -> Self {
        let mut network = FloatNetwork::new(&topology(index, inputs, outputs));
        network.layer_mut(index).0.fill_with(|| number(rng));
        let mut numbers = |count: usize| (0..count).map(|_| number(rng)).collect();
        let shards = shards.iter().map(|n| ShardRows { x: numbers(n * inputs), dz: numbers(n * outputs) }).collect();
        Self { network, index, shards }
    }

    pub(super) fn spec(&self) -> LayerSpec {
        self.network.topology().layers()[self.index]
    }

    /// The results of an implementation. The gradient is computed in blocks of `block` rows.
    pub(super) fn run<P: Products>(&self, products: P, block: usize) -> Results {
        let spec = self.spec();
        let mut packed = products.packed(self.network.topology());
        P::pack(&mut packed, &self.network);
        let layer = P::layers(&packed, &self.network)[self.index];
        let [inputs, outputs] = spec.sizes();
        let (mut y, mut dx, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for ShardRows { x, dz } in &self.shards {
            let mut operands = products.operands(self.index, spec);
            let (mut own_y, mut own_dx) = (vec![7.0; dz.len()], vec![7.0; x.len()]);
            products.forward(layer, x, &mut operands, &mut own_y);
            products.input_gradient(layer, dz, &mut operands, (self.index > 0).then_some(&mut own_dx));
            y.extend(own_y);
            dx.extend(own_dx);
            all.push(operands);
        }
        let shards = self.shards.iter().zip(&all);
        let shards: Vec<_> = shards.map(|(ShardRows { x, dz }, operands)| ShardOperands { dz, x, operands }).collect();
        let mut dw = vec![7.0; spec.weights()];
        for (i, dw) in dw.chunks_mut(block * inputs).enumerate() {
            products.weight_gradient(spec, &shards, i * block..(i * block + block).min(outputs), dw);
        }
        [y, dx, dw]
    }

    /// The results of the plain loops.
    fn plain(&self) -> Results {
        let (spec, w) = (self.spec(), self.network.layer(self.index).weights);
        let (mut y, mut dx, mut dw) = (Vec::new(), Vec::new(), vec![0.0; spec.weights()]);
        for ShardRows { x, dz } in &self.shards {
            let (mut own_y, mut own_dx, mut own_dw) = (dz.clone(), vec![7.0; x.len()], dw.clone());
            kernels::x_wt(x, w, spec.sizes(), &mut own_y);
            if self.index > 0 {
                kernels::dz_w(dz, w, spec.sizes(), &mut own_dx);
            }
            kernels::dzt_x(dz, x, spec.sizes(), &mut own_dw);
            y.extend(own_y);
            dx.extend(own_dx);
            dw.iter_mut().zip(own_dw).for_each(|(dw, own)| *dw += own);
        }
        [y, dx, dw]
    }

    /// The sums of absolute products, which bound every rounding error.
    fn sizes_of_sums(&self) -> Results {
        let mut case = Self { network: self.network.clone(), index: self.index, shards: Vec::new() };
        case.network.parameters_mut().iter_mut().for_each(|w| *w = w.abs());
        let abs = |numbers: &[f32]| numbers.iter().map(|x| x.abs()).collect();
        case.shards = self.shards.iter().map(|ShardRows { x, dz }| ShardRows { x: abs(x), dz: abs(dz) }).collect();
        case.plain()
    }

    /// Checks all implementations: `f32` with each of this machine's instruction sets, and 16-bit integers and bfloat16 if the
    /// processor has them. Errors are fractions of the sum of absolute products; that of integers is derived, unless they
    /// represent all numbers.
    pub(super) fn check(&self, f32_error: f32, bf16_error: f32, exact: bool) {
        let sizes = self.sizes_of_sums();
        let fraction = |error: f32| sizes.each_ref().map(|sizes| sizes.iter().map(|size| error * size).collect());
        for f32 in instruction_sets() {
            self.check_products(f32, "f32", &fraction(f32_error));
        }
        if or_left_out(Int16::detect(), "avx2").is_some() {
            // Sums are exact. What is left are the units, and their products with the sums.
            let mut errors = fraction(4.0 * f32::EPSILON);
            if !exact {
                for (errors, derived) in errors.iter_mut().zip(int16::error_bounds(self)) {
                    errors.iter_mut().zip(derived).for_each(|(error, derived)| *error += derived);
                }
            }
            for int16 in Int16::all() {
                self.check_products(int16, &format!("{int16:?}"), &errors);
            }
        }
        if let Some(bf16) = or_left_out(Bf16::detect(), "avx512_bf16") {
            self.check_products(bf16, "bfloat16", &fraction(bf16_error));
        }
    }

    /// Compares products with the plain loops.
    fn check_products<P: Products>(&self, products: P, name: &str, errors: &Results) {
        let (spec, plain) = (self.spec(), self.plain());
        for block in [products.gradient_rows(self.index, spec), usize::from(spec.outputs).next_multiple_of(64)] {
            let found = self.run(products, block);
            for (what, (found, (plain, errors))) in
                ["y", "dx", "dw"].into_iter().zip(found.iter().zip(plain.iter().zip(errors)))
            {
                for (i, (found, (plain, error))) in found.iter().zip(plain.iter().zip(errors)).enumerate() {
                    let within = (found - plain).abs() <= *error;
                    assert!(within, "{name}, {spec:?} as layer {}, {what} {i}: {found} {plain}", self.index);
                }
            }
        }
    }
}

/// This machine's vector instructions and all narrower ones: tiles and blocks are as wide as these.
fn instruction_sets() -> Vec<F32> {
    let mut sets = vec![Arch::Scalar, Arch::default()];
    #[cfg(target_arch = "x86_64")]
    sets.extend(pulp::x86::V3::try_new().map(Arch::V3));
    sets.into_iter().map(|arch| F32 { arch }).collect()
}

/// Numbers in (-1, 1).
fn uniform(rng: &mut Pcg32) -> f32 {
    rng.random_range(-1.0..1.0)
}

/// -1, 0 or 1, mostly 0 of either sign. Integers up to 256 are bfloat16 numbers, and sums of products this small do not depend on
/// their order.
fn small_integer(rng: &mut Pcg32) -> f32 {
    match rng.random_range(0..16u32) {
        0 => 1.0,
        1 => -1.0,
        2 => -0.0,
        _ => 0.0,
    }
}

/// Each product has two factors, rounded to eight bits.
const BF16: f32 = 1.0 / 127.0;

/// The error of a sum of this many terms, in any order.
fn rounding(terms: usize) -> f32 {
    terms as f32 * f32::EPSILON
}

#[test]
fn products_are_those_of_the_plain_loops() {
    let mut rng = Pcg32::new(1, 0);
    for (inputs, outputs, rows) in [
        (1, 1, 1),
        (3, 5, 2),
        (16, 9, 7),
        (65, 33, 17),
        (96, 48, 64),
        (31, 130, 128),
        (100, 64, 128),
        (33, 192, 100),
        (784, 256, 128),
        (7, 1000, 20),
    ] {
        for index in [0, 1] {
            let case = Case::new([index, inputs, outputs], &[rows, 1], &mut rng, uniform);
            case.check(rounding(inputs.max(outputs).max(rows + 1)), BF16, false);
        }
    }
}

#[test]
fn products_of_random_shapes_are_those_of_the_plain_loops() {
    let mut rng = Pcg32::new(2, 0);
    for _ in 0..60 {
        let [inputs, outputs] = [(); 2].map(|()| rng.random_range(1..150));
        let shards: Vec<usize> = (0..rng.random_range(1..4u32)).map(|_| rng.random_range(1..=SHARD)).collect();
        let index = rng.random_range(0..2);
        let case = Case::new([index, inputs, outputs], &shards, &mut rng, uniform);
        case.check(rounding(500), BF16, false);
    }
}

#[test]
fn products_of_small_integers_are_exact() {
    let mut rng = Pcg32::new(3, 0);
    for (inputs, outputs) in [(784, 256), (784, 64), (48, 128), (33, 130), (1, 1), (50, 192), (49, 7), (640, 8)] {
        for index in [0, 1] {
            for shards in [&[SHARD, SHARD][..], &[100, 1], &[SHARD, 17, 16], &[5], &[1, 2, 3], &[31]] {
                Case::new([index, inputs, outputs], shards, &mut rng, small_integer).check(0.0, 0.0, true);
            }
        }
    }
}

/// One number in `every` of the inputs is not 0.
fn check_sparse(rows: usize, inputs: usize, outputs: usize, every: usize) {
    let mut case = Case::new([0, inputs, outputs], &[rows], &mut Pcg32::new(4, 0), uniform);
    let x = &mut case.shards[0].x;
    x.iter_mut().enumerate().filter(|(i, _)| i * i % every != 0).for_each(|(_, x)| *x = 0.0);
    x[0] = -0.0;
    assert!(sparse::is_sparse_enough(Arch::default(), x, outputs), "this must test the lists");
    case.check(rounding(rows.max(inputs)), BF16, false);
}

#[test]
fn products_with_zeros_are_those_of_the_plain_loops() {
    check_sparse(128, 784, 256, 7);
    check_sparse(57, 113, 128, 11);
    check_sparse(60, 117, 128, 7);
    check_sparse(16, 3, 384, 48);
    check_sparse(16, 1, 128, 48);
    check_sparse(112, 56, 128, 10_000_000);
}

/// Some shards of a batch are mostly zeros, and one is not.
#[test]
fn shards_with_and_without_zeros_add_up() {
    for dense in 0..3 {
        let mut case = Case::new([0, 49, 128], &[SHARD, 17, 30], &mut Pcg32::new(7, 0), small_integer);
        case.shards[dense].x.iter_mut().for_each(|x| *x += 1.0);
        for (i, shard) in case.shards.iter().enumerate() {
            assert_eq!(sparse::is_mostly_zero(Arch::default(), &shard.x), i != dense);
        }
        case.check(0.0, 0.0, true);
    }
}

/// One column has as many numbers as a tile has rows: no list runs into the next.
#[test]
fn a_column_without_zeros_fills_its_list() {
    const ROWS: usize = 56;
    let mut case = Case::new([0, 9, 128], &[ROWS], &mut Pcg32::new(5, 0), small_integer);
    let x = &mut case.shards[0].x;
    x.iter_mut().enumerate().for_each(|(i, x)| *x = if i % 9 % 4 == 0 { 1.0 } else { 0.0 });
    assert!(sparse::is_sparse_enough(Arch::default(), x, 128), "this must test the lists");
    case.check(0.0, 0.0, true);
}

#[test]
fn no_rows_give_zero_gradients() {
    let spec = topology(0, 3, 2).layers()[0];
    let mut dw = [1.0; 6];
    let shard = ShardOperands { dz: &[], x: &[], operands: &() };
    F32::default().weight_gradient(spec, &[shard], 0..2, &mut dw);
    assert_eq!(dw, [0.0; 6]);
}

/// `activate` and `activation_backward` are the core's, to the bit.
#[test]
fn activations_are_those_of_the_core() {
    let mut rng = Pcg32::new(6, 0);
    for activation in [ActivationKind::Sigmoid, ActivationKind::Relu, ActivationKind::Identity] {
        for outputs in [1, 7, 16, 33, 130] {
            let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| 4.0 * uniform(&mut rng)).collect() };
            let (bias, mut y, mut d) = (numbers(outputs), numbers(5 * outputs), numbers(5 * outputs));
            let (mut plain_y, mut plain_d, mut db, mut plain_db) = (y.clone(), d.clone(), bias.clone(), bias.clone());
            F32::default().activate(activation, &bias, &mut y);
            kernels::activate(activation, &bias, &mut plain_y);
            activation_backward(activation, &y, &mut d, &mut db);
            kernels::activation_backward(activation, &y, &mut plain_d, &mut plain_db);
            assert_eq!((y, d, db), (plain_y, plain_d, plain_db), "{activation:?} of {outputs}");
        }
    }
}
