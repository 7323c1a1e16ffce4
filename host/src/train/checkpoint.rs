//! A training run on disk. A run that stops and continues from its checkpoint ends with the same bytes as one that never stopped.

use super::qat::{Qat, WeightFormat};
use super::recipe::Recipe;
use super::trainer::Trainer;
use crate::network::FloatNetwork;
use autoencoder_core::Topology;
use autoencoder_io::crc32::checksum;
use autoencoder_io::files::{self, FileError};
use autoencoder_io::formats::{CHECKPOINT, PROTECTED};
use autoencoder_io::number::counted;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const VERSION: u8 = 4;
/// The largest batch of a run.
pub const MAX_BATCH: usize = 65_536;

/// The settings of a run. A run continues only with the same settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The recipe's name.
    pub recipe: String,
    /// The network's layers.
    pub topology: Topology,
    /// All steps of the run.
    pub steps: u32,
    /// Rows a step.
    pub batch: usize,
    /// Seed of the initial weights and of the order of the rows.
    pub seed: u64,
    /// CRC-32 of the training rows.
    pub data: u32,
    /// The input section of the blobs; empty if rows are the network's inputs as they are.
    pub input: Vec<u8>,
    /// The format that the last steps round the weights for; `None` if they do not round.
    pub quantise_aware: Option<WeightFormat>,
    /// Bits of a code element in those steps.
    pub code_bits: u8,
    /// The network that the run fine-tunes: CRC-32 of its file, and its training steps. Every step of such a run is
    /// quantisation-aware. `None` for a fresh network.
    pub from: Option<(u32, u32)>,
}

impl Run {
    /// The recipe, with this run's quantisation-aware steps.
    pub fn recipe(&self) -> Result<Recipe, UnknownRecipe> {
        let recipe = Recipe::named(&self.recipe).ok_or_else(|| UnknownRecipe(self.recipe.clone()))?;
        let qat = Qat::new(self.quantise_aware, self.code_bits);
        Ok(match self.from {
            None => Recipe { qat, ..recipe },
            Some(_) => Recipe { qat: Qat { fraction: 1.0, ..qat }, augment_fraction: 0.0, ..recipe },
        })
    }

    /// The training steps of the network after `step` steps of this run, those before the run included.
    pub fn network_steps(&self, step: u32) -> u32 {
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
    /// MSE over the test images, if it was measured.
    pub test_mse: Option<f64>,
}

/// A run and its state after some steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The settings of the run.
    pub run: Run,
    /// Steps done.
    pub step: u32,
    /// Time spent in them, in seconds.
    pub seconds: f64,
    /// The losses so far.
    pub history: Vec<Point>,
    /// Losses since the last point: their sum and number.
    pub pending: (f64, u32),
    /// Parameters, first and second moments, each as a flat array.
    state: [Vec<f32>; 3],
    /// The scales of the rounded rows; empty before the first quantisation-aware step.
    scales: Vec<f32>,
}

/// Errors of checkpoints.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is too short for a checkpoint.
    #[error("{}: a file of {}; expected a checkpoint", path.display(), counted(bytes, "byte"))]
    Short {
        /// Which file.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// Bytes follow the checkpoint.
    #[error("{}: {} after the end of the checkpoint", path.display(), counted(bytes, "byte"))]
    Longer {
        /// Which file.
        path: PathBuf,
        /// Bytes after the end.
        bytes: usize,
    },
    /// The file does not begin like a checkpoint.
    #[error("{}: not a checkpoint", path.display())]
    NotACheckpoint {
        /// Which file.
        path: PathBuf,
    },
    /// Written by another version of this program.
    #[error("{}: a checkpoint of version {found}; this program reads version {VERSION}", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// The version found.
        found: u8,
    },
    /// The bytes have changed since they were written.
    #[error("{}: a damaged checkpoint", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// A parameter or a moment is NaN or infinite: the run has diverged.
    #[error("{}: not written: a parameter or moment is not finite", path.display())]
    NotFinite {
        /// Which file.
        path: PathBuf,
    },
    /// The checkpoint is of another run.
    #[error("{}: the stored run has {what} {found}, this command has {expected}", path.display())]
    OtherRun {
        /// Which file.
        path: PathBuf,
        /// The name of the setting that differs.
        what: &'static str,
        /// The setting of the command line.
        expected: String,
        /// The setting of the checkpoint.
        found: String,
    },
}

impl Checkpoint {
    /// A checkpoint of the state of `trainer`.
    pub fn new(run: Run, trainer: &mut Trainer) -> Self {
        let state = trainer.state().map(|network| network.parameters().to_vec());
        let (step, scales) = (trainer.steps_done(), trainer.scales().to_vec());
        Self { run, step, seconds: 0.0, history: Vec::new(), pending: (0.0, 0), state, scales }
    }

