//! The measurements of a device: its memory, its scores and its bytes.

use crate::net::Net;
use crate::place::{Place, data, json, shipped, stdout};
use autoencoder_device::tiny;
use autoencoder_io::idx::Images;
use serde_json::Value;
use std::process::{Command, Stdio};

#[test]
fn without_the_emulator_everything_but_instructions_is_measured() {
    let place = Place::new();
    let object = json(&place.with_blob("bench --rows 3 --link in-process --json").success());
    assert_eq!((&object["equal_rows"], &object["encode_instructions"]), (&3.into(), &Value::Null), "{object}");
    assert!(object["image_ram_bytes"].as_u64().unwrap() > 3000, "{object}");
    let text = stdout(&place.with_blob("bench --rows 3 --link in-process").success());
    assert!(text.contains("only the emulator counts instructions and bytes of code (--link qemu)"), "{text}");
    assert!(text.contains("3 of 3 rows: codes and reconstructions are the same bytes as in process"), "{text}");
    place.refuses("bench --link in-process --budget none --weights classic.blob", "--budget: only the emulator counts");
    place.refuses(
        "bench --link in-process --learning --weights classic.blob",
        "which only the emulator can do (--link qemu)",
    );
    place.refuses(
        "bench --detector --weights classic.blob",
        "classic.blob: bench --detector gives samples, but this network takes rows",
    );
    place.refuses("bench --c --board mps2-an505", "--board mps2-an505: the programs in C run on mps2-an386 alone");
    place.refuses("budget --link serial:/dev/none --weights classic.blob", "/dev/none: No such file");
}

#[test]
fn a_folder_with_fewer_images_than_the_default_is_used_whole() {
    let place = Place::new();
    let header = [0x803, 3, 28, 28].map(u32::to_be_bytes);
    let images = Images::test(&data()).unwrap();
    let pixels = (0..3).flat_map(|i| images.image(i).to_vec()).collect::<Vec<_>>();
    place.write("few/t10k-images-idx3-ubyte", &[header.as_flattened(), &pixels].concat());
    for command in ["encode", "decode", "monitor --shift invert", "bench --link in-process"] {
        let assert = place.run(&format!("{command} --json --data few --weights {}", shipped().display())).success();
        assert_eq!(json(&assert)["rows"], 3, "{command}");
    }
}

#[test]
fn a_drift_half_way_is_detected() {
    let place = Place::new();
    let stream = |options: &str| {
        let options = format!("monitor --rows 400 {options}");
        place.run(&format!("{options} --weights {} --data {}", shipped().display(), data().display())).success()
    };
    for shift in ["gain-offset", "invert", "columns"] {
        let object = json(&stream(&format!("--json --shift {shift}")));
        assert_eq!((&object["rows"], &object["shift"]), (&400.into(), &shift.into()));
        assert!(object["noticed_after"].as_u64().unwrap() <= 17, "{object}");
        assert!(object["false_alarms"] == 0 && object["above_before"].as_f64().unwrap() < 0.05, "{object}");
        assert!(object["auc"].as_f64().unwrap() > 0.999, "{object}");
        assert!(object["mse_after"].as_f64() > object["mse_before"].as_f64(), "{object}");
    }
    // For a sensor that sees less or is frozen, the broken rule is named and the figures agree.
    for (shift, drift, within) in [("black", "below", 10), ("dark", "below", 10), ("contrast-50", "above", 100)] {
        let object = json(&stream(&format!("--json --shift {shift}")));
        assert_eq!((&object["drift"], &object["false_alarms"]), (&drift.into(), &0.into()), "{object}");
        for key in ["noticed_after", "noticed_from_the_start_after"] {
            assert!(object[key].as_u64().unwrap() <= within, "{object}");
        }
        assert!(drift == "above" || object["auc"].as_f64().unwrap() > 0.999, "{object}");
    }
    let object = json(&stream("--json --shift frozen"));
    assert_eq!((&object["drift"], &object["noticed_after"]), (&"repeating".into(), &33.into()), "{object}");
    let text = stdout(&stream("--shift frozen"));
    assert!(text.contains("noticed, 33 images after the change: repeated rows"), "{text}");
    // Without a change, no drift is detected.
    let same = json(&stream(&format!("--json --shift {}", data().display())));
    assert!(same["noticed_after"].is_null() && (same["auc"].as_f64().unwrap() - 0.5).abs() < 0.1, "{same}");

    let text = stdout(&stream("--shift gain-offset"));
    let at = |line: &str, c: char| line.chars().position(|x| x == c);
    let mark = text.lines().find_map(|line| at(line, '^').filter(|_| line.contains("noticed, "))).unwrap();
    let axis = text.lines().find_map(|line| at(line, '└')).unwrap();
    assert!((36..42).contains(&(mark - axis - 1)), "a little after the middle of 72 columns:\n{text}");

    let untried = format!("monitor --weights classic.blob --data {}", data().display());
    place.refuses(&untried, "classic.blob: no thresholds were calibrated");
    let options = format!("--weights {} --data {}", shipped().display(), data().display());
    place.refuses(&format!("monitor --shift nowhere {options}"), "nowhere: ");
}

