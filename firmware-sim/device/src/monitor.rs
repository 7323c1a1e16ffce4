//! Detects that the sensor has changed, by a vote over the last scores and by repeated rows.
//!
//! Each score is one vote: above the upper threshold, below the lower one, or between them. The blob holds the
//! thresholds, which were calibrated on known rows: of the training data, one in 200 is above, and one in 200 is below;
//! of a detector, as many validation windows are above as its `--false-alarms` allow, and what is below has less than half
//! the amplitude. A stream has drifted once [`ALARM`] of the last [`WINDOW`] scores are outside the thresholds, on either side. It is
//! steady again once no more than [`CLEAR_AT`] are. So a few odd rows neither start nor end a drift:
//!
//! ```text
//! outside   0 ... 4 ........ 9 10 ........ 32      of the last 32
//!           steady ────────────── drifted          when 10 are reached
//!           steady drifted ────────────            until 4 are left
//! ```
//!
//! If every score is outside, the monitor detects the drift after 10 rows.
//!
//! Let `p` be the probability that a row of a steady stream is outside. If rows are independent, the false-alarm rate
//! at each row is `Σ C(32, k) · pᵏ · (1 - p)³²⁻ᵏ` over `k` from 10 to 32. On the training data, `p` is 1/100 by
//! calibration, which gives 5·10⁻¹³. On unseen MNIST digits, `p` is 0.018, which gives 2·10⁻¹⁰. Rows that are not
//! independent, such as neighbouring frames of a video, tend to be outside together and raise the rate.
//!
//! A frozen sensor repeats a row, and the score of that row may be normal. A stream is repeating once [`REPEATS`]
//! consecutive rows were each equal to one of the two rows before it. There are two, so that a frozen pair of buffers
//! also counts. The first different row ends the repetition. Rows are compared by their CRC-32.
//!
//! A frozen sensor with noise is not detected, because it looks like a still scene. A sensor whose rows rarely change,
//! such as a thermometer, looks like a frozen one, so it has to be read less often.

use autoencoder_core::blob::Thresholds;
use autoencoder_core::crc;
use core::fmt;

/// The number of scores that vote.
pub const WINDOW: u32 = u32::BITS;
/// A steady stream has drifted once this many scores are outside the thresholds.
pub const ALARM: u32 = 10;
/// A drifted stream is steady again once no more than this many scores are outside.
pub const CLEAR_AT: u32 = 4;
/// A stream is repeating after this many consecutive rows that were each equal to one of the two before it.
pub const REPEATS: u8 = 32;

/// The last scores and rows of a stream, and its state.
#[derive(Clone, Copy, Debug)]
pub struct Monitor {
    thresholds: Thresholds,
    /// One bit for each score, the last in the lowest bit; 1 is above the upper threshold.
    above: u32,
    /// One bit for each score, the last in the lowest bit; 1 is below the lower threshold.
    below: u32,
    /// Whether the stream has drifted by the vote.
    outside: bool,
    /// The CRCs of the last two rows; initially a value that one row in 2³² also has.
    last: [u32; 2],
    /// The number of consecutive repeated rows.
    repeats: u8,
}

/// The rule that a stream breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Drift {
    /// Scores are outside the thresholds, and at least half of those are above: the rows are unlike those that the
    /// network knows.
    Above,
    /// Scores are outside the thresholds, and most of those are below: the sensor sees less.
    Below,
    /// The stream repeats one or two rows.
    Repeating,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::Repeating => "repeating",
        })
    }
}

/// The result of a [`Monitor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// The number of the last [`WINDOW`] scores that were above the upper threshold.
    pub above: u8,
    /// The number of the last [`WINDOW`] scores that were below the lower threshold.
    pub below: u8,
    /// The number of consecutive repeated rows, up to [`REPEATS`].
    pub repeats: u8,
    /// Whether the stream has drifted from the rows that the network knows.
    pub drifted: bool,
}

impl Verdict {
    /// The rule that the stream breaks; `None` if it is steady.
    pub const fn drift(&self) -> Option<Drift> {
        match self {
            Self { drifted: false, .. } => None,
            Self { repeats: REPEATS, .. } => Some(Drift::Repeating),
            Self { above, below, .. } => Some(if *above >= *below { Drift::Above } else { Drift::Below }),
        }
    }
}

impl Monitor {
    /// A monitor of a steady stream. With [`Thresholds::NONE`], only repeated rows are a drift.
    pub const fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, above: 0, below: 0, outside: false, last: [u32::MAX; 2], repeats: 0 }
    }

    /// Resets the monitor if the thresholds differ, because the scores so far are then from another network.
    pub fn set_thresholds(&mut self, thresholds: Thresholds) {
        if thresholds != self.thresholds {
            *self = Self::new(thresholds);
        }
    }

    /// Adds the next row and its score, and returns the verdict.
    pub fn push(&mut self, row: &[u8], score: u32) -> Verdict {
        let row = crc::checksum(row);
        self.repeats = if self.last.contains(&row) { (self.repeats + 1).min(REPEATS) } else { 0 };
        self.last = [row, self.last[0]];
        self.above = self.above << 1 | u32::from(score > self.thresholds.upper);
        self.below = self.below << 1 | u32::from(score < self.thresholds.lower);
        let outside = count(self.above | self.below);
        self.outside = outside >= if self.outside { CLEAR_AT + 1 } else { ALARM };
        self.verdict()
    }

    /// The CRC-32 of the last row.
    pub const fn last_row(&self) -> u32 {
        self.last[0]
    }

    /// The verdict on the stream so far.
    pub const fn verdict(&self) -> Verdict {
        Verdict {
            above: count(self.above) as u8,
            below: count(self.below) as u8,
            repeats: self.repeats,
            drifted: self.outside || self.repeats == REPEATS,
        }
    }
}

