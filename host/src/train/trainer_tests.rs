//! The trainer with plain products against the typed network of the core, and the trainer with fast products against that with
//! plain ones.

use super::*;
use crate::evaluate::{errors, reconstruct};
use crate::kernels::left_out::or_left_out;
use crate::kernels::{Bf16, Int16};
use crate::train::backend::Engine;
use crate::train::plain::PlainProducts;
use crate::train::qat::{Qat, WeightFormat, round_code};
use crate::train::recipe::ProductKind;
use crate::train::recipe::Schedule;
use autoencoder_core::init::Init;
use autoencoder_core::optimizer::{Optimizer, RmsProp, Sgd};
use autoencoder_core::{Autoencoder, Backward, Dense, Identity, Parameters, Relu, Sigmoid, Zeroed, loss};
use autoencoder_io::zeroed_box;
use ndarray::Array2;

/// Plain steps, without centring, shifts or rounding.
const PLAIN: Recipe = Recipe {
    init: Init::GlorotNormal,
    schedule: Schedule::Constant(0.01),
    centred: false,
    augment_fraction: 0.0,
    noise: 0.0,
    qat: Qat::NONE,
    products: ProductKind::F32,
    ..Recipe::DEFAULT
};

/// Rows in [0, 1], a fifth of their numbers 0.
fn rows(count: usize, width: usize) -> Array2<f32> {
    Array2::from_shape_fn((count, width), |(row, i)| {
        ((row * 31 + i * i * 17 + row * i) % 25).saturating_sub(4) as f32 / 20.0
    })
}

/// A trainer whose products are plain loops.
fn plain_trainer(topology: &Topology, recipe: Recipe, batch: usize, source: &Array2<f32>) -> Trainer {
    let mut trainer = Trainer::new(topology, recipe, 30, batch, 1, source);
    trainer.backend = Backend::Plain(Engine::new(PlainProducts, topology, batch.div_ceil(SHARD)));
    trainer
}

/// Trains a network whose topology is a type for three steps, and checks that the trainer has the same bits after each.
fn check_typed<E, D, const I: usize>(topology: &str, optimizer: OptimizerKind, code_bits: u8)
where
    E: Backward<In = [f32; I]> + Parameters + Zeroed,
    D: Backward<In = E::Out, Out = E::In> + Parameters + Zeroed,
    E::Out: autoencoder_core::layer::Row,
{
    use autoencoder_core::layer::Row;
    const BATCH: usize = 150; // a shard and a part of one
    let (topology, source): (Topology, _) = (topology.parse().unwrap(), rows(BATCH, I));
    // No step rounds weights, and every step rounds the code.
    let recipe = Recipe { optimizer, qat: Qat { code_bits, ..Qat::NONE }, rounds_code: true, ..PLAIN };
    let mut trainer = plain_trainer(&topology, recipe, BATCH, &source);
    let mut net = zeroed_box::<Autoencoder<E, D>>();
    recipe.init.fill(&mut *net, &mut Pcg32::new(1, 0));
    let (mut m, mut v) =
        (vec![0.0; topology.parameters()], vec![recipe.initial_second_moment(); topology.parameters()]);
    for t in 1..=3 {
        trainer.step(&source);
        let mut gradient = vec![0.0; topology.parameters()];
        for order in trainer.order.chunks(SHARD) {
            let x: Vec<[f32; I]> =
                order.iter().map(|row| std::array::from_fn(|i| source[[*row as usize, i]])).collect();
            let (mut e, mut d) = (zeroed_box::<E::Acts<SHARD>>(), zeroed_box::<D::Acts<SHARD>>());
            let (mut de, mut dd) = (zeroed_box::<E::Acts<SHARD>>(), zeroed_box::<D::Acts<SHARD>>());
            let mut grad = zeroed_box::<Autoencoder<E, D>>();
            let mut code = net.encoder.forward(&x, &mut e).to_vec();
            if code_bits < 8 {
                let exact = code.clone();
                code.iter_mut()
                    .zip(&exact)
                    .for_each(|(to, from)| round_code(code_bits, from.elements(), to.elements_mut()));
            }
            let y = net.decoder.forward(&code, &mut d);
            let dy = D::output_mut(&mut dd, x.len());
            let scale = 1.0 / (BATCH * I) as f32;
            y.iter().zip(&x).zip(dy).for_each(|((y, x), dy)| _ = loss::squared_error(y, x, scale, dy));
            let dcode = E::output_mut(&mut de, x.len());
            net.decoder.backward(&code, &d, &mut dd, Some(dcode), &mut grad.decoder);
            net.encoder.backward(&x, &e, &mut de, None, &mut grad.encoder);
            gradient.iter_mut().zip(grad.slices().flatten()).for_each(|(sum, own)| *sum += own);
        }
        let rate = trainer.learning_rate();
        match optimizer {
            OptimizerKind::Sgd(sgd) => sgd.steps(t, rate, &mut gradient, &mut m, &mut v),
            OptimizerKind::RmsProp(rms_prop) => rms_prop.steps(t, rate, &mut gradient, &mut m, &mut v),
            OptimizerKind::Adam(adam) => adam.steps(t, rate, &mut gradient, &mut m, &mut v),
        }
        net.slices_mut().flatten().zip(&gradient).for_each(|(p, step)| *p -= step);
        let [parameters, ..] = trainer.state();
        for (i, (typed, found)) in net.slices().flatten().zip(parameters.parameters()).enumerate() {
            assert_eq!(found, typed, "{topology}, {optimizer:?}, step {t}, parameter {i}");
        }
    }
}

