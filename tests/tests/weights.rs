//! From integers, and from what a device has learned, to a network of floats.

use autoencoder_core::activation::ActivationKind;
use autoencoder_core::adapt::{self, LearningMemory, LearningRun, Moments};
use autoencoder_core::blob::{Format, Thresholds};
use autoencoder_core::network::Half;
use autoencoder_core::optimizer::{Adam, OptimizerKind};
use autoencoder_core::quant::{ChannelParams, Plain, QuantParams};
use autoencoder_core::{LayerSpec, Network};
use autoencoder_device::flash::Nor;
use autoencoder_device::learn::record_bytes;
use autoencoder_device::store::{Store, StoreError, slot_bytes};
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::idx::Images;
use autoencoder_io::record::RecordError;
use host::FloatNetwork;
use host::evaluate::reconstruct;
use host::export::{BlobMeta, integer_blob};
use host::train::qat::WeightFormat;
use host::weights::dequantise::dequantise;
use host::weights::learned::{self, LearnedError};
use host::weights::{Metadata, onnx, safetensors};
use ndarray::Array2;
use proptest::prelude::*;
use rand::{Rng, RngExt};
use rand_pcg::Pcg32;
use tests::mnist;
use tests::networks::{cases, formats, net, topologies};
use zerocopy::IntoBytes;

/// A float layer's output in steps of the device's output, computed in `f64`, and the sum of the sizes of its terms.
fn steps(spec: LayerSpec, weights: &[f32], bias: f32, x: &[f64], output: QuantParams) -> (f64, f64) {
    let terms = weights.iter().zip(x).map(|(w, x)| f64::from(*w) * x);
    let size: f64 = terms.clone().map(f64::abs).sum::<f64>() + f64::from(bias.abs());
    let z: f64 = terms.sum::<f64>() + f64::from(bias);
    let y = match spec.activation {
        ActivationKind::Sigmoid => 1.0 / (1.0 + (-z).exp()),
        ActivationKind::Relu => z.max(0.0),
        ActivationKind::Identity => z,
    };
    let zero = f64::from(output.zero_point);
    ((y / f64::from(output.scale) + zero).clamp(0.0, 255.0), size / f64::from(output.scale))
}

/// Runs a row through a device, and compares each layer with the float layer for the device's own inputs of it. Returns the largest
/// difference as a fraction of the most that rounding explains. Sigmoids are rounded twice, to an index and to an output: by less
/// than a step. Others are rounded once: by half a step.
fn largest_difference(network: &Network<'_>, channels: Option<&[ChannelParams]>, row: &[u8]) -> f64 {
    let floats = dequantise(network, channels);
    let mut memory = vec![0; network.memory_bytes()];
    let mut from = network.blob().header().input;
    let mut largest = 0.0f64;
    let mut q = row.to_vec();
    for (i, (integers, floats)) in network.layers().zip(floats.layers()).enumerate() {
        // The layer alone, with its padding.
        let [inputs, outputs] = integers.padded_sizes();
        let before: usize = network.layers().take(i).map(|layer| layer.padded_sizes()[1]).sum();
        let mut padded = q.clone();
        padded.resize(inputs, 0);
        let own = channels.map_or(integers.channels(), |channels| &channels[before..][..outputs]);
        let spec = integers.spec();
        let layer = autoencoder_core::quant::Dense::new(spec, integers.weights(), own, integers.output()).unwrap();
        memory.resize(outputs, 0);
        layer.forward(&padded, &mut memory[..outputs]);
        let x: Vec<f64> =
            q.iter().map(|q| f64::from(from.scale) * (f64::from(*q) - f64::from(from.zero_point))).collect();
        let sizes = spec.sizes();
        for (o, found) in memory[..sizes[1]].iter().enumerate() {
            let (expected, size) =
                steps(spec, &floats.weights[o * sizes[0]..][..sizes[0]], floats.bias[o], &x, integers.output());
            // The parameters are rounded to `f32`.
            let rounding = 1e-6 * size;
            let most = if spec.activation == ActivationKind::Sigmoid { 1.0 } else { 0.5 };
            largest = largest.max(((f64::from(*found) - expected).abs() - rounding) / most);
        }
        q = memory[..sizes[1]].to_vec();
        from = integers.output();
    }
    largest
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn a_float_layer_is_within_its_rounding_of_the_integer_layer(topology in topologies(), format in formats(), seed in any::<u64>()) {
        let net = net(&topology, format, 8, seed);
        let file = BlobFile::new("blob".as_ref(), &net.blob());
        let network = Network::open(file.bytes()).unwrap();
        let mut random = Pcg32::new(seed, 1);
        let row: Vec<u8> = (0..network.topology().inputs()).map(|_| random.next_u32() as u8).collect();
        let difference = largest_difference(&network, None, &row);
        prop_assert!(difference < 1.0, "{difference}");
        let mut learned = vec![ChannelParams::default(); network.channels()];
        adapt::copy_channels(&network, &mut learned);
        for channel in &mut learned {
            channel.multiplier = (f64::from(channel.multiplier) * random.random_range(-1.5..1.5)) as i32;
            channel.bias = (f64::from(channel.bias) * random.random_range(-1.5..1.5)) as i32;
        }
        let difference = largest_difference(&network, Some(&learned), &row);
        prop_assert!(difference < 1.0, "{difference}");
    }
}

