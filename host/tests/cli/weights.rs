//! Weights in and out: files that the frameworks themselves have made (`tests/frameworks`), and every command after an import.

use crate::sandbox::{Sandbox, json};
use autoencoder_core::Network;
use autoencoder_core::adapt::copy_channels;
use autoencoder_core::quant::ChannelParams;
use autoencoder_device::flash::Nor;
use autoencoder_device::learn::record_bytes;
use autoencoder_device::store::{Store, slot_bytes};
use autoencoder_io::blob_file::BlobFile;
use host::FloatNetwork;
use safetensors::{SafeTensors, serialize};
use std::fs;
use std::path::{Path, PathBuf};
use zerocopy::IntoBytes;

/// The files, and the layers that they do not say.
const FILES: [(&str, &str); 10] = [
    ("torch-f32.safetensors", "12-8-3-8-12"),
    ("torch-f64.safetensors", "12-8-3-8-12"),
    ("torch-f16.safetensors", "12-8-3-8-12"),
    ("torch-bf16.safetensors", "12-8-3-8-12"),
    ("torch-normalised.safetensors", "12-8r-3-8r-12i"),
    ("keras.safetensors", "12-8r-3r-8r-12i"),
    ("flax.safetensors", "12-8r-3r-8r-12"),
    ("torch-dynamo.onnx", ""),
    ("torch-script.onnx", ""),
    ("keras-onnx.onnx", ""),
];

fn frameworks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frameworks")
}

/// A sandbox with the files, and with rows of 12 values.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for entry in fs::read_dir(frameworks()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, sandbox.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
        }
    }
    fs::create_dir(sandbox.path("rows")).unwrap();
    for (name, count) in [("train-images-idx3-ubyte", 300u32), ("t10k-images-idx3-ubyte", 60)] {
        let header = [0x803, count, 3, 4].map(u32::to_be_bytes).concat();
        let pixels =
            (0..count * 12).map(|i| (128.0 + 90.0 * (f64::from(i / 12) * 0.7 + f64::from(i % 12)).sin()) as u8);
        fs::write(sandbox.path("rows").join(name), header.into_iter().chain(pixels).collect::<Vec<u8>>()).unwrap();
    }
    sandbox
}

fn import((file, layers): (&str, &str), options: &str) -> String {
    let layers = if layers.is_empty() { String::new() } else { format!("--layers {layers}") };
    format!("import {file} {layers} {options}")
}

fn network(sandbox: &Sandbox, name: &str) -> FloatNetwork {
    let file = BlobFile::read(&sandbox.path(name)).unwrap();
    FloatNetwork::from_blob(&file.open().unwrap()).unwrap()
}

#[test]
fn the_networks_of_the_frameworks_compute_what_they_compute_there() {
    let sandbox = sandbox();
    for (file, layers) in FILES {
        let check = format!("{}.npz", file.split('.').next().unwrap());
        let output =
            sandbox.host(&import((file, layers), &format!("--check {check} --out {file}.blob"))).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        let topology = if layers.is_empty() {
            network(&sandbox, &format!("{file}.blob")).topology().to_string()
        } else {
            layers.into()
        };
        assert!(text.starts_with(&format!("{file}.blob: 1253 bytes, f32, {topology}\n")), "{text}");
        assert!(
            text.contains(&format!("{check}: the same outputs in 7 rows of 4 layers: the largest difference is ")),
            "{text}"
        );
    }
    let graphs = ["torch-dynamo.onnx", "torch-script.onnx", "keras-onnx.onnx"];
    let topologies = graphs.map(|file| network(&sandbox, &format!("{file}.blob")).topology().to_string());
    assert_eq!(topologies, ["12-8r-3-8r-12i", "12-8r-3-8r-12i", "12-8r-3r-8r-12i"]);
    // What the frameworks have in two forms is one network.
    for (a, b) in [("torch-normalised.safetensors", "torch-script.onnx"), ("keras.safetensors", "keras-onnx.onnx")] {
        let [a, b] = [a, b].map(|file| network(&sandbox, &format!("{file}.blob")));
        let largest = a.parameters().iter().zip(b.parameters()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest < 2e-6, "{largest}");
    }
    let [float, double] = ["f32", "f64"].map(|kind| network(&sandbox, &format!("torch-{kind}.safetensors.blob")));
    assert_eq!(float, double);
}

