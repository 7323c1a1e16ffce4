//! The program as a user meets it: exit codes, messages, files.

mod c_array;
mod data;
mod detectors;
mod figures;
mod keeping;
#[path = "../common/left_out.rs"]
mod left_out;
#[cfg(target_os = "linux")]
mod memory;
mod outputs;
mod sandbox;
mod sets;
mod topologies;
mod weights;

use autoencoder_io::blob_file::BlobFile;
use host::FloatNetwork;
use host::export::{BlobMeta, f32_blob};
use sandbox::{Sandbox, json, one_line, shipped};
use std::fs;

#[test]
fn train_writes_everything_and_eval_agrees() {
    let sandbox = Sandbox::new();
    let summary = json(&sandbox.train("--steps 60 --json").output().unwrap());
    assert_eq!(summary["steps"], 60);
    assert!(summary["seconds"].as_f64().unwrap() > 0.0 && summary["ms_per_step"].as_f64().unwrap() > 0.0);
    // An untrained network gives the mean image, whose MSE is 0.067.
    let mse = summary["test_mse"].as_f64().unwrap();
    assert!(mse < 0.045, "MSE {mse}");
    for file in ["checkpoint", "model.f32.blob", "model.int8.blob", "loss.csv", "loss.png", "reconstructions.png"] {
        assert!(fs::metadata(sandbox.path("artifacts").join(file)).unwrap().len() > 0, "{file}");
    }
    let csv = fs::read_to_string(sandbox.path("artifacts/loss.csv")).unwrap();
    assert_eq!(csv.lines().count(), 61);
    assert!(csv.starts_with("step,loss,learning_rate,test_mse\n1,"));

    let float = json(&sandbox.host("eval --data data --json").output().unwrap());
    assert_eq!(float["test_mse"], summary["test_mse"]);
    assert_eq!(float["test_mse_int8"], summary["test_mse_int8"]);
    let int8 = json(&sandbox.host("eval artifacts/model.int8.blob --data data --json").output().unwrap());
    assert_eq!(int8["test_mse_int8"], summary["test_mse_int8"]);
    assert_eq!((&int8["test_mse"], &int8["steps"]), (&serde_json::Value::Null, &60.into()));

    // The exporter writes the trainer's bytes, from the checkpoint and from the f32 blob.
    let trained = fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap();
    for source in ["artifacts/checkpoint", "artifacts/model.f32.blob"] {
        sandbox.host(&format!("export {source} --format int8 --out again --data data")).assert().success();
        assert_eq!(fs::read(sandbox.path("again")).unwrap(), trained, "{source}");
    }
    let inspected = sandbox.host("inspect again").output().unwrap();
    let text = String::from_utf8(inspected.stdout).unwrap();
    for part in ["Int8", "784-128-32-128-784 (small)", "60 steps", "784", "checked", "thresholds       scores from "] {
        assert!(text.contains(part), "{part} in {text}");
    }

    // The layout for Helium is made of the int8 blob, or with it, and has the same numbers.
    sandbox.host("export again --format int8-rows --out rows").assert().success();
    sandbox.host("export artifacts/checkpoint --format int8-rows --out rows-again --data data").assert().success();
    let rows = fs::read(sandbox.path("rows")).unwrap();
    assert!(rows == fs::read(sandbox.path("rows-again")).unwrap() && rows.len() == trained.len() && rows != trained);
    let figures = json(&sandbox.host("eval rows --data data --json").output().unwrap());
    assert_eq!(figures["test_mse_int8"], summary["test_mse_int8"]);
    let inspected = sandbox.host("inspect rows").output().unwrap();
    let shown = String::from_utf8(inspected.stdout).unwrap();
    assert!(shown.contains("Int8, row by row, for a processor with Helium (Cortex-M55, Cortex-M85)"), "{shown}");
    let histogram = |text: &str| text.split_once("weights, all layers").unwrap().1.to_owned();
    assert_eq!(histogram(&shown), histogram(&text));
    for (arguments, because) in [
        (
            "export again --format int8-rows --code-bits 4 --out x",
            "again: an int8 blob, whose numbers stay as they are",
        ),
        ("export again --format int8-rows --data data --out x", "again: an int8 blob, whose numbers stay as they are"),
        (
            "export rows --format int8-rows --out x",
            "rows: a blob of int8 weights; expected a checkpoint or an f32 blob",
        ),
        ("export again --format int8-rows --out again", "again: "),
        ("export again --format int8-rows --out artifacts/model.f32.blob", "an f32 blob of "),
    ] {
        let output = sandbox.host(arguments).output().unwrap();
        let err = one_line(&output, arguments);
        assert!(err.contains(because), "{arguments}: {err}");
    }
    assert!(!sandbox.path("x").exists());
}

