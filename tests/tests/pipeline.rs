//! The whole way on real digits: train, quantise, blob, encode, decode; and that training repeats itself to the byte.

use autoencoder_core::blob::Blob;
use autoencoder_core::model::{SmallDecoder, SmallEncoder};
use autoencoder_core::{Autoencoder, Dense, Identity, Relu};
use host::aware::{Aware, Precision};
use host::blob_file::BlobFile;
use host::checkpoint::{Checkpoint, Run};
use host::data::Source;
use host::evaluate;
use host::idx::Images;
use host::quantise::{About, integer_blob};
use host::recipe::Recipe;
use host::trainer::{Trainable, Trainer};
use rayon::ThreadPoolBuilder;
use sha2::{Digest, Sha256};
use std::path::Path;
use tests::{Reference, digits, mnist};

type Small = Autoencoder<SmallEncoder, SmallDecoder>;

const ABOUT: About = About { encoder_layers: 2, steps: 600, code_bits: 8 };

fn bytes<N: Trainable>(trainer: &mut Trainer<N>) -> Vec<u32> {
    trainer.state().iter().flat_map(|net| net.slices().flatten()).map(|x| x.to_bits()).collect()
}

fn steps<N: Trainable>(trainer: &mut Trainer<N>, count: usize, source: &impl Source) {
    for _ in 0..count {
        trainer.train(source);
    }
}

fn train(recipe: Recipe, seed: u64, threads: usize, images: &Images) -> Trainer<Small> {
    let mut trainer = Trainer::<Small>::new(recipe, 40, 200, seed, images);
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| steps(&mut trainer, 40, images));
    trainer
}

#[test]
fn train_quantise_blob_encode_decode() {
    let images = digits(600);
    let mut trainer = Trainer::<Small>::new(Recipe::DEFAULT, 600, 100, 1, &images);
    let losses: Vec<f32> = (0..600).map(|_| trainer.train(&images)).collect();
    let mse = evaluate::mean(&evaluate::errors(trainer.net(), 8, &images));
    // Training starts at the mean image, whose MSE is 0.067.
    assert!((losses[0] - 0.067).abs() < 0.01, "an untrained network's loss is {}", losses[0]);
    assert!(mse < 0.01, "MSE {mse} after training");

    let file = BlobFile::new(Path::new("test"), &integer_blob(trainer.net(), Precision::Int8, ABOUT, &images).unwrap());
    let blob = Blob::open(file.bytes()).unwrap();
    assert_eq!(autoencoder_core::model::name_of(blob.header()), Some("small"));
    let int8 = evaluate::mean(&evaluate::errors_int8::<SmallEncoder, SmallDecoder>(&blob, &images).unwrap());
    assert!((int8 / mse - 1.0).abs() < 0.01, "int8 {int8}, f32 {mse}");
}

/// What a coarser format costs is less than half as much when it was trained for, and float and integers are one network.
#[test]
fn coarse_weights_and_codes_are_trained_for() {
    let images = digits(600);
    let train = |aware: Aware| {
        let recipe = Recipe { aware: Aware { part: 0.4, ..aware }, ..Recipe::DEFAULT };
        let mut trainer = Trainer::<Small>::new(recipe, 600, 100, 1, &images);
        steps(&mut trainer, 600, &images);
        trainer
    };
    let mse = |trainer: &Trainer<Small>, precision, code_bits| {
        let about = About { code_bits, ..ABOUT };
        let file = BlobFile::new(Path::new("test"), &integer_blob(trainer.net(), precision, about, &images).unwrap());
        let blob = Blob::open(file.bytes()).unwrap();
        assert_eq!((blob.header().format, blob.header().code_bits), (precision.format(), code_bits));
        evaluate::mean(&evaluate::errors_int8::<SmallEncoder, SmallDecoder>(&blob, &images).unwrap())
    };
    let fine = train(Aware::new(Some(Precision::Int8), 8));
    let best = mse(&fine, Precision::Int8, 8);
    for (precision, code_bits) in [(Precision::Int4, 8), (Precision::Int8, 3), (Precision::Int4, 4)] {
        let unaware = mse(&fine, precision, code_bits);
        let trainer = train(Aware::new(Some(precision), code_bits));
        let aware = mse(&trainer, precision, code_bits);
        let float = evaluate::mean(&evaluate::errors(trainer.net(), code_bits, &images));
        let all =
            format!("{precision:?}, {code_bits} bits: {best} at best, {unaware} unaware, {aware} aware, f32 {float}");
        assert!(aware - best < 0.5 * (unaware - best), "{all}");
        assert!((aware / float - 1.0).abs() < 0.01, "{all}");
    }
}

