//! The weights blob that the device is given.

use anyhow::{Context, bail, ensure};
use autoencoder_core::LayerSpec;
use autoencoder_core::blob::{Blob, Format, Writer};
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
    pub format: Format,
    /// How many, encoder and decoder together.
    pub layers: u8,
    /// Elements of a code, and bits of each.
    pub code: (usize, u8),
    /// Multiply-accumulates of the encoder and of the decoder.
    pub macs: [usize; 2],
    /// From which score on an image is odd.
    pub threshold: u32,
    file: BlobFile,
    /// A blob of the encoder alone, for a device without room for more.
    pub encoder: Encoder,
}

/// The encoder's part of a blob, as a blob of its own.
pub struct Encoder {
    /// Its codes carry this CRC instead of the whole blob's.
    pub crc: u32,
    file: BlobFile,
}

impl Encoder {
    /// The same header and layers as far as they are the encoder's.
    fn of(blob: &Blob<'_>) -> anyhow::Result<Self> {
        let mut header = blob.header().clone();
        header.layers.truncate(header.encoder_layers.into());
        let mut buffer = vec![0; blob.bytes().len()];
        let mut writer = Writer::new(&mut buffer, &header)?;
        let mut layers = blob.layers();
        for _ in 0..header.encoder_layers {
            writer.layer(layers.layer()?)?;
        }
        let file = BlobFile::new("the encoder's part".as_ref(), writer.finish()?);
        let crc = file.open()?.crc();
        Ok(Self { crc, file })
    }

    /// The bytes as they lie in flash.
    pub fn bytes(&self) -> &[u8] {
        self.file.bytes()
    }
}

impl Weights {
    /// Reads and checks the blob that was named, or the first of the candidates that is there.
    pub fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        let candidate = || CANDIDATES.iter().map(Path::new).find(|path| path.exists());
        let path = named.or_else(candidate).with_context(|| {
            let [own, shipped] = CANDIDATES;
            format!("no weights: neither {own} nor {shipped} is here (train with `cargo run -p host -- train`, or give --weights)")
        })?;
        Self::of(path, BlobFile::read(path)?)
    }

    /// The weights in a blob, if a device can use them.
    pub fn of(path: &Path, file: BlobFile) -> anyhow::Result<Self> {
        let blob = file.open()?;
        let header = blob.header();
        let Some(topology) = name_of(header) else {
            let layers: Vec<String> = header.layers.iter().map(|layer| layer.outputs.to_string()).collect();
            bail!("{}: no known topology: layers of {}", path.display(), layers.join(", "))
        };
        ensure!(
            header.format != Format::F32,
            "{}: an f32 blob; the device takes integers (make one with `cargo run -p host -- export --format int8`)",
            path.display()
        );
        ensure!(header.input == Affine::UNIT, "{}: made for inputs that are not pixels", path.display());
        let inputs = header.layers.first().map_or(0, |layer| layer.inputs.into());
        let (length, crc) = (blob.bytes().len(), blob.crc());
        let encoder = Encoder::of(&blob)?;
        let halves = header.layers.split_at(header.encoder_layers.into());
        let code = (halves.0.last().map_or(0, |layer| layer.outputs.into()), header.code_bits);
        let macs = |layers: &[LayerSpec]| {
            layers.iter().map(|layer| usize::from(layer.inputs) * usize::from(layer.outputs)).sum()
        };
        let macs = [macs(halves.0), macs(halves.1)];
        let (format, threshold, layers) = (header.format, header.threshold, header.layers.len() as u8);
        Ok(Self {
            path: path.to_owned(),
            length,
            crc,
            topology,
            inputs,
            format,
            layers,
            code,
            macs,
            threshold,
            file,
            encoder,
        })
    }

    /// The bytes as they lie in flash.
    pub fn bytes(&self) -> &[u8] {
        self.file.bytes()
    }
}
