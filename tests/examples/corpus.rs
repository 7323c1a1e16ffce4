//! Writes the seeds of the fuzz targets' corpus: after a change of the blob's format or of the protocol.
//!
//!     cargo run -p tests --example corpus

use autoencoder_core::Topology;
use autoencoder_core::blob::Format;
use autoencoder_device::learn::{Begin, HELD_OUT, Method};
use autoencoder_device::message::Learning;
use autoencoder_device::{Command, Request, frame};
use autoencoder_io::blob_file::f32_blob;
use std::iter::repeat_n;
use std::path::Path;
use std::{fs, io};
use tests::net::{Net, crc};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let blob = Net::new("16-8-4-8-16", 1).blob();
    let float = float(&"16-8-4-8-16".parse().map_err(io::Error::other)?)?;
    let other = Net::new("16-8-16", 1).blob();
    let odd = Net::of("7-5r-3-6-7i", Format::Int4, 1).blob();
    for (name, bytes) in [("int8", &blob), ("f32", &float), ("other", &other), ("odd", &odd)] {
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
    // A run with each optimizer: held out, learned from, judged, kept; then an image with what was learned.
    for (name, method) in [("adam", Method::Adam), ("rmsprop", Method::RmsProp), ("sgd", Method::Sgd)] {
        let begin = Begin { method, rate: method.rate(), batch: 2, images: 5 };
        let image = Command::Learning(Learning::Image(&image));
        let run = [Command::Learning(Learning::Begin(begin))].into_iter().chain(repeat_n(image, HELD_OUT + 5));
        let run = run.chain([Command::Learning(Learning::End), Command::Encode { image: &[9; 16] }]);
        let frames: Result<Vec<_>, _> = (1..).zip(run).map(|(sequence, command)| frame(sequence, command)).collect();
        fs::write(folder.join("line").join(format!("learning-{name}")), frames?.concat())?;
    }
    Ok(())
}

fn frame(sequence: u32, command: Command<'_>) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 512];
    Ok(frame::write(&Request { sequence, command }, &mut buffer).map_err(io::Error::other)?.to_vec())
}

/// A blob in `f32`.
fn float(topology: &Topology) -> io::Result<Vec<u8>> {
    let numbers = |count| (0..count).map(|i| (i as f32).sin());
    let parameters: Vec<f32> = topology.layers().iter().flat_map(|layer| numbers(layer.parameters())).collect();
    f32_blob(topology, 1, 8, &parameters).map_err(io::Error::other)
}