    /// Puts `trainer`, which was made for the same run, into the stored state.
    pub fn restore(&self, trainer: &mut Trainer) {
        trainer.restore(self.step, &self.scales, self.state.each_ref().map(Vec::as_slice));
    }

    /// The scales of the rounded rows; empty before the first quantisation-aware step.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// The network with its exact parameters.
    pub fn network(&self) -> FloatNetwork {
        let mut network = FloatNetwork::new(&self.run.topology);
        network.parameters_mut().copy_from_slice(&self.state[0]);
        network
    }

    /// Whether these bytes begin like a checkpoint.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&CHECKPOINT)
    }

    /// Reads a checkpoint.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        Self::from_bytes(path, &files::read(path)?)
    }

    /// The checkpoint in the bytes of a file; `path` is its name.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let path = || path.to_owned();
        let Some((magic, [version, ..])) = bytes.split_first_chunk::<4>() else {
            return Err(CheckpointError::Short { path: path(), bytes: bytes.len() });
        };
        if *magic != CHECKPOINT {
            return Err(CheckpointError::NotACheckpoint { path: path() });
        }
        if *version != VERSION {
            return Err(CheckpointError::Version { path: path(), found: *version });
        }
        let damaged = || CheckpointError::Damaged { path: path() };
        let ((_, _, checkpoint), rest): (([u8; 4], u8, Self), _) =
            postcard::take_from_bytes(bytes).map_err(|_| damaged())?;
        let (crc, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        if checksum(&bytes[..bytes.len() - rest.len() - crc.len()]) != u32::from_le_bytes(*crc) {
            return Err(damaged());
        }
        if !rest.is_empty() {
            return Err(CheckpointError::Longer { path: path(), bytes: rest.len() });
        }
        if checkpoint.is_possible() { Ok(checkpoint) } else { Err(damaged()) }
    }

    /// Whether a run can have this state.
    fn is_possible(&self) -> bool {
        let Run { topology, steps, batch, code_bits, .. } = &self.run;
        // A deserialised topology may hold layers that do not fit each other.
        let sound = Topology::new(topology.layers(), topology.encoder_layers()).is_ok()
            && topology.has_encoder()
            && topology.inputs() == topology.outputs();
        let rows: usize = topology.layers().iter().map(|layer| usize::from(layer.outputs)).sum();
        sound
            && self.run.recipe().is_ok()
            && (1..=8).contains(code_bits)
            && *steps > 0
            && self.step <= *steps
            && (1..=MAX_BATCH).contains(batch)
            && self.state.iter().all(|numbers| numbers.len() == topology.parameters())
            && (self.scales.is_empty() || self.scales.len() == rows)
            && self.pending.1 <= self.step
            && self.is_finite()
            && self.scales.iter().all(|scale| *scale > 0.0)
    }

    /// Whether all numbers are finite. Those of a run that has diverged are not.
    fn is_finite(&self) -> bool {
        self.state.iter().chain([&self.scales]).flatten().all(|number| number.is_finite())
    }

    /// Replaces the checkpoint at `path`; an error if the run has diverged.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        if !self.is_finite() {
            return Err(CheckpointError::NotFinite { path: path.to_owned() });
        }
        // Room for all, because a vector that grows takes up to three times its length.
        let rest = 1024 + 4 * self.scales.len() + 32 * self.history.len();
        let room = Vec::with_capacity(Self::memory_bytes(&self.run.topology) / 2 + rest);
        let mut bytes = postcard::to_extend(&(CHECKPOINT, VERSION, self), room).expect("a vector takes all");
        bytes.extend(checksum(&bytes).to_le_bytes());
        Ok(files::replace(path, &bytes, &PROTECTED)?)
    }

    /// The memory of a checkpoint of a network while it is written, to within some kilobytes: the numbers of its state, and
    /// their bytes.
    pub fn memory_bytes(topology: &Topology) -> usize {
        2 * 3 * size_of::<f32>() * topology.parameters()
    }

    /// Returns an error unless the checkpoint is of `run`.
    pub fn expect(&self, path: &Path, run: &Run) -> Result<(), CheckpointError> {
        let qat = |run: &Run| run.quantise_aware.map_or("none", WeightFormat::name).to_owned();
        let topology = |run: &Run| run.topology.name().map_or_else(|| run.topology.to_string(), str::to_owned);
        let encoder_layers = |run: &Run| run.topology.encoder_layers().to_string();
        let from = |run: &Run| {
            run.from.map_or("none".into(), |(crc, steps)| format!("{crc:08x} after {}", counted(steps, "step")))
        };
        let section =
            |run: &Run| format!("of {} and CRC {:08x}", counted(run.input.len(), "byte"), checksum(&run.input));
        let pairs = [
            ("recipe", run.recipe.clone(), self.run.recipe.clone()),
            ("topology", topology(run), topology(&self.run)),
            ("encoder layers", encoder_layers(run), encoder_layers(&self.run)),
            ("steps", run.steps.to_string(), self.run.steps.to_string()),
            ("batch", run.batch.to_string(), self.run.batch.to_string()),
            ("seed", run.seed.to_string(), self.run.seed.to_string()),
            ("quantise-aware", qat(run), qat(&self.run)),
            ("code-bits", run.code_bits.to_string(), self.run.code_bits.to_string()),
            ("first network of CRC", from(run), from(&self.run)),
            ("input section", section(run), section(&self.run)),
            ("training rows of CRC", format!("{:08x}", run.data), format!("{:08x}", self.run.data)),
        ];
        match pairs.into_iter().find(|(_, expected, found)| expected != found) {
            Some((what, expected, found)) => {
                Err(CheckpointError::OtherRun { path: path.to_owned(), what, expected, found })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn run(topology: &str) -> Run {
        Run {
            recipe: "default".into(),
            topology: topology.parse().unwrap(),
            steps: 10,
            batch: 4,
            seed: 1,
            data: 0x1234_5678,
            input: Vec::new(),
            quantise_aware: Some(WeightFormat::Int8),
            code_bits: 8,
            from: None,
        }
    }

    /// The state after a few steps.
    fn checkpoint(run: &Run) -> (Checkpoint, Trainer) {
        let rows = Array2::from_shape_fn((8, run.topology.inputs()), |(row, i)| ((row * i) % 5) as f32 / 5.0);
        let mut trainer = Trainer::new(&run.topology, run.recipe().unwrap(), run.steps, run.batch, run.seed, &rows);
        (0..10).for_each(|_| _ = trainer.step(&rows));
        let mut checkpoint = Checkpoint::new(run.clone(), &mut trainer);
        checkpoint.history = vec![Point { step: 10, loss: 0.25, learning_rate: 0.5, test_mse: Some(0.125) }];
        (checkpoint, trainer)
    }

    #[test]
    fn a_checkpoint_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let (checkpoint, mut trainer) = checkpoint(&run("10-7r-3-7-10"));
        checkpoint.write(&path).unwrap();
        let read = Checkpoint::read(&path).unwrap();
        assert_eq!(read, checkpoint);
        assert_eq!(read.network(), *trainer.state()[0]);
        read.expect(&path, &checkpoint.run).unwrap();
    }

    #[test]
    fn a_checkpoint_that_no_run_can_write_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let (good, _) = checkpoint(&run("10-3-10"));
        let breakages: [fn(&mut Checkpoint); 14] = [
            |c| c.run.steps = 0,
            |c| c.step = 11,
            |c| c.run.batch = MAX_BATCH + 1,
            |c| c.state[2].truncate(5),
            |c| c.scales.push(1.0),
            |c| c.run.topology = "10-4-10".parse().unwrap(),
            |c| c.run.code_bits = 0,
            |c| c.run.code_bits = 9,
            |c| c.run.code_bits = 255,
            |c| c.run.recipe = "another".into(),
            |c| c.scales = vec![0.0; 13],
            |c| c.pending.1 = 11,
            |c| c.run.topology = "6-4-9".parse().unwrap(), // as many parameters and rows as before
            |c| c.run.topology = Topology::new(c.run.topology.layers(), 0).unwrap(),
        ];
        for (i, breakage) in breakages.into_iter().enumerate() {
            let mut bad = good.clone();
            breakage(&mut bad);
            bad.write(&path).unwrap();
            assert!(matches!(Checkpoint::read(&path), Err(CheckpointError::Damaged { .. })), "breakage {i}");
        }
    }

    #[test]
    fn a_run_that_differs_in_anything_is_refused() {
        type Change = fn(&mut Run);
        let (checkpoint, _) = checkpoint(&run("10-3-3-10"));
        let differences: [(&str, Change); 11] = [
            ("recipe", |r| r.recipe = "seed".into()),
            ("topology", |r| r.topology = "10-4-4-10".parse().unwrap()),
            ("encoder layers", |r| r.topology = Topology::new(r.topology.layers(), 0).unwrap()),
            ("steps", |r| r.steps = 11),
            ("batch", |r| r.batch = 5),
            ("seed", |r| r.seed = 2),
            ("quantise-aware", |r| r.quantise_aware = None),
            ("code-bits", |r| r.code_bits = 7),
            ("first network", |r| r.from = Some((1, 2))),
            ("input section", |r| r.input.push(0)),
            ("training rows", |r| r.data = 0),
        ];
        for (what, change) in differences {
            let mut run = checkpoint.run.clone();
            change(&mut run);
            let error = checkpoint.expect(Path::new("checkpoint"), &run).unwrap_err().to_string();
            assert!(error.contains(&format!("the stored run has {what}")), "{error}");
        }
    }
}
