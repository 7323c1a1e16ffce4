//! How well scores separate faulty rows from normal ones, and how well alarms find faulty stretches of a stream.
//!
//! A row is *normal* or *faulty* by its label, and a detector calls it faulty if its score is above a threshold. A *false alarm*
//! is a normal row that is called faulty, a *detection* a faulty one.

/// The receiver operating characteristic of scores: what each threshold finds, and what it costs.
#[derive(Clone, Debug)]
pub struct Roc {
    /// False alarms and detections, for each threshold from above the highest score down to the lowest one. The first is
    /// `[0, 0]`, the last all rows.
    counts: Vec<[u64; 2]>,
    normal: u64,
    faulty: u64,
}

impl Roc {
    /// Compares the scores of normal rows with those of faulty ones; `None` if there are no rows of one kind.
    pub fn new<S: Copy + Into<f64>>(normal: &[S], faulty: &[S]) -> Option<Self> {
        if normal.is_empty() || faulty.is_empty() {
            return None;
        }
        let kind = |scores: &[S], kind| scores.iter().map(move |score| ((*score).into(), kind)).collect::<Vec<_>>();
        let mut rows: Vec<(f64, usize)> = kind(normal, 0);
        rows.extend(kind(faulty, 1));
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut counts = vec![[0, 0]];
        let mut count = [0, 0];
        for equal in rows.chunk_by(|a, b| a.0 == b.0) {
            for (_, kind) in equal {
                count[*kind] += 1;
            }
            counts.push(count);
        }
        Some(Self { counts, normal: normal.len() as u64, faulty: faulty.len() as u64 })
    }

    /// The area under the curve: the probability that a faulty row has a higher score than a normal one. Equal scores count half
    /// (Mann and Whitney's `U`, divided by the number of pairs).
    ///
    /// ```text
    /// AUC = (#{score(faulty) > score(normal)} + ½ #{score(faulty) = score(normal)}) / (normal · faulty)
    /// ```
    pub fn auc(&self) -> f64 {
        // Twice the area of the trapezoids between neighbouring thresholds, in pairs of rows: exact.
        let twice: u64 = self.counts.windows(2).map(|pair| (pair[1][0] - pair[0][0]) * (pair[0][1] + pair[1][1])).sum();
        twice as f64 / (2 * self.normal * self.faulty) as f64
    }

    /// The average precision: the precision at each threshold, weighted by the share of the faulty rows that it adds.
    ///
    /// ```text
    /// AP = Σ (Rᵢ - Rᵢ₋₁) Pᵢ     R = detections / faulty     P = detections / (detections + false alarms)
    /// ```
    ///
    /// It is near `faulty / (normal + faulty)` for scores that know nothing, and 1 for scores that separate all rows.
    pub fn average_precision(&self) -> f64 {
        let term = |pair: &[[u64; 2]]| {
            let [false_alarms, detections] = pair[1];
            (detections - pair[0][1]) as f64 * detections as f64 / (detections + false_alarms) as f64
        };
        self.counts.windows(2).map(term).sum::<f64>() / self.faulty as f64
    }

    /// The curve: the shares of false alarms and detections at each threshold, from (0, 0) to (1, 1).
    pub fn points(&self) -> Vec<(f64, f64)> {
        let share = |[false_alarms, detections]: &[u64; 2]| {
            (*false_alarms as f64 / self.normal as f64, *detections as f64 / self.faulty as f64)
        };
        self.counts.iter().map(share).collect()
    }
}

/// The rows of some that have a property: false alarms of the normal rows, detections of the faulty ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proportion {
    count: u64,
    total: u64,
}

impl Proportion {
    /// `count` of `total`; `None` of none.
    pub fn new(count: usize, total: usize) -> Option<Self> {
        assert!(count <= total, "{count} of {total}");
        (total > 0).then_some(Self { count: count as u64, total: total as u64 })
    }

    /// The scores above a threshold; `None` of none.
    pub fn above<S: Copy + PartialOrd>(scores: &[S], threshold: S) -> Option<Self> {
        Self::new(scores.iter().filter(|score| **score > threshold).count(), scores.len())
    }

    /// The proportion, 0 to 1.
    pub fn share(&self) -> f64 {
        self.count as f64 / self.total as f64
    }

    /// Wilson's 95 % interval of the share in all rows of which these are a sample. Rows must be independent: overlapping windows
    /// are not, and their interval is wider.
    ///
    /// ```text
    /// (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)     z = 1.96
    /// ```
    pub fn interval(&self) -> [f64; 2] {
        /// 97.5 % of a normal variable are below it.
        const Z: f64 = 1.959_963_984_540_054;
        let (p, n) = (self.share(), self.total as f64);
        let middle = p + Z * Z / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        [middle - half, middle + half].map(|bound| (bound / (1.0 + Z * Z / n)).clamp(0.0, 1.0))
    }
}

/// The alarms of streams: the false ones, and the faults that they find.
///
/// A *stretch* is a run of faulty windows. An *alarm* begins at a window with a drift that follows one without, or that begins
/// the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Alarms that begin at a normal window.
    pub false_alarms: usize,
    /// Normal windows.
    pub normal_windows: usize,
    /// Normal windows during an alarm, also during one that began at a faulty window.
    pub normal_windows_in_alarm: usize,
    /// Stretches of faulty windows.
    pub stretches: usize,
    /// For each stretch with an alarm, the windows from its first one to the first one in alarm.
    pub delays: Vec<usize>,
}

impl Events {
    /// Adds a stream: for each window whether the detector reports a drift, and whether the window is faulty.
    pub fn add(&mut self, drifted: &[bool], faulty: &[bool]) {
        assert_eq!(drifted.len(), faulty.len(), "windows");
        let before = |i: usize, of: &[bool]| i > 0 && of[i - 1];
        let normal = || (0..faulty.len()).filter(|i| !faulty[*i]);
        self.normal_windows += normal().count();
        self.normal_windows_in_alarm += normal().filter(|i| drifted[*i]).count();
        self.false_alarms += normal().filter(|i| drifted[*i] && !before(*i, drifted)).count();
        let mut first = 0;
        for stretch in faulty.chunk_by(|a, b| a == b) {
            if stretch[0] {
                self.stretches += 1;
                self.delays.extend(drifted[first..first + stretch.len()].iter().position(|drifted| *drifted));
            }
            first += stretch.len();
        }
    }

    /// The stretches that an alarm found; `None` if there was none. An alarm that began before the stretch also counts:
    /// [`normal_windows_in_alarm`](Self::normal_windows_in_alarm) shows whether there is always an alarm.
    pub fn detected(&self) -> Option<Proportion> {
        Proportion::new(self.delays.len(), self.stretches)
    }

    /// False alarms an hour of normal windows, each `hop` samples after the one before it, at `rate` samples a second. `None` if
    /// there was no normal window.
    pub fn false_alarms_per_hour(&self, hop: usize, rate: f64) -> Option<f64> {
        let hours = (self.normal_windows * hop) as f64 / rate / 3600.0;
        (hours > 0.0).then(|| self.false_alarms as f64 / hours)
    }
}

#[cfg(test)]
mod tests;
