//! The kernels of a training step on real digits, in `f32`, bfloat16 and 16-bit integers; one whole step; and two limits: a dense product
//! and a bare loop of multiply-adds. All on one thread, except the step.
//!
//!     cargo bench -p host --bench kernels

use autoencoder_core::Topology;
use autoencoder_core::activation::ActivationKind;
use autoencoder_io::idx::Images;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use host::FloatNetwork;
use host::data::Dataset;
use host::kernels::{Bf16, F32, Int16, Products, SHARD, ShardOperands, activation_backward, lanes};
use host::train::{Recipe, Trainer};
use pulp::{Arch, Simd, WithSimd};
use std::path::Path;
use std::sync::LazyLock;

static DIGITS: LazyLock<Images> = LazyLock::new(|| {
    Images::test(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/mnist"))).expect("the repository's digits")
});

fn main() {
    divan::main();
}

/// A shard of digits.
fn digits() -> Vec<f32> {
    let mut rows = vec![0.0; SHARD * DIGITS.width()];
    rows.chunks_mut(DIGITS.width()).enumerate().for_each(|(i, row)| DIGITS.copy(i, row));
    rows
}

/// Numbers of which none is 0.
fn dense(rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|i| ((i / columns * 31 + i % columns * 17) % 97) as f32 / 97.0 - 0.503).collect()
}

/// A network whose parameters are all dense numbers.
fn network(topology: &str) -> FloatNetwork {
    let topology: Topology = topology.parse().expect("a topology");
    let mut network = FloatNetwork::new(&topology);
    network.parameters_mut().copy_from_slice(&dense(1, topology.parameters()));
    network
}

/// The products of one layer.
#[derive(Clone, Copy)]
enum Product {
    /// `x · wᵀ`
    Forward,
    /// `dz · w`
    InputGradient,
    /// `dzᵀ · x`
    WeightGradient,
}

