//! The rule by which a run of learning is kept, and the thresholds of what is kept.
//!
//! The rows held out are scored at the end of the run, by the channels that it began with and by those that it ended with:
//!
//! ```text
//! b[i], a[i]   the scores of row i, before and after
//! d[i]       = b[i] - a[i]
//! kept if      Σ d > 0,  4·(Σ d)² > 11·Σ d²,  Σ a < Σ over rows and elements of (x - x̄)²
//! ```
//!
//! The second condition is Student's test of paired differences: with 8 rows, `t > 1.91`, which chance exceeds once in 20
//! runs that change nothing. So an improvement counts only if it is larger than eight rows can have by chance; with fewer
//! rows held out, nothing is kept.
//!
//! In the third, `x̄` is the mean of the rows held out, element by element: what was learned has to reconstruct them
//! better than their mean does. Learning from noise, from a black sensor or from one frame with a little noise does
//! make its error smaller, but there is nothing to encode.
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
pub(super) type Scores = [u32; HELD_OUT];

/// The rejection of a run, if it is rejected. `rows` are those held out, in the order of the scores.
pub(super) fn rejection<'r>(
    before: &Scores,
    after: &Scores,
    rows: impl Iterator<Item = &'r [u8]> + Clone,
) -> Option<Rejection> {
    if rows.clone().count() < HELD_OUT {
        return Some(Rejection::TooFewRows);
    }
    // As numbers that hold any score, but not all of its digits: the rule need not be exact, only the same everywhere.
    let (mut sum, mut squares) = (0.0, 0.0);
    for (before, after) in before.iter().zip(after) {
        let difference = (i64::from(*before) - i64::from(*after)) as f32;
        sum += difference;
        squares += difference * difference;
    }
    if sum <= 0.0 || 4.0 * sum * sum <= 11.0 * squares {
        return Some(Rejection::NotBetter);
    }
    let after: u64 = after.iter().map(|score| u64::from(*score)).sum();
    (HELD_OUT as u64 * after >= variation(rows)).then_some(Rejection::NoBetterThanMean)
}

/// `HELD_OUT · Σ (x - x̄)²`, which is an integer: `HELD_OUT · Σ x² - (Σ x)²` of each element.
fn variation<'r>(rows: impl Iterator<Item = &'r [u8]> + Clone) -> u64 {
    let length = rows.clone().next().map_or(0, <[u8]>::len);
    let of = |i: usize| {
        let (mut sum, mut squares) = (0, 0);
        for x in rows.clone().filter_map(|row| row.get(i)) {
            sum += u32::from(*x);
            squares += u32::from(*x) * u32::from(*x);
        }
        u64::from(HELD_OUT as u32 * squares - sum * sum) // not negative: the variance is not
    };
    (0..length).map(of).sum()
}

/// The sums of both scores.
pub(super) fn judgement(before: &Scores, after: &Scores, kept: Result<u32, Rejection>) -> Judgement {
    let sum = |scores: &Scores| scores.iter().fold(0u32, |sum, score| sum.saturating_add(*score));
    Judgement { before: sum(before), after: sum(after), kept }
}

/// The thresholds of what was learned. A blob without any leaves it without any.
pub(super) fn thresholds(base: Thresholds, after: &Scores) -> Thresholds {
    if base == Thresholds::NONE {
        return base;
    }
    let positive = |score: u32| score.max(1) as f32;
    let ratio = sqrt(positive(base.upper) / positive(base.lower));
    let wide = ratio * sqrt(sqrt(ratio));
    let middle = geometric_mean(after.map(positive));
    Thresholds { lower: (middle / wide) as u32, upper: (middle * wide) as u32 }
}

/// By roots of products of two, of two of these, and so on.
fn geometric_mean([a, b, c, d, e, f, g, h]: [f32; HELD_OUT]) -> f32 {
    let mean = |a: f32, b: f32| sqrt(a * b);
    mean(mean(mean(a, b), mean(c, d)), mean(mean(e, f), mean(g, h)))
}