#[test]
fn a_check_names_the_first_layer_that_differs() {
    let sandbox = sandbox();
    // Sigmoid instead of ReLU in the third layer.
    let error = sandbox
        .error(&import(("torch-normalised.safetensors", "12-8r-3-8-12i"), "--check torch-normalised.npz --out never"));
    assert!(
        error.starts_with("error: torch-normalised.npz: layer.2, the outputs of layer 3, is the first that differs: "),
        "{error}"
    );
    // Keras' batch normalisation under the names of torch has the epsilon of torch.
    let bytes = fs::read(sandbox.path("keras.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let names =
        [("gamma", "weight"), ("beta", "bias"), ("moving_mean", "running_mean"), ("moving_variance", "running_var")];
    let rename = |name: &str| names.iter().fold(name.to_owned(), |name, (keras, torch)| name.replace(keras, torch));
    let renamed = serialize(file.iter().map(|(name, view)| (rename(name), view)), None).unwrap();
    fs::write(sandbox.path("renamed.safetensors"), renamed).unwrap();
    let error = sandbox.error(&import(("renamed.safetensors", FILES[5].1), "--check keras.npz --out never"));
    assert!(
        error.starts_with("error: keras.npz: layer.0, the outputs of layer 1, is the first that differs: "),
        "{error}"
    );
    let error = sandbox.error(&import(FILES[0], "--check torch-f16.npz --out never"));
    assert!(
        error.starts_with("error: torch-f16.npz: layer.0, the outputs of layer 1, is the first that differs: "),
        "{error}"
    );
    let error = sandbox.error(&import(FILES[0], "--check torch-f32.safetensors --out never"));
    assert!(error.starts_with("error: torch-f32.safetensors: "), "{error}");
    let error = sandbox.error(&import(FILES[0], "--check nowhere.npz --out never"));
    assert_eq!(error, "error: nowhere.npz: No such file or directory (os error 2)\n");
    assert!(!sandbox.path("never").exists());
}

/// As with a network of our own: measured, inspected, calibrated, trained with rounding, exported.
#[test]
fn every_command_takes_an_imported_network() {
    let sandbox = sandbox();
    for (i, file) in [FILES[0], FILES[5], FILES[8]].into_iter().enumerate() {
        let [float, int8, int4] = ["f32", "int8", "int4"].map(|format| format!("{i}.{format}.blob"));
        sandbox.host(&import(file, &format!("--out {float}"))).assert().success();
        let measured = json(&sandbox.host(&format!("eval {float} --data rows --json")).output().unwrap());
        let mse = measured["test_mse"].as_f64().unwrap();
        assert_eq!((&measured["rows"], &measured["steps"]), (&60.into(), &0.into()));
        // Integers clip what lies outside of [0, 1]. Only the outputs of the sigmoids never do.
        let ratio = measured["test_mse_int8"].as_f64().unwrap() / mse;
        assert!(ratio < 1.1 && (i > 0 || ratio > 0.9), "{measured}");
        sandbox.host(&format!("export {float} --format int8 --data rows --out {int8}")).assert().success();
        let text = String::from_utf8(sandbox.host(&format!("inspect {int8}")).output().unwrap().stdout).unwrap();
        assert!(text.contains("thresholds       scores from ") && text.contains("0 steps"), "{text}");
        let of_int8 = json(&sandbox.host(&format!("eval {int8} --data rows --json")).output().unwrap());
        assert_eq!(of_int8["test_mse_int8"], measured["test_mse_int8"]);
        let train = format!(
            "train --from {float} --data rows --quantise-aware int4 --steps 200 --batch 50 --out tuned-{i} --json"
        );
        let tuned = json(&sandbox.host(&train).output().unwrap());
        assert!(tuned["test_mse_int4"].as_f64().unwrap() < 0.7 * mse, "{mse} {tuned}");
        sandbox.host(&format!("export tuned-{i}/checkpoint --format int4 --data rows --out {int4}")).assert().success();
    }
}

#[test]
fn what_was_exported_is_imported_as_it_was() {
    let sandbox = sandbox();
    sandbox.train("--steps 20").assert().success();
    let blob = fs::read(sandbox.path("artifacts/model.f32.blob")).unwrap();
    for format in ["safetensors", "onnx"] {
        sandbox.host(&format!("export artifacts/model.f32.blob --format {format}")).assert().success();
        let again = format!("import artifacts/model.{format} --out {format}.f32.blob");
        sandbox.host(&again).assert().success();
        // Byte for byte, with the number of steps and the bits of the code.
        assert!(fs::read(sandbox.path(&format!("{format}.f32.blob"))).unwrap() == blob, "{format}");
        let file = fs::read(sandbox.path(&format!("artifacts/model.{format}"))).unwrap();
        let error = sandbox.error(&format!("export artifacts/model.f32.blob --format {format}"));
        let expected =
            format!("error: artifacts/model.{format}: a file is there; give another --out, or --force to replace it\n");
        assert_eq!(error, expected);
        sandbox.host(&format!("export artifacts/model.f32.blob --format {format} --force")).assert().success();
        assert!(
            fs::read(sandbox.path(&format!("artifacts/model.{format}"))).unwrap() == file,
            "{format}: the same bytes"
        );
        let error = sandbox.error(&format!("import artifacts/model.{format} --layers 784-128-32r-128-784 --out never"));
        assert!(error.contains("784-128-32-128-784 (small); the command line names 784-128-32r-128-784"), "{error}");
        // A blob is not replaced by another kind of file.
        let error = sandbox.error(&format!(
            "export artifacts/checkpoint --format {format} --data data --out artifacts/model.int8.blob --force"
        ));
        assert!(error.contains("a weights blob is there, which is not replaced"), "{error}");
    }
    // The float network of the integers has nearly their error.
    sandbox.host("export artifacts/model.int8.blob --format f32 --out integers.f32.blob").assert().success();
    let [floats, integers] = ["integers.f32.blob", "artifacts/model.int8.blob"]
        .map(|blob| json(&sandbox.host(&format!("eval {blob} --data data --json")).output().unwrap()));
    let (floats, integers) = (floats["test_mse"].as_f64().unwrap(), integers["test_mse_int8"].as_f64().unwrap());
    assert!((floats / integers - 1.0).abs() < 0.01, "{floats} {integers}");
    for (args, expected) in [
        (
            "artifacts/model.int8.blob --format int4",
            "artifacts/model.int8.blob: a blob of int8 weights; expected a checkpoint or an f32 blob",
        ),
        (
            "artifacts/model.f32.blob --format onnx --flash x",
            "artifacts/model.f32.blob: no blob of integers, so no device has learned with it (--flash x)",
        ),
        (
            "artifacts/model.int8.blob --format int8 --flash x",
            "--flash: a network of floats can hold what was learned, int8 cannot: --format f32",
        ),
        ("artifacts/model.int8.blob --format onnx --flash nowhere", "nowhere: No such file or directory (os error 2)"),
        ("artifacts/model.int8.blob --format onnx --flash erased", "erased: nothing was learned there"),
        (
            "artifacts/model.int8.blob --format onnx --flash short",
            "short: the flash is too small for the learned parameters",
        ),
        ("artifacts/model.int8.blob --format onnx --flash noise", "noise: damaged: it holds no whole record"),
        (
            "artifacts/model.int8.blob --format f32 --out a.onnx",
            "--out a.onnx: --format f32 writes a file that ends in .blob",
        ),
        (
            "artifacts/model.int8.blob --format onnx --out a.safetensors",
            "--out a.safetensors: --format onnx writes a file that ends in .onnx",
        ),
        (
            "artifacts/model.f32.blob --format f32 --out a.ONNX",
            "--out a.ONNX: --format f32 writes a file that ends in .blob",
        ),
    ] {
        for (name, bytes) in [("erased", vec![0xff; 32768]), ("short", vec![0xff; 4096]), ("noise", vec![7; 32768])] {
            fs::write(sandbox.path(name), bytes).unwrap();
        }
        let out = if args.contains("--out") { "" } else { " --out never" };
        assert_eq!(sandbox.error(&format!("export {args}{out}")), format!("error: {expected}\n"));
    }
    assert!(!sandbox.path("never").exists());
}

/// A run over samples may keep thresholds alone: the blob's own channels are in the record.
#[test]
fn an_export_says_what_of_the_flash_is_in_it() {
    let sandbox = Sandbox::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/watch.int8.blob");
    fs::copy(shipped, sandbox.path("watch.blob")).unwrap();
    let blob = fs::read(sandbox.path("watch.blob")).unwrap();
    let file = BlobFile::new(Path::new("watch.blob"), &blob);
    let network = Network::new(file.open().unwrap()).unwrap();
    let mut channels = vec![ChannelParams::default(); network.channels()];
    copy_channels(&network, &mut channels);
    let length = record_bytes(channels.len());
    let export = |channels: &[ChannelParams]| {
        let mut flash: Nor<Vec<u8>> = Nor::new(vec![0xff; 2 * slot_bytes(length, 4096)]);
        let mut store = Store::new(&mut flash, network.blob().crc(), length).unwrap();
        store.save([channels.as_bytes(), &[1; 8]]).unwrap();
        fs::write(sandbox.path("flash"), flash.bytes()).unwrap();
        let assert = sandbox.host("export watch.blob --format f32 --flash flash --out learned.blob").assert().success();
        let written = fs::read(sandbox.path("learned.blob")).unwrap();
        (String::from_utf8(assert.get_output().stdout.clone()).unwrap(), written)
    };
    let (said, own) = export(&channels);
    assert!(
        said.ends_with("\n  flash holds thresholds alone, which f32 does not have: this is the blob's network\n"),
        "{said}"
    );
    sandbox.host("export watch.blob --format f32 --out own.blob").assert().success();
    assert!(own == fs::read(sandbox.path("own.blob")).unwrap());
    channels[0].multiplier /= 2;
    let (said, learned) = export(&channels);
    assert!(said.ends_with("\n  as learned in flash\n") && learned != own, "{said}");
}

/// The front end of a sensor goes with the network, and comes back.
#[test]
fn a_detector_keeps_its_front_end() {
    let sandbox = sandbox();
    let line = |i: u32| format!("{},{}\n", (f64::from(i) * 0.3).sin(), (f64::from(i) * 0.31).cos());
    let csv = (0..3000).map(line).collect::<Vec<_>>().concat();
    fs::write(sandbox.path("sensor.csv"), format!("x,y\n{csv}")).unwrap();
    sandbox.host("train --data sensor.csv --window 16 --steps 50 --out detector").assert().success();
    let blob = fs::read(sandbox.path("detector/model.f32.blob")).unwrap();
    for format in ["safetensors", "onnx"] {
        sandbox.host(&format!("export detector/model.f32.blob --format {format} --out d.{format}")).assert().success();
        sandbox.host(&format!("import d.{format} --out {format}.f32.blob")).assert().success();
        assert!(fs::read(sandbox.path(&format!("{format}.f32.blob"))).unwrap() == blob, "{format}");
    }
    sandbox.host("export onnx.f32.blob --format int8 --data sensor.csv --out again.int8.blob").assert().success();
    assert!(
        fs::read(sandbox.path("again.int8.blob")).unwrap()
            == fs::read(sandbox.path("detector/model.int8.blob")).unwrap()
    );
}

/// A file that is no blob may be one that would be missed.
#[test]
fn only_a_blob_of_the_same_kind_is_replaced_without_force() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let blob = fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap();
    sandbox.host("export artifacts/model.f32.blob --format safetensors --out in.safetensors").assert().success();
    let damaged = blob[..blob.len() - 1].to_vec();
    for (there, what) in [(b"notes".to_vec(), "no whole blob"), (damaged, "no whole blob")] {
        for command in [
            "import in.safetensors --out there",
            "export artifacts/model.f32.blob --format f32 --out there",
            "export artifacts/checkpoint --format int8 --data data --out there",
            "export artifacts/model.int8.blob --format int8-rows --out there",
        ] {
            fs::write(sandbox.path("there"), &there).unwrap();
            let error = sandbox.error(command);
            let expected =
                format!("error: there: a file is there that is {what}; give another --out, or --force to replace it\n");
            assert_eq!(error, expected, "{command}");
            assert!(fs::read(sandbox.path("there")).unwrap() == there);
            sandbox.host(&format!("{command} --force")).assert().success();
            // The same again, and an empty file.
            sandbox.host(command).assert().success();
            fs::write(sandbox.path("there"), "").unwrap();
            sandbox.host(command).assert().success();
        }
    }
    // For another framework, nothing is replaced.
    for format in ["safetensors", "onnx"] {
        let export = format!("export artifacts/model.f32.blob --format {format} --out there");
        fs::write(sandbox.path("there"), "notes").unwrap();
        let error = sandbox.error(&export);
        assert_eq!(error, "error: there: a file is there; give another --out, or --force to replace it\n");
        sandbox.host(&format!("{export} --force")).assert().success();
    }
}

/// No framework, and no device, can use NaN.
#[test]
fn a_network_that_is_not_finite_is_not_exported() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let mut blob = fs::read(sandbox.path("artifacts/model.f32.blob")).unwrap();
    let (end, nan) = (blob.len() - 4, f32::NAN.to_le_bytes());
    // The last bias: behind it are an empty input section and the CRC.
    blob[end - 5..end - 1].copy_from_slice(&nan);
    let crc = autoencoder_core::crc::checksum(&blob[..end]).to_le_bytes();
    blob[end..].copy_from_slice(&crc);
    fs::write(sandbox.path("nan"), blob).unwrap();
    for format in ["safetensors", "onnx", "f32"] {
        let error = sandbox.error(&format!("export nan --format {format} --out never"));
        assert_eq!(error, "error: layer 4: a parameter is not finite\n", "{format}");
    }
    assert!(!sandbox.path("never").exists());
}

