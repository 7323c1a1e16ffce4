//! The files that a command writes.

use crate::sandbox::Sandbox;
use autoencoder_io::idx::Images;
use host::train::Trainer;
use host::train::checkpoint::{Checkpoint, Run};
use host::train::qat::WeightFormat;
use std::fs;

#[test]
fn data_that_is_not_an_input_is_not_replaced() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let rows = fs::read(sandbox.path("data/t10k-images-idx3-ubyte")).unwrap();
    for (name, bytes, what) in
        [("rows-idx3-ubyte", &rows[..], "an IDX file"), ("rows.gz", b"\x1f\x8b\x08, compressed", "a gzip file")]
    {
        fs::write(sandbox.path(name), bytes).unwrap();
        let expected =
            format!("error: {name}: {what} is there, which is not replaced: give another name, or delete it\n");
        let error = sandbox.error(&format!("export --format int8 --data data --out {name} --force"));
        assert_eq!(error, expected);
        assert!(fs::read(sandbox.path(name)).unwrap() == bytes, "{name}");
    }
    // The files of a run as well.
    for file in ["model.f32.blob", "model.int8.blob", "loss.csv", "loss.png", "reconstructions.png"] {
        fs::create_dir_all(sandbox.path("out")).unwrap();
        fs::write(sandbox.path("out").join(file), &rows).unwrap();
        let error = sandbox.error("train --data data --topology small --steps 2 --force --out out");
        assert!(error.starts_with(&format!("error: out/{file}: an IDX file is there")), "{error}");
        assert!(fs::read(sandbox.path("out").join(file)).unwrap() == rows, "{file}");
        fs::remove_dir_all(sandbox.path("out")).unwrap();
    }
}

/// Standard output may be a pipe or a file.
#[cfg(unix)]
#[test]
fn a_blob_on_standard_output_is_nothing_but_the_blob() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let blob = fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap();
    let export = "export --format int8 --data data --out /dev/stdout";
    let summary = format!("/dev/stdout: {} bytes, int8, 784-128-32-128-784 (small) after 2 steps\n", blob.len());
    let piped = sandbox.host(export).output().unwrap();
    assert!(piped.status.success() && piped.stdout == blob, "{}", String::from_utf8_lossy(&piped.stderr));
    assert_eq!(String::from_utf8(piped.stderr).unwrap(), summary);

    let file = fs::File::create(sandbox.path("redirected")).unwrap();
    let mut command = std::process::Command::new(crate::sandbox::program());
    command.current_dir(sandbox.path("")).args(export.split(' ')).stdout(file);
    let redirected = command.output().unwrap();
    assert_eq!(String::from_utf8(redirected.stderr).unwrap(), summary);
    assert!(fs::read(sandbox.path("redirected")).unwrap() == blob);
}

/// A full disk, a closed pipe: `/dev/full` takes nothing, and the reader of a pipe may have seen enough.
#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    for args in ["help", "train --help", "--version", "inspect artifacts/model.int8.blob", "eval --data data --json"] {
        let run = |stdout: std::process::Stdio| {
            let mut command = std::process::Command::new(crate::sandbox::program());
            command.current_dir(sandbox.path("")).args(args.split(' ')).stdout(stdout).output().unwrap()
        };
        let full = run(fs::File::options().write(true).open("/dev/full").unwrap().into());
        let error = String::from_utf8(full.stderr).unwrap();
        assert_eq!(error, "error: standard output: No space left on device (os error 28)\n", "{args}");
        assert_eq!(full.status.code(), Some(1), "{args}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = run(writer.into());
        assert!(closed.status.success() && closed.stderr.is_empty(), "{args}");
    }
}

/// Standard output may be a socket, which has no path to open.
#[cfg(target_os = "linux")]
#[test]
fn a_blob_is_written_into_a_socket() {
    use std::io::Read;
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut command = std::process::Command::new(crate::sandbox::program());
    command.current_dir(sandbox.path("")).args("export --format int8 --data data --out /dev/stdout".split(' '));
    let mut child = command.stdout(std::os::fd::OwnedFd::from(theirs)).spawn().unwrap();
    drop(command); // it holds the other end
    let mut bytes = Vec::new();
    ours.read_to_end(&mut bytes).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(bytes == fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap());
}

/// A file that cannot be read may be one that would be missed. The folder allows its replacement.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_is_not_replaced() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let allow = |name: &str, mode: u32| {
        fs::set_permissions(sandbox.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::write(sandbox.path("artifacts/taken"), "one").unwrap();
    allow("artifacts/taken", 0o000);
    // The superuser may read everything, so then the program runs as another user.
    fs::copy(crate::sandbox::program(), sandbox.path("program")).unwrap();
    allow("program", 0o755);
    allow("", 0o755);
    allow("artifacts", 0o777);
    let mut command = std::process::Command::new(sandbox.path("program"));
    command.current_dir(sandbox.path(""));
    command.args("export artifacts/checkpoint --format int8 --data data --out artifacts/taken --force".split(' '));
    if fs::metadata(sandbox.path("data")).unwrap().uid() == 0 {
        command.uid(NOBODY);
    }
    let error = crate::sandbox::one_line(&command.output().unwrap(), "unreadable");
    assert_eq!(error, "error: artifacts/taken: Permission denied (os error 13)\n");
    allow("artifacts/taken", 0o600);
    assert_eq!(fs::read_to_string(sandbox.path("artifacts/taken")).unwrap(), "one");
}

/// The recipe `codec` rounds the code in every step, the default one only in the last steps.
#[test]
fn an_unfinished_run_is_exported_with_the_code_that_it_has_trained() {
    let sandbox = Sandbox::new();
    let images = Images::train(&sandbox.path("data")).unwrap();
    for (recipe, code) in [("default", "8 elements, 8 bits an element"), ("codec", "8 elements, 3 bits an element")] {
        let run = Run {
            recipe: recipe.into(),
            topology: "784-8-784".parse().unwrap(),
            steps: 100,
            batch: 20,
            seed: 1,
            data: images.crc(),
            input: Vec::new(),
            quantise_aware: Some(WeightFormat::Int8),
            code_bits: 3,
            from: None,
        };
        let mut trainer = Trainer::new(&run.topology, run.recipe().unwrap(), run.steps, run.batch, run.seed, &images);
        trainer.step(&images);
        Checkpoint::new(run, &mut trainer).write(&sandbox.path("stopped")).unwrap();
        sandbox.host("export stopped --format int8 --out blob --force --data data").assert().success();
        let text = String::from_utf8(sandbox.host("inspect blob").output().unwrap().stdout).unwrap();
        assert!(text.contains(code), "{recipe}: {text}");
    }
}
