//! One training step against the same step by plain loops: products, centred gradients, the sum over shards, the
//! update, and the rounding of the last steps.

#[path = "../../host/tests/common/left_out.rs"]
mod left_out;

use autoencoder_core::init::Init;
use autoencoder_core::optimizer::{Adam, OptimizerKind, RmsProp};
use autoencoder_core::{Autoencoder, Backward, Dense, Layer, Parameters, Sigmoid, Topology};
use autoencoder_io::zeroed_box;
use host::FloatNetwork;
use host::kernels::{Bf16, Int16};
use host::train::qat::{Qat, WeightFormat};
use host::train::recipe::Schedule;
use host::train::{ProductKind, Recipe, Trainer};
use left_out::or_left_out;
use ndarray::{Array2, Axis};
use tests::digits;

/// A layer whose rows are updated in several blocks, whatever the products; layers without whole vectors.
const TOPOLOGY: &str = "50-300-10-40-50";
/// The same network as a type.
type Net =
    Autoencoder<(Dense<50, 300, Sigmoid>, Dense<300, 10, Sigmoid>), (Dense<10, 40, Sigmoid>, Dense<40, 50, Sigmoid>)>;
/// Weights, then biases, of each layer.
type Numbers = Vec<Vec<f32>>;

/// Two shards and a part of a third.
const ROWS: usize = 300;
/// Without memory, and with an epsilon for which the steps follow gradients of any size.
const RMS_PROP: RmsProp = RmsProp { decay: 0.0, epsilon: 1e-6 };
const ADAM: Adam = Adam { beta1: 0.0, beta2: 0.0, epsilon: 1e-3, nesterov: false };

/// A part from the middle of each digit.
fn rows() -> Array2<f32> {
    let images = digits(ROWS);
    Array2::from_shape_fn((ROWS, 50), |(i, pixel)| f32::from(images.image(i)[370 + pixel]) / 255.0)
}

/// The centre and the factor of the inputs of each layer: the mean row, or 1/2 and 4 for the outputs of a sigmoid,
/// whose derivative is at most 1/4.
fn centres(rows: &Array2<f32>) -> Vec<(Vec<f32>, f32)> {
    let mean = rows.mapv(f64::from).mean_axis(Axis(0)).unwrap().mapv(|mean| mean as f32);
    let hidden = topology().layers()[1..].iter().map(|layer| (vec![0.5; layer.inputs.into()], 4.0)).collect::<Vec<_>>();
    [vec![(mean.to_vec(), 1.0)], hidden].concat()
}

/// The rate at a quantisation-aware step, from 1: from the peak down to a hundredth of it, along half a cosine.
fn qat_rate(peak: f32, step: u32, steps: u32) -> f32 {
    let share = f64::from(step) / f64::from(steps);
    peak * (0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())) as f32
}

fn topology() -> Topology {
    TOPOLOGY.parse().expect("a topology")
}

fn numbers(network: &FloatNetwork) -> Numbers {
    network.layers().flat_map(|layer| [layer.weights.to_vec(), layer.bias.to_vec()]).collect()
}

/// The loss of all rows, and its gradients.
fn gradients(network: &FloatNetwork, rows: &Array2<f32>) -> (f32, Numbers) {
    let mut net = zeroed_box::<Net>();
    net.slices_mut().flatten().zip(network.parameters()).for_each(|(to, from)| *to = *from);
    let x: Vec<[f32; 50]> = rows.outer_iter().map(|row| std::array::from_fn(|i| row[i])).collect();
    let mut acts = zeroed_box::<<Net as Layer>::Acts<ROWS>>();
    let (mut d, mut gradient) = (zeroed_box::<<Net as Layer>::Acts<ROWS>>(), zeroed_box::<Net>());
    let y = net.forward(&x, &mut acts).to_vec();
    let (pixels, dy) = (x.as_flattened(), Net::output_mut(&mut d, ROWS).as_flattened_mut());
    let mut mse = 0.0;
    for ((y, x), d) in y.as_flattened().iter().zip(pixels).zip(dy) {
        *d = 2.0 * (y - x) / pixels.len() as f32;
        mse += f64::from(y - x).powi(2) / pixels.len() as f64;
    }
    net.backward(&x, &acts, &mut d, None, &mut gradient);
    (mse as f32, gradient.slices().map(<[f32]>::to_vec).collect())
}

/// The step of the optimizer for a gradient, at a rate of 1: for a weight, and for a bias.
fn rules(optimizer: OptimizerKind, bfloat16: bool) -> [fn(f32) -> f32; 2] {
    let rms_prop = |g: f32| g / (g * g + RMS_PROP.epsilon).sqrt();
    let adam = |g: f32| g / (g.abs() + ADAM.epsilon);
    match optimizer {
        OptimizerKind::Sgd(_) => [|g| g; 2],
        OptimizerKind::RmsProp(_) => [rms_prop; 2],
        // With moments in bfloat16, the square of epsilon is under the root.
        OptimizerKind::Adam(_) if bfloat16 => [rms_prop, adam],
        OptimizerKind::Adam(_) => [adam; 2],
    }
}

