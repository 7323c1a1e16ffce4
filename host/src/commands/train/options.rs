//! From the options to a run, new or continued, and everything that it reads.

use super::splits::Splits;
use crate::args;
use crate::commands::network_file::NetworkFile;
use crate::commands::rows::ensure_fits;
use crate::commands::sensor::{ROWS, SETS, rows_file};
use anyhow::{anyhow, bail, ensure};
use autoencoder_core::blob::MAGIC;
use autoencoder_core::front_end::FrontEnd;
use autoencoder_io::files::{self, DirLock};
use autoencoder_io::formats::{CHECKPOINT, PROTECTED};
use autoencoder_io::heap;
use autoencoder_io::number::counted;
use autoencoder_io::topology::describe;
use host::detector::layers;
use host::export::check_code;
use host::train::checkpoint::{Checkpoint, Run};
use host::train::qat::WeightFormat;
use host::train::{ProductKind, Recipe, Trainer};
use std::path::Path;

/// The most parameters that can be trained: a trainer has several copies of them, and a blob at most 4 GiB.
const MAX_PARAMETERS: usize = 1 << 28;

/// A run before its first step.
pub struct Setup {
    pub run: Run,
    /// The lock on the output folder; `None` if the folder does not exist yet.
    pub lock: Option<DirLock>,
    /// The state of a stopped run that is continued.
    pub checkpoint: Option<Checkpoint>,
    /// The network to fine-tune; `None` for a fresh one.
    from: Option<NetworkFile>,
    pub splits: Splits,
    /// The numbers that products multiply, unless the recipe says.
    products: Option<ProductKind>,
    /// Whether the validation rows decide how many steps there are.
    pub steps_are_open: bool,
}

impl Setup {
    /// Reads the files that the options name, and checks that they fit together. Nothing is written.
    pub fn new(args: &args::Train) -> anyhow::Result<Self> {
        if let Some(products) = args.products.filter(|products| products.on_this_processor().is_none()) {
            bail!(
                "--products: this processor has no instructions for {products}; leave the option out for its fastest, or give f32"
            );
        }
        // A folder that does not exist is empty, and it is made only after all checks.
        let lock = if args.out.is_dir() { Some(DirLock::new(&args.out)?) } else { None };
        let path = args.out.join("checkpoint");
        let checkpoint = if args.resume { Some(read_to_resume(&path)?) } else { None };
        files::ensure_replaceable(&path, &CHECKPOINT, &PROTECTED)?;
        for file in ["checkpoint", "model.f32.blob"] {
            files::ensure_not_input(&args.out.join(file), args.from.as_deref())?;
        }
        if !args.resume && !args.force && path.exists() {
            return Err(in_the_way(&path));
        }
        let from = args.from.as_deref().map(NetworkFile::read).transpose()?;
        let splits = Splits::read(args, from.as_ref())?;
        let run = run(args, checkpoint.as_ref().map(|checkpoint| &checkpoint.run), from.as_ref(), &splits)?;
        let parameters = run.topology.parameters();
        ensure!(
            parameters <= MAX_PARAMETERS,
            "{}: {parameters} parameters; at most {MAX_PARAMETERS} can be trained",
            describe(&run.topology)
        );
        let (inputs, found) = (run.topology.inputs(), splits.train.image_size());
        ensure!(
            splits.detector.is_none() || inputs == found,
            "{}: {} a window, where {} takes {inputs}",
            splits.data,
            counted(found, "input"),
            describe(&run.topology)
        );
        ensure_fits(&run.topology, &splits.train, &splits.data)?;
        ensure_memory(&run)?;
        check_code(&run.topology, run.code_bits)?;
        ensure_outputs(&args.out, &run, splits.detector.is_some())?;
        let steps_are_open =
            args.steps.is_none() && checkpoint.is_none() && from.is_none() && splits.detector.is_some();
        Ok(Self { run, lock, checkpoint, from, splits, products: args.products, steps_are_open })
    }

    /// The recipe of the run.
    pub fn recipe(&self) -> anyhow::Result<Recipe> {
        let recipe = self.run.recipe()?;
        Ok(Recipe { products: self.products.unwrap_or(recipe.products), ..recipe })
    }

    /// A description of the data.
    pub fn describe_data(&self) -> anyhow::Result<String> {
        Ok(self.splits.describe(self.splits.train.len().min(self.run.recipe()?.rows)))
    }

    /// The trainer of the run before its first step.
    pub fn trainer(&self) -> anyhow::Result<Trainer> {
        let Run { topology, steps, batch, seed, .. } = &self.run;
        let mut trainer = Trainer::new(topology, self.recipe()?, *steps, *batch, *seed, &self.splits.train);
        if let Some(from) = &self.from {
            trainer.start_from(&from.network());
        }
        Ok(trainer)
    }
}

