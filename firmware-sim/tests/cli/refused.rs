//! Invalid input is refused with one line, and no file is written.

use crate::net::Net;
use crate::place::{Place, data, json, shipped, stderr, stdout};
use autoencoder_core::blob::Format;
use autoencoder_io::picture::Gray;
use std::fs;

#[test]
fn the_users_own_weights_take_precedence_over_the_shipped_ones() {
    let place = Place::new();
    let decode = format!("decode --json --data {}", data().display());
    place.refuses(&decode, "no weights: neither artifacts/model.int8.blob nor models/classic.int8.blob is here");
    for path in ["models/classic.int8.blob", "artifacts/model.int8.blob"] {
        place.write(path, &fs::read(place.path("classic.blob")).unwrap());
        assert_eq!(json(&place.run(&decode).success())["weights"], path);
    }
}

#[test]
fn bad_weights_are_refused_by_name() {
    let place = Place::new();
    let net = Net::new("classic", 1);
    let blob = net.blob();
    let mut flipped = blob.clone();
    flipped[40_000] ^= 0x10;
    let (mut float, mut unchecked) = (net.header(), net.header());
    (float.format, unchecked.accumulators_checked) = (Format::F32, false);
    let (mut malformed, mut signed) = (net.header(), net.header());
    (malformed.code_bits, signed.input.zero_point) = (9, 128);
    let cases: [(&[u8], &str); 9] = [
        (b"", "no weights: the blob is empty"),
        (b"\x89PNG\r\n\x1a\n and so on", "not a weights blob"),
        (&blob[..blob.len() / 2], "blob truncated: "),
        (&blob[..3], "no weights: the blob is empty"),
        (&flipped, "blob damaged: its CRC is "),
        (&net.blob_with(&float), "an f32 blob; the device needs integers"),
        (&net.blob_with(&unchecked), "weights too large for the integer kernels' accumulators"),
        (&net.blob_with(&malformed), "blob malformed"),
        (&net.blob_with(&signed), "made for inputs that are not pixels"),
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
fn weights_in_rows_are_for_a_processor_with_helium() {
    let place = Place::new();
    let [pairs, rows] = [Format::Int8, Format::Int8Rows].map(|format| Net::of("784-8-784", format, 1).blob());
    place.write("pairs.blob", &pairs);
    place.write("rows.blob", &rows);
    let options = format!("--rows 2 --weights rows.blob --data {}", data().display());
    let because = |board: &str| {
        format!(
            "rows.blob: weights row by row, for a processor with Helium; expected a --board like mps3-an547, not {board}"
        )
    };
    for (command, out) in [
        ("encode", "--out out"),
        ("decode", "--out out"),
        ("verify", "--link in-process"),
        ("bench", "--link in-process"),
    ] {
        place.refuses(&format!("{command} {options} {out}"), &because("nucleo-f446re, a Cortex-M4"));
        let other = format!("{command} {options} --board virt-riscv32 {out}");
        place.refuses(&other, &because("virt-riscv32, a RV32IMC"));
    }
    place.refuses("budget --weights rows.blob --board microbit", &because("microbit, a Cortex-M0"));
    assert!(!place.path("out").exists());
    // A board with Helium computes the same code from either layout.
    let codes = ["rows", "pairs"].map(|blob| {
        let encode = options.replace("rows.blob", &format!("{blob}.blob"));
        place.run(&format!("decode {encode} --board mps3-an547 --out {blob}.png")).success();
        fs::read(place.path(&format!("{blob}.png"))).unwrap()
    });
    assert!(codes[0] == codes[1]);
    let budget = json(&place.run("budget --weights rows.blob --json").success());
    let boards: Vec<&str> =
        budget["budget"].as_array().unwrap().iter().map(|row| row["board"].as_str().unwrap()).collect();
    assert_eq!(boards, ["mps3-an547"]);
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
    // A header that promises 2^48 pixels, followed by an empty chunk of them.
    let chunk = |name: &[u8], content: &[u8]| {
        let named = [name, content].concat();
        let crc = autoencoder_core::crc::checksum(&named).to_be_bytes();
        [&(content.len() as u32).to_be_bytes(), &named[..], &crc].concat()
    };
    let header = [1, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0]; // width, height, 8 bits of gray
    let huge = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &[])].concat();
    let cases: [(Vec<u8>, &str); 9] = [
        (huge, " pixels by its header; at most 16777216 are read"),
        (vec![], "a file of 0 bytes; expected a PNG or an IDX file"),
        (b"GIF89a".to_vec(), "looks like text; expected a PNG or an IDX file"),
        (idx(0x801, 1, 784), "in 1 dimension; expected a PNG or an IDX file"),
        (idx(0x803, 2, 784), "cut short: 800 bytes of the 1584 that its header announces"),
        (idx(0x803, 0, 0), "no images"),
        (whole[..40].to_vec(), "bad: a damaged PNG"),
        (narrow, "an image of 14 by 56; the network classic takes 28 by 28"),
        (whole, "an image of 20 by 20; the network classic takes 28 by 28"),
    ];
    for (bytes, because) in cases {
        place.write("bad", &bytes);
        place.refuses("encode bad --weights classic.blob --out out", because);
    }
    // A missing file is reported before any work begins.
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
    let many = format!("decode --rows 10001 --weights classic.blob --data {}", data().display());
    place.refuses(&many, "--rows: ");
    assert!(!place.path("out").exists() && !place.path("artifacts").exists());
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_and_the_old_file_stays() {
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
    // Commands that need both halves are refused on every link.
    for link in ["in-process", "qemu"] {
        let whole = format!("--weights classic.blob --data {} --board microbit --link {link}", data().display());
        for command in ["monitor --rows 2", "verify --rows 1"] {
            place.refuses(&format!("{command} {whole}"), &over);
            let instead = "what would fit: the encoder alone, the topology small, the board nucleo-f401re";
            place.refuses(&format!("{command} {whole}"), instead);
        }
    }
    place.refuses(&format!("{decode} --board stm32f103"), "what would fit: the board nucleo-f401re");
    assert!(!place.path("out.png").exists());
    // The encoder fits, so the program itself decodes.
    let assert = place.run(&format!("{decode} --board microbit")).success();
    let (text, err) = (stdout(&assert), stderr(&assert));
    assert!(err.contains("microbit holds the encoder alone; this program decodes"), "{err}");
    assert!(text.contains("of   262144 bytes"), "{text}");
    place.with_blob("decode --out whole.png").success();
    assert_eq!(fs::read(place.path("out.png")).unwrap(), fs::read(place.path("whole.png")).unwrap());
    fs::remove_file(place.path("out.png")).unwrap();
    place.write("small.blob", &Net::new("small", 1).blob());
    let small = format!("decode --board microbit --json --weights small.blob --data {}", data().display());
    assert_eq!(json(&place.run(&small).success())["board"], "microbit");
    for command in [&decode, "budget"] {
        place.refuses(
            &format!("{command} --board esp8266"),
            "no board is named \"esp8266\"; expected one of nucleo-f401re, ",
        );
    }
}

#[test]
fn an_option_that_asks_for_too_much_is_named() {
    let place = Place::new();
    let rest = format!("--weights {} --data {}", shipped().display(), data().display());
    for (command, because) in [
        ("roundtrip --rows 10001", "--rows: "),
        ("monitor --rows 10001", "--rows: "),
        ("learn --rows 1 --test-rows 10001", "--test-rows: "),
        (
            "decode --shift gainoffset",
            "--shift gainoffset: expected gain-offset, invert, columns, rotate, contrast-N, dark, black, frozen or a",
        ),
    ] {
        place.refuses(&format!("{command} {rest}"), because);
    }
    place.refuses(&format!("monitor --rows 10001 {rest}"), "has 10000 test images; 10001 are needed");
    // Eight more are held out.
    place.refuses(&format!("learn --rows 59993 {rest}"), "--rows: ");
    place.refuses(&format!("learn --rows 59993 {rest}"), "has 60000 training images; 60001 are needed");
}
