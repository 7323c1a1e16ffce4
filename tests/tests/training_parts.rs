//! The parts of the host's training, each against its equation: centring, rounding, schedules, what a trainer is at any
//! moment, and checkpoints.

use autoencoder_core::Topology;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::optimizer::{Adam, OptimizerKind};
use autoencoder_core::quant::ACCUMULATOR_LIMIT;
use autoencoder_io::idx::Images;
use crc::{CRC_32_ISO_HDLC, Crc};
use host::FloatNetwork;
use host::train::centre::{Centre, centres, initial_biases};
use host::train::checkpoint::{Checkpoint, CheckpointError, MAX_BATCH, Run};
use host::train::qat::{Qat, WeightFormat, round, round_code};
use host::train::recipe::Schedule;
use host::train::{ProductKind, Recipe, Trainer};
use ndarray::Array2;
use rand_pcg::Pcg32;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tests::{Reference, random_network};

/// Steps that the same machine and any other take alike: nothing moved, products in `f32`.
const EXACT: Recipe = Recipe { augment_fraction: 0.0, qat: Qat::NONE, products: ProductKind::F32, ..Recipe::DEFAULT };

/// Rows in [0, 1], each of whose columns has another mean.
fn rows(count: usize, width: usize) -> Array2<f32> {
    Array2::from_shape_fn((count, width), |(row, i)| {
        ((row * 31 + i * i * 17 + row * i) % 25) as f32 / (25.0 + i as f32)
    })
}

fn close(found: f32, expected: f64, tolerance: f64) -> bool {
    (f64::from(found) - expected).abs() < tolerance
}

/// More rows than a block of the sum has; those behind the first `rows` do not count.
#[test]
fn the_centre_of_the_inputs_is_their_mean() {
    let topology: Topology = "3-4-2r-5i-3".parse().unwrap();
    for used in [1, 2, 4095, 4096, 4097, 9000] {
        let mut data = rows(9001, 3);
        data.rows_mut().into_iter().skip(used).for_each(|mut row| row.fill(1000.0));
        let centres = centres(&topology, &data, used);
        let Some(first) = &centres[0] else { panic!("the rows have a mean") };
        assert_eq!((first.mean.len(), first.scale), (3, 1.0));
        for (i, mean) in first.mean.iter().enumerate() {
            let expected = data.column(i).iter().take(used).map(|x| f64::from(*x)).sum::<f64>() / used as f64;
            assert!(close(*mean, expected, 1e-6), "{used} rows, column {i}: {mean} instead of {expected}");
        }
        // The middle of a sigmoid, whose derivative there is 1/4; nothing after other layers.
        assert!(matches!(&centres[1], Some(Centre { mean, scale }) if *mean == [0.5; 4] && *scale == 4.0));
        assert!(centres[2..].iter().all(Option::is_none) && centres.len() == 4);
    }
}

/// With biases of 0 before, the outputs start at the mean row where the last layer's inputs are in their centre.
#[test]
fn fresh_biases_are_those_of_the_centred_form() {
    for name in ["5-3-5", "5-3-5i", "5-3-4-5r", "5-5"] {
        let topology: Topology = name.parse().unwrap();
        let data = rows(50, 5);
        let centres = centres(&topology, &data, 50);
        let mut network = random_network(name, 3);
        let before = network.clone();
        initial_biases(&mut network, &centres);
        let last = topology.layers().len() - 1;
        for (index, (layer, old)) in network.layers().zip(before.layers()).enumerate() {
            assert_eq!(layer.weights, old.weights, "{name}");
            let c = &centres[index].as_ref().expect("each layer follows rows or a sigmoid").mean;
            for (o, b) in layer.bias.iter().enumerate() {
                let weights = &layer.weights[o * c.len()..][..c.len()];
                let at_centre = weights.iter().zip(c).map(|(w, c)| f64::from(*w) * f64::from(*c)).sum::<f64>();
                let z = f64::from(*b) + at_centre;
                let mean = f64::from(centres[0].as_ref().expect("a mean row").mean[o.min(4)]);
                let expected = match layer.spec.activation {
                    _ if index < last => f64::from(old.bias[o]),
                    ActivationKind::Sigmoid => {
                        let mean = mean.clamp(0.005, 0.995);
                        (mean / (1.0 - mean)).ln()
                    }
                    ActivationKind::Relu | ActivationKind::Identity => mean,
                };
                assert!((z - expected).abs() < 1e-5, "{name}, layer {index}, output {o}: {z} instead of {expected}");
            }
        }
    }
}

