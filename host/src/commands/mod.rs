//! One file a subcommand. Each returns what is to be printed.

mod eval;
mod export;
mod inspect;
mod progress;
mod report;
mod source;
mod train;

use crate::args::{Args, Command};
use anyhow::{Context, ensure};
use autoencoder_core::Layer;
use autoencoder_core::blob::Header;
use autoencoder_core::layer::Row;
use autoencoder_core::model::name_of;
use host::idx::Images;
use std::path::Path;

pub fn run(args: Args) -> anyhow::Result<String> {
    match args.command {
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Report(args) => report::run(&args),
    }
}

/// The name of the topology of a blob at `path`.
fn topology_of(header: &Header, path: &Path) -> anyhow::Result<&'static str> {
    name_of(header).with_context(|| {
        let layers: Vec<String> = header.layers.iter().map(|layer| layer.outputs.to_string()).collect();
        format!("{}: a topology that this program does not know, with layers of {}", path.display(), layers.join(", "))
    })
}

/// An error unless the images have as many pixels as the topology has inputs.
fn images_fit<E: Layer>(images: &Images, folder: &Path, topology: &str) -> anyhow::Result<()> {
    let (found, expected) = (images.pixels.ncols(), E::In::LEN);
    ensure!(found == expected, "{}: images of {found} pixels, topology {topology} takes {expected}", folder.display());
    Ok(())
}
