//! A topology of one's own, trained on rows of one's own: vibration windows of a healthy machine, so that a faulty
//! one stands out by its reconstruction error.
//!
//!     cargo run -p host --example own_topology

use autoencoder_core::blob::Blob;
use autoencoder_core::{Autoencoder, Dense, Sigmoid};
use host::aware::Precision;
use host::blob_file::BlobFile;
use host::evaluate;
use host::quantise::{About, integer_blob};
use host::recipe::Recipe;
use host::trainer::Trainer;
use ndarray::Array2;
use std::path::Path;

/// 64 samples to a code of 4 bytes.
type Encoder = (Dense<64, 32, Sigmoid>, Dense<32, 4, Sigmoid>);
type Decoder = (Dense<4, 32, Sigmoid>, Dense<32, 64, Sigmoid>);

/// Windows of a rotating machine's vibration, in [0, 1]: the shaft and its second harmonic at any phase; a worn
/// bearing adds a ringing.
fn windows(count: usize, wear: f32) -> Array2<f32> {
    Array2::from_shape_fn((count, 64), |(window, sample)| {
        let phase = window as f32 * 2.399 + sample as f32 * 0.2;
        let ringing = wear * (sample as f32 * 1.9 + window as f32).sin();
        0.5 + 0.25 * phase.sin() + 0.1 * (2.0 * phase + 0.5).sin() + 0.1 * ringing
    })
}

fn main() -> anyhow::Result<()> {
    let healthy = windows(4000, 0.0);
    let mut trainer = Trainer::<Autoencoder<Encoder, Decoder>>::new(Recipe::DEFAULT, 3000, 64, 1, &healthy);
    for step in 1..=3000 {
        let loss = trainer.train(&healthy);
        if step % 500 == 0 {
            println!("step {step}  loss {loss:.6}");
        }
    }
    let about = About { encoder_layers: 2, steps: 3000, code_bits: 8 };
    let bytes = integer_blob(trainer.net(), Precision::Int8, about, &healthy)?;
    let file = BlobFile::new(Path::new("the example's blob"), &bytes);
    let blob = Blob::open(file.bytes())?;
    println!("int8 blob: {} bytes", bytes.len());
    for wear in [0.0, 0.25, 0.5, 1.0] {
        let errors = evaluate::errors_int8::<Encoder, Decoder>(&blob, &windows(500, wear))?;
        println!("wear {wear:4.2}  reconstruction error {:.6}", evaluate::mean(&errors));
    }
    Ok(())
}
