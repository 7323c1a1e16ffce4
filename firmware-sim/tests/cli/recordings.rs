//! `monitor` and `learn` with recordings of a sensor.

use crate::net::{Net, Random};
use crate::place::{Place, json, stderr, stdout};
use autoencoder_core::blob::{Format, Header, Thresholds};
use autoencoder_core::front_end::{FrontEnd, Scale, Spec, write_section};
use autoencoder_io::picture::Gray;
use serde_json::Value;
use std::fmt::Write;
use std::fs;

/// Samples of a window, and from one to the next.
const WINDOW: usize = 8;
const HOP: usize = 4;
/// Samples a second.
const RATE: f32 = 50.0;
/// A score that separates the two kinds of windows.
const THRESHOLD: u32 = 80_000;
const COLUMNS: &str = "--group run --columns x,y --label fault";

/// A sample of two channels, and whether it is faulty.
type Sample = ([u8; 2], bool);

/// A network for windows of two channels. It reconstructs numbers that change slowly.
fn net() -> Net {
    Net::relay("16-8-4-8-16", Format::Int8, 1)
}

/// Its blob with an upper threshold. A number from 0 to 255 is its own input.
fn blob(net: &Net, upper: u32) -> Vec<u8> {
    let spec = Spec { channels: 2, window: WINDOW as u16, hop: HOP as u16, rate: RATE, front_end: FrontEnd::Raw };
    let mut section = [0; 512];
    let scales = [Scale::between(0.0, 255.0).unwrap(); 2 * WINDOW];
    let section = write_section(&spec, "x\ny", 0.005, &scales, &mut section).unwrap();
    net.blob_with_section(&Header { thresholds: Thresholds { lower: 0, upper }, ..net.header() }, section)
}

/// A recording: samples that change slowly between two levels, and then faulty ones that jump.
fn recording_within([low, high]: [i32; 2], normal: usize, faulty: usize, seed: u64) -> Vec<Sample> {
    let mut random = Random::new(seed);
    let mut level = i32::midpoint(low, high);
    let slow = (0..normal).map(|_| {
        level = (level + random.range(-6, 6)).clamp(low, high);
        ([level as u8, (level + random.range(-4, 4)) as u8], false)
    });
    let slow: Vec<Sample> = slow.collect();
    let jumps = (0..faulty).map(|_| ([random.range(0, 255) as u8, random.range(0, 255) as u8], true));
    slow.into_iter().chain(jumps).collect()
}

/// A recording that the network knows, until it is faulty.
fn recording(normal: usize, faulty: usize, seed: u64) -> Vec<Sample> {
    recording_within([215, 250], normal, faulty, seed)
}

/// A file of recordings, which are named by letters.
fn csv(recordings: &[Vec<Sample>]) -> String {
    let mut text = "x,y,run,fault\n".to_owned();
    for (samples, name) in recordings.iter().zip('a'..) {
        for ([x, y], faulty) in samples {
            writeln!(text, "{x},{y},{name},{}", u8::from(*faulty)).unwrap();
        }
    }
    text
}

/// A folder with the blob and recordings.
fn place(recordings: &[Vec<Sample>]) -> Place {
    let place = Place::new();
    place.write("sensor.blob", &blob(&net(), THRESHOLD));
    place.write("runs.csv", csv(recordings).as_bytes());
    place
}

/// A window as the test computes it.
struct Expected {
    recording: char,
    /// Samples of its recording up to its end.
    end: usize,
    faulty: bool,
    score: u32,
}

/// The windows of recordings.
fn windows(recordings: &[Vec<Sample>]) -> Vec<Expected> {
    let net = net();
    let mut all = Vec::new();
    for (samples, recording) in recordings.iter().zip('a'..) {
        let mut start = 0;
        while start + WINDOW <= samples.len() {
            let window = &samples[start..start + WINDOW];
            let row: Vec<u8> = window.iter().flat_map(|(numbers, _)| *numbers).collect();
            let faulty = window.iter().filter(|(_, faulty)| *faulty).count();
            // As many of both: the label that comes first, which is the normal one here.
            all.push(Expected { recording, end: start + WINDOW, faulty: 2 * faulty > WINDOW, score: net.score(&row) });
            start += HOP;
        }
    }
    all
}

