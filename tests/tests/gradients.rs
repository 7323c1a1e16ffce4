//! Forward and backward against finite differences of an independent `f64` network: every layer, every activation,
//! whole networks, batches.

use autoencoder_core::layer::Row;
use autoencoder_core::{
    Autoencoder, Backward, Dense, Identity, Kernels, Layer, Parameters, Plain, Relu, Sigmoid, Zeroed,
};
use autoencoder_io::zeroed_box;
use host::gemm::Gemm;
use rand::{Rng, RngExt};
use rand_pcg::Pcg32;
use tests::{Reference, random};

/// The step of the differences.
const H: f64 = 1e-6;

/// Checks outputs, parameter gradients and input gradients of `L = Σ c·y` over `B` rows, with random `c`.
fn check<N, const B: usize>(kernels: &impl Kernels, seed: u64)
where
    N: Backward<In: Row<Element = f32>, Out: Row<Element = f32>> + Parameters + Zeroed,
{
    let mut rng = Pcg32::new(seed, 1);
    let net = random::<N>(seed);
    let mut x = [N::In::ZERO; B];
    let mut c = [N::Out::ZERO; B];
    for (x, c) in x.iter_mut().zip(&mut c) {
        fill(x.elements_mut(), &mut rng);
        fill(c.elements_mut(), &mut rng);
    }

    let (mut acts, mut d) = (zeroed_box::<N::Acts<B>>(), zeroed_box::<N::Acts<B>>());
    let (mut gradient, mut dx) = (zeroed_box::<N>(), [N::In::ZERO; B]);
    gradient.slices_mut().for_each(|slice| slice.fill(1e9)); // has to be overwritten
    net.forward(kernels, &x, &mut acts);
    N::output_mut(&mut d, B).copy_from_slice(&c);
    net.backward(kernels, &x, &acts, &mut d, Some(&mut dx), &mut gradient);

    let rows: Vec<Vec<f64>> = x.iter().map(|row| row.elements().iter().map(|x| f64::from(*x)).collect()).collect();
    let mut reference = Reference::new(&*net);
    for (y, row) in N::output(&acts, B).iter().zip(&rows) {
        for (y, exact) in y.elements().iter().zip(reference.forward(row)) {
            assert!(close(*y, exact), "output {y}, independently {exact}");
        }
    }
    let loss = |reference: &Reference, rows: &[Vec<f64>]| -> f64 {
        let y = rows.iter().flat_map(|row| reference.forward(row));
        y.zip(c.iter().flat_map(Row::elements)).map(|(y, c)| y * f64::from(*c)).sum()
    };
    for (i, analytic) in gradient.slices().flatten().enumerate() {
        let here = reference.numbers[i];
        let mut at = |value| {
            reference.numbers[i] = value;
            loss(&reference, &rows)
        };
        let slope = (at(here + H) - at(here - H)) / (2.0 * H);
        reference.numbers[i] = here;
        assert!(close(*analytic, slope), "parameter {i}: {analytic}, by differences {slope}");
    }
    for (b, dx) in dx.iter().enumerate() {
        for (i, analytic) in dx.elements().iter().enumerate() {
            let at = |value| {
                let mut rows = rows.clone();
                rows[b][i] += value;
                loss(&reference, &rows)
            };
            let slope = (at(H) - at(-H)) / (2.0 * H);
            assert!(close(*analytic, slope), "row {b}, input {i}: {analytic}, by differences {slope}");
        }
    }
}

fn fill(row: &mut [f32], rng: &mut impl Rng) {
    for x in row {
        *x = rng.random_range(-1.0..1.0);
    }
}

fn close(a: f32, b: f64) -> bool {
    (f64::from(a) - b).abs() < 1e-5 * (1.0 + b.abs())
}

/// On the plain loops and on the host's kernels.
fn check_both<N, const B: usize>()
where
    N: Backward<In: Row<Element = f32>, Out: Row<Element = f32>> + Parameters + Zeroed,
{
    for seed in 0..4 {
        check::<N, B>(&Plain, seed);
        check::<N, B>(&Gemm::default(), seed);
    }
}

#[test]
fn a_layer_of_each_activation() {
    check_both::<Dense<5, 3, Sigmoid>, 1>();
    check_both::<Dense<5, 3, Relu>, 1>();
    check_both::<Dense<5, 3, Identity>, 1>();
    check_both::<Dense<1, 1, Sigmoid>, 1>();
    check_both::<Dense<17, 9, Sigmoid>, 7>();
}

#[test]
fn pairs_and_nested_pairs() {
    check_both::<(Dense<6, 4, Relu>, Dense<4, 5, Identity>), 3>();
    check_both::<(Dense<4, 3, Sigmoid>, (Dense<3, 4, Relu>, Dense<4, 2, Sigmoid>)), 2>();
    check_both::<((Dense<4, 3, Identity>, Dense<3, 4, Relu>), Dense<4, 2, Sigmoid>), 2>();
}

#[test]
fn autoencoders() {
    type Shallow = Autoencoder<Dense<8, 3, Sigmoid>, Dense<3, 8, Sigmoid>>;
    type Deep = Autoencoder<
        (Dense<8, 6, Relu>, (Dense<6, 4, Relu>, Dense<4, 2, Relu>)),
        (Dense<2, 4, Relu>, (Dense<4, 6, Relu>, Dense<6, 8, Identity>)),
    >;
    check_both::<Shallow, 4>();
    check_both::<Deep, 4>();
}

#[test]
fn a_row_of_a_batch_equals_a_batch_of_one() {
    type Net = (Dense<9, 6, Sigmoid>, Dense<6, 5, Relu>);
    let net = random::<Net>(3);
    let mut rng = Pcg32::new(4, 0);
    let mut x = [[0.0; 9]; 5];
    for x in &mut x {
        fill(x, &mut rng);
    }
    let (mut many, mut one) = (<Net as Layer>::Acts::<5>::ZERO, <Net as Layer>::Acts::<1>::ZERO);
    net.forward(&Plain, &x, &mut many);
    for (i, x) in x.iter().enumerate() {
        net.forward(&Plain, std::slice::from_ref(x), &mut one);
        assert_eq!(one.0[0], many.0[i]);
        assert_eq!(one.1[0], many.1[i]);
    }
    // Fewer rows than there is room for leave the rest alone.
    let before = many;
    net.forward(&Plain, &[[0.5; 9]; 2], &mut many);
    assert_eq!(many.1[2..], before.1[2..]);
    assert_ne!(many.1[..2], before.1[..2]);
}
