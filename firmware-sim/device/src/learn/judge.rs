//! The rule by which the result of a run of learning is kept, and the thresholds that are kept with it.
//!
//! The held-out rows are scored at the end of the run with three sets of channels:
//!
//! ```text
//! x[i], y[i]   row i and its reconstruction
//! a[i]         the score of row i with the channels from the end of the run:  a[i] = Σ (x[i] - y[i])²
//! b[i]         the same with the channels from before the run
//! o[i]         the same with the blob's own channels: b[i] unless the device had learned before
//! c[i]         the inputs of row i that were clipped to the ends of their scales
//! d[i]       = b[i] - a[i]
//! better     = Σ d > 0 and 4·(Σ d)² > 11·Σ d²
//! encoded    = e / (n - 1) ≥ 7/5 · Σ s,  e = Σ over all pairs i ≠ j of Σ (x[j] - y[i])²     n = HELD_OUT
//! ```
//!
//! `better` is a paired t-test: with 8 rows, `t > 1.915`, which chance exceeds in one of 20 runs that change nothing. So
//! an improvement counts only if it is larger than chance alone gives with eight rows.
//!
//! `encoded` tests whether the reconstructions differ: each has to be nearer to its own row than to the others. `s` and
//! `y` are those of the channels that would be kept. From noise, or from one frame with a little noise, a network
//! learns the mean of the rows. Its error falls, but nothing is encoded. Every reconstruction is then as far from the
//! other rows as from its own, and `e / (n - 1)` stays near `Σ s`.
//!
//! # Two rules
//!
//! ```text
//!                           a run over rows        a run over samples
//! fewer than n held out     TooFewRows             TooFewRows
//! foreign, unless forced    -                      Foreign: median(o) > 3/2 · upper threshold of the blob
//! clipped, unless forced    -                      Clipped: median(c) > 1/8 · inputs
//! not better                NotBetter              the old channels, with new thresholds
//! better                    the new channels,      the new channels if the stream is a drift, that is if
//!                           with new thresholds    median(o) > upper threshold of the blob; else the old channels;
//!                                                  with new thresholds
//! not encoded               NothingEncoded         NothingEncoded
//! ```
//!
//! The rules differ because the question does. Rows come from a sensor that has changed, for instance a camera with
//! inverted contrast, whose scores are far above the threshold. Learning is there to bring them down, and a run that
//! does not, leaves no trace.
//!
//! Samples come from another instance of what the network was trained on, such as another person or another machine,
//! and the monitor should ask from now on whether *this* instance changes. New thresholds are often enough for that.
//! Channels that learned from a stream which the network reconstructs anyway make it worse for the rest of the same
//! person's windows, so they are kept only if the stream is a drift. But thresholds that follow every stream would make
//! anything normal. So the guards refuse a stream that is too different to be another instance. The score is the one
//! with the blob's channels, against the blob's threshold, so that repeated runs cannot creep away. A front end clips
//! what is beyond the scales of the training data. Clipped inputs look alike, and the score of a stream of another kind
//! can stay low because of them. Without thresholds in the blob, there is no guard by score, and no run that keeps
//! thresholds alone.
//!
//! The guards catch a stream of another kind, not a fault within the kind. `docs/detectors.md` has what they catch. What
//! is not refused becomes normal: a run is a statement that its stream is.
//!
//! # Thresholds
//!
//! Eight scores determine the middle of a distribution to about 20 %, but not its quantiles.
//!
//! ```text
//! g        = geometric mean of the scores with the channels that are kept
//! m        = 1 for rows, 4 for samples: the lower threshold of a detector is that of half the amplitude
//! r        = √(upper / (m · lower))    of the blob: from the middle to either side
//! ```
//!
//! After a change of the sensor, which are rows and a drift, the thresholds of the blob move to the new middle, and widen:
//!
//! ```text
//! learned  = g / r^(11/8) / m ..= g · r^(11/8)
//! ```
//!
//! The exponent adds the uncertainty of the middle, two standard errors of 20 %: with the `r` of the classic network, which
//! is 2.9, `r^(3/8)` is 1.5. Of a stream that is no drift, the thresholds only widen. A run of a few minutes shows less than
//! there will be, so it can say that normal scores are higher than the blob says, but not that they are lower:
//!
//! ```text
//! f        = min(r², 4)
//! learned  = min(lower, g / f / m) ..= max(upper, g · f)
//! ```
//!
//! The limit of 4 was chosen with detectors of three exercises that were trained without one of five people and learned from
//! that person: no greater one brings another of them below 1 % of false alarms. A lower
//! threshold of 0 means that there is none, and stays 0.

