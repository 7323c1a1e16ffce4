//! Puts the board's `memory.x` where the linker looks, and asks for cortex-m-rt's script.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let chosen = |file: &PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().to_uppercase().replace('-', "_");
        env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
    };
    let boards = fs::read_dir("boards").expect("boards/ is here").flatten().map(|entry| entry.path());
    let boards: Vec<PathBuf> = boards.filter(chosen).collect();
    let [board] = boards.as_slice() else { panic!("exactly one feature has to name a board") };
    // What learns has a map of its own: more RAM, and a flash for what was learned.
    let suffix = if env::var_os("CARGO_FEATURE_LEARN").is_some() { "-learn.x" } else { ".x" };
    let board = board.with_file_name(board.file_stem().unwrap_or_default().to_string_lossy().into_owned() + suffix);
    assert!(board.exists(), "{} is missing: on this board nothing learns", board.display());
    fs::copy(board, out.join("memory.x")).expect("OUT_DIR can be written");
    fs::write(out.join("device.x"), "").expect("OUT_DIR can be written"); // no interrupt is used
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    println!("cargo::rerun-if-changed=boards");
    // The smallest instruction set, without memory protection, and the largest, as the core's build script has it.
    for (target, cfg) in [("thumbv6m", "armv6m"), ("thumbv7em", "dsp")] {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        if env::var("TARGET").is_ok_and(|name| name.starts_with(target)) {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
}
