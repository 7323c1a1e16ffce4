//! The subcommands, each in a file of its own. Each returns the text to print.

mod c_array;
mod detect;
mod eval;
mod export;
mod figures;
mod import;
mod inspect;
mod network_file;
mod rows;
mod sensor;
mod train;
mod windows;

use crate::args::{Args, Command};
use anyhow::anyhow;

pub fn run(args: Args) -> anyhow::Result<String> {
    match args.command {
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => with_threads(|| eval::run(&args)),
        Command::Export(args) => with_threads(|| export::run(&args)),
        Command::Import(args) => with_threads(|| import::run(&args)),
        Command::Inspect(args) => inspect::run(&args),
    }
}

/// Runs a command on as many threads as there are cores. The system may refuse them.
fn with_threads(run: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    rayon::ThreadPoolBuilder::new().build_global().map_err(|error| anyhow!("the system refused threads: {error}"))?;
    run()
}
