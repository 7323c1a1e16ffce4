//! Trained weights are never lost by a stop, divergence, a crash, damage or a second run.

use crate::sandbox::{Sandbox, program};
use autoencoder_core::Topology;
use autoencoder_io::idx::Images;
use host::export::{BlobMeta, f32_blob};
use host::train::checkpoint::{Checkpoint, CheckpointError};
use host::train::{Recipe, Trainer};
use std::fs;
use std::io::Read;

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_resume_ends_in_the_same_bytes() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 1000 --out whole --json").assert().success();

    let train = "train --data data --topology small --batch 100 --steps 1000 --out parts";
    let (code, rest) = signalled(&sandbox, "--default-signal=INT", train, "-INT");
    assert_eq!(code, Some(130));
    assert!(rest.contains("error: stopped at step ") && rest.contains("--resume"), "{rest}");
    assert!(!sandbox.path("parts/model.int8.blob").exists());

    sandbox.host("train --resume --data data --out parts --json").assert().success();
    for file in ["model.f32.blob", "model.int8.blob", "loss.csv", "reconstructions.png"] {
        let [whole, parts] = ["whole", "parts"].map(|out| fs::read(sandbox.path(out).join(file)).unwrap());
        assert!(whole == parts, "{file} differs");
    }
    let other = sandbox.error("train --resume --data data --out parts --seed 9");
    assert!(other.contains("the stored run has seed 1, this command has 9"), "{other}");
}

/// The program, with the treatment of a signal that `env` sets. A shell that starts the tests in the background makes them
/// ignore Ctrl-C.
#[cfg(unix)]
fn interruptible(signals: &str) -> std::process::Command {
    let mut command = std::process::Command::new("env");
    let works = command.args([signals, "true"]).status().is_ok_and(|status| status.success());
    if !works {
        return std::process::Command::new(program());
    }
    let mut command = std::process::Command::new("env");
    command.arg(signals).arg(program());
    command
}

/// Under `nohup`, a run goes on when its terminal is gone.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let sandbox = Sandbox::new();
    let train = "train --data data --topology small --batch 100 --steps 2000 --out nohup";
    let (code, rest) = signalled(&sandbox, "--ignore-signal=HUP", train, "-HUP");
    assert!(code == Some(0) && sandbox.path("nohup/model.int8.blob").exists(), "{rest}");
}

/// Sends a signal to a run under way. Returns its exit code and the rest of its messages. The first line of progress comes at
/// step 1,000, and then a checkpoint. A run is killed before that.
#[cfg(unix)]
fn signalled(sandbox: &Sandbox, treatment: &str, train: &str, signal: &str) -> (Option<i32>, String) {
    let mut child = interruptible(treatment)
        .current_dir(sandbox.folder.path())
        .args(train.split(' '))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    if signal == "-KILL" {
        std::thread::sleep(std::time::Duration::from_millis(100));
    } else {
        until_a_line(&mut stderr);
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    (child.wait().unwrap().code(), rest)
}

/// Reads the lines about the data and the first of progress: then training is under way.
#[cfg(unix)]
fn until_a_line(stderr: &mut impl std::io::BufRead) {
    let mut line = String::new();
    while !line.contains("test MSE") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "no progress");
    }
}

/// The trainer of a sandbox's runs.
fn trainer(sandbox: &Sandbox, steps: u32) -> Trainer {
    let images = Images::train(&sandbox.path("data")).unwrap();
    Trainer::new(&Topology::named("small").unwrap(), Recipe::DEFAULT, steps, 100, 1, &images)
}

/// The state of `trainer`, to be changed: parameters, first and second moments.
fn state(trainer: &mut Trainer) -> [Vec<f32>; 3] {
    trainer.state().map(|network| network.parameters().to_vec())
}

fn restore(trainer: &mut Trainer, step: u32, state: &[Vec<f32>; 3]) {
    trainer.restore(step, &[], state.each_ref().map(Vec::as_slice));
}

/// A checkpoint whose next step makes a weight infinite. The weight is that of a pixel that is always black, so the loss of that
/// step is still a number.
fn about_to_diverge(sandbox: &Sandbox, step: u32) -> Checkpoint {
    let path = sandbox.path("artifacts/checkpoint");
    let good = Checkpoint::read(&path).unwrap();
    let mut trainer = trainer(sandbox, 4);
    good.restore(&mut trainer);
    let mut moments = state(&mut trainer);
    let weight = 7 * 784; // that of output 7 and input 0 in the first layer
    (moments[1][weight], moments[2][weight]) = (3e38, 0.0);
    restore(&mut trainer, step, &moments);
    let diverging = Checkpoint::new(good.run.clone(), &mut trainer);
    diverging.write(&path).unwrap();
    diverging
}

