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
    let summary = train(&sandbox, "--front-end raw");
    assert!(summary["test_mse_int8"].as_f64().unwrap() < 0.01, "{summary}");
    let blob = "artifacts/model.int8.blob";
    let file = BlobFile::read(&sandbox.path(blob)).unwrap();
    let opened = file.open().unwrap();
    let section = Section::read(opened.input().unwrap()).unwrap();
    assert_eq!((section.names, section.spec.window, section.spec.hop, section.spec.rate), ("x\ny", 32, 8, 50.0));
    assert_eq!((section.spec.front_end, section.spec.channels), (FrontEnd::Raw, 2));
    assert_eq!(opened.header().topology.to_string(), "64-64-22-64-64");
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
    for name in ["pca", "mahalanobis"] {
        let baseline = &found["baselines"][name];
        assert!(baseline["auc"].as_f64().unwrap() > 0.5, "{found}");
        // The same figures as of the network, at a threshold of the same rule.
        for key in ["average_precision", "false_alarms", "detected"] {
            assert!((0.0..=1.0).contains(&baseline[key].as_f64().unwrap()), "{key} of {found}");
        }
        assert_eq!(baseline["events"]["stretches"], 6);
        assert_eq!((&baseline["labels"][1]["label"], &baseline["labels"][1]["windows"]), (&"loose".into(), &54.into()));
    }
    assert_eq!(
        (&found["labels"][0]["events"]["stretches"], &found["labels"][1]["events"]["stretches"]),
        (&0.into(), &6.into())
    );
    assert!(found["no_baselines"].is_null() && found["worth_it"].is_boolean(), "{found}");
    // Of 14 normal recordings, each of nine windows.
    assert_eq!(found["labels"][0]["windows"], 126);
    let text = String::from_utf8(sandbox.host(&eval).output().unwrap().stdout).unwrap();
    for part in ["loose", "PCA, 22 components", "monitor: ", "false alarms: ", "detected: "] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for picture in ["scores", "roc", "stream", "windows"] {
        assert!(
            fs::metadata(sandbox.path("artifacts").join(format!("{picture}.png"))).unwrap().len() > 1000,
            "{picture}"
        );
    }

    // Without labels nothing is known to be normal.
    let bare = format!("eval {blob} --data everything.csv --group recording --columns x,y");
    let unknown = json(&sandbox.host(&format!("{bare} --json")).output().unwrap());
    assert!(unknown["false_alarms"].is_null() && unknown["auc"].is_null() && unknown["above"].is_f64(), "{unknown}");
    let said = String::from_utf8(sandbox.host(&bare).output().unwrap().stdout).unwrap();
    assert!(said.contains("without --label, nothing is known") && !said.contains("false alarm"), "{said}");

    // The exporter writes the trainer's bytes, the input section included.
    let export = format!("export artifacts/checkpoint --format int8 --data healthy.csv {COLUMNS}");
    sandbox.host(&format!("{export} --out again")).assert().success();
    assert_eq!(fs::read(sandbox.path("again")).unwrap(), file.bytes());
    // A threshold for more false alarms, without another training.
    sandbox.host(&format!("{export} --false-alarms 0.29 --out more")).assert().success();
    let more = BlobFile::read(&sandbox.path("more")).unwrap();
    let more = more.open().unwrap();
    assert!(more.header().thresholds.upper < opened.header().thresholds.upper);
    assert_eq!(Section::read(more.input().unwrap()).unwrap().false_alarms, 0.29);
    for (command, expected) in [
        ("inspect more".to_owned(), "false alarms   29 % asked for"),
        (eval.replace(blob, "more"), ", where 29 % were asked for"),
        (bare.replace(blob, "more"), "of the windows, where 29 % of normal ones were asked for"),
    ] {
        let said = String::from_utf8(sandbox.host(&command).output().unwrap().stdout).unwrap();
        assert!(said.contains(expected), "{said}");
    }
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
fn a_spectrum_has_the_bands_that_were_asked_for() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("healthy.csv"), csv(14, 0, 0.0)).unwrap();
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
    // Two steps of an `f32` are a change, but less than a scale resolves.
    let hardly = with("21.5").replacen(",21.5\n", ",21.500004\n", 100);
    fs::write(sandbox.path("hardly.csv"), header.to_owned() + &hardly).unwrap();
    for (data, how) in
        [("hardly", "hardly changed in training (by less"), ("healthy", "never changed in training: any")]
    {
        let train =
            "train --group recording --columns x,y,z --window 16 --front-end raw --steps 200 --force --data".to_owned();
        let output = sandbox.host(&format!("{train} {data}.csv")).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains(&format!("channel z: 16 inputs {how}")), "{said}");
    }
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
            "x.csv, recording 0: 96 samples, and no other recording has more; a window takes 100",
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
        ("x,y\n".into(), "", "x.csv: no rows to read"),
        ("x,y\n1,2\n".into(), "--window 4", "x.csv: 1 sample, and no other recording has more; a window takes 4"),
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
        (format!("eval {blob} --data one.csv"), "one.csv: no column y; there is x\n"),
        (format!("eval {blob} --data healthy.csv --columns x"), "1 channel (x); the blob is for 2 channels (x, y)"),
        (
            format!("eval {blob} --data healthy.csv --columns y,x"),
            "2 channels (y, x); the blob is for 2 channels (x, y)",
        ),
        (format!("eval {blob} --data healthy.csv --label fault"), "--label: all windows are normal"),
        (format!("eval {blob} --data healthy.csv --label nothing"), "no column nothing"),
        (format!("eval {blob} --data healthy.csv --out one.csv"), "one.csv: File exists"),
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

