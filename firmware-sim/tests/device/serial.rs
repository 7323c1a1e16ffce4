//! A board on a serial port, which is an emulator whose UART is a pseudo-terminal.

use crate::run::{ROOT, object, over, run};
use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An emulator whose UART is a pseudo-terminal, in place of a board on a serial port.
pub struct Board {
    emulator: Child,
    pub port: String,
}

impl Board {
    fn boot() -> Self {
        let out = tempfile::NamedTempFile::new().unwrap();
        run("encode --rows 1", "qemu", out.path()); // builds the image
        Self::with("mps2-an386/device-image", "models/classic.int8.blob".as_ref())
    }

    /// Boots an image that is already built, with these contents of its flash.
    fn with(image: &str, flash: &Path) -> Self {
        Self::loaded(image, &[(flash, 0x80000)])
    }

    /// Boots an image that is already built, with these files in its memory.
    pub fn loaded(image: &str, files: &[(&Path, u32)]) -> Self {
        let image = format!("firmware-sim/images/target/images/{image}");
        let mut emulator = Command::new("qemu-system-arm")
            .current_dir(ROOT)
            .args(["-M", "mps2-an386", "-icount", "shift=0", "-display", "none", "-monitor", "none"])
            .args(["-nodefaults", "-no-reboot", "-chardev", "pty,id=uart", "-serial", "chardev:uart"])
            .args(["-kernel", &image])
            .args(files.iter().flat_map(|(file, at)| {
                ["-device".to_owned(), format!("loader,file={},addr={at:#x},force-raw=on", file.display())]
            }))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(emulator.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        let port = said.split_whitespace().find(|word| word.starts_with("/dev/")).unwrap().to_owned();
        Self { emulator, port }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}

#[test]
fn a_board_on_a_serial_port_trains_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let flash = folder.path().join("flash");
    let train = format!("train --json --steps 250 --rows 40 --test-rows 20 --out {}/png", folder.path().display());
    over("qemu", "verify --training").success(); // builds the images
    let emulated = object(over("qemu", &train));

    over("qemu", &format!("verify --training --export {}", flash.display())).success();
    let board = Board::with("mps2-an386-training/training", &flash);
    let link = format!("serial:{}", board.port);
    for _ in 0..2 {
        // The second run does not depend on the first.
        let text = over(&link, "verify --training").success().get_output().stdout.clone();
        assert_eq!(text, b"75 arrays of three training steps in f32: the same bits as in process\n");
    }

    let flash = flash.with_extension("tiny");
    over("qemu", &format!("{train} --export {}", flash.display())).success();
    let board = Board::with("mps2-an386-tiny/tiny", &flash);
    let link = format!("serial:{}", board.port);
    for _ in 0..2 {
        let mut there = object(over(&link, &train));
        // Counted in ticks of 40. The phase of a step within a tick depends on how long the board waited.
        let instructions = |report: &Value| report["instructions_per_step"].as_i64().unwrap();
        assert!((instructions(&there) - instructions(&emulated)).abs() <= 80, "{there} {emulated}");
        there["instructions_per_step"] = emulated["instructions_per_step"].clone();
        assert_eq!(there, emulated);
    }
    let here = object(over("in-process", &train));
    for key in ["progress", "parameters_crc", "mse_before", "mse_after"] {
        assert_eq!(emulated[key], here[key], "{key}");
    }
    let says = |link: &str, arguments: &str, expected: &str| {
        let assert = over(link, arguments).failure();
        let said = String::from_utf8_lossy(&assert.get_output().stderr);
        assert!(said.contains(expected), "{said}");
    };
    let other = train.replace("--steps 250", "--steps 251");
    says(&link, &other, "the device has another task in its flash: --export writes the one that belongs there");
    fs::write(&flash, [0xff; 64]).unwrap();
    let board = Board::with("mps2-an386-tiny/tiny", &flash);
    says(&format!("serial:{}", board.port), &train, "the device has no task in its flash");
}

#[test]
fn a_board_on_a_serial_port_reports_its_usage() {
    let board = Board::boot();
    let serial = format!("serial:{}", board.port);
    let weights = "--json --weights models/classic.int8.blob --board mps2-an386";
    let bench = object(over(&serial, &format!("bench --rows 3 {weights}")));
    assert_eq!((&bench["equal_rows"], &bench["encode_instructions"]), (&3.into(), &Value::Null), "{bench}");
    let verify = object(over(&serial, &format!("verify --rows 3 {weights}")));
    assert_eq!(verify["equal_rows"], 3, "{verify}");
    let [there, emulated] = [&serial, "qemu"].map(|link| object(over(link, &format!("budget {weights}"))));
    for key in ["static_bytes", "ram_estimate", "flash_estimate", "weights_bytes"] {
        assert_eq!(there["measured"][key], emulated["measured"][key], "{key}");
    }
    assert_eq!(there["budget"], emulated["budget"]);
    let measured = &emulated["measured"];
    let number = |key: &str| measured[key].as_u64().unwrap_or_else(|| panic!("{key} in {measured}"));
    assert_eq!(number("flash_bytes"), number("image_bytes") + number("weights_bytes"));
    assert!(number("image_bytes") < 24 * 1024 && number("flash_bytes") < number("flash_estimate"), "{measured}");
    assert_eq!(number("ram_bytes"), number("static_bytes") + number("stack_bytes"));
    assert!(there["measured"]["image_bytes"].is_null(), "{there}");
}

#[test]
fn bytes_over_a_serial_port_are_the_same_and_an_unplugged_board_is_reported() {
    let mut board = Board::boot();
    let link = format!("serial:{}", board.port);
    let folder = tempfile::tempdir().unwrap();
    let (there, here) = (folder.path().join("there"), folder.path().join("here"));
    run("encode --rows 20", &link, &there);
    run("encode --rows 20", "in-process", &here);
    assert!(fs::read(&there).unwrap() == fs::read(&here).unwrap(), "the codes differ");
    // A second command also works, because the first has left the line clean.
    run("decode --rows 5", &link, &there);
    run("decode --rows 5", "in-process", &here);
    assert!(fs::read(&there).unwrap() == fs::read(&here).unwrap(), "the images differ");
    let roundtrip = Command::new(env!("CARGO_BIN_EXE_firmware-sim"))
        .current_dir(ROOT)
        .args(["roundtrip", "--link", &link, "--weights", "models/classic.int8.blob"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    board.emulator.kill().unwrap();
    let output = roundtrip.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert_eq!(said.lines().last(), Some("error: the line to the device was closed: unplugged?"));
    let mut command = cargo_bin_cmd!("firmware-sim");
    command.current_dir(ROOT).args(["encode", "--link", &link, "--weights", "models/classic.int8.blob"]);
    let said = String::from_utf8(command.assert().failure().get_output().stderr.clone()).unwrap();
    assert!(said.ends_with(&format!("error: {}: No such file or directory\n", board.port)), "{said}");
}
