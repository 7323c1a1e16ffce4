//! A run of training on the device against the same steps taken one by one, and the trace of three of them. `tiny.rs` has
//! the arithmetic of a step.

#[path = "common/net.rs"]
mod net;
#[path = "common/probes.rs"]
mod probes;

use autoencoder_core::model::Small;
use autoencoder_core::optimizer::Adam;
use autoencoder_core::{Parameters, Topology};
use autoencoder_device::message::Usage;
use autoencoder_device::parity::IMAGES;
use autoencoder_device::tiny::{BATCH, PIXELS, Report, Task, TinyTraining};
use autoencoder_device::training::Training;
use autoencoder_io::blob_file::{BlobFile, f32_blob};
use autoencoder_io::zeroed_box;
use crc::{CRC_32_ISO_HDLC, Crc};
use net::Random;
use probes::PROBES;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// The rate of the first step, as `docs/design.md` has it.
const RATE: f32 = 0.03;

fn images(count: usize, seed: u64) -> Vec<[u8; PIXELS]> {
    let mut random = Random::new(seed);
    (0..count).map(|_| *random.bytes(PIXELS).first_chunk().unwrap()).collect()
}

fn parameters(training: &TinyTraining) -> Vec<f32> {
    training.net().slices().flatten().copied().collect()
}

fn crc_of(parameters: &[f32]) -> u32 {
    CRC.checksum(&parameters.iter().flat_map(|p| p.to_le_bytes()).collect::<Vec<u8>>())
}

/// The reconstruction of an image by 64-16-4-16-64, in `f64`.
fn reconstruct(parameters: &[f32], image: &[u8; PIXELS]) -> Vec<f64> {
    let (mut x, mut rest) = (image.map(|pixel| f64::from(pixel) / 255.0).to_vec(), parameters);
    for outputs in [16, 4, 16, PIXELS] {
        let (weights, after) = rest.split_at(outputs * x.len());
        let (bias, after) = after.split_at(outputs);
        let z = |(w, b): (&[f32], &f32)| w.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).sum::<f64>() + f64::from(*b);
        x = weights.chunks(x.len()).zip(bias).map(|unit| 1.0 / (1.0 + (-z(unit)).exp())).collect();
        rest = after;
    }
    assert!(rest.is_empty());
    x
}

/// The MSE of some images.
fn mse(parameters: &[f32], images: &[[u8; PIXELS]]) -> f64 {
    let one = |image: &[u8; PIXELS]| {
        let y = reconstruct(parameters, image);
        image.iter().zip(y).map(|(x, y)| (f64::from(*x) / 255.0 - y).powi(2)).sum::<f64>()
    };
    images.iter().map(one).sum::<f64>() / (images.len() * PIXELS) as f64
}

/// A run in memory that another run has used. Returns what it reports.
fn run(training: &mut TinyTraining, task: &Task<'_>) -> Vec<String> {
    let mut reports = Vec::new();
    training.train(task, &PROBES, &mut |report| reports.push(format!("{report:?}")));
    reports
}

/// The parameters after each step, from those before the first: two images at a time, one after another and again from the
/// first; the mean of all images; a rate that falls to a hundredth.
fn step_by_step(start: &[f32], task: &Task<'_>) -> Vec<Vec<f32>> {
    let blob = f32_blob(&Topology::named("tiny").unwrap(), 1, 8, start, &[]).unwrap();
    let mut training = zeroed_box::<TinyTraining>();
    training.load(BlobFile::new("flash".as_ref(), &blob).bytes()).unwrap();
    // The mean of the last images counts, not that of those before.
    for images in [task.held_out, task.learned] {
        training.centre(images.iter().map(|image| &image[..]));
    }
    let mut after = vec![start.to_vec()];
    for step in 0..task.steps {
        let numbers = (0..BATCH).map(|i| (step as usize * BATCH + i) % task.learned.len());
        training.take(numbers.map(|number| &task.learned[number][..]));
        training.forward();
        training.backward();
        let left = 1.0 - step as f32 / task.steps as f32;
        training.update(step + 1, RATE * left.max(0.01), &Adam::default());
        after.push(parameters(&training));
    }
    after
}