#[test]
fn a_finished_network_is_tuned_for_coarser_numbers() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 60 --json").assert().success();
    let tune = "train --data data --batch 100 --quantise-aware int4 --code-bits 4 --steps 20 --json";
    let mut blobs = Vec::new();
    for (source, out) in [("checkpoint", "one"), ("model.f32.blob", "two")] {
        let summary = json(&sandbox.host(&format!("{tune} --from artifacts/{source} --out {out}")).output().unwrap());
        assert_eq!((&summary["steps"], &summary["test_mse_int8"]), (&20.into(), &serde_json::Value::Null));
        let int4 = summary["test_mse_int4"].as_f64().unwrap();
        assert!((int4 / summary["test_mse"].as_f64().unwrap() - 1.0).abs() < 0.01, "one network: {summary}");
        let blob = format!("{out}/model.int4.blob");
        let measured = json(&sandbox.host(&format!("eval {blob} --data data --json")).output().unwrap());
        assert_eq!((&measured["test_mse_int4"], &measured["steps"]), (&int4.into(), &80.into()));
        blobs.push(fs::read(sandbox.path(&blob)).unwrap());
        // The exporter writes the trainer's bytes: the scales are the run's, the code has the run's bits.
        for source in ["checkpoint", "model.f32.blob"] {
            sandbox.host(&format!("export {out}/{source} --format int4 --out again --data data")).assert().success();
            assert!(fs::read(sandbox.path("again")).unwrap() == blobs[blobs.len() - 1], "{out}/{source}");
        }
        let inspected = sandbox.host(&format!("inspect {blob}")).output().unwrap();
        let text = String::from_utf8(inspected.stdout).unwrap();
        for part in ["Int4", "4 bits an element", "80 steps", "7.000"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    assert!(blobs[0].len() < fs::metadata(sandbox.path("artifacts/model.int8.blob")).unwrap().len() as usize * 3 / 5);
    // A checkpoint holds the exact weights, the blob the rounded ones: not the same beginning.
    assert!(blobs[0] != blobs[1]);

    // A network that was not trained for rounding is exported with a warning.
    let export = |options: &str| {
        let output =
            sandbox.host(&format!("export {options} --format int4 --out coarse --data data")).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    sandbox.train("--steps 300 --out exact --quantise-aware none").assert().success();
    let warning = export("exact/model.f32.blob --code-bits 1");
    assert!(warning.starts_with("warning: rounding raises the MSE over 400 training rows from 0."), "{warning}");
    assert!(warning.ends_with("train --from exact/model.f32.blob --quantise-aware int4 --code-bits 1\n"), "{warning}");
    assert_eq!(export("one/model.f32.blob"), "");

    sandbox.host("export one/checkpoint --format int8 --code-bits 6 --out six --data data").assert().success();
    let inspected = sandbox.host("inspect six").output().unwrap();
    assert!(String::from_utf8(inspected.stdout).unwrap().contains("6 bits an element"));

    // The number of steps of a network that was trained for a very long time saturates.
    let float = BlobFile::read(&sandbox.path("artifacts/model.f32.blob")).unwrap();
    let network = FloatNetwork::from_blob(&float.open().unwrap()).unwrap();
    let meta = BlobMeta { steps: u32::MAX - 3, code_bits: 8, input: &[] };
    fs::write(sandbox.path("old.f32.blob"), f32_blob(&network, meta).unwrap()).unwrap();
    sandbox.host("train --data data --batch 100 --from old.f32.blob --steps 9 --out old").assert().success();
    let tuned = BlobFile::read(&sandbox.path("old/model.int8.blob")).unwrap();
    assert_eq!(tuned.open().unwrap().header().steps, u32::MAX);

    let other = sandbox.error("train --data data --resume --out one --quantise-aware int8");
    assert!(other.contains("the stored run has quantise-aware int4, this command has int8"), "{other}");
    let other = sandbox.error("train --data data --resume --out one --code-bits 5");
    assert!(other.contains("the stored run has code-bits 4, this command has 5"), "{other}");
    let error = sandbox.error("train --data data --from artifacts/model.int8.blob --steps 2 --out never");
    let float = "artifacts/model.int8.blob: a blob of int8 weights; expected a checkpoint or an f32 blob";
    assert!(error.contains(float), "{error}");
    let error = sandbox.error("train --data data --from artifacts/checkpoint --topology classic --steps 2 --out never");
    let networks = "a network 784-128-32-128-784 (small); the command line names 784-256-128-256-784 (classic)";
    assert!(error.contains(networks), "{error}");
    assert!(!sandbox.path("never").exists());
}

/// The network has ten ReLU layers and a linear one. Their gains, ranges and zero points differ from those of sigmoid layers.
#[test]
fn the_anomaly_detector_is_trained_and_quantised() {
    let sandbox = Sandbox::new();
    let pixels = &shipped("t10k-images-idx3-ubyte.gz")[16..];
    for (name, images) in [("train-images-idx3-ubyte", 0..400), ("t10k-images-idx3-ubyte", 400..450)] {
        let header = [0x803, images.len() as u32, 20, 32].map(u32::to_be_bytes).concat();
        // The first 640 pixels of each digit are 20 rows of 32 as well as any.
        let rows: Vec<u8> = images.flat_map(|image| pixels[784 * image..][..640].to_vec()).collect();
        fs::write(sandbox.path("data").join(name), [header, rows].concat()).unwrap();
    }
    let train = "train --data data --topology anomaly --batch 100 --steps 300 --json";
    let summary = json(&sandbox.host(train).output().unwrap());
    let [float, int8] = ["test_mse", "test_mse_int8"].map(|key| summary[key].as_f64().unwrap());
    // Predicting the mean image gives 0.075.
    assert!(float < 0.06 && int8 < 1.04 * float, "f32 {float}, int8 {int8}");
}

#[test]
fn a_human_reads_lines_and_a_summary() {
    let sandbox = Sandbox::new();
    let output = sandbox.train("--steps 250").output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(stderr.lines().filter(|line| line.contains("test MSE") && line.contains("rows/s")).count(), 3);
    assert!(stdout.starts_with("784-128-32-128-784 (small) trained for 250 steps of 100 rows in "), "{stdout}");
    assert!(stdout.contains("int8") && stdout.contains(" dB"));
}

#[test]
fn eval_shows_each_label_in_each_format_and_their_mean_is_the_whole() {
    let sandbox = Sandbox::new();
    let labels: Vec<u8> = (0..50).map(|i| [3, 7, 7, 200][i % 4]).collect();
    let header = [0x801, 50].map(u32::to_be_bytes).concat();
    fs::write(sandbox.path("data/t10k-labels-idx1-ubyte"), [header, labels].concat()).unwrap();
    sandbox.train("--steps 60").assert().success();
    for (blob, formats, others) in
        [("model.f32.blob", &["", "_int8"][..], &["_int4"][..]), ("model.int8.blob", &["_int8"], &["", "_int4"])]
    {
        let eval = format!("eval artifacts/{blob} --data data");
        let all = json(&sandbox.host(&format!("{eval} --json")).output().unwrap());
        let digits = all["labels"].as_array().unwrap();
        let of = |key: &str| digits.iter().map(|digit| digit[key].as_f64().unwrap()).collect::<Vec<_>>();
        assert_eq!((of("label"), of("rows")), (vec![3.0, 7.0, 200.0], vec![13.0, 25.0, 12.0]));
        for format in formats {
            let (mse, psnr) = (of(&format!("test_mse{format}")), of(&format!("test_psnr{format}")));
            let mean = (13.0 * mse[0] + 25.0 * mse[1] + 12.0 * mse[2]) / 50.0;
            assert!((mean / all[format!("test_mse{format}")].as_f64().unwrap() - 1.0).abs() < 1e-6);
            assert!(mse.iter().zip(psnr).all(|(mse, psnr)| (psnr + 10.0 * mse.log10()).abs() < 1e-9));
        }
        for format in others {
            assert!(digits.iter().all(|digit| digit[format!("test_mse{format}")].is_null()));
        }
        let text = String::from_utf8(sandbox.host(&eval).output().unwrap().stdout).unwrap();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        let heading: Vec<&str> = lines[0].split_whitespace().collect();
        let names = formats.iter().flat_map(|format| match *format {
            "" => ["f32", "MSE", "PSNR"],
            _ => ["int8", "MSE", "PSNR"],
        });
        assert_eq!(heading, ["label", "rows"].into_iter().chain(names).collect::<Vec<_>>());
        let first: Vec<&str> = lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(first, ["label", "all", "3", "7", "200"]);
        let mse = digits[1][format!("test_mse{}", formats[0])].as_f64().unwrap();
        assert!(lines[3].contains(&format!("7      25  {mse:.6}  {:5.2} dB", -10.0 * mse.log10())), "{text}");
    }
}

#[test]
fn export_reads_images_only_if_it_needs_them() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 60").assert().success();
    let float = fs::read(sandbox.path("artifacts/model.f32.blob")).unwrap();
    fs::rename(sandbox.path("data"), sandbox.path("hidden")).unwrap();
    sandbox.host("export artifacts/model.f32.blob --format f32 --out again").assert().success();
    assert!(fs::read(sandbox.path("again")).unwrap() == float);
    fs::rename(sandbox.path("hidden"), sandbox.path("data")).unwrap();
    // What is not read is not taken silently.
    for (format, option) in [("f32", "--data"), ("safetensors", "--where"), ("onnx", "--window")] {
        let value = if option == "--where" { "a=b" } else { "3" };
        let error =
            sandbox.error(&format!("export artifacts/model.f32.blob --format {format} --out never {option} {value}"));
        let expected = format!("error: artifacts/model.f32.blob: {format} needs no data; {option} has no effect\n");
        assert_eq!(error, expected);
    }
    let error = sandbox.error("export artifacts/model.f32.blob --format int8 --out never --data nowhere");
    assert!(
        error.contains("the calibration of an integer blob needs the training rows (--data): nowhere: "),
        "{error}"
    );
    let error = sandbox.error("export --format f32 --out never --data nowhere");
    assert!(error.contains("a checkpoint of rounded weights needs the training rows (--data): nowhere: "), "{error}");
    // With other images, the biases would have other values.
    sandbox.images("train-images-idx3-ubyte", 100, &shipped("t10k-images-idx3-ubyte.gz")[16..]);
    let error = sandbox.error("export --format f32 --out never --data data");
    assert!(error.contains("artifacts/checkpoint: trained on other images than those of --data"), "{error}");
    assert!(!sandbox.path("never").exists());
    // Without rounded steps, the weights are the checkpoint's own.
    sandbox.train("--steps 4 --quantise-aware none --out exact").assert().success();
    sandbox.host("export exact/checkpoint --format f32 --out again").assert().success();
    assert!(fs::read(sandbox.path("again")).unwrap() == fs::read(sandbox.path("exact/model.f32.blob")).unwrap());
}

#[test]
fn bad_blobs_and_folders_are_one_line() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2 --json").assert().success();
    let blob = fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap();
    let mut flipped = blob.clone();
    flipped[5000] ^= 4;
    for (name, bytes, message) in [
        ("codes", &[0xc3, 7, 9, 200, 1, 0, 0, 0, 80][..], "not a weights blob"),
        ("empty", &[][..], "the blob is empty"),
        ("truncated", &blob[..blob.len() / 2], "blob truncated"),
        ("flipped", &flipped, "blob damaged"),
        ("foreign", b"GIF89a, not a blob", "not a weights blob"),
    ] {
        fs::write(sandbox.path(name), bytes).unwrap();
        for command in ["eval", "inspect", "export --format int8 --out never"] {
            let (verb, options) = command.split_once(' ').unwrap_or((command, ""));
            let data = if verb == "inspect" { "" } else { "--data data" };
            let error = sandbox.error(&format!("{verb} {name} {options} {data}"));
            assert!(error.contains(message) && error.contains(name), "{command}: {error}");
            // A network in f32 may also come from a checkpoint.
            let expected = format!("{message}; expected a checkpoint or an f32 blob\n");
            let foreign = matches!(name, "codes" | "empty" | "foreign");
            assert_eq!(error.ends_with(&expected), verb == "export" && foreign, "{error}");
        }
    }
    for command in ["inspect artifacts/checkpoint", "eval artifacts/checkpoint --data data"] {
        assert!(
            sandbox.error(command).contains("artifacts/checkpoint: a checkpoint; expected a weights blob"),
            "{command}"
        );
    }
    let error = sandbox.error("train --data data --from codes --steps 2 --out never");
    assert_eq!(error, "error: codes: not a weights blob; expected a checkpoint or an f32 blob\n");
    let error = sandbox.host("eval --data ../data").current_dir(sandbox.path("data")).output().unwrap();
    assert!(error.status.success(), "the default blob is in the folder above");
    fs::remove_dir_all(sandbox.path("artifacts")).unwrap();
    let error = sandbox.error("eval --data data");
    let train = "train with `cargo run -p host -- train`, or name a blob";
    let both = "neither artifacts/model.f32.blob nor models/classic.int8.blob is here or in a folder above";
    assert_eq!(error, format!("error: no weights: {both} ({train})\n"));
    sandbox.train("--steps 2 --json").assert().success();
    assert!(sandbox.error("eval missing --data data").contains("missing: No such file"));
    assert!(
        sandbox.error("train --resume --data data --out nowhere").contains("nowhere/checkpoint: no checkpoint there")
    );
    fs::write(sandbox.path("a-file"), "").unwrap();
    let blocked = sandbox.train("--steps 2 --out a-file").output().unwrap();
    assert!(one_line(&blocked, "output folder is a file").contains("a-file"));
    let error = sandbox.error("export artifacts/model.int8.blob --format int4 --out never --data data");
    assert!(error.contains("a blob of int8 weights; expected a checkpoint or an f32 blob"), "{error}");
    assert!(!sandbox.path("never").exists());
}

