//! Detects that the sensor has changed, by a vote over the last scores.
//!
//! Each score is one bit: above the threshold or not. The blob holds the threshold, which was calibrated on the
//! training data: about one known row in 200 has a score above it. A stream has drifted once a majority of the last
//! [`WINDOW`] scores is above, and is steady again once no more than a quarter is. So a few odd rows neither start nor
//! end a drift:
//!
//! ```text
//! above   0 ........ 8 ........ 16 17 ........ 32      of the last 32
//!         steady ───────────────── drifted            when 17 are reached
//!         steady drifted ────────────────            until 8 are left
//! ```
//!
//! If every score is above, a drift takes 17 rows. If each row of a steady stream is above with probability 1/200,
//! independently of the others, the probability of a false alarm is 4·10^-31 for each row.
//!
//! Learning changes which rows a network knows. So a run of learning ends with a threshold of its own: the same
//! quantile of the scores of its last rows, each score taken before the network learned from the row ([`TopK`]).

/// How many scores vote.
pub const WINDOW: u32 = u32::BITS;
/// A steady stream has drifted once so many scores are above the threshold.
pub const ALARM: u32 = WINDOW / 2 + 1;
/// A drifted stream is steady again once no more scores than these are above the threshold.
pub const CLEAR_AT: u32 = WINDOW / 4;

/// The last scores, each as one bit, and the state of the stream.
#[derive(Clone, Copy, Debug)]
pub struct Monitor {
    threshold: u32,
    /// The last score is the lowest bit; 1 is above the threshold.
    history: u32,
    drifted: bool,
}

/// The result of a [`Monitor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// How many of the last [`WINDOW`] scores were above the threshold.
    pub above: u8,
    /// Whether the stream has drifted from the rows that the network knows.
    pub drifted: bool,
}

impl Monitor {
    /// A steady stream. With [`autoencoder_core::blob::NO_THRESHOLD`] it stays steady.
    pub const fn new(threshold: u32) -> Self {
        Self { threshold, history: 0, drifted: false }
    }

    /// Resets the monitor if the threshold differs: the scores so far are then those of another network.
    pub fn set_threshold(&mut self, threshold: u32) {
        if threshold != self.threshold {
            *self = Self::new(threshold);
        }
    }

    /// Takes the next score.
    pub fn push(&mut self, score: u32) -> Verdict {
        self.history = self.history << 1 | u32::from(score > self.threshold);
        let above = self.history.count_ones();
        self.drifted = above >= if self.drifted { CLEAR_AT + 1 } else { ALARM };
        self.verdict()
    }

    /// The verdict on the scores so far.
    pub const fn verdict(&self) -> Verdict {
        Verdict { above: self.history.count_ones() as u8, drifted: self.drifted }
    }
}

/// The highest of up to [`Self::MOST`] scores: enough to find the score that no more than one in 200 exceeds.
///
/// With `n` scores in descending order the threshold is number `⌊n / 200⌋`, counted from 0.
#[derive(Clone, Copy, Debug)]
pub struct TopK {
    /// In descending order.
    scores: [u32; Self::KEPT],
    count: u32,
}

impl TopK {
    const KEPT: usize = 6;
    /// One score in so many may exceed the threshold: the 99.5 % quantile, as in the blob.
    const ONE_IN: u32 = 200;
    /// The threshold is exact for at most so many scores.
    pub const MOST: u32 = Self::KEPT as u32 * Self::ONE_IN - 1;

    /// No scores.
    pub const NONE: Self = Self { scores: [0; Self::KEPT], count: 0 };

    /// Takes the next score.
    pub fn push(&mut self, score: u32) {
        let mut score = score;
        for kept in &mut self.scores {
            if score > *kept {
                core::mem::swap(&mut score, kept);
            }
        }
        self.count = self.count.saturating_add(1);
    }

