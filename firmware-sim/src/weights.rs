//! The weights blob of a device.

use crate::board::Board;
use crate::terminal::note;
use anyhow::{Context, ensure};
use autoencoder_core::blob::{Blob, Format, Header};
use autoencoder_core::front_end::Section;
use autoencoder_core::network::Half;
use autoencoder_core::quant::QuantParams;
use autoencoder_core::{Network, Topology, blob};
use autoencoder_io::blob_file::{BlobFile, default_blob, encoder_blob, half};
use autoencoder_io::formats::ensure_not_checkpoint;
use autoencoder_io::topology::{ensure_autoencoder, name};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The default paths: the user's own trained weights, then those that come with the repository.
const CANDIDATES: [&str; 2] = ["artifacts/model.int8.blob", "models/classic.int8.blob"];

/// An integer network in its blob, checked.
pub struct WeightsBlob {
    pub path: PathBuf,
    pub header: Header,
    /// Bytes of the blob, without any bytes that follow it in the file.
    pub length: usize,
    pub crc: u32,
    /// Bytes of the application's stack with this network, once they are measured.
    pub stack: OnceLock<usize>,
    file: BlobFile,
    encoder: OnceLock<Option<Encoder>>,
}

/// The encoder of a network as a separate blob, for a board without room for both halves.
pub struct Encoder {
    /// Codes of this encoder carry this CRC instead of the whole blob's.
    pub crc: u32,
    file: BlobFile,
}

impl Encoder {
    fn new(blob: &Blob<'_>) -> Option<Self> {
        let file = BlobFile::new("encoder".as_ref(), &encoder_blob(blob).ok()?);
        let crc = file.open().ok()?.crc();
        Some(Self { crc, file })
    }

    /// The bytes as they lie in flash.
    pub fn bytes(&self) -> &[u8] {
        self.file.bytes()
    }
}

impl WeightsBlob {
    /// Reads and checks the blob at `path`, or the first of the candidates that exists here or in a folder above.
    pub fn find(path: Option<&Path>) -> anyhow::Result<Self> {
        let path = path.map_or_else(|| default_blob(CANDIDATES, "give --weights"), |path| Ok(path.to_owned()))?;
        let file = BlobFile::read(&path)?;
        ensure_not_checkpoint(&path, file.bytes())?;
        let weights = Self::new(&path, file)?;
        if let Some(behind) = weights.file.bytes().len().checked_sub(weights.length).filter(|bytes| *bytes > 0) {
            note(&format!("warning: {}: {behind} bytes after the blob are ignored", path.display()));
        }
        Ok(weights)
    }

    /// Checks the blob in `file`; `path` is its name.
    pub fn new(path: &Path, file: BlobFile) -> anyhow::Result<Self> {
        let blob = file.open()?;
        let header = blob.header().clone();
        ensure!(
            header.format != Format::F32,
            "{}: an f32 blob; the device needs integers (make one with `cargo run -p host -- export --format int8`)",
            path.display()
        );
        ensure!(header.input == QuantParams::UNIT, "{}: made for inputs that are not pixels", path.display());
        ensure_autoencoder(&header.topology).with_context(|| path.display().to_string())?;
        let (length, crc) = (blob.bytes().len(), blob.crc());
        Network::new(blob).map_err(|source| file.error(source))?;
        Ok(Self { path: path.to_owned(), header, length, crc, file, stack: OnceLock::new(), encoder: OnceLock::new() })
    }

    /// The blob.
    pub fn blob(&self) -> anyhow::Result<Blob<'_>> {
        Ok(self.file.open()?)
    }

    /// The input section; `None` if the network takes rows, no samples.
    pub fn section(&self) -> anyhow::Result<Option<Section<'_>>> {
        let bytes = self.file.open()?.input().map_err(|source| self.file.error(source))?;
        let section = (!bytes.is_empty()).then(|| Section::read(bytes)).transpose();
        section.with_context(|| format!("{}: its input section", self.path.display()))
    }

    /// The bytes as they lie in flash.
    pub fn bytes(&self) -> &[u8] {
        &self.file.bytes()[..self.length]
    }

    /// The network's shape.
    pub fn topology(&self) -> &Topology {
        &self.header.topology
    }

    /// The network's name in messages: that of its topology, or its sizes.
    pub fn name(&self) -> String {
        name(self.topology())
    }

    /// Number of values in a row.
    pub fn row(&self) -> usize {
        self.topology().row()
    }

    /// Bytes of a packed code.
    pub fn code_bytes(&self) -> usize {
        self.header.code_bytes()
    }

    /// Number of output channels of all layers, including padding.
    pub fn channels(&self) -> usize {
        self.topology().channels()
    }

    /// The encoder alone; `None` unless the network has both halves.
    pub fn encoder(&self) -> Option<&Encoder> {
        let halves = self.topology().has_encoder() && self.topology().decoder_layers() > 0;
        self.encoder.get_or_init(|| self.file.open().ok().filter(|_| halves).and_then(|b| Encoder::new(&b))).as_ref()
    }

    /// Whether this is the CRC of the network's encoder alone, which makes the same codes.
    pub fn is_encoder(&self, crc: u32) -> bool {
        crc != self.crc && self.encoder().is_some_and(|encoder| encoder.crc == crc)
    }

    /// Bytes of a blob of the encoder alone and of the decoder alone; `None` for a network that has only one half.
    pub fn half_lengths(&self) -> anyhow::Result<Option<[usize; 2]>> {
        let blob = self.file.open()?;
        let halves = (half(&blob, Half::Encoder)?, half(&blob, Half::Decoder)?);
        let (Some((encoder, first)), Some((decoder, last))) = halves else { return Ok(None) };
        let input = blob.input()?;
        Ok(Some([blob::len(&encoder, first, input)?, blob::len(&decoder, last, input)?]))
    }

    /// Whether the processor of a board reads the layout of the weights.
    pub fn is_readable(&self, board: &Board) -> bool {
        self.header.format != Format::Int8Rows || board.processor.has_helium()
    }

    /// Returns an error unless the processor of a board reads the layout of the weights.
    pub fn ensure_readable(&self, board: &Board) -> anyhow::Result<()> {
        let (path, Board { name, processor, .. }) = (self.path.display(), board);
        ensure!(
            self.is_readable(board),
            "{path}: weights row by row, for a processor with Helium; expected a --board like mps3-an547, not {name}, \
             a {processor}"
        );
        Ok(())
    }

    /// Returns an error unless the network can encode. `command` is what needs it.
    pub fn ensure_encodes(&self, command: &str) -> anyhow::Result<()> {
        let has = self.topology().has_encoder();
        ensure!(has, "{}: a decoder alone; `{command}` needs the encoder", self.path.display());
        Ok(())
    }

    /// Returns an error unless the network can decode. `command` is what needs it.
    pub fn ensure_decodes(&self, command: &str) -> anyhow::Result<()> {
        let has = self.topology().has_decoder();
        ensure!(has, "{}: an encoder alone; `{command}` needs the decoder", self.path.display());
        Ok(())
    }

    /// Returns an error unless the network has both halves. `command` is what needs them.
    pub fn ensure_whole(&self, command: &str) -> anyhow::Result<()> {
        self.ensure_encodes(command)?;
        self.ensure_decodes(command)
    }
}
