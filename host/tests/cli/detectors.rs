//! Detectors: from recordings of a sensor to a blob, its figures and its pictures.

use crate::sandbox::{Sandbox, json};
use autoencoder_core::front_end::{FrontEnd, Section};
use autoencoder_io::blob_file::BlobFile;
use std::f32::consts::TAU;
use std::fmt::Write;
use std::fs;

/// Recordings as CSV: two channels that swing together, and in the last ones against each other. Each swings around a level of
/// its own, or around 0.
fn csv(recordings: usize, faulty: usize, level: f32) -> String {
    let mut text = String::from("recording,time,x,y,fault\n");
    for recording in 0..recordings {
        let fault = recording + faulty >= recordings;
        let sign = if fault { -1.0 } else { 1.0 };
        for i in 0..96 {
            let phase = TAU * (i as f32 / 24.0 + recording as f32 * 0.37);
            let noise = ((recording * 96 + i) * 7919 % 101) as f32 / 101.0 - 0.5;
            let offset = level * (recording as f32 * 1.7).sin();
            let (x, y) = (phase.sin() + 0.1 * noise + offset, 3.0 * sign * phase.cos() + 0.2 * noise);
            let fault = if fault { "loose" } else { "" };
            writeln!(text, "{recording},{i},{x:.4},{y:.4},{fault}").unwrap();
        }
    }
    text
}

const COLUMNS: &str = "--group recording --columns x,y";

fn train(sandbox: &Sandbox, args: &str) -> serde_json::Value {
    let all = format!("train --data healthy.csv {COLUMNS} --window 32 --hop 8 --rate 50 --json {args}");
    json(&sandbox.host(&all).output().unwrap())
}

#[test]
fn a_csv_becomes_a_detector_that_finds_what_it_was_not_trained_on() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("healthy.csv"), csv(28, 0, 0.5)).unwrap();
    fs::write(sandbox.path("everything.csv"), csv(20, 6, 0.5)).unwrap();
    let summary = train(&sandbox, "");
    assert!(summary["test_mse_int8"].as_f64().unwrap() < 0.01, "{summary}");
    let blob = "artifacts/model.int8.blob";
    let file = BlobFile::read(&sandbox.path(blob)).unwrap();
    let opened = file.open().unwrap();
    let section = Section::read(opened.input().unwrap()).unwrap();
    assert_eq!((section.names, section.spec.window, section.spec.hop, section.spec.rate), ("x\ny", 32, 8, 50.0));
    assert_eq!((section.spec.front_end, section.spec.channels), (FrontEnd::Raw, 2));
    assert_eq!(opened.header().topology.to_string(), "64-64-24-64-64");
    let inspected = String::from_utf8(sandbox.host(&format!("inspect {blob}")).output().unwrap().stdout).unwrap();
    assert!(
        inspected.contains("channels       2: x, y") && inspected.contains("32 samples every 8 at 50 Hz"),
        "{inspected}"
    );

    // The blob names the columns, so `eval` needs no --columns.
    let eval = format!("eval {blob} --data everything.csv --group recording --label fault");
    let found = json(&sandbox.host(&format!("{eval} --json")).output().unwrap());
    assert!(found["auc"].as_f64().unwrap() > 0.99 && found["average_precision"].as_f64().unwrap() > 0.99, "{found}");
    // 20 recordings of (96 - 32) / 8 + 1 windows, 6 of them faulty.
    assert_eq!((&found["windows"], &found["labels"][1]["windows"]), (&180.into(), &54.into()));
    assert_eq!(found["labels"][1]["label"], "loose");
    assert_eq!(found["events"]["stretches"], 6);
    assert!(found["threshold"].as_u64().unwrap() > 0);
    let baseline = |name: &str| found["baselines"][name]["auc"].as_f64().unwrap();
    assert!(baseline("pca") > 0.5 && baseline("mahalanobis") > 0.5, "{found}");
    let text = String::from_utf8(sandbox.host(&eval).output().unwrap().stdout).unwrap();
    for part in ["loose", "PCA, 24 components", "monitor: ", "false alarms: ", "detected: "] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for picture in ["scores", "roc", "stream", "windows"] {
        assert!(
            fs::metadata(sandbox.path("artifacts").join(format!("{picture}.png"))).unwrap().len() > 1000,
            "{picture}"
        );
    }

    // The exporter writes the trainer's bytes, the input section included.
    let export = format!("export artifacts/checkpoint --format int8 --data healthy.csv {COLUMNS}");
    sandbox.host(&format!("{export} --out again")).assert().success();
    assert_eq!(fs::read(sandbox.path("again")).unwrap(), file.bytes());
    // A threshold for more false alarms, without another training.
    sandbox.host(&format!("{export} --false-alarms 0.2 --out more")).assert().success();
    let more = BlobFile::read(&sandbox.path("more")).unwrap();
    let more = more.open().unwrap();
    assert!(more.header().thresholds.upper < opened.header().thresholds.upper);
    assert_eq!(Section::read(more.input().unwrap()).unwrap().false_alarms, 0.2);
    // The rows are IDX files, which other commands read.
    let rows = json(&sandbox.host(&format!("eval {blob} --data artifacts/rows --json")).output().unwrap());
    assert_eq!(rows["test_mse_int8"], summary["test_mse_int8"]);
}

