//! The kernels of a training step on real digits, in `f32` and in bfloat16, one whole step, and what there is to reach: a
//! dense product and a bare loop of multiply-adds. On one thread, but for the step.
//!
//!     cargo bench -p host --bench kernels

use autoencoder_core::model::Classic;
use autoencoder_core::{Dense, Kernels, Layer, Parameters, Sigmoid, Zeroed};
use autoencoder_io::idx::Images;
use autoencoder_io::zeroed_box;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use host::bfloat16::{Operands, Pass, Weights, gradient};
use host::data::Source;
use host::gemm::{Gemm, lanes};
use host::recipe::Recipe;
use host::trainer::{SHARD, Trainer};
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
fn digits() -> Vec<[f32; 784]> {
    let mut rows = vec![[0.0; 784]; SHARD];
    rows.iter_mut().enumerate().for_each(|(i, row)| DIGITS.copy(i, row));
    rows
}

/// Numbers of which none is 0.
fn dense<const C: usize>(rows: usize) -> Vec<[f32; C]> {
    (0..rows).map(|r| std::array::from_fn(|c| ((r * 31 + c * 17) % 97) as f32 / 97.0 - 0.503)).collect()
}

/// Operations of a product of a shard.
fn operations(inputs: usize, outputs: usize) -> ItemsCount {
    ItemsCount::new(2 * SHARD * inputs * outputs)
}

/// `x · wᵀ`
fn forward<const I: usize, const O: usize>(bencher: Bencher<'_, '_>, x: &[[f32; I]]) {
    let (w, mut y) = (dense::<I>(O), vec![[0.0; O]; SHARD]);
    let w: &[[f32; I]; O] = w.first_chunk().expect("its rows");
    let kernels = Gemm::default();
    bencher.counter(operations(I, O)).bench_local(|| kernels.x_wt(black_box(x), w, &mut y));
}

/// `dy · w`
fn backward<const I: usize, const O: usize>(bencher: Bencher<'_, '_>) {
    let (dy, w, mut dx) = (dense::<O>(SHARD), dense::<I>(O), vec![[0.0; I]; SHARD]);
    let w: &[[f32; I]; O] = w.first_chunk().expect("its rows");
    let kernels = Gemm::default();
    bencher.counter(operations(I, O)).bench_local(|| kernels.dy_w(black_box(&dy), w, &mut dx));
}

/// `dyᵀ · x`
fn gradients<const I: usize, const O: usize>(bencher: Bencher<'_, '_>, x: &[[f32; I]]) {
    let (dy, mut dw) = (dense::<O>(SHARD), dense::<I>(O));
    let dw: &mut [[f32; I]; O] = dw.first_chunk_mut().expect("its rows");
    let kernels = Gemm::default();
    bencher.counter(operations(I, O)).bench_local(|| kernels.dyt_x(black_box(&dy), x, dw));
}

#[divan::bench]
fn forward_784_256_digits(bencher: Bencher<'_, '_>) {
    forward::<784, 256>(bencher, &digits());
}

#[divan::bench]
fn forward_784_256_dense(bencher: Bencher<'_, '_>) {
    forward::<784, 256>(bencher, &dense(SHARD));
}

#[divan::bench]
fn forward_256_784(bencher: Bencher<'_, '_>) {
    forward::<256, 784>(bencher, &dense(SHARD));
}

#[divan::bench]
fn backward_256_784(bencher: Bencher<'_, '_>) {
    backward::<256, 784>(bencher);
}

#[divan::bench]
fn gradients_784_256_digits(bencher: Bencher<'_, '_>) {
    gradients::<784, 256>(bencher, &digits());
}

#[divan::bench]
fn gradients_784_256_dense(bencher: Bencher<'_, '_>) {
    gradients::<784, 256>(bencher, &dense(SHARD));
}

#[divan::bench]
fn gradients_256_784(bencher: Bencher<'_, '_>) {
    gradients::<256, 784>(bencher, &dense(SHARD));
}

/// A layer of 784 outputs that is not the first.
type Behind = (Dense<16, 256, Sigmoid>, Dense<256, 784, Sigmoid>);

/// The operands and the weights of a network in bfloat16, all of them made of numbers that are not 0.
fn rounded<N: Layer + Parameters + Zeroed>() -> Option<(Box<N>, Weights, Operands)> {
    let (mut net, numbers) = (zeroed_box::<N>(), dense::<97>(1));
    net.slices_mut().flatten().zip(numbers[0].iter().cycle()).for_each(|(w, x)| *w = *x);
    let mut weights = Weights::new(N::specs())?;
    weights.fill(&*net);
    Some((net, weights, Operands::new(N::specs())))
}