#[test]
fn a_code_is_rounded_to_the_nearest_of_its_levels() {
    let exact: Vec<f32> = (0..=997).map(|i| i as f32 / 997.0).collect();
    for bits in 1..=8 {
        let mut code = vec![9.0; exact.len()];
        round_code(bits, &exact, &mut code);
        let steps = f64::from(2u32.pow(bits.into()) - 1);
        for (exact, code) in exact.iter().zip(code) {
            let expected = (f64::from(*exact) * steps).round() / steps;
            // A number in the middle of two levels may become either.
            let tie = ((f64::from(*exact) * steps).fract() - 0.5).abs() < 1e-4;
            assert!(close(code, expected, 1e-6) || tie, "{bits} bits of {exact}: {code} instead of {expected}");
        }
    }
}

/// The weights of a row in steps of its scale.
fn steps_of(row: &[f32], scale: f32) -> Vec<f64> {
    row.iter().map(|w| f64::from(*w) / f64::from(scale)).collect()
}

fn rounded(network: &FloatNetwork, centres: &[Option<Centre>]) -> (FloatNetwork, Vec<f32>) {
    let (mut to, mut scales) = (FloatNetwork::new(network.topology()), Vec::new());
    round(network, WeightFormat::Int8, &mut scales, centres, &mut to);
    (to, scales)
}

/// `Σ|w|·255` stays within the accumulator, a bias within 2²⁴ steps, and no weight beyond 127 steps.
#[test]
fn rounded_rows_stay_within_the_accumulator() {
    for (name, size) in [("600-2-600", 0.01), ("3-2-3", 1.0), ("37-5-37", 1e-9), ("600-3-600", 0.0)] {
        let mut network = FloatNetwork::new(&name.parse().unwrap());
        network.parameters_mut().iter_mut().enumerate().for_each(|(i, w)| *w = size * (1.0 + (i % 3) as f32 / 100.0));
        network.layer_mut(0).1[0] = 1.0;
        let (to, scales) = rounded(&network, &[]);
        let mut scales = scales.iter();
        for (layer, old) in to.layers().zip(network.layers()) {
            let inputs = usize::from(layer.spec.inputs);
            for (o, b) in layer.bias.iter().enumerate() {
                let scale = *scales.next().expect("a scale for each row");
                assert!(scale > 0.0 && scale.is_finite(), "{name}: {scale}");
                let steps = steps_of(&layer.weights[o * inputs..][..inputs], scale);
                let sum: f64 = steps.iter().map(|steps| steps.abs()).sum();
                // Rounding may go over by half a step of each weight; the exact sum does not.
                let exact = steps_of(&old.weights[o * inputs..][..inputs], scale);
                let exact: f64 = exact.iter().map(|steps| steps.abs()).sum();
                assert!(exact * 255.0 <= 1.0001 * ACCUMULATOR_LIMIT as f64, "{name}, row {o}: {exact}");
                assert!((sum - exact).abs() <= 0.5 * inputs as f64 + 0.1);
                assert!(steps.iter().all(|steps| steps.abs() < 127.01 && (steps - steps.round()).abs() < 1e-3));
                let bias = f64::from(*b).abs() / (f64::from(scale) / 255.0);
                assert!(bias <= 1.0001 * f64::from(1 << 24), "{name}, row {o}: a bias of {bias} steps");
            }
        }
        assert_eq!(scales.next(), None);
    }
}

