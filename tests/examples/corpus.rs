//! Writes the seeds of the fuzz targets' corpus: after a change of the blob's format or of the protocol.
//!
//!     cargo run -p tests --example corpus

#[path = "../../firmware-sim/tests/common/mod.rs"]
mod common;

use autoencoder_core::{Dense, Parameters, Sigmoid, Zeroed};
use common::{Net, crc};
use firmware_sim::{Command, Request, frame};
use host::quantise::{About, f32_blob};
use std::path::Path;
use std::{fs, io};

type E = (Dense<16, 8, Sigmoid>, Dense<8, 4, Sigmoid>);
type D = (Dense<4, 8, Sigmoid>, Dense<8, 16, Sigmoid>);

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let blob = Net::new::<E, D>(1).blob();
    let mut net = autoencoder_core::Autoencoder::<E, D>::ZERO;
    for (i, w) in net.slices_mut().flatten().enumerate() {
        *w = (i as f32).sin();
    }
    let float = f32_blob(&net, About { encoder_layers: 2, steps: 1, code_bits: 8 }).map_err(io::Error::other)?;
    let other = Net::new::<Dense<16, 8, Sigmoid>, Dense<8, 16, Sigmoid>>(1).blob();
    for (name, bytes) in [("int8", &blob), ("f32", &float), ("other", &other)] {
        fs::write(folder.join("blob").join(name), bytes)?;
    }
    let image: Vec<u8> = (0..16).collect();
    let code = [9, 0, 255, 1];
    let commands = [
        ("info", Command::Info),
        ("encode", Command::Encode { image: &image }),
        ("decode", Command::Decode { weights: crc(&blob), code: &code }),
        ("score", Command::Score { image: &image }),
        ("usage", Command::Usage),
        ("monitor", Command::Monitor { image: &image }),
        ("digest", Command::Digest { image: &image, layers: 3 }),
        ("oversize", Command::Encode { image: &[7; 300] }),
    ];
    let mut all = Vec::new();
    for (sequence, (name, command)) in (1..).zip(commands) {
        let mut buffer = [0; 512];
        let frame = frame::write(&Request { sequence, command }, &mut buffer).map_err(io::Error::other)?;
        fs::write(folder.join("line").join(name), frame)?;
        all.splice(0..0, frame.iter().copied());
    }
    fs::write(folder.join("line/backwards"), all)
}
