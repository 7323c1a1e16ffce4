//! The messages that a user reads: one line, with the given and the expected value.

use crate::net::{Net, waves};
use crate::place::{Place, data, json, shipped, stderr, stdout};
use assert_cmd::assert::Assert;
use assert_cmd::cargo::cargo_bin_cmd;
use autoencoder_core::blob::Thresholds;
use autoencoder_io::picture::Gray;
use std::fs;

/// A file of rows, which are images where the height is more than 1.
fn idx([height, width]: [u32; 2], count: u32) -> Vec<u8> {
    let sizes = if height == 1 { vec![count, width] } else { vec![count, height, width] };
    let header = [0x800 + sizes.len() as u32].into_iter().chain(sizes).flat_map(u32::to_be_bytes);
    header.chain(waves((height * width) as usize, count as usize)).collect()
}

#[test]
fn an_invalid_value_is_named_with_its_option_and_the_expected_values() {
    let place = Place::new();
    for (arguments, because) in [
        ("train --steps -1", "invalid value '-1' for '--steps <N>': expected a whole number from 1 to 4294967295"),
        ("learn --rate -1", "invalid value '-1' for '--rate <RATE>': expected a number from 0.000001 to 1"),
        ("learn --rate fast", "invalid value 'fast' for '--rate <RATE>': expected a number from 0.000001 to 1"),
        ("learn --batch -3", "invalid value '-3' for '--batch <N>': expected a whole number from 1 to 8"),
        (
            "learn --optimizer adamw",
            "invalid value 'adamw' for '--optimizer <NAME>'; [possible values: adam, rmsprop, sgd]",
        ),
        ("encode --rows 0", "invalid value '0' for '--rows <N>': expected a whole number from 1 to 4294967295"),
        ("budget --layers -8-64", "invalid value '-8-64' for '--layers <SIZES>': part 1 is not a size from 1 to 65535"),
        ("budget --layers 8-8*r-8", "it is \"8*r\", where one like 128, 128r or 128r* is expected"),
        ("bench --layers 64-1e3-64", "it is \"1e3\", where one like 128, 128r or 128r* is expected"),
        (
            "decode --link usb",
            "invalid value 'usb' for '--link <in-process|qemu|serial:PATH>': expected in-process, qemu or",
        ),
    ] {
        let err = stderr(&place.run(arguments).code(2));
        assert!(err.contains(because) && err.lines().count() == 1, "{arguments}: {err}");
    }
    let mut command = cargo_bin_cmd!("firmware-sim");
    let err = stderr(&command.args(["budget", "--layers", "64 - 8 - 64"]).assert().code(2));
    assert!(err.contains("it is \"64 \", where one like 128"), "{err}");
    for (arguments, because) in [
        (format!("decode --shift classic.blob {}", rest()), "--shift classic.blob: expected gain-offset, invert"),
        (format!("decode --link serial:file {}", rest()), "file: not a serial port"),
        (
            format!("decode --shift folder {}", rest()),
            "folder: no IDX file of test images; give --shift a folder with one",
        ),
        (
            "roundtrip --data folder --weights classic.blob".into(),
            "folder: no IDX file of test images; give --data a folder",
        ),
        (format!("decode --out file/below {}", rest()), "file/below: file is not a folder"),
    ] {
        place.write("file", b"not a folder");
        fs::create_dir_all(place.path("folder")).unwrap();
        let err = stderr(&place.run(&arguments).code(1));
        assert!(err.lines().last().unwrap().contains(because), "{arguments}: {err}");
    }
}

fn rest() -> String {
    format!("--weights classic.blob --data {}", data().display())
}

#[test]
fn data_and_weights_are_looked_for_in_the_folders_above() {
    let place = Place::new();
    place.write("data/mnist/t10k-images-idx2-ubyte", &idx([1, 64], 3));
    place.write("models/classic.int8.blob", &Net::new("64-8-64", 1).blob());
    fs::create_dir_all(place.path("a/b")).unwrap();
    let below = |arguments: &str| -> Assert {
        let mut command = cargo_bin_cmd!("firmware-sim");
        command.current_dir(place.path("a/b")).args(arguments.split(' ')).assert()
    };
    let object = json(&below("roundtrip --json").success());
    assert_eq!((&object["rows"], &object["weights"]), (&3.into(), &"../../models/classic.int8.blob".into()));
    fs::remove_dir_all(place.path("data")).unwrap();
    let err = stderr(&below("roundtrip").code(1));
    let here = fs::canonicalize(place.path("a/b")).unwrap();
    let because = format!("data/mnist: neither in {} nor in a folder above it", here.display());
    assert!(err.contains("no --data was given") && err.trim_end().ends_with(&because), "{err}");
    // A named folder is not looked for in the folders above.
    let err = stderr(&below("roundtrip --data data").code(1));
    assert!(err.ends_with("data: No such file or directory (os error 2)\n"), "{err}");
}

#[test]
fn one_image_is_counted_in_the_singular() {
    let place = Place::new();
    for (command, because) in [
        ("roundtrip --rows 1", "1 image encoded and decoded"),
        ("decode --rows 1", "\n1 image, originals"),
        ("encode --rows 1", "artifacts/codes.bin: 1 image of 784 bytes"),
        ("verify --rows 1 --link in-process", "1 of 1 image: the outputs of all 4 layers"),
        ("bench --rows 1 --link in-process", "1 of 1 row: codes and"),
    ] {
        let text = stdout(&place.with_blob(command).success());
        assert!(text.contains(because), "{command}: {text}");
    }
    place.write("one/t10k-images-idx2-ubyte", &idx([1, 64], 1));
    place.write("one/train-images-idx2-ubyte", &idx([1, 64], 1));
    place.write("rows.blob", &Net::new("64-8-64", 1).blob());
    let rows = "--weights rows.blob --data one";
    place.refuses(&format!("roundtrip --rows 2 {rows}"), "--rows: one has 1 test row; 2 are needed");
    place.refuses(&format!("learn {rows} --flash flash"), "one: 1 training row; 8 are held out to judge by");
    let held_out = "--rows: one has 1 training row; 10 are needed: 2, and 8 to hold out";
    place.refuses(&format!("learn --rows 2 {rows} --flash flash"), held_out);
}