/// Where the inputs are in their centre, rounding changes no `z`.
#[test]
fn the_bias_compensates_rounding_at_the_centre() {
    for inputs in [3, 16, 37, 100] {
        let network = random_network(&format!("{inputs}-4-{inputs}"), 5);
        let mean: Vec<f32> = (0..inputs).map(|i| 0.3 + (i as f32 * 0.9).sin() / 4.0).collect();
        let centre = Centre { mean: mean.clone(), scale: 1.0 };
        let (to, _) = rounded(&network, &[Some(centre), None]);
        let mut changed = 0.0f64;
        for o in 0..4 {
            let z = |network: &FloatNetwork| {
                let layer = network.layer(0);
                let row = &layer.weights[o * inputs..][..inputs];
                let sum: f64 = row.iter().zip(&mean).map(|(w, c)| f64::from(*w) * f64::from(*c)).sum();
                sum + f64::from(layer.bias[o])
            };
            assert!((z(&network) - z(&to)).abs() < 2e-5, "{inputs} inputs: {} and {}", z(&network), z(&to));
            changed = changed.max(f64::from((network.layer(0).bias[o] - to.layer(0).bias[o]).abs()));
        }
        assert!(changed > 1e-4, "{inputs} inputs: nothing to compensate");
        assert_eq!(network.layer(1).bias, to.layer(1).bias, "without a centre, nothing is compensated");
    }
}

#[test]
fn the_last_thirtieth_is_quantisation_aware_if_anything_is_rounded() {
    for (weights, code_bits, aware) in [
        (None, 8, false),
        (None, 7, true),
        (None, 1, true),
        (Some(WeightFormat::Int8), 8, true),
        (Some(WeightFormat::Int4), 3, true),
    ] {
        let recipe = Recipe { qat: Qat::new(weights, code_bits), ..Recipe::DEFAULT };
        assert_eq!(recipe.exact_steps(3000), if aware { 2900 } else { 3000 }, "{weights:?}, {code_bits} bits");
    }
}

#[test]
fn the_rate_rises_over_the_warm_up_and_falls_along_half_a_cosine() {
    for warmup in [0, 1, 2, 10] {
        let schedule = Schedule::Cosine { peak: 0.5, warmup, last: 0.01 };
        for step in 1..=100 {
            let rise = if step >= warmup { 1.0 } else { f64::from(step) / f64::from(warmup) };
            let fall = 0.5 + 0.5 * (std::f64::consts::PI * f64::from(step) / 100.0).cos();
            let expected = 0.5 * rise * (0.01 + 0.99 * fall);
            assert!(close(schedule.rate(step, 100), expected, 1e-6), "step {step}, warm-up {warmup}");
        }
    }
}

#[test]
fn a_trainer_of_no_steps_or_no_rows_is_a_mistake() {
    let topology: Topology = "4-2-4".parse().unwrap();
    let new = |steps, batch, count| {
        let data = rows(count, 4);
        catch_unwind(AssertUnwindSafe(|| _ = Trainer::new(&topology, EXACT, steps, batch, 1, &data))).is_ok()
    };
    assert!(new(1, 1, 1));
    assert!(!new(0, 1, 1) && !new(1, 0, 1) && !new(1, 1, 0));
}

/// Rows behind those that the recipe takes are not even read.
#[test]
fn a_recipe_of_fewer_rows_leaves_out_the_others() {
    let topology: Topology = "4-2-4".parse().unwrap();
    let mut data = rows(60, 4);
    data.rows_mut().into_iter().skip(20).for_each(|mut row| row.fill(f32::NAN));
    let mut trainer = Trainer::new(&topology, Recipe { rows: 20, ..EXACT }, 30, 8, 1, &data);
    assert!((0..30).all(|_| trainer.step(&data).is_finite()));
}

/// The MSE of all rows in `f64`, by the parameters before the step.
#[test]
fn a_step_returns_the_mse_of_its_batch_before_the_update() {
    let topology: Topology = "6-4-6".parse().unwrap();
    let data = rows(200, 6); // two shards
    let mut trainer = Trainer::new(&topology, EXACT, 30, 200, 1, &data);
    for step in 0..5 {
        let reference = Reference::of(trainer.network());
        let one = |row: ndarray::ArrayView1<'_, f32>| {
            let x: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            reference.forward(&x).iter().zip(&x).map(|(y, x)| (y - x).powi(2)).sum::<f64>()
        };
        let expected = data.outer_iter().map(one).sum::<f64>() / (200.0 * 6.0);
        let found = trainer.step(&data);
        assert!((f64::from(found) / expected - 1.0).abs() < 1e-5, "step {step}: {found} instead of {expected}");
    }
}