#[test]
fn a_run_replaces_another_only_by_force() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2 --json").assert().success();
    let finished = fs::read(sandbox.path("artifacts/checkpoint")).unwrap();
    let error = sandbox.train("--steps 3").output().unwrap();
    let message = "artifacts/checkpoint: a finished run of 2 steps; give another --out, or --force to replace it";
    assert!(one_line(&error, "finished").contains(message));
    fs::write(sandbox.path("artifacts/checkpoint"), b"AECK, damaged").unwrap();
    let error = sandbox.train("--steps 3").output().unwrap();
    assert!(one_line(&error, "unreadable").contains("--force to replace it"));
    assert_eq!(fs::read(sandbox.path("artifacts/checkpoint")).unwrap(), b"AECK, damaged");
    sandbox.train("--steps 2 --force").assert().success();
    // They differ only in the time of training.
    assert_eq!(fs::read(sandbox.path("artifacts/checkpoint")).unwrap().len(), finished.len());
}

#[test]
fn a_blob_is_replaced_by_one_of_its_own_network_and_number_format_only() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2 --json").assert().success();
    sandbox.host("train --data data --layers 784-8-784 --steps 2 --out other").assert().success();
    let blob = fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap();
    let export = "export other/checkpoint --format int8 --data data --out artifacts/model.int8.blob";
    let error = sandbox.error(export);
    let networks = "an int8 blob of 784-128-32-128-784 (small) is there, and the new one is an int8 blob of 784-8-784; give another --out, or --force to replace it";
    assert!(error.contains(networks), "{error}");
    assert!(fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap() == blob);
    sandbox.host(&format!("{export} --force")).assert().success();
    assert!(fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap() != blob);

    for (there, new) in [("int8", "int4"), ("int4", "int8"), ("int4", "f32"), ("f32", "int4")] {
        let [old, format] = [there, new].map(|format| format!("export --format {format} --data data --out blob"));
        sandbox.host(&format!("{old} --force")).assert().success();
        let before = fs::read(sandbox.path("blob")).unwrap();
        let error = sandbox.error(&format);
        let network = "blob of 784-128-32-128-784 (small)";
        let formats =
            format!("error: blob: an {there} {network} is there, and the new one is an {new} {network}; give");
        assert!(error.starts_with(&formats) && error.ends_with("--force to replace it\n"), "{error}");
        assert!(fs::read(sandbox.path("blob")).unwrap() == before, "{there}, {new}");
        sandbox.host(&old).assert().success();
        assert!(fs::read(sandbox.path("blob")).unwrap() == before, "{there}: the same again");
    }
}

