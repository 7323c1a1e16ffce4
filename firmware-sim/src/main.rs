//! `firmware-sim`: talks to the application that runs on the microcontroller, in process and under guard, or on a board.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    host::program::main(cli::run)
}
