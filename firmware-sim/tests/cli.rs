//! The program as a user runs it.

mod common;

use assert_cmd::assert::Assert;
use assert_cmd::cargo::cargo_bin_cmd;
use autoencoder_core::blob::Format;
use autoencoder_core::model::{Decoder, Encoder, SmallDecoder, SmallEncoder};
use autoencoder_core::{Dense, Sigmoid};
use common::{Net, crc};
use firmware_sim::{learn, whole};
use host::blob_file::BlobFile;
use host::idx::Images;
use host::picture::Gray;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder with a blob in it, in which the program runs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("classic.blob", &Net::new::<Encoder, Decoder>(1).blob());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs the program with these arguments, parted at spaces.
    fn run(&self, arguments: &str) -> Assert {
        cargo_bin_cmd!("firmware-sim").current_dir(self.0.path()).args(arguments.split(' ')).assert()
    }

    /// The same with the blob and the test images.
    fn with_blob(&self, arguments: &str) -> Assert {
        self.run(&format!("{arguments} --weights classic.blob --data {}", data().display()))
    }

    /// It fails with one line that says this, and prints nothing.
    fn refuses(&self, arguments: &str, because: &str) {
        let assert = self.run(arguments).code(1);
        let (out, err) = (stdout(&assert), stderr(&assert));
        let errors: Vec<&str> = err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains(because), "{arguments}: expected {because:?} in {err:?}");
        assert!(err.ends_with(&format!("{}\n", errors[0])), "the error is the last line: {err:?}");
        let parts: Vec<&str> = errors[0].split(": ").collect();
        assert!(parts.windows(2).all(|pair| pair[0] != pair[1]), "said twice: {err}");
        assert!(out.is_empty() && !err.contains("panicked"), "{out}{err}");
    }
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mnist")
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

fn json(assert: &Assert) -> Value {
    serde_json::from_slice(&assert.get_output().stdout).unwrap()
}

/// The image at a column and a row of the grid that `decode` writes.
fn cell(picture: &Gray, column: usize, row: usize) -> Vec<u8> {
    let pixel = |i: usize| (row * 58 + 2 + i / 28 * 2) * picture.width + column * 58 + 2 + i % 28 * 2;
    (0..784).map(|i| picture.pixels[pixel(i)]).collect()
}

