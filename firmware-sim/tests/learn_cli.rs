//! `learn` and `reset` as a user runs them, with the shipped weights and a shifted sensor.

use assert_cmd::assert::Assert;
use assert_cmd::cargo::cargo_bin_cmd;
use autoencoder_io::picture::Gray;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// A run short enough for a test and long enough to help.
const LEARN: &str = "learn --json --rows 200 --test-rows 50 --out out/learned.png";

/// A folder in which the program runs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &str) -> Assert {
        let mut command = cargo_bin_cmd!("firmware-sim");
        command.current_dir(self.0.path()).args(arguments.split(' '));
        command.arg("--weights").arg(Path::new(ROOT).join("models/classic.int8.blob")).assert()
    }

    /// Runs `learn` or `reset` with a flash in this folder. Returns the object that it prints.
    fn json(&self, arguments: &str) -> Value {
        let data = if arguments.starts_with("learn") { format!(" --data {ROOT}/data/mnist") } else { String::new() };
        let assert = self.run(&format!("{arguments} --flash flash{data}")).success();
        serde_json::from_slice(&assert.get_output().stdout).unwrap()
    }

    fn flash(&self) -> Vec<u8> {
        fs::read(self.path("flash")).unwrap()
    }
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} in {object}"))
}

#[test]
fn learned_parameters_survive_until_they_are_reset() {
    let place = Place::new();
    let first = place.json(LEARN);
    let (before, after) = (number(&first, "mse_before"), number(&first, "mse_after"));
    assert!(after < 0.5 * before, "{first}");
    assert!(number(&first, "mse_old_data_before") < before, "{first}");
    assert!(number(&first, "mse_old_data") > 0.0, "{first}");
    assert_eq!((&first["persisted"], &first["record"]), (&true.into(), &1.into()));
    assert_eq!((&first["rows"], &first["test_rows"]), (&200.into(), &50.into()));
    assert_eq!((&first["shift"], &first["heap_bytes"]), (&"gain-offset".into(), &0.into()));
    assert_eq!(number(&first, "ram_bytes"), number(&first, "static_bytes") + number(&first, "stack_bytes"));
    // Sixteen columns: originals, reconstructions before, reconstructions after.
    let picture = Gray::read(&place.path("out/learned.png")).unwrap();
    assert_eq!((picture.width, picture.height), (16 * 58 + 2, 3 * 58 + 2));

    // The next run begins where this one ended.
    let second = place.json(LEARN);
    assert_eq!(number(&second, "mse_before"), after, "{second}");
    let kept = place.flash();
    assert_eq!(kept.len(), 32 * 1024);

    assert_eq!((&second["wear"]["records"], &second["wear"]["erasures"]), (&2.into(), &1.into()));
    // If bits have changed or the power was cut, the other slot counts, and a message says so.
    let mut torn = kept.clone();
    torn[16 * 1024 + 100] ^= 1;
    fs::write(place.path("flash"), &torn).unwrap();
    let torn = place.json(&format!("{LEARN} --rate 1 --optimizer sgd")); // rolled back
    assert_eq!(number(&torn, "mse_before"), number(&first, "mse_after"), "{torn}");
    assert_eq!((&torn["wear"]["records"], &torn["wear"]["other_slot_damaged"]), (&1.into(), &true.into()), "{torn}");
    fs::write(place.path("flash"), &kept).unwrap();

    let reset = place.json("reset --json");
    assert_eq!(reset["persisted"], false, "{reset}");
    assert_eq!((&reset["wear"]["records"], &reset["wear"]["erasures"]), (&4.into(), &2.into()), "{reset}");
    assert!(place.flash() != kept);
    let third = place.json(LEARN);
    assert_eq!((number(&third, "mse_before"), number(&third, "mse_after")), (before, after), "{third}");
}

#[test]
fn an_output_that_is_the_flash_or_an_input_is_refused() {
    let place = Place::new();
    let learn = format!("learn --rows 1 --test-rows 16 --data {ROOT}/data/mnist");
    place.run(&format!("{learn} --flash flash")).success();
    let kept = place.flash();
    let assert = place.run(&format!("{learn} --flash flash --out flash")).code(1);
    let err = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(err.contains("flash: the same file as another output"), "{err}");
    assert!(place.flash() == kept);
}

