//! A network for your own rows: vibration windows of a healthy machine. A faulty machine stands out by its reconstruction
//! error.
//!
//!     cargo run -p host --example own_topology

use autoencoder_core::{Network, Topology};
use autoencoder_io::blob_file::BlobFile;
use host::evaluate;
use host::export::{BlobMeta, integer_blob};
use host::train::qat::WeightFormat;
use host::train::{Recipe, Trainer};
use ndarray::Array2;
use std::path::Path;

const STEPS: u32 = 3000;

/// Windows of a rotating machine's vibration, in [0, 1]: the shaft and its second harmonic at any phase. A worn bearing adds a
/// ringing.
fn windows(count: usize, wear: f32) -> Array2<f32> {
    Array2::from_shape_fn((count, 64), |(window, sample)| {
        let phase = window as f32 * 2.399 + sample as f32 * 0.2;
        let ringing = wear * (sample as f32 * 1.9 + window as f32).sin();
        0.5 + 0.25 * phase.sin() + 0.1 * (2.0 * phase + 0.5).sin() + 0.1 * ringing
    })
}

fn main() -> anyhow::Result<()> {
    let healthy = windows(4000, 0.0);
    let topology: Topology = "64-32-4-32-64".parse()?; // 64 samples to a code of 4 bytes
    let mut trainer = Trainer::new(&topology, Recipe::DEFAULT, STEPS, 64, 1, &healthy);
    for step in 1..=STEPS {
        let loss = trainer.step(&healthy);
        if step % 500 == 0 {
            println!("step {step}  loss {loss:.6}");
        }
    }
    let meta = BlobMeta { steps: STEPS, code_bits: 8, input: &[] };
    let blob = integer_blob(trainer.network(), WeightFormat::Int8, meta, &healthy)?;
    let file = BlobFile::new(Path::new("the example's blob"), &blob);
    let network = Network::open(file.bytes())?;
    println!("int8 blob: {} bytes", blob.len());
    for wear in [0.0, 0.25, 0.5, 1.0] {
        let errors = evaluate::integer_errors(&network, &windows(500, wear));
        println!("wear {wear:4.2}  reconstruction error {:.6}", evaluate::mean(&errors));
    }
    Ok(())
}
