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
    let recipe = setup.recipe()?;
    Ok(Steps::search(|steps| {
        let mut trainer = Trainer::new(topology, recipe, steps, *batch, *seed, &setup.splits.train);
        for _ in 0..steps {
            trainer.step(&setup.splits.train);
        }
        evaluate::mean(&evaluate::errors(trainer.network(), trainer.code_bits(), validation))
    }))
}

impl Steps {
    /// Tries more and more steps, until the validation MSE of a run no longer falls enough.
    fn search(mut mse_after: impl FnMut(u32) -> f64) -> Self {
        let mut tried: Vec<(u32, f64)> = Vec::new();
        for steps in TRIED {
            let mse = mse_after(steps);
            let before = tried.last().map_or(f64::INFINITY, |(_, mse)| *mse);
            tried.push((steps, mse));
            if mse.is_nan() || mse >= (1.0 - WORTH) * before {
                break;
            }
        }
        // A NaN of a run that diverged may have a sign, and then sorts before all numbers.
        let numbers = tried.iter().filter(|(_, mse)| !mse.is_nan());
        let steps = numbers.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(TRIED[0], |(steps, _)| *steps);
        Self { steps, tried }
    }

    /// One line of text.
    pub fn describe(&self) -> String {
        let tried: Vec<String> = self.tried.iter().map(|(steps, mse)| format!("{steps}: {mse:.5}")).collect();
        format!("steps: {}, by the validation MSE ({})\n\n", self.steps, tried.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of steps that is chosen from these errors, and how many were tried.
    fn chosen(errors: &[f64]) -> (u32, usize) {
        let mut next = errors.iter().copied();
        let steps = Steps::search(|_| next.next().expect("a further trial"));
        (steps.steps, steps.tried.len())
    }

    #[test]
    fn steps_double_until_they_are_not_worth_it() {
        assert_eq!(chosen(&[1.0, 0.5, 0.25, 0.1, 0.05, 0.01]), (4800, 6));
        // 2 % less is worth going on, 1 % less is the end, and still the best.
        assert_eq!(chosen(&[1.0, 0.979, 0.97]), (600, 3));
        assert_eq!(chosen(&[1.0, 0.98]), (300, 2));
        // The network overfits.
        assert_eq!(chosen(&[1.0, 0.5, 0.6]), (300, 3));
        assert_eq!(chosen(&[1.0, f64::NAN]), (150, 2));
        assert_eq!(chosen(&[1.0, -f64::NAN]), (150, 2));
        assert_eq!(chosen(&[f64::NAN]), (150, 1));
    }

    #[test]
    fn every_trial_is_described() {
        let mut errors = [0.25, 0.5].into_iter();
        let text = Steps::search(|_| errors.next().expect("a further trial")).describe();
        assert_eq!(text, "steps: 150, by the validation MSE (150: 0.25000, 300: 0.50000)\n\n");
    }
}