#[test]
fn fewer_false_alarms_are_asked_for_with_an_option() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("healthy.csv"), csv(28, 0, 0.5)).unwrap();
    let threshold = |rate: &str| {
        train(&sandbox, &format!("--steps 100 --force --false-alarms {rate}"));
        let file = BlobFile::read(&sandbox.path("artifacts/model.int8.blob")).unwrap();
        file.open().unwrap().header().thresholds.upper
    };
    let [few, more, half] = ["0", "0.1", "0.5"].map(threshold);
    assert!(few > more && more > half, "{few}, {more}, {half}");
}

#[test]
fn a_vibration_gets_its_spectrum() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("healthy.csv"), csv(14, 0, 0.0)).unwrap();
    // 24 samples of a period: a window of 48 would be whole periods, but has no spectrum. Two windows of 32 differ by their phase.
    let all =
        format!("train --data healthy.csv {COLUMNS} --window 32 --front-end spectrum --bands 8 --steps 50 --json");
    sandbox.host(&all).assert().success();
    let file = BlobFile::read(&sandbox.path("artifacts/model.int8.blob")).unwrap();
    let opened = file.open().unwrap();
    let section = Section::read(opened.input().unwrap()).unwrap();
    assert_eq!(section.spec.front_end, FrontEnd::Spectrum { bands: 8 });
    assert_eq!((section.spec.inputs(), opened.header().topology.inputs()), (16, 16));
}

#[test]
fn a_column_that_never_changes_is_told_and_any_change_of_it_is_seen() {
    let sandbox = Sandbox::new();
    let text = csv(14, 0, 0.5);
    let with = |value: &str| {
        let lines: Vec<String> = text.lines().skip(1).map(|line| format!("{line},{value}")).collect();
        lines.join("\n") + "\n"
    };
    let header = "recording,time,x,y,fault,z\n";
    fs::write(sandbox.path("healthy.csv"), header.to_owned() + &with("21.5")).unwrap();
    fs::write(sandbox.path("all.csv"), header.to_owned() + &with("21.6").replace(",,", ",hot,") + &with("21.5"))
        .unwrap();
    let output =
        sandbox.host("train --data healthy.csv --group recording --columns x,y,z --window 16 --steps 200").output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && said.contains("16 inputs never changed in training: any change counts"),
        "{said}"
    );
    let eval = "eval artifacts/model.int8.blob --data all.csv --group recording --label fault --json";
    let found = json(&sandbox.host(eval).output().unwrap());
    assert!(found["auc"].as_f64().unwrap() > 0.999, "{found}");
}

#[test]
fn bad_recordings_are_refused_in_one_line_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    let good = csv(14, 0, 0.5);
    let line = |number: usize, with: &str| {
        let mut lines: Vec<&str> = good.lines().collect();
        lines[number - 1] = with;
        lines.join("\n") + "\n"
    };
    let train = "--group recording --columns x,y --window 32";
    for (text, args, expected) in [
        (
            good.clone(),
            "--group recording --columns x,q --window 32",
            "x.csv: no column q; there are recording, time, x, y, fault",
        ),
        (line(5, "0,3,text,1,"), train, "x.csv, line 5, column x: \"text\"; expected a number"),
        (line(6, "0,3,NaN,1,"), train, "line 6, column x: \"NaN\"; expected a number"),
        (line(7, "0,3,1,inf,"), train, "line 7, column y: \"inf\"; expected a number"),
        (line(8, "0,3,1,,"), train, "line 8, column y: an empty cell; expected a number"),
        (line(9, "0,3,1"), train, "x.csv, line 9: 3 columns where the lines before it have 5"),
        (
            good.clone(),
            "--group recording --columns x,y --window 100",
            "x.csv:0: 96 samples, and no other recording has more; a window takes 100",
        ),
        (
            "x,y\n1,2\n".into(),
            "",
            "1 window: too few to validate with; record more, or choose a shorter --window or --hop",
        ),
        (
            good.clone(),
            "--group recording --columns x,y --window 32 --normal good --label fault",
            "no window is labelled normal: --normal says good",
        ),
        ("x\n".to_owned() + &"1\n".repeat(50), "", "every training window is the same: there is nothing to learn"),
        (good.clone(), "--window 30 --front-end spectrum --columns x", "a spectrum takes a --window of 16, 32"),
        (good.clone(), "--window 32 --front-end raw --bands 4 --columns x", "--bands 4: only a spectrum has bands"),
        (String::new(), "", "x.csv: no rows to read"),
        (good.clone(), "--where fault=loose --columns x", "x.csv: no row has fault=loose"),
    ] {
        fs::write(sandbox.path("x.csv"), text).unwrap();
        let error = sandbox.error(&format!("train --data x.csv {args}"));
        assert!(error.contains(expected), "{args}: {error}");
        assert!(!sandbox.path("artifacts").exists(), "{args}");
    }
    for (args, expected) in [
        ("train --data nowhere.csv", "nowhere.csv"),
        ("train --data data --window 8", "IDX files hold rows; --window is for recordings"),
        ("train --data data --columns x", "IDX files have no columns; --columns needs recordings"),
    ] {
        let error = sandbox.error(args);
        assert!(error.contains(expected), "{args}: {error}");
    }
}