/// The number of bits that are 1.
#[inline(never)] // small processors have no instruction for this
const fn count(history: u32) -> u32 {
    history.count_ones()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    const LOW: u32 = 49;
    const KNOWN: u32 = 60;
    const HIGH: u32 = 101;
    const THRESHOLDS: Thresholds = Thresholds { lower: 50, upper: 100 };

    /// A stream whose rows are all different.
    struct Stream {
        monitor: Monitor,
        rows: u32,
    }

    impl Stream {
        fn new(thresholds: Thresholds) -> Self {
            Self { monitor: Monitor::new(thresholds), rows: 0 }
        }

        fn push(&mut self, score: u32) -> Verdict {
            self.rows += 1;
            self.monitor.push(&self.rows.to_le_bytes(), score)
        }

        /// A stream after `count` rows of one score.
        fn after(count: u32, score: u32) -> Self {
            let mut stream = Self::new(THRESHOLDS);
            (0..count).for_each(|_| _ = stream.push(score));
            stream
        }

        /// Pushes scores until the state changes. Returns the number of scores and the new state.
        fn until_it_changes(&mut self, mut score: impl FnMut(u32) -> u32) -> Option<(u32, Option<Drift>)> {
            let before = self.monitor.verdict().drift();
            (1..1000).find_map(|i| Some((i, self.push(score(i)).drift())).filter(|(_, drift)| *drift != before))
        }
    }

    fn steady() -> Stream {
        Stream::new(THRESHOLDS)
    }

    #[test]
    fn a_score_at_a_threshold_is_inside_and_one_beyond_it_is_outside() {
        let mut stream = steady();
        for score in [THRESHOLDS.lower, THRESHOLDS.upper] {
            assert_eq!(stream.push(score), Verdict { above: 0, below: 0, repeats: 0, drifted: false });
        }
        assert_eq!(stream.push(HIGH), Verdict { above: 1, below: 0, repeats: 0, drifted: false });
        assert_eq!(stream.push(LOW), Verdict { above: 1, below: 1, repeats: 0, drifted: false });
        for known in 2..32 {
            assert_eq!(stream.push(KNOWN).above, 1, "{known} later it is still remembered");
        }
        let last = stream.push(KNOWN);
        assert_eq!((last.above, last.below), (0, 1), "33 scores later it is forgotten");
        assert_eq!(stream.push(KNOWN).below, 0);
    }

    #[test]
    fn scores_below_are_detected_as_soon_as_scores_above() {
        for (score, drift) in [(HIGH, Drift::Above), (LOW, Drift::Below), (0, Drift::Below), (u32::MAX, Drift::Above)] {
            assert_eq!(steady().until_it_changes(|_| score), Some((10, Some(drift))));
            assert_eq!(Stream::after(1000, KNOWN).until_it_changes(|_| score), Some((10, Some(drift))));
            // One row in four is still inside.
            assert_eq!(steady().until_it_changes(|i| if i % 4 == 0 { KNOWN } else { score }), Some((13, Some(drift))));
        }
    }

    #[test]
    fn scores_outside_either_threshold_count_together() {
        let either = |i: u32| if i.is_multiple_of(2) { HIGH } else { LOW };
        assert_eq!(steady().until_it_changes(either), Some((10, Some(Drift::Above))));
        let mut more_below = |i| if i % 3 == 0 { HIGH } else { LOW };
        assert_eq!(steady().until_it_changes(&mut more_below), Some((10, Some(Drift::Below))));
        // The prevailing side may change while the stream drifts.
        let mut stream = Stream::after(32, HIGH);
        assert_eq!(stream.until_it_changes(|_| LOW), Some((17, Some(Drift::Below))));
    }

    #[test]
    fn one_odd_row_or_nine_of_thirty_two_are_not_a_drift() {
        for odd in [LOW, HIGH] {
            assert_eq!(steady().until_it_changes(|i| if i == 500 { odd } else { KNOWN }), None);
            let mut nine = steady();
            assert_eq!(nine.until_it_changes(|i| if i % 32 < 9 { odd } else { KNOWN }), None);
            let verdict = nine.monitor.verdict();
            assert_eq!(verdict.above + verdict.below, 9);
            assert_eq!(steady().until_it_changes(|i| if i <= 9 { odd } else { KNOWN }), None);
        }
    }

    #[test]
    fn a_drift_ends_when_four_odd_scores_are_left() {
        let drifted = || Stream::after(32, HIGH);
        assert_eq!(drifted().until_it_changes(|_| KNOWN), Some((28, None)));
        // Five of thirty-two would not begin a drift, but they continue one.
        let mut five = drifted();
        assert_eq!(five.until_it_changes(|i| if i % 32 < 5 { HIGH } else { KNOWN }), None);
        assert_eq!(five.monitor.verdict(), Verdict { above: 5, below: 0, repeats: 0, drifted: true });
        // After the end of a drift, ten are needed again.
        let mut over = drifted();
        over.until_it_changes(|_| KNOWN).unwrap();
        assert_eq!(over.until_it_changes(|i| if i % 32 < 5 { HIGH } else { KNOWN }), None);
        assert_eq!(over.monitor.verdict().drift(), None);
    }

    #[test]
    fn only_different_thresholds_reset_the_monitor() {
        for other in [Thresholds { lower: 0, ..THRESHOLDS }, Thresholds { upper: HIGH, ..THRESHOLDS }] {
            let mut stream = Stream::after(20, HIGH);
            stream.monitor.set_thresholds(THRESHOLDS);
            let drifted = Verdict { above: 20, below: 0, repeats: 0, drifted: true };
            assert_eq!(stream.monitor.verdict(), drifted);
            stream.monitor.set_thresholds(other);
            assert_eq!(stream.monitor.verdict(), Verdict { above: 0, below: 0, repeats: 0, drifted: false });
        }
    }

    #[test]
    fn a_repeated_row_is_detected_at_the_thirty_third_row() {
        let repeat = |rows: &[&[u8]]| {
            let mut monitor = Monitor::new(THRESHOLDS);
            let noticed = (0..200).find(|i| monitor.push(rows[i % rows.len()], KNOWN).drift().is_some());
            (noticed.map(|i| i + 1), monitor.verdict().drift())
        };
        assert_eq!(repeat(&[&[7, 7]]), (Some(33), Some(Drift::Repeating)));
        // Two alternating buffers.
        assert_eq!(repeat(&[&[7, 7], &[7, 8]]), (Some(34), Some(Drift::Repeating)));
        // Three alternating rows and a source that is half as fast as the stream are not detected.
        assert_eq!(repeat(&[&[1], &[2], &[3]]), (None, None));
        let (mut monitor, mut rows) = (Monitor::new(THRESHOLDS), 0..1000u32);
        assert!(rows.all(|i| monitor.push(&(i / 2).to_le_bytes(), KNOWN).drift().is_none()));
    }

    #[test]
    fn a_different_row_ends_the_repetition() {
        let mut monitor = Monitor::new(THRESHOLDS);
        let push = |monitor: &mut Monitor, row: u8| monitor.push(&[row], KNOWN);
        for _ in 0..3 {
            // In each pass: the row before the last also counts.
            let repeats = |count| Verdict { above: 0, below: 0, repeats: count, drifted: false };
            assert_eq!(push(&mut monitor, 1), repeats(0));
            for count in 1..REPEATS {
                assert_eq!(push(&mut monitor, 1), repeats(count));
            }
            let frozen = Verdict { drifted: true, ..repeats(REPEATS) };
            for _ in 0..500 {
                assert_eq!(push(&mut monitor, 1), frozen);
            }
            assert_eq!(push(&mut monitor, 2), repeats(0));
            assert_eq!(push(&mut monitor, 3), repeats(0));
        }
    }

    #[test]
    fn a_frozen_odd_row_is_first_reported_as_odd() {
        let mut monitor = Monitor::new(THRESHOLDS);
        let drifts: std::vec::Vec<_> = (0..40).map(|_| monitor.push(&[0; 8], LOW).drift()).collect();
        assert_eq!(drifts[8], None);
        assert!(drifts[9..32].iter().all(|drift| *drift == Some(Drift::Below)));
        assert!(drifts[32..].iter().all(|drift| *drift == Some(Drift::Repeating)));
        // When the sensor moves again, the scores are still outside.
        assert_eq!(monitor.push(&[1; 8], KNOWN).drift(), Some(Drift::Below));
    }

    #[test]
    fn without_thresholds_no_score_is_outside() {
        let mut stream = Stream::new(Thresholds::NONE);
        assert_eq!(stream.until_it_changes(|i| if i % 2 == 0 { u32::MAX } else { 0 }), None);
    }

    /// The figure that the documentation gives, as a sum of binomial probabilities.
    #[test]
    fn the_false_alarm_rate_of_the_vote_is_as_documented() {
        let choose = |n: u32, k: u32| (0..k).fold(1.0, |product, i| product * f64::from(n - i) / f64::from(i + 1));
        let alarm = |p: f64| {
            let of = |k: u32| choose(WINDOW, k) * p.powi(k as i32) * (1.0 - p).powi((WINDOW - k) as i32);
            (ALARM..=WINDOW).map(of).sum::<f64>()
        };
        assert!((4.5e-13..5.5e-13).contains(&alarm(0.01)), "{}", alarm(0.01));
    }
}