/// A recording that is normal for 60 samples and then loose: only windows of the first part may train, and each window that has
/// more than half of its samples from the second one is faulty.
#[test]
fn windows_with_a_faulty_sample_do_not_train() {
    let sandbox = Sandbox::new();
    let mut text = "recording,x,y,fault\n".to_owned();
    for (recording, i) in (0..8).flat_map(|recording| (0..100).map(move |i| (recording, i))) {
        let (x, y) = ((i as f32 * 0.26 + recording as f32).sin(), (i as f32 * 0.26 + recording as f32).cos());
        writeln!(
            text,
            "{recording},{x:.4},{:.4},{}",
            if i < 60 { y } else { -4.0 * y },
            if i < 60 { "" } else { "loose" }
        )
        .unwrap();
    }
    fs::write(sandbox.path("all.csv"), &text).unwrap();
    let all = "--data all.csv --group recording --label fault";
    let output =
        sandbox.host(&format!("train {all} --window 16 --hop 4 --front-end raw --steps 150")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // (60 - 16) / 4 + 1 windows are normal, (100 - 16) / 4 + 1 are there.
    assert!(output.status.success() && said.contains("72 train, 12 validate, 12 test"), "{said}");
    assert!(said.contains("80 with faulty samples do not train"), "{said}");
    let found = json(&sandbox.host(&format!("eval artifacts/model.int8.blob {all} --json")).output().unwrap());
    // Windows from sample 56 on have more than eight samples of the fault.
    assert_eq!(
        (&found["labels"][0]["windows"], &found["labels"][1]["windows"]),
        (&(8 * 14).into(), &(8 * 8).into()),
        "{found}"
    );
}

/// Two people in one file: one to train on, one to test on.
#[test]
fn a_column_says_which_rows_test() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("all.csv"), csv(28, 0, 0.5)).unwrap();
    let some = (20..28).map(|recording| recording.to_string()).collect::<Vec<_>>().join(",");
    let all = format!("train --data all.csv {COLUMNS} --window 32 --hop 8 --front-end raw --steps 60 --json");
    let found = json(&sandbox.host(&format!("{all} --test-where recording={some}")).output().unwrap());
    // Of 20 recordings of nine windows three validate; eight others test.
    assert_eq!(found["rows"], serde_json::json!({ "train": 17 * 9, "validation": 27, "test": 72 }), "{found}");
    for (args, expected) in [
        (
            format!(
                "{all} --force --test-where recording={}",
                (0..28).map(|i| i.to_string()).collect::<Vec<_>>().join(",")
            ),
            "so none is left to train with",
        ),
        (format!("{all} --force --test-where recording=99"), "all.csv: no row has recording=99"),
        (
            "train --data data --out other --test-where x=1".to_owned(),
            "IDX files hold rows; --test-where is for recordings",
        ),
    ] {
        let error = sandbox.error(&args);
        assert!(error.contains(expected), "{args}: {error}");
    }
}

