//! The rule by which a run of learning is kept, and the thresholds of what is kept.
//!
//! The rows held out are scored at the end of the run, by the channels that it began with and by those that it ended with:
//!
//! ```text
//! x[i], y[i]   row i and its reconstruction after the run
//! b[i], a[i]   the scores of row i before and after:  a[i] = Σ (x[i] - y[i])²
//! d[i]       = b[i] - a[i]
//! e          = Σ over all pairs i ≠ j of Σ (x[j] - y[i])²
//! kept if      Σ d > 0,  4·(Σ d)² > 11·Σ d²,  e / (n - 1) ≥ 7/5 · Σ a        n = HELD_OUT
//! ```
//!
//! The second condition is Student's test of paired differences: with 8 rows, `t > 1.91`, which chance exceeds once in 20
//! runs that change nothing. So an improvement counts only if it is larger than eight rows can have by chance; with fewer
//! rows held out, nothing is kept.
//!
//! The third asks what a reconstruction says: it has to be nearer to its own row than to the others. From noise, or from
//! one frame with a little noise, a network learns the mean of the rows. That makes its error smaller, too, but there is
//! nothing to encode. Measured with the default network, `e / (n - 1)` is 1.0 to 1.3 times `Σ a` then, 1.5 times after 20
//! images of a sensor that has lost contrast, 6 times after 200, and 20 to 60 times once it has learned the sensor.
//!
//! # Thresholds
//!
//! Eight scores fix the middle of a distribution to some 20 %, but not its ends. So the thresholds of the blob are moved,
//! as ratios, to the geometric mean of the `a[i]`, and made wider by what that mean is uncertain by:
//!
//! ```text
//! g        = geometric mean of a[i]
//! r        = √(upper / lower)          of the blob: from its middle to either end
//! learned  = g / r^(5/4) ..= g · r^(5/4)
//! ```

use super::sample::HELD_OUT;
use super::{Judgement, Rejection};
use autoencoder_core::blob::Thresholds;
use autoencoder_core::optimizer::sqrt;

/// The scores of the rows held out.
#[derive(Clone, Copy, Default)]
pub(super) struct Scores {
    /// Of each row.
    pub(super) own: [u32; HELD_OUT],
    /// `e`: of each reconstruction with all other rows.
    pub(super) others: u64,
}

impl Scores {
    fn sum(&self) -> u64 {
        self.own.iter().map(|score| u64::from(*score)).sum()
    }
}

/// The rejection of a run, if it is rejected; `count` rows were held out.
pub(super) fn rejection(count: usize, before: &Scores, after: &Scores) -> Option<Rejection> {
    if count < HELD_OUT {
        return Some(Rejection::TooFewRows);
    }
    // As numbers that hold any score, but not all of its digits: the rule need not be exact, only the same everywhere.
    let (mut sum, mut squares) = (0.0, 0.0);
    for (before, after) in before.own.iter().zip(&after.own) {
        let difference = before.abs_diff(*after) as f32;
        sum += if after < before { difference } else { -difference };
        squares += difference * difference;
    }
    if sum <= 0.0 || 4.0 * sum * sum <= 11.0 * squares {
        return Some(Rejection::NotBetter);
    }
    let others = HELD_OUT as u64 - 1;
    (5 * after.others < 7 * others * after.sum()).then_some(Rejection::NothingEncoded)
}

/// The sums of both scores.
pub(super) fn judgement(before: &Scores, after: &Scores, kept: Result<u32, Rejection>) -> Judgement {
    let [before, after] = [before, after].map(|scores| u32::try_from(scores.sum()).unwrap_or(u32::MAX));
    Judgement { before, after, kept }
}

/// The thresholds of what was learned. A blob without any leaves it without any.
pub(super) fn thresholds(base: Thresholds, after: &Scores) -> Thresholds {
    if base == Thresholds::NONE {
        return base;
    }
    let positive = |score: u32| score.max(1) as f32;
    let ratio = sqrt(positive(base.upper) / positive(base.lower));
    let wide = ratio * sqrt(sqrt(ratio));
    let middle = geometric_mean(after.own.map(positive));
    Thresholds { lower: (middle / wide) as u32, upper: (middle * wide) as u32 }
}

/// Takes square roots of pairwise products three times.
fn geometric_mean([a, b, c, d, e, f, g, h]: [f32; HELD_OUT]) -> f32 {
    let mean = |a: f32, b: f32| sqrt(a * b);
    mean(mean(mean(a, b), mean(c, d)), mean(mean(e, f), mean(g, h)))
}
