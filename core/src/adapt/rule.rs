//! The optimizers of [`crate::optimizer`], one parameter at a time, for gradients that are not stored.

use crate::Zeroed;
use crate::optimizer::{Adam, RmsProp, Sgd, sqrt};
use zerocopy::FromBytes;

/// Which optimizer.
///
/// With a batch of one, the steps are those of its [`Optimizer`](crate::optimizer::Optimizer) within 4 ε, where Adam's `β₂`
/// is 0.95. Its `βᵗ` is a running product in `f32` here, and `1 - βᵗ` starts out small: with 0.999 it is 64 ε.
///
/// With more, a gradient goes into the moments as it comes. For SGD and RMSProp that is the same arithmetic in another
/// order. Adam's `v` takes the mean of the squares instead of the square of the mean: `AdamA` (Zhang et al., 2023).
#[derive(Clone, Copy, Debug)]
#[repr(u8)] // a tag of its own, 0 for the first: [`Course::IDLE`] is all zeros
pub enum Rule {
    /// Gradient descent with momentum.
    Sgd(Sgd),
    /// Steps by the root of the mean square.
    RmsProp(RmsProp),
    /// Adaptive moments. Without Nesterov's momentum, which would need the gradient itself.
    Adam(Adam),
}

/// What one parameter remembers of its gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes)]
#[repr(C)]
pub struct Moments {
    /// The running mean; with RMSProp the mean of this batch so far.
    pub m: f32,
    /// The running mean of squares.
    pub v: f32,
}

impl Zeroed for Moments {
    const ZERO: Self = Self { m: 0.0, v: 0.0 };
}

/// A course of learning: batches, and a learning rate that falls linearly to a hundredth of what it was.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    rule: Rule,
    rate: f32,
    batch: u32,
    batches: u32,
    /// Images so far of this batch.
    place: u32,
    /// Batches so far.
    done: u32,
    /// `β₁ᵗ`, `β₂ᵗ`
    powers: [f32; 2],
}

/// One image's part in a course.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    rule: Rule,
    /// It is the first of its batch.
    starts_batch: bool,
    /// It is the last of its batch: the parameters take their step.
    pub(super) completes_batch: bool,
    /// 1 over the images of a batch.
    share: f32,
    /// The learning rate; with Adam, `1 / (1 - β₁ᵗ)` is in it.
    rate: f32,
    /// `1 / (1 - β₂ᵗ)`
    correction: f32,
}

impl Course {
    /// The lowest share of the rate.
    const FLOOR: f32 = 0.01;

    /// None. All of its bytes are zero: a static of it takes no flash.
    pub const IDLE: Self = Self {
        rule: Rule::Sgd(Sgd { momentum: 0.0 }),
        rate: 0.0,
        batch: 0,
        batches: 0,
        place: 0,
        done: 0,
        powers: [0.0; 2],
    };

    /// Over so many images, in batches; the rest of the last batch is left out.
    pub fn new(rule: Rule, rate: f32, batch: u8, images: u32) -> Self {
        let batch = u32::from(batch).max(1);
        Self { rule, rate, batch, batches: images / batch, place: 0, done: 0, powers: [1.0; 2] }
    }

    /// The next image's. Beyond the end, the rate stays where it is.
    pub fn turn(&mut self) -> Turn {
        let starts_batch = self.place == 0;
        let left = 1.0 - self.done as f32 / self.batches.max(1) as f32;
        let completes_batch = self.place + 1 >= self.batch;
        (self.place, self.done) =
            if completes_batch { (0, self.done.saturating_add(1)) } else { (self.place + 1, self.done) };
        let mut corrections = [1.0; 2];
        if let Rule::Adam(Adam { beta1, beta2, .. }) = self.rule {
            if starts_batch {
                self.powers = [self.powers[0] * beta1, self.powers[1] * beta2];
            }
            corrections = self.powers.map(|power| 1.0 / (1.0 - power));
        }
        let rate = self.rate * if left < Self::FLOOR { Self::FLOOR } else { left } * corrections[0];
        let share = 1.0 / self.batch.max(1) as f32;
        Turn { rule: self.rule, starts_batch, completes_batch, share, rate, correction: corrections[1] }
    }
}

impl Turn {
    /// Takes a gradient in. What is to be subtracted from the parameter: 0 but for the last image of a batch.
    #[inline(always)]
    pub fn step(&self, g: f32, moments: &mut Moments) -> f32 {
        let Moments { m, v } = moments;
        match self.rule {
            Rule::Sgd(Sgd { momentum }) => {
                let kept = if self.starts_batch { momentum * *m } else { *m };
                *m = kept + self.share * g;
                if self.completes_batch { self.rate * *m } else { 0.0 }
            }
            Rule::RmsProp(RmsProp { decay, epsilon }) => {
                *m = if self.starts_batch { 0.0 } else { *m } + self.share * g;
                if !self.completes_batch {
                    return 0.0;
                }
                *v = decay * *v + (1.0 - decay) * *m * *m;
                self.rate * *m / sqrt(*v + epsilon)
            }
            Rule::Adam(Adam { beta1, beta2, epsilon, nesterov: _ }) => {
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
