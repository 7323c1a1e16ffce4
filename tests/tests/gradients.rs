//! Forward and backward passes against finite differences of an independent `f64` network: every layer, every
//! activation, whole networks and batches. Both the network as a type and the host's products are tested.

use autoencoder_core::layer::Row;
use autoencoder_core::{
    Autoencoder, Backward, Dense, Identity, Layer, LayerSpec, Parameters, Relu, Sigmoid, Topology, Zeroed,
};
use autoencoder_io::zeroed_box;
use host::FloatNetwork;
use host::kernels::{F32, Products, ShardOperands, activation_backward};
use rand::{Rng, RngExt};
use rand_pcg::Pcg32;
use tests::{Reference, random};

/// The step of the differences.
const H: f64 = 1e-6;

/// The outputs for some rows, and the gradients of `L = Σ c·y`.
struct Computed {
    y: Vec<f32>,
    parameters: Vec<f32>,
    dx: Vec<f32>,
}

/// Computes with the network as a type.
fn typed<N, const B: usize>(net: &N, x: &[N::In; B], c: &[N::Out; B]) -> Computed
where
    N: Backward<In: Row, Out: Row> + Parameters + Zeroed,
{
    let (mut acts, mut d) = (zeroed_box::<N::Acts<B>>(), zeroed_box::<N::Acts<B>>());
    let (mut gradient, mut dx) = (zeroed_box::<N>(), [N::In::ZERO; B]);
    gradient.slices_mut().for_each(|slice| slice.fill(1e9)); // must be overwritten
    net.forward(x, &mut acts);
    N::output_mut(&mut d, B).copy_from_slice(c);
    net.backward(x, &acts, &mut d, Some(&mut dx), &mut gradient);
    Computed { y: flat(N::output(&acts, B)), parameters: gradient.slices().flatten().copied().collect(), dx: flat(&dx) }
}

/// Computes with the host's products.
fn by_products(network: &FloatNetwork, x: Vec<f32>, c: Vec<f32>) -> Computed {
    let (products, topology) = (F32::default(), network.topology());
    let rows = x.len() / topology.inputs();
    let mut activations = vec![x];
    for (index, layer) in network.layers().enumerate() {
        let mut y = vec![1e9; rows * layer.bias.len()];
        products.forward(layer, &activations[index], &mut (), &mut y);
        products.activate(layer.spec.activation, layer.bias, &mut y);
        activations.push(y);
    }
    let (mut d, mut gradient) = (c, FloatNetwork::new(topology));
    gradient.parameters_mut().fill(1e9); // must be overwritten
    for index in (0..topology.layers().len()).rev() {
        let (layer, (dw, db)) = (network.layer(index), gradient.layer_mut(index));
        let [inputs, outputs] = layer.spec.sizes();
        activation_backward(layer.spec.activation, &activations[index + 1], &mut d, db);
        let mut dx = vec![1e9; rows * inputs];
        products.input_gradient(layer, &d, &mut (), Some(&mut dx));
        let shard = ShardOperands { dz: &d, x: &activations[index], operands: &() };
        products.weight_gradient(layer.spec, &[shard], 0..outputs, dw);
        d = dx;
    }
    Computed { y: activations.pop().unwrap_or_default(), parameters: gradient.parameters().to_vec(), dx: d }
}

/// Checks outputs, parameter gradients and input gradients over `B` rows, with random `c`.
fn check<N, const B: usize>(seed: u64)
where
    N: Backward<In: Row, Out: Row> + Parameters + Zeroed,
{
    let mut rng = Pcg32::new(seed, 1);
    let net = random::<N>(seed);
    let mut x = [N::In::ZERO; B];
    let mut c = [N::Out::ZERO; B];
    for (x, c) in x.iter_mut().zip(&mut c) {
        fill(x.elements_mut(), &mut rng);
        fill(c.elements_mut(), &mut rng);
    }
    let specs: Vec<LayerSpec> = N::specs().collect();
    let mut network = FloatNetwork::new(&Topology::new(&specs, 0).expect("layers that fit"));
    network.parameters_mut().iter_mut().zip(net.slices().flatten()).for_each(|(to, from)| *to = *from);
    for computed in [typed(&*net, &x, &c), by_products(&network, flat(&x), flat(&c))] {
        check_computed(&computed, Reference::new(&*net), &x, &c);
    }
}