#[test]
fn decode_takes_sixteen_digits_the_whole_way() {
    let place = Place::new();
    let assert = place.with_blob("decode").success();
    let (text, err) = (stdout(&assert), stderr(&assert));
    assert!(text.contains("16 images, originals above their reconstructions, MSE 0."), "{text}");
    assert!(text.lines().any(|line| line.contains('█')) && text.contains("heap 0"), "{text}");
    assert!(err.starts_with("weights: classic.blob (classic, "), "{err}");

    let net = Net::new::<Encoder, Decoder>(1);
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
    for command in ["decode", "roundtrip --images 40"] {
        let assert = place.with_blob(&format!("{command} --json")).success();
        let object = json(&assert);
        let number = |key: &str| object[key].as_u64().unwrap_or_else(|| panic!("{key} in {object}"));
        assert_eq!(number("images"), if command == "decode" { 16 } else { 40 });
        assert_eq!(number("ram_bytes"), number("static_bytes") + number("stack_bytes"));
        assert!(number("ram_bytes") <= 6 * 1024, "{object}");
        // Less would mean that it was not measured: a frame's worth of buffers, a call or two.
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
    let found = json(&place.with_blob("roundtrip --images 200 --json").success())["mse"].as_f64().unwrap();
    let file = BlobFile::read(&place.path("classic.blob")).unwrap();
    let blob = file.open().unwrap();
    let images = Images::test(&data()).unwrap();
    let errors = host::evaluate::errors_int8::<Encoder, Decoder>(&blob, &images).unwrap();
    let expected = host::evaluate::mean(&errors[..200]);
    assert!((found / expected - 1.0).abs() < 1e-5, "{found}, expected {expected}");
}

#[test]
fn weights_of_ones_own_come_before_the_shipped_ones() {
    let place = Place::new();
    let decode = format!("decode --json --data {}", data().display());
    place.refuses(&decode, "no weights: neither artifacts/model.int8.blob nor models/classic.int8.blob is here");
    for path in ["models/classic.int8.blob", "artifacts/model.int8.blob"] {
        place.write(path, &fs::read(place.path("classic.blob")).unwrap());
        assert_eq!(json(&place.run(&decode).success())["weights"], path);
    }
}

#[test]
fn packets_decode_to_the_same_images_as_the_whole_way() {
    let place = Place::new();
    place.with_blob("decode --out whole.png").success();
    let object = json(&place.with_blob("encode --out codes.bin --json").success());
    let codes = fs::read(place.path("codes.bin")).unwrap();
    assert_eq!((&object["images"], object["out_bytes"].as_u64().unwrap()), (&16.into(), codes.len() as u64));
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
    place.with_blob("encode --images 3 --out test.bin").success();
    place.with_blob("encode 0.dat 1.dat three --out files.bin").success();
    assert_eq!(fs::read(place.path("files.bin")).unwrap(), fs::read(place.path("test.bin")).unwrap());
    let assert = place.with_blob("encode --images 3 three").code(2);
    assert!(stderr(&assert).contains("cannot be used with"));
}

#[test]
fn damaged_and_lost_packets_are_reported_and_the_rest_decodes() {
    let place = Place::new();
    place.with_blob("encode --images 5 --out codes.bin").success();
    let codes = fs::read(place.path("codes.bin")).unwrap();
    let packets: Vec<&[u8]> = codes.split_inclusive(|byte| *byte == 0).collect();
    assert_eq!(packets.len(), 5);
    let decode = "decode bad.bin --weights classic.blob --json --out out.png";
    let start = packets[0].len();

    let mut bad = codes.clone();
    bad[start + 20] ^= 4;
    place.write("bad.bin", &bad);
    let assert = place.run(decode).success();
    assert_eq!(json(&assert)["images"], 4);
    assert!(stderr(&assert).starts_with(&format!("bad.bin: byte {start}: skipped a packet: damaged")));

    place.write("bad.bin", &[packets[0], packets[3], packets[4]].concat());
    let assert = place.run(decode).success();
    assert_eq!(json(&assert)["images"], 3);
    assert_eq!(stderr(&assert), format!("bad.bin: byte {start}: 2 packets are missing before packet 4\n"));

    // A code for another network, its CRC right: the device refuses it.
    let blob = fs::read(place.path("classic.blob")).unwrap();
    let reply = firmware_sim::Reply::Code { weights: crc(&blob), code: &[1; 4] };
    let response = firmware_sim::Response { sequence: 2, result: Ok(reply) };
    let short = firmware_sim::frame::write(&response, &mut [0; 64]).unwrap().to_vec();
    place.write("bad.bin", &[packets[0], &short].concat());
    let assert = place.run(decode).success();
    assert_eq!(json(&assert)["images"], 1);
    assert!(stderr(&assert).ends_with("skipped a packet: 4 bytes where the network takes 128\n"));

    fs::remove_file(place.path("out.png")).unwrap();
    place.write("bad.bin", &bad[start..][..packets[1].len()]);
    place.refuses(decode, "bad.bin: no packet in it can be decoded");
    place.write("bad.bin", b"");
    place.refuses(decode, "bad.bin: the file is empty");
    place.write("bad.bin", &[0xaa; 5000]);
    place.refuses(decode, "bad.bin: no packet in it can be decoded");
    place.refuses("decode none.bin --weights classic.blob", "none.bin: ");
    assert!(!place.path("out.png").exists());
}

#[test]
fn packets_made_with_other_weights_are_refused() {
    let place = Place::new();
    place.with_blob("encode --images 2 --out codes.bin").success();
    let other = Net::new::<Encoder, Decoder>(2).blob();
    place.write("other.blob", &other);
    let one = crc(&fs::read(place.path("classic.blob")).unwrap());
    place.refuses(
        "decode codes.bin --weights other.blob --out out.png",
        &format!(
            "codes.bin: refused 2 packets made with other weights or other learned tables ({one:08x}; these are {:08x}, other.blob)",
            crc(&other)
        ),
    );
    assert!(!place.path("out.png").exists());
}

#[test]
fn bad_weights_are_refused_by_name() {
    let place = Place::new();
    let net = Net::new::<Encoder, Decoder>(1);
    let blob = net.blob();
    let mut flipped = blob.clone();
    flipped[40_000] ^= 0x10;
    let (mut float, mut unchecked) = (net.header(), net.header());
    (float.format, unchecked.accumulators_checked) = (Format::F32, false);
    let unknown = Net::new::<Dense<16, 8, Sigmoid>, Dense<8, 16, Sigmoid>>(1);
    let mut malformed = net.header();
    malformed.encoder_layers = 9;
    let cases: [(&[u8], &str); 9] = [
        (b"", "no weights: the blob is empty"),
        (b"\x89PNG\r\n\x1a\n and so on", "not a weights blob"),
        (&blob[..blob.len() / 2], "blob truncated: "),
        (&blob[..3], "no weights: the blob is empty"),
        (&flipped, "blob damaged: its CRC is "),
        (&net.blob_with(&float), "an f32 blob; the device takes integers"),
        (&net.blob_with(&unchecked), "weights too large for the integer kernels' accumulators"),
        (&net.blob_with(&malformed), "blob malformed"),
        (&unknown.blob(), "no known topology: layers of 8, 16"),
    ];
    for command in ["encode --out out", "decode --out out", "roundtrip"] {
        let command = format!("{command} --weights bad.blob --data {}", data().display());
        place.refuses(&command, "bad.blob: No such file or directory");
        for (bytes, because) in cases {
            place.write("bad.blob", bytes);
            place.refuses(&command, &format!("bad.blob: {because}"));
        }
        fs::remove_file(place.path("bad.blob")).unwrap();
    }
    assert!(!place.path("out").exists());
}

#[test]
fn bad_images_are_refused_by_name() {
    let place = Place::new();
    Gray::new(20, 20).write(&place.path("small.png")).unwrap();
    let whole = fs::read(place.path("small.png")).unwrap();
    let idx = |magic: u32, count: u32, bytes: usize| {
        let header = [magic, count, 28, 28].map(u32::to_be_bytes);
        [header.as_flattened(), &vec![0; bytes]].concat()
    };
    Gray::new(14, 56).write(&place.path("narrow.png")).unwrap();
    let narrow = fs::read(place.path("narrow.png")).unwrap();
    // A header that promises 2^48 pixels, and nothing behind it but an empty chunk of them.
    let chunk = |name: &[u8], content: &[u8]| {
        let named = [name, content].concat();
        let crc = autoencoder_core::crc::checksum(&named).to_be_bytes();
        [&(content.len() as u32).to_be_bytes(), &named[..], &crc].concat()
    };
    let header = [1, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0]; // width, height, 8 bits of gray
    let huge = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &[])].concat();
    let cases: [(Vec<u8>, &str); 9] = [
        (huge, "bad: limits are exceeded"),
        (vec![], "neither a PNG nor an IDX file of images"),
        (b"GIF89a".to_vec(), "neither a PNG nor an IDX file of images"),
        (idx(0x801, 1, 784), "neither a PNG nor an IDX file of images"),
        (idx(0x803, 2, 784), "expected 1584 bytes, the file holds 800"),
        (idx(0x803, 0, 0), "no images"),
        (whole[..40].to_vec(), "bad: unexpected end of file"),
        (narrow, "an image of 14 by 56; the topology classic takes 28 by 28"),
        (whole, "an image of 20 by 20; the topology classic takes 28 by 28"),
    ];
    for (bytes, because) in cases {
        place.write("bad", &bytes);
        place.refuses("encode bad --weights classic.blob --out out", because);
    }
    // What is not there is said before anything else is.
    for (command, missing) in [
        ("encode nothing --out out", "nothing"),
        ("decode nothing --out out", "nothing"),
        ("decode --data nowhere", "nowhere"),
        ("roundtrip --data nowhere", "nowhere"),
    ] {
        let command = format!("{command} --weights classic.blob");
        place.refuses(&command, &format!("{missing}: No such file"));
        assert_eq!(stderr(&place.run(&command)).lines().count(), 1, "{command}");
    }
    let many = format!("decode --images 10001 --weights classic.blob --data {}", data().display());
    place.refuses(&many, "--images: ");
    assert!(!place.path("out").exists() && !place.path("artifacts").exists());
}

