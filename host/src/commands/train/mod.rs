//! `train`: from the options to a run, the steps of the run, and its summary.

mod options;
mod progress;
mod splits;
mod summary;
mod training_loop;

use crate::args;
use anyhow::anyhow;
use options::Setup;
use std::io::{Write, stderr};
use training_loop::TrainingLoop;

pub fn run(args: &args::Train) -> anyhow::Result<String> {
    let setup = Setup::new(args)?;
    let threads = args.threads.map_or(0, usize::from); // 0: as many as there are cores
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| anyhow!("the system refused threads: {error}"))?;
    pool.install(|| {
        let trainer = setup.trainer()?;
        let mut training = TrainingLoop::new(args, setup, trainer)?;
        if !args.json {
            let _ = stderr().write_all(training.describe_data().as_bytes()); // nobody may be listening
        }
        training.run()?;
        summary::finish(&training)
    })
}
