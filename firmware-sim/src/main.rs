//! `firmware-sim` runs the device's application: guarded in this process, in an emulator, or on a board.

mod args;
mod board;
mod codes;
mod commands;
mod drawing;
mod flash_file;
mod link;
mod random;
mod random_samples;
mod reduction;
mod rows;
mod samples;
mod shift;
mod terminal;
mod toolchain;
mod weights;
mod writable;

use std::process::ExitCode;

fn main() -> ExitCode {
    autoencoder_io::program::main(commands::run)
}