#[test]
fn outputs_are_checked_before_the_first_step() {
    let sandbox = Sandbox::new();
    let files = ["checkpoint", "model.f32.blob", "model.int8.blob", "loss.csv", "loss.png", "reconstructions.png"];
    for file in files {
        fs::create_dir_all(sandbox.path("taken").join(file)).unwrap();
        for force in ["", "--force"] {
            let error = sandbox.error(&format!("train --data data --steps 100000000 --out taken {force}"));
            assert_eq!(error, format!("error: taken/{file}: is a directory\n"));
        }
        fs::remove_dir_all(sandbox.path("taken")).unwrap();
    }
    // A blob under the name of the checkpoint would not be replaced at the end either.
    sandbox.train("--steps 2 --out there").assert().success();
    fs::rename(sandbox.path("there/model.int8.blob"), sandbox.path("there/checkpoint")).unwrap();
    let error = sandbox.error("train --data data --steps 100000000 --out there --force");
    assert!(error.starts_with("error: there/checkpoint: a weights blob is there, which is not replaced"), "{error}");
}

#[test]
fn wrong_arguments_exit_with_2() {
    let sandbox = Sandbox::new();
    for args in [
        "",
        "train --steps 0",
        "train --topology nosuch",
        "train --layers nosuch",
        "train --topology small --layers 784-8-784",
        "train --recipe nosuch",
        "eval --nosuch",
        "inspect",
    ] {
        let output = sandbox.host(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}");
    }
    for (args, message) in [
        ("train --steps -1", "'-1' for '--steps <N>': expected a whole number from 1 to 100000000"),
        ("train --steps 100000001", "'100000001' for '--steps <N>': expected a whole number from 1 to 100000000"),
        ("train --steps 99999999999999999999", "for '--steps <N>': expected a whole number from 1 to 100000000"),
        ("train --batch x", "invalid value 'x' for '--batch <N>': expected a whole number from 1 to 65536"),
        ("train --threads 1.5", "invalid value '1.5' for '--threads <N>': expected a whole number from 1 to 256"),
        ("train --seed -1", "for '--seed <N>': expected a whole number from 0 to 18446744073709551615"),
        ("train --layers -8-64", "invalid value '-8-64' for '--layers <SIZES>'"),
        ("export --format int8 --code-bits -1", "'-1' for '--code-bits <N>': expected a whole number from 1 to 8"),
    ] {
        let output = sandbox.host(args).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(message) && error.lines().count() == 1, "{args}: {error}");
    }
}
