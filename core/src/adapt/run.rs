//! A run of learning: the optimizers of [`crate::optimizer`], one parameter at a time, for gradients that are not
//! stored.

use crate::Zeroed;
use crate::optimizer::{Adam, OptimizerKind, RmsProp, Sgd, sqrt};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The moments of one parameter's gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Moments {
    /// The running mean of the gradients; with RMSProp, the mean over this batch so far.
    pub m: f32,
    /// The running mean of the squared gradients.
    pub v: f32,
}

impl Zeroed for Moments {
    const ZERO: Self = Self { m: 0.0, v: 0.0 };
}

/// A run of learning: batches, and a learning rate that falls linearly to a hundredth of its start.
///
/// With a batch of one, the steps are those of the [`Optimizer`](crate::optimizer::Optimizer) within 4 ε if Adam's `β₂`
/// is 0.95. Here, `βᵗ` is a running product in `f32`, and `1 - βᵗ` starts out small; with `β₂` = 0.999, the error is 64
/// ε.
///
/// In larger batches, each gradient is added to the moments as it comes. For SGD and RMSProp, this is the same
/// arithmetic in another order. Adam's `v` averages the squares instead of squaring the mean, as in `AdamA` (Zhang et
/// al., 2023). Adam does not use Nesterov's momentum, which would need the gradient itself.
#[derive(Clone, Copy, Debug)]
pub struct LearningRun {
    optimizer: OptimizerKind,
    rate: f32,
    batch: u32,
    batches: u32,
    /// The number of rows so far in this batch.
    place: u32,
    /// The number of batches so far.
    done: u32,
    /// `β₁ᵗ`, `β₂ᵗ`
    powers: [f32; 2],
}

/// The part of a run that the step of one row needs.
#[derive(Clone, Copy, Debug)]
pub struct StepContext {
    optimizer: OptimizerKind,
    /// The row is the first of its batch.
    starts_batch: bool,
    /// The row is the last of its batch, so the parameters take their step.
    pub(super) completes_batch: bool,
    /// 1 divided by the rows of a batch.
    share: f32,
    /// The learning rate; with Adam, multiplied by `1 / (1 - β₁ᵗ)`.
    rate: f32,
    /// `1 / (1 - β₂ᵗ)`
    correction: f32,
}

impl LearningRun {
    /// The lowest rate, as a fraction of the first.
    const FLOOR: f32 = 0.01;

    /// No run. All of its bytes are zero, so a static with this value takes no flash.
    pub const IDLE: Self = Self {
        optimizer: OptimizerKind::Sgd(Sgd { momentum: 0.0 }),
        rate: 0.0,
        batch: 0,
        batches: 0,
        place: 0,
        done: 0,
        powers: [0.0; 2],
    };

    /// A run over `rows` rows, in batches of at least one. The schedule does not count the rest of the last batch. A
    /// rate that is not a positive number counts as 0, so that nothing is learned.
    pub fn new(optimizer: OptimizerKind, rate: f32, batch: u8, rows: u32) -> Self {
        let batch = u32::from(batch).max(1);
        let rate = if rate > 0.0 && rate < f32::INFINITY { rate } else { 0.0 };
        Self { optimizer, rate, batch, batches: rows / batch, place: 0, done: 0, powers: [1.0; 2] }
    }

    /// The context of the next row. After the end of the run, the rate stays constant.
    pub fn next_step(&mut self) -> StepContext {
        let starts_batch = self.place == 0;
        let left = 1.0 - self.done as f32 / self.batches.max(1) as f32;
        let completes_batch = self.place + 1 >= self.batch;
        (self.place, self.done) =
            if completes_batch { (0, self.done.saturating_add(1)) } else { (self.place + 1, self.done) };
        let mut corrections = [1.0; 2];
        if let OptimizerKind::Adam(Adam { beta1, beta2, .. }) = self.optimizer {
            if starts_batch {
                self.powers = [self.powers[0] * beta1, self.powers[1] * beta2];
            }
            corrections = self.powers.map(|power| 1.0 / (1.0 - power));
        }
        let rate = self.rate * if left < Self::FLOOR { Self::FLOOR } else { left } * corrections[0];
        let share = 1.0 / self.batch.max(1) as f32;
        StepContext {
            optimizer: self.optimizer,
            starts_batch,
            completes_batch,
            share,
            rate,
            correction: corrections[1],
        }
    }
}

impl StepContext {
    /// Adds a gradient to the moments. Returns the step to subtract from the parameter, which is 0 unless the row is
    /// the last of its batch.
    #[inline(always)]
    pub fn step(&self, g: f32, moments: &mut Moments) -> f32 {
        let Moments { m, v } = moments;
        match self.optimizer {
            OptimizerKind::Sgd(Sgd { momentum }) => {
                let kept = if self.starts_batch { momentum * *m } else { *m };
                *m = kept + self.share * g;
                if self.completes_batch { self.rate * *m } else { 0.0 }
            }
            OptimizerKind::RmsProp(RmsProp { decay, epsilon }) => {
                *m = if self.starts_batch { 0.0 } else { *m } + self.share * g;
                if !self.completes_batch {
                    return 0.0;
                }
                *v = decay * *v + (1.0 - decay) * *m * *m;
                self.rate * *m / sqrt(*v + epsilon)
            }
            OptimizerKind::Adam(Adam { beta1, beta2, epsilon, nesterov: _ }) => {
                if self.starts_batch {
                    (*m, *v) = (beta1 * *m, beta2 * *v);
                }
                *m += (1.0 - beta1) * (self.share * g);
                *v += (1.0 - beta2) * (self.share * g) * g;
                if self.completes_batch { self.rate * *m / (sqrt(*v * self.correction) + epsilon) } else { 0.0 }
            }
        }
    }
}
