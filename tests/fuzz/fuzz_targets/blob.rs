//! Whatever lies in flash, it is refused or it runs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::blob(bytes));
