//! The weights blob that the device is given.

use anyhow::{Context, bail, ensure};
use autoencoder_core::blob::Format;
use autoencoder_core::model::name_of;
use autoencoder_core::quant::Affine;
use host::blob_file::BlobFile;
use std::path::{Path, PathBuf};

/// Where weights are looked for: those of one's own training, then those that come with the repository.
const CANDIDATES: [&str; 2] = ["artifacts/model.int8.blob", "models/classic.int8.blob"];

/// A blob that a device can use.
pub struct Weights {
    pub path: PathBuf,
    /// Without what may follow it in the file.
    pub length: usize,
    pub crc: u32,
    pub topology: &'static str,
    pub inputs: usize,
    /// How many, encoder and decoder together.
    pub layers: u8,
    /// From which score on an image is odd.
    pub threshold: u32,
    file: BlobFile,
}

impl Weights {
    /// Reads and checks the blob that was named, or the first of the candidates that is there.
    pub fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        let candidate = || CANDIDATES.iter().map(Path::new).find(|path| path.exists());
        let path = named.or_else(candidate).with_context(|| {
            let [own, shipped] = CANDIDATES;
            format!("no weights: neither {own} nor {shipped} is here (train with `cargo run -p host -- train`, or give --weights)")
        })?;
        let file = BlobFile::read(path)?;
        let blob = file.open()?;
        let header = blob.header();
        let Some(topology) = name_of(header) else {
            let layers: Vec<String> = header.layers.iter().map(|layer| layer.outputs.to_string()).collect();
            bail!("{}: no known topology: layers of {}", path.display(), layers.join(", "))
        };
        ensure!(
            header.format == Format::Int8,
            "{}: an f32 blob; the device takes int8 (make one with `cargo run -p host -- export --format int8`)",
            path.display()
        );
        ensure!(header.input == Affine::UNIT, "{}: made for inputs that are not pixels", path.display());
        let inputs = header.layers.first().map_or(0, |layer| layer.inputs.into());
        let (length, crc) = (blob.bytes().len(), blob.crc());
        let (threshold, layers) = (header.threshold, header.layers.len() as u8);
        Ok(Self { path: path.to_owned(), length, crc, topology, inputs, layers, threshold, file })
    }

    /// The bytes as they lie in flash.
    pub fn bytes(&self) -> &[u8] {
        self.file.bytes()
    }
}
