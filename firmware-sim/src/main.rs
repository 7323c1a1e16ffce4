//! `firmware-sim`: talks to the application that runs on the microcontroller, here in process and under guard.

mod cli;

use clap::Parser;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = cli::run(cli::args::Args::parse());
    match outcome.map(|text| stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Ok(Err(e)) if e.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Ok(Err(e)) => fail(&e.into()),
        Err(e) => fail(&e),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(stderr(), "error: {error:#}");
    ExitCode::FAILURE
}
