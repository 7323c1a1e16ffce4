//! Encoding, decoding, and packets.

use crate::net::{Net, crc};
use crate::place::{Place, cell, data, json, stderr, stdout};
use autoencoder_core::Network;
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::idx::Images;
use autoencoder_io::picture::Gray;
use serde_json::Value;
use std::fs;

#[test]
fn decode_reconstructs_sixteen_digits() {
    let place = Place::new();
    let assert = place.with_blob("decode").success();
    let (text, err) = (stdout(&assert), stderr(&assert));
    assert!(text.contains("16 images, originals above their reconstructions, MSE 0."), "{text}");
    assert!(text.lines().any(|line| line.contains('█')) && text.contains("heap 0"), "{text}");
    assert!(err.starts_with("weights: classic.blob (classic, "), "{err}");

    let net = Net::new("classic", 1);
    let images = Images::test(&data()).unwrap();
    let picture = Gray::read(&place.path("artifacts/decoded.png")).unwrap();
    assert_eq!((picture.width, picture.height), (16 * 58 + 2, 2 * 58 + 2));
    for i in 0..16 {
        assert_eq!(cell(&picture, i, 0), images.image(i), "original {i}");
        assert_eq!(cell(&picture, i, 1), net.decode(&net.encode(images.image(i))), "reconstruction {i}");
    }
}

#[test]
fn json_is_one_object_and_the_memory_adds_up() {
    let place = Place::new();
    for command in ["decode", "roundtrip --rows 40"] {
        let assert = place.with_blob(&format!("{command} --json")).success();
        let object = json(&assert);
        let number = |key: &str| object[key].as_u64().unwrap_or_else(|| panic!("{key} in {object}"));
        assert_eq!(number("rows"), if command == "decode" { 16 } else { 40 });
        assert_eq!(number("ram_bytes"), number("static_bytes") + number("stack_bytes"));
        assert!(number("ram_bytes") <= 6 * 1024, "{object}");
        // Less would mean that nothing was measured. There is at least a frame's buffers, and a call or two.
        assert!(number("static_bytes") > 3000 && number("stack_bytes") > 200, "{object}");
        assert_eq!(number("heap_bytes"), 0);
        let blob = fs::metadata(place.path("classic.blob")).unwrap().len();
        assert_eq!(number("flash_bytes"), blob + 24 * 1024);
        assert_eq!(object["weights"], "classic.blob");
        assert!(object["mse"].as_f64().unwrap() > 0.0);
        assert_eq!(stderr(&assert), "");
    }
}

#[test]
fn the_error_is_that_of_the_integer_network() {
    let place = Place::new();
    let found = json(&place.with_blob("roundtrip --rows 200 --json").success())["mse"].as_f64().unwrap();
    let file = BlobFile::read(&place.path("classic.blob")).unwrap();
    let network = Network::open(file.bytes()).unwrap();
    let images = Images::test(&data()).unwrap();
    let errors = host::evaluate::integer_errors(&network, &images);
    let expected = host::evaluate::mean(&errors[..200]);
    assert!((found / expected - 1.0).abs() < 1e-5, "{found}, expected {expected}");
}

#[test]
fn packets_decode_to_the_same_images_as_a_direct_run() {
    let place = Place::new();
    place.with_blob("decode --out whole.png").success();
    let object = json(&place.with_blob("encode --out codes.bin --json").success());
    let codes = fs::read(place.path("codes.bin")).unwrap();
    assert_eq!((&object["rows"], object["out_bytes"].as_u64().unwrap()), (&16.into(), codes.len() as u64));
    let assert = place.run("decode codes.bin --weights classic.blob --out decoded.png --json").success();
    assert_eq!(json(&assert)["mse"], Value::Null);
    let [whole, decoded] = ["whole.png", "decoded.png"].map(|name| Gray::read(&place.path(name)).unwrap());
    for i in 0..16 {
        assert_eq!(cell(&decoded, i, 0), cell(&whole, i, 1), "image {i}");
    }
    let text = stdout(&place.run("decode codes.bin --weights classic.blob").success());
    assert!(text.contains("16 images: artifacts/decoded.png") && text.contains('█'), "{text}");
}

