//! `host`: trains autoencoders for microcontrollers, measures them and writes their weights blobs.

mod args;
mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    autoencoder_io::program::main(commands::run)
}