/// Before the quantisation-aware steps a network is exact, from the first of them it is rounded.
#[test]
fn a_trainer_shows_the_network_that_its_next_step_computes_with() {
    let topology: Topology = "6-4-6".parse().unwrap();
    let data = rows(40, 6);
    let qat = Qat { weights: Some(WeightFormat::Int8), code_bits: 3, fraction: 0.5 };
    let mut trainer = Trainer::new(&topology, Recipe { qat, centred: false, ..EXACT }, 10, 8, 1, &data);
    for step in 0..10 {
        let exact = trainer.state()[0].clone();
        let expected = if step < 5 { exact.clone() } else { rounded(&exact, &[]).0 };
        assert_eq!(trainer.network(), &expected, "step {step}");
        assert_eq!(trainer.network() == &exact, step < 5);
        assert_eq!(trainer.code_bits(), if step < 5 { 8 } else { 3 }, "step {step}");
        trainer.step(&data);
    }
    // All of them: the fresh network is rounded, too.
    let all = Qat { fraction: 1.0, ..qat };
    let mut trainer = Trainer::new(&topology, Recipe { qat: all, centred: false, ..EXACT }, 10, 8, 1, &data);
    let exact = trainer.state()[0].clone();
    assert_eq!(trainer.network(), &rounded(&exact, &[]).0);
}

/// A fresh trainer, centred, begins at the mean row: so does its loss.
#[test]
fn a_fresh_network_begins_at_the_mean_row() {
    let topology: Topology = "6-4-6".parse().unwrap();
    let data = rows(200, 6);
    let trainer = Trainer::new(&topology, EXACT, 10, 200, 1, &data);
    let mean = &centres(&topology, &data, 200)[0].as_ref().expect("a mean").mean.clone();
    let last = trainer.network().layer(1);
    for (o, mean) in mean.iter().enumerate() {
        let row = &last.weights[o * 4..][..4];
        let z = row.iter().map(|w| f64::from(*w) * 0.5).sum::<f64>() + f64::from(last.bias[o]);
        let y = 1.0 / (1.0 + (-z).exp());
        assert!((y - f64::from(mean.clamp(0.005, 0.995))).abs() < 1e-5, "output {o}: {y} instead of {mean}");
    }
}

/// In the middle of a pass over the rows, and after steps of its own, which had another order.
#[test]
fn a_trainer_restored_in_the_middle_of_a_pass_goes_on_alike() {
    let topology: Topology = "6-4-6".parse().unwrap();
    let data = rows(11, 6);
    let new = || Trainer::new(&topology, EXACT, 40, 3, 1, &data);
    let bits = |trainer: &mut Trainer| trainer.state().map(|network| network.parameters().to_vec());
    for (done, own) in [(7, 0), (7, 4), (7, 5), (6, 1), (8, 2)] {
        let mut first = new();
        (0..done).for_each(|_| _ = first.step(&data));
        let (scales, state) = (first.scales().to_vec(), bits(&mut first));
        let mut second = new();
        (0..own).for_each(|_| _ = second.step(&data));
        second.restore(done, &scales, state.each_ref().map(Vec::as_slice));
        for _ in 0..6 {
            assert_eq!(first.step(&data), second.step(&data), "after {done} steps and {own} others");
        }
        assert_eq!(bits(&mut first), bits(&mut second));
    }
}

/// With a fraction of 1, rows are moved in every step, the last one too; with 0.9, in each of the first three of four.
#[test]
fn rows_are_moved_up_to_the_end_of_their_part() {
    let topology: Topology = "64-4-64".parse().unwrap();
    let pixels = (0..64 * 8).map(|i| (i * i * 7 + i * 13) as u8).collect();
    let data = Images { pixels, height: 8, width: 8 };
    let losses = |augment_fraction, seed| {
        let mut trainer = Trainer::new(&topology, Recipe { augment_fraction, ..EXACT }, 4, 8, seed, &data);
        [(); 4].map(|()| trainer.step(&data).to_bits())
    };
    let mut moved = [0; 4];
    for seed in 1..=8 {
        let [all, most, none] = [1.0, 0.9, 0.0].map(|fraction| losses(fraction, seed));
        assert_eq!(all[..3], most[..3], "seed {seed}");
        (0..3).for_each(|step| moved[step] += u32::from(all[step] != none[step]));
        moved[3] += u32::from(all[3] != most[3]);
    }
    // One translation of nine moves nothing.
    assert!(moved.iter().all(|moved| *moved > 3), "{moved:?} of 8 seeds");
}