/// `x · wᵀ` of digits, which are rounded and put in order as well.
#[divan::bench]
fn bfloat16_forward_784_256_digits(bencher: Bencher<'_, '_>) {
    let Some((net, weights, mut operands)) = rounded::<Dense<784, 256, Sigmoid>>() else { return };
    let (x, mut y) = (digits(), vec![[0.0; 256]; SHARD]);
    bencher.counter(operations(784, 256)).bench_local(|| {
        Pass::new(Gemm::default(), &weights, &mut operands).x_wt(black_box(&x), &net.weights, &mut y);
    });
}

/// `dyᵀ · x` of digits.
#[divan::bench]
fn bfloat16_gradients_784_256_digits(bencher: Bencher<'_, '_>) {
    let Some((mut net, weights, mut operands)) = rounded::<Dense<784, 256, Sigmoid>>() else { return };
    let (x, dy, mut y) = (digits(), dense::<256>(SHARD), vec![[0.0; 256]; SHARD]);
    let pass = Pass::new(Gemm::default(), &weights, &mut operands);
    pass.x_wt(&x, &net.weights, &mut y);
    pass.dyt_x(&dy, &x, &mut net.weights);
    bencher.counter(operations(784, 256)).bench_local(|| {
        for (i, dw) in net.weights.as_flattened_mut().chunks_mut(64 * 784).enumerate() {
            gradient(weights.unit(), [&operands].into_iter(), [0, 64 * i, 784], dw);
        }
    });
}

/// A pass that is through both layers and back at the second.
fn behind<'a>(net: &mut Behind, weights: &'a Weights, operands: &'a mut Operands) -> Pass<'a> {
    let (x, h, dy) = (dense::<16>(SHARD), dense::<256>(SHARD), dense::<784>(SHARD));
    let pass = Pass::new(Gemm::default(), weights, operands);
    pass.x_wt(&x, &net.0.weights, &mut vec![[0.0; 256]; SHARD]);
    pass.x_wt(&h, &net.1.weights, &mut vec![[0.0; 784]; SHARD]);
    pass.dyt_x(&dy, &h, &mut net.1.weights);
    pass
}

/// `dy · w`
#[divan::bench]
fn bfloat16_backward_256_784(bencher: Bencher<'_, '_>) {
    let Some((mut net, weights, mut operands)) = rounded::<Behind>() else { return };
    let (dy, mut dx) = (dense::<784>(SHARD), vec![[0.0; 256]; SHARD]);
    let pass = behind(&mut net, &weights, &mut operands);
    bencher.counter(operations(256, 784)).bench_local(|| pass.dy_w(black_box(&dy), &net.1.weights, &mut dx));
}

/// `dyᵀ · x`
#[divan::bench]
fn bfloat16_gradients_256_784(bencher: Bencher<'_, '_>) {
    let Some((mut net, weights, mut operands)) = rounded::<Behind>() else { return };
    behind(&mut net, &weights, &mut operands);
    bencher.counter(operations(256, 784)).bench_local(|| {
        for (i, dw) in net.1.weights.as_flattened_mut().chunks_mut(16 * 256).enumerate() {
            gradient(weights.unit(), [&operands].into_iter(), [1, 16 * i, 256], dw);
        }
    });
}

#[divan::bench]
fn activation_784(bencher: Bencher<'_, '_>) {
    let (mut y, bias) = (dense::<784>(SHARD), [0.1; 784]);
    let kernels = Gemm::default();
    bencher.counter(ItemsCount::new(SHARD * 784)).bench_local(|| kernels.activate::<Sigmoid, 784>(&mut y, &bias));
}

#[divan::bench]
fn bfloat16_activation_784(bencher: Bencher<'_, '_>) {
    let Some((_, weights, mut operands)) = rounded::<Dense<16, 784, Sigmoid>>() else { return };
    let (mut y, bias) = (dense::<784>(SHARD), [0.1; 784]);
    let pass = Pass::new(Gemm::default(), &weights, &mut operands);
    bencher.counter(ItemsCount::new(SHARD * 784)).bench_local(|| pass.activate::<Sigmoid, 784>(&mut y, &bias));
}

#[divan::bench]
fn slope_784(bencher: Bencher<'_, '_>) {
    let (y, mut d, mut sums) = (dense::<784>(SHARD), dense::<784>(SHARD), [0.0; 784]);
    let kernels = Gemm::default();
    bencher.counter(ItemsCount::new(SHARD * 784)).bench_local(|| kernels.slope::<Sigmoid, 784>(&y, &mut d, &mut sums));
}

/// A whole step of the default network and recipe, on all cores.
#[divan::bench(sample_count = 300, sample_size = 1)]
fn step(bencher: Bencher<'_, '_>) {
    let mut trainer = Trainer::<Classic>::new(Recipe::DEFAULT, 30_000, 256, 1, &*DIGITS);
    bencher.counter(ItemsCount::new(256u32)).bench_local(|| trainer.train(&*DIGITS));
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