    /// The smallest of the scores that no more than one in 200 exceeds; 0 without scores.
    pub fn threshold(&self) -> u32 {
        let above = (self.count / Self::ONE_IN) as usize;
        self.scores.get(above).or(self.scores.last()).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use autoencoder_core::blob::NO_THRESHOLD;
    use std::vec::Vec;

    const ODD: u32 = 101;
    const KNOWN: u32 = 100;

    fn monitor() -> Monitor {
        Monitor::new(100)
    }

    /// Pushes scores as long as the verdict stays; how many were pushed when it changed.
    fn until_it_changes(monitor: &mut Monitor, mut score: impl FnMut(u32) -> u32) -> Option<u32> {
        let before = monitor.verdict().drifted;
        (1..1000).find(|i| monitor.push(score(*i)).drifted != before)
    }

    #[test]
    fn a_score_at_the_threshold_is_known_and_one_above_it_is_odd() {
        let mut monitor = monitor();
        assert_eq!(monitor.push(KNOWN), Verdict { above: 0, drifted: false });
        assert_eq!(monitor.push(ODD), Verdict { above: 1, drifted: false });
        for known in 1..32 {
            assert_eq!(monitor.push(0).above, 1, "{known} later it is still remembered");
        }
        assert_eq!(monitor.push(0).above, 0, "33 scores later it is forgotten");
    }

    #[test]
    fn neither_one_odd_image_nor_sixteen_of_thirty_two_are_a_drift() {
        let mut one = monitor();
        assert_eq!(until_it_changes(&mut one, |i| if i == 500 { u32::MAX } else { 0 }), None);
        let mut every_second = monitor();
        assert_eq!(until_it_changes(&mut every_second, |i| if i % 2 == 0 { ODD } else { KNOWN }), None);
        assert_eq!(every_second.verdict().above, 16);
        let mut sixteen = monitor();
        assert_eq!(until_it_changes(&mut sixteen, |i| if i <= 16 { ODD } else { KNOWN }), None);
    }

    #[test]
    fn a_drift_is_noticed_at_the_seventeenth_image_and_within_the_window_at_three_quarters() {
        assert_eq!(until_it_changes(&mut monitor(), |_| ODD), Some(17));
        let mut later = monitor();
        for _ in 0..1000 {
            later.push(KNOWN);
        }
        assert_eq!(until_it_changes(&mut later, |_| ODD), Some(17));
        assert_eq!(until_it_changes(&mut monitor(), |i| if i % 4 == 0 { KNOWN } else { ODD }), Some(22));
    }

    #[test]
    fn it_is_over_when_a_quarter_is_left_and_not_before() {
        let drifted = || {
            let mut monitor = monitor();
            for _ in 0..32 {
                monitor.push(ODD);
            }
            assert_eq!(monitor.verdict(), Verdict { above: 32, drifted: true });
            monitor
        };
        assert_eq!(until_it_changes(&mut drifted(), |_| KNOWN), Some(24));
        // Less than would have begun it keeps it going: nine of thirty-two.
        let mut nine = drifted();
        assert_eq!(until_it_changes(&mut nine, |i| if i % 32 < 9 { ODD } else { KNOWN }), None);
        assert_eq!(nine.verdict(), Verdict { above: 9, drifted: true });
        // After it is over, it takes a majority again.
        let mut over = drifted();
        until_it_changes(&mut over, |_| KNOWN).unwrap();
        assert_eq!(until_it_changes(&mut over, |i| if i % 32 < 9 { ODD } else { KNOWN }), None);
        assert!(!over.verdict().drifted);
    }

    #[test]
    fn another_threshold_begins_anew_and_the_same_one_does_not() {
        let mut monitor = monitor();
        for _ in 0..20 {
            monitor.push(ODD);
        }
        monitor.set_threshold(100);
        assert_eq!(monitor.verdict(), Verdict { above: 20, drifted: true });
        monitor.set_threshold(ODD);
        assert_eq!(monitor.push(ODD), Verdict { above: 0, drifted: false });
    }

    #[test]
    fn the_highest_scores_say_the_quantile() {
        for count in [1, 5, 6, 7, 199, 200, 201, 399, 400, 1006, TopK::MOST] {
            let mut scores: Vec<u32> = (0..count).map(|i| (i * 7919) % 100_003).collect();
            let mut highest = TopK::NONE;
            for score in &scores {
                highest.push(*score);
            }
            scores.sort_unstable();
            // As `host export` has it: of a thousand scores 995 do not exceed it.
            let rank = (scores.len() * 995).div_ceil(1000);
            let quantile = scores[rank - 1];
            let above = |threshold| scores.iter().filter(|score| **score > threshold).count();
            assert!(above(highest.threshold()) <= scores.len() / 200, "{count}");
            assert!(highest.threshold() >= quantile && above(highest.threshold()) + 1 >= above(quantile), "{count}");
        }
        assert_eq!(TopK::NONE.threshold(), 0);
    }

    #[test]
    fn without_a_threshold_nothing_is_ever_odd() {
        let mut monitor = Monitor::new(NO_THRESHOLD);
        assert_eq!(until_it_changes(&mut monitor, |_| u32::MAX), None);
    }
}