#[test]
fn a_run_that_diverges_stops_and_keeps_the_last_good_files() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 4 --json").assert().success();
    let files = ["checkpoint", "model.f32.blob", "model.int8.blob"];
    let read = || files.map(|file| fs::read(sandbox.path("artifacts").join(file)).unwrap());
    for (step, message) in [
        // The last step's checkpoint is due with an infinite weight in it.
        (3, "a weight or a moment is not finite at step 4: training diverged; the checkpoint of step 3 is still"),
        (2, "the loss is NaN at step 4: training diverged; the checkpoint of step 2 is still"),
    ] {
        let checkpoint = about_to_diverge(&sandbox, step);
        let before = read();
        // The second run continues from the checkpoint that the first one left.
        for _ in 0..2 {
            let output = sandbox.host("train --data data --resume").output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert_eq!(stderr.lines().last(), Some(&*format!("error: {message} in artifacts")), "{stderr}");
            assert!(read() == before);
            assert!(Checkpoint::read(&sandbox.path("artifacts/checkpoint")).unwrap() == checkpoint);
        }
    }
}

#[test]
fn no_number_that_is_not_finite_is_written() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2 --json").assert().success();
    let path = sandbox.path("artifacts/checkpoint");
    let (before, good) = (fs::read(&path).unwrap(), Checkpoint::read(&path).unwrap());
    let mut trainer = trainer(&sandbox, 2);
    for which in 0..3 {
        for number in [f32::NAN, f32::INFINITY] {
            good.restore(&mut trainer);
            let mut broken = state(&mut trainer);
            let last_layers_bias = broken[which].len() - 784;
            broken[which][last_layers_bias + 9] = number;
            restore(&mut trainer, 1, &broken);
            let error = Checkpoint::new(good.run.clone(), &mut trainer).write(&path).unwrap_err();
            assert!(matches!(error, CheckpointError::NotFinite { .. }), "{error}");
            if which == 0 {
                let error = f32_blob(trainer.network(), BlobMeta { steps: 1, code_bits: 8, input: &[] }).unwrap_err();
                assert_eq!(error.to_string(), "layer 4: a parameter is not finite");
            }
        }
    }
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn a_file_that_is_not_a_good_checkpoint_is_named() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2 --json").assert().success();
    let path = sandbox.path("artifacts/checkpoint");
    let good = fs::read(&path).unwrap();
    let with = |at: usize, byte: u8| [&good[..at], &[byte], &good[at + 1..]].concat();
    let longer = format!("{} bytes after the end of the checkpoint", good.len());
    for (bytes, message) in [
        (Vec::new(), "a file of 0 bytes; expected a checkpoint"),
        (good[..1].to_vec(), "a file of 1 byte; expected a checkpoint"),
        (good[..3].to_vec(), "a file of 3 bytes; expected a checkpoint"),
        (good[..4].to_vec(), "a file of 4 bytes; expected a checkpoint"),
        ([&good[..], &[0]].concat(), "1 byte after the end of the checkpoint"),
        (good.repeat(2), &longer),
        (with(0, b'x'), "not a checkpoint"),
        (with(4, 3), "a checkpoint of version 3; this program reads version 4"),
        (with(5000, !good[5000]), "a damaged checkpoint"),
        (good[..5].to_vec(), "a damaged checkpoint"),
        (good[..good.len() / 2].to_vec(), "a damaged checkpoint"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = sandbox.error("train --data data --resume");
        assert_eq!(error, format!("error: artifacts/checkpoint: {message}\n"));
        // A new run does not replace the file either.
        let before = fs::read(&path).unwrap();
        let error = sandbox.error("train --data data --steps 2");
        assert_eq!(
            error,
            format!("error: artifacts/checkpoint: {message}; give another --out, or --force to replace it\n")
        );
        assert!(fs::read(&path).unwrap() == before);
    }
    // Not even --force replaces a blob by a checkpoint.
    let blob = fs::read(sandbox.path("artifacts/model.f32.blob")).unwrap();
    fs::write(&path, &blob).unwrap();
    assert_eq!(sandbox.error("train --data data --resume"), "error: artifacts/checkpoint: not a checkpoint\n");
    for force in ["", " --force"] {
        let error = sandbox.error(&format!("train --data data --steps 2{force}"));
        let there = "a weights blob is there, which is not replaced: give another name, or delete it";
        assert_eq!(error, format!("error: artifacts/checkpoint: {there}\n"));
    }
    assert!(fs::read(&path).unwrap() == blob);
}

