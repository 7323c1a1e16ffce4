//! Says which kernel the target has: `cfg(target_feature)` does not tell on a stable compiler.

use std::env;

/// What the compiler is told about the processor: the target, and the flags of its command line.
struct Told {
    target: String,
    flags: Vec<String>,
}

impl Told {
    /// Whether the target's name starts with one of these.
    fn is(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.target.starts_with(name))
    }

    /// The values of `-Cname=value`, the last one first.
    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.flags.iter().rev().filter_map(move |flag| {
            let flag = flag.strip_prefix("--codegen=").or_else(|| flag.strip_prefix("-C")).unwrap_or(flag);
            flag.strip_prefix(name)?.strip_prefix('=')
        })
    }

    /// Whether the processor is named as one of these.
    fn cpu(&self, names: &[&str]) -> bool {
        self.values("target-cpu").next().is_some_and(|cpu| names.contains(&cpu))
    }

    /// Whether an extension is switched on or off by a flag of its own. The last flag counts.
    fn extension(&self, name: &str) -> Option<bool> {
        let features = self.values("target-feature").flat_map(|features| features.rsplit(','));
        features.filter(|feature| feature.get(1..) == Some(name)).map(|feature| feature.starts_with('+')).next()
    }
}

fn main() {
    println!("cargo::rustc-check-cfg=cfg(armv8m, dsp, helium, pairs, thumb1)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let target = env::var("TARGET").unwrap_or_default();
    let told = Told { target, flags: flags.split('\x1f').map(str::to_owned).collect() };
    let armv8m = told.is(&["thumbv8m.main"]);
    let thumb1 = told.is(&["thumbv6m", "thumbv8m.base"]);
    // A Cortex-M52, M55 or M85 may be without Helium, and a Cortex-M33 or M35P without the DSP extension: the compiler's
    // flags decide. Every Cortex-M4 and M7 has the extension.
    let with_helium = told.cpu(&["cortex-m52", "cortex-m55", "cortex-m85"]);
    let helium = armv8m && told.extension("mve").or_else(|| told.extension("mve.fp")).unwrap_or(with_helium);
    let with_dsp = told.is(&["thumbv7em"]) || with_helium || told.cpu(&["cortex-m33", "cortex-m35p"]);
    let dsp = helium || (armv8m || told.is(&["thumbv7em"])) && told.extension("dsp").unwrap_or(with_dsp);
    // RISC-V without the extension M has no multiplication.
    let pairs = !dsp && (thumb1 || armv8m || told.is(&["thumbv7m-", "thumbv7em", "riscv32im", "riscv32gc"]));
    let cfgs = [("armv8m", armv8m), ("dsp", dsp), ("helium", helium), ("pairs", pairs), ("thumb1", thumb1)];
    for (cfg, is) in cfgs {
        if is {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
}
