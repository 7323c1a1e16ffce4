//! The rule by which a run of learning is kept, and the thresholds that are kept with it.
//!
//! The held-out rows are scored at the end of the run, with the channels from its beginning and with those from its
//! end:
//!
//! ```text
//! x[i], y[i]   row i and its reconstruction after the run
//! b[i], a[i]   the scores of row i before and after:  a[i] = Σ (x[i] - y[i])²
//! d[i]       = b[i] - a[i]
//! e          = Σ over all pairs i ≠ j of Σ (x[j] - y[i])²
//! kept if      Σ d > 0,  4·(Σ d)² > 11·Σ d²,  e / (n - 1) ≥ 7/5 · Σ a        n = HELD_OUT
//! ```
//!
//! The second condition is a paired t-test: with 8 rows, `t > 1.91`, which chance exceeds in one of 20 runs that change
//! nothing. So an improvement counts only if it is larger than chance alone gives with eight rows. With fewer held-out
//! rows, nothing is kept.
//!
//! The third condition tests whether the reconstructions differ: each has to be nearer to its own row than to the
//! others. From noise, or from one frame with a little noise, a network learns the mean of the rows. Its error falls,
//! but nothing is encoded. Every reconstruction is then as far from the other rows as from its own, and `e / (n - 1)`
//! stays near `Σ a`.
//!
//! # Thresholds
//!
//! Eight scores determine the middle of a distribution to about 20 %, but not its quantiles. So the thresholds of the
//! blob are scaled to the geometric mean of the `a[i]`, and widened by the uncertainty of that mean:
//!
//! ```text
//! g        = geometric mean of a[i]
//! r        = √(upper / lower)          of the blob: from the middle to either threshold
//! learned  = g / r^(5/4) ..= g · r^(5/4)
//! ```
//!
//! A lower threshold of 0 means that there is none, and stays 0.

use super::sample::HELD_OUT;
use super::{Judgement, Rejection};
use autoencoder_core::blob::Thresholds;
use autoencoder_core::optimizer::sqrt;

const _: () = assert!(HELD_OUT == 8, "the t-test and the geometric mean are those of eight scores");

/// The scores of the held-out rows.
#[derive(Clone, Copy, Default)]
pub(super) struct Scores {
    /// The score of each row.
    pub(super) own: [u32; HELD_OUT],
    /// `e`, the sum of the squared distances between each reconstruction and all other rows.
    pub(super) others: u64,
}

impl Scores {
    fn sum(&self) -> u64 {
        self.own.iter().map(|score| u64::from(*score)).sum()
    }
}