/// The settings of a run determine its steps.
#[test]
fn a_run_continues_only_with_its_own_settings() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 4").assert().success();
    let files = ["checkpoint", "loss.csv", "model.f32.blob", "model.int8.blob"];
    let read = || files.map(|file| fs::read(sandbox.path("artifacts").join(file)).unwrap());
    let before = read();
    let resume = "train --resume --data data";
    for (option, message) in [
        ("--batch 50", "batch 100, this command has 50"),
        ("--steps 5", "steps 4, this command has 5"),
        ("--seed 9", "seed 1, this command has 9"),
        ("--recipe seed", "recipe default, this command has seed"),
        ("--topology classic", "topology small, this command has classic"),
        ("--quantise-aware none", "quantise-aware int8, this command has none"),
        ("--code-bits 4", "code-bits 8, this command has 4"),
    ] {
        let error = sandbox.error(&format!("{resume} {option}"));
        assert_eq!(error, format!("error: artifacts/checkpoint: the stored run has {message}\n"));
    }
    // One pixel of one training image.
    let images = sandbox.path("data/train-images-idx3-ubyte");
    let good = fs::read(&images).unwrap();
    let mut other = good.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&images, other).unwrap();
    let error = sandbox.error(resume);
    assert!(error.contains("artifacts/checkpoint: the stored run has training rows of CRC "), "{error}");
    assert!(read() == before);
    // The test images only measure.
    fs::write(&images, good).unwrap();
    sandbox.images("t10k-images-idx3-ubyte", 30, &vec![7; 784 * 30]);
    sandbox.host(resume).assert().success();
    assert!(read() == before);
}

/// A run that is killed before its first checkpoint leaves all files of an earlier one. A run that is stopped, here by the end
/// of its terminal, says which files are those of the earlier one.
#[cfg(unix)]
#[test]
fn the_files_of_an_earlier_run_stay_together() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 4 --json").assert().success();
    let files = ["checkpoint", "loss.csv", "model.f32.blob", "model.int8.blob"];
    let read = || files.map(|file| fs::read(sandbox.path("artifacts").join(file)).unwrap());
    let before = read();
    for (signal, expected) in [("-KILL", None), ("-HUP", Some(129)), ("-TERM", Some(143)), ("-QUIT", Some(131))] {
        let train = "train --data data --topology small --batch 100 --steps 900000 --force";
        let (code, rest) = signalled(&sandbox, "--default-signal=HUP,QUIT", train, signal);
        assert_eq!(code, expected, "{signal}: {rest}");
        if signal == "-KILL" {
            assert!(read() == before);
        } else {
            assert!(rest.ends_with("(the blobs there are those of an earlier run)\n"), "{rest}");
        }
    }
}

#[test]
fn two_runs_do_not_write_into_one_folder() {
    let sandbox = Sandbox::new();
    let lock = autoencoder_io::files::DirLock::new(&sandbox.path("artifacts")).unwrap();
    for args in ["", "--resume"] {
        let error = sandbox.error(&format!("train --data data --topology small --steps 2 {args}"));
        assert_eq!(error, "error: artifacts: another process is writing into this folder\n");
    }
    assert_eq!(fs::read_dir(sandbox.path("artifacts")).unwrap().count(), 0);
    drop(lock);
    sandbox.train("--steps 2").assert().success();
}

/// A process that is killed while it writes, here by a limit on the size of files, leaves the old file and no other.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_is_killed_while_it_writes_leaves_nothing_behind() {
    use std::os::unix::process::ExitStatusExt;
    const SIGXFSZ: i32 = 25;

    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let out = sandbox.path("artifacts");
    let before: Vec<_> = fs::read_dir(&out).unwrap().map(|file| file.unwrap().file_name()).collect();
    let blob = fs::read(out.join("model.int8.blob")).unwrap();
    let export = format!("ulimit -f 64; exec {} export --format int8 --data data", program().display());
    let status = std::process::Command::new("sh").args(["-c", &export]).current_dir(sandbox.folder.path()).status();
    assert_eq!(status.unwrap().signal(), Some(SIGXFSZ));
    let after: Vec<_> = fs::read_dir(&out).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(after, before);
    assert!(fs::read(out.join("model.int8.blob")).unwrap() == blob);
}

#[test]
fn a_run_does_not_replace_the_one_it_starts_from() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let checkpoint = fs::read(sandbox.path("artifacts/checkpoint")).unwrap();
    let error = sandbox.error("train --data data --from artifacts/checkpoint --steps 2");
    assert!(error.contains("artifacts/checkpoint: the output would replace an input"), "{error}");
    assert!(fs::read(sandbox.path("artifacts/checkpoint")).unwrap() == checkpoint);
}