use super::sample::HELD_OUT;
use super::{Judgement, Rejection, Saved};
use autoencoder_core::blob::Thresholds;
use autoencoder_core::optimizer::sqrt;

const _: () = assert!(HELD_OUT == 8, "the t-test, the medians and the geometric mean are those of eight scores");

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

    /// Whether each reconstruction is clearly nearer to its own row than to the others.
    fn encoded(&self) -> bool {
        let others = HELD_OUT as u64 - 1;
        5 * self.others >= 7 * others * self.sum()
    }

    /// Whether `after` is lower by more than chance.
    fn improved(&self, after: &Self) -> bool {
        // `f32` rounds large scores. The rule need not be exact, only the same on every machine.
        let (mut sum, mut squares) = (0.0, 0.0);
        for (before, after) in self.own.iter().zip(&after.own) {
            let difference = before.abs_diff(*after) as f32;
            sum += if after < before { difference } else { -difference };
            squares += difference * difference;
        }
        sum > 0.0 && 4.0 * sum * sum > 11.0 * squares
    }
}

/// What the held-out rows of a run say.
#[derive(Clone, Copy)]
pub(super) struct Evidence {
    /// The number of held-out rows.
    pub(super) count: usize,
    /// The scores with the channels from before the run.
    pub(super) before: Scores,
    /// The scores with the channels from its end.
    pub(super) after: Scores,
    /// Of a run over samples, more about its windows.
    pub(super) windows: Option<Windows>,
    /// The blob's thresholds.
    pub(super) thresholds: Thresholds,
}

/// What else is known about held-out rows that are windows of samples.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    /// The scores with the blob's channels.
    pub(super) original: [u32; HELD_OUT],
    /// The clipped inputs of each row.
    pub(super) clipped: [u32; HELD_OUT],
    /// The inputs of a row.
    pub(super) inputs: usize,
    /// Whether the run is kept however foreign its stream is.
    pub(super) forced: bool,
}

impl Windows {
    /// Whether the blob's network reconstructs the stream worse than most of what it was trained for.
    fn drifted(&self, thresholds: Thresholds) -> bool {
        twice_the_median(self.original) > 2 * u64::from(thresholds.upper)
    }

    /// The reason why the stream is too different from the training data, if it is.
    fn refusal(&self, thresholds: Thresholds) -> Option<Rejection> {
        if self.forced {
            None
        } else if twice_the_median(self.original) > 3 * u64::from(thresholds.upper) {
            Some(Rejection::Foreign)
        } else if 4 * twice_the_median(self.clipped) > self.inputs as u64 {
            Some(Rejection::Clipped)
        } else {
            None
        }
    }
}

/// The channels and thresholds to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keep {
    /// Whether the channels are those from the end of the run, not those from before it.
    pub(super) learned: bool,
    /// The thresholds for these channels.
    pub(super) thresholds: Thresholds,
}

impl Evidence {
    /// What the run keeps, or the reason why it keeps nothing.
    pub(super) fn judge(&self) -> Result<Keep, Rejection> {
        let Self { count, before, after, windows, thresholds } = self;
        if *count < HELD_OUT {
            return Err(Rejection::TooFewRows);
        }
        if let Some(refusal) = windows.and_then(|windows| windows.refusal(*thresholds)) {
            return Err(refusal);
        }
        let judged = windows.filter(|_| *thresholds != Thresholds::NONE);
        let changed = judged.is_none_or(|windows| windows.drifted(*thresholds));
        let learned = changed && before.improved(after);
        if !learned && judged.is_none() {
            return Err(Rejection::NotBetter);
        }
        let scores = if learned { after } else { before };
        if !scores.encoded() {
            return Err(Rejection::NothingEncoded);
        }
        let margin = if windows.is_some() { 4.0 } else { 1.0 };
        let adapt = if changed { moved } else { widened };
        Ok(Keep { learned, thresholds: adapt(*thresholds, scores, margin) })
    }

