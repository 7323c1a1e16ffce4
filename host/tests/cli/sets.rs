//! Which recordings train and which test, which of their columns are channels, and what is in the way of that.

use crate::sandbox::{Sandbox, json};
use std::fs;

/// Seven recordings of a sine as CSV, each of 96 samples; `shift` makes them others.
fn csv(shift: f32) -> String {
    let row = |(recording, i): (usize, usize)| {
        let phase = i as f32 * 0.26 + recording as f32 + shift;
        format!("{recording},{i},{:.4},{:.4}\n", phase.sin(), phase.cos())
    };
    let rows = (0..7).flat_map(|recording| (0..96).map(move |i| (recording, i)));
    "recording,time,x,y\n".to_owned() + &rows.map(row).collect::<String>()
}

const TRAIN: &str = "train --group recording --window 16 --front-end raw --steps 20";

#[test]
fn what_trains_is_no_test_and_trains_once() {
    let sandbox = Sandbox::new();
    for (name, text) in [("a.csv", csv(0.0)), ("copy.csv", csv(0.0).replace(',', ";")), ("b.csv", csv(0.5))] {
        fs::create_dir_all(sandbox.path("runs")).unwrap();
        fs::write(sandbox.path(name), &text).unwrap();
        fs::write(sandbox.path("runs").join(name), &text).unwrap();
    }
    fs::remove_file(sandbox.path("runs/copy.csv")).unwrap();
    for (args, expected) in [
        (
            "--data a.csv --test a.csv",
            "a.csv: its samples train, so they are no test; give other recordings, or rows of",
        ),
        ("--data runs --test runs/../runs/a.csv", "a.csv: its samples train, so they are no test"),
        ("--data a.csv --test copy.csv", "copy.csv, recording 0: the same samples as a.csv, recording 0, which train"),
        ("--data a.csv --data a.csv", "a.csv: given twice"),
        ("--data a.csv ./a.csv", "./a.csv: the same file as a.csv"),
        ("--data runs runs/b.csv", "runs/b.csv: given twice"),
        ("--data b.csv copy.csv a.csv", "a.csv, recording 0: the same samples as copy.csv, recording 0; give each"),
    ] {
        let error = sandbox.error(&format!("{TRAIN} --columns x,y {args}"));
        assert!(error.contains(expected), "{args}: {error}");
        assert!(!sandbox.path("artifacts").exists(), "{args}");
    }
    sandbox.host(&format!("{TRAIN} --columns x,y --data a.csv --test b.csv")).assert().success();
}

/// Found only after hours of training, each of these would have cost them.
#[test]
fn what_is_in_the_way_is_said_before_the_training() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("a.csv"), csv(0.0)).unwrap();
    fs::write(sandbox.path("short.csv"), "recording,time,x,y\n0,0,1,2\n").unwrap();
    fs::create_dir(sandbox.path("taken")).unwrap();
    fs::write(sandbox.path("taken/rows"), "").unwrap();
    for (args, expected) in [
        ("--out taken", "taken/rows/validation-rows-idx2-ubyte: taken/rows is not a folder"),
        ("--test short.csv", "short.csv, recording 0: 1 sample, and no other recording has more; a window takes 16"),
    ] {
        let error = sandbox.error(&format!("{TRAIN} --columns x,y --data a.csv {args}"));
        assert!(error.contains(expected), "{args}: {error}");
        assert!(!sandbox.path("artifacts").exists(), "{args}");
        assert_eq!(fs::read_dir(sandbox.path("taken")).unwrap().count(), 1, "{args}");
    }
}

