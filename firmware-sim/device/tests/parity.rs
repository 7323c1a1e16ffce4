//! Tests the trace of training in `f32`, which host and device compare array by array.

#[path = "common/net.rs"]
mod net;

use autoencoder_core::blob::{self, Format, RawLayer};
use autoencoder_core::model::Small;
use autoencoder_core::quant::QuantParams;
use autoencoder_core::{Error, Parameters};
use autoencoder_device::parity::IMAGES;
use autoencoder_device::training::Training;
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::zeroed_box;
use net::{Net, Random};
use zerocopy::IntoBytes;

/// A blob, and images after it.
fn flash(mut blob: Vec<u8>) -> BlobFile {
    blob.extend(Random::new(3).bytes(IMAGES * 784));
    BlobFile::new("flash".as_ref(), &blob)
}

/// The blob of a network with one parameter multiplied by a factor.
fn small(factor: f32) -> Vec<u8> {
    let mut net = zeroed_box::<Small>();
    for (i, w) in net.slices_mut().flatten().enumerate() {
        *w = 0.2 * (i as f32).sin();
    }
    net.decoder.0.weights[5][5] *= factor;
    let arrays: Vec<_> = net.slices().collect();
    let layers: Vec<_> = arrays.chunks(2).map(<[_]>::concat).collect(); // weights, then bias
    let layers =
        layers.iter().map(|weights| RawLayer { output: QuantParams::UNIT, channels: &[], weights: weights.as_bytes() });
    let header = blob::Header { format: Format::F32, ..Net::new("small", 1).header() };
    let mut buffer = vec![0; blob::len(&header, layers.clone(), &[]).unwrap()];
    blob::write(&header, layers, &[], &mut buffer).unwrap();
    buffer
}

fn trace(blob: Vec<u8>) -> Result<Vec<String>, Error> {
    let mut training = zeroed_box::<Training<Small, IMAGES>>();
    training.load(flash(blob).bytes())?;
    let mut text = String::new();
    training.write_trace(&mut text).unwrap();
    Ok(text.lines().map(str::to_owned).collect())
}

#[test]
fn the_first_line_that_differs_names_the_layer() {
    let one = trace(small(1.0)).unwrap();
    assert_eq!(one, trace(small(1.0)).unwrap());
    // For each step: outputs and their gradients for four layers, the loss, weights and biases twice.
    assert_eq!(one.len(), 3 * (4 + 1 + 4 + 8 + 8));
    let other = trace(small(-1.0)).unwrap();
    let first = one.iter().zip(&other).position(|(one, other)| one != other).unwrap();
    assert!(one[first].starts_with("step 1, outputs of layer 3: "), "{}", one[first]);
    // Each of the three optimizers changed the parameters.
    let weights: Vec<&String> = one.iter().filter(|line| line.contains("parameters of layer 1, weights")).collect();
    assert!(weights.len() == 3 && weights.windows(2).all(|pair| pair[0][7..] != pair[1][7..]), "{weights:?}");
}

#[test]
fn other_blobs_are_refused() {
    assert_eq!(trace(Net::new("small", 1).blob()), Err(Error::Format));
    assert_eq!(trace(Net::new("classic", 1).blob()), Err(Error::Topology));
    assert_eq!(trace(vec![0; 64]), Err(Error::Empty));
}
