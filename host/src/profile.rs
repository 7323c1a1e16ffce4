//! The time of a training step, by phase.
//!
//! Each phase is always timed, on any thread: two readings of the clock for some ten microseconds of work.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Shuffling the rows, once in a pass over them.
    Shuffle,
    /// Copying rows of the source into the batch.
    Gather,
    /// `x · wᵀ`, forward.
    Forward,
    /// `dz · w`, backward.
    Backward,
    /// `dzᵀ · x`, the gradients of weights.
    Gradients,
    /// Rounding and packing the operands of products.
    Operands,
    /// `σ(z + b)`
    Activation,
    /// The squared error and its gradient.
    Loss,
    /// `dy ⊙ σ'(z)`, and its sum over the rows.
    ActivationBackward,
    /// Rounding the weights as the blob will hold them.
    Rounding,
    /// The optimizer, after the gradient of some rows.
    Update,
}

const PHASES: [(Phase, &str); 11] = [
    (Phase::Forward, "products: x · wᵀ"),
    (Phase::Backward, "products: dz · w"),
    (Phase::Gradients, "products: dzᵀ · x"),
    (Phase::Operands, "products: operands"),
    (Phase::Activation, "activation"),
    (Phase::ActivationBackward, "activation, backward"),
    (Phase::Loss, "loss"),
    (Phase::Gather, "gather"),
    (Phase::Shuffle, "shuffle"),
    (Phase::Rounding, "rounding"),
    (Phase::Update, "update"),
];

const WRITES: &str = "a string takes it all";

static NANOSECONDS: [AtomicU64; PHASES.len()] = [const { AtomicU64::new(0) }; PHASES.len()];

/// Runs a phase on this thread.
#[inline]
pub(crate) fn timed<T>(phase: Phase, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    NANOSECONDS[phase as usize].fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
    result
}

/// The time of a run's steps, by phase.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    steps: u32,
    all: ProfiledStep,
    fastest: Option<ProfiledStep>,
}

/// The time of one step or of several.
#[derive(Clone, Copy, Debug, Default)]
struct ProfiledStep {
    time: Duration,
    /// The time of all threads together.
    phases: [u64; PHASES.len()],
}

impl Profile {
    /// Runs a step and measures it. Nothing else may time phases meanwhile.
    pub fn step<T>(&mut self, step: impl FnOnce() -> T) -> (T, Duration) {
        let take = || NANOSECONDS.each_ref().map(|phase| phase.swap(0, Ordering::Relaxed));
        take(); // drop the time of an evaluation, for example
        let start = Instant::now();
        let result = step();
        let step = ProfiledStep { time: start.elapsed(), phases: take() };
        self.steps += 1;
        self.all.time += step.time;
        for (all, phase) in self.all.phases.iter_mut().zip(step.phases) {
            *all += phase;
        }
        if self.fastest.is_none_or(|fastest| step.time < fastest.time) {
            self.fastest = Some(step);
        }
        (result, step.time)
    }

    /// The phases as a table. `operations` counts the operations of a step's products, zeros included; `rate` is how many a dense
    /// product does in a second on these threads.
    pub fn table(&self, threads: usize, operations: u64, rate: f64) -> String {
        let Some(fastest) = self.fastest else { return String::new() };
        let ms = |nanoseconds: u64| nanoseconds as f64 / (1e6 * threads as f64);
        let mean = |ms: f64| ms / f64::from(self.steps);
        let [step, quick] = [mean(self.all.time.as_secs_f64() * 1e3), fastest.time.as_secs_f64() * 1e3];
        let mut text = format!("{:22}  ms a step   share    fastest step\n", "phase");
        let mut line = |name: &str, mean: f64, fastest: f64| {
            writeln!(text, "{name:22}  {mean:9.3}  {:5.1} %  {fastest:11.3} ms", 100.0 * mean / step).expect(WRITES);
        };
        let (mut rest, mut quick_rest) = (step, quick);
        for (phase, name) in PHASES {
            let (mean, fastest) = (mean(ms(self.all.phases[phase as usize])), ms(fastest.phases[phase as usize]));
            line(name, mean, fastest);
            rest -= mean;
            quick_rest -= fastest;
        }
        line("waiting, threads", rest, quick_rest);
        line("all", step, quick);
        let gflops = |ms: f64| operations as f64 / (ms * 1e6);
        writeln!(
            text,
            "\n{:.0} MFLOP a step, products with 0 included: {:.0} GFLOPS, in the fastest step {:.0}; a dense product \
             reaches {:.0}",
            operations as f64 / 1e6,
            gflops(step),
            gflops(quick),
            rate / 1e9,
        )
        .expect(WRITES);
        text
    }
}
