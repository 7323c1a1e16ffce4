//! Tests on a processor without the instructions that they test. The tests of the host's modules and those of the package
//! `tests` include this file.

use std::env;
use std::io::{Write, stderr};
use std::sync::Mutex;
use std::thread;

/// The tests that were reported.
static REPORTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Returns the detected instructions. Without them, the test is left out, and this reports it once, directly on standard error,
/// because the harness hides the output of tests that pass. If `REQUIRE_INSTRUCTIONS` in the environment, a list of names as in
/// `/proc/cpuinfo`, has their `name`, the test fails.
pub fn or_left_out<T>(detected: Option<T>, name: &str) -> Option<T> {
    if detected.is_none() {
        let required = env::var("REQUIRE_INSTRUCTIONS").unwrap_or_default();
        assert!(!required.split_whitespace().any(|required| required == name), "needs {name}");
        let test = thread::current().name().unwrap_or_default().to_owned();
        let mut reported = REPORTED.lock().unwrap();
        if !reported.contains(&test) {
            let _ = writeln!(stderr(), "{test}: left out: needs {name}");
            reported.push(test);
        }
    }
    detected
}
