//! What is held against the device: training in `f32`, told array by array.

mod common;

use autoencoder_core::model::{Decoder, Encoder, Small, SmallDecoder, SmallEncoder};
use autoencoder_core::{Error, Parameters};
use common::{Net, Random};
use firmware_sim::parity::IMAGES;
use firmware_sim::training::Training;
use host::blob_file::BlobFile;
use host::quantise::{About, f32_blob};
use host::trainer::zeroed_box;

/// A blob, and images behind it.
fn flash(mut blob: Vec<u8>) -> BlobFile {
    blob.extend(Random::new(3).bytes(IMAGES * 784));
    BlobFile::new("flash".as_ref(), &blob)
}

/// A network of these parameters, one of them with a factor.
fn net(factor: f32) -> Vec<u8> {
    let mut net = zeroed_box::<Small>();
    for (i, w) in net.slices_mut().flatten().enumerate() {
        *w = 0.2 * (i as f32).sin();
    }
    net.decoder.0.weights[5][5] *= factor;
    f32_blob(&*net, About { encoder_layers: 2, steps: 1, code_bits: 8 }).unwrap()
}

fn told(blob: Vec<u8>) -> Result<Vec<String>, Error> {
    let mut training = zeroed_box::<Training<Small, IMAGES>>();
    training.load(flash(blob).bytes())?;
    let mut text = String::new();
    training.tell(&mut text).unwrap();
    Ok(text.lines().map(str::to_owned).collect())
}

#[test]
fn the_first_line_that_differs_names_the_layer() {
    let one = told(net(1.0)).unwrap();
    assert_eq!(one, told(net(1.0)).unwrap());
    // For each step: outputs and their gradients for four layers, the loss, weights and biases twice.
    assert_eq!(one.len(), 3 * (4 + 1 + 4 + 8 + 8));
    let other = told(net(-1.0)).unwrap();
    let first = one.iter().zip(&other).position(|(one, other)| one != other).unwrap();
    assert!(one[first].starts_with("step 1, outputs of layer 3: "), "{}", one[first]);
    // No rule of the three left the parameters where they were.
    let weights: Vec<&String> = one.iter().filter(|line| line.contains("parameters of layer 1, weights")).collect();
    assert!(weights.len() == 3 && weights.windows(2).all(|pair| pair[0][7..] != pair[1][7..]), "{weights:?}");
}

#[test]
fn other_blobs_are_refused() {
    assert_eq!(told(Net::new::<SmallEncoder, SmallDecoder>(1).blob()), Err(Error::Format));
    assert_eq!(told(Net::new::<Encoder, Decoder>(1).blob()), Err(Error::Topology));
    assert_eq!(told(vec![0; 64]), Err(Error::Empty));
}
