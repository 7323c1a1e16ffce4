//! The application answers any bytes on the line in frames and serves the next request.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::line(bytes));