fn check(optimizer: OptimizerKind, products: ProductKind, int4: bool, error: f32) {
    const RATE: f32 = 0.002;
    let all_rounded = Qat { weights: Some(WeightFormat::Int4), code_bits: 8, fraction: 1.0 };
    let (qat, rate) = if int4 { (all_rounded, qat_rate(0.0015, 1, 10)) } else { (Qat::NONE, RATE) };
    let rows = rows();
    let recipe = Recipe {
        init: Init::UnitNormal,
        optimizer,
        schedule: Schedule::Constant(RATE),
        augment_fraction: 0.0,
        qat,
        products,
        ..Recipe::DEFAULT
    };
    let mut trainer = Trainer::new(&topology(), recipe, 10, ROWS, 1, &rows);
    let case = format!("{optimizer:?}, {qat:?}, {products:?}");

    let centres = centres(&rows);
    let (before, (mse, gradients)) = (numbers(trainer.state()[0]), gradients(trainer.network(), &rows));
    if qat.weights.is_some() {
        // A unit's sum at the centre of its inputs does not change.
        let rounded = numbers(trainer.network());
        assert_ne!(rounded, before, "nothing is rounded");
        for (layer, (mean, _)) in centres.iter().enumerate() {
            for unit in 0..before[2 * layer + 1].len() {
                let [exact, rounded] = [&before, &rounded].map(|net| {
                    let weights = net[2 * layer].chunks_exact(mean.len()).nth(unit).unwrap();
                    weights.iter().zip(mean).map(|(w, c)| w * c).sum::<f32>() + net[2 * layer + 1][unit]
                });
                assert!((exact - rounded).abs() < 1e-4, "{case}: unit {unit} of layer {layer}: {exact}, {rounded}");
            }
        }
    }
    let found = trainer.step(&rows);
    assert!((found / mse - 1.0).abs() < error, "{case}: a loss of {found} instead of {mse}");

    let after = numbers(trainer.state()[0]);
    let [weight_rule, bias_rule] = rules(optimizer, products == ProductKind::Bf16);
    for (layer, (mean, scale)) in centres.iter().enumerate() {
        let [(mut dw, db), (w, b), (next_w, next_b)] =
            [&gradients, &before, &after].map(|net| (net[2 * layer].clone(), &net[2 * layer + 1]));
        let mut steps = Vec::new();
        for (dw, db) in dw.chunks_exact_mut(mean.len()).zip(db) {
            dw.iter_mut().zip(mean).for_each(|(dw, c)| *dw = scale * rate * weight_rule(*dw - db * c));
            steps.push(rate * bias_rule(*db) - dw.iter().zip(mean).map(|(dw, c)| dw * c).sum::<f32>());
        }
        for (what, expected, from, to) in [("weights", &dw, &w, &next_w), ("biases", &steps, b, next_b)] {
            let largest = expected.iter().fold(0.0f32, |largest, step| largest.max(step.abs()));
            for ((expected, from), to) in expected.iter().zip(from).zip(to) {
                let off = (from - to - expected).abs() / largest;
                assert!(off < error, "{case}: {what} of layer {layer}: {} instead of {expected}", from - to);
            }
        }
    }
}

#[test]
fn a_step_equals_that_of_plain_loops() {
    for optimizer in [OptimizerKind::RmsProp(RMS_PROP), OptimizerKind::Adam(ADAM)] {
        for int4 in [false, true] {
            check(optimizer, ProductKind::F32, int4, 0.001);
            if or_left_out(Int16::detect(), "avx2").is_some() {
                check(optimizer, ProductKind::Int16, int4, 0.006); // five times as exact as bfloat16
            }
            if or_left_out(Bf16::detect(), "avx512_bf16").is_some() {
                check(optimizer, ProductKind::Bf16, int4, 0.03);
            }
        }
    }
}

/// Adam's first step is the learning rate, whatever the gradient. Its moments are reset when rounding begins.
#[test]
fn the_moments_are_reset_when_rounding_begins() {
    let qat = Qat { weights: Some(WeightFormat::Int8), code_bits: 8, fraction: 0.5 };
    let rows = rows();
    let bf16_moments =
        or_left_out(Bf16::detect(), "avx512_bf16").map(|_| Adam { beta1: 0.95, beta2: 0.98, ..Adam::default() });
    for adam in [Some(Adam::default()), bf16_moments].into_iter().flatten() {
        let optimizer = OptimizerKind::Adam(adam);
        let recipe = Recipe { init: Init::UnitNormal, optimizer, centred: false, qat, ..Recipe::DEFAULT };
        let mut trainer = Trainer::new(&topology(), recipe, 10, ROWS, 1, &rows);
        (0..recipe.exact_steps(10)).for_each(|_| _ = trainer.step(&rows));
        let before = trainer.state()[0].clone();
        trainer.step(&rows);
        let after = trainer.state()[0].parameters();
        let largest = before.parameters().iter().zip(after).map(|(from, to)| (from - to).abs()).fold(0.0, f32::max);
        let rate = qat_rate(0.0003, 1, 5);
        assert!((largest / rate - 1.0).abs() < 0.01, "a step of {largest} at a rate of {rate}");
    }
}

