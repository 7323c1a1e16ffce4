//! Any bytes in flash are refused or run.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::blob(bytes));