#[test]
fn learned_parameters_are_used_only_if_their_flash_is_named() {
    let place = Place::new();
    place.run(&format!("learn --rows 1000 --test-rows 50 --data {ROOT}/data/mnist --flash flash")).success();
    let ask = |arguments: &str| -> Value {
        let assert = place.run(&format!("{arguments} --json --data {ROOT}/data/mnist")).success();
        serde_json::from_slice(&assert.get_output().stdout).unwrap()
    };
    let roundtrip = "roundtrip --rows 50 --shift gain-offset";
    let (learned, untouched) = (ask(&format!("{roundtrip} --flash flash")), ask(roundtrip));
    assert!(number(&learned, "mse") < 0.1 * number(&untouched, "mse"), "{learned} {untouched}");
    assert_eq!((&learned["record"], &untouched["record"]), (&1.into(), &Value::Null));

    // The monitor reports the original sensor and is quiet at the learned one.
    let monitor = "monitor --rows 400 --shift gain-offset";
    let (learned, untouched) = (ask(&format!("{monitor} --flash flash")), ask(monitor));
    assert!(number(&untouched, "noticed_after") <= 10.0 && untouched["quiet_after"].is_null(), "{untouched}");
    assert!(learned["noticed_after"].is_null() && number(&learned, "quiet_after") <= 32.0, "{learned}");
    assert!(number(&learned, "above_after") < 0.05 && number(&learned, "above_before") > 0.95, "{learned}");
    // Whichever half is familiar, the AUC measures how well the other half is separated from it.
    assert!(number(&learned, "auc") > 0.999 && number(&untouched, "auc") > 0.999, "{learned} {untouched}");
    for limit in ["lower_threshold", "upper_threshold"] {
        assert!(learned[limit].is_u64() && learned[limit] != untouched[limit], "{learned} {untouched}");
    }

    // Other devices refuse its codes.
    ask("encode --rows 3 --flash flash --out codes.bin");
    assert_eq!(ask("decode codes.bin --flash flash --out decoded.png")["skipped"], 0);
    let assert = place.run("decode codes.bin --out decoded.png").code(1);
    let err = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(err.contains("refused 3 packets made with other weights or other learned parameters ("), "{err}");
    let assert = place.run(&format!("roundtrip --flash nowhere --data {ROOT}/data/mnist")).code(1);
    let err = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(err.contains("nowhere: no such file: nothing was learned there"), "{err}");
    place.run("reset --flash flash").success();
    assert_eq!(ask(&format!("{roundtrip} --flash flash"))["mse"], ask(roundtrip)["mse"]);
}

#[test]
fn a_flash_of_other_weights_or_a_damaged_flash_is_refused_by_readers() {
    let place = Place::new();
    place.json(LEARN);
    let read = format!("roundtrip --rows 2 --flash flash --data {ROOT}/data/mnist");
    place.run(&read).success();
    let said = |because: &str| {
        let assert = place.run(&read).code(1);
        let err = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(err.contains(&format!("error: flash: {because}")), "{err}");
    };
    let kept = place.flash();
    let mut other = kept.clone();
    other[8] ^= 1; // another CRC of the weights, in a record whose own CRC is right
    let end = 20 + u32::from_le_bytes(*other[16..].first_chunk().unwrap()) as usize;
    let crc = autoencoder_core::crc::checksum(&other[..end]).to_le_bytes();
    other[end..end + 4].copy_from_slice(&crc);
    fs::write(place.path("flash"), &other).unwrap();
    said("a record of other weights (");
    let mut damaged = kept;
    damaged[100] ^= 1;
    fs::write(place.path("flash"), &damaged).unwrap();
    said("damaged: it holds no whole record");
}

/// The other blob that comes with the repository.
fn with_the_other(place: &Place, arguments: &str) -> Assert {
    let mut command = cargo_bin_cmd!("firmware-sim");
    command.current_dir(place.0.path()).args(arguments.split(' '));
    command.arg("--weights").arg(Path::new(ROOT).join("models/classic.int4.blob")).assert()
}

#[test]
fn the_record_of_another_network_stays_and_is_reported() {
    let place = Place::new();
    place.json(LEARN);
    let kept = place.flash();
    let said = |assert: Assert| String::from_utf8(assert.code(1).get_output().stderr.clone()).unwrap();
    let learn = format!("learn --rows 400 --test-rows 20 --out png --flash flash --data {ROOT}/data/mnist");
    for (arguments, hint) in [
        ("reset --flash flash".to_owned(), ""),
        (format!("roundtrip --rows 2 --flash flash --data {ROOT}/data/mnist"), ""),
        (learn.clone(), "; give another --flash, or --force to replace it"),
    ] {
        let err = said(with_the_other(&place, &arguments));
        let line = err.lines().last().unwrap();
        assert!(
            line.starts_with("error: flash: a record of other weights (") && line.ends_with(&format!("){hint}")),
            "{err}"
        );
        assert!(place.flash() == kept && !place.path("png").exists());
    }
    // With --force it is replaced, but only if the run helped.
    with_the_other(&place, &format!("{learn} --force --rate 1 --optimizer sgd")).success();
    assert!(place.flash() == kept, "rolled back");
    let object = with_the_other(&place, &format!("{learn} --force --json")).success();
    let object: Value = serde_json::from_slice(&object.get_output().stdout).unwrap();
    assert_eq!((&object["record"], place.flash() == kept), (&1.into(), false), "{object}");
    // A reset without a flash file makes no file.
    let err = said(place.run("reset --flash none"));
    assert!(err.ends_with("error: none: no such file: nothing was learned there\n"), "{err}");
    assert!(!place.path("none").exists());
}