#[test]
fn a_run_is_its_steps_and_reports_them() {
    let learned = images(5, 1);
    let mut training = zeroed_box::<TinyTraining>();
    for (steps, held_out) in [(0, 2), (1, 3), (7, 4), (30, 5), (199, 5)] {
        let held_out = images(held_out, 2);
        let task = Task { steps, learned: &learned, held_out: &held_out };
        run(&mut training, &Task { steps: 0, ..task });
        let start = parameters(&training);
        let reports = run(&mut training, &task);
        let after = step_by_step(&start, &task);
        let last = &after[steps as usize];
        assert!(parameters(&training) == *last, "{steps} steps");

        let mut reports = reports.iter();
        let mut next = || reports.next().expect("another report");
        let bytes = [task.header().as_flattened(), learned.as_flattened(), held_out.as_flattened()].concat();
        assert_eq!(*next(), format!("Task(Some({}))", CRC.checksum(&bytes)));
        // Before the first step, after each tenth, at the end. Whole batches of the images held out are measured.
        let every = (steps / 10).max(1);
        for step in 0..=steps {
            if step > 0 && step % 100 == 0 {
                assert_eq!(*next(), format!("Step({step})"));
            }
            if step % every == 0 || step == steps {
                let (found, expected) =
                    (next(), mse(&after[step as usize], &held_out[..held_out.len() / BATCH * BATCH]));
                let found_mse = found.split(&[' ', ','][..]).skip_while(|word| *word != "mse:").nth(1);
                let found_mse: f64 = found_mse.and_then(|number| number.parse().ok()).expect("an error");
                assert!((found_mse / expected - 1.0).abs() < 1e-5, "step {step}: {found_mse} instead of {expected}");
                let crc = crc_of(&after[step as usize]);
                assert_eq!(*found, format!("Progress {{ step: {step}, mse: {found_mse:?}, crc: {crc} }}"));
            }
        }
        for image in &held_out {
            let found: Vec<f64> = next()
                .trim_matches(|c: char| !c.is_ascii_digit())
                .split(", ")
                .map(|pixel| pixel.parse().expect("a pixel"))
                .collect();
            let expected = reconstruct(last, image);
            assert_eq!(found.len(), PIXELS);
            for (found, y) in found.iter().zip(expected) {
                assert!((found - 255.0 * y).abs() < 0.501, "{found} instead of {}", 255.0 * y);
            }
        }
        let instructions = if steps == 0 { 0 } else { 1000 };
        let usage = Usage { static_bytes: 11, stack_bytes: 22, spare_bytes: 0, instructions };
        assert_eq!(*next(), format!("{:?}", Report::Usage(usage)));
        assert_eq!(reports.next(), None);
    }
}

/// Glorot's deviation: `4 · √(2 / (64 + 16))` for the 1,024 weights of the first layer, whose mean is 0 within 4 standard
/// errors. A bias starts at 0.
#[test]
fn a_run_begins_with_random_weights() {
    let images = images(2, 3);
    let mut training = zeroed_box::<TinyTraining>();
    run(&mut training, &Task { steps: 0, learned: &images, held_out: &images });
    let slices: Vec<&[f32]> = training.net().slices().collect();
    let (count, expected) = (slices[0].len() as f64, 4.0 * (2.0 / 80.0f64).sqrt());
    let sum = |power: i32| slices[0].iter().map(|w| f64::from(*w).powi(power)).sum::<f64>() / count;
    assert!(sum(1).abs() < 4.0 * expected / count.sqrt(), "{}", sum(1));
    assert!((sum(2).sqrt() / expected - 1.0).abs() < 0.1, "{} instead of {expected}", sum(2).sqrt());
    assert!(slices.iter().skip(1).step_by(2).all(|bias| bias.iter().all(|b| *b == 0.0)));
}

#[test]
fn the_trace_of_three_steps_names_each_array_in_order() {
    let topology = Topology::named("small").unwrap();
    let mut random = Random::new(4);
    let start: Vec<f32> = (0..topology.parameters()).map(|_| random.range(-200, 200) as f32 / 1000.0).collect();
    let mut flash = f32_blob(&topology, 1, 8, &start, &[]).unwrap();
    flash.extend(random.bytes(IMAGES * topology.inputs()));
    let flash = BlobFile::new("flash".as_ref(), &flash);
    let mut training = zeroed_box::<Training<Small, IMAGES>>();
    let mut trace = || {
        training.load(flash.bytes()).unwrap();
        let mut text = String::new();
        training.write_trace(&mut text).unwrap();
        text
    };
    let text = trace();
    assert!(text == trace(), "the second one begins like the first");
    let mut expected = Vec::new();
    for step in 1..=3 {
        let layers = 1..=topology.layers().len();
        expected.extend(layers.clone().map(|layer| format!("step {step}, outputs of layer {layer}")));
        expected.push(format!("step {step}, loss"));
        expected.extend(layers.clone().map(|layer| format!("step {step}, output gradients of layer {layer}")));
        for what in ["parameter gradients", "parameters"] {
            let parts = layers.clone().flat_map(|layer| ["weights", "biases"].map(|part| (layer, part)));
            expected.extend(parts.map(|(layer, part)| format!("step {step}, {what} of layer {layer}, {part}")));
        }
    }
    let found: Vec<&str> = text.lines().map(|line| line.rsplit_once(": ").expect("a number").0).collect();
    assert_eq!(found, expected);
}
