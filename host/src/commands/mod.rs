//! One file a subcommand. Each returns what is to be printed.

mod eval;
mod export;
mod inspect;
mod parameters;
mod train;

use crate::args::{Args, Command};
use anyhow::{Context, ensure};
use autoencoder_core::Topology;
use autoencoder_io::idx::{IdxError, Images};
use autoencoder_io::topology::describe;
use host::train::qat::WeightFormat;
use std::path::Path;

pub fn run(args: Args) -> anyhow::Result<String> {
    match args.command {
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => with_threads(|| eval::run(&args)),
        Command::Export(args) => with_threads(|| export::run(&args)),
        Command::Inspect(args) => inspect::run(&args),
    }
}

/// Runs a command on as many threads as there are cores. The system may refuse them.
fn with_threads(run: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    rayon::ThreadPoolBuilder::new().build_global().context("threads to compute with")?;
    run()
}

/// The labels; without them, after a warning, if their file is of no use: they only make figures more detailed.
fn optional_labels(labels: Result<Option<Vec<u8>>, IdxError>) -> Option<Vec<u8>> {
    labels.unwrap_or_else(|error| {
        let error = anyhow::Error::from(error);
        eprintln!("warning: {error:#}; going on without labels");
        None
    })
}

/// Returns an error unless the network has as many outputs as inputs, and the rows as many values.
fn ensure_fits(topology: &Topology, rows: &Images, data: &Path) -> anyhow::Result<()> {
    let (inputs, outputs) = (topology.inputs(), topology.outputs());
    ensure!(
        topology.has_encoder() && inputs == outputs,
        "{}: an autoencoder has as many outputs as inputs, not {outputs} and {inputs}",
        describe(topology)
    );
    let (found, network) = (rows.image_size(), describe(topology));
    ensure!(found == inputs, "{}: rows of {found} values, where {network} takes {inputs}", data.display());
    Ok(())
}

/// A figure of an integer network under its format: int8, int4.
fn by_format(format: WeightFormat, figure: f64) -> [Option<f64>; 2] {
    [WeightFormat::Int8, WeightFormat::Int4].map(|each| (each == format).then_some(figure))
}
