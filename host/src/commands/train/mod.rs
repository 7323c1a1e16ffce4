//! `train`: from the options to a run, the steps of the run, and its summary.

mod options;
mod progress;
mod splits;
mod steps;
mod summary;
mod training_loop;

use crate::args;
use anyhow::anyhow;
use options::Setup;
use std::io::{Write, stderr};
use training_loop::TrainingLoop;

pub fn run(args: &args::Train) -> anyhow::Result<String> {
    let mut setup = Setup::new(args)?;
    let threads = args.threads.map_or(0, usize::from); // 0: as many as there are cores
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| anyhow!("the system refused threads: {error}"))?;
    pool.install(|| {
        // Nobody may be listening.
        let say = |text: &str| args.json || stderr().write_all(text.as_bytes()).is_ok();
        let data = setup.describe_data()?;
        let detector = setup.splits.detector.as_ref().filter(|_| setup.steps_are_open);
        let described = detector.is_some_and(|_| say(&data));
        let steps = detector.map(|detector| steps::choose(&setup, &detector.validation)).transpose()?;
        if let Some(steps) = &steps {
            say(&steps.describe());
            setup.run.steps = steps.steps;
        }
        let trainer = setup.trainer()?;
        let mut training = TrainingLoop::new(args, setup, trainer)?;
        let _ = described || say(&data);
        training.run()?;
        summary::finish(&training, steps.as_ref())
    })
}
