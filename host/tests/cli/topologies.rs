//! Networks of any shape, on images and on other rows.

use crate::sandbox::{Sandbox, json};
use autoencoder_core::Network;
use autoencoder_io::blob_file::{BlobFile, encoder_blob};
use autoencoder_io::picture::Gray;
use std::fs;
use std::process::Output;

fn text(output: &Output) -> [String; 2] {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap())
}

/// All commands with one network: train, measure, export, inspect, fine-tune, continue.
fn whole_way(sandbox: &Sandbox, layers: &str, code_bits: u8) {
    let name = layers.replace(['-', '*'], "_");
    let train = format!("train --data data --layers {layers} --batch 100");
    let summary = json(&sandbox.host(&format!("{train} --steps 40 --out {name} --json")).output().unwrap());
    let float = summary["test_mse"].as_f64().unwrap();
    let int8 = summary["test_mse_int8"].as_f64().unwrap();
    assert!((int8 / float - 1.0).abs() < 0.05, "{layers}: {summary}");
    for (blob, key) in [("f32", "test_mse"), ("f32", "test_mse_int8"), ("int8", "test_mse_int8")] {
        let eval = format!("eval {name}/model.{blob}.blob --data data --json");
        let measured = json(&sandbox.host(&eval).output().unwrap());
        assert_eq!(measured[key], summary[key], "{layers}: {eval}");
    }

    // The exporter writes the trainer's bytes, which a device can open.
    sandbox.host(&format!("export {name}/checkpoint --format int8 --out again --force --data data")).assert().success();
    let trained = fs::read(sandbox.path(&name).join("model.int8.blob")).unwrap();
    assert!(fs::read(sandbox.path("again")).unwrap() == trained, "{layers}");
    sandbox
        .host(&format!("export {name}/model.f32.blob --format int4 --out int4 --force --data data"))
        .assert()
        .success();
    let file = BlobFile::read(&sandbox.path("int4")).unwrap();
    let network = Network::open(file.bytes()).unwrap();
    assert_eq!(network.topology(), &layers.parse().unwrap());
    for blob in ["int4".into(), format!("{name}/model.f32.blob"), format!("{name}/model.int8.blob")] {
        let [inspected, _] = text(&sandbox.host(&format!("inspect {blob}")).output().unwrap());
        // Its histogram counts the weights, not the padding.
        let weights: usize = network.topology().layers().iter().map(|layer| layer.weights()).sum();
        let bins = inspected.lines().filter_map(|line| line.split_once(" .. "));
        let counts = bins.filter_map(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<usize>().ok());
        assert_eq!(counts.sum::<usize>(), weights, "{inspected}");
        assert!(inspected.contains(layers), "{inspected}");
    }

    let tune = format!("train --data data --from {name}/checkpoint --batch 100 --steps 20 --quantise-aware int4");
    let tune = format!("{tune} --code-bits {code_bits} --out {name}/tuned --json");
    let tuned = json(&sandbox.host(&tune).output().unwrap());
    let [float, int4] = ["test_mse", "test_mse_int4"].map(|key| tuned[key].as_f64().unwrap());
    assert!((int4 / float - 1.0).abs() < 0.05, "{layers}: {tuned}");
    // A finished run that continues writes the same files.
    let before = fs::read(sandbox.path(&name).join("tuned/model.int4.blob")).unwrap();
    sandbox.host(&format!("train --data data --resume --out {name}/tuned")).assert().success();
    assert!(fs::read(sandbox.path(&name).join("tuned/model.int4.blob")).unwrap() == before, "{layers}");
    let other = sandbox.error(&format!("train --data data --resume --out {name}/tuned --layers 784-9-784"));
    assert!(other.contains(&format!("the stored run has topology {layers}, this command has 784-9-784")), "{other}");
}

#[test]
fn odd_networks_go_the_whole_way() {
    let sandbox = Sandbox::new();
    for layers in ["784-30r-7-30r-784", "784-784"] {
        let train =
            format!("train --data data --layers {layers} --batch 100 --recipe seed --steps 3 --out seed --force");
        sandbox.host(&train).assert().success();
    }
    whole_way(&sandbox, "784-30r-7-30r-784", 3);
    whole_way(&sandbox, "784-784", 5);
    whole_way(&sandbox, "784-33*-11i-784r", 8);
}