/// Checks computed outputs and gradients against finite differences.
fn check_computed<X: Row, Y: Row>(computed: &Computed, mut reference: Reference, x: &[X], c: &[Y]) {
    let rows: Vec<Vec<f64>> = x.iter().map(|row| row.elements().iter().map(|x| f64::from(*x)).collect()).collect();
    let exact: Vec<f64> = rows.iter().flat_map(|row| reference.forward(row)).collect();
    assert_eq!(computed.y.len(), exact.len());
    for (y, exact) in computed.y.iter().zip(exact) {
        assert!(close(*y, exact), "output {y}, independently {exact}");
    }
    let loss = |reference: &Reference, rows: &[Vec<f64>]| -> f64 {
        let y = rows.iter().flat_map(|row| reference.forward(row));
        y.zip(c.iter().flat_map(Row::elements)).map(|(y, c)| y * f64::from(*c)).sum()
    };
    assert_eq!(computed.parameters.len(), reference.numbers.len());
    for (i, analytic) in computed.parameters.iter().enumerate() {
        let here = reference.numbers[i];
        let mut at = |value| {
            reference.numbers[i] = value;
            loss(&reference, &rows)
        };
        let slope = (at(here + H) - at(here - H)) / (2.0 * H);
        reference.numbers[i] = here;
        assert!(close(*analytic, slope), "parameter {i}: {analytic}, by differences {slope}");
    }
    assert_eq!(computed.dx.len(), rows.len() * X::LEN);
    for (b, dx) in computed.dx.chunks_exact(X::LEN).enumerate() {
        for (i, analytic) in dx.iter().enumerate() {
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

fn flat<R: Row>(rows: &[R]) -> Vec<f32> {
    rows.iter().flat_map(Row::elements).copied().collect()
}

fn fill(row: &mut [f32], rng: &mut impl Rng) {
    for x in row {
        *x = rng.random_range(-1.0..1.0);
    }
}

fn close(a: f32, b: f64) -> bool {
    (f64::from(a) - b).abs() < 1e-5 * (1.0 + b.abs())
}

fn check_seeds<N, const B: usize>()
where
    N: Backward<In: Row, Out: Row> + Parameters + Zeroed,
{
    (0..4).for_each(check::<N, B>);
}

#[test]
fn a_layer_of_each_activation() {
    check_seeds::<Dense<5, 3, Sigmoid>, 1>();
    check_seeds::<Dense<5, 3, Relu>, 1>();
    check_seeds::<Dense<5, 3, Identity>, 1>();
    check_seeds::<Dense<1, 1, Sigmoid>, 1>();
    check_seeds::<Dense<17, 9, Sigmoid>, 7>();
}

#[test]
fn pairs_and_nested_pairs() {
    check_seeds::<(Dense<6, 4, Relu>, Dense<4, 5, Identity>), 3>();
    check_seeds::<(Dense<4, 3, Sigmoid>, (Dense<3, 4, Relu>, Dense<4, 2, Sigmoid>)), 2>();
    check_seeds::<((Dense<4, 3, Identity>, Dense<3, 4, Relu>), Dense<4, 2, Sigmoid>), 2>();
}

#[test]
fn autoencoders() {
    type Shallow = Autoencoder<Dense<8, 3, Sigmoid>, Dense<3, 8, Sigmoid>>;
    type Deep = Autoencoder<
        (Dense<8, 6, Relu>, (Dense<6, 4, Relu>, Dense<4, 2, Relu>)),
        (Dense<2, 4, Relu>, (Dense<4, 6, Relu>, Dense<6, 8, Identity>)),
    >;
    check_seeds::<Shallow, 4>();
    check_seeds::<Deep, 4>();
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
    net.forward(&x, &mut many);
    for (i, x) in x.iter().enumerate() {
        net.forward(std::slice::from_ref(x), &mut one);
        assert_eq!(one.0[0], many.0[i]);
        assert_eq!(one.1[0], many.1[i]);
    }
    // A pass over fewer rows than there is room for leaves the rest unchanged.
    let before = many;
    net.forward(&[[0.5; 9]; 2], &mut many);
    assert_eq!(many.1[2..], before.1[2..]);
    assert_ne!(many.1[..2], before.1[..2]);
}
