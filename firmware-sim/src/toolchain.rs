//! The Rust that builds for another target: rustup's, else Debian's.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// The linker that Debian's Rust uses for a target.
pub struct Linker {
    pub program: &'static str,
    /// The Debian package that contains it.
    pub package: String,
    /// A flag of the compiler that the linker needs.
    pub flag: Option<&'static str>,
}

/// There is no Rust for a target.
#[derive(Debug, thiserror::Error)]
#[error(
    "not installed: a Rust that builds for {target}; install it with `rustup target add {target}`, \
         or on Debian with `apt-get install rustc-web cargo-web rust-web-src {package}`"
)]
pub struct MissingToolchain {
    target: String,
    package: String,
}

/// Rustup's cargo if it has the target; else Debian's, which builds `core` from its source. `flag` is for the compiler.
/// The command builds the package in `folder`.
pub fn cargo(
    target: &str,
    folder: &Path,
    linker: &Linker,
    flag: Option<&'static str>,
) -> Result<Command, MissingToolchain> {
    let mut cargo = installed(target, folder, linker, flag)
        .ok_or_else(|| MissingToolchain { target: target.to_owned(), package: linker.package.clone() })?;
    cargo.args(["build", "--quiet", "--release", "--locked", "--target", target]).current_dir(folder);
    Ok(cargo)
}

fn installed(target: &str, folder: &Path, linker: &Linker, flag: Option<&'static str>) -> Option<Command> {
    if rustup_has(target, folder) {
        let mut cargo = Command::new("cargo");
        // Set even if it is empty: flags for the host from the environment or a configuration are not for this target.
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flag.unwrap_or_default());
        return Some(cargo);
    }
    let debian = ["/usr/bin/cargo", "/usr/bin/rustc", linker.program];
    let source = || {
        output("/usr/bin/rustc", "--print=sysroot")
            .is_some_and(|root| Path::new(root.trim()).join("lib/rustlib/src/rust/library/core").exists())
    };
    if !debian.iter().all(|program| Path::new(program).exists()) || !source() {
        return None;
    }
    let mut cargo = Command::new(debian[0]);
    cargo.env("RUSTC", debian[1]).env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
    let link = format!("-Clinker={}", linker.program);
    let flags: Vec<&str> = [link.as_str()].into_iter().chain(linker.flag).chain(flag).collect();
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    Some(cargo)
}

/// Whether rustup has the target, for the toolchain of this folder.
pub fn rustup_has(target: &str, folder: &Path) -> bool {
    let rustup = Command::new("rustup").args(["target", "list", "--installed"]).current_dir(folder).output();
    rustup.is_ok_and(|list| String::from_utf8_lossy(&list.stdout).lines().any(|line| line == target))
}

/// The output of a program; `None` if it cannot run or fails.
pub fn output(program: impl AsRef<OsStr>, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
