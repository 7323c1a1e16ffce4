//! Puts the board's `memory.x` into the linker's search path, and selects the script of cortex-m-rt or `riscv.x`.

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
    let [board] = boards.as_slice() else { panic!("exactly one feature must name a board") };
    // The image that learns has a separate map, with more RAM and a flash for the learned channels. So has the detector,
    // whose code is longer.
    let is = |feature: &str| env::var_os(format!("CARGO_FEATURE_{feature}")).is_some();
    let suffix = match (is("DETECTOR"), is("LEARN")) {
        (true, _) => "-detector.x",
        (false, true) => "-learn.x",
        (false, false) => ".x",
    };
    let board = board.with_file_name(board.file_stem().unwrap_or_default().to_string_lossy().into_owned() + suffix);
    assert!(board.exists(), "{} is missing: this board has no such image", board.display());
    fs::copy(board, out.join("memory.x")).expect("OUT_DIR can be written");
    fs::write(out.join("device.x"), "").expect("OUT_DIR can be written"); // no interrupt is used
    println!("cargo::rustc-link-search={}", out.display());
    let target = env::var("TARGET").unwrap_or_default();
    if target.starts_with("riscv32") {
        // Elsewhere, cortex-m-rt has a script of this name.
        fs::copy("riscv.x", out.join("link.x")).expect("OUT_DIR can be written");
        println!("cargo::rerun-if-changed=riscv.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    println!("cargo::rerun-if-changed=boards");
    // A Cortex-M0 has no memory protection, and a Cortex-M33 has a limit for its stack pointer. The DSP extension is
    // detected as in the core's build script.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let (armv6m, armv8m) = (target.starts_with("thumbv6m"), target.starts_with("thumbv8m.main"));
    let told = flags.contains("target-cpu=cortex-m33") || flags.contains("+dsp");
    let dsp = target.starts_with("thumbv7em") || armv8m && told;
    for (cfg, is) in [("armv6m", armv6m), ("armv8m", armv8m), ("dsp", dsp)] {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        if is {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
}
