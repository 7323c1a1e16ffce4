//! The networks that fit each board, the boards that are emulated, and a system without memory.

use crate::net::Net;
use crate::place::{Place, data, json, stderr, stdout};
use serde_json::Value;

/// The rows of `budget --json`.
fn budget(place: &Place, arguments: &str) -> Vec<Value> {
    let object = json(&place.run(&format!("budget --json {arguments}")).success());
    object["budget"].as_array().unwrap().clone()
}

#[test]
fn a_budget_is_computed_from_the_sizes_alone() {
    let place = Place::new();
    let rows = budget(&place, "--layers 60000-60000");
    assert!(rows.len() == 14 && rows.iter().all(|row| row["fits"] == "no" && row["learns"] == "no"), "{rows:?}");
    // Weights, a bias and a multiplier for each output, and a header of some bytes.
    let [flash, code] = [rows[0]["flash_bytes"].as_u64().unwrap(), 24 * 1024];
    assert!((3_600_480_000..3_600_480_128).contains(&(flash - code)), "{flash}");
    place.refuses("budget --layers 65535-65535", "65535-65535: needs a blob of 429");
    place.refuses("budget --layers 65535-65535", "bytes; at most 4294967295 are possible");
    for link in ["in-process", "qemu"] {
        place.refuses(&format!("bench --layers 60000-60000 --link {link}"), "over budget: 60000-60000 on ");
    }
    place
        .refuses("budget --layers 60000-60000 --link qemu", "over budget: 60000-60000 on mps2-an386 exceeds flash by ");
    // The figures equal those of a network with weights, except for the header's padding.
    place.write("net", &Net::new("300-20r-7-20r-300", 1).blob());
    let [sizes, there] = ["--layers 300-20r-7-20r-300", "--weights net"].map(|of| budget(&place, of));
    assert_eq!(sizes, there);
}

#[cfg(target_os = "linux")]
#[test]
fn a_system_without_memory_is_reported_in_one_line() {
    use assert_cmd::Command;
    let place = Place::new();
    std::fs::File::create(place.path("large")).unwrap().set_len(1 << 30).unwrap();
    let limited = |arguments: &str| {
        let program = env!("CARGO_BIN_EXE_firmware-sim");
        let script = format!("ulimit -v 200000; exec {program} {arguments} --data {}", data().display());
        Command::new("sh").current_dir(place.0.path()).args(["-c", &script]).assert()
    };
    limited("decode --weights classic.blob --rows 2").success();
    for command in ["decode", "encode", "learn", "verify --link in-process", "bench --link in-process"] {
        let assert = limited(&format!("{command} --weights large")).code(1);
        let err = stderr(&assert);
        assert_eq!((err.as_str(), stdout(&assert).as_str()), ("error: large: out of memory\n", ""), "{command}");
    }
    let assert = limited("bench --layers 65535-65000 --link in-process").code(2); // --data is for weights
    assert_eq!(stderr(&assert).lines().count(), 1);
}

#[test]
fn an_autoencoder_has_as_many_outputs_as_inputs() {
    let place = Place::new();
    let because = "784-16-100: an autoencoder has as many outputs as inputs, not 100 and 784";
    place.write("uneven", &Net::new("784-16-100", 1).blob());
    for command in ["budget --layers 784-16-100", "bench --layers 784-16-100", "budget --weights uneven"] {
        place.refuses(command, because);
    }
    place.refuses(&format!("roundtrip --weights uneven --data {}", data().display()), because);
    // An encoder alone decodes nothing, so its outputs need not match its inputs.
    let rows = budget(&place, "--layers 784-16 --board nrf52840");
    assert_eq!((rows.len(), &rows[0]["fits"]), (1, &"whole".into()));
}

