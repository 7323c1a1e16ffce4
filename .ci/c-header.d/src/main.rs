//! Writes the header of the device's library for C from its sources: `c-header CRATE HEADER`.

use anyhow::{Context, anyhow};
use cbindgen::{Builder, Config};
use std::env::args;
use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let mut paths = args().skip(1).map(PathBuf::from);
    let (library, header) = paths.next().zip(paths.next()).context("expected CRATE HEADER")?;
    let config = Config::from_file(library.join("cbindgen.toml")).map_err(|error| anyhow!(error))?;
    Builder::new().with_config(config).with_src(library.join("src/lib.rs")).generate()?.write_to_file(header);
    Ok(())
}
