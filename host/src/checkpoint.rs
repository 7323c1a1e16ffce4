//! A training run on disk: all that is needed to go on to the same bytes as without a stop.

use crate::aware::{Aware, Precision};
use crate::files::{self, FileError};
use crate::recipe::Recipe;
use crate::trainer::{Trainable, Trainer};
use autoencoder_core::{LayerSpec, Parameters};
use crc::{CRC_32_ISO_HDLC, Crc};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub(crate) const MAGIC: [u8; 4] = *b"AECK";
const VERSION: u8 = 2;
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// The largest batch of a run.
pub const MAX_BATCH: usize = 65_536;

/// What a run was started with. A run is continued only as the one it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The recipe's name.
    pub recipe: String,
    /// The topology's name.
    pub topology: String,
    /// Its layers.
    pub layers: Vec<LayerSpec>,
    /// Steps in all.
    pub steps: u32,
    /// Rows a step.
    pub batch: usize,
    /// Seed of weights and order.
    pub seed: u64,
    /// CRC-32 of the training images.
    pub data: u32,
    /// What the last steps round the weights for.
    pub quantise_aware: Option<Precision>,
    /// Bits of a code element in those steps.
    pub code_bits: u8,
    /// The network it began with, if not with a fresh one: CRC-32 of its file, and the steps behind it. Then every step
    /// is quantisation-aware.
    pub from: Option<(u32, u32)>,
}

impl Run {
    /// The recipe, with this run's quantisation-aware steps.
    pub fn recipe(&self) -> Result<Recipe, UnknownRecipe> {
        let recipe = Recipe::named(&self.recipe).ok_or_else(|| UnknownRecipe(self.recipe.clone()))?;
        let aware = Aware::new(self.quantise_aware, self.code_bits);
        Ok(match self.from {
            None => Recipe { aware, ..recipe },
            Some(_) => Recipe { aware: Aware { part: 1.0, ..aware }, moved: 0.0, ..recipe },
        })
    }

    /// Steps of training behind the network after `step` of this run's.
    pub fn steps_behind(&self, step: u32) -> u32 {
        self.from.map_or(0, |(_, steps)| steps).saturating_add(step)
    }
}

/// There is no recipe of that name.
#[derive(Debug, thiserror::Error)]
#[error("no recipe named {0}")]
pub struct UnknownRecipe(String);

/// The loss at one point of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps done.
    pub step: u32,
    /// Mean of the batch losses since the point before.
    pub loss: f32,
    /// Learning rate.
    pub learning_rate: f32,
    /// MSE over the test images, where it was measured.
    pub test_mse: Option<f64>,
}

/// A run and how far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What it was started with.
    pub run: Run,
    /// Steps done.
    pub step: u32,
    /// Time spent in them, in seconds.
    pub seconds: f64,
    /// The losses so far.
    pub history: Vec<Point>,
    /// Losses since the last point: their sum and number.
    pub pending: (f64, u32),
    /// Parameters, first and second moments, flat.
    state: [Vec<f32>; 3],
    /// The scales of rounded rows.
    scales: Vec<f32>,
}

/// What can be wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It begins as no checkpoint does.
    #[error("{}: not a checkpoint", path.display())]
    NotACheckpoint {
        /// Which file.
        path: PathBuf,
    },
    /// Written by another version of this program.
    #[error("{}: a checkpoint of version {found}, this program knows {VERSION}", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// The version found.
        found: u8,
    },
    /// Its bytes are not those that were written.
    #[error("{}: a damaged checkpoint", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// A number to be written is NaN or infinite: the run has diverged.
    #[error("{}: a number that is not finite is not written", path.display())]
    NotFinite {
        /// Which file.
        path: PathBuf,
    },
    /// It is of another run.
    #[error("{}: the checkpoint is of a run with {what} {found}, not {expected}", path.display())]
    OtherRun {
        /// Which file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// As asked for.
        expected: String,
        /// As stored.
        found: String,
    },
}

impl Checkpoint {
    /// The state of `trainer`.
    pub fn new<N: Trainable>(run: Run, trainer: &mut Trainer<N>) -> Self {
        let state = trainer.state().map(|net| net.slices().collect::<Vec<_>>().concat());
        let scales = trainer.scales().to_vec();
        Self { run, step: trainer.step(), seconds: 0.0, history: Vec::new(), pending: (0.0, 0), state, scales }
    }