/// Learns from rows and returns the channels.
fn learn(network: &Network<'_>, rows: impl ExactSizeIterator<Item = Vec<u8>>) -> Vec<ChannelParams> {
    let count = network.channels();
    let (mut channels, mut moments) = (vec![ChannelParams::default(); count], vec![[Moments::default(); 2]; count]);
    let mut gradients = vec![0.0; adapt::gradients(network.topology())];
    let mut memory = vec![0; network.memory_bytes()];
    adapt::copy_channels(network, &mut channels);
    let adam = Adam { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, nesterov: false };
    let mut run = LearningRun::new(OptimizerKind::Adam(adam), 0.01, 1, rows.len() as u32);
    for row in rows {
        network.input_mut(&mut memory).copy_from_slice(&row);
        for half in [Half::Encoder, Half::Decoder] {
            network.forward(&Plain, Some(&channels), half, &mut memory);
        }
        let mut learning = LearningMemory { channels: &mut channels, moments: &mut moments, gradients: &mut gradients };
        adapt::backward(network, &run.next_step(), &row, &memory, &mut learning);
    }
    channels
}

/// The device's reconstruction.
fn reconstruction(network: &Network<'_>, channels: Option<&[ChannelParams]>, row: &[u8]) -> Vec<u8> {
    let mut memory = vec![0; network.memory_bytes()];
    network.input_mut(&mut memory).copy_from_slice(row);
    for half in [Half::Encoder, Half::Decoder] {
        network.forward(&Plain, channels, half, &mut memory);
    }
    network.output(&memory).to_vec()
}

/// The mean and the largest difference of reconstructions in [0, 1].
fn differences(
    network: &Network<'_>,
    channels: Option<&[ChannelParams]>,
    floats: &FloatNetwork,
    rows: &[Vec<u8>],
) -> [f32; 2] {
    let (mut sum, mut largest, mut count) = (0.0, 0.0f32, 0.0);
    for row in rows {
        let x: Vec<f32> = row.iter().map(|q| f32::from(*q) / 255.0).collect();
        let y = reconstruct(floats, 8, &x);
        for (q, y) in reconstruction(network, channels, row).iter().zip(y) {
            let difference = (f32::from(*q) / 255.0 - y).abs();
            sum += difference;
            count += 1.0;
            largest = largest.max(difference);
        }
    }
    [sum / count, largest]
}