#[test]
fn what_cannot_be_written_is_an_error_and_the_old_file_stays() {
    let place = Place::new();
    place.write("file", b"old");
    fs::create_dir(place.path("folder")).unwrap();
    for command in ["encode", "decode"] {
        for out in ["file/below", "folder"] {
            let command = format!("{command} --out {out} --weights classic.blob --data {}", data().display());
            place.refuses(&command, &format!("{out}: "));
        }
    }
    assert_eq!(fs::read(place.path("file")).unwrap(), b"old");
}

#[test]
fn a_board_that_is_too_small_is_refused_with_what_would_fit() {
    let place = Place::new();
    let flash = fs::metadata(place.path("classic.blob")).unwrap().len() + 24 * 1024;
    let decode = format!("decode --out out.png --weights classic.blob --data {}", data().display());
    let over = format!("over budget: classic on microbit exceeds flash by {} bytes", flash - 256 * 1024);
    // What takes both halves is refused, whatever the link.
    for link in ["in-process", "qemu"] {
        let whole = format!("--weights classic.blob --data {} --board microbit --link {link}", data().display());
        for command in ["monitor --images 2", "verify --images 1"] {
            place.refuses(&format!("{command} {whole}"), &over);
            let instead = "what would fit: the encoder alone, the topology small, the board nucleo-f401re";
            place.refuses(&format!("{command} {whole}"), instead);
        }
    }
    place.refuses(&format!("{decode} --board stm32f103"), "what would fit: the board nucleo-f401re");
    assert!(!place.path("out.png").exists());
    // The encoder fits: what is decoded is decoded here.
    let assert = place.run(&format!("{decode} --board microbit")).success();
    let (text, err) = (stdout(&assert), stderr(&assert));
    assert!(err.contains("microbit holds the encoder alone; this program decodes"), "{err}");
    assert!(text.contains("of   262144 bytes"), "{text}");
    place.with_blob("decode --out whole.png").success();
    assert_eq!(fs::read(place.path("out.png")).unwrap(), fs::read(place.path("whole.png")).unwrap());
    fs::remove_file(place.path("out.png")).unwrap();
    place.write("small.blob", &Net::new::<SmallEncoder, SmallDecoder>(1).blob());
    let small = format!("decode --board microbit --json --weights small.blob --data {}", data().display());
    assert_eq!(json(&place.run(&small).success())["board"], "microbit");
    for command in [&decode, "budget"] {
        place
            .refuses(&format!("{command} --board esp8266"), "no board is named \"esp8266\"; there are nucleo-f401re, ");
    }
}