    /// The result of the run, with the sums of both scores.
    pub(super) fn judgement(&self, kept: Result<Saved, Rejection>) -> Judgement {
        let sum = |scores: &Scores| u32::try_from(scores.sum()).unwrap_or(u32::MAX);
        Judgement { before: sum(&self.before), after: sum(&self.after), kept }
    }
}

/// The sum of the fourth and the fifth in order.
#[inline(never)] // for size
fn twice_the_median(numbers: [u32; HELD_OUT]) -> u64 {
    // The least number that at least `k` numbers do not exceed.
    let in_order = |k| numbers.into_iter().filter(|x| numbers.iter().filter(|y| *y <= x).count() >= k).min();
    [4, 5].into_iter().filter_map(in_order).map(u64::from).sum()
}

/// The blob's thresholds, moved to these scores. There are none if the blob has none.
fn moved(blob: Thresholds, scores: &Scores, margin: f32) -> Thresholds {
    if blob == Thresholds::NONE {
        return blob;
    }
    let ratio = sqrt(range(blob, margin));
    let quarter = sqrt(sqrt(ratio));
    let wide = ratio * quarter * sqrt(quarter);
    let middle = geometric_mean(scores.own.map(positive));
    let lower = if blob.lower == 0 { 0 } else { (middle / wide / margin) as u32 };
    Thresholds { lower, upper: (middle * wide) as u32 }
}

/// The blob's thresholds, widened as far as these scores need.
fn widened(blob: Thresholds, scores: &Scores, margin: f32) -> Thresholds {
    let wide = range(blob, margin).min(4.0);
    let middle = geometric_mean(scores.own.map(positive));
    let (lower, upper) = ((middle / wide / margin) as u32, (middle * wide) as u32);
    Thresholds { lower: blob.lower.min(lower), upper: blob.upper.max(upper) }
}

/// The ratio of the ends of the range of normal scores.
fn range(blob: Thresholds, margin: f32) -> f32 {
    positive(blob.upper) / (margin * positive(blob.lower))
}

