//! Says whether the target has the DSP extension: `cfg(target_feature)` does not tell on a stable compiler.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(dsp, armv8m)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let (target, flags) = (env::var("TARGET"), env::var("CARGO_ENCODED_RUSTFLAGS"));
    let is = |name: &str| target.as_ref().is_ok_and(|target| target.starts_with(name));
    let told = |flag: &str| flags.as_ref().is_ok_and(|flags| flags.contains(flag));
    if is("thumbv8m") {
        println!("cargo::rustc-cfg=armv8m");
    }
    // Every Cortex-M4 and M7 has it. A Cortex-M33 may be without: it does where the compiler is told that it does.
    if is("thumbv7em") || is("thumbv8m.main") && (told("target-cpu=cortex-m33") || told("+dsp")) {
        println!("cargo::rustc-cfg=dsp");
    }
}
