//! Building the image for the emulated board, with whatever toolchain is there.

use super::link::LinkError;
use super::note;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "thumbv7em-none-eabihf";
/// The image's package.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cortex-m");

/// The image for a topology, built if it is not up to date.
pub fn build(topology: &str) -> Result<PathBuf, LinkError> {
    program("cortex-m-image", topology)
}

/// The image that trains, built if it is not up to date.
pub fn training() -> Result<PathBuf, LinkError> {
    program("training", "training")
}

/// One of the programs of the image's package.
fn program(name: &str, feature: &str) -> Result<PathBuf, LinkError> {
    if !Path::new(PACKAGE).join("Cargo.toml").exists() {
        return Err(LinkError::Image(format!("its source, {PACKAGE}, is not here")));
    }
    // A folder for each topology, lest one be overwritten while another program runs it.
    let target = Path::new(PACKAGE).join("target").join(feature);
    let image = target.join(TARGET).join("release").join(name);
    let mut cargo = toolchain()?;
    cargo.args([
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--target",
        TARGET,
        "--no-default-features",
        "--bin",
        name,
    ]);
    cargo.args(["--features", feature, "--target-dir"]).arg(&target).current_dir(PACKAGE);
    if !image.exists() {
        note("building the image for the emulated board");
    }
    let built = cargo.output().map_err(|error| LinkError::Image(error.to_string()))?;
    if built.status.success() {
        return Ok(image);
    }
    Err(LinkError::Image(String::from_utf8_lossy(&built.stderr).into_owned()))
}

/// Rustup's cargo if it has the target; else Debian's, which builds the standard library's core from its source.
fn toolchain() -> Result<Command, LinkError> {
    let rustup = Command::new("rustup").args(["target", "list", "--installed"]).current_dir(PACKAGE).output();
    if rustup.is_ok_and(|list| String::from_utf8_lossy(&list.stdout).lines().any(|line| line == TARGET)) {
        return Ok(Command::new("cargo"));
    }
    let debian = ["/usr/bin/cargo", "/usr/bin/rustc", "/usr/bin/arm-none-eabi-ld"];
    let source = || {
        output("/usr/bin/rustc", "--print=sysroot")
            .is_some_and(|root| Path::new(root.trim()).join("lib/rustlib/src/rust/library/core").exists())
    };
    if debian.iter().all(|program| Path::new(program).exists()) && source() {
        let mut cargo = Command::new(debian[0]);
        cargo.env("RUSTC", debian[1]).env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
        cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Clinker=arm-none-eabi-ld");
        return Ok(cargo);
    }
    Err(LinkError::Missing(format!(
        "a Rust that builds for {TARGET}; install it with `rustup target add {TARGET}`, \
         or on Debian with `apt-get install rustc-web cargo-web rust-web-src binutils-arm-none-eabi`"
    )))
}

/// What a program prints; `None` if it cannot be run.
pub fn output(program: impl AsRef<OsStr>, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