/// The reason to reject a run, if there is one. `count` rows were held out.
pub(super) fn rejection(count: usize, before: &Scores, after: &Scores) -> Option<Rejection> {
    if count < HELD_OUT {
        return Some(Rejection::TooFewRows);
    }
    // `f32` rounds large scores. The rule need not be exact, only the same on every machine.
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

/// The result of a run, with the sums of both scores.
pub(super) fn judgement(before: &Scores, after: &Scores, kept: Result<u32, Rejection>) -> Judgement {
    let [before, after] = [before, after].map(|scores| u32::try_from(scores.sum()).unwrap_or(u32::MAX));
    Judgement { before, after, kept }
}

/// The thresholds of the learned channels. There are none if the blob has none.
pub(super) fn thresholds(base: Thresholds, after: &Scores) -> Thresholds {
    if base == Thresholds::NONE {
        return base;
    }
    let positive = |score: u32| score.max(1) as f32;
    let ratio = sqrt(positive(base.upper) / positive(base.lower));
    let wide = ratio * sqrt(sqrt(ratio));
    let middle = geometric_mean(after.own.map(positive));
    let lower = if base.lower == 0 { 0 } else { (middle / wide) as u32 };
    Thresholds { lower, upper: (middle * wide) as u32 }
}

/// The geometric mean, from three rounds of square roots of pairwise products.
fn geometric_mean([a, b, c, d, e, f, g, h]: [f32; HELD_OUT]) -> f32 {
    let mean = |a: f32, b: f32| sqrt(a * b);
    mean(mean(mean(a, b), mean(c, d)), mean(mean(e, f), mean(g, h)))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// Scores of rows with clearly different reconstructions.
    fn scores(own: [u32; HELD_OUT]) -> Scores {
        Scores { own, others: 1 << 40 }
    }

    const BEFORE: [u32; HELD_OUT] = [1000; HELD_OUT];

    /// The outcome if the score of each row falls by these differences.
    fn better_by(differences: [i32; HELD_OUT]) -> Option<Rejection> {
        let after = differences.map(|difference| 1000u32.checked_add_signed(-difference).unwrap());
        rejection(HELD_OUT, &scores(BEFORE), &scores(after))
    }

    #[test]
    fn an_improvement_has_to_be_larger_than_chance() {
        assert_eq!(better_by([100; 8]), None);
        assert_eq!(better_by([1; 8]), None, "a small improvement of all rows alike");
        assert_eq!(better_by([0; 8]), Some(Rejection::NotBetter));
        assert_eq!(better_by([-100; 8]), Some(Rejection::NotBetter));
        // One row that is far better says nothing about the others.
        assert_eq!(better_by([900, 0, 0, 0, 0, 0, 0, 0]), Some(Rejection::NotBetter));
        assert_eq!(better_by([100, 100, 100, 100, 100, 100, 100, -700]), Some(Rejection::NotBetter));
        // One row without an improvement does not matter.
        assert_eq!(better_by([100, 100, 100, 100, 100, 100, 100, 0]), None);
    }

    /// Computes `t = Σ d / √(n · (Σ d² - (Σ d)² / n) / (n - 1))` in `f64`. With 7 degrees of freedom, chance exceeds
    /// 1.895 in one of 20 tests; the rule requires a little more, 1.911.
    #[test]
    fn the_rule_is_the_documented_t_test() {
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
    fn a_run_with_fewer_held_out_rows_is_rejected() {
        for count in 0..HELD_OUT {
            assert_eq!(rejection(count, &scores(BEFORE), &scores([1; 8])), Some(Rejection::TooFewRows));
        }
    }

    #[test]
    fn reconstructions_have_to_be_nearer_to_their_own_rows() {
        // `Σ a` is 4,000, so `e` has to be at least 7/5 of seven times that.
        let with = |others| rejection(8, &scores(BEFORE), &Scores { own: [500; 8], others });
        assert_eq!(with(7 * 4000 * 7 / 5), None);
        assert_eq!(with(7 * 4000 * 7 / 5 - 1), Some(Rejection::NothingEncoded));
        assert_eq!(with(0), Some(Rejection::NothingEncoded));
        // The largest possible scores.
        let most = Scores { own: [u32::MAX - 1; 8], others: 56 * u64::from(u32::MAX) };
        assert_eq!(rejection(8, &scores([u32::MAX; 8]), &most), Some(Rejection::NothingEncoded));
        assert_eq!(judgement(&most, &most, Ok(1)), Judgement { before: u32::MAX, after: u32::MAX, kept: Ok(1) });
    }

    #[test]
    fn thresholds_move_to_the_geometric_mean_and_widen() {
        let base = Thresholds { lower: 100, upper: 40_000 }; // a ratio of 20 to either side
        let own = [10, 1000, 3000, 50, 700, 20_000, 123, 4];
        let middle = own.iter().map(|score| f64::from(*score).ln()).sum::<f64>() / 8.0;
        let wide = 1.25 * 20f64.ln();
        let Thresholds { lower, upper } = thresholds(base, &scores(own));
        for (found, expected) in [(lower, (middle - wide).exp()), (upper, (middle + wide).exp())] {
            assert!((f64::from(found) - expected).abs() <= 1.0 + 1e-4 * expected, "{found} is not {expected}");
        }
        // The extremes of the scores, and a blob without a lower threshold.
        assert_eq!(thresholds(base, &scores([0; 8])), Thresholds { lower: 0, upper: 42 });
        assert_eq!(thresholds(base, &scores([u32::MAX; 8])).upper, u32::MAX);
        let from_zero = thresholds(Thresholds { lower: 0, upper: 16 }, &scores([64; 8]));
        assert_eq!(from_zero, Thresholds { lower: 0, upper: 362 }); // 4^(5/4) = 5.66
        assert_eq!(thresholds(Thresholds::NONE, &scores(own)), Thresholds::NONE);
    }

    /// `4 · 22² = 11 · 176`
    #[test]
    fn an_improvement_at_the_bound_is_rejected() {
        assert_eq!(better_by([12, 5, 2, 1, 1, 1, 0, 0]), Some(Rejection::NotBetter));
        assert_eq!(better_by([12, 5, 2, 1, 1, 1, 1, 0]), None);
    }
}
