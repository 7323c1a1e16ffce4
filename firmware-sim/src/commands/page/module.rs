//! The application as a WebAssembly module.

use crate::terminal::note;
use crate::toolchain::{self, Linker};
use anyhow::{Context, bail, ensure};
use autoencoder_io::files;
use std::fs;
use std::path::Path;

/// The package of the module.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/device");
const TARGET: &str = "wasm32-unknown-unknown";
/// The linker for Debian's Rust: a link to the program of an LLVM package, which has the package's name.
const LINKER: &str = "/usr/bin/rust-lld";

/// Builds the module, unless it is up to date.
pub fn build() -> anyhow::Result<Vec<u8>> {
    let package = Path::new(PACKAGE);
    let folder = package.join("target");
    let path = folder.join(TARGET).join("release/web_device.wasm");
    ensure!(package.exists(), "the page cannot be built: its source is missing: {PACKAGE}");
    let linker = fs::read_link(LINKER).ok().and_then(|program| Some(program.file_name()?.to_str()?.to_owned()));
    let linker =
        Linker { program: LINKER, package: linker.unwrap_or_else(|| "rust-web-llvm lld-22".to_owned()), flag: None };
    let mut cargo = toolchain::cargo(TARGET, package, &linker, None)?;
    if !path.exists() {
        note("building the device for the browser");
    }
    let output = cargo.arg("--target-dir").arg(&folder).output().context("the page cannot be built: cargo")?;
    if !output.status.success() {
        note(String::from_utf8_lossy(&output.stderr).trim_end());
        bail!("the page cannot be built: see cargo's messages above");
    }
    let module = files::read(&path)?;
    ensure!(imports(&module) == Some(0), "{}: imports something, so a panic can be reached", path.display());
    Ok(module)
}

/// The number of imports of a module; `None` if it is not one.
///
/// ```text
/// module  = 0 "asm" | version, 4 bytes | section ...
/// section = number of its kind | length in bytes | contents; those of kind 2, imports, begin with their number
/// ```
fn imports(module: &[u8]) -> Option<usize> {
    let mut rest = module.strip_prefix(b"\0asm\x01\0\0\0")?;
    while let Some((kind, after)) = rest.split_first() {
        let (length, after) = number(after)?;
        let (contents, next) = after.split_at_checked(length)?;
        if *kind == 2 {
            return number(contents).map(|(count, _)| count);
        }
        rest = next;
    }
    Some(0)
}

/// A number with seven bits in a byte, lowest first, and the bytes after it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).filter(|end| *end < 5)?;
    let value = bytes[..=end].iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    Some((value, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn imports_are_counted() {
        let section = |kind: u8, contents: &[u8]| [&[kind, contents.len() as u8], contents].concat();
        let types = section(1, &[0]);
        let long = [&[0, 0x81, 0x01][..], &[7; 129]].concat(); // a section whose length takes two bytes
        let import = section(2, b"\x02\x01e\x01f\0\0\x01e\x01g\0\0");
        assert_eq!(imports(START), Some(0));
        assert_eq!(imports(&[START, &types, &long].concat()), Some(0));
        assert_eq!(imports(&[START, &types, &long, &import, &types].concat()), Some(2));
    }

    #[test]
    fn what_is_not_a_module_has_no_number_of_imports() {
        assert_eq!(imports(b""), None);
        assert_eq!(imports(b"\x7fELF"), None);
        assert_eq!(imports(&[START, &[1]].concat()), None);
        assert_eq!(imports(&[START, &[1, 5, 0]].concat()), None);
        assert_eq!(imports(&[START, &[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0]].concat()), None);
    }
}