#[test]
fn the_hint_at_a_flash_file_appears_only_if_it_can_be_used() {
    let place = Place::new();
    let hint = "--flash artifacts/learned.flash selects the learned ones";
    let hinted = |assert: Assert| {
        let err = String::from_utf8(assert.success().get_output().stderr.clone()).unwrap();
        err.contains(hint)
    };
    let roundtrip = format!("roundtrip --rows 2 --data {ROOT}/data/mnist");
    assert!(!hinted(place.run(&roundtrip)));
    place.run(&format!("learn --rows 200 --test-rows 20 --data {ROOT}/data/mnist")).success();
    assert!(hinted(place.run(&roundtrip)));
    place.run(&format!("{roundtrip} --flash artifacts/learned.flash")).success();
    assert!(!hinted(with_the_other(&place, &roundtrip)), "the flash is of another network");
    place.run("reset").success();
    assert!(!hinted(place.run(&roundtrip)), "the flash has been reset");
}

#[test]
fn a_flash_that_another_process_writes_is_refused() {
    use autoencoder_io::files::FileLock;
    let place = Place::new();
    place.json(LEARN);
    let kept = place.flash();
    let lock = FileLock::new(&place.path("flash")).unwrap();
    for arguments in [format!("learn --rows 10 --data {ROOT}/data/mnist --flash flash"), "reset --flash flash".into()] {
        let assert = place.run(&arguments).code(1);
        let err = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(err.ends_with("error: flash: another process is using this file\n"), "{err}");
    }
    drop(lock);
    place.run("reset --flash flash").success();
    assert!(place.flash() != kept);
    let names: Vec<_> = fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.len() == 2 && names.iter().all(|name| name == "flash" || name == "out"), "{names:?}");
}

/// INT is Ctrl-C, and HUP is the end of the terminal.
#[cfg(unix)]
#[test]
fn a_stopped_run_reports_that_nothing_is_kept() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    for (signal, code) in [("INT", 130), ("HUP", 129), ("TERM", 143)] {
        let place = Place::new();
        place.json(LEARN);
        let kept = place.flash();
        // If a shell starts the tests in the background, they ignore Ctrl-C. `env` undoes that where it can.
        let program = env!("CARGO_BIN_EXE_firmware-sim");
        let undo = ["env", "--default-signal=INT,HUP"];
        let works = Command::new(undo[0]).args([undo[1], "true"]).status().is_ok_and(|status| status.success());
        let words: Vec<&str> = undo.into_iter().filter(|_| works).chain([program]).collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .current_dir(place.0.path())
            .args(["learn", "--rows", "59000", "--test-rows", "1", "--flash", "flash", "--data"])
            .arg(Path::new(ROOT).join("data/mnist"))
            .arg("--weights")
            .arg(Path::new(ROOT).join("models/classic.int8.blob"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let begun = said.by_ref().map(Result::unwrap).any(|line| line.starts_with("flash: flash: what was learned"));
        assert!(begun, "{signal}");
        std::thread::sleep(std::time::Duration::from_millis(500)); // some of 59,000 rows
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        let rest: Vec<String> = said.map(Result::unwrap).collect();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}: {rest:?}");
        assert_eq!(rest, ["error: stopped: nothing of this run is kept; flash is unchanged"], "{signal}");
        assert!(place.flash() == kept);
        assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 2, "{signal}: flash and out");
    }
}

/// `nohup`, or a script that starts the program in the background, makes it ignore signals.
#[cfg(target_os = "linux")]
#[test]
fn an_ignored_signal_stays_ignored() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_firmware-sim");
    let learn = "learn --rows 2000 --test-rows 1 --flash flash";
    let weights = format!("--weights {ROOT}/models/classic.int8.blob --data {ROOT}/data/mnist");
    let mut child = Command::new("sh")
        .current_dir(place.0.path())
        .args(["-c", &format!("trap '' HUP; exec {program} {learn} {weights}")])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("flash: flash: ") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0);
    }
    assert!(Command::new("kill").args(["-s", "HUP", &child.id().to_string()]).status().unwrap().success());
    said.read_to_string(&mut line).unwrap();
    assert!(child.wait().unwrap().success(), "{line}");
    assert!(place.path("flash").is_file());
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_learning() {
    let place = Place::new();
    fs::write(place.path("file"), b"no folder").unwrap();
    for (flash, out) in [("flash", "file/picture.png"), ("file/flash", "out.png")] {
        let options = format!("--rows 60 --flash {flash} --out {out} --data {ROOT}/data/mnist");
        let assert = place.run(&format!("learn {options}")).code(1);
        let err = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(err.contains("error: file/"), "{err}");
        assert!(!place.path("flash").exists() && !place.path("out.png").exists());
    }
}

