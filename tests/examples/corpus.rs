//! Writes the seeds of the fuzz targets' corpus: after a change of the blob's format or of the protocol.
//!
//!     cargo run -p tests --example corpus

#[path = "../../firmware-sim/tests/common/mod.rs"]
mod common;

use autoencoder_core::{Dense, Parameters, Sigmoid, Zeroed};
use common::{Net, crc};
use firmware_sim::learn::{Begin, HELD_OUT, Method};
use firmware_sim::message::Learning;
use firmware_sim::{Command, Request, frame};
use host::quantise::{About, f32_blob};
use std::iter::repeat_n;
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
        ("learning-status", Command::Learning(Learning::Status)),
        ("learning-flash", Command::Learning(Learning::Flash { at: 100 })),
        ("learning-reset", Command::Learning(Learning::Reset)),
    ];
    let mut all = Vec::new();
    for (sequence, (name, command)) in (1..).zip(commands) {
        let frame = frame(sequence, command)?;
        fs::write(folder.join("line").join(name), &frame)?;
        all.splice(0..0, frame);
    }
    fs::write(folder.join("line/backwards"), all)?;
    // A course with each rule: held out, learned from, judged, kept; then an image with what was learned.
    for (name, method) in [("adam", Method::Adam), ("rmsprop", Method::RmsProp), ("sgd", Method::Sgd)] {
        let begin = Begin { method, rate: method.rate(), batch: 2, images: 5 };
        let image = Command::Learning(Learning::Image(&image));
        let course = [Command::Learning(Learning::Begin(begin))].into_iter().chain(repeat_n(image, HELD_OUT + 5));
        let course = course.chain([Command::Learning(Learning::End), Command::Encode { image: &[9; 16] }]);
        let frames: Result<Vec<_>, _> = (1..).zip(course).map(|(sequence, command)| frame(sequence, command)).collect();
        fs::write(folder.join("line").join(format!("learning-{name}")), frames?.concat())?;
    }
    Ok(())
}

fn frame(sequence: u32, command: Command<'_>) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 512];
    Ok(frame::write(&Request { sequence, command }, &mut buffer).map_err(io::Error::other)?.to_vec())
}
