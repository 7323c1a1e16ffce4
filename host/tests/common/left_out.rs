//! What a test does on a processor without the instructions that it tests. The tests of the host's modules and those of the
//! package `tests` include this file.

use std::env;
use std::io::{Write, stderr};
use std::sync::Mutex;
use std::thread;

/// The tests that were told of.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What was detected. Where nothing was, the test is left out, and this says so once, past the harness, which keeps what
/// passing tests print; with `REQUIRE_AVX512=1` in the environment, the test fails.
pub fn or_left_out<T>(detected: Option<T>) -> Option<T> {
    if detected.is_none() {
        assert!(env::var("REQUIRE_AVX512").ok().as_deref() != Some("1"), "needs avx512_bf16");
        let test = thread::current().name().unwrap_or_default().to_owned();
        let mut told = TOLD.lock().unwrap();
        if !told.contains(&test) {
            let _ = writeln!(stderr(), "{test}: left out: needs avx512_bf16");
            told.push(test);
        }
    }
    detected
}
