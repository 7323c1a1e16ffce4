//! The images on emulated boards, and boards on a serial port.

#[cfg(feature = "emulator")]
mod any_network;
#[cfg(feature = "emulator")]
mod bytes;
#[cfg(feature = "emulator")]
mod detector;
#[cfg(feature = "emulator")]
mod emulator;
#[cfg(feature = "emulator")]
mod ends;
#[cfg(feature = "emulator")]
mod random_networks;
#[cfg(feature = "emulator")]
mod recordings;
#[cfg(feature = "emulator")]
mod run;
#[cfg(feature = "emulator")]
mod serial;

/// Reports the tests that are left out. It writes past the test harness, which captures the output of passing tests.
#[cfg(not(feature = "emulator"))]
#[test]
fn left_out() {
    use std::io::Write;
    let command = "cargo test -p firmware-sim --features emulator";
    let _ = writeln!(std::io::stderr(), "left out: the tests on emulated boards; include them with `{command}`");
}