fn positive(score: u32) -> f32 {
    score.max(1) as f32
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
    const BLOB: Thresholds = Thresholds { lower: 500, upper: 2000 };

    /// A run over rows.
    fn rows(before: Scores, after: Scores) -> Evidence {
        Evidence { count: HELD_OUT, before, after, windows: None, thresholds: BLOB }
    }

    /// A run over samples, on a device that had not learned. Its windows have 100 inputs.
    fn samples(before: Scores, after: Scores) -> Evidence {
        let windows = Windows { original: before.own, clipped: [0; HELD_OUT], inputs: 100, forced: false };
        Evidence { windows: Some(windows), ..rows(before, after) }
    }

    /// The same of a stream that is a drift, and not foreign.
    fn drift(before: Scores, after: Scores) -> Evidence {
        let evidence = samples(before, after);
        Evidence { windows: evidence.windows.map(|windows| Windows { original: [2500; 8], ..windows }), ..evidence }
    }

    /// The reason to reject a run over rows, if there is one.
    fn rejection(before: Scores, after: Scores) -> Option<Rejection> {
        rows(before, after).judge().err()
    }

    /// The scores after a run in which that of each row falls by these differences.
    fn lower_by(differences: [i32; HELD_OUT]) -> Scores {
        scores(differences.map(|difference| 1000u32.checked_add_signed(-difference).unwrap()))
    }

    fn better_by(differences: [i32; HELD_OUT]) -> Option<Rejection> {
        rejection(scores(BEFORE), lower_by(differences))
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
    /// 1.895 in one of 20 tests; the rule requires a little more, 1.915. A run over samples always keeps thresholds,
    /// and the learned channels of a drift by the same rule.
    #[test]
    fn the_rule_is_the_documented_t_test() {
        let mut decided = [0; 2];
        for spread in 0..200 {
            let differences: Vec<i32> = (0..8).map(|i| 100 + (i * 2 - 7) * spread / 3).collect();
            let d: Vec<f64> = differences.iter().map(|d| f64::from(*d)).collect();
            let (sum, squares) = (d.iter().sum::<f64>(), d.iter().map(|d| d * d).sum::<f64>());
            let t = sum / (8.0 * (squares - sum * sum / 8.0) / 7.0).max(1e-9).sqrt();
            let after = lower_by(*differences.first_chunk().unwrap());
            let kept = rejection(scores(BEFORE), after).is_none();
            assert_eq!(kept, t > (11.0f64 / 3.0).sqrt(), "t = {t} of {differences:?}");
            assert_eq!(drift(scores(BEFORE), after).judge().map(|keep| keep.learned), Ok(kept));
            assert_eq!(samples(scores(BEFORE), after).judge().map(|keep| keep.learned), Ok(false));
            decided[usize::from(kept)] += 1;
        }
        assert!(decided.iter().all(|count| *count > 20), "{decided:?}");
    }

    #[test]
    fn a_run_with_fewer_held_out_rows_is_rejected() {
        for evidence in [rows, samples].map(|run| run(scores(BEFORE), scores([1; 8]))) {
            for count in 0..HELD_OUT {
                assert_eq!(Evidence { count, ..evidence }.judge(), Err(Rejection::TooFewRows));
            }
            assert!(evidence.judge().is_ok());
        }
    }

    #[test]
    fn reconstructions_have_to_be_nearer_to_their_own_rows() {
        // `Σ a` is 4,000, so `e` has to be at least 7/5 of seven times that.
        let with = |others| rejection(scores(BEFORE), Scores { own: [500; 8], others });
        assert_eq!(with(7 * 4000 * 7 / 5), None);
        assert_eq!(with(7 * 4000 * 7 / 5 - 1), Some(Rejection::NothingEncoded));
        assert_eq!(with(0), Some(Rejection::NothingEncoded));
        // The largest possible scores.
        let most = Scores { own: [u32::MAX - 1; 8], others: 56 * u64::from(u32::MAX) };
        assert_eq!(rejection(scores([u32::MAX; 8]), most), Some(Rejection::NothingEncoded));
        let judgement = rows(most, most).judgement(Ok(Saved::Channels(1)));
        assert_eq!(judgement, Judgement { before: u32::MAX, after: u32::MAX, kept: Ok(Saved::Channels(1)) });
    }

    /// Of a run over samples that is not better, the channels from before it are kept, so they are tested.
    #[test]
    fn the_reconstructions_of_the_channels_that_are_kept_have_to_differ() {
        let nothing = Scores { others: 0, ..scores(BEFORE) };
        assert_eq!(drift(nothing, scores([999; 8])).judge().map(|keep| keep.learned), Ok(true));
        assert_eq!(drift(nothing, scores([1001; 8])).judge(), Err(Rejection::NothingEncoded));
        let after = |own| Scores { own, others: 0 };
        assert_eq!(drift(scores(BEFORE), after([999; 8])).judge(), Err(Rejection::NothingEncoded));
        assert_eq!(drift(scores(BEFORE), after([1001; 8])).judge().map(|keep| keep.learned), Ok(false));
        assert_eq!(samples(scores(BEFORE), after([999; 8])).judge().map(|keep| keep.learned), Ok(false));
        // A run over rows that is not better is rejected for that alone.
        assert_eq!(rejection(nothing, scores([1001; 8])), Some(Rejection::NotBetter));
    }

    #[test]
    fn a_run_over_samples_that_is_not_better_keeps_thresholds_for_the_old_channels() {
        let (before, after) = (scores([1000; 8]), scores([1234; 8]));
        let thresholds = moved(BLOB, &before, 4.0);
        assert_eq!(drift(before, after).judge(), Ok(Keep { learned: false, thresholds }));
        assert_eq!(drift(after, before).judge(), Ok(Keep { learned: true, thresholds }));
        // A blob without thresholds has none to move.
        let none = |before, after| Evidence { thresholds: Thresholds::NONE, ..samples(before, after) }.judge();
        assert_eq!(none(before, after), Err(Rejection::NotBetter));
        assert_eq!(none(after, before), Ok(Keep { learned: true, thresholds: Thresholds::NONE }));
    }

    /// The upper threshold is 2,000. What the network reconstructs well enough teaches it nothing.
    #[test]
    fn only_a_drift_is_learned() {
        for (original, learned) in
            [([2000; 8], false), ([2001; 8], true), ([0, 0, 0, 2001, 2000, 3001, 3001, 3001], true)]
        {
            let mut evidence = samples(scores(BEFORE), scores([500; 8]));
            evidence.windows = evidence.windows.map(|windows| Windows { original, ..windows });
            let thresholds =
                if learned { moved(BLOB, &scores([500; 8]), 4.0) } else { widened(BLOB, &scores(BEFORE), 4.0) };
            assert_eq!(evidence.judge(), Ok(Keep { learned, thresholds }), "{original:?}");
            // Without thresholds in the blob, nothing is known about a drift.
            evidence.thresholds = Thresholds::NONE;
            assert_eq!(evidence.judge(), Ok(Keep { learned: true, thresholds: Thresholds::NONE }));
        }
    }

    /// The result of a run over samples that helps, after a change to its windows.
    fn changed(change: impl Fn(&mut Windows)) -> Option<Rejection> {
        let evidence = samples(scores(BEFORE), scores([500; 8]));
        let mut windows = evidence.windows.unwrap();
        change(&mut windows);
        Evidence { windows: Some(windows), ..evidence }.judge().err()
    }

    /// The upper threshold is 2,000: the median may be 3,000.
    #[test]
    fn a_stream_with_high_scores_is_foreign() {
        let with = |original| changed(|windows| windows.original = original);
        assert_eq!(with([3000; 8]), None);
        assert_eq!(with([3001; 8]), Some(Rejection::Foreign));
        // The mean of the fourth and the fifth, in any order. Those beyond do not matter.
        assert_eq!(with([u32::MAX, 3001, 0, 2999, 3001, 0, u32::MAX, 0]), None);
        assert_eq!(with([u32::MAX, 3002, 0, 2999, 3002, 0, u32::MAX, 0]), Some(Rejection::Foreign));
        assert_eq!(with([0, 0, 0, 0, 6000, 9000, 9000, 9000]), None);
        assert_eq!(with([0, 0, 0, 0, 6001, 9000, 9000, 9000]), Some(Rejection::Foreign));
        assert_eq!(with([u32::MAX; 8]), Some(Rejection::Foreign));
        // Unless it is forced, or the blob has no thresholds.
        assert_eq!(changed(|windows| (windows.original, windows.forced) = ([u32::MAX; 8], true)), None);
        let mut evidence = samples(scores([u32::MAX; 8]), scores(BEFORE));
        assert_eq!(evidence.judge(), Err(Rejection::Foreign));
        evidence.thresholds = Thresholds::NONE;
        assert!(evidence.judge().is_ok());
        // A sensor that gives rows may have changed that much.
        assert_eq!(rejection(scores([u32::MAX; 8]), scores(BEFORE)), None);
    }

    /// The scores with the blob's channels count, not those from before the run, which may have learned the stream.
    #[test]
    fn repeated_runs_do_not_creep_away() {
        let mut evidence = samples(scores(BEFORE), scores([500; 8]));
        evidence.windows = evidence.windows.map(|windows| Windows { original: [3001; 8], ..windows });
        assert_eq!(evidence.judge(), Err(Rejection::Foreign));
        let mut evidence = samples(scores([9000; 8]), scores([500; 8]));
        evidence.windows = evidence.windows.map(|windows| Windows { original: [3000; 8], ..windows });
        assert!(evidence.judge().is_ok());
    }

    /// Of 100 inputs, 12.5 may be clipped.
    #[test]
    fn a_stream_with_many_clipped_inputs_is_refused() {
        let with = |clipped| changed(|windows| windows.clipped = clipped);
        assert_eq!(with([12; 8]), None);
        assert_eq!(with([12, 13, 12, 13, 13, 12, 13, 12]), None);
        assert_eq!(with([12, 13, 13, 13, 13, 12, 13, 12]), Some(Rejection::Clipped));
        assert_eq!(with([100; 8]), Some(Rejection::Clipped));
        assert_eq!(changed(|windows| (windows.clipped, windows.forced) = ([100; 8], true)), None);
        // Also without thresholds.
        let mut evidence = samples(scores(BEFORE), scores([500; 8]));
        evidence.thresholds = Thresholds::NONE;
        evidence.windows = evidence.windows.map(|windows| Windows { clipped: [13; 8], ..windows });
        assert_eq!(evidence.judge(), Err(Rejection::Clipped));
    }

    #[test]
    fn twice_the_median_is_the_sum_of_the_two_in_the_middle_of_the_sorted_numbers() {
        let mut random = 1u32;
        for _ in 0..500 {
            let mut numbers = [0; HELD_OUT].map(|_: u32| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                random >> 29 // few values, so that some are equal
            });
            let found = twice_the_median(numbers);
            numbers.sort_unstable();
            assert_eq!(found, u64::from(numbers[3] + numbers[4]), "{numbers:?}");
        }
    }

    #[test]
    fn thresholds_move_to_the_geometric_mean_and_widen() {
        let base = Thresholds { lower: 100, upper: 40_000 }; // a ratio of 20 to either side
        let own = [10, 1000, 3000, 50, 700, 20_000, 123, 4];
        let middle = own.iter().map(|score| f64::from(*score).ln()).sum::<f64>() / 8.0;
        let wide = 1.375 * 20f64.ln();
        let Thresholds { lower, upper } = moved(base, &scores(own), 1.0);
        for (found, expected) in [(lower, (middle - wide).exp()), (upper, (middle + wide).exp())] {
            assert!((f64::from(found) - expected).abs() <= 1.0 + 1e-4 * expected, "{found} is not {expected}");
        }
        // The lower threshold of a detector is a quarter of what it is for rows.
        let detector = moved(Thresholds { lower: 25, ..base }, &scores(own), 4.0);
        assert_eq!(detector.upper, upper);
        assert!(detector.lower.abs_diff(lower / 4) <= 1, "{detector:?}");
        // The extremes of the scores, and a blob without a lower threshold.
        assert_eq!(moved(base, &scores([0; 8]), 1.0), Thresholds { lower: 0, upper: 61 }); // 20^(11/8) = 61.5
        assert_eq!(moved(base, &scores([u32::MAX; 8]), 1.0).upper, u32::MAX);
        let from_zero = moved(Thresholds { lower: 0, upper: 16 }, &scores([64; 8]), 1.0);
        assert_eq!(from_zero, Thresholds { lower: 0, upper: 430 }); // 4^(11/8) = 6.727
        assert_eq!(moved(Thresholds::NONE, &scores(own), 1.0), Thresholds::NONE);
    }

    #[test]
    fn thresholds_of_samples_only_widen() {
        let own = [100, 1600, 400, 400, 200, 800, 400, 400]; // a geometric mean of 400
        let widened = |lower, upper| widened(Thresholds { lower, upper }, &scores(own), 4.0);
        assert_eq!(widened(30, 1000), Thresholds { lower: 25, upper: 1600 });
        assert_eq!(widened(20, 1000), Thresholds { lower: 20, upper: 1600 });
        assert_eq!(widened(30, 1700), Thresholds { lower: 25, upper: 1700 });
        // A blob whose range is narrower: 500 / (4 · 50) = 2.5.
        assert_eq!(widened(50, 500), Thresholds { lower: 40, upper: 1000 });
        assert_eq!(widened(0, u32::MAX), Thresholds::NONE);
    }

    /// `4 · 22² = 11 · 176`
    #[test]
    fn an_improvement_at_the_bound_is_rejected() {
        assert_eq!(better_by([12, 5, 2, 1, 1, 1, 0, 0]), Some(Rejection::NotBetter));
        assert_eq!(better_by([12, 5, 2, 1, 1, 1, 1, 0]), None);
    }
}
