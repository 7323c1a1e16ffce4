//! Random networks, in turn, on one image of a board for each kernel. Every layer, code and reconstruction has the bytes of
//! plain loops.

use crate::emulator::{BOARDS, Board, Emulator};
use crate::run::{ROOT, over};
use autoencoder_core::blob::Format;
use autoencoder_core::crc::checksum;
use autoencoder_device::{Command, Error, Reply};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tests::net::{Net, Random, crc};
use tests::networks::{cases, formats, layer_outputs, net, topologies};

/// A folder with a copy of a board's image, which no other process can rebuild.
fn folder_with_image(board: Board) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    // Builds the image, with a network that fits every board.
    fs::write(folder.path().join("blob"), Net::new("784-4-784", 1).blob()).unwrap();
    let here = folder.path().display();
    let encode = format!("encode --rows 1 --board {} --weights {here}/blob --out {here}/codes", board.name);
    over("qemu", &encode).success();
    let image = format!("firmware-sim/images/target/images/{}/device-image", board.name);
    fs::copy(Path::new(ROOT).join(image), folder.path().join("image")).unwrap();
    folder
}

/// Noise, two rows with more and more zeros, which the kernel skips, and the two ends of the range.
fn rows(width: usize, seed: u64) -> Vec<Vec<u8>> {
    let random = &mut Random::new(seed);
    let noise = random.bytes(width);
    let [half, eighth] = [1, 7].map(|most| {
        let kept = noise.iter().map(|x| if random.range(0, most) == 0 { *x } else { 0 });
        kept.collect::<Vec<u8>>()
    });
    vec![noise, half, eighth, vec![0; width], vec![255; width]]
}

/// Checks the code, the reconstruction and each layer of a row on the board.
fn check_row(board: &mut Emulator, net: &Net, weights: u32, row: &[u8]) {
    let topology = net.topology();
    let outputs = layer_outputs(net, row);
    let code = net.packed(&net.encode(row));
    board.ask(Command::Encode { row }, |result| {
        assert_eq!(result, Ok(Reply::Code { identity: weights, code: &code }), "{topology}: the code");
    });
    let has_decoder = topology.has_decoder();
    let expected = |reply| if has_decoder { Ok(reply) } else { Err(Error::Absent) };
    board.ask(Command::Decode { identity: weights, code: &code }, |result| {
        assert_eq!(result, expected(Reply::Row(&outputs[outputs.len() - 1])), "{topology}: the reconstruction");
    });
    for layers in 1..=outputs.len() {
        let crc = checksum(&outputs[..layers].concat());
        board.ask(Command::Digest { row, layers: layers as u8 }, |result| {
            assert_eq!(result, expected(Reply::Digest { crc, score: net.score(row) }), "{topology}: layer {layers}");
        });
    }
}

#[test]
fn random_networks_on_one_image_have_the_bytes_of_plain_loops() {
    for board in BOARDS {
        let folder = folder_with_image(board);
        let (image, blob) = (folder.path().join("image"), folder.path().join("blob"));
        let helium = board.name == "mps3-an547";
        let config = ProptestConfig { max_shrink_iters: 100, ..cases(if board.name == "mps2-an386" { 40 } else { 8 }) };
        proptest!(config, |(topology in topologies(), format in formats(), bits in 1..=8u8, seed in any::<u64>())| {
            let format = if format == Format::Int8Rows && !helium { Format::Int8 } else { format };
            let net = net(&topology, format, bits, seed);
            let bytes = net.blob();
            fs::write(&blob, &bytes).unwrap();
            let mut emulator = Emulator::boot(board, &image, &blob);
            for row in rows(net.topology().inputs(), seed) {
                check_row(&mut emulator, &net, crc(&bytes), &row);
            }
        });
    }
}

/// Only a processor with Helium has a kernel for weights in rows.
#[test]
fn weights_in_rows_are_refused_without_helium() {
    let board = BOARDS[0];
    let folder = folder_with_image(board);
    let blob = folder.path().join("blob");
    fs::write(&blob, Net::of("8-4-8", Format::Int8Rows, 1).blob()).unwrap();
    let mut emulator = Emulator::boot(board, &folder.path().join("image"), &blob);
    let answer = emulator.ask(Command::Info, |result| result.map(|_| ()));
    assert_eq!(answer, Err(Error::Weights(autoencoder_core::Error::Format)));
}