/// A sensor with less contrast and an offset, and the shipped blob. What was learned is saved in flash, read from there, and
/// becomes floats. The figures are those of docs/weights.md.
#[test]
fn what_a_device_has_learned_becomes_a_network_of_floats() {
    let file = BlobFile::read(&mnist().join("../../models/classic.int8.blob")).unwrap();
    let network = Network::open(file.bytes()).unwrap();
    let shifted = |image: &[u8]| image.iter().map(|q| (f32::from(*q) * 0.6 + 51.0) as u8).collect::<Vec<u8>>();
    let (train, test) = (Images::train(&mnist()).unwrap(), Images::test(&mnist()).unwrap());
    let rows: Vec<Vec<u8>> = (0..300).map(|i| shifted(train.image(i))).collect();
    let channels = learn(&network, rows.into_iter());

    let length = record_bytes(channels.len());
    let mut flash: Nor<Vec<u8>> = Nor::new(vec![0xff; 2 * slot_bytes(length, 4096)]);
    let thresholds = Thresholds { lower: 1, upper: 2 };
    let words = [thresholds.lower, thresholds.upper].map(u32::to_le_bytes).concat();
    Store::new(&mut flash, network.blob().crc(), length).unwrap().save([channels.as_bytes(), &words]).unwrap();
    let contents = flash.bytes().to_vec();
    assert_eq!(learned::channels(&network, &contents), Ok((channels.clone(), 1)));

    let tests: Vec<Vec<u8>> = (0..50).map(|i| shifted(test.image(i))).collect();
    for row in tests.iter().take(5) {
        let difference = largest_difference(&network, Some(&channels), row);
        assert!(difference < 1.0, "{difference} steps");
    }
    let floats = dequantise(&network, Some(&channels));
    let [mean, largest] = differences(&network, Some(&channels), &floats, &tests);
    println!("learned: mean difference {mean}, largest {largest}");
    assert!(mean < 1.0 / 255.0 && largest < 0.05, "mean {mean}, largest {largest}");
    // The blob's own parameters give something else: the test can fail.
    let [mean, _] = differences(&network, Some(&channels), &dequantise(&network, None), &tests);
    assert!(mean > 0.02, "{mean}");
    let plain: Vec<Vec<u8>> = (0..50).map(|i| test.image(i).to_vec()).collect();
    let [mean, largest] = differences(&network, None, &dequantise(&network, None), &plain);
    println!("the blob's own: mean difference {mean}, largest {largest}");
    assert!(mean < 0.002 && largest < 0.05, "mean {mean}, largest {largest}");

    // The files hold the same network.
    let metadata = Metadata::new(floats.topology(), 1, 8, &[]).unwrap();
    assert_eq!(onnx::read(&onnx::write(&floats, &metadata).unwrap(), None).unwrap().network, floats);
    assert_eq!(
        safetensors::read(&safetensors::write(&floats, &metadata).unwrap(), None, None).unwrap().network,
        floats
    );

    // A reset, another network, and a damaged record.
    let mut reset: Nor<Vec<u8>> = Nor::new(contents.clone());
    Store::new(&mut reset, network.blob().crc(), length).unwrap().reset().unwrap();
    assert_eq!(learned::channels(&network, reset.bytes()), Err(LearnedError::Base));
    let mut other: Nor<Vec<u8>> = Nor::new(vec![0xff; contents.len()]);
    Store::new(&mut other, 7, length).unwrap().save([channels.as_bytes(), &words]).unwrap();
    let expected = RecordError::OtherWeights { expected: network.blob().crc(), found: 7 };
    assert_eq!(learned::channels(&network, other.bytes()), Err(expected.into()));
    let mut damaged = contents;
    damaged[1000] ^= 1;
    assert_eq!(learned::channels(&network, &damaged), Err(RecordError::Damaged.into()));
}

