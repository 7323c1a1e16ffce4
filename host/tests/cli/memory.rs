//! Memory that the system refuses. `sh` limits the addresses that a program may map, those of its threads' stacks included.

use crate::sandbox::{Sandbox, one_line, program};
use autoencoder_core::Network;
use autoencoder_io::blob_file::BlobFile;
use host::train::checkpoint::Checkpoint;
use std::fs;
use std::process::{Command, Output};

/// Runs the program with at most `kilobytes` of addresses.
fn limited(sandbox: &Sandbox, kilobytes: u32, args: &str) -> Output {
    let command = format!("ulimit -v {kilobytes}; exec {} {args}", program().display());
    Command::new("sh").args(["-c", &command]).current_dir(sandbox.path("")).output().unwrap()
}

/// The least of these limits at which the program starts.
fn least(sandbox: &Sandbox) -> u32 {
    (2_000..).step_by(500).find(|limit| limited(sandbox, *limit, "--version").status.success()).unwrap()
}

/// Runs a command with more and more memory until it succeeds. Before that, each run ends with exit code 1 and one line about
/// the error, after the lines of training, and `check` is called. Returns the errors.
fn with_growing_memory(sandbox: &Sandbox, args: &str, check: impl Fn()) -> Vec<String> {
    let mut errors = Vec::new();
    let mut limit = least(sandbox);
    loop {
        let output = limited(sandbox, limit, args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        if output.status.success() {
            return errors;
        }
        if stderr.contains("Fatal glibc error") {
            limit += 1; // glibc aborts if it cannot register the destructors of a thread
            continue;
        }
        let error = stderr.lines().last().unwrap_or_default();
        let others = stderr.lines().count() - 1;
        assert_eq!(output.status.code(), Some(1), "{args}, {limit} kB: {stderr}");
        assert!(error.starts_with("error: ") && output.stdout.is_empty(), "{args}, {limit} kB: {stderr}");
        assert!(others == 0 || args.starts_with("train"), "{args}, {limit} kB: {stderr}");
        assert!(!stderr.contains("panicked") && stderr.matches("error: ").count() == 1, "{args}: {stderr}");
        let refused = error.strip_prefix("error: not enough memory: the system refused ");
        let bytes = refused.map(|rest| rest.strip_suffix(" bytes").and_then(|bytes| bytes.parse::<u64>().ok()));
        assert!(bytes != Some(None), "{args}, {limit} kB: {stderr}");
        assert!(error.matches("os error").count() <= 1, "{args}, {limit} kB: {stderr}");
        check();
        errors.push(error.to_owned());
        limit += limit / 40;
    }
}

#[test]
fn every_command_ends_with_one_line() {
    let sandbox = Sandbox::new();
    let large = "784-2000-784";
    sandbox.host(&format!("train --data data --batch 100 --layers {large} --steps 2")).assert().success();
    let blob = || fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap();
    let before = blob();
    for args in ["eval --data data", "inspect artifacts/model.f32.blob", "export --format int8 --data data"] {
        let errors = with_growing_memory(&sandbox, args, || assert!(blob() == before));
        let refused = |error: &String| error.starts_with("error: not enough memory: the system refused ");
        assert!(errors.iter().any(refused), "{args}: {errors:?}");
    }
}

/// A run that cannot measure its network has saved it.
#[test]
fn a_run_leaves_whole_files() {
    let sandbox = Sandbox::new();
    let train = "train --data data --batch 100 --layers 784-500-784 --steps 3 --threads 2 --force";
    let errors = with_growing_memory(&sandbox, train, || {
        for file in fs::read_dir(sandbox.path("artifacts")).into_iter().flatten() {
            let (path, name) = (file.as_ref().unwrap().path(), file.unwrap().file_name());
            match name.to_str().unwrap() {
                "checkpoint" => assert_eq!(Checkpoint::read(&path).unwrap().step, 3),
                "model.f32.blob" => _ = BlobFile::read(&path).unwrap().open().unwrap(),
                "model.int8.blob" => _ = Network::open(BlobFile::read(&path).unwrap().bytes()).unwrap(),
                "loss.csv" | "loss.png" | "reconstructions.png" => {}
                other => panic!("{other} is left"),
            }
        }
    });
    assert!(!errors.is_empty());
}

#[test]
fn a_file_that_does_not_fit_is_named() {
    let sandbox = Sandbox::new();
    // Sparse files: they take no space.
    let images = sandbox.path("data/train-images-idx3-ubyte");
    fs::write(&images, [0x803, 1_000_000, 28, 28].map(u32::to_be_bytes).concat()).unwrap();
    fs::File::options().write(true).open(&images).unwrap().set_len(16 + 784_000_000).unwrap();
    fs::File::create(sandbox.path("blob")).unwrap().set_len(1 << 30).unwrap();
    for (args, file) in [
        ("train --data data --threads 1 --out never", "data/train-images-idx3-ubyte"),
        ("inspect blob", "blob"),
        ("export blob --format f32 --out never", "blob"),
    ] {
        let error = one_line(&limited(&sandbox, 400_000, args), args);
        assert_eq!(error, format!("error: {file}: out of memory\n"), "{args}");
    }
    assert!(!sandbox.path("never").exists());
}

#[test]
fn training_that_does_not_fit_is_refused_before_it_begins() {
    let sandbox = Sandbox::new();
    let train = "train --data data --threads 1 --layers 784-65535-784 --steps 1 --out never";
    let error = one_line(&limited(&sandbox, 1_000_000, train), train);
    // Five copies of the parameters and two of a checkpoint, of three numbers each, take 4 bytes a number: 4.5 GB.
    assert!(error.starts_with("error: training 784-65535-784 takes 4"), "{error}");
    assert!(error.ends_with(" MB of memory, which the system refuses\n"), "{error}");
    assert!(!sandbox.path("never").exists());
}
