//! The whole pipeline on real digits: train, quantise, write the blob, encode, decode. Training is reproducible to the
//! byte.

use autoencoder_core::{Network, Topology};
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::idx::Images;
use host::data::Dataset;
use host::evaluate::{self, IntegerNetwork};
use host::export::calibrate::{BEYOND, thresholds};
use host::export::{BlobMeta, integer_blob};
use host::train::checkpoint::{Checkpoint, Run};
use host::train::qat::{Qat, WeightFormat};
use host::train::recipe::Schedule;
use host::train::{Recipe, Trainer};
use ndarray::Array2;
use rayon::ThreadPoolBuilder;
use sha2::{Digest, Sha256};
use std::path::Path;
use tests::{Reference, digits, mnist};

const META: BlobMeta<'static> = BlobMeta { steps: 600, code_bits: 8, input: &[] };

fn small() -> Topology {
    Topology::named("small").unwrap()
}

fn bytes(trainer: &mut Trainer) -> Vec<u32> {
    trainer.state().iter().flat_map(|network| network.parameters()).map(|x| x.to_bits()).collect()
}

fn steps(trainer: &mut Trainer, count: usize, source: &dyn Dataset) {
    for _ in 0..count {
        trainer.step(source);
    }
}

/// The blob of the trainer's network in integers.
fn blob(trainer: &Trainer, format: WeightFormat, meta: BlobMeta<'_>, source: &dyn Dataset) -> BlobFile {
    BlobFile::new(Path::new("test"), &integer_blob(trainer.network(), format, meta, source).unwrap())
}

fn train(recipe: Recipe, seed: u64, threads: usize, images: &Images) -> Trainer {
    let mut trainer = Trainer::new(&small(), recipe, 40, 200, seed, images);
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| steps(&mut trainer, 40, images));
    trainer
}

#[test]
fn train_quantise_blob_encode_decode() {
    let images = digits(600);
    let mut trainer = Trainer::new(&small(), Recipe::DEFAULT, 600, 100, 1, &images);
    let losses: Vec<f32> = (0..600).map(|_| trainer.step(&images)).collect();
    let mse = evaluate::mean(&evaluate::errors(trainer.network(), 8, &images));
    // Training starts at the mean image, whose MSE is 0.067.
    assert!((losses[0] - 0.067).abs() < 0.01, "an untrained network's loss is {}", losses[0]);
    assert!(mse < 0.01, "MSE {mse} after training");

    let file = blob(&trainer, WeightFormat::Int8, META, &images);
    let network = Network::open(file.bytes()).unwrap();
    assert_eq!(network.topology().name(), Some("small"));
    let int8 = evaluate::mean(&evaluate::integer_errors(&network, &images));
    assert!((int8 / mse - 1.0).abs() < 0.01, "int8 {int8}, f32 {mse}");

    // The device's own encoding and decoding gives the same error.
    let mut memory = vec![0; network.memory_bytes()];
    let squares = (0..images.len()).map(|i| {
        let code = network.encode(images.image(i), &mut memory).unwrap().to_vec();
        let decoded = network.decode(&code, &mut memory).unwrap();
        images.image(i).iter().zip(decoded).map(|(x, y)| f64::from(x.abs_diff(*y)).powi(2)).sum::<f64>()
    });
    let device = squares.sum::<f64>() / (255.0 * 255.0) / images.pixels.len() as f64;
    assert!((device / int8 - 1.0).abs() < 1e-5, "device {device}, host {int8}");
}

/// Quantisation-aware training more than halves the cost of a coarser format, and float and integers are one network.
#[test]
fn coarse_weights_and_codes_are_trained_for() {
    let images = digits(600);
    let train = |qat: Qat| {
        let recipe = Recipe { qat: Qat { fraction: 0.4, ..qat }, ..Recipe::DEFAULT };
        let mut trainer = Trainer::new(&small(), recipe, 600, 100, 1, &images);
        steps(&mut trainer, 600, &images);
        trainer
    };
    let mse = |trainer: &Trainer, format: WeightFormat, code_bits| {
        let file = blob(trainer, format, BlobMeta { code_bits, ..META }, &images);
        let network = Network::open(file.bytes()).unwrap();
        let header = network.blob().header();
        assert_eq!((header.format, header.code_bits), (format.format(), code_bits));
        evaluate::mean(&evaluate::integer_errors(&network, &images))
    };
    let fine = train(Qat::new(Some(WeightFormat::Int8), 8));
    let best = mse(&fine, WeightFormat::Int8, 8);
    for (format, code_bits) in [(WeightFormat::Int4, 8), (WeightFormat::Int8, 3), (WeightFormat::Int4, 4)] {
        let unaware = mse(&fine, format, code_bits);
        let trainer = train(Qat::new(Some(format), code_bits));
        let aware = mse(&trainer, format, code_bits);
        let float = evaluate::mean(&evaluate::errors(trainer.network(), code_bits, &images));
        let all =
            format!("{format:?}, {code_bits} bits: {best} at best, {unaware} unaware, {aware} aware, f32 {float}");
        assert!(aware - best < 0.5 * (unaware - best), "{all}");
        assert!((aware / float - 1.0).abs() < 0.01, "{all}");
    }
}