#[test]
fn plain_products_train_to_the_bits_of_the_typed_network() {
    type Wide = (Dense<20, 33, Relu>, Dense<33, 7, Sigmoid>);
    let optimizers = [
        OptimizerKind::Sgd(Sgd::default()),
        OptimizerKind::RmsProp(RmsProp::default()),
        OptimizerKind::Adam(Adam { nesterov: true, ..Adam::default() }),
    ];
    for optimizer in optimizers {
        for code_bits in [8, 7, 3] {
            check_typed::<
                (Dense<64, 16, Sigmoid>, Dense<16, 4, Sigmoid>),
                (Dense<4, 16, Sigmoid>, Dense<16, 64, Sigmoid>),
                64,
            >("64-16-4-16-64", optimizer, code_bits);
            check_typed::<Wide, Dense<7, 20, Identity>, 20>("20-33r-7-20i", optimizer, code_bits);
        }
    }
}

/// The kinds of products of this processor.
fn kinds() -> impl Iterator<Item = ProductKind> {
    let int16 = or_left_out(Int16::detect(), "avx2").map(|_| ProductKind::Int16);
    let bf16 = or_left_out(Bf16::detect(), "avx512_bf16").map(|_| ProductKind::Bf16);
    [Some(ProductKind::F32), int16, bf16].into_iter().flatten()
}

/// Losses of three steps with any products are close to those with plain ones.
fn check_fast(topology: &str, recipe: Recipe) {
    let topology: Topology = topology.parse().unwrap();
    let source = rows(200, topology.inputs());
    let mut plain = plain_trainer(&topology, recipe, 180, &source);
    let plain: Vec<f32> = (0..3).map(|_| plain.step(&source)).collect();
    for products in kinds() {
        let error = match products {
            ProductKind::F32 => 1e-4,
            ProductKind::Int16 => 0.003,
            _ => 0.03,
        };
        let mut trainer = Trainer::new(&topology, Recipe { products, ..recipe }, 30, 180, 1, &source);
        for plain in &plain {
            let found = trainer.step(&source);
            assert!((found / plain - 1.0).abs() < error, "{topology}, {products:?}: {found} {plain}");
        }
    }
}

#[test]
fn any_topology_trains_alike_with_every_product() {
    let rounded = |code_bits| Qat { weights: Some(WeightFormat::Int8), code_bits, fraction: 1.0 };
    for topology in [
        "64-64",
        "1-1",
        "5-3r-5i",
        "50-33r-7-41-50",
        "50-64-10*-40-8-50i",
        "130-17r-130i",
        "7-6-5-4-3-2-1-2-3-4-5-6-7",
        "20-19r-18r-17r-16r-15r-14r-13r-12r-13r-14r-15r-16r-17r-18r-19r-20i",
        "96-128-64-1-96",
    ] {
        for (centred, qat) in [(false, Qat::NONE), (true, Qat::NONE), (true, rounded(8))] {
            check_fast(topology, Recipe { centred, qat, schedule: Schedule::Constant(0.001), ..PLAIN });
        }
    }
    for topology in ["64-64", "50-33r-7-41-50", "96-128-64-96"] {
        check_fast(topology, Recipe { qat: rounded(4), schedule: Schedule::Constant(0.001), ..PLAIN });
    }
}

#[test]
fn bytes_do_not_depend_on_the_number_of_threads() {
    // The gradients of the second network are computed some rows at a time.
    for (topology, steps) in [("50-33r-7-41-50", 60), ("400-300-300-400", 6)] {
        let topology: Topology = topology.parse().unwrap();
        let source = rows(600, topology.inputs());
        for products in kinds() {
            let train = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let recipe = Recipe { products, ..Recipe::DEFAULT };
                let mut trainer = Trainer::new(&topology, recipe, steps, 300, 1, &source);
                pool.install(|| (0..steps).for_each(|_| _ = trainer.step(&source)));
                let state = trainer.state().map(Clone::clone);
                (state, trainer.network().clone())
            };
            let one = train(1);
            assert!(train(2) == one && train(3) == one, "{topology}, {products}");
        }
    }
}