#[test]
fn a_network_of_relus_with_a_signed_output_keeps_its_error_in_int8() {
    type E = (Dense<784, 64, Relu>, Dense<64, 16, Relu>);
    type D = (Dense<16, 64, Relu>, Dense<64, 784, Identity>);
    // Rows with negative numbers: the input's zero point is not 0.
    let images = digits(400);
    let rows = images.pixels.mapv(|pixel| f32::from(pixel) / 128.0 - 0.5);
    let recipe = Recipe {
        init: autoencoder_core::init::Init::GlorotNormal,
        schedule: host::recipe::Schedule::Constant(0.002),
        aware: Aware::NONE,
        ..Recipe::DEFAULT
    };
    let mut trainer = Trainer::<Autoencoder<E, D>>::new(recipe, 200, 100, 1, &rows);
    steps(&mut trainer, 200, &rows);
    // Integers cannot leave the range of the rows: so must the reference not.
    let reference = Reference::new(trainer.net());
    let mut sum = 0.0;
    for row in rows.outer_iter() {
        let x: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
        let y = reference.forward(&x);
        sum += x.iter().zip(y).map(|(x, y)| (y.clamp(-0.5, 255.0 / 128.0 - 0.5) - x).powi(2)).sum::<f64>();
    }
    let mse = sum / rows.len() as f64;
    let file = BlobFile::new(Path::new("test"), &integer_blob(trainer.net(), Precision::Int8, ABOUT, &rows).unwrap());
    let blob = Blob::open(file.bytes()).unwrap();
    assert!(blob.header().input.zero > 0);
    let int8 = evaluate::mean(&evaluate::errors_int8::<E, D>(&blob, &rows).unwrap());
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
    // Stopped among its quantisation-aware steps: the scales of the rows are part of the state.
    let aware = Aware { weights: Some(Precision::Int4), code_bits: 4, part: 0.8 };
    continued(Recipe { aware, ..Recipe::DEFAULT }, Some(Precision::Int4));
}

fn continued(recipe: Recipe, quantise_aware: Option<Precision>) {
    let images = digits(500);
    let mut uninterrupted = train(recipe, 3, 2, &images);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let run = Run {
        recipe: "default".into(),
        topology: "small".into(),
        layers: Vec::new(),
        steps: 40,
        batch: 200,
        seed: 3,
        data: 0,
        quantise_aware,
        code_bits: 8,
        from: None,
    };
    let mut first = Trainer::<Small>::new(recipe, 40, 200, 3, &images);
    steps(&mut first, 17, &images);
    Checkpoint::new(run.clone(), &mut first).write(&path).unwrap();

    let mut second = Trainer::<Small>::new(recipe, 40, 200, 3, &images);
    let checkpoint = Checkpoint::read(&path).unwrap();
    checkpoint.expect(&path, &run).unwrap();
    assert!(checkpoint.restore(&mut second));
    steps(&mut second, 23, &images);
    assert_eq!(bytes(&mut uninterrupted), bytes(&mut second));

    let other = Run { seed: 4, ..run };
    assert!(checkpoint.expect(&path, &other).unwrap_err().to_string().contains("a run with seed 3, not 4"));
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
