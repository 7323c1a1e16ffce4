//! Gives an int8 blob the threshold of other data than it was trained on: `cargo run -p host --example calibrate --
//! BLOB [DIR]`. The blob is replaced; its CRC is another one then.

use anyhow::Context;
use autoencoder_core::blob::Mirrors;
use autoencoder_core::model::{Half, Visitor, name_of, with_topology};
use host::blob_file::BlobFile;
use host::calibrate::calibrate;
use host::files;
use host::idx::Images;
use std::path::Path;

struct Calibrate<'a>(&'a [u8], &'a Images);

impl Visitor for Calibrate<'_> {
    type Output = Result<Vec<u8>, autoencoder_core::Error>;

    fn visit<E: Half, D: Half + Mirrors<E>>(self) -> Self::Output {
        calibrate::<E, D>(self.0, self.1)
    }
}

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().context("which blob?")?;
    let folder = args.next().unwrap_or_else(|| "data/mnist".into());
    let file = BlobFile::read(Path::new(&path))?;
    let name = name_of(file.open()?.header()).context("no known topology")?;
    let images = Images::train(Path::new(&folder))?;
    let blob = with_topology(name, Calibrate(file.bytes(), &images)).context("no known topology")??;
    let threshold = BlobFile::new(Path::new(&path), &blob).open()?.header().threshold;
    files::replace(Path::new(&path), &blob)?;
    println!("{path}: a score of {threshold}");
    Ok(())
}
