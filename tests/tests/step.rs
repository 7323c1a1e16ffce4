//! One step of training against the same step from plain loops: products, centred gradients, the sum over shards, the
//! update, and the rounding of the last steps.

use autoencoder_core::init::Init;
use autoencoder_core::optimizer::{Adam, RmsProp};
use autoencoder_core::{Autoencoder, Backward, Dense, Layer, Parameters, Plain, Sigmoid};
use autoencoder_io::zeroed_box;
use host::aware::{Aware, Precision};
use host::bfloat16::Weights;
use host::centre::{Centre, centres};
use host::recipe::{Method, Recipe, Schedule};
use host::trainer::Trainer;
use ndarray::Array2;
use tests::digits;

/// No whole vectors, but in the first hidden layer.
type Net =
    Autoencoder<(Dense<50, 64, Sigmoid>, Dense<64, 10, Sigmoid>), (Dense<10, 40, Sigmoid>, Dense<40, 50, Sigmoid>)>;
type Numbers = Vec<Vec<f32>>;

/// Two shards and a part of a third.
const ROWS: usize = 300;
/// Without a memory, and so that steps follow gradients of any size.
const RMS_PROP: RmsProp = RmsProp { decay: 0.0, epsilon: 1e-6 };
const ADAM: Adam = Adam { beta1: 0.0, beta2: 0.0, epsilon: 1e-3, nesterov: false };

/// A stretch from the middle of each digit.
fn rows() -> Array2<f32> {
    let images = digits(ROWS);
    Array2::from_shape_fn((ROWS, 50), |(i, pixel)| f32::from(images.image(i)[370 + pixel]) / 255.0)
}

fn numbers(net: &Net) -> Numbers {
    net.slices().map(<[f32]>::to_vec).collect()
}

/// The loss of all rows, and its gradients.
fn gradients(net: &Net, rows: &Array2<f32>) -> (f32, Numbers) {
    let x: Vec<[f32; 50]> = rows.outer_iter().map(|row| std::array::from_fn(|i| row[i])).collect();
    let mut acts = zeroed_box::<<Net as Layer>::Acts<ROWS>>();
    let (mut d, mut gradient) = (zeroed_box::<<Net as Layer>::Acts<ROWS>>(), zeroed_box::<Net>());
    let y = net.forward(&Plain, &x, &mut acts).to_vec();
    let (pixels, slopes) = (x.as_flattened(), Net::output_mut(&mut d, ROWS).as_flattened_mut());
    let mut mse = 0.0;
    for ((y, x), d) in y.as_flattened().iter().zip(pixels).zip(slopes) {
        *d = 2.0 * (y - x) / pixels.len() as f32;
        mse += f64::from(y - x).powi(2) / pixels.len() as f64;
    }
    net.backward(&Plain, &x, &acts, &mut d, None, &mut gradient);
    (mse as f32, numbers(&gradient))
}

/// What the method makes of a gradient, at a rate of 1: of a weight's, of a bias's.
fn rules(method: Method, bfloat16: bool) -> [fn(f32) -> f32; 2] {
    let rms_prop = |g: f32| g / (g * g + RMS_PROP.epsilon).sqrt();
    let adam = |g: f32| g / (g.abs() + ADAM.epsilon);
    match method {
        Method::RmsProp(_) => [rms_prop; 2],
        // With moments in bfloat16 the square of epsilon stands under the root.
        Method::Adam(_) if bfloat16 && Weights::new(Net::specs()).is_some() => [rms_prop, adam],
        Method::Adam(_) => [adam; 2],
    }
}

fn check(method: Method, bfloat16: bool, aware: Aware, error: f32) {
    let rows = rows();
    let recipe = Recipe {
        init: Init::UnitNormal,
        method,
        schedule: Schedule::Constant(0.002),
        moved: 0.0,
        aware,
        bfloat16,
        ..Recipe::DEFAULT
    };
    let mut trainer = Trainer::<Net>::new(recipe, 10, ROWS, 1, &rows);
    let case = format!("{method:?}, {aware:?}, bfloat16 {bfloat16}");

    let centres: Vec<Centre> = centres::<Net>(&rows, ROWS).into_iter().map(Option::unwrap).collect();
    let (before, (mse, gradients)) = (numbers(trainer.state()[0]), gradients(trainer.net(), &rows));
    if aware.weights.is_some() {
        // What a unit's sum is at the centre of its inputs does not change.
        let rounded = numbers(trainer.net());
        assert_ne!(rounded, before, "nothing is rounded");
        for (layer, Centre { mean, .. }) in centres.iter().enumerate() {
            for unit in 0..before[2 * layer + 1].len() {
                let [exact, rounded] = [&before, &rounded].map(|net| {
                    let weights = net[2 * layer].chunks_exact(mean.len()).nth(unit).unwrap();
                    weights.iter().zip(mean).map(|(w, c)| w * c).sum::<f32>() + net[2 * layer + 1][unit]
                });
                assert!((exact - rounded).abs() < 1e-4, "{case}: unit {unit} of layer {layer}: {exact}, {rounded}");
            }
        }
    }
    let found = trainer.train(&rows);
    assert!((found / mse - 1.0).abs() < error, "{case}: a loss of {found} instead of {mse}");

    let (after, rate) = (numbers(trainer.state()[0]), recipe.rate(1, 10));
    let [weight_rule, bias_rule] = rules(method, bfloat16);
    for (layer, Centre { mean, scale }) in centres.iter().enumerate() {
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
fn a_step_is_that_of_plain_loops() {
    for method in [Method::RmsProp(RMS_PROP), Method::Adam(ADAM)] {
        for (bfloat16, error) in [(false, 0.001), (true, 0.03)] {
            check(method, bfloat16, Aware::NONE, error);
            check(method, bfloat16, Aware { weights: Some(Precision::Int4), code_bits: 8, part: 1.0 }, error);
        }
    }
}

/// Adam's first step is the learning rate, whatever the gradient: its moments start afresh where weights are rounded.
#[test]
fn the_optimizer_begins_again_with_the_rounded_steps() {
    let aware = Aware { weights: Some(Precision::Int8), code_bits: 8, part: 0.5 };
    let rows = rows();
    // The second has moments in bfloat16, where there is such a thing.
    for adam in [Adam::default(), Adam { beta1: 0.95, beta2: 0.98, ..Adam::default() }] {
        let recipe =
            Recipe { init: Init::UnitNormal, method: Method::Adam(adam), centred: false, aware, ..Recipe::DEFAULT };
        let mut trainer = Trainer::<Net>::new(recipe, 10, ROWS, 1, &rows);
        (0..recipe.exact_steps(10)).for_each(|_| _ = trainer.train(&rows));
        let before = numbers(trainer.state()[0]);
        trainer.train(&rows);
        let after = trainer.state()[0].slices().flatten();
        let largest = before.iter().flatten().zip(after).map(|(from, to)| (from - to).abs()).fold(0.0, f32::max);
        let rate = trainer.learning_rate();
        assert!((largest / rate - 1.0).abs() < 0.01, "a step of {largest} at a rate of {rate}");
    }
}
