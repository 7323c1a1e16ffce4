//! What the options ask for: a run, new or continued, and everything that it reads.

use super::splits::Splits;
use crate::args;
use crate::commands::ensure_fits;
use crate::commands::parameters::Parameters;
use anyhow::{anyhow, ensure};
use autoencoder_core::Topology;
use autoencoder_io::files::{self, DirLock};
use autoencoder_io::topology::describe;
use host::export::check_code;
use host::train::checkpoint::{Checkpoint, Run};
use host::train::{Recipe, Trainer};
use std::path::Path;

/// The most parameters that can be trained: a trainer has several copies of them, and a blob at most 4 GiB.
const MAX_PARAMETERS: usize = 1 << 28;

/// A run before its first step.
pub struct Setup {
    pub run: Run,
    /// Of the output folder; `None` if that is not there yet.
    pub lock: Option<DirLock>,
    /// Where the run was stopped, if it is continued.
    pub checkpoint: Option<Checkpoint>,
    /// The network that it begins with, unless with a fresh one.
    from: Option<Parameters>,
    pub splits: Splits,
}

impl Setup {
    /// Reads what the options name, and checks that it fits together. Nothing is written.
    pub fn new(args: &args::Train) -> anyhow::Result<Self> {
        // A folder that is not there yet has nothing in it, and is made only when everything is known to be right.
        let lock = if args.out.is_dir() { Some(DirLock::new(&args.out)?) } else { None };
        let path = args.out.join("checkpoint");
        let checkpoint = if args.resume { Some(Checkpoint::read(&path)?) } else { None };
        if !args.resume && path.exists() {
            ensure_finished(&path)?;
        }
        for file in ["checkpoint", "model.f32.blob"] {
            files::ensure_not_input(&args.out.join(file), args.from.as_deref())?;
        }
        let from = args.from.as_deref().map(Parameters::read).transpose()?;
        let splits = Splits::read(&args.data)?;
        let run = run(args, checkpoint.as_ref().map(|checkpoint| &checkpoint.run), from.as_ref(), splits.train.crc())?;
        let parameters = run.topology.parameters();
        ensure!(
            parameters <= MAX_PARAMETERS,
            "{}: {parameters} parameters, of which at most {MAX_PARAMETERS} can be trained",
            describe(&run.topology)
        );
        ensure_fits(&run.topology, &splits.train, &args.data)?;
        check_code(&run.topology, run.code_bits)?;
        Ok(Self { run, lock, checkpoint, from, splits })
    }

    /// The trainer of the run before its first step.
    pub fn trainer(&self) -> anyhow::Result<Trainer> {
        let Run { topology, steps, batch, seed, .. } = &self.run;
        let mut trainer = Trainer::new(topology, self.run.recipe()?, *steps, *batch, *seed, &self.splits.train);
        if let Some(from) = &self.from {
            trainer.start_from(&from.network());
        }
        Ok(trainer)
    }
}

/// Returns an error if the checkpoint at `path` is that of a run which could go on, or cannot be read: it may be of a run
/// that was worth something.
fn ensure_finished(path: &Path) -> anyhow::Result<()> {
    let found = Checkpoint::read(path).map_err(|e| anyhow!("{e}; give another --out, or delete it"))?;
    ensure!(
        found.step == found.run.steps,
        "{}: a run that was stopped at step {} of {}; go on with it (--resume), give another --out, or delete it",
        path.display(),
        found.step,
        found.run.steps
    );
    Ok(())
}

/// The run: as the options say, else as `before`, the run that is continued, else as `from`, else the default.
fn run(args: &args::Train, before: Option<&Run>, from: Option<&Parameters>, data: u32) -> anyhow::Result<Run> {
    if let Some(from) = from {
        from.ensure_topology(args.topology())?;
    }
    let recipe = args.recipe.clone().or(before.map(|run| run.recipe.clone())).unwrap_or_else(|| "default".into());
    let named = Recipe::named(&recipe).unwrap_or(Recipe::DEFAULT);
    let topology = args.topology().or(from.map(Parameters::topology)).or(before.map(|run| &run.topology));
    let default_steps = if from.is_some() { 1000 } else { 30_000 };
    Ok(Run {
        topology: topology.cloned().map_or_else(|| "classic".parse::<Topology>(), Ok)?,
        steps: args.steps.or(before.map(|run| run.steps)).unwrap_or(default_steps),
        batch: args.batch.map(|batch| batch as usize).or(before.map(|run| run.batch)).unwrap_or(256),
        seed: args.seed.or(before.map(|run| run.seed)).unwrap_or(named.seed),
        data,
        quantise_aware: args.quantise_aware.unwrap_or(before.map_or(named.qat.weights, |run| run.quantise_aware)),
        code_bits: args.code_bits.or(before.map(|run| run.code_bits)).unwrap_or(8),
        from: from.map(|from| (from.crc(), from.steps())).or(before.and_then(|run| run.from)),
        recipe,
    })
}