#[test]
fn what_is_not_used_is_said() {
    let sandbox = Sandbox::new();
    for (folder, shift) in [("runs", 0.0), ("tests", 0.5)] {
        fs::create_dir(sandbox.path(folder)).unwrap();
        // The eighth recording is shorter than a window.
        let row = format!("7,0,{shift},1\n");
        fs::write(sandbox.path(folder).join("a.csv"), csv(shift) + &row).unwrap();
        fs::write(sandbox.path(folder).join("README.md"), "").unwrap();
    }
    let output = sandbox.host(&format!("{TRAIN} --columns x,y --data runs --test tests")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    for line in [
        "runs: 8 recordings, 673 samples of 2 channels (x, y); 1 recording is shorter than a window",
        "to test on: 8 recordings; 1 recording is shorter than a window",
        "no recordings, so left out: runs/README.md",
        "no recordings, so left out: tests/README.md",
    ] {
        assert!(said.lines().any(|other| other == line), "{line} in {said}");
    }
    let output = sandbox.host("eval --data tests --group recording").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut lines = said.lines();
    let first = lines.next().unwrap();
    assert!(first.ends_with(" windows of tests; 1 recording is shorter than a window"), "{said}");
    assert_eq!(lines.next(), Some("no recordings, so left out: tests/README.md"), "{said}");
}

/// A window at rest is the same as any other at rest: that it trained says nothing.
#[test]
fn windows_at_rest_do_not_count_as_trained() {
    let sandbox = Sandbox::new();
    let rest = "7,0,0,0\n".repeat(320);
    fs::write(sandbox.path("a.csv"), csv(0.0) + &rest).unwrap();
    let train = "train --data a.csv --group recording --columns x,y --window 32 --front-end raw --steps 20";
    sandbox.host(train).assert().success();
    let trained = |data: &str| {
        let eval = format!("eval --data {data} --group recording --json");
        json(&sandbox.host(&eval).output().unwrap())["trained"].clone()
    };
    assert!(trained("a.csv").as_u64().unwrap() > 0);
    fs::write(sandbox.path("rest.csv"), "recording,time,x,y\n".to_owned() + &rest).unwrap();
    assert_eq!(trained("rest.csv"), 0);
}

#[test]
fn paths_without_data_are_said_to_have_none() {
    let sandbox = Sandbox::new();
    for folder in ["empty", "outer/inner"] {
        fs::create_dir_all(sandbox.path(folder)).unwrap();
    }
    fs::write(sandbox.path("outer/inner/a.csv"), csv(0.0)).unwrap();
    fs::write(sandbox.path("notes.txt"), csv(0.0)).unwrap();
    for (args, expected) in [
        ("--data empty", "empty: a folder without recordings (.csv, .tsv, .npy, .npz or .wav) and without IDX files"),
        ("--data empty --window 16", "empty: a folder without recordings"),
        ("--data outer", "outer: folders in a folder are not read, and outer/inner has recordings; name each folder"),
        (
            "--data notes.txt",
            "notes.txt: expected recordings, in files that are named .csv, .tsv, .npy, .npz or .wav, or",
        ),
    ] {
        let error = sandbox.error(&format!("train {args}"));
        assert!(error.contains(expected), "{args}: {error}");
        assert!(!sandbox.path("artifacts").exists(), "{args}");
    }
}

#[test]
fn the_summary_names_channels_and_other_files_and_warns_of_clocks() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("runs")).unwrap();
    fs::write(sandbox.path("runs/a.csv"), csv(0.0)).unwrap();
    fs::write(sandbox.path("runs/README.md"), "").unwrap();
    let said = |args: &str| {
        let output = sandbox.host(&format!("{TRAIN} --force --data runs {args}")).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let all = said("");
    assert!(all.contains("7 recordings, 672 samples of 3 channels (time, x, y)\n"), "{all}");
    assert!(all.contains("no recordings, so left out: runs/README.md\n"), "{all}");
    let warning = "warning: channels that may be none: time (only ever rises, like a clock or a counter); choose with \
                   --columns x,y\n";
    assert!(all.contains(warning), "{all}");
    assert!(said("--json").contains(warning));
    assert!(!said("--columns time,x,y").contains("warning"), "a user who names it wants it");
    assert!(!said("--columns x,y").contains("warning"));
}

/// The picture of the rows of a detector has a cell for each channel, as `eval` draws it: 800 pixels wide.
#[test]
fn windows_of_a_detector_are_drawn_channel_by_channel() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("a.csv"), csv(0.0)).unwrap();
    sandbox.host(&format!("{TRAIN} --columns x,y --data a.csv")).assert().success();
    let picture = fs::read(sandbox.path("artifacts/reconstructions.png")).unwrap();
    assert_eq!(picture[16..24], [0, 0, 3, 32, 0, 0, 1, 224], "800 x 480 pixels");
}