#[test]
fn an_option_that_asks_for_too_much_is_named() {
    let place = Place::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/classic.int8.blob");
    let rest = format!("--weights {} --data {}", shipped.display(), data().display());
    for (command, because) in [
        ("roundtrip --images 10001", "--images: "),
        ("monitor --images 10001", "--images: "),
        ("learn --images 1 --test-images 10001", "--test-images: "),
        (
            "decode --shift gainoffset",
            "--shift gainoffset: neither gain-offset, invert, columns or rotate nor a folder",
        ),
    ] {
        place.refuses(&format!("{command} {rest}"), because);
    }
    place.refuses(&format!("monitor --images 10001 {rest}"), "has 10000 test images, 10001 are needed");
    // Six more are held out.
    place.refuses(&format!("learn --images 59995 {rest}"), "--images: ");
    place.refuses(&format!("learn --images 59995 {rest}"), "has 60000 training images, 60001 are needed");
}

#[test]
fn without_the_emulator_nobody_counts_instructions_and_the_rest_is_measured() {
    let place = Place::new();
    let object = json(&place.with_blob("bench --images 3 --link in-process --json").success());
    assert_eq!((&object["equal_digits"], &object["encode_instructions"]), (&3.into(), &Value::Null), "{object}");
    assert!(object["image_ram_bytes"].as_u64().unwrap() > 3000, "{object}");
    let text = stdout(&place.with_blob("bench --images 3 --link in-process").success());
    assert!(text.contains("counted by the emulator alone (--link qemu)"), "{text}");
    assert!(text.contains("3 of 3 digits: codes and images the same bytes as in process"), "{text}");
    place.refuses("bench --link in-process --budget none --weights classic.blob", "--budget: only the emulator counts");
    place.refuses(
        "bench --link in-process --learning --weights classic.blob",
        "which only the emulator can: --link qemu",
    );
    place.refuses("budget --link serial:/dev/none --weights classic.blob", "/dev/none: No such file");
}