#[test]
fn a_network_of_relus_with_a_signed_output_keeps_its_error_in_int8() {
    // Rows with negative numbers: the input's zero point is not 0.
    let images = digits(400);
    let rows = Array2::from_shape_fn((400, 784), |(i, pixel)| f32::from(images.image(i)[pixel]) / 128.0 - 0.5);
    let recipe = Recipe {
        init: autoencoder_core::init::Init::GlorotNormal,
        schedule: Schedule::Constant(0.002),
        qat: Qat::NONE,
        ..Recipe::DEFAULT
    };
    let topology: Topology = "784-64r-16r-64r-784i".parse().unwrap();
    let mut trainer = Trainer::new(&topology, recipe, 200, 100, 1, &rows);
    steps(&mut trainer, 200, &rows);
    // Integers cannot leave the range of the rows, so the reference is clamped to it.
    let reference = Reference::of(trainer.network());
    let mut sum = 0.0;
    for row in rows.outer_iter() {
        let x: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
        let y = reference.forward(&x);
        sum += x.iter().zip(y).map(|(x, y)| (y.clamp(-0.5, 255.0 / 128.0 - 0.5) - x).powi(2)).sum::<f64>();
    }
    let mse = sum / rows.len() as f64;
    let file = blob(&trainer, WeightFormat::Int8, META, &rows);
    let network = Network::open(file.bytes()).unwrap();
    assert!(network.blob().header().input.zero_point > 0);
    let int8 = evaluate::mean(&evaluate::integer_errors(&network, &rows));
    assert!(mse < 0.12 && (int8 / mse - 1.0).abs() < 0.04, "f32 {mse}, int8 {int8}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let images = digits(500);
    for recipe in [Recipe::DEFAULT, Recipe::SEED] {
        let one = bytes(&mut train(recipe, 7, 1, &images));
        assert_eq!(one, bytes(&mut train(recipe, 7, 2, &images)));
        assert_eq!(one, bytes(&mut train(recipe, 7, 8, &images)));
        assert_ne!(one, bytes(&mut train(recipe, 8, 1, &images)));
    }
}

#[test]
fn a_run_continued_from_its_checkpoint_ends_in_the_same_bytes() {
    continued(Recipe::DEFAULT, None);
    // The run stops during its quantisation-aware steps, when the scales of the rows are part of the state.
    let qat = Qat { weights: Some(WeightFormat::Int4), code_bits: 4, fraction: 0.8 };
    continued(Recipe { qat, ..Recipe::DEFAULT }, Some(WeightFormat::Int4));
}

fn continued(recipe: Recipe, quantise_aware: Option<WeightFormat>) {
    let images = digits(500);
    let mut uninterrupted = train(recipe, 3, 2, &images);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let run = Run {
        recipe: "default".into(),
        topology: small(),
        steps: 40,
        batch: 200,
        seed: 3,
        data: 0,
        input: Vec::new(),
        quantise_aware,
        code_bits: 8,
        from: None,
    };
    let mut first = Trainer::new(&small(), recipe, 40, 200, 3, &images);
    steps(&mut first, 17, &images);
    Checkpoint::new(run.clone(), &mut first).write(&path).unwrap();

    let mut second = Trainer::new(&small(), recipe, 40, 200, 3, &images);
    let checkpoint = Checkpoint::read(&path).unwrap();
    checkpoint.expect(&path, &run).unwrap();
    checkpoint.restore(&mut second);
    steps(&mut second, 23, &images);
    assert_eq!(bytes(&mut uninterrupted), bytes(&mut second));

    let other = Run { seed: 4, ..run };
    assert!(
        checkpoint
            .expect(&path, &other)
            .unwrap_err()
            .to_string()
            .contains("the stored run has seed 3, this command has 4")
    );
    let mut broken = std::fs::read(&path).unwrap();
    broken[1000] ^= 1;
    std::fs::write(&path, broken).unwrap();
    assert!(Checkpoint::read(&path).is_err());
}

#[test]
fn the_shipped_data_is_mnist() {
    let sums = [
        ("train-images-idx3-ubyte.gz", "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971"),
        ("train-labels-idx1-ubyte.gz", "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203"),
        ("t10k-images-idx3-ubyte.gz", "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be"),
        ("t10k-labels-idx1-ubyte.gz", "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b"),
    ];
    for (name, sum) in sums {
        let digest = Sha256::digest(std::fs::read(mnist().join(name)).unwrap());
        let expected: Vec<u8> = sum
            .as_bytes()
            .chunks(2)
            .map(|hex| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap())
            .collect();
        assert_eq!(digest[..], expected, "{name}");
    }
    assert_eq!(Images::train(&mnist()).unwrap().len(), 60_000);
    assert_eq!(Images::test(&mnist()).unwrap().len(), 10_000);
}

/// The thresholds are scores, which are integers and the same on every machine.
#[test]
fn the_shipped_blobs_have_the_thresholds_of_the_training_images() {
    let images = Images::train(&mnist()).unwrap();
    for name in ["classic.int8.blob", "classic.int4.blob"] {
        let file = BlobFile::read(&mnist().join("../../models").join(name)).unwrap();
        let network = Network::open(file.bytes()).unwrap();
        let header = network.blob().header();
        let integers = IntegerNetwork::new(header, network.layers().collect());
        assert_eq!(thresholds(&integers, &images, BEYOND), header.thresholds, "{name}");
    }
}