#[test]
fn a_program_reads_what_training_chose_and_what_the_threshold_gives() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("healthy.csv"), csv(28, 0, 0.5)).unwrap();
    let found = train(&sandbox, "");
    assert_eq!(found["rows"], serde_json::json!({ "train": 180, "validation": 36, "test": 36 }), "{found}");
    let trials = found["front_end_trials"].as_object().unwrap();
    let best = trials.iter().max_by(|a, b| a.1.as_f64().unwrap().total_cmp(&b.1.as_f64().unwrap())).unwrap();
    assert_eq!(found["front_end"], best.0.as_str());
    let blob = BlobFile::read(&sandbox.path("artifacts/model.int8.blob")).unwrap();
    assert_eq!(found["threshold"], blob.open().unwrap().header().thresholds.upper);
    assert_eq!((&found["false_alarms_asked"], &found["false_alarms_of_validation"]), (&0.005.into(), &0.0.into()));
    // 36 windows of which four share each sample are as nine: one of ten others is the highest.
    assert!((found["false_alarms_expected"].as_f64().unwrap() - 0.1).abs() < 1e-12, "{found}");
    let tried = found["steps_tried"].as_array().unwrap();
    assert!(tried.iter().any(|tried| tried[0] == found["steps"]), "{found}");
    let interval = found["false_alarms_interval"].as_array().unwrap();
    assert!(
        interval[0].as_f64() <= found["false_alarms"].as_f64()
            && found["false_alarms"].as_f64() <= interval[1].as_f64()
    );
    let said = sandbox
        .host(&format!("train --data healthy.csv {COLUMNS} --window 32 --hop 8 --steps 60 --force --false-alarms 0.07"))
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("2 of 36 validation windows, where 7 % were asked for"), "{said}");
    let expected = "\n  too few independent windows for 7 %: expect some 10.0 % of other normal windows above it\n";
    assert!(said.contains(expected), "{said}");
}

/// What a network says about its samples cannot be said again.
#[test]
fn options_without_an_effect_are_refused() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("healthy.csv"), csv(14, 0, 0.5)).unwrap();
    train(&sandbox, "--steps 50");
    let (from, export) = ("train --from artifacts/checkpoint --out more", "export artifacts/checkpoint --out more");
    let data = format!("--data healthy.csv {COLUMNS}");
    for (args, expected) in [
        (format!("{from} {data} --window 32"), "--window: the network that exists says how samples become rows"),
        (format!("{from} {data} --front-end raw"), "--front-end: the network that exists says"),
        (format!("{export} --format int8 {data} --hop 8"), "--hop: the network that exists says"),
        (
            format!("export artifacts/model.f32.blob --format f32 --out more {data}"),
            "f32 needs no data; --data has no effect",
        ),
        (
            "export artifacts/model.f32.blob --format f32 --out more --false-alarms 0.1".into(),
            "f32 needs no data; --false-alarms has no effect",
        ),
        (
            "export artifacts/model.int8.blob --format int8-rows --out more --bands 3".into(),
            "whose numbers stay as they are; --bands has no effect",
        ),
    ] {
        let error = sandbox.error(&args);
        assert!(error.contains(expected), "{args}: {error}");
        assert!(!sandbox.path("more").exists(), "{args}");
    }
}

