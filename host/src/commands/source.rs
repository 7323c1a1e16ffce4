//! Where the parameters of a network come from: a checkpoint or an f32 blob.

use super::topology_of;
use anyhow::ensure;
use autoencoder_core::crc;
use host::aware::{Aware, round};
use host::blob_file::BlobFile;
use host::centre::centres;
use host::checkpoint::Checkpoint;
use host::idx::Images;
use host::trainer::{Trainable, zeroed_box};
use std::path::{Path, PathBuf};

/// A file of parameters.
pub struct Source {
    path: PathBuf,
    file: BlobFile,
    checkpoint: Option<Box<Checkpoint>>,
}

impl Source {
    /// Reads and checks it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = BlobFile::read(path)?;
        let checkpoint = if Checkpoint::is_one(file.bytes()) { Some(Box::new(Checkpoint::read(path)?)) } else { None };
        if checkpoint.is_none() {
            file.open()?;
        }
        Ok(Self { path: path.to_owned(), file, checkpoint })
    }

    /// CRC-32 of the file: which parameters these are.
    pub fn crc(&self) -> u32 {
        crc::checksum(self.file.bytes())
    }

    /// The name of the topology.
    pub fn topology(&self) -> anyhow::Result<String> {
        match &self.checkpoint {
            Some(checkpoint) => Ok(checkpoint.run.topology.clone()),
            None => Ok(topology_of(self.file.open()?.header(), &self.path)?.to_owned()),
        }
    }

    /// The same; an error if another one was asked for.
    pub fn expect_topology(&self, asked: Option<&str>) -> anyhow::Result<String> {
        let found = self.topology()?;
        let asked = asked.unwrap_or(&found);
        ensure!(asked == found, "{}: parameters of {found}, not of {asked}", self.path.display());
        Ok(found)
    }

    /// Steps of training behind them.
    pub fn steps(&self) -> anyhow::Result<u32> {
        Ok(match &self.checkpoint {
            Some(checkpoint) => checkpoint.run.steps_behind(checkpoint.step),
            None => self.file.open()?.header().steps,
        })
    }

    /// Bits of a code element that they were trained for.
    pub fn code_bits(&self) -> anyhow::Result<u8> {
        Ok(match &self.checkpoint {
            Some(checkpoint) => aware(checkpoint)?.code_bits,
            None => self.file.open()?.header().code_bits,
        })
    }

    /// Whether its blob holds rounded weights: then the images that it was trained on are needed to make it.
    pub fn is_rounded(&self) -> anyhow::Result<bool> {
        Ok(match &self.checkpoint {
            Some(checkpoint) => aware(checkpoint)?.weights.is_some(),
            None => false,
        })
    }

    /// The parameters into `net`; those of a quantisation-aware run as its blob holds them if the images that it was
    /// trained on are given, else exactly.
    pub fn load<N: Trainable>(&self, net: &mut N, images: Option<&Images>) -> anyhow::Result<()> {
        let Some(checkpoint) = &self.checkpoint else {
            self.file.open()?.copy_f32(net).map_err(|source| self.file.error(source))?;
            return Ok(());
        };
        let specs: Vec<_> = N::specs().collect();
        ensure!(
            checkpoint.run.layers == specs && checkpoint.load(net),
            "{}: the checkpoint's layers are not those of {}",
            self.path.display(),
            checkpoint.run.topology
        );
        let recipe = checkpoint.run.recipe()?;
        if let (Some(images), Some(precision)) = (images, aware(checkpoint)?.weights) {
            ensure!(
                images.crc() == checkpoint.run.data,
                "{}: trained on other images than those given (--data)",
                self.path.display()
            );
            let centres = if recipe.centred { centres::<N>(images, images.len().min(recipe.rows)) } else { Vec::new() };
            let mut rounded = zeroed_box::<N>();
            round(net, precision, &mut checkpoint.scales().to_vec(), &centres, &mut rounded);
            for (to, from) in net.slices_mut().zip(rounded.slices()) {
                to.copy_from_slice(from);
            }
        }
        Ok(())
    }
}

/// How a checkpoint's network is rounded: as its run says, once that has come so far.
fn aware(checkpoint: &Checkpoint) -> anyhow::Result<Aware> {
    let recipe = checkpoint.run.recipe()?;
    let reached = checkpoint.step >= recipe.exact_steps(checkpoint.run.steps);
    Ok(if reached { recipe.aware } else { Aware::NONE })
}