#[test]
fn bytes_after_a_blob_are_ignored_with_a_warning() {
    let place = Place::new();
    let mut blob = fs::read(place.path("classic.blob")).unwrap();
    let whole = stdout(&place.with_blob("roundtrip --rows 2 --json").success());
    blob.extend(b"more");
    place.write("classic.blob", &blob);
    let assert = place.with_blob("roundtrip --rows 2 --json").success();
    assert_eq!(stderr(&assert), "warning: classic.blob: 4 bytes after the blob are ignored\n");
    assert_eq!(stdout(&assert), whole);
}

#[test]
fn images_unlike_the_training_data_are_reported_as_text_and_json() {
    let place = Place::new();
    let net = Net::new("64-32-64", 1);
    let rows = waves(64, 12);
    let scores: Vec<u32> = rows.chunks(64).map(|row| net.score(row)).collect();
    let mut sorted = scores.clone();
    sorted.sort_unstable();
    let mut header = net.header();
    header.thresholds = Thresholds { lower: sorted[2], upper: sorted[8] };
    place.write("blob", &net.blob_with(&header));
    place.write("rows", &idx([1, 64], 12));
    let encode = "encode rows --weights blob --out codes";
    let assert = place.run(&format!("{encode} --json")).success();
    let outside = |score: &u32| *score < sorted[2] || *score > sorted[8];
    let expected: Vec<_> = (1..)
        .zip(&scores)
        .filter(|(_, score)| outside(score))
        .map(|(packet, score)| serde_json::json!({ "packet": packet, "score": score }))
        .collect();
    assert!(expected.len() == 5, "{scores:?}");
    assert_eq!(json(&assert)["unlike_training"].as_array().unwrap(), &expected);
    let err = stderr(&place.run(encode).success());
    assert_eq!(err.lines().filter(|line| line.starts_with("warning: packet ")).count(), 5, "{err}");
    let first = format!("warning: packet {}: its score {} is outside ", expected[0]["packet"], expected[0]["score"]);
    assert!(err.contains(&first), "{err}");
    // Without thresholds or without a decoder, there is no warning.
    for blob in [net.blob(), net.encoder().blob()] {
        place.write("blob", &blob);
        let assert = place.run(&format!("{encode} --json")).success();
        assert_eq!(json(&assert)["unlike_training"].as_array().unwrap().len(), 0);
        assert_eq!(stderr(&assert), "");
    }
}

#[test]
fn the_drawing_in_the_terminal_is_limited_and_says_so() {
    let place = Place::new();
    for command in ["encode --rows 100", "decode --rows 100"] {
        let text = stdout(&place.with_blob(&format!("{command} --out out")).success());
        assert!(text.contains("(the first 16 are drawn here)"), "{text}");
        assert!(text.lines().count() < 80, "{command}: {} lines", text.lines().count());
        assert!(!text.contains('\x1b'), "no terminal, no colours");
    }
    let text = stdout(&place.with_blob("encode --rows 100 --out out").success());
    assert!(text.contains("codes (the first 16 are drawn here): the first 64 in out.png"), "{text}");
}

#[test]
fn decoded_packets_are_drawn_in_the_shape_of_their_rows() {
    for (topology, size) in [("30-7-30", [5, 6]), ("64-8-64", [1, 64]), ("64-8-64", [8, 8]), ("64-8-64", [4, 16])] {
        let place = Place::new();
        place.write("blob", &Net::new(topology, 1).blob());
        place.write("data/t10k-images-idx-ubyte-idx2-idx3", &idx(size, 20));
        place.run("encode --weights blob --data data --rows 20 --out codes").success();
        place.run("decode --weights blob --data data --rows 20 --out rows.png").success();
        place.run("decode codes --weights blob --data data --out codes.png").success();
        let [rows, codes] = ["rows.png", "codes.png"].map(|name| Gray::read(&place.path(name)).unwrap());
        // The picture of the packets equals the lower half of the picture with originals.
        assert_eq!((codes.width, 2 * (codes.height - 2)), (rows.width, rows.height - 2), "{topology} {size:?}");
        assert!(codes.width <= 16 * 58 + 2, "{topology}: {} pixels wide", codes.width);
        let cell = if size[0] > 1 { size[0] as usize * (56 / size[1] as usize) } else { 56 } + 2;
        for y in 2..cell {
            let line = |picture: &Gray, y: usize| picture.pixels[y * picture.width..][..picture.width].to_vec();
            assert_eq!(line(&codes, y), line(&rows, y + cell), "{topology} {size:?}: line {y}");
        }
        // Without data, the shape is a guess. Named data must fit.
        place.run("decode codes --weights blob --out guess.png").success();
        place.write("other/t10k-images-idx3-ubyte", &idx([3, 3], 2));
        place.refuses("decode codes --weights blob --data other", "other: an image of 3 by 3, 9 pixels; the network ");
    }
}

#[test]
fn the_shades_of_the_chart_are_explained() {
    let place = Place::new();
    let monitor = format!("monitor --rows 100 --weights {} --data {}", shipped().display(), data().display());
    let text = stdout(&place.run(&monitor).success());
    assert!(text.contains("share of the images in a column  · some  ▒ 10 % or more  █ 40 % or more"), "{text}");
}