/// The share of some scores above a threshold.
fn share<'a>(windows: impl Iterator<Item = &'a Expected>, threshold: u32) -> f64 {
    let above: Vec<bool> = windows.map(|window| window.score > threshold).collect();
    above.iter().filter(|above| **above).count() as f64 / above.len() as f64
}

/// Checks a number of a report; reading it rounds its last bit.
fn near(report: &Value, key: &str, expected: f64) {
    let found = report[key].as_f64();
    assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{key}: {expected} in {report}");
}

/// The windows at which a drift begins: 10 of the recording's last 32 scores are above the threshold. It ends when 4 are
/// left, and with the recording.
fn alarms(windows: &[Expected]) -> Vec<usize> {
    let (mut drifted, mut alarms, mut first) = (false, Vec::new(), 0);
    for i in 0..windows.len() {
        if windows[i].recording != windows[first].recording {
            (drifted, first) = (false, i);
        }
        let last = &windows[first.max((i + 1).saturating_sub(32))..=i];
        let above = last.iter().filter(|window| window.score > THRESHOLD).count();
        let now = if drifted { above > 4 } else { above >= 10 };
        if now && !drifted {
            alarms.push(i);
        }
        drifted = now;
    }
    alarms
}

#[test]
fn monitor_gives_the_device_the_samples_of_recordings() {
    // The fourth is shorter than a window.
    let recordings = [recording(100, 80, 1), recording(400, 0, 2), recording(50, 90, 3), recording(5, 0, 4)];
    let place = place(&recordings);
    let all = windows(&recordings);
    let monitor = format!("monitor --data runs.csv --weights sensor.blob {COLUMNS}");
    let report = json(&place.run(&format!("{monitor} --json --out new/s.png")).success());
    let near = |key: &str, expected: f64| near(&report, key, expected);
    assert_eq!((&report["windows"], &report["threshold"]), (&all.len().into(), &THRESHOLD.into()), "{report}");
    near("above", share(all.iter(), THRESHOLD));
    let [normal, faulty] = [false, true].map(|faulty| share(all.iter().filter(|w| w.faulty == faulty), THRESHOLD));
    near("false_alarms", normal);
    near("detected", faulty);
    assert!(normal < 0.05 && faulty > 0.8, "the test separates nothing: {normal}, {faulty}");
    near("clipped", 0.0);

    let expected = alarms(&all);
    assert_eq!(expected.len(), 2, "one in each faulty stretch: {expected:?}");
    let found = report["alarms"].as_array().unwrap();
    assert_eq!(found.len(), 2, "{report}");
    for (alarm, window) in found.iter().zip(&expected) {
        let Expected { recording, end, .. } = all[*window];
        assert_eq!(alarm["window"], *window);
        assert_eq!(alarm["recording"], format!("runs.csv, recording {recording}"));
        assert_eq!(alarm["seconds"], end as f64 / 50.0);
        assert_eq!(alarm["label"], "1");
    }
    let events = &report["events"];
    assert_eq!([&events["false_alarms"], &events["stretches"], &events["found"]], [0, 2, 2], "{events}");
    assert_eq!(events["false_alarms_per_hour"], 0.0);
    assert_eq!((&report["out"], Gray::read(&place.path("new/s.png")).is_ok()), (&"new/s.png".into(), true));

    let assert = place.run(&monitor).success();
    let text = stdout(&assert);
    let first = &all[expected[0]];
    for part in [
        &format!("runs.csv: {} windows of 8 samples every 4, in 3 recordings; 1 recording is shorter", all.len()),
        "threshold: scores above 80000\n",
        &format!("detected: {:.2} % of faulty windows\n", 100.0 * faulty),
        "alarms: 2, 0 of them false, in ",
        "2 of 2 faulty stretches found\n",
        &format!("  window {}, {:.1} s into runs.csv, recording a, 1\n", expected[0] + 1, first.end as f64 / 50.0),
        "picture: artifacts/stream.png\n",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(!stderr(&assert).contains('\r'), "no live line without a terminal");
    assert!(place.path("artifacts/stream.png").is_file());
}

/// A vote that went on from one recording to the next would have enough odd windows here.
#[test]
fn monitor_judges_each_recording_by_itself() {
    let recordings = [recording(100, 36, 1), recording(0, 36, 2), recording(200, 60, 3), recording(0, 60, 4)];
    let place = place(&recordings);
    let all = windows(&recordings);
    let odd = |recording| all.iter().filter(|w| w.recording == recording && w.score > THRESHOLD).count();
    assert!(odd('a') < 10 && odd('b') < 10 && odd('a') + odd('b') >= 12 && odd('c') > 10 && odd('d') > 10);
    let options = format!("--data runs.csv --weights sensor.blob {COLUMNS}");
    let report = json(&place.run(&format!("monitor --json {options}")).success());
    let found = report["alarms"].as_array().unwrap();
    let found: Vec<_> = found.iter().map(|alarm| alarm["window"].as_u64().unwrap() as usize).collect();
    assert_eq!(found, alarms(&all));
    assert_eq!(found.iter().map(|window| all[*window].recording).collect::<String>(), "cd");
    let events = &report["events"];
    assert_eq!([&events["false_alarms"], &events["stretches"], &events["found"]], [0, 4, 2], "{events}");
}

#[test]
fn without_labels_and_rate_alarms_are_only_counted() {
    let recordings = [recording(60, 80, 1)];
    let place = place(&recordings);
    let all = windows(&recordings);
    let report =
        json(&place.run("monitor --json --data runs.csv --weights sensor.blob --group run --columns x,y").success());
    for key in ["false_alarms", "detected", "events"] {
        assert_eq!(report[key], Value::Null, "{key}: {report}");
    }
    near(&report, "above", share(all.iter(), THRESHOLD));
    assert_eq!(report["alarms"].as_array().unwrap().len(), alarms(&all).len());
    assert_eq!(report["alarms"][0]["label"], Value::Null);
    // A number beyond the scale is clipped in each of the two windows that it is in.
    let text = fs::read_to_string(place.path("runs.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    place.write("runs.csv", [&lines[..21], &["300,100,a,0"], &lines[22..]].concat().join("\n").as_bytes());
    let report =
        json(&place.run("monitor --json --data runs.csv --weights sensor.blob --group run --columns x,y").success());
    near(&report, "clipped", 2.0 / (16 * all.len()) as f64);
}

/// Recordings of a new place: all numbers are 60 higher than those for which the network was made.
fn moved() -> [Vec<Sample>; 3] {
    [(900, 0), (300, 0), (0, 300)].map(|(normal, faulty)| {
        let samples = recording_within([73, 183], normal, faulty, 1 + normal as u64);
        let up = |([x, y], faulty): Sample| if faulty { ([x, y], true) } else { ([x + 60, y + 60], false) };
        samples.into_iter().map(up).collect()
    })
}

#[test]
fn learn_adapts_to_recordings_and_monitor_uses_what_was_learned() {
    // Most windows of the new place are above it, but not by half.
    const UPPER: u32 = 27_000;
    let recordings = moved();
    let place = place(&recordings);
    place.write("sensor.blob", &blob(&net(), UPPER));
    let all = windows(&recordings);
    let first = all.iter().filter(|window| window.recording == 'a').count();
    let options = format!("--data runs.csv --weights sensor.blob {COLUMNS}");
    let learn = format!("learn --json {options} --first {first} --passes 2 --flash flash --out out.png");
    let report = json(&place.run(&learn).success());
    let expected = [
        ("windows", all.len()),
        ("learned_from", first),
        ("held_out", 8),
        ("passes", 2),
        ("measured_on", all.len() - first),
        ("threshold_before", UPPER as usize),
        ("record", 1),
    ];
    for (key, expected) in expected {
        assert_eq!(report[key], expected, "{key}: {report}");
    }
    assert_eq!((&report["persisted"], &report["rejected"]), (&true.into(), &Value::Null), "{report}");
    // Before: the scores of the blob's own network.
    let rest = || all.iter().filter(|window| window.recording != 'a');
    let [normal, faulty] = [false, true].map(|faulty| rest().filter(|w| w.faulty == faulty).collect::<Vec<_>>());
    let wins = faulty.iter().map(|faulty| {
        let term = |normal: &&&Expected| match faulty.score.cmp(&normal.score) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        };
        normal.iter().map(|normal| term(&normal)).sum::<f64>()
    });
    let auc = wins.sum::<f64>() / (normal.len() * faulty.len()) as f64;
    let near = |key: &str, expected: f64| near(&report, key, expected);
    near("auc_before", auc);
    near("false_alarms_before", share(normal.iter().copied(), UPPER));
    near("detected_before", share(faulty.iter().copied(), UPPER));
    near("above_before", share(rest(), UPPER));
    // After: what the monitor reports with the learned parameters.
    let monitor = format!("monitor --json {options} --where run=b,c --flash flash");
    let monitored = json(&place.run(&monitor).success());
    for (learned, own) in [
        ("threshold_after", "threshold"),
        ("false_alarms_after", "false_alarms"),
        ("detected_after", "detected"),
        ("above_after", "above"),
    ] {
        assert_eq!(report[learned], monitored[own], "{learned}: {report} {monitored}");
    }
    let figure = |key: &str| report[key].as_f64().unwrap();
    assert!(figure("false_alarms_after") < figure("false_alarms_before") && figure("auc_after") > auc, "{report}");
    assert_eq!(monitored["record"], 1, "{monitored}");
    let assert = place.run(&monitor.replace("--json ", "")).success();
    assert!(stdout(&assert).contains("with what was learned, record 1\n"), "{}", stdout(&assert));
    assert!(stderr(&assert).contains("flash: flash: what was learned, record 1"), "{}", stderr(&assert));
    // Without the file, the device has the blob's, and says where others are.
    let assert = place.run(&monitor.replace(" --flash flash", "")).success();
    assert_eq!((&json(&assert)["record"], &json(&assert)["threshold"]), (&Value::Null, &UPPER.into()));
    let picture = Gray::read(&place.path("out.png"));
    assert!(picture.is_ok_and(|picture| picture.height == 2 * 480));

    // Steps that are far too large: the channels are undone, and the thresholds are kept.
    let report = json(&place.run(&format!("{learn} --optimizer sgd --rate 1")).success());
    assert_eq!((&report["thresholds_only"], &report["record"]), (&true.into(), &2.into()), "{report}");
    for key in ["threshold", "false_alarms", "detected", "above", "auc"] {
        assert_eq!(report[&format!("{key}_before")], report[&format!("{key}_after")], "{key}: {report}");
    }
    assert_eq!(report["false_alarms_before"], monitored["false_alarms"], "a second run begins with what was learned");
    let text = stdout(&place.run(&learn.replace(" --json", " --optimizer sgd --rate 1")).success());
    for part in [
        &format!("learned from the {first} first normal windows: out.png"),
        "  false alarms ",
        "\nthresholds alone, kept as record 3",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[test]
fn a_refused_run_of_learning_fails_and_leaves_the_device_as_it_was() {
    // The windows are more than half above it.
    const UPPER: u32 = 9_000;
    let place = place(&moved());
    place.write("sensor.blob", &blob(&net(), UPPER));
    let learn =
        format!("learn --data runs.csv --weights sensor.blob {COLUMNS} --first 200 --flash flash --out out.png");
    let assert = place.run(&learn).code(1);
    let (text, error) = (stdout(&assert), stderr(&assert));
    assert!(error.contains("\nerror: the device has refused the run: its windows are too different"), "{error}");
    assert!(error.ends_with("; --foreign learns from them all the same\n"), "{error}");
    assert!(text.contains("\ntried to learn from the 200 first normal windows: out.png\n"), "{text}");
    assert!(text.contains(&format!("\n                     before\n  threshold      {UPPER:10}\n")), "{text}");
    assert!(text.contains("\nrefused: nothing of the run is kept\n  nothing was learned yet\n"), "{text}");
    assert!(Gray::read(&place.path("out.png")).is_ok_and(|picture| picture.height == 480));
    let report = json(&place.run(&learn.replace("learn", "learn --json")).code(1));
    assert_eq!((&report["persisted"], &report["threshold_after"]), (&false.into(), &UPPER.into()), "{report}");
    // Forced, it learns.
    let report = json(&place.run(&learn.replace("learn", "learn --json --foreign")).success());
    assert_eq!((&report["persisted"], &report["record"]), (&true.into(), &1.into()), "{report}");
}

#[test]
fn a_detector_has_one_figure_for_its_flash() {
    let place = place(&moved());
    let options = format!("--data runs.csv --weights sensor.blob {COLUMNS}");
    let budget = json(&place.run("budget --json --weights sensor.blob --board nucleo-f446re").success());
    let [row] = &budget["detectors"].as_array().unwrap()[..] else { panic!("{budget}") };
    // The code of a detector is estimated as 44 KiB.
    let expected = blob(&net(), THRESHOLD).len() + 44 * 1024;
    assert_eq!((&row["flash_bytes"], &budget["budget"]), (&expected.into(), &Value::Null));
    for command in [
        format!("monitor --json {options} --out m.png"),
        format!("learn --json {options} --flash flash --foreign"),
        "verify --json --rows 20 --weights sensor.blob --link in-process".into(),
    ] {
        assert_eq!(json(&place.run(&command).success())["flash_bytes"], expected, "{command}");
    }
    let small = place.run(&format!("learn {options} --flash flash --board stm32f103")).code(1);
    let error = stderr(&small);
    assert!(
        error.contains("over budget: learning with the detector 16-8-4-8-16 on stm32f103 exceeds RAM by "),
        "{error}"
    );
}

#[test]
fn learn_measures_on_windows_that_share_no_sample_with_those_it_learned_from() {
    let recordings = [recording(400, 200, 5)];
    let place = place(&recordings);
    let all = windows(&recordings);
    let learn = "learn --json --data runs.csv --weights sensor.blob --group run --columns x,y --flash flash";
    // Without labels: a third of all windows. The window after the last of these begins within it.
    let report = json(&place.run(learn).success());
    let first = all.len() / 3;
    assert_eq!((&report["learned_from"], &report["measured_on"]), (&first.into(), &(all.len() - first - 1).into()));
    for key in ["false_alarms_before", "detected_after", "auc_after"] {
        assert_eq!(report[key], Value::Null, "{key}: {report}");
    }
    near(&report, "above_before", share(all[first + 1..].iter(), THRESHOLD));
    // The same windows as an array, which does not say that they overlap.
    let windows = recordings[0].windows(WINDOW).step_by(HOP);
    let numbers: Vec<u8> = windows.flatten().flat_map(|(numbers, _)| *numbers).collect();
    let shape = format!("{}, {WINDOW}, 2", all.len());
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}");
    let array = [b"\x93NUMPY\x01\0\x76\0".to_vec(), format!("{header:<117}\n").into_bytes(), numbers].concat();
    place.write("runs.npy", &array);
    let of_array = json(&place.run("learn --json --data runs.npy --weights sensor.blob --flash other").success());
    for key in ["learned_from", "measured_on", "above_before"] {
        assert_eq!(of_array[key], report[key], "{key}");
    }
    // With labels: a third of the normal ones.
    let report = json(&place.run(&format!("{learn} --label fault --force")).success());
    let first = all.iter().filter(|window| !window.faulty).count() / 3;
    assert_eq!((&report["learned_from"], &report["measured_on"]), (&first.into(), &(all.len() - first - 1).into()));
}

#[test]
fn recordings_that_do_not_fit_are_refused_and_nothing_is_written() {
    let place = place(&[recording(60, 80, 1)]);
    place.write("text.csv", b"x,y,run,fault\n1,2,a,0\n1,high,a,0\n");
    place.write("short.csv", b"x,y,run,fault\n1,2,a,0\n1,2,a,1\n");
    place.write("one.csv", csv(&[recording(200, 0, 1)]).as_bytes());
    place.write("few.csv", csv(&[recording(60, 20, 1)]).as_bytes());
    place.write("rows/t10k-images-idx2-ubyte", &[0, 0, 8, 2, 0, 0, 0, 0]);
    let before = files(&place);
    for command in ["monitor", "learn"] {
        for (options, because) in [
            ("--data runs.csv --columns x,z", "runs.csv: no column z; there are x, y, run, fault"),
            ("--data text.csv --columns x,y", "text.csv, line 3"),
            (
                "--data short.csv --columns x,y",
                "short.csv: 2 samples, and no other recording has more; a window takes 8",
            ),
            (
                "--data runs.csv --columns x",
                "sensor.blob does not fit the data: runs.csv: 1 channel (x); the blob is for 2 channels (x, y)",
            ),
            ("--data runs.csv --columns y,x", "2 channels (y, x); the blob is for 2 channels (x, y)"),
            (
                "--data one.csv --columns x,y --label fault",
                "--label: all windows are normal (labels: \"0\"; normal labels are empty, 0, normal, ok and healthy",
            ),
            (
                "--data runs.csv --columns x,y --label fault --normal ok",
                "--label: all windows are faulty (labels: \"0\", \"1\"; --normal says ok)",
            ),
            ("--data none.csv", "none.csv: No such file"),
            ("--data runs.csv --columns x,y --shift dark", "--shift: "),
            ("--data runs.csv --columns x,y --rows 20", "--rows: "),
            ("--data rows --label fault", "rows: IDX files have no columns; --label needs recordings"),
            ("--data runs.csv --columns x,y --out sensor.blob", "sensor.blob: the output would replace an input"),
            ("--data runs.csv --columns x,y --out runs.csv", "runs.csv: the output would replace an input"),
        ] {
            place.refuses(&format!("{command} {options} --weights sensor.blob"), because);
        }
        place.refuses(
            &format!("{command} --data runs.csv --columns x,y --weights classic.blob"),
            "classic.blob: the network takes rows of bytes, not recordings",
        );
        let run = place.run(&format!("{command} --data runs.csv --normal ok --weights sensor.blob")).code(2);
        assert!(stderr(&run).contains("--label <COLUMN>"), "{}", stderr(&run));
    }
    for (options, because) in [
        ("monitor --data rows --out s.png", "--out: only recordings have it"),
        ("learn --data rows --first 20", "--first: only for recordings"),
        ("learn --data rows --passes 2", "--passes: only for recordings"),
        ("learn --data runs.csv --columns x,y --test-rows 9", "--test-rows: "),
        ("learn --data runs.csv --columns x,y --first 900", "--first 900: the recordings have 34 windows"),
        ("learn --data runs.csv --columns x,y --first 34", "--first 34: of 34 windows, none is left to measure on"),
        ("learn --data few.csv --columns x,y", "19 windows, and a third of them is 6; more than the 8 that are held"),
    ] {
        place.refuses(&format!("{options} --weights sensor.blob"), because);
    }
    assert_eq!(files(&place), before);
}

/// The files in a place, and their contents.
fn files(place: &Place) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.map(|path| (path.clone(), fs::read(&path).unwrap_or_default())).collect();
    files.sort();
    files
}
