//! Puts the board's `memory.x` where the linker looks, and asks for cortex-m-rt's script.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let training = env::var_os("CARGO_FEATURE_TRAINING").is_some();
    let board = if training { "boards/mps2-an386-training.x" } else { "boards/mps2-an386.x" };
    fs::copy(board, out.join("memory.x")).expect("boards/ has the board");
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    println!("cargo::rerun-if-changed=boards");
}
