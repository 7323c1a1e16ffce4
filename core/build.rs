//! Says whether the target has the DSP extension: `cfg(target_feature)` does not tell on a stable compiler.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(dsp)");
    println!("cargo::rerun-if-changed=build.rs");
    // Every Cortex-M4 and M7 has it. A Cortex-M33 may be without.
    if env::var("TARGET").is_ok_and(|target| target.starts_with("thumbv7em")) {
        println!("cargo::rustc-cfg=dsp");
    }
}