/// The blob is damaged, and the flash has nothing to do with it.
#[test]
fn a_damaged_blob_of_integers_is_named_with_a_flash_too() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let mut blob = fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap();
    blob[1000] ^= 1;
    fs::write(sandbox.path("damaged"), blob).unwrap();
    fs::write(sandbox.path("flash"), vec![0xff; 32768]).unwrap();
    for flash in ["", "--flash flash"] {
        let error = sandbox.error(&format!("export damaged --format onnx {flash} --out never"));
        assert!(error.starts_with("error: damaged: blob damaged"), "{error}");
    }
    assert!(!sandbox.path("never").exists());
}

#[test]
fn bad_files_are_refused_in_one_line_and_nothing_is_written() {
    let sandbox = sandbox();
    let good = fs::read(sandbox.path("torch-f32.safetensors")).unwrap();
    let graph = fs::read(sandbox.path("torch-script.onnx")).unwrap();
    fs::create_dir(sandbox.path("folder.safetensors")).unwrap();
    for (name, bytes) in [
        ("empty.safetensors", &[][..]),
        ("short.safetensors", &good[..good.len() - 1]),
        ("head.safetensors", &good[..100]),
        ("header.safetensors", &[&10_000_000_000u64.to_le_bytes()[..], &good[8..]].concat()),
        ("none.safetensors", b"\x02\0\0\0\0\0\0\0{}"),
        ("model.pt", &good),
        ("empty.onnx", &[]),
        ("short.onnx", &graph[..graph.len() - 1]),
        ("text.onnx", b"weights"),
    ] {
        fs::write(sandbox.path(name), bytes).unwrap();
    }
    for (args, expected) in [
        ("nowhere.safetensors", "nowhere.safetensors: No such file or directory (os error 2)"),
        ("folder.safetensors", "folder.safetensors: Is a directory (os error 21)"),
        ("empty.safetensors --layers 12-3-12", "empty.safetensors: not a whole safetensors file: header too small"),
        (
            "short.safetensors --layers 12-3-12",
            "short.safetensors: not a whole safetensors file: incomplete metadata, file not fully covered",
        ),
        ("head.safetensors --layers 12-3-12", "head.safetensors: not a whole safetensors file: invalid header length"),
        ("header.safetensors --layers 12-3-12", "header.safetensors: not a whole safetensors file: header too large"),
        (
            "none.safetensors --layers 12-3-12",
            "none.safetensors: no dense layer: expected tensors named PREFIX.weight (torch) or PREFIX.kernel (Keras, JAX)",
        ),
        (
            "model.pt --layers 12-3-12",
            "model.pt: expected a .safetensors or an .onnx file; torch writes one with safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")",
        ),
        ("empty.onnx", "empty.onnx: not an ONNX graph: it has no nodes"),
        (
            "torch-script.onnx --format jax",
            "torch-script.onnx: --format says what names of tensors mean; a graph says it itself",
        ),
        (
            "torch-script.onnx --layers 12-8r-3-8-12i",
            "torch-script.onnx: a graph of 12-8r-3-8r-12i; the command line names 12-8r-3-8-12i",
        ),
        ("torch-f32.safetensors", "torch-f32.safetensors: tensors do not say how they are joined: give --layers"),
        (
            "torch-f32.safetensors --layers 12-8-12",
            "torch-f32.safetensors: 4 matrices, where --layers has 2 layers: encoder.0.weight, encoder.2.weight, decoder.0.weight, decoder.2.weight",
        ),
        (
            "torch-f32.safetensors --layers 12-8-4-8-12",
            "torch-f32.safetensors: encoder.2.weight: of shape [3, 8], where layer 2 of --layers, 8 to 4, takes [4, 8]",
        ),
        (
            "torch-f32.safetensors --layers 12-8-3-8-12 --format jax",
            "torch-f32.safetensors: encoder.0.weight: of shape [8, 12], where layer 1 of --layers, 12 to 8, takes [12, 8]; if it is [outputs, inputs], give --format torch",
        ),
    ] {
        assert_eq!(sandbox.error(&format!("import {args} --out never")), format!("error: {expected}\n"));
    }
    for file in ["short.onnx", "text.onnx"] {
        let error = sandbox.error(&format!("import {file} --out never"));
        assert!(error.starts_with(&format!("error: {file}: not a whole ONNX file: ")), "{error}");
    }
    let error = sandbox.error(&import(FILES[0], "--out torch-f32.safetensors"));
    assert_eq!(error, "error: torch-f32.safetensors: the output would replace an input\n");
    let error = sandbox.error(&import(FILES[0], "--out model.onnx"));
    assert_eq!(error, "error: --out model.onnx: import writes a file that ends in .blob\n");
    // The network that is there is another one.
    sandbox.host(&import(FILES[0], "--out model")).assert().success();
    let there = fs::read(sandbox.path("model")).unwrap();
    let error = sandbox.error(&import(FILES[5], "--out model"));
    assert!(
        error.starts_with(
            "error: model: an f32 blob of 12-8-3-8-12 is there, and the new one is an f32 blob of 12-8r-3r-8r-12i"
        ),
        "{error}"
    );
    assert!(fs::read(sandbox.path("model")).unwrap() == there);
    sandbox.host(&import(FILES[5], "--out model --force")).assert().success();
    assert!(!["never", "model.onnx"].iter().any(|name| sandbox.path(name).exists()));
}