fn run(topology: &str) -> Run {
    Run {
        recipe: "default".into(),
        topology: topology.parse().unwrap(),
        steps: 10,
        batch: 4,
        seed: 1,
        data: 7,
        input: Vec::new(),
        quantise_aware: None,
        code_bits: 8,
        from: None,
    }
}

/// A checkpoint after `steps` steps, with nothing rounded.
fn checkpoint(run: &Run, steps: u32) -> (Checkpoint, Trainer) {
    let data = rows(8, run.topology.inputs());
    let mut trainer = Trainer::new(&run.topology, run.recipe().unwrap(), run.steps, run.batch, run.seed, &data);
    (0..steps).for_each(|_| _ = trainer.step(&data));
    (Checkpoint::new(run.clone(), &mut trainer), trainer)
}

#[test]
fn the_steps_of_a_network_include_those_before_the_run() {
    let fresh = run("10-3-10");
    let tuned = Run { from: Some((9, 500)), ..fresh.clone() };
    let very_long = Run { from: Some((9, u32::MAX - 1)), ..fresh.clone() };
    assert_eq!([0, 7].map(|step| fresh.network_steps(step)), [0, 7]);
    assert_eq!([0, 7].map(|step| tuned.network_steps(step)), [500, 507]);
    assert_eq!([0, 7].map(|step| very_long.network_steps(step)), [u32::MAX - 1, u32::MAX]);
}

#[test]
fn a_new_checkpoint_has_no_history_and_restores_its_trainer() {
    let run = run("10-3-10");
    let (checkpoint, mut trainer) = checkpoint(&run, 6);
    assert_eq!((checkpoint.step, checkpoint.seconds, checkpoint.pending), (6, 0.0, (0.0, 0)));
    assert!(checkpoint.history.is_empty());
    let data = rows(8, 10);
    let mut other = Trainer::new(&run.topology, run.recipe().unwrap(), run.steps, run.batch, run.seed, &data);
    checkpoint.restore(&mut other);
    assert_eq!(other.steps_done(), 6);
    assert_eq!(other.state().map(FloatNetwork::parameters), trainer.state().map(FloatNetwork::parameters));
}

