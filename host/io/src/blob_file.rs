//! Weights blobs in memory: read from a file, aligned as in flash, or assembled.

use crate::files::{self, FileError};
use autoencoder_core::blob::{self, Blob, Format, Header, RawLayer, Thresholds};
use autoencoder_core::network::Half;
use autoencoder_core::quant::QuantParams;
use autoencoder_core::{Error, Topology};
use std::path::{Path, PathBuf};
use zerocopy::IntoBytes;

/// The bytes of a file, aligned to 16 bytes.
#[derive(Clone, Debug)]
pub struct BlobFile {
    path: PathBuf,
    words: Vec<u128>,
    length: usize,
}

/// The reason that a file cannot be opened as a blob.
#[derive(Debug, thiserror::Error)]
pub enum BlobFileError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a blob, or is damaged, or cannot be used here.
    #[error("{}", path.display())]
    Blob {
        /// Which file.
        path: PathBuf,
        /// The error of the blob.
        source: Error,
    },
}

impl BlobFile {
    /// Reads a file; its contents are checked when it is opened.
    pub fn read(path: &Path) -> Result<Self, BlobFileError> {
        let (words, length) = files::read_aligned(path)?;
        Ok(Self { path: path.to_owned(), words, length })
    }

    /// `bytes` as if read from `path`.
    pub fn new(path: &Path, bytes: &[u8]) -> Self {
        let mut words = vec![0; bytes.len().div_ceil(size_of::<u128>())];
        words.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        Self { path: path.to_owned(), words, length: bytes.len() }
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.words.as_bytes()[..self.length]
    }

    /// Checks the blob.
    pub fn open(&self) -> Result<Blob<'_>, BlobFileError> {
        Blob::open(self.bytes()).map_err(|source| self.error(source))
    }

    /// An error that was found in this file.
    pub fn error(&self, source: Error) -> BlobFileError {
        BlobFileError::Blob { path: self.path.clone(), source }
    }
}

/// There is no blob at the default paths.
#[derive(Debug, thiserror::Error)]
#[error(
    "no weights: neither {} nor {} is here or in a folder above (train with `cargo run -p host -- train`, or {otherwise})",
    candidates[0], candidates[1]
)]
pub struct NoWeights {
    candidates: [&'static str; 2],
    otherwise: &'static str,
}

/// The path of the first of the default blobs that is here or in a folder above. The error says what to do `otherwise`.
pub fn default_blob(candidates: [&'static str; 2], otherwise: &'static str) -> Result<PathBuf, NoWeights> {
    let found = candidates.iter().find_map(|path| files::find_upwards(Path::new(path)).ok());
    found.ok_or(NoWeights { candidates, otherwise })
}

/// Writes a blob: the header, the layers in order, and the input section.
pub fn write_blob<'a>(
    header: &Header,
    layers: impl IntoIterator<Item = RawLayer<'a>> + Clone,
    input: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; blob::len(header, layers.clone(), input)?];
    blob::write(header, layers, input, &mut bytes)?;
    Ok(bytes)
}

/// Writes a network in `f32` as a blob. The parameters are those of the layers in order, the weights of each before its bias.
pub fn f32_blob(
    topology: &Topology,
    steps: u32,
    code_bits: u8,
    parameters: &[f32],
    input: &[u8],
) -> Result<Vec<u8>, Error> {
    let header = Header {
        format: Format::F32,
        accumulators_checked: false,
        steps,
        input: QuantParams::UNIT,
        code_bits,
        thresholds: Thresholds::NONE,
        topology: topology.clone(),
    };
    let mut rest = parameters;
    let layers = topology.layers().iter().map(|layer| {
        let own = rest.split_off(..layer.parameters()).ok_or(Error::Topology)?;
        Ok(RawLayer { output: QuantParams::UNIT, channels: &[], weights: own.as_bytes() })
    });
    write_blob(&header, layers.collect::<Result<Vec<_>, Error>>()?, input)
}

