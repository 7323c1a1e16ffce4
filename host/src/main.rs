//! `host`: trains autoencoders for microcontrollers, measures them and writes their weights blobs.

mod args;
mod commands;

use clap::Parser;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = commands::run(args::Args::parse());
    match outcome.map(|text| stdout().write_all(text.as_bytes())) {
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
