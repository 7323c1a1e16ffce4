//! Making integers of a network: which networks have a blob, and the ranges and scales that its numbers get.

use autoencoder_core::Network;
use autoencoder_core::quant::{ACCUMULATOR_LIMIT, QuantParams, Weights};
use autoencoder_io::blob_file::BlobFile;
use host::FloatNetwork;
use host::export::quantise::quantise;
use host::export::{BlobMeta, ExportError, f32_blob, integer_blob};
use host::train::qat::WeightFormat;
use ndarray::Array2;
use tests::Reference;

const META: BlobMeta<'static> = BlobMeta { steps: 1, code_bits: 8, input: &[] };

fn network(topology: &str, size: f32) -> FloatNetwork {
    let mut network = FloatNetwork::new(&topology.parse().unwrap());
    for (i, w) in network.parameters_mut().iter_mut().enumerate() {
        *w = size * (i as f32 * 0.7 + 1.0).sin();
    }
    network
}

/// Sixty rows of numbers from `low` to `high`.
fn rows(width: usize, low: f32, high: f32) -> Array2<f32> {
    let part = |row: usize, i: usize| ((row * 31 + i * 17 + row * i) % 61) as f32 / 60.0;
    Array2::from_shape_fn((60, width), |(row, i)| low + (high - low) * part(row, i))
}

fn blob(network: &FloatNetwork, data: &Array2<f32>) -> BlobFile {
    BlobFile::new("blob".as_ref(), &quantise(network, WeightFormat::Int8, META, data).unwrap().to_blob(&[]).unwrap())
}

/// The least and the greatest output of the network's first layers, in `f64`; 0 if that is less or greater.
fn range(network: &FloatNetwork, layers: usize, data: &Array2<f32>) -> (f64, f64) {
    let topology = network.topology();
    let part = autoencoder_core::Topology::new(&topology.layers()[..layers], layers).unwrap();
    let mut first = FloatNetwork::new(&part);
    let count = first.parameters().len();
    first.parameters_mut().copy_from_slice(&network.parameters()[..count]);
    let reference = Reference::of(&first);
    let outputs = data.outer_iter().flat_map(|row| {
        let x: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
        reference.forward(&x)
    });
    outputs.fold((0.0, 0.0), |(low, high), y| (y.min(low), y.max(high)))
}

fn assert_range(found: QuantParams, (low, high): (f64, f64), what: &str) {
    let (scale, zero) = (f64::from(found.scale), f64::from(found.zero_point));
    assert!((scale * 255.0 / (high - low) - 1.0).abs() < 1e-4, "{what}: {found:?} for {low} to {high}");
    assert!((-low / scale - zero).abs() < 0.51, "{what}: {found:?} for {low} to {high}");
}

#[test]
fn a_network_that_is_not_finite_or_rounds_another_code_has_no_blob() {
    let data = rows(3, 0.0, 1.0);
    let both = |network: &FloatNetwork, code_bits| {
        let meta = BlobMeta { code_bits, ..META };
        [f32_blob(network, meta).err(), integer_blob(network, WeightFormat::Int8, meta, &data).err()]
    };
    for (topology, bits, refused) in
        [("3-2-3", 4, false), ("3-2r-3", 8, false), ("3-2r-3", 7, true), ("3-2i-3", 1, true), ("3-2-3r", 4, false)]
    {
        for error in both(&network(topology, 0.5), bits) {
            let is_of_code = matches!(error, Some(ExportError::Code { bits: found, .. }) if found == bits);
            assert_eq!((is_of_code, error.is_some()), (refused, refused), "{topology}, {bits} bits");
        }
    }
    for (index, layer) in [(0, 1), (7, 1), (8, 2), (16, 2)] {
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut network = network("3-2-3", 0.5);
            network.parameters_mut()[index] = number;
            for error in both(&network, 8) {
                let is_of_layer = matches!(error, Some(ExportError::NotFinite { layer: found }) if found == layer);
                assert!(is_of_layer, "{number} at {index}: {error:?}");
            }
        }
    }
}

/// Numbers within [0, 1] are pixels, however few of them there are. Any others are stored by their own range.
#[test]
fn the_range_of_the_input_is_that_of_the_data() {
    for (low, high) in [(0.0, 1.0), (0.2, 0.5), (0.0, 0.0)] {
        let file = blob(&network("6-3-6", 0.5), &rows(6, low, high));
        assert_eq!(Network::open(file.bytes()).unwrap().blob().header().input, QuantParams::UNIT, "{low} to {high}");
    }
    for (low, high) in [(-0.5, 0.5), (-0.25, 1.0), (0.0, 1.5), (0.5, 2.0), (-3.0, -1.0)] {
        let file = blob(&network("6-3-6i", 0.5), &rows(6, low, high));
        let input = Network::open(file.bytes()).unwrap().blob().header().input;
        assert_range(input, (f64::from(low).min(0.0), f64::from(high).max(0.0)), "the input");
    }
}