/// A device's flash of `BYTES` with pages of `PAGE`, after each save: the latest channels are found, whatever the pages.
fn saves_are_found<const PAGE: usize>(network: &Network<'_>, bytes: usize) {
    let (count, crc) = (network.channels(), network.blob().crc());
    let length = record_bytes(count);
    let mut flash: Nor<Vec<u8>, PAGE> = Nor::new(vec![0xff; bytes]);
    assert_eq!(learned::channels(network, flash.bytes()), Err(LearnedError::Nothing));
    for save in 1..=4u32 {
        let channels = vec![ChannelParams { bias: save as i32, multiplier: 7 }; count];
        Store::new(&mut flash, crc, length).unwrap().save([channels.as_bytes(), &[0; 8]]).unwrap();
        assert_eq!(learned::channels(network, flash.bytes()), Ok((channels, save)), "{PAGE} of {bytes}");
    }
    Store::new(&mut flash, crc, length).unwrap().reset().unwrap();
    assert_eq!(learned::channels(network, flash.bytes()), Err(LearnedError::Base), "{PAGE} of {bytes}");
}

/// Each slot is half of the flash in whole pages, and a file does not say how long they are.
#[test]
fn the_latest_record_is_found_whatever_the_length_of_a_page() {
    let net = net("40-30-20-30-40", Format::Int8, 8, 1);
    let file = BlobFile::new("blob".as_ref(), &net.blob());
    let network = Network::open(file.bytes()).unwrap();
    for bytes in [4096, 5120, 6144, 8192, 10 * 1024, 12 * 1024, 20 * 1024, 32 * 1024] {
        saves_are_found::<64>(&network, bytes);
        saves_are_found::<1024>(&network, bytes);
        saves_are_found::<2048>(&network, bytes);
        if bytes >= 8192 {
            saves_are_found::<4096>(&network, bytes);
        }
    }
    let short = learned::channels(&network, &[0xff; 1024]);
    assert_eq!(short, Err(LearnedError::Store(StoreError::Capacity)));
    assert_eq!(learned::channels(&network, &[]), Err(LearnedError::Store(StoreError::Capacity)));
}

/// A network of torch, in the integers of a device: it computes nearly the same, and it learns.
#[test]
fn an_imported_network_runs_and_learns_on_a_device() {
    let bytes = std::fs::read(mnist().join("../../host/tests/frameworks/torch-f32.safetensors")).unwrap();
    let imported = safetensors::read(&bytes, Some(&"12-8-3-8-12".parse().unwrap()), None).unwrap();
    let data = Array2::from_shape_fn((200, 12), |(row, i)| {
        (128.0 + (90.0 * (row as f32 * 0.7 + i as f32).sin()).trunc()) / 255.0
    });
    let meta = BlobMeta { steps: 0, code_bits: 8, input: &[] };
    for (format, limit) in [(WeightFormat::Int8, 0.02), (WeightFormat::Int4, 0.1)] {
        let blob = integer_blob(&imported.network, format, meta, &data).unwrap();
        let file = BlobFile::new("blob".as_ref(), &blob);
        let network = Network::open(file.bytes()).unwrap();
        let rows: Vec<Vec<u8>> =
            data.outer_iter().map(|row| row.iter().map(|x| (x * 255.0).round() as u8).collect()).collect();
        let [mean, largest] = differences(&network, None, &imported.network, &rows);
        assert!(mean < limit / 2.0 && largest < limit, "{format:?}: mean {mean}, largest {largest}");
        let error = |channels: Option<&[ChannelParams]>| -> u64 {
            rows.iter()
                .map(|row| {
                    let y = reconstruction(&network, channels, row);
                    row.iter().zip(y).map(|(x, y)| u64::from(x.abs_diff(y)).pow(2)).sum::<u64>()
                })
                .sum()
        };
        let channels = learn(&network, rows.iter().cloned());
        assert!(error(Some(&channels)) < error(None) / 10 * 7, "{} {}", error(Some(&channels)), error(None));
    }
}
