//! The commands, one in each file. Each returns the text to print.

mod bench;
mod budget;
mod decode;
mod encode;
mod learn;
mod monitor;
mod page;
mod reset;
mod roundtrip;
mod train;
mod verify;

use crate::args::{Args, Command};

/// Runs the command that the arguments name.
pub fn run(args: Args) -> anyhow::Result<String> {
    match args.command {
        Command::Encode(args) => encode::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Roundtrip(args) => roundtrip::run(&args),
        Command::Budget(args) => budget::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Monitor(args) => monitor::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Learn(args) => learn::run(&args),
        Command::Reset(args) => reset::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Page(args) => page::run(&args),
    }
}