#[test]
fn a_layer_without_a_known_range_has_that_of_its_outputs() {
    let centred = rows(6, -0.5, 0.5);
    for (topology, known) in [
        // Neither a hidden layer nor outputs of another number reconstruct the input.
        ("6-5r-4i-3r-6i", vec![false, false, false, true]),
        ("6-4i-5i", vec![false, false]),
        ("6-3r-4r", vec![false, false]),
        // A ReLU reconstructs no negative numbers.
        ("6-4i-6r", vec![false, false]),
    ] {
        let network = network(topology, 0.5);
        let file = blob(&network, &centred);
        let quantised = Network::open(file.bytes()).unwrap();
        let input = quantised.blob().header().input;
        assert_eq!(known.len(), quantised.topology().layers().len());
        for (i, (layer, known)) in quantised.layers().zip(&known).enumerate() {
            if *known {
                assert_eq!(layer.output(), input, "{topology}, layer {i}");
            } else {
                assert_range(layer.output(), range(&network, i + 1, &centred), &format!("{topology}, layer {i}"));
            }
        }
    }
    // Of data without negative numbers, a ReLU's reconstruction has the range of the input.
    let file = blob(&network("6-4i-6r", 0.5), &rows(6, 0.0, 2.0));
    let quantised = Network::open(file.bytes()).unwrap();
    let input = quantised.blob().header().input;
    assert!(input != QuantParams::UNIT && quantised.layers().last().unwrap().output() == input);
}

#[test]
fn an_error_names_the_layer_and_the_output() {
    // Outputs that overflow have no range.
    for (topology, layer) in [("3-2r-4-3", 1), ("3-2-4r-3", 2)] {
        let mut network = network(topology, 0.5);
        network.layer_mut(layer - 1).0.fill(2e38);
        let error = integer_blob(&network, WeightFormat::Int8, META, &rows(3, 1.0, 1.0)).unwrap_err();
        assert!(matches!(error, ExportError::OutputRange { layer: found } if found == layer), "{topology}: {error}");
    }
    // 600 weights that clipping does not bring into the accumulator's range.
    let mut network = network("3-600-5-3", 0.5);
    network.layer_mut(1).0[2 * 600..3 * 600].fill(2000.0);
    let error = integer_blob(&network, WeightFormat::Int8, META, &rows(3, 0.0, 1.0)).unwrap_err();
    assert!(matches!(error, ExportError::Range { layer: 2, output: 2 }), "{error}");
}

/// So many equal weights that the accumulator decides their scale: it is the finest at which their sum stays below the limit.
#[test]
fn a_row_uses_the_accumulator_and_stays_within_it() {
    const W: f64 = 0.01;
    let (mut over, mut close) = (0, 0);
    for inputs in (300..=700).step_by(3) {
        let mut network = FloatNetwork::new(&format!("{inputs}-1-{inputs}").parse().unwrap());
        network.layer_mut(0).0.fill(W as f32);
        let file = blob(&network, &Array2::zeros((1, inputs)));
        let quantised = Network::open(file.bytes()).unwrap();
        let layer = quantised.layers().next().unwrap();
        let Weights::Int8(tiles) = layer.weights() else { panic!("8 bits") };
        let row = tiles.iter().flat_map(|tile| tile.columns().map(|column| i64::from(column[0])));
        let sum = row.map(i64::abs).sum::<i64>() * 255;
        assert!(sum < ACCUMULATOR_LIMIT, "{inputs} inputs: {sum}");
        // One step of the index is 2^32 / 64 of the multiplier, one of the inputs 1/255.
        let scale = f64::from(layer.channels()[0].multiplier) / 4_294_967_296.0 / 64.0 * 255.0;
        let finest = inputs as f64 * W * 255.0 / ACCUMULATOR_LIMIT as f64;
        let rounded = (W / finest).round() as i64 * inputs as i64 * 255;
        if rounded >= ACCUMULATOR_LIMIT {
            over += 1;
            assert!(finest < scale && scale < 1.02 * finest, "{inputs} inputs: {scale}, finest {finest}");
        } else {
            close += usize::from(rounded / 255 * 256 >= ACCUMULATOR_LIMIT);
            assert!((scale / finest - 1.0).abs() < 1e-5, "{inputs} inputs: {scale}, finest {finest}");
        }
    }
    assert!(over > 10 && close > 0, "{over} rows rounded over the limit, {close} just below it");
}
