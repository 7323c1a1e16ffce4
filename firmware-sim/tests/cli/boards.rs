//! What boards have room for, which of them are emulated, and memory that the system refuses.

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
    assert!(rows.len() == 10 && rows.iter().all(|row| row["fits"] == "no" && row["learns"] == "no"), "{rows:?}");
    // Weights, a bias and a multiplier for each output, and a header of some bytes.
    let [flash, code] = [rows[0]["flash_bytes"].as_u64().unwrap(), 24 * 1024];
    assert!((3_600_480_000..3_600_480_128).contains(&(flash - code)), "{flash}");
    place.refuses("budget --layers 65535-65535", "65535-65535: a blob of 429");
    place.refuses("budget --layers 65535-65535", "of which at most 4294967295 are possible");
    for link in ["in-process", "qemu"] {
        place.refuses(&format!("bench --layers 60000-60000 --link {link}"), "over budget: 60000-60000 on ");
    }
    place
        .refuses("budget --layers 60000-60000 --link qemu", "over budget: 60000-60000 on mps2-an386 exceeds flash by ");
    // The same figures as those of a network that is there, but for the header's padding.
    place.write("net", &Net::new("300-20r-7-20r-300", 1).blob());
    let [sizes, there] = ["--layers 300-20r-7-20r-300", "--weights net"].map(|of| budget(&place, of));
    assert_eq!(sizes, there);
}

#[cfg(unix)]
#[test]
fn memory_that_the_system_refuses_is_one_line() {
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
        assert!(err.starts_with("error: not enough memory: the system refused "), "{command}: {err}");
        assert!(err.lines().count() == 1 && stdout(&assert).is_empty(), "{command}: {err}");
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
    // An encoder alone decodes nothing, and may be a blob of its own.
    let rows = budget(&place, "--layers 784-16 --board nrf52840");
    assert_eq!((rows.len(), &rows[0]["fits"]), (1, &"whole".into()));
}

#[test]
fn an_emulated_board_has_what_its_image_has() {
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
        // A board with firmware of one's own has no such limit.
        assert_eq!(budget(&place, &format!("--layers {sizes} --board nrf52840"))[0]["fits"], "whole");
    }
    // Whatever is asked for, the board that was named is meant.
    for (board, trains) in [("microbit", false), ("nrf52840", true)] {
        let object = json(&place.run(&format!("budget --topology tiny --board {board} --json")).success());
        assert_eq!(object["budget"].as_array().unwrap().len(), 1);
        assert_eq!(object["training"]["boards"].as_array().unwrap().len(), usize::from(trains), "{object}");
        let text = stdout(&place.run(&format!("budget --topology tiny --board {board}")).success());
        assert!(
            text.contains(if trains { "for which there is RAM on" } else { "too little RAM on microbit" }),
            "{text}"
        );
    }
}

#[test]
fn what_is_not_emulated_or_does_not_fit_is_refused_before_anything_is_built() {
    let place = Place::new();
    let rest = format!("--weights classic.blob --data {} --link qemu", data().display());
    for command in ["encode", "decode", "roundtrip", "bench", "verify", "learn --flash flash"] {
        place.refuses(
            &format!("{command} --board rp2040 {rest}"),
            "--board rp2040: a Cortex-M0+, which is not emulated; there are microbit (Cortex-M0), ",
        );
    }
    place.refuses("budget --weights classic.blob --link qemu --board rp2040", "a Cortex-M0+, which is not emulated");
    let training = format!("verify --training --board microbit --link qemu --data {}", data().display());
    place.refuses(&training, "--board microbit: no image for it trains in f32; --board mps2-an386 has one");
    // Its image has an area for blobs that ends before the encoder does: `budget` says the same.
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