#[test]
fn a_folder_with_fewer_images_than_are_taken_by_default_gives_what_it_has() {
    let place = Place::new();
    let header = [0x803, 3, 28, 28].map(u32::to_be_bytes);
    let images = Images::test(&data()).unwrap();
    let pixels = (0..3).flat_map(|i| images.image(i).to_vec()).collect::<Vec<_>>();
    place.write("few/t10k-images-idx3-ubyte", &[header.as_flattened(), &pixels].concat());
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/classic.int8.blob");
    for command in ["encode", "decode", "monitor --shift invert", "bench --link in-process"] {
        let assert = place.run(&format!("{command} --json --data few --weights {}", shipped.display())).success();
        assert_eq!(json(&assert)["images"], 3, "{command}");
    }
}

#[test]
fn a_stream_that_drifts_half_way_is_noticed() {
    let place = Place::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/classic.int8.blob");
    let stream = |options: &str| {
        let options = format!("monitor --images 400 {options}");
        place.run(&format!("{options} --weights {} --data {}", shipped.display(), data().display())).success()
    };
    for shift in ["gain-offset", "invert", "columns"] {
        let object = json(&stream(&format!("--json --shift {shift}")));
        assert_eq!((&object["images"], &object["shift"]), (&400.into(), &shift.into()));
        assert!(object["noticed_after"].as_u64().unwrap() <= 17, "{object}");
        assert!(object["false_alarms"] == 0 && object["above_before"].as_f64().unwrap() < 0.05, "{object}");
        assert!(object["auc"].as_f64().unwrap() > 0.999, "{object}");
        assert!(object["mse_after"].as_f64() > object["mse_before"].as_f64(), "{object}");
    }
    // Nothing changes: nothing is noticed.
    let same = json(&stream(&format!("--json --shift {}", data().display())));
    assert!(same["noticed_after"].is_null() && (same["auc"].as_f64().unwrap() - 0.5).abs() < 0.1, "{same}");

    let text = stdout(&stream("--shift gain-offset"));
    let at = |line: &str, c: char| line.chars().position(|x| x == c);
    let mark = text.lines().find_map(|line| at(line, '^').filter(|_| line.contains("noticed, "))).unwrap();
    let axis = text.lines().find_map(|line| at(line, '└')).unwrap();
    assert!((36..42).contains(&(mark - axis - 1)), "a little behind the middle of 72 columns:\n{text}");

    let untried = format!("monitor --weights classic.blob --data {}", data().display());
    place.refuses(&untried, "classic.blob: no threshold was calibrated");
    let options = format!("--weights {} --data {}", shipped.display(), data().display());
    place.refuses(&format!("monitor --shift nowhere {options}"), "nowhere: ");
}