/// What a blob cannot hold is found before the training, and what it can hold is read back by its names.
#[test]
fn names_with_line_breaks_are_kept_and_huge_numbers_are_refused() {
    let sandbox = Sandbox::new();
    let text = csv(14, 0, 0.5).replacen(",x,y,", ",\"speed\n(m/s)\",y,", 1);
    fs::write(sandbox.path("x.csv"), &text).unwrap();
    let train =
        "train --group recording --where fault= --window 32 --front-end raw --steps 50 --json --out a --data x.csv";
    json(&sandbox.host(train).output().unwrap());
    let file = BlobFile::read(&sandbox.path("a/model.int8.blob")).unwrap();
    assert_eq!(Section::read(file.open().unwrap().input().unwrap()).unwrap().names, "time\nspeed (m/s)\ny");
    json(&sandbox.host("eval a/model.int8.blob --data x.csv --group recording --json").output().unwrap());
    let huge =
        (0..200).map(|i| format!("{},{}e38\n", i % 7, if i % 2 == 0 { 3 } else { -3 })).collect::<Vec<_>>().concat();
    fs::write(sandbox.path("x.csv"), "x,y\n".to_owned() + &huge).unwrap();
    let error = sandbox.error("train --data x.csv --window 4 --out b");
    assert!(error.contains("channel y: its numbers are too large for the scale of an input"), "{error}");
    assert!(!sandbox.path("b").exists());
}