#[test]
fn a_checkpoint_is_read_only_if_a_run_can_have_its_settings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let (good, _) = checkpoint(&run("10-3-10"), 0);
    let read = |batch: usize, steps: u32, step: u32| {
        let mut changed = good.clone();
        (changed.run.batch, changed.run.steps, changed.step) = (batch, steps, step);
        changed.write(&path).unwrap();
        match Checkpoint::read(&path) {
            Ok(read) => read == changed,
            Err(CheckpointError::Damaged { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(read(1, 1, 0) && read(1, 1, 1) && read(MAX_BATCH, 10, 10));
    assert!(!read(0, 10, 0) && !read(MAX_BATCH + 1, 10, 0) && !read(4, 10, 11) && !read(4, 0, 0));
}

/// The layers 10-3 and 7-5 have as many parameters as 10-3 and 3-10, but do not fit each other.
#[test]
fn a_checkpoint_of_layers_that_do_not_fit_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    checkpoint(&run("10-3-10"), 0).0.write(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let layers = |bytes: &[u8]| bytes.windows(6).position(|w| w[..2] == [10, 3] && w[3..5] == [3, 10]);
    let at = layers(&bytes).expect("both layers");
    let end = bytes.len() - 4;
    let mut write = |second: [u8; 2]| {
        bytes[at + 3..at + 5].copy_from_slice(&second);
        let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&bytes[..end]);
        bytes[end..].copy_from_slice(&crc.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        Checkpoint::read(&path)
    };
    assert!(write([3, 10]).is_ok());
    assert!(matches!(write([7, 5]), Err(CheckpointError::Damaged { .. })));
}

/// Half of the memory is the file: as long, to within some kilobytes.
#[test]
fn the_memory_of_a_checkpoint_is_twice_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    for topology in ["10-3-10", "300-40-300"] {
        let run = run(topology);
        checkpoint(&run, 1).0.write(&path).unwrap();
        let file = fs::metadata(&path).unwrap().len() as usize;
        let memory = Checkpoint::memory_bytes(&run.topology);
        assert!(memory.abs_diff(2 * file) < 4096, "{topology}: {memory} bytes for a file of {file}");
    }
}

/// Its own tests need JAX and do not run with these. What the recipe does not name as a constant is measured on the host.
#[test]
fn the_recipe_in_jax_has_the_numbers_of_the_default() {
    let source = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/scale-out").join(name);
        fs::read_to_string(path).unwrap()
    };
    let Recipe { optimizer, schedule, augment_fraction, init, centred: true, noise: 0.0, seed, .. } = Recipe::DEFAULT
    else {
        panic!("another recipe")
    };
    let OptimizerKind::Adam(Adam { beta1, beta2, epsilon, nesterov: true }) = optimizer else {
        panic!("{optimizer:?}")
    };
    let Schedule::Cosine { peak, warmup, last } = schedule else { panic!("{schedule:?}") };
    // The deviation of many weights, in units of that without a gain.
    let gain = |activation: &str| {
        let topology: Topology = format!("300-300{activation}").parse().unwrap();
        let (mut weights, mut bias) = (vec![0.0; 300 * 300], vec![1.0; 300]);
        init.fill_layer(topology.layers()[0], &mut weights, &mut bias, &mut Pcg32::new(1, 0));
        assert!(bias.iter().all(|bias| *bias == 0.0));
        let variance = weights.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / weights.len() as f64;
        (variance * 300.0).sqrt()
    };
    let gains = [("s", "4.0", 4.0), ("r", "2**0.5", 2f64.sqrt()), ("i", "1.0", 1.0)];
    for (activation, text, expected) in gains {
        assert!((gain(activation) / expected - 1.0).abs() < 0.01, "{activation}: not {text}");
    }
    let gains = gains.map(|(activation, text, _)| format!("\"{activation}\": {text}")).join(", ");
    // Black and white inputs: the centres, and the first biases b̃ = b + W·c, clipped.
    let rows = Array2::from_shape_fn((4, 3), |(_, i)| [0.0, 1.0, 0.25][i]);
    let topology: Topology = "3-2-2r-3".parse().unwrap();
    let centres = centres(&topology, &rows, 4);
    let mut network = FloatNetwork::new(&topology);
    initial_biases(&mut network, &centres);
    let unlogit = network.layer(2).bias.iter().map(|b| 1.0 / (1.0 + (-b).exp())).collect::<Vec<f32>>();
    assert!(
        unlogit.iter().zip([0.005, 0.995, 0.25]).all(|(found, expected)| (found - expected).abs() < 1e-6),
        "{unlogit:?}"
    );
    let [first, after_sigmoid, after_relu] = &centres[..] else { panic!("{centres:?}") };
    assert!(first.as_ref().is_some_and(|c| c.mean == [0.0, 1.0, 0.25] && c.scale == 1.0) && after_relu.is_none());
    assert!(after_sigmoid.as_ref().is_some_and(|c| c.mean == [0.5, 0.5] && c.scale == 4.0));
    for line in [
        format!("BETA1, BETA2, EPSILON = {beta1}, {beta2}, {epsilon:e}"),
        format!("PEAK_RATE, LAST_RATE, WARM_UP = {peak}, {last}, {warmup}"),
        format!("SHIFTED_STEPS = {augment_fraction}"),
        format!("GAINS = {{{gains}}}"),
        "    clipped = np.clip(mean, 0.005, 0.995)".into(),
        "    found = [Centre(mean, 1.0)]".into(),
    ] {
        assert!(source("recipe.py").lines().any(|found| found == line), "no line `{line}`");
    }
    let centre = "np.full(layer.inputs, 0.5 if sigmoid else 0.0, np.float32), 4.0 if sigmoid else 1.0)";
    assert!(source("recipe.py").contains(centre));
    assert!(source("train.py").contains(&format!("\"--seed\", type=natural, default={seed},")));
}
