//! Every named topology, with codes of 1 to 8 bits per element: the buffers have room for frames of every length.

use crate::net::{Net, waves};
use crate::place::{Place, json};
use autoencoder_core::Topology;
use autoencoder_core::blob::{Format, Thresholds};
use autoencoder_core::topology::NAMES;
use serde_json::Value;

/// The number of test rows, and of training rows.
const ROWS: [usize; 2] = [3, 40];

/// A folder with data for a topology.
fn place(topology: &Topology) -> Place {
    let place = Place::new();
    for (set, count) in ["t10k", "train"].into_iter().zip(ROWS) {
        let header = [0x802, count as u32, topology.inputs() as u32].into_iter().flat_map(u32::to_be_bytes);
        let rows = header.chain(waves(topology.inputs(), count)).collect::<Vec<_>>();
        place.write(&format!("data/{set}-images-idx2-ubyte"), &rows);
    }
    place
}

#[test]
fn every_command_has_room_for_every_frame() {
    for name in NAMES {
        let place = place(&name.parse().unwrap());
        let rest = "--weights blob --data data --json";
        for code_bits in 1..=8 {
            let net = Net::of(name, if code_bits % 2 == 0 { Format::Int8 } else { Format::Int4 }, 1)
                .with_code_bits(code_bits);
            let mut header = net.header();
            header.thresholds = Thresholds { lower: 1, upper: u32::MAX - 1 };
            place.write("blob", &net.blob_with(&header));
            let ask = |command: &str| -> Value { json(&place.run(&format!("{command} {rest}")).success()) };
            let encoded = ask("encode --out codes");
            assert_eq!(encoded["rows"], ROWS[0], "{name}, {code_bits} bits: {encoded}");
            let decoded = ask("decode codes --out decoded.png");
            assert_eq!(
                (&decoded["rows"], &decoded["skipped"]),
                (&ROWS[0].into(), &0.into()),
                "{name}, {code_bits} bits"
            );
            // Only one of the codes runs every other command, because they differ only in their frames.
            if code_bits == 1 + name.len() as u8 % 8 {
                for command in ["decode --out out.png", "roundtrip", "monitor", "verify --link in-process"] {
                    assert_eq!(ask(command)["rows"], ROWS[0], "{name}, {code_bits} bits: {command}");
                }
                assert_eq!(ask("bench --link in-process")["equal_rows"], ROWS[0], "{name}, {code_bits} bits");
                ask("learn --flash flash --out learned.png");
                ask("roundtrip --flash flash");
            }
        }
    }
}