#[test]
fn a_run_that_does_not_help_is_rolled_back_and_the_flash_stays_unchanged() {
    let place = Place::new();
    place.json(LEARN);
    let kept = place.flash();
    // Steps that are far too large drive every output to an end of its range.
    let report = place.json(&format!("{LEARN} --rate 1 --optimizer sgd"));
    assert_eq!((&report["persisted"], &report["record"]), (&false.into(), &Value::Null), "{report}");
    assert_eq!(report["mse_after"], report["mse_before"], "{report}");
    assert!(place.flash() == kept);
}

#[test]
fn learn_and_reset_print_their_results_as_text() {
    let place = Place::new();
    let data = format!("--data {ROOT}/data/mnist --flash flash");
    let assert = place.run(&format!("learn --rows 200 --test-rows 50 --out out/learned.png {data}")).success();
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    for part in ["learned from 200 images, sensor gain-offset: out/learned.png", "shifted sensor", "original sensor"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(text.contains("kept as record 1 in the device's flash: flash"), "{text}");
    let assert = place.run("reset --flash flash").success();
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    assert!(text.contains("before: what was learned, record 1; at most 1 of 10000 rated erasures used\n"), "{text}");
    // A reset writes both slots, so that a flipped bit cannot bring back the discarded parameters.
    assert!(
        text.contains(
            "now:    reset to the parameters of the blob, records 2 and 3; at most 2 of 10000 rated erasures used\n"
        ),
        "{text}"
    );
}

#[test]
fn a_board_without_the_ram_for_learning_is_refused_with_what_would_fit() {
    let place = Place::new();
    for (board, instead) in [
        ("stm32f103", "what would fit: the board nucleo-f401re"),
        ("lm3s6965evb", "what would fit: the topology small, the board nucleo-f401re"),
    ] {
        let assert = place.run(&format!("learn --board {board} --data {ROOT}/data/mnist --flash flash")).code(1);
        let err = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(
            err.contains(&format!("error: over budget: learning with classic on {board} exceeds flash by")),
            "{err}"
        );
        assert!(err.trim_end().ends_with(instead), "{err}");
        assert!(!place.path("flash").exists());
    }
}

#[test]
fn a_file_that_is_not_a_flash_is_refused_and_stays() {
    let place = Place::new();
    fs::write(place.path("flash"), [1; 100]).unwrap();
    for arguments in [format!("learn --data {ROOT}/data/mnist --flash flash"), "reset --flash flash".to_owned()] {
        let assert = place.run(&arguments).code(1);
        let err = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        let hint = if arguments.starts_with("learn") { "; not a flash: give another --flash" } else { "" };
        assert!(err.ends_with(&format!("error: flash: 100 bytes; the device's flash has 32768{hint}\n")), "{err}");
        assert_eq!(place.flash(), [1; 100]);
    }
    assert!(!place.path("artifacts").exists());
}

#[test]
fn a_picture_that_would_replace_an_input_or_the_flash_is_refused() {
    let place = Place::new();
    let world = place.path("world");
    fs::create_dir(&world).unwrap();
    for name in ["train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"] {
        fs::copy(Path::new(ROOT).join("data/mnist").join(name), world.join(name)).unwrap();
    }
    let size = || fs::metadata(world.join("t10k-images-idx3-ubyte.gz")).unwrap().len();
    let before = size();
    for (out, shift, because) in [
        ("flash", "invert", "the same file as another output"),
        ("world/t10k-images-idx3-ubyte.gz", "world", "the output would replace an input"),
    ] {
        let arguments = format!("learn --rows 10 --shift {shift} --out {out} --flash flash --data {ROOT}/data/mnist");
        let assert = place.run(&arguments).code(1);
        let err = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(err.ends_with(&format!("error: {out}: {because}\n")), "{err}");
    }
    assert!(!place.path("flash").exists() && size() == before);
}

#[test]
fn the_rows_of_the_chart_are_labelled_with_their_position() {
    let place = Place::new();
    let arguments = format!("learn --rows 15 --test-rows 20 --flash flash --data {ROOT}/data/mnist");
    let assert = place.run(&arguments).success();
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let rows = text.lines().skip(1).map_while(|line| line.split_whitespace().next()?.parse().ok());
    assert_eq!(rows.collect::<Vec<usize>>(), [0, 2, 4, 6, 8, 10, 12, 14]);
}
