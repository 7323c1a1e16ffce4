//! Writes the seeds of the fuzz targets' corpus. Run it after a change of the blob's format or of the protocol.
//!
//!     cargo run -p tests --example corpus

use autoencoder_core::Topology;
use autoencoder_core::blob::{Format, Header, Thresholds};
use autoencoder_core::front_end::{FrontEnd, Scale, Spec, write_section};
use autoencoder_device::learn::{Begin, HELD_OUT, Method};
use autoencoder_device::message::LearningCommand;
use autoencoder_device::{Command, Request, frame};
use autoencoder_io::blob_file::f32_blob;
use std::path::Path;
use std::{fs, io};
use tests::net::{Net, crc};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let net = Net::relay("16-8-4-8-16", Format::Int8, 1);
    let blob = net.blob_with(&Header { thresholds: Thresholds { lower: 100, upper: 100_000 }, ..net.header() });
    let float = float(&"16-8-4-8-16".parse().map_err(io::Error::other)?)?;
    let other = Net::new("16-8-16", 1).blob();
    let odd = Net::of("7-5r-3-6-7i", Format::Int4, 1).blob();
    let samples = net.blob_with_section(&net.header(), &section()?);
    for (name, bytes) in [("int8", &blob), ("f32", &float), ("other", &other), ("odd", &odd), ("samples", &samples)] {
        fs::write(folder.join("blob").join(name), bytes)?;
    }
    let image: Vec<u8> = (0..16).collect();
    let code = [9, 0, 255, 1];
    // A window of two channels.
    let numbers: Vec<u8> = (0..16).flat_map(|i| [f32::NAN, 1.5, -2.0, 1e9][i % 4].to_le_bytes()).collect();
    let commands = [
        ("info", Command::Info),
        ("encode", Command::Encode { row: &image }),
        ("decode", Command::Decode { identity: crc(&blob), code: &code }),
        ("score", Command::Score { row: &image }),
        ("usage", Command::Usage),
        ("monitor", Command::Monitor { row: &image }),
        ("digest", Command::Digest { row: &image, layers: 3 }),
        ("oversize", Command::Encode { row: &[7; 300] }),
        ("samples", Command::Samples(&numbers)),
        ("restart", Command::Restart),
        ("learning-samples", Command::Learn(LearningCommand::Samples(&numbers[..32]))),
        ("learning-status", Command::Learn(LearningCommand::Status)),
        ("learning-flash", Command::Learn(LearningCommand::Flash { at: 100 })),
        ("learning-reset", Command::Learn(LearningCommand::Reset)),
    ];
    let mut all = Vec::new();
    for (sequence, (name, command)) in (1..).zip(commands) {
        let frame = frame(sequence, command)?;
        fs::write(folder.join("line").join(name), &frame)?;
        all.splice(0..0, frame);
    }
    fs::write(folder.join("line/backwards"), all)?;
    // Each row has two halves, one lighter than the other, in either order. No two rows are equal.
    let value = |i: usize, j: usize| {
        if i.is_multiple_of(2) == (j < 8) { 240 - (i + j) as u8 } else { 130 + (i * j % 13) as u8 }
    };
    let rows: Vec<[u8; 16]> = (0..HELD_OUT + 12).map(|i| std::array::from_fn(|j| value(i, j))).collect();
    // A run with each optimizer, which holds out, learns, judges and keeps; then an image with the learned channels.
    for (name, method) in [("adam", Method::Adam), ("rmsprop", Method::RmsProp), ("sgd", Method::Sgd)] {
        let rate = if method == Method::Sgd { 200 } else { 50_000 };
        let begin = Begin { method, rate, batch: 2, rows: 12, passes: 1, forced: false };
        let images = rows.iter().map(|row| Command::Learn(LearningCommand::Row(row)));
        let run = [Command::Learn(LearningCommand::Begin(begin))].into_iter().chain(images);
        let run = run.chain([Command::Learn(LearningCommand::End), Command::Encode { row: &[9; 16] }]);
        let frames: Result<Vec<_>, _> = (1..).zip(run).map(|(sequence, command)| frame(sequence, command)).collect();
        fs::write(folder.join("line").join(format!("learning-{name}")), frames?.concat())?;
    }
    Ok(())
}

fn frame(sequence: u32, command: Command<'_>) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 512];
    Ok(frame::write(&Request { sequence, command }, &mut buffer).map_err(io::Error::other)?.to_vec())
}

/// An input section for windows of eight samples of two channels.
fn section() -> io::Result<Vec<u8>> {
    let spec = Spec { channels: 2, window: 8, hop: 8, rate: 100.0, front_end: FrontEnd::Centred };
    let scales = vec![Scale { offset: -2.0, gain: 64.0 }; spec.inputs()];
    let mut buffer = [0; 256];
    Ok(write_section(&spec, "x\ny", 0.005, &scales, &mut buffer).map_err(io::Error::other)?.to_vec())
}

/// A blob in `f32`.
fn float(topology: &Topology) -> io::Result<Vec<u8>> {
    let numbers = |count| (0..count).map(|i| (i as f32).sin());
    let parameters: Vec<f32> = topology.layers().iter().flat_map(|layer| numbers(layer.parameters())).collect();
    f32_blob(topology, 1, 8, &parameters, &[]).map_err(io::Error::other)
}
