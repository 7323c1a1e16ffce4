//! `host`: trains autoencoders for microcontrollers, measures them and writes their weights blobs.

mod args;
mod commands;

use autoencoder_io::heap::Heap;
use std::process::ExitCode;

#[global_allocator]
static HEAP: Heap = Heap;

fn main() -> ExitCode {
    autoencoder_io::program::main(commands::run)
}