#[test]
fn data_that_do_not_fit_a_detector_are_refused() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("healthy.csv"), csv(14, 0, 0.5)).unwrap();
    train(&sandbox, "--steps 50");
    fs::write(sandbox.path("one.csv"), "x\n1\n2\n").unwrap();
    fs::write(sandbox.path("bare.csv"), "1\n2\n").unwrap();
    let blob = "artifacts/model.int8.blob";
    for (args, expected) in [
        (format!("eval {blob} --data one.csv"), "one.csv: no column y; there are x"),
        (format!("eval {blob} --data healthy.csv --columns x"), "1 channel (x); the blob is for 2 channels (x, y)"),
        (
            format!("eval {blob} --data healthy.csv --columns y,x"),
            "2 channels (y, x); the blob is for 2 channels (x, y)",
        ),
        (format!("eval {blob} --data healthy.csv --label fault"), "--label: all windows are normal"),
        (format!("eval {blob} --data healthy.csv --label nothing"), "no column nothing"),
        ("eval artifacts/model.f32.blob --data healthy.csv".into(), "an f32 blob has no threshold"),
        (
            "export artifacts/checkpoint --format int8 --out x --data data".into(),
            "the network takes windows of recordings",
        ),
        (
            "export artifacts/checkpoint --format int8 --out x --data one.csv".into(),
            "the blob is for 2 channels (x, y)",
        ),
    ] {
        let error = sandbox.error(&args);
        assert!(error.contains(expected), "{args}: {error}");
    }
    assert!(!sandbox.path("x").exists());
}

/// A `NumPy` file of `f32`.
fn npy(descriptor: &str, shape: &str, numbers: &[f32]) -> Vec<u8> {
    let header = format!("{{'descr': '{descriptor}', 'fortran_order': False, 'shape': ({shape}), }}");
    let padded = format!("{header:<117}\n");
    let data = numbers.iter().flat_map(|number| number.to_le_bytes());
    b"\x93NUMPY\x01\0".iter().copied().chain(118u16.to_le_bytes()).chain(padded.bytes()).chain(data).collect()
}

#[test]
fn an_array_of_windows_needs_no_options() {
    let sandbox = Sandbox::new();
    let numbers: Vec<f32> = (0..40 * 16 * 2).map(|i| ((i / 32 * 5 + i % 32) as f32 * 0.3).sin()).collect();
    fs::write(sandbox.path("windows.npy"), npy("<f4", "40, 16, 2", &numbers)).unwrap();
    let output = sandbox.host("train --data windows.npy --steps 20").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("40 recordings, 640 samples of 2 channels: windows of 16 samples every 4"), "{said}");
    // Of every seven windows one validates and one tests.
    assert!(said.contains("30 train, 5 validate, 5 test"), "{said}");
    for (name, bytes, expected) in [
        ("objects.npy", npy("|O", "3,", &[1.0; 6]), "expected numbers"),
        ("cut.npy", npy("<f4", "9, 9", &[1.0; 80]), "cut off"),
        ("cut.wav", b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), "cut off"),
    ] {
        fs::write(sandbox.path(name), bytes).unwrap();
        let error = sandbox.error(&format!("train --data {name} --out never"));
        assert!(error.contains(name) && error.contains(expected), "{error}");
        assert!(!sandbox.path("never").exists());
    }
}
