//! A file with a network: a checkpoint, an f32 blob, or a blob of integers as the floats that compute the same.

use anyhow::{Context, anyhow, bail, ensure};
use autoencoder_core::blob::MAGIC;
use autoencoder_core::{Error, Network, Topology};
use autoencoder_io::blob_file::{BlobFile, BlobFileError};
use autoencoder_io::crc32;
use autoencoder_io::files;
use autoencoder_io::idx::Images;
use autoencoder_io::topology::describe;
use host::detector::Sensor;
use host::network::FloatNetwork;
use host::train::centre::centres;
use host::train::checkpoint::Checkpoint;
use host::train::qat::{Qat, WeightFormat, round};
use host::weights::dequantise::dequantise;
use host::weights::learned;
use std::path::{Path, PathBuf};

/// A network that was read from a file.
pub struct NetworkFile {
    path: PathBuf,
    crc: u32,
    contents: Contents,
    /// Whether a device has learned with this blob, and nothing but thresholds, which floats do not have.
    thresholds_alone: bool,
}

enum Contents {
    Checkpoint(Box<Checkpoint>),
    Blob { network: FloatNetwork, steps: u32, code_bits: u8, input: Vec<u8> },
}

impl NetworkFile {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::of(path, &BlobFile::read(path)?)
    }

    /// Checks a file that was read from `path`.
    pub fn of(path: &Path, file: &BlobFile) -> anyhow::Result<Self> {
        let contents = if Checkpoint::is_one(file.bytes()) {
            Contents::Checkpoint(Box::new(Checkpoint::from_bytes(path, file.bytes())?))
        } else {
            let blob = file.open().map_err(|error| match error {
                BlobFileError::Blob { source: Error::Empty | Error::NotABlob, .. } => {
                    anyhow!("{:#}; expected a checkpoint or an f32 blob", anyhow::Error::from(error))
                }
                error => error.into(),
            })?;
            if let Some(format) = WeightFormat::of(blob.header().format) {
                bail!("{}: a blob of {} weights; expected a checkpoint or an f32 blob", path.display(), format.name());
            }
            let network = FloatNetwork::from_blob(&blob).map_err(|source| file.error(source))?;
            let (steps, code_bits) = (blob.header().steps, blob.header().code_bits);
            let input = blob.input().map_err(|source| file.error(source))?.to_vec();
            Contents::Blob { network, steps, code_bits, input }
        };
        Ok(Self { path: path.to_owned(), crc: crc32::checksum(file.bytes()), contents, thresholds_alone: false })
    }

    /// The same of a file that may also be a blob of integers: the network is then the float network that computes the same.
    /// `flash` is that of a device that has learned with this blob.
    pub fn of_any(path: &Path, file: &BlobFile, flash: Option<&Path>) -> anyhow::Result<Self> {
        let integers = match file.open() {
            Ok(blob) => Some(blob).filter(|blob| WeightFormat::of(blob.header().format).is_some()),
            Err(error) if file.bytes().starts_with(&MAGIC) => return Err(error.into()),
            Err(_) => None,
        };
        let Some(blob) = integers else {
            if let Some(flash) = flash {
                bail!(
                    "{}: no blob of integers, so no device has learned with it (--flash {})",
                    path.display(),
                    flash.display()
                );
            }
            return Self::of(path, file);
        };
        let header = blob.header().clone();
        let input = blob.input().map_err(|source| file.error(source))?.to_vec();
        let network = Network::new(blob).map_err(|source| file.error(source))?;
        let learned = flash.map(|flash| {
            let contents = files::read(flash)?;
            learned::channels(&network, &contents).with_context(|| flash.display().to_string())
        });
        let learned = learned.transpose()?;
        let learned = learned.as_ref().map(|(channels, _)| channels.as_slice());
        let thresholds_alone = learned.is_some_and(|channels| learned::are_own(&network, channels));
        let network = dequantise(&network, learned);
        let contents = Contents::Blob { network, steps: header.steps, code_bits: header.code_bits, input };
        Ok(Self { path: path.to_owned(), crc: crc32::checksum(file.bytes()), contents, thresholds_alone })
    }

    /// Whether the flash that was read holds nothing but thresholds, so that the network is that of the blob.
    pub fn has_learned_thresholds_alone(&self) -> bool {
        self.thresholds_alone
    }

    /// CRC-32 of the file. It tells one network from another.
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The network's layers.
    pub fn topology(&self) -> &Topology {
        match &self.contents {
            Contents::Checkpoint(checkpoint) => &checkpoint.run.topology,
            Contents::Blob { network, .. } => network.topology(),
        }
    }

    /// Returns an error if the command line names another network.
    pub fn ensure_topology(&self, named: Option<&Topology>) -> anyhow::Result<()> {
        let found = self.topology();
        let named = named.unwrap_or(found);
        let path = self.path.display();
        ensure!(named == found, "{path}: a network {}; the command line names {}", describe(found), describe(named));
        Ok(())
    }

    /// The network's training steps.
    pub fn steps(&self) -> u32 {
        match &self.contents {
            Contents::Checkpoint(checkpoint) => checkpoint.run.network_steps(checkpoint.step),
            Contents::Blob { steps, .. } => *steps,
        }
    }

    /// Bits of a code element that the network was trained for.
    pub fn code_bits(&self) -> anyhow::Result<u8> {
        match &self.contents {
            Contents::Checkpoint(checkpoint) if checkpoint.run.recipe()?.rounds_code => Ok(checkpoint.run.code_bits),
            Contents::Checkpoint(checkpoint) => Ok(qat(checkpoint)?.code_bits),
            Contents::Blob { code_bits, .. } => Ok(*code_bits),
        }
    }

    /// The input section of the network's blobs.
    pub fn input(&self) -> &[u8] {
        match &self.contents {
            Contents::Checkpoint(checkpoint) => &checkpoint.run.input,
            Contents::Blob { input, .. } => input,
        }
    }

    /// How the samples of a sensor become the network's rows; `None` if rows are its inputs as they are.
    pub fn sensor(&self) -> Option<anyhow::Result<Sensor>> {
        let read = || Sensor::read(self.input()).with_context(|| self.path.display().to_string());
        (!self.input().is_empty()).then(read)
    }

    /// Whether the network's blob holds rounded weights. [`Self::rounded`] then needs the training images.
    pub fn is_rounded(&self) -> anyhow::Result<bool> {
        match &self.contents {
            Contents::Checkpoint(checkpoint) => Ok(qat(checkpoint)?.weights.is_some()),
            Contents::Blob { .. } => Ok(false),
        }
    }

    /// The network with its exact parameters.
    pub fn network(&self) -> FloatNetwork {
        match &self.contents {
            Contents::Checkpoint(checkpoint) => checkpoint.network(),
            Contents::Blob { network, .. } => network.clone(),
        }
    }

    /// The network as its blob holds it. The network of a quantisation-aware run is rounded, given its training images.
    pub fn rounded(&self, images: Option<&Images>) -> anyhow::Result<FloatNetwork> {
        let network = self.network();
        let (Contents::Checkpoint(checkpoint), Some(images)) = (&self.contents, images) else { return Ok(network) };
        let Some(format) = qat(checkpoint)?.weights else { return Ok(network) };
        let path = self.path.display();
        ensure!(images.crc() == checkpoint.run.data, "{path}: trained on other images than those of --data");
        let recipe = checkpoint.run.recipe()?;
        let rows = images.len().min(recipe.rows);
        let centres = if recipe.centred { centres(network.topology(), images, rows) } else { Vec::new() };
        let mut rounded = FloatNetwork::new(network.topology());
        round(&network, format, &mut checkpoint.scales().to_vec(), &centres, &mut rounded);
        Ok(rounded)
    }
}

/// The rounding of a checkpoint's network: none before the run's quantisation-aware steps.
fn qat(checkpoint: &Checkpoint) -> anyhow::Result<Qat> {
    let recipe = checkpoint.run.recipe()?;
    let reached = checkpoint.step >= recipe.exact_steps(checkpoint.run.steps);
    Ok(if reached { recipe.qat } else { Qat::NONE })
}