#[test]
fn budget_needs_no_weights() {
    let place = Place(tempfile::tempdir().unwrap());
    let text = stdout(&place.run("budget").success());
    let object = json(&place.run("budget --json").success());
    let rows = object["budget"].as_array().unwrap();
    assert_eq!(rows.len(), 30);
    for row in rows {
        let (board, topology) = (row["board"].as_str().unwrap(), row["topology"].as_str().unwrap());
        let fits = match (board, topology) {
            ("stm32f103", _) => "no",
            ("microbit" | "lm3s6965evb", "classic") => "encoder alone",
            ("microbit" | "lm3s6965evb", "anomaly") => "encoder alone or decoder alone",
            _ => "whole",
        };
        assert_eq!(row["fits"], fits, "{row}");
        let line = text.lines().find(|line| line.starts_with(&format!("{board:14} {topology} "))).unwrap();
        assert!(line.ends_with(&format!("  {fits}")) && line.contains(&row["ram_bytes"].to_string()), "{line}");
        // Learning takes RAM for tables and moments; two slots of 12 KiB are more than some flash has left.
        let learns = match (board, topology) {
            ("stm32f103" | "microbit", _) | ("lm3s6965evb", "classic" | "anomaly") => "no",
            ("nucleo-f401re" | "nucleo-f446re" | "nrf52832", "classic") | ("lm3s6965evb", _) => "yes, kept elsewhere",
            _ => "yes",
        };
        assert_eq!(row["learns"], learns, "{row}");
        assert!(line.contains(&format!("     {learns}  ")), "{line}");
        let ram = row["learning_ram_bytes"].as_u64().unwrap();
        assert!(topology != "classic" || ram <= learn::RAM as u64, "{row}");
        assert!(ram > 30 * 1024, "{row}");
    }
    let training = object["training"]["ram_bytes"].as_u64().unwrap();
    assert!((38_528..=whole::RAM as u64).contains(&training), "{object}");
    let line = text.lines().find(|line| line.starts_with("tiny ")).unwrap();
    assert!(line.contains(&training.to_string()), "{line}");
    // The blob that it assumes is as long as a real one, to within its header's padding.
    place.write("classic.blob", &Net::new::<Encoder, Decoder>(1).blob());
    let real = json(&place.run("budget --json --board nrf52840 --weights classic.blob").success());
    assert_eq!(real["budget"].as_array().unwrap().len(), 1);
    assert_eq!(real["budget"][0]["flash_bytes"], rows[2]["flash_bytes"]);
}

#[test]
fn nobody_reading_is_no_panic() {
    let place = Place::new();
    for arguments in [&["budget"][..], &["roundtrip", "--weights", "classic.blob", "--images", "2"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_firmware-sim"))
            .current_dir(place.0.path())
            .args(arguments)
            .args(if arguments.len() > 1 { vec!["--data".into(), data()] } else { vec![] })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take()); // before it has written anything, or at the latest while it does
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && !err.contains("panicked"), "{err}");
    }
}

#[test]
fn verify_names_the_first_image_and_layer_that_differ() {
    let place = Place::new();
    let net = Net::new::<Encoder, Decoder>(1);
    let images = Images::test(&data()).unwrap();
    let verify = format!("verify --images 30 --weights classic.blob --data {} --link in-process", data().display());
    let same = stdout(&place.run(&verify).success());
    assert!(same.starts_with("30 of 30 images: the outputs of all 4 layers and the score are the same"), "{same}");
    for layer in 0..4 {
        let mut other = Net::new::<Encoder, Decoder>(1);
        other.flip(layer, 100, 100); // a pixel that many digits leave dark
        place.write("other.blob", &other.blob());
        let (mut equal, mut first) = (0, None);
        for i in 0..30 {
            let (one, two) = (net.stages(images.image(i)), other.stages(images.image(i)));
            match one.iter().zip(&two).position(|(one, two)| one != two) {
                Some(layer) => first = first.or(Some((i, layer + 1))),
                None => equal += 1,
            }
        }
        let (image, at) = first.unwrap();
        let because = format!("{equal} of 30 images: ");
        place.refuses(&format!("{verify} --against other.blob"), &because);
        let because = format!("the first difference: image {image}, layer {at}");
        place.refuses(&format!("{verify} --against other.blob"), &because);
        let assert = place.run(&format!("{verify} --against other.blob --json")).code(1);
        let object = json(&assert);
        assert_eq!(
            (object["equal_digits"].as_u64(), object["first_image"].as_u64()),
            (Some(equal), Some(image as u64))
        );
        assert_eq!(object["first_layer"].as_u64(), Some(at as u64));
    }
    place.write("small.blob", &Net::new::<SmallEncoder, SmallDecoder>(1).blob());
    place.refuses(&format!("{verify} --against small.blob"), "small.blob: of the topology small, not classic");
    let training = format!("verify --training --link in-process --data {}", data().display());
    let text = stdout(&place.run(&training).success());
    assert_eq!(text, "75 arrays of three training steps in f32: the same bits as in process\n");
}