#[test]
fn the_recipe_codec_rounds_the_code_from_the_first_step() {
    let (topology, source) = ("20-6-20".parse().unwrap(), rows(40, 20));
    for (recipe, first) in [(Recipe::DEFAULT, 8), (Recipe::CODEC, 3)] {
        let qat = Qat { weights: Some(WeightFormat::Int8), code_bits: 3, fraction: 0.5 };
        let mut trainer = Trainer::new(&topology, Recipe { qat, ..recipe }, 4, 20, 1, &source);
        for bits in [first, first, 3, 3] {
            assert_eq!(trainer.code_bits(), bits, "{}, {} steps done", recipe.name, trainer.steps_done());
            trainer.step(&source);
        }
    }
}

/// The decoder of a one-layer network has no layers: the rounded code is the reconstruction.
#[test]
fn errors_are_those_of_reconstructions() {
    for topology in ["64-64", "50-33r-7-41-50", "20-7-20i"] {
        let topology: Topology = topology.parse().unwrap();
        let (width, source) = (topology.inputs(), rows(300, topology.inputs()));
        let trainer = Trainer::new(&topology, PLAIN, 1, 10, 1, &source);
        for code_bits in [8, 3] {
            let errors = errors(trainer.network(), code_bits, &source);
            let x = source.as_slice().unwrap();
            let y = reconstruct(trainer.network(), code_bits, x);
            assert_eq!((errors.len(), y.len()), (300, x.len()));
            for ((y, x), error) in y.chunks(width).zip(x.chunks(width)).zip(errors) {
                let mse = y.iter().zip(x).map(|(y, x)| (y - x).powi(2)).sum::<f32>() / width as f32;
                // Where a sum is rounded to the other side, a code element is one step off.
                assert!(
                    (mse - error).abs() < if code_bits < 8 { 0.02 } else { 1e-5 },
                    "{topology}: {error}, not {mse}"
                );
            }
            if topology.decoder_layers() == 0 && code_bits == 3 {
                assert!(y.iter().all(|y| (y * 7.0 - (y * 7.0).round()).abs() < 1e-5));
            }
        }
    }
}

/// A stopped and restored run takes the steps of one that was not.
#[test]
fn a_restored_state_goes_on_with_the_same_bytes() {
    let (topology, source) = ("50-33r-7-41-50".parse().unwrap(), rows(600, 50));
    for products in kinds() {
        let qat = Qat { weights: Some(WeightFormat::Int4), code_bits: 8, fraction: 0.5 };
        let new = || Trainer::new(&topology, Recipe { qat, products, ..Recipe::DEFAULT }, 20, 300, 1, &source);
        for stop in [3, 10, 15] {
            let (mut whole, mut first, mut second) = (new(), new(), new());
            (0..stop).for_each(|_| _ = first.step(&source));
            let (done, scales) = (first.steps_done(), first.scales().to_vec());
            second.restore(done, &scales, first.state().map(FloatNetwork::parameters));
            (stop..20).for_each(|_| _ = second.step(&source));
            (0..20).for_each(|_| _ = whole.step(&source));
            assert_eq!(second.network(), whole.network(), "stopped after {stop}");
            assert_eq!(second.steps_done(), 20);
            assert_eq!(second.state(), whole.state());
        }
    }
}

/// With 4 bits, scales are chosen once: those of the random network must not stay when another takes its place.
#[test]
fn scales_are_those_of_the_network_that_training_starts_from() {
    let (topology, source) = ("20-6-20".parse().unwrap(), rows(40, 20));
    let qat = Qat { weights: Some(WeightFormat::Int4), fraction: 1.0, ..Qat::NONE };
    let mut network = FloatNetwork::new(&topology);
    network.parameters_mut().iter_mut().enumerate().for_each(|(i, w)| *w = (i as f32).sin() / 100.0);
    let mut trainer = Trainer::new(&topology, Recipe { qat, ..PLAIN }, 3, 20, 1, &source);
    trainer.start_from(&network);
    let (mut scales, mut rounded) = (Vec::new(), FloatNetwork::new(&topology));
    qat::round(&network, WeightFormat::Int4, &mut scales, &[], &mut rounded);
    assert_eq!(trainer.scales(), scales);
    assert_eq!(trainer.network().parameters(), rounded.parameters());
}