/// In the TensorFlow tutorial, everything starts at N(0, 1), and RMSProp has a rate of 0.01 and a `v` that starts at 1.
#[test]
fn the_recipe_seed_takes_the_steps_of_the_tutorial() {
    let rows = rows();
    let mut trainer = Trainer::new(&topology(), Recipe::SEED, 10, ROWS, 6, &rows);
    for numbers in numbers(trainer.network()) {
        let count = numbers.len() as f32;
        let (mean, square) = (numbers.iter().sum::<f32>() / count, numbers.iter().map(|x| x * x).sum::<f32>() / count);
        assert!(mean.abs() < 4.0 / count.sqrt(), "{count} numbers with the mean {mean}");
        assert!((square - 1.0).abs() < 4.0 * (2.0 / count).sqrt(), "{count} numbers with the mean square {square}");
    }
    let mut v: Numbers = numbers(trainer.network()).iter().map(|numbers| vec![1.0; numbers.len()]).collect();
    for step in 1..=3 {
        let (before, (_, gradients)) = (numbers(trainer.network()), gradients(trainer.network(), &rows));
        trainer.step(&rows);
        let after = numbers(trainer.network());
        for (i, (gradients, v)) in gradients.iter().zip(&mut v).enumerate() {
            let steps = gradients.iter().zip(v).map(|(g, v)| {
                *v = 0.9 * *v + 0.1 * g * g;
                0.01 * g / (*v + 1e-10).sqrt()
            });
            let steps: Vec<f32> = steps.collect();
            // Steps of 10⁻⁶ to weights near 1 keep only a few digits, but the sum over an array is accurate.
            let pairs = steps.iter().zip(before[i].iter().zip(&after[i]));
            let along: f32 = pairs.map(|(expected, (from, to))| expected * (from - to)).sum();
            let ratio = along / steps.iter().map(|step| step * step).sum::<f32>();
            assert!((ratio - 1.0).abs() < 0.01, "step {step}, array {i}: {ratio} times the expected steps");
        }
        let second_moments = numbers(trainer.state()[2]).concat();
        assert!(second_moments.iter().zip(v.concat()).all(|(found, v)| (found - v).abs() < 1e-6), "step {step}");
    }
}

#[test]
fn the_learning_rate_rises_and_falls_along_two_cosines() {
    // 3,000 steps, the last thirtieth of them rounded.
    for step in [1, 50, 100, 725, 1450, 2175, 2900] {
        let share = f64::from(step) / 2900.0;
        let fall = 0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * share).cos());
        let expected = 0.008 * (f64::from(step) / 100.0).min(1.0) * fall;
        let rate = f64::from(Recipe::DEFAULT.rate(step, 3000));
        assert!((rate / expected - 1.0).abs() < 1e-5, "{rate} at step {step}, not {expected}");
    }
    for step in [1, 30, 60, 100] {
        let (rate, expected) = (Recipe::DEFAULT.rate(2900 + step, 3000), qat_rate(0.0003, step, 100));
        assert!((rate / expected - 1.0).abs() < 1e-5, "{rate} at rounded step {step}, not {expected}");
    }
    assert_eq!([1, 500, 30_000].map(|step| Recipe::SEED.rate(step, 30_000)), [0.01; 3]);
    // The rate of a step that rounds the code for the first time is higher.
    for (format, code_bits, default, codec) in [
        (WeightFormat::Int8, 8, 0.0003, 0.0003),
        (WeightFormat::Int8, 7, 0.004, 0.0003),
        (WeightFormat::Int4, 8, 0.0015, 0.0015),
        (WeightFormat::Int4, 2, 0.004, 0.0015),
    ] {
        for (recipe, peak) in [(Recipe::DEFAULT, default), (Recipe::CODEC, codec)] {
            let recipe = Recipe { qat: Qat::new(Some(format), code_bits), ..recipe };
            let (rate, expected) = (recipe.rate(2901, 3000), qat_rate(peak, 1, 100));
            assert!((rate / expected - 1.0).abs() < 1e-5, "{} {rate}, {:?}", recipe.name, recipe.qat);
        }
    }
}

/// A new scale would move most of the sixteen values of a 4-bit weight. With 8 bits, the scale follows the weights.
#[test]
fn scales_of_4_bits_are_chosen_once_and_those_of_8_bits_at_every_step() {
    let rows = rows();
    for (format, once) in [(WeightFormat::Int4, true), (WeightFormat::Int8, false)] {
        let qat = Qat { weights: Some(format), code_bits: 8, fraction: 0.5 };
        let mut trainer = Trainer::new(&topology(), Recipe { qat, ..Recipe::DEFAULT }, 10, ROWS, 1, &rows);
        (0..5).for_each(|_| _ = trainer.step(&rows));
        let first = trainer.scales().to_vec();
        assert_eq!(first.len(), 300 + 10 + 40 + 50, "a scale for each row of weights");
        for step in 6..=10 {
            trainer.step(&rows);
            assert_eq!(trainer.scales() == first, once, "{format:?}: after step {step}");
        }
    }
}