/// Reads the checkpoint to continue from.
fn read_to_resume(path: &Path) -> anyhow::Result<Checkpoint> {
    ensure!(path.exists(), "{}: no checkpoint there, so nothing to --resume", path.display());
    Ok(Checkpoint::read(path)?)
}

/// The error of a new run that would replace the checkpoint at `path`, which took long to make.
fn in_the_way(path: &Path) -> anyhow::Error {
    let found = match Checkpoint::read(path) {
        Err(error) => {
            let error = anyhow::Error::from(error);
            return anyhow!("{error:#}; give another --out, or --force to replace it");
        }
        Ok(found) => found,
    };
    let (path, step, steps) = (path.display(), found.step, found.run.steps);
    if step == steps {
        let steps = counted(steps, "step");
        anyhow!("{path}: a finished run of {steps}; give another --out, or --force to replace it")
    } else {
        anyhow!(
            "{path}: a run that was stopped at step {step} of {steps}; continue it (--resume), give another --out, or \
             --force to replace it"
        )
    }
}

/// Returns an error if one of the run's files could not be written at its end.
fn ensure_outputs(out: &Path, run: &Run, is_detector: bool) -> anyhow::Result<()> {
    let integers = format!("model.{}.blob", run.quantise_aware.unwrap_or(WeightFormat::Int8).name());
    for blob in ["model.f32.blob", &integers] {
        files::ensure_replaceable(&out.join(blob), &MAGIC, &PROTECTED)?;
    }
    for file in ["loss.csv", "loss.png", "reconstructions.png"] {
        files::ensure_replaceable(&out.join(file), &[], &PROTECTED)?;
    }
    if is_detector {
        /// The start of an IDX file of bytes.
        const IDX: [u8; 3] = [0, 0, 8];
        for set in SETS {
            files::ensure_replaceable(&out.join(ROWS).join(rows_file(set)), &IDX, &PROTECTED)?;
        }
    }
    Ok(())
}

/// Returns an error if the system refuses the memory of training and of its checkpoints. Refused later, it would end the run.
fn ensure_memory(run: &Run) -> anyhow::Result<()> {
    let bytes = Trainer::memory_bytes(&run.topology, run.batch) + Checkpoint::memory_bytes(&run.topology);
    let (network, megabytes) = (describe(&run.topology), bytes / 1_000_000);
    ensure!(heap::is_available(bytes), "training {network} takes {megabytes} MB of memory, which the system refuses");
    Ok(())
}

/// The settings of the run. Each is that of the options, else that of `before`, the run that is continued, else that of `from`,
/// else the default.
fn run(args: &args::Train, before: Option<&Run>, from: Option<&NetworkFile>, splits: &Splits) -> anyhow::Result<Run> {
    if let Some(from) = from {
        from.ensure_topology(args.topology())?;
    }
    let recipe = match splits.detector.as_ref().map(|detector| detector.sensor.spec.front_end) {
        Some(FrontEnd::Spectrum { .. }) => "spectrum",
        Some(_) => "sensor",
        None => "default",
    };
    let recipe = args.recipe.clone().or(before.map(|run| run.recipe.clone())).unwrap_or_else(|| recipe.into());
    let named = Recipe::named(&recipe).unwrap_or(Recipe::DEFAULT);
    let topology = args.topology().or(from.map(NetworkFile::topology)).or(before.map(|run| &run.topology));
    let default_topology = || {
        if splits.detector.is_some() {
            layers(splits.train.image_size(), splits.train.len())
        } else {
            "classic".parse()
        }
    };
    let default_steps = if from.is_some() { 1000 } else { 30_000 };
    Ok(Run {
        topology: topology.cloned().map_or_else(default_topology, Ok)?,
        steps: args.steps.or(before.map(|run| run.steps)).unwrap_or(default_steps),
        batch: args.batch.or(before.map(|run| run.batch)).unwrap_or(256),
        seed: args.seed.or(before.map(|run| run.seed)).unwrap_or(named.seed),
        data: splits.train.crc(),
        input: splits.input()?,
        quantise_aware: args.quantise_aware.unwrap_or(before.map_or(named.qat.weights, |run| run.quantise_aware)),
        code_bits: args.code_bits.or(before.map(|run| run.code_bits)).unwrap_or(8),
        from: from.map(|from| (from.crc(), from.steps())).or(before.and_then(|run| run.from)),
        recipe,
    })
}