/// Beside a blob are the rows of its training. Those of another one must not judge it.
#[test]
fn linear_detectors_are_fitted_to_the_rows_of_the_same_training() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("healthy.csv"), csv(14, 0, 0.5)).unwrap();
    fs::write(sandbox.path("all.csv"), csv(10, 3, 0.5)).unwrap();
    train(&sandbox, "--steps 50 --front-end raw");
    fs::copy(sandbox.path("artifacts/model.int8.blob"), sandbox.path("artifacts/old.blob")).unwrap();
    fs::create_dir(sandbox.path("elsewhere")).unwrap();
    fs::copy(sandbox.path("artifacts/model.int8.blob"), sandbox.path("elsewhere/alone.blob")).unwrap();
    let eval = |blob: &str| {
        let args = format!("eval {blob} --data all.csv --group recording --label fault --json --out pictures");
        json(&sandbox.host(&args).output().unwrap())
    };
    let found = eval("artifacts/old.blob");
    assert_eq!(found["baselines"].as_object().unwrap().len(), 2);
    // Seven of these ten recordings are healthy.csv's, of nine windows each, and some of them trained.
    let trained = found["trained"].as_u64().unwrap();
    assert!(0 < trained && trained <= 63 && trained.is_multiple_of(9), "{trained}");
    assert!(eval("elsewhere/alone.blob")["trained"].is_null(), "nobody knows");
    let text = sandbox.host("eval elsewhere/alone.blob --data all.csv --group recording").output().unwrap().stdout;
    assert!(String::from_utf8(text).unwrap().contains("how many of these windows trained the network is not known\n"));
    // Rows that are there and cannot be read.
    let rows = fs::read(sandbox.path("artifacts/rows/train-rows-idx2-ubyte")).unwrap();
    fs::create_dir_all(sandbox.path("short/rows")).unwrap();
    for (name, bytes) in [("train", &rows[..rows.len() - 1]), ("validation", &rows[..])] {
        fs::write(sandbox.path(&format!("short/rows/{name}-rows-idx2-ubyte")), bytes).unwrap();
    }
    fs::copy(sandbox.path("artifacts/model.int8.blob"), sandbox.path("short/model.blob")).unwrap();
    fs::create_dir_all(sandbox.path("folder/rows/validation-rows-idx2-ubyte")).unwrap();
    fs::copy(sandbox.path("artifacts/model.int8.blob"), sandbox.path("folder/model.blob")).unwrap();
    let cut = format!(
        "short/rows/train-rows-idx2-ubyte: cut short: {} bytes of the {} that its header announces",
        rows.len() - 1,
        rows.len()
    );
    assert_eq!(eval("short/model.blob")["no_baselines"], cut);
    let said = eval("folder/model.blob")["no_baselines"].as_str().unwrap().to_owned();
    assert!(said.starts_with("folder/rows/validation-rows-idx2-ubyte: Is a directory"), "{said}");
    train(&sandbox, "--steps 60 --front-end centred --force");
    for (blob, expected) in [
        ("artifacts/old.blob", "the rows in artifacts/rows are those of another training"),
        ("elsewhere/alone.blob", "the rows of the training are not in elsewhere/rows"),
    ] {
        let found = eval(blob);
        assert!(found["baselines"].as_object().unwrap().is_empty() && found["worth_it"].is_null(), "{found}");
        assert_eq!(found["no_baselines"], expected);
    }
    assert_eq!(eval("artifacts/model.int8.blob")["baselines"].as_object().unwrap().len(), 2);
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
    fs::write(sandbox.path("long.npy"), npy("<f4", "128, 2", &numbers[..256])).unwrap();
    let output = sandbox.host("train --data windows.npy --steps 20").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("40 recordings, 640 samples of 2 channels\nwindows of 16 samples every 4: 26 train"),
        "{said}"
    );
    // The array is cut in time after 28 and 34 of 40 windows, and those two are in two parts. Every second window has the
    // samples of the one before, five further on: before each cut, two windows share more than one sample with the first
    // window behind it.
    assert!(said.contains("26 train, 3 validate, 5 test"), "{said}");
    fs::write(sandbox.path("short.npy"), npy("<f4", "40, 8, 2", &numbers[..640])).unwrap();
    for (other, what) in [("short.npy", "of different lengths"), ("long.npy", "beside recordings of any length")] {
        let both = format!("train --data windows.npy {other} --steps 20 --out both");
        assert_eq!(sandbox.error(&both), format!("error: arrays of windows {what}; choose one with --window\n"));
        assert!(!sandbox.path("both").exists());
        sandbox.host(&format!("{both} --force --window 8")).assert().success();
        fs::remove_dir_all(sandbox.path("both")).unwrap();
    }
    // A blob of channels with names reads an array without any.
    fs::write(sandbox.path("healthy.csv"), csv(14, 0, 0.5)).unwrap();
    train(&sandbox, "--steps 20 --force");
    let found = json(&sandbox.host("eval artifacts/model.int8.blob --data long.npy --json").output().unwrap());
    assert_eq!(found["windows"], 13, "{found}");
    for (name, bytes, expected) in [
        (
            "windows.npy",
            npy("<f4", "2, 70000, 1", &vec![1.0; 140_000]),
            "windows of 70000 samples; a detector takes at most 65535",
        ),
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

/// All windows of one array are above the threshold and none of the other: two arrays say little about a third one.
#[test]
fn windows_of_one_array_are_no_independent_ones() {
    let sandbox = Sandbox::new();
    let windows: Vec<f32> = (0..40 * 16).map(|i| ((i / 16 * 5 + i % 16) as f32 * 0.3).sin()).collect();
    let wild: Vec<f32> = (0..40 * 16).map(|i| if i % 2 == 0 { 1e3 } else { -1e3 }).collect();
    for (name, numbers) in [("windows.npy", &windows), ("still.npy", &vec![0.0; 40 * 16]), ("wild.npy", &wild)] {
        fs::write(sandbox.path(name), npy("<f4", "40, 16, 1", numbers)).unwrap();
    }
    sandbox.host("train --data windows.npy --front-end raw --steps 20").assert().success();
    let eval = "eval artifacts/model.int8.blob --data still.npy --data wild.npy";
    let said = String::from_utf8(sandbox.host(eval).output().unwrap().stdout).unwrap();
    assert!(said.contains("above it: 50.00 % (0.15 to 99.85 %) of the windows"), "{said}");
}

/// A WAV file of two channels of 16 bits.
fn wav(samples: &[[i16; 2]], rate: u32) -> Vec<u8> {
    let bytes = 4 * samples.len() as u32;
    let header = [
        &b"RIFF"[..],
        &(36 + bytes).to_le_bytes(),
        b"WAVEfmt \x10\0\0\0\x01\0\x02\0",
        &rate.to_le_bytes(),
        &(4 * rate).to_le_bytes(),
        b"\x04\0\x10\0data",
        &bytes.to_le_bytes(),
    ];
    let numbers = samples.iter().flatten().flat_map(|sample| sample.to_le_bytes());
    header.concat().into_iter().chain(numbers).collect()
}

/// A ZIP archive of one file, stored as it is (APPNOTE.TXT 4.3: local header, central directory, its end).
fn npz(name: &str, data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    let size = (data.len() as u32).to_le_bytes();
    // Version 2.0, no flags, stored, no time; checksum, sizes, length of the name, no extra field.
    let entry = [
        &b"\x14\0\0\0\0\0\0\0\x21\0"[..],
        &crc.sum().to_le_bytes(),
        &size,
        &size,
        &(name.len() as u16).to_le_bytes(),
        &[0; 2],
    ];
    let entry = entry.concat();
    let local = [b"PK\x03\x04", &entry[..], name.as_bytes(), data].concat();
    let central = [b"PK\x01\x02\x14\0", &entry[..], &[0; 14], name.as_bytes()].concat();
    let sizes = [central.len() as u32, local.len() as u32].map(u32::to_le_bytes).concat();
    let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &sizes, &[0; 2]].concat();
    [local, central, end].concat()
}