    /// Copies the state into `trainer`, which was made for the same run; false if its arrays have other lengths.
    pub fn restore<N: Trainable>(&self, trainer: &mut Trainer<N>) -> bool {
        let lengths = |net: &N| net.slices().map(<[f32]>::len).sum::<usize>();
        let rows: usize = N::specs().map(|spec| usize::from(spec.outputs)).sum();
        if self.scales.len() != rows && !self.scales.is_empty() {
            return false;
        }
        if self.state.iter().any(|numbers| numbers.len() != lengths(trainer.net())) {
            return false;
        }
        trainer.restore(self.step, &self.scales, |nets| {
            for (net, numbers) in nets.into_iter().zip(&self.state) {
                let mut rest = &numbers[..];
                for slice in net.slices_mut() {
                    let (numbers, behind) = rest.split_at(slice.len());
                    slice.copy_from_slice(numbers);
                    rest = behind;
                }
            }
        });
        true
    }

    /// The scales of the rounded rows: none where rounding has not begun.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// The parameters into `net`; false if it has another number of them.
    pub fn load<N: Parameters>(&self, net: &mut N) -> bool {
        let numbers = &self.state[0];
        let fits = net.slices().map(<[f32]>::len).sum::<usize>() == numbers.len();
        if fits {
            for (to, from) in net.slices_mut().flatten().zip(numbers) {
                *to = *from;
            }
        }
        fits
    }

    /// Whether these bytes begin as a checkpoint does.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Reads a checkpoint.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = files::read(path)?;
        let path = || path.to_owned();
        if !Self::is_one(&bytes) {
            return Err(CheckpointError::NotACheckpoint { path: path() });
        }
        let damaged = || CheckpointError::Damaged { path: path() };
        match bytes.get(MAGIC.len()) {
            Some(&VERSION) => {}
            Some(&found) => return Err(CheckpointError::Version { path: path(), found }),
            None => return Err(damaged()),
        }
        let (_, _, checkpoint): ([u8; 4], u8, Self) =
            postcard::from_bytes_crc32(&bytes, CRC.digest()).map_err(|_| damaged())?;
        let Run { steps, batch, .. } = checkpoint.run;
        let possible = steps > 0 && checkpoint.step <= steps && (1..=MAX_BATCH).contains(&batch);
        if possible { Ok(checkpoint) } else { Err(damaged()) }
    }

    /// Replaces the checkpoint at `path`, but by none of a run that has diverged.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        if !self.state.iter().chain([&self.scales]).flatten().all(|number| number.is_finite()) {
            return Err(CheckpointError::NotFinite { path: path.to_owned() });
        }
        let bytes = postcard::to_allocvec_crc32(&(MAGIC, VERSION, self), CRC.digest()).expect("memory takes it all");
        Ok(files::replace(path, &bytes)?)
    }

    /// An error unless `run`, where it is asked for, is the checkpoint's.
    pub fn expect(&self, path: &Path, run: &Run) -> Result<(), CheckpointError> {
        let aware = |run: &Run| run.quantise_aware.map_or("none", Precision::name);
        let pairs = [
            ("recipe", run.recipe.clone(), self.run.recipe.clone()),
            ("topology", run.topology.clone(), self.run.topology.clone()),
            ("layers", format!("{:?}", run.layers), format!("{:?}", self.run.layers)),
            ("steps", run.steps.to_string(), self.run.steps.to_string()),
            ("batch", run.batch.to_string(), self.run.batch.to_string()),
            ("seed", run.seed.to_string(), self.run.seed.to_string()),
            ("quantise-aware", aware(run).into(), aware(&self.run).into()),
            ("code-bits", run.code_bits.to_string(), self.run.code_bits.to_string()),
            ("training images of CRC", format!("{:08x}", run.data), format!("{:08x}", self.run.data)),
        ];
        match pairs.into_iter().find(|(_, expected, found)| expected != found) {
            Some((what, expected, found)) => {
                Err(CheckpointError::OtherRun { path: path.to_owned(), what, expected, found })
            }
            None => Ok(()),
        }
    }
}
