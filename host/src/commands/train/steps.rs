//! The number of steps for few rows: as many as still help on rows that do not train.

use super::options::Setup;
use autoencoder_io::idx::Images;
use host::evaluate;
use host::train::Trainer;
use host::train::checkpoint::Run;

/// The numbers of steps that are tried, from the first on.
const TRIED: [u32; 6] = [150, 300, 600, 1200, 2400, 4800];
/// The part of the error that twice the steps must take off to be worth it.
const WORTH: f64 = 0.02;

/// A number of steps, and the reason for it.
pub struct Steps {
    /// The number.
    pub steps: u32,
    /// The MSE over the validation rows for each number that was tried.
    pub tried: Vec<(u32, f64)>,
}

/// Trains networks for more and more steps, until the MSE over the validation rows stops falling. Each has the whole schedule
/// of the learning rate, so none is a run that was cut off.
pub fn choose(setup: &Setup, validation: &Images) -> anyhow::Result<Steps> {
    let Run { topology, batch, seed, .. } = &setup.run;
    let recipe = setup.run.recipe()?;
    let mut tried: Vec<(u32, f64)> = Vec::new();
    for steps in TRIED {
        let mut trainer = Trainer::new(topology, recipe, steps, *batch, *seed, &setup.splits.train);
        for _ in 0..steps {
            trainer.step(&setup.splits.train);
        }
        let mse = evaluate::mean(&evaluate::errors(trainer.network(), trainer.code_bits(), validation));
        let before = tried.last().map_or(f64::INFINITY, |(_, mse)| *mse);
        tried.push((steps, mse));
        if mse.is_nan() || mse >= (1.0 - WORTH) * before {
            break;
        }
    }
    let best = tried.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(TRIED[0], |(steps, _)| *steps);
    Ok(Steps { steps: best, tried })
}

impl Steps {
    /// One line of text.
    pub fn describe(&self) -> String {
        let tried: Vec<String> = self.tried.iter().map(|(steps, mse)| format!("{steps}: {mse:.5}")).collect();
        format!("steps: {}, by the validation MSE ({})\n\n", self.steps, tried.join(", "))
    }
}