#[test]
fn budget_needs_no_weights() {
    let place = Place(tempfile::tempdir().unwrap());
    let text = stdout(&place.run("budget").success());
    let object = json(&place.run("budget --json").success());
    let rows = object["budget"].as_array().unwrap();
    assert_eq!(rows.len(), 56, "four topologies, fourteen boards");
    for row in rows {
        let (board, topology) = (row["board"].as_str().unwrap(), row["topology"].as_str().unwrap());
        let fits = match (board, topology) {
            (_, "tiny") => "whole",
            // The image of lm3s6965evb leaves 224 KiB for a blob, and that of the micro:bit 232 KiB.
            ("stm32f103", _) | ("lm3s6965evb", "classic") => "no",
            ("microbit", "classic") => "encoder alone",
            ("microbit" | "lm3s6965evb", "anomaly") => "encoder alone or decoder alone",
            _ => "whole",
        };
        assert_eq!(row["fits"], fits, "{row}");
        let line = text.lines().find(|line| line.starts_with(&format!("{board:14} {topology} "))).unwrap();
        assert!(line.ends_with(&format!("  {fits}")) && line.contains(&row["ram_bytes"].to_string()), "{line}");
        // Learning needs RAM for channels and moments. Some boards have too little flash left for two slots of 12 KiB.
        let learns = match (board, topology) {
            (_, "tiny") => "yes",
            ("stm32f103" | "microbit", _) | ("lm3s6965evb", "classic" | "anomaly") => "no",
            ("nucleo-f401re" | "nucleo-f446re" | "nrf52832", "classic") | ("lm3s6965evb", _) => "yes, kept elsewhere",
            _ => "yes",
        };
        assert_eq!(row["learns"], learns, "{row}");
        assert!(line.contains(&format!("     {learns}  ")), "{line}");
        let ram = row["learning_ram_bytes"].as_u64().unwrap();
        assert!(topology != "classic" || ram <= 48 * 1024, "{row}");
        assert!(ram > if topology == "tiny" { 4 * 1024 } else { 30 * 1024 }, "{row}");
    }
    let training = object["training"]["ram_bytes"].as_u64().unwrap();
    assert!((38_528..=tiny::RAM as u64).contains(&training), "{object}");
    let line = text.lines().find(|line| line.ends_with("trained whole in f32")).unwrap();
    assert!(line.contains(&training.to_string()), "{line}");
    // The estimated blob is as long as a real one, except for the header's padding.
    place.write("classic.blob", &Net::new("classic", 1).blob());
    let real = json(&place.run("budget --json --board nrf52840 --weights classic.blob").success());
    assert_eq!(real["budget"].as_array().unwrap().len(), 1);
    assert_eq!(real["budget"][0]["flash_bytes"], rows[2]["flash_bytes"]);
}

#[test]
fn a_closed_standard_output_does_not_panic() {
    let place = Place::new();
    for arguments in [&["budget"][..], &["roundtrip", "--weights", "classic.blob", "--rows", "2"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_firmware-sim"))
            .current_dir(place.0.path())
            .args(arguments)
            .args(if arguments.len() > 1 { vec!["--data".into(), data()] } else { vec![] })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take()); // before or while the program writes
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && !err.contains("panicked"), "{err}");
    }
}

#[test]
fn verify_names_the_first_image_and_layer_that_differ() {
    let place = Place::new();
    let net = Net::new("classic", 1);
    let images = Images::test(&data()).unwrap();
    let verify = format!("verify --rows 30 --weights classic.blob --data {} --link in-process", data().display());
    let same = stdout(&place.run(&verify).success());
    assert!(
        same.starts_with("30 of 30 images: the outputs of all 4 layers and the score are the bytes of plain loops"),
        "{same}"
    );
    for layer in 0..4 {
        let mut other = Net::new("classic", 1);
        other.flip(layer, 100, 100); // an input that is 0 for many digits
        place.write("other.blob", &other.blob());
        let (mut equal, mut first) = (0, None);
        for i in 0..30 {
            let (one, two) = (net.layer_outputs(images.image(i)), other.layer_outputs(images.image(i)));
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
        assert_eq!((object["equal_rows"].as_u64(), object["first_row"].as_u64()), (Some(equal), Some(image as u64)));
        assert_eq!(object["first_layer"].as_u64(), Some(at as u64));
    }
    place.write("small.blob", &Net::new("small", 1).blob());
    place.refuses(&format!("{verify} --against small.blob"), "small.blob: of the topology small, not classic");
    let training = format!("verify --training --link in-process --data {}", data().display());
    place.refuses(&training, "compares this process with itself; expected another --link, or --against");
}
