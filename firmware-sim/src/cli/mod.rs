//! The program: one file a subcommand. Each returns what is to be printed.

pub mod args;
mod bench;
mod boards;
mod budget;
mod codes;
mod decode;
mod drawing;
mod encode;
mod firmware;
mod flash;
mod image;
mod images;
mod learn;
mod learning;
mod ledger;
mod limits;
mod line;
mod link;
mod monitor;
mod qemu;
mod report;
mod reset;
mod roundtrip;
mod serial;
mod session;
mod shift;
mod speaker;
mod stack;
mod synthetic;
mod train;
mod training;
mod verify;
mod weights;

use anyhow::{Context, ensure};
use args::{Args, Command};
use indicatif::{ProgressBar, ProgressIterator, ProgressStyle};
use std::fs;
use std::io::Write;
use std::path::Path;

pub fn run(args: Args) -> anyhow::Result<String> {
    match args.command {
        Command::Encode(args) => encode::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Roundtrip(args) => roundtrip::run(&args),
        Command::Budget(args) => budget::run(&args),
        Command::Bench(args) if args.learning => learning::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Monitor(args) => monitor::run(&args),
        Command::Verify(args) if args.training => training::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Learn(args) => learn::run(&args),
        Command::Reset(args) => reset::run(&args),
        Command::Train(args) => train::run(&args),
    }
}

/// A line for whoever watches. That nobody does is no error.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// An error if nothing can be written where a file is to be: said before long work, not after it.
fn writable(path: &Path) -> anyhow::Result<()> {
    let shown = || path.display().to_string();
    ensure!(!path.is_dir(), "{}: a folder", path.display());
    if path.exists() && !path.is_file() {
        return Ok(()); // a device, a pipe: it is written to as it is
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder)).with_context(shown)?;
    Ok(())
}

/// The images one by one, with a bar on a terminal and nothing elsewhere.
fn progress(images: &[Vec<u8>]) -> impl Iterator<Item = &Vec<u8>> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} images  {eta} left");
    let bar = ProgressBar::new(images.len() as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    images.iter().progress_with(bar.with_finish(indicatif::ProgressFinish::AndClear))
}