#[test]
fn sound_and_archives_become_detectors() {
    let sandbox = Sandbox::new();
    // Two channels, a quarter of a period apart, and for the fault half a period.
    let sample = |t: usize, shift: f32| {
        [0.0, shift].map(|shift| ((t as f32 / 7.3 + shift).sin() * 1000.0 + ((t * 7919) % 101) as f32) as i16)
    };
    let samples = |shift| (0..4000).map(|t| sample(t, shift)).collect::<Vec<_>>();
    let numbers = |samples: &[[i16; 2]]| samples.iter().flatten().map(|x| f32::from(*x)).collect::<Vec<f32>>();
    let array = |samples: &[[i16; 2]]| npz("stream.npy", &npy("<f4", "4000, 2", &numbers(samples)));
    let (healthy, faulty) = (samples(1.6), samples(3.1));
    for (name, [healthy, faulty], rate) in
        [("wav", [wav(&healthy, 8000), wav(&faulty, 8000)], 8000.0), ("npz", [array(&healthy), array(&faulty)], 0.0)]
    {
        fs::write(sandbox.path(&format!("healthy.{name}")), healthy).unwrap();
        fs::write(sandbox.path(&format!("faulty.{name}")), faulty).unwrap();
        let train = format!("train --data healthy.{name} --window 32 --front-end raw --steps 300 --out {name} --json");
        sandbox.host(&train).assert().success();
        let blob = format!("{name}/model.int8.blob");
        let file = BlobFile::read(&sandbox.path(&blob)).unwrap();
        let opened = file.open().unwrap();
        let section = Section::read(opened.input().unwrap()).unwrap();
        assert_eq!((section.spec.channels, section.spec.window, section.spec.rate), (2, 32, rate));
        // Neither kind of file has labels, so nothing is known about their windows.
        let above = |data: &str| {
            let eval = format!("eval {blob} --data {data}.{name} --json");
            json(&sandbox.host(&eval).output().unwrap())["above"].as_f64().unwrap()
        };
        assert!(above("healthy") < 0.1 && above("faulty") > 0.9, "{name}: {}, {}", above("healthy"), above("faulty"));
    }
}