/// A product of a shard with the layer at `index`, after the products that it needs.
fn bench<P: Products>(
    bencher: Bencher<'_, '_>,
    products: P,
    (network, index, layer): (&FloatNetwork, usize, P::Layer<'_>),
    x: &[f32],
    product: Product,
) {
    let spec = network.layer(index).spec;
    let [inputs, outputs] = spec.sizes();
    let (dz, mut y, mut dx) = (dense(SHARD, outputs), vec![0.0; SHARD * outputs], vec![0.0; SHARD * inputs]);
    let (mut dw, mut operands) = (vec![0.0; spec.weights()], products.operands(index, spec));
    products.forward(layer, x, &mut operands, &mut y);
    products.input_gradient(layer, &dz, &mut operands, (index > 0).then_some(&mut dx));
    let bencher = bencher.counter(ItemsCount::new(2 * SHARD * inputs * outputs));
    match product {
        Product::Forward => bencher.bench_local(|| products.forward(layer, black_box(x), &mut operands, &mut y)),
        Product::InputGradient => {
            bencher.bench_local(|| products.input_gradient(layer, black_box(&dz), &mut operands, Some(&mut dx)));
        }
        Product::WeightGradient => {
            let rows = products.gradient_rows(index, spec);
            let shards = [ShardOperands { dz: &dz, x, operands: &operands }];
            bencher.bench_local(|| {
                for (first, dw) in (0..outputs).step_by(rows).zip(dw.chunks_mut(rows * inputs)) {
                    let rows = first..first + dw.len() / inputs;
                    products.weight_gradient(spec, black_box(&shards), rows, dw);
                }
            });
        }
    }
}

/// A product of the layer at `index` of a network, with the rounding and packing of its operands.
fn packed<P: Products>(
    bencher: Bencher<'_, '_>,
    products: Option<P>,
    (topology, index): (&str, usize),
    x: &[f32],
    product: Product,
) {
    let (network, Some(products)) = (network(topology), products) else { return };
    let mut packed = products.packed(network.topology());
    P::pack(&mut packed, &network);
    let layer = P::layers(&packed, &network)[index];
    bench(bencher, products, (&network, index, layer), x, product);
}

/// A product in `f32`.
fn f32(bencher: Bencher<'_, '_>, layer: (&str, usize), x: &[f32], product: Product) {
    packed(bencher, Some(F32::default()), layer, x, product);
}

/// A product in 16-bit integers.
fn int16(bencher: Bencher<'_, '_>, layer: (&str, usize), x: &[f32], product: Product) {
    packed(bencher, Int16::detect(), layer, x, product);
}

/// A product in bfloat16.
fn bf16(bencher: Bencher<'_, '_>, layer: (&str, usize), x: &[f32], product: Product) {
    packed(bencher, Bf16::detect(), layer, x, product);
}

/// The first layer of the default network.
const FIRST: (&str, usize) = ("784-256", 0);
/// Its last layer, as the second one.
const LAST: (&str, usize) = ("16-256-784", 1);

#[divan::bench]
fn forward_784_256_digits(bencher: Bencher<'_, '_>) {
    f32(bencher, FIRST, &digits(), Product::Forward);
}

#[divan::bench]
fn forward_784_256_dense(bencher: Bencher<'_, '_>) {
    f32(bencher, FIRST, &dense(SHARD, 784), Product::Forward);
}

#[divan::bench]
fn forward_256_784(bencher: Bencher<'_, '_>) {
    f32(bencher, LAST, &dense(SHARD, 256), Product::Forward);
}

#[divan::bench]
fn backward_256_784(bencher: Bencher<'_, '_>) {
    f32(bencher, LAST, &dense(SHARD, 256), Product::InputGradient);
}

#[divan::bench]
fn gradients_784_256_digits(bencher: Bencher<'_, '_>) {
    f32(bencher, FIRST, &digits(), Product::WeightGradient);
}

#[divan::bench]
fn gradients_784_256_dense(bencher: Bencher<'_, '_>) {
    f32(bencher, FIRST, &dense(SHARD, 784), Product::WeightGradient);
}

#[divan::bench]
fn gradients_256_784(bencher: Bencher<'_, '_>) {
    f32(bencher, LAST, &dense(SHARD, 256), Product::WeightGradient);
}

#[divan::bench]
fn bfloat16_forward_784_256_digits(bencher: Bencher<'_, '_>) {
    bf16(bencher, FIRST, &digits(), Product::Forward);
}

#[divan::bench]
fn bfloat16_gradients_784_256_digits(bencher: Bencher<'_, '_>) {
    bf16(bencher, FIRST, &digits(), Product::WeightGradient);
}

#[divan::bench]
fn bfloat16_forward_256_784(bencher: Bencher<'_, '_>) {
    bf16(bencher, LAST, &dense(SHARD, 256), Product::Forward);
}

#[divan::bench]
fn bfloat16_backward_256_784(bencher: Bencher<'_, '_>) {
    bf16(bencher, LAST, &dense(SHARD, 256), Product::InputGradient);
}

#[divan::bench]
fn bfloat16_gradients_256_784(bencher: Bencher<'_, '_>) {
    bf16(bencher, LAST, &dense(SHARD, 256), Product::WeightGradient);
}

#[divan::bench]
fn int16_forward_784_256_digits(bencher: Bencher<'_, '_>) {
    int16(bencher, FIRST, &digits(), Product::Forward);
}

#[divan::bench]
fn int16_gradients_784_256_digits(bencher: Bencher<'_, '_>) {
    int16(bencher, FIRST, &digits(), Product::WeightGradient);
}

#[divan::bench]
fn int16_forward_256_784(bencher: Bencher<'_, '_>) {
    int16(bencher, LAST, &dense(SHARD, 256), Product::Forward);
}

#[divan::bench]
fn int16_backward_256_784(bencher: Bencher<'_, '_>) {
    int16(bencher, LAST, &dense(SHARD, 256), Product::InputGradient);
}

#[divan::bench]
fn int16_gradients_256_784(bencher: Bencher<'_, '_>) {
    int16(bencher, LAST, &dense(SHARD, 256), Product::WeightGradient);
}

/// `σ(y + b)`
fn activate(bencher: Bencher<'_, '_>, products: impl Products) {
    let (mut y, bias) = (dense(SHARD, 784), [0.1; 784]);
    let bencher = bencher.counter(ItemsCount::new(SHARD * 784));
    bencher.bench_local(|| products.activate(ActivationKind::Sigmoid, &bias, &mut y));
}

#[divan::bench]
fn activation_784(bencher: Bencher<'_, '_>) {
    activate(bencher, F32::default());
}

#[divan::bench]
fn bfloat16_activation_784(bencher: Bencher<'_, '_>) {
    if let Some(bf16) = Bf16::detect() {
        activate(bencher, bf16);
    }
}

#[divan::bench]
fn activation_backward_784(bencher: Bencher<'_, '_>) {
    let (y, mut d, mut sums) = (dense(SHARD, 784), dense(SHARD, 784), [0.0; 784]);
    let bencher = bencher.counter(ItemsCount::new(SHARD * 784));
    bencher.bench_local(|| activation_backward(ActivationKind::Sigmoid, &y, &mut d, &mut sums));
}

/// A whole step of the default network and recipe, on all cores.
#[divan::bench(sample_count = 300, sample_size = 1)]
fn step(bencher: Bencher<'_, '_>) {
    let topology = Topology::named("classic").expect("the default network");
    let mut trainer = Trainer::new(&topology, Recipe::DEFAULT, 30_000, 256, 1, &*DIGITS);
    bencher.counter(ItemsCount::new(256u32)).bench_local(|| trainer.step(&*DIGITS));
}

/// Multiply-adds on registers alone: the machine's limit.
#[divan::bench]
fn multiply_adds(bencher: Bencher<'_, '_>) {
    const CHAINS: usize = 12;
    const TIMES: usize = 10_000;

    struct Bare(f32);

    impl WithSimd for Bare {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            let x = simd.splat_f32s(self.0);
            let mut chains = [x; CHAINS];
            for _ in 0..TIMES {
                for chain in &mut chains {
                    *chain = simd.mul_add_e_f32s(*chain, x, x);
                }
            }
            chains.into_iter().map(|chain| simd.reduce_sum_f32s(chain)).sum()
        }
    }

    let arch = Arch::default();
    let operations = ItemsCount::new(2 * CHAINS * TIMES * lanes(arch));
    bencher.counter(operations).bench_local(|| arch.dispatch(Bare(black_box(0.5))));
}
