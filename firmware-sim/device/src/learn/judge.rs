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
//! The third condition tests whether reconstructions differ: each has to be nearer to its own row than to the others. From noise, or from
//! one frame with a little noise, a network learns the mean of the rows. That makes its error smaller, too, but there is
//! nothing to encode. Measured with the default network, `e / (n - 1)` is 1.0 to 1.3 times `Σ a` then, 1.5 times after 20
//! images of a sensor that has lost contrast, 6 times after 200, and 20 to 60 times once it has learned the sensor.
//!
//! # Thresholds
//!
//! Eight scores fix the middle of a distribution to some 20 %, but not its ends. So the thresholds of the blob are moved,
//! as ratios, to the geometric mean of the `a[i]`, and widened by the uncertainty of that mean:
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
    // In `f32`, which holds any score, though rounded: the rule need not be exact, only the same everywhere.
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

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// Scores of rows that are told apart well.
    fn scores(own: [u32; HELD_OUT]) -> Scores {
        Scores { own, others: 1 << 40 }
    }

    const BEFORE: [u32; HELD_OUT] = [1000; HELD_OUT];

    /// By how much each row is better.
    fn better_by(differences: [i32; HELD_OUT]) -> Option<Rejection> {
        let after = differences.map(|difference| 1000u32.checked_add_signed(-difference).unwrap());
        rejection(HELD_OUT, &scores(BEFORE), &scores(after))
    }

    #[test]
    fn an_improvement_has_to_be_larger_than_chance() {
        assert_eq!(better_by([100; 8]), None);
        assert_eq!(better_by([1; 8]), None, "however small, if all rows are alike");
        assert_eq!(better_by([0; 8]), Some(Rejection::NotBetter));
        assert_eq!(better_by([-100; 8]), Some(Rejection::NotBetter));
        // One row that is far better tells nothing about the others.
        assert_eq!(better_by([900, 0, 0, 0, 0, 0, 0, 0]), Some(Rejection::NotBetter));
        assert_eq!(better_by([100, 100, 100, 100, 100, 100, 100, -700]), Some(Rejection::NotBetter));
        // Nor does one that is no better.
        assert_eq!(better_by([100, 100, 100, 100, 100, 100, 100, 0]), None);
    }

    /// `t = Σ d / √(n · (Σ d² - (Σ d)² / n) / (n - 1))`, computed in `f64`, and the value that is exceeded in one of 20 tests
    /// with 7 degrees of freedom: 1.895. The rule asks for a little more, 1.911.
    #[test]
    fn it_is_the_t_test_that_is_documented() {
        let mut decided = [0; 2];
        for spread in 0..200 {
            let differences: Vec<i32> = (0..8).map(|i| 100 + (i * 2 - 7) * spread / 3).collect();
            let d: Vec<f64> = differences.iter().map(|d| f64::from(*d)).collect();
            let (sum, squares) = (d.iter().sum::<f64>(), d.iter().map(|d| d * d).sum::<f64>());
            let t = sum / (8.0 * (squares - sum * sum / 8.0) / 7.0).max(1e-9).sqrt();
            let kept = better_by(*differences.first_chunk().unwrap()).is_none();
            assert_eq!(kept, t > 1.911, "t = {t} of {differences:?}");
            decided[usize::from(kept)] += 1;
        }
        assert!(decided.iter().all(|count| *count > 20), "{decided:?}");
    }

    #[test]
    fn fewer_rows_judge_nothing() {
        for count in 0..HELD_OUT {
            assert_eq!(rejection(count, &scores(BEFORE), &scores([1; 8])), Some(Rejection::TooFewRows));
        }
    }

    #[test]
    fn reconstructions_have_to_be_nearer_to_their_own_rows() {
        // `Σ a` is 4,000, so that `e` has to be 7/5 of seven times as much.
        let with = |others| rejection(8, &scores(BEFORE), &Scores { own: [500; 8], others });
        assert_eq!(with(7 * 4000 * 7 / 5), None);
        assert_eq!(with(7 * 4000 * 7 / 5 - 1), Some(Rejection::NothingEncoded));
        assert_eq!(with(0), Some(Rejection::NothingEncoded));
        // The largest scores there can be.
        let most = Scores { own: [u32::MAX - 1; 8], others: 56 * u64::from(u32::MAX) };
        assert_eq!(rejection(8, &scores([u32::MAX; 8]), &most), Some(Rejection::NothingEncoded));
        assert_eq!(judgement(&most, &most, Ok(1)), Judgement { before: u32::MAX, after: u32::MAX, kept: Ok(1) });
    }

    #[test]
    fn thresholds_move_to_the_geometric_mean_and_are_wider() {
        let base = Thresholds { lower: 100, upper: 40_000 }; // a ratio of 20 to either side
        let own = [10, 1000, 3000, 50, 700, 20_000, 123, 4];
        let middle = own.iter().map(|score| f64::from(*score).ln()).sum::<f64>() / 8.0;
        let wide = 1.25 * 20f64.ln();
        let Thresholds { lower, upper } = thresholds(base, &scores(own));
        for (found, expected) in [(lower, (middle - wide).exp()), (upper, (middle + wide).exp())] {
            assert!((f64::from(found) - expected).abs() <= 1.0 + 1e-4 * expected, "{found} is not {expected}");
        }
        // Of scores so high or so low, and of a blob whose lower threshold is 0, there are thresholds, too.
        assert_eq!(thresholds(base, &scores([0; 8])), Thresholds { lower: 0, upper: 42 });
        assert_eq!(thresholds(base, &scores([u32::MAX; 8])).upper, u32::MAX);
        let from_zero = thresholds(Thresholds { lower: 0, upper: 16 }, &scores([64; 8]));
        assert_eq!(from_zero, Thresholds { lower: 11, upper: 362 }); // 4^(5/4) = 5.66
        assert_eq!(thresholds(Thresholds::NONE, &scores(own)), Thresholds::NONE);
    }
}