/// The rows have labels and 61 values, which do not form a rectangle.
#[test]
fn rows_that_are_not_images_are_trained_on_and_plotted() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("fan")).unwrap();
    let value = |row: usize, i: usize| (127.5 + 100.0 * (row as f32 * 2.4 + i as f32 * 0.3).sin()) as u8;
    for (name, rows) in [("train", 300), ("test", 40)] {
        let values = (0..rows).flat_map(|row| (0..61).map(move |i| value(row, i)));
        let header = [0x802, rows as u32, 61].map(u32::to_be_bytes).concat();
        fs::write(sandbox.path(&format!("fan/{name}-idx2-ubyte")), [header, values.collect()].concat()).unwrap();
        let header = [0x801, rows as u32].map(u32::to_be_bytes).concat();
        let labels: Vec<u8> = (0..rows).map(|row| if row % 4 == 0 { 9 } else { 0 }).collect();
        fs::write(sandbox.path(&format!("fan/{name}-labels-idx1-ubyte")), [header, labels].concat()).unwrap();
    }
    let [stdout, stderr] =
        text(&sandbox.host("train --data fan --layers 61-5-61 --batch 50 --steps 120").output().unwrap());
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines[0], "fan: 300 training rows and 40 test rows of 61 inputs");
    assert_eq!(lines[1..4], ["training rows of label  0: 225  9: 75", "test rows of label  0: 30  9: 10", ""]);
    assert!(lines[4].chars().count() == 61 && lines[4].starts_with("▄▅▆"), "{}", lines[4]);
    assert!(stdout.starts_with("61-5-61 trained for 120 steps"), "{stdout}");
    // The picture has two rows of sixteen plots, instead of sixteen lines one pixel high.
    let picture = Gray::read(&sandbox.path("artifacts/reconstructions.png")).unwrap();
    assert!(picture.height > 80 && picture.width > 16 * 80, "{} × {}", picture.width, picture.height);
    let measured = json(&sandbox.host("eval --data fan --json").output().unwrap());
    assert_eq!((&measured["labels"][1]["label"], &measured["labels"][1]["rows"]), (&9.into(), &10.into()));
    assert!(measured["test_mse"].as_f64().unwrap() < 0.05, "{measured}");

    let error = sandbox.error("train --data fan --layers 60-5-60 --out never");
    assert_eq!(error, "error: fan: rows of 61 values, where 60-5-60 takes 60\n");
    let error = sandbox.error("eval --data data");
    assert_eq!(error, "error: data: rows of 784 values, where 61-5-61 takes 61\n");
    assert!(!sandbox.path("never").exists());
}

#[test]
fn an_encoder_alone_is_inspected_and_not_measured() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let file = BlobFile::read(&sandbox.path("artifacts/model.int8.blob")).unwrap();
    fs::write(sandbox.path("encoder"), encoder_blob(&file.open().unwrap()).unwrap()).unwrap();
    let [inspected, _] = text(&sandbox.host("inspect encoder").output().unwrap());
    assert!(inspected.contains("784-128-32*\n") && inspected.contains("2 of 2 layers"), "{inspected}");
    let error = sandbox.error("eval encoder --data data");
    assert_eq!(error, "error: 784-128-32*: an autoencoder has as many outputs as inputs, not 32 and 784\n");
}

#[test]
fn training_begins_with_a_description_of_the_rows() {
    let sandbox = Sandbox::new();
    let [_, stderr] = text(&sandbox.train("--steps 2 --force").output().unwrap());
    let mut lines = stderr.lines();
    let images = "data: 400 training rows and 50 test rows of 784 inputs, images of 28 by 28 pixels";
    assert_eq!(lines.next(), Some(images));
    // The first digit, seven lines of half blocks.
    assert!(lines.clone().take(8).any(|line| line.contains(['█', '▀', '▄'])), "{stderr}");
    let [_, stderr] = text(&sandbox.train("--steps 2 --json --force").output().unwrap());
    assert!(!stderr.contains("training rows"), "{stderr}");
}

#[test]
fn an_error_in_a_topology_is_one_line_that_names_the_part() {
    let sandbox = Sandbox::new();
    for (layers, message) in [
        (
            "784-0-784",
            "part 2 is not a size from 1 to 65535; it is \"0\", where one like 128, 128r or 128r* is expected",
        ),
        (
            "784-65536-784",
            "part 2 is not a size from 1 to 65535; it is \"65536\", where one like 128, 128r or 128r* is expected",
        ),
        (
            "784-32x-784",
            "part 2 has an unknown suffix: s, r or i is an activation, * marks the code; it is \"32x\", where one like 128, 128r or 128r* is expected",
        ),
        ("784r-32-784", "part 1 is the number of inputs, which have no activation and are not the code"),
        ("784-8*-8*-784", "part 3 marks a second code; it is \"8*\", where one like 128, 128r or 128r* is expected"),
        ("784", "at least two sizes are needed, inputs and outputs: 784-256-128-256-784"),
    ] {
        let output = sandbox.host(&format!("train --data data --layers {layers}")).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{layers}");
        let error = format!("error: invalid value '{layers}' for '--layers <SIZES>': {message} (see --help)\n");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), error);
    }
    let train = "train --data data --out never --layers";
    let error = sandbox.error(&format!("{train} 784-32-10"));
    assert_eq!(error, "error: 784-32-10: an autoencoder has as many outputs as inputs, not 10 and 784\n");
    let error = sandbox.error(&format!("{train} 784-32r-784 --code-bits 4"));
    assert_eq!(error, "error: 784-32r-784: a code of 4 bits an element (--code-bits) needs a sigmoid before it\n");
    let error = sandbox.error(&format!("{train} 784-65535-65535-784"));
    assert!(error.ends_with("parameters; at most 268435456 can be trained\n"), "{error}");
    sandbox.host("train --data data --layers 784-32r-784 --batch 100 --steps 2").assert().success();
    let error = sandbox.error("export --format int8 --data data --code-bits 3 --out never");
    assert_eq!(error, "error: 784-32r-784: a code of 3 bits an element (--code-bits) needs a sigmoid before it\n");
    assert!(!sandbox.path("never").exists());
}
