//! Runs the program in the repository.

use assert_cmd::assert::Assert;
use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;
use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};

/// The path of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Runs a command in the repository, with its output file at `out`. Returns the object that it prints.
pub fn run(arguments: &str, link: &str, out: &Path) -> Value {
    let mut command = cargo_bin_cmd!("firmware-sim");
    command.current_dir(ROOT).args(arguments.split(' ')).args(["--json", "--link", link, "--weights"]);
    command.arg("models/classic.int8.blob").arg("--out").arg(out);
    serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap()
}

/// The files that a command writes over the two links.
pub fn both(arguments: &str, folder: &Path) -> [Vec<u8>; 2] {
    ["qemu", "in-process"].map(|link| {
        let out: PathBuf = folder.join(link);
        let mut report = run(arguments, link, &out);
        report.as_object_mut().unwrap().remove("unlike_training"); // hundreds of rows in some tests
        let _ = writeln!(stderr(), "{link}: {report}");
        fs::read(out).unwrap()
    })
}

/// Runs `verify` over the emulator.
pub fn verify(arguments: &str) -> Assert {
    let mut command = cargo_bin_cmd!("firmware-sim");
    command.current_dir(ROOT).arg("verify").args(arguments.split_whitespace()).assert()
}

/// Runs a command in the repository over a link.
pub fn over(link: &str, arguments: &str) -> Assert {
    let mut command = cargo_bin_cmd!("firmware-sim");
    command.current_dir(ROOT).args(arguments.split(' ')).args(["--link", link]).assert()
}

/// The object that a command prints.
pub fn object(assert: Assert) -> Value {
    serde_json::from_slice(&assert.success().get_output().stdout).unwrap()
}