#[test]
fn an_emulated_board_has_the_capacities_of_its_image() {
    let place = Place::new();
    for (sizes, fits, image) in [
        ("7680-4-7680", "whole", ""),
        ("7684-4-7684", "no", "bytes for a message"),
        ("8-46000-1*-8", "decoder alone", "bytes of memory for activations"),
    ] {
        let rows = budget(&place, &format!("--layers {sizes} --board mps2-an386"));
        let why = rows[0]["image"].as_str().unwrap_or_default();
        assert_eq!((&rows[0]["fits"], why.contains(image)), (&fits.into(), true), "{rows:?}");
        let text = stdout(&place.run(&format!("budget --layers {sizes} --board mps2-an386")).success());
        let line = text.lines().find(|line| line.starts_with("mps2-an386")).unwrap();
        assert!(line.contains(why) && line.contains(&format!("  {fits}")), "{line}");
        // A board with the user's own firmware has no such limit.
        assert_eq!(budget(&place, &format!("--layers {sizes} --board nrf52840"))[0]["fits"], "whole");
    }
    // All figures are for the named board.
    for (board, trains) in [("microbit", false), ("nrf52840", true)] {
        let object = json(&place.run(&format!("budget --topology tiny --board {board} --json")).success());
        assert_eq!(object["budget"].as_array().unwrap().len(), 1);
        assert_eq!(object["training"]["boards"].as_array().unwrap().len(), usize::from(trains), "{object}");
        let text = stdout(&place.run(&format!("budget --topology tiny --board {board}")).success());
        assert!(
            text.contains(if trains { "with enough RAM on nrf52840" } else { "with too little RAM on microbit" }),
            "{text}"
        );
    }
}

#[test]
fn a_board_that_is_not_emulated_or_too_small_is_refused_before_a_build() {
    let place = Place::new();
    let rest = format!("--weights classic.blob --data {} --link qemu", data().display());
    for command in ["encode", "decode", "roundtrip", "bench", "verify", "learn --flash flash"] {
        place.refuses(
            &format!("{command} --board rp2040 {rest}"),
            "--board rp2040: a Cortex-M0+ is not emulated; expected one of microbit (Cortex-M0), ",
        );
    }
    place.refuses("budget --weights classic.blob --link qemu --board rp2040", "a Cortex-M0+ is not emulated");
    let training = format!("verify --training --board microbit --link qemu --data {}", data().display());
    place.refuses(&training, "--board microbit: no image for it trains in f32; --board mps2-an386 has one");
    // The blob area of this board's image is too small for the encoder. `budget` reports the same.
    for link in ["in-process", "qemu"] {
        let decode =
            format!("decode --board lm3s6965evb --weights classic.blob --data {} --link {link}", data().display());
        let assert = place.run(&decode).code(1);
        let err = stderr(&assert);
        assert!(err.contains("error: over budget: classic on lm3s6965evb exceeds flash by "), "{err}");
        assert!(!err.contains("building"), "{err}");
    }
    let rows = budget(&place, "--weights classic.blob --board lm3s6965evb");
    assert_eq!(rows[0]["fits"], "no");
}

/// A detector needs its samples beside the network, and learning needs its windows and moments.
#[test]
fn the_budget_of_a_detector_says_which_boards_have_room() {
    let place = Place::new();
    let object = json(&place.run("budget --json").success());
    let rows = object["detectors"].as_array().unwrap();
    assert_eq!(rows.len(), 14);
    for row in rows {
        let bytes = |key: &str| row[key].as_u64().unwrap();
        // 6 channels of 64 samples of `f32`; a row; twice a frame; 64 + 24 + 64 + 384 channels of 24 bytes, 8 rows, 16 KiB.
        assert!(bytes("ram_bytes") > 4 * 384 + 384 + 2 * 384 && bytes("ram_bytes") < 8 * 1024, "{row}");
        let learning = bytes("learning_ram_bytes") - bytes("ram_bytes");
        assert!(learning > 536 * 24 + 8 * 384 + 16 * 1024 && learning < 48 * 1024, "{row}");
        let fits = bytes("flash_bytes") <= bytes("flash_available") && bytes("ram_bytes") <= bytes("ram_available");
        assert_eq!(row["fits"], fits, "{row}");
        let flash = bytes("flash_bytes") + bytes("kept_bytes") <= bytes("flash_available");
        assert_eq!(row["learns"], flash && bytes("learning_ram_bytes") <= bytes("ram_available"), "{row}");
    }
    let learns = |board: &str| rows.iter().find(|row| row["board"] == board).map(|row| (&row["fits"], &row["learns"]));
    let (yes, no) = (Value::Bool(true), Value::Bool(false));
    assert_eq!((learns("nucleo-f446re"), learns("microbit")), (Some((&yes, &yes)), Some((&yes, &no))));
    let text = stdout(&place.run("budget").success());
    assert!(text.contains("a detector: ") && text.contains("windows of 64 samples of 6 channels"), "{text}");
    // A network that takes rows is none.
    assert_eq!(json(&place.run("budget --layers 64-8-64 --json").success())["detectors"], Value::Null);
}