/// The header and the layers of one half of a network as a separate blob; `None` if the half has no layers.
pub fn half<'a>(blob: &Blob<'a>, half: Half) -> Result<Option<(Header, Vec<RawLayer<'a>>)>, Error> {
    let whole = &blob.header().topology;
    let (topology, skipped) = match half {
        Half::Encoder => (whole.encoder(), 0),
        Half::Decoder => (whole.decoder(), whole.encoder_layers()),
    };
    let Some(topology) = topology else { return Ok(None) };
    let mut reader = blob.layers();
    let mut layers = whole.layers().iter().map(|_| reader.next_layer()).collect::<Result<Vec<_>, _>>()?;
    layers.drain(..skipped);
    layers.truncate(topology.layers().len());
    Ok(Some((Header { topology, ..blob.header().clone() }, layers)))
}

/// The encoder of a network as a separate blob, for a device that only encodes: the same header, and the encoder's layers
/// and the input section unchanged. Returns [`Error::Topology`] if the network is a decoder alone, or if its encoder is one layer
/// whose code is as long as the row, because that alone would be a whole network.
pub fn encoder_blob(blob: &Blob<'_>) -> Result<Vec<u8>, Error> {
    let (header, layers) = half(blob, Half::Encoder)?.ok_or(Error::Topology)?;
    if header.topology.has_decoder() && header.topology != blob.header().topology {
        return Err(Error::Topology);
    }
    write_blob(&header, layers, blob.input()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers of zeros: `4-4-4`, stored in eight bits.
    fn header(topology: &str) -> Header {
        Header {
            format: Format::Int8,
            accumulators_checked: true,
            steps: 7,
            input: QuantParams::UNIT,
            code_bits: 8,
            thresholds: Thresholds::NONE,
            topology: topology.parse().unwrap(),
        }
    }

    #[test]
    fn an_encoder_is_a_blob_with_its_layers() {
        let layer = |scale: f32, weight: u8| {
            let output = QuantParams { scale, zero_point: 0 };
            (output, vec![1; 32], vec![weight; 16])
        };
        let stored = [layer(1.0, 1), layer(2.0, 2), layer(3.0, 3)];
        let layers =
            stored.each_ref().map(|(output, channels, weights)| RawLayer { output: *output, channels, weights });
        let bytes = write_blob(&header("4-4-4*-4"), layers, b"section").unwrap();
        let file = BlobFile::new(Path::new("all"), &bytes);
        let blob = file.open().unwrap();
        let encoder = BlobFile::new(Path::new("encoder"), &encoder_blob(&blob).unwrap());
        let encoder = encoder.open().unwrap();
        let topology = &encoder.header().topology;
        assert_eq!((topology.layers().len(), topology.encoder_layers(), topology.has_decoder()), (2, 2, false));
        assert_eq!(encoder.header().steps, 7);
        let mut reader = encoder.layers();
        for (output, channels, weights) in &stored[..2] {
            let layer = reader.next_layer().unwrap();
            assert_eq!((layer.output, layer.channels, layer.weights), (*output, &channels[..], &weights[..]));
        }
        assert_eq!(reader.finish(), Ok(&b"section"[..]));

        let decoder = Header { topology: blob.header().topology.decoder().unwrap(), ..header("4-4") };
        let bytes = write_blob(&decoder, layers[2..].iter().copied(), &[]).unwrap();
        let file = BlobFile::new(Path::new("decoder"), &bytes);
        assert_eq!(encoder_blob(&file.open().unwrap()), Err(Error::Topology));

        let bytes = write_blob(&header("4-4-4"), layers[..2].iter().copied(), &[]).unwrap();
        let file = BlobFile::new(Path::new("ambiguous"), &bytes);
        assert_eq!(encoder_blob(&file.open().unwrap()), Err(Error::Topology));
    }
}