#[test]
fn png_and_idx_files_are_encoded_like_the_test_images() {
    let place = Place::new();
    let images = Images::test(&data()).unwrap();
    for i in 0..2 {
        let image = Gray { width: 28, height: 28, pixels: images.image(i).to_vec() };
        image.write(&place.path(&format!("{i}.dat"))).unwrap();
    }
    let idx = |count: u32, pixels: &[u8]| {
        let header = [0x803, count, 28, 28].map(u32::to_be_bytes);
        [header.as_flattened(), pixels].concat()
    };
    place.write("three", &idx(1, images.image(2)));
    place.with_blob("encode --rows 3 --out test.bin").success();
    place.run("encode 0.dat 1.dat three --out files.bin --weights classic.blob").success();
    assert_eq!(fs::read(place.path("files.bin")).unwrap(), fs::read(place.path("test.bin")).unwrap());
    for test_rows in ["--rows 3", "--data ."] {
        let assert = place.run(&format!("encode three --weights classic.blob {test_rows}")).code(2);
        assert!(stderr(&assert).contains("cannot be used with"), "{test_rows}");
    }
}

#[test]
fn damaged_and_lost_packets_are_reported_and_the_rest_decodes() {
    let place = Place::new();
    place.with_blob("encode --rows 5 --out codes.bin").success();
    let codes = fs::read(place.path("codes.bin")).unwrap();
    let packets: Vec<&[u8]> = codes.split_inclusive(|byte| *byte == 0).collect();
    assert_eq!(packets.len(), 5);
    let decode = "decode bad.bin --weights classic.blob --json --out out.png";
    let start = packets[0].len();

    let mut bad = codes.clone();
    bad[start + 20] ^= 4;
    place.write("bad.bin", &bad);
    let assert = place.run(decode).success();
    assert_eq!(json(&assert)["rows"], 4);
    assert!(stderr(&assert).starts_with(&format!("bad.bin: byte {start}: skipped a packet: frame damaged")));

    place.write("bad.bin", &[packets[0], packets[3], packets[4]].concat());
    let assert = place.run(decode).success();
    assert_eq!(json(&assert)["rows"], 3);
    assert_eq!(stderr(&assert), format!("bad.bin: byte {start}: 2 packets are missing before packet 4\n"));

    // A code for another network, its CRC right: the device refuses it.
    let blob = fs::read(place.path("classic.blob")).unwrap();
    let reply: autoencoder_device::Reply<'_> = autoencoder_device::Reply::Code { identity: crc(&blob), code: &[1; 4] };
    let response = autoencoder_device::Response { sequence: 2, result: Ok(reply) };
    let short = autoencoder_device::frame::write(&response, &mut [0; 64]).unwrap().to_vec();
    place.write("bad.bin", &[packets[0], &short].concat());
    let assert = place.run(decode).success();
    assert_eq!(json(&assert)["rows"], 1);
    assert!(stderr(&assert).ends_with("skipped a packet: 4 bytes; the network takes 128\n"));

    fs::remove_file(place.path("out.png")).unwrap();
    place.write("bad.bin", &bad[start..][..packets[1].len()]);
    place.refuses(decode, "bad.bin: no packet in it can be read; expected packets that `encode` wrote");
    place.write("bad.bin", b"");
    place.refuses(decode, "bad.bin: the file is empty");
    place.write("bad.bin", &[0xaa; 5000]);
    place.refuses(decode, "bad.bin: no packet in it can be read; expected packets that `encode` wrote");
    place.refuses("decode none.bin --weights classic.blob", "none.bin: ");
    assert!(!place.path("out.png").exists());
}

#[test]
fn packets_made_with_other_weights_are_refused() {
    let place = Place::new();
    place.with_blob("encode --rows 2 --out codes.bin").success();
    let other = Net::new("classic", 2).blob();
    place.write("other.blob", &other);
    let one = crc(&fs::read(place.path("classic.blob")).unwrap());
    place.refuses(
        "decode codes.bin --weights other.blob --out out.png",
        &format!(
            "codes.bin: refused 2 packets made with other weights or other learned parameters \
             ({one:08x}; the device has {:08x}, other.blob)",
            crc(&other)
        ),
    );
    assert!(!place.path("out.png").exists());
}
