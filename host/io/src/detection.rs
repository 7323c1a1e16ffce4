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

/// 97.5 % of a normal variable are below it.
const Z: f64 = 1.959_963_984_540_054;

/// 97.5 % of Student's variable are below it, for 1, 2, … degrees of freedom. For more, [`Z`] is near enough.
const STUDENT: [f64; 30] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, //
    2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, //
    2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
];

/// The rows of some that have a property: false alarms of the normal rows, detections of the faulty ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    count: u64,
    total: u64,
    /// As many independent rows say as much about the share.
    independent: f64,
}

impl Proportion {
    /// `count` of `total`; `None` of none.
    pub fn new(count: usize, total: usize) -> Option<Self> {
        assert!(count <= total, "{count} of {total}");
        (total > 0).then_some(Self { count: count as u64, total: total as u64, independent: total as f64 })
    }

    /// Windows that have a property; `None` of none. For each window, `windows` has its source and whether it has the property;
    /// those of a source follow each other. Each sample is in `overlap` windows.
    ///
    /// Windows that share samples are alike, and so are those of one source. They say as much as fewer independent ones:
    ///
    /// ```text
    /// x[r], n[r]   windows of source r with the property, and all of its windows         R sources
    /// p, n         the share in all windows, and their number
    /// V          = R/(R - 1) · Σ (x[r] - p · n[r])² / n²      the variance of a share of whole sources
    /// independent = min(n / overlap, p · (1 - p) / V · (z/t)²)
    /// ```
    ///
    /// `V` is the usual estimate for samples of clusters. It is uncertain itself where sources are few, so 97.5 % of Student's
    /// distribution with `R - 1` degrees of freedom are below `t`, as many as of a normal one below `z`: the interval is the same as
    /// that of `p · (1 - p) / V` windows with `t` in place of `z`.
    ///
    /// Where no window has the property, as where there is no alarm at all, or all have it, `V` is 0 and says nothing. Then only the
    /// overlap counts, as if the sources were alike, and the interval is too narrow if they are not. So it is with one source.
    pub fn of_windows<S: PartialEq>(windows: impl IntoIterator<Item = (S, bool)>, overlap: f64) -> Option<Self> {
        let mut sources: Vec<(S, [u64; 2])> = Vec::new();
        for (source, has) in windows {
            if sources.last().is_none_or(|(last, _)| *last != source) {
                sources.push((source, [0; 2]));
            }
            if let Some((_, [count, total])) = sources.last_mut() {
                *count += u64::from(has);
                *total += 1;
            }
        }
        let sum = |of: usize| sources.iter().map(|(_, counts)| counts[of]).sum::<u64>() as usize;
        let all = Self::new(sum(0), sum(1))?;
        let (p, n, clusters) = (all.share(), all.total as f64, sources.len() as f64);
        let residual = |(_, [count, total]): &(S, [u64; 2])| (*count as f64 - p * *total as f64).powi(2);
        let variance = clusters / (clusters - 1.0) * sources.iter().map(residual).sum::<f64>() / (n * n);
        let apart = (n / overlap.max(1.0)).max(1.0);
        let spread = clusters > 1.0 && p > 0.0 && p < 1.0;
        let t = STUDENT.get(sources.len().wrapping_sub(2)).copied().unwrap_or(Z);
        let independent = if spread { apart.min((p * (1.0 - p) / variance).max(1.0) * (Z / t).powi(2)) } else { apart };
        Some(Self { independent, ..all })
    }

    /// The scores above a threshold; `None` of none.
    pub fn above<S: Copy + PartialOrd>(scores: &[S], threshold: S) -> Option<Self> {
        Self::new(scores.iter().filter(|score| **score > threshold).count(), scores.len())
    }

    /// The proportion, 0 to 1.
    pub fn share(&self) -> f64 {
        self.count as f64 / self.total as f64
    }

    /// Wilson's 95 % interval of the share in all rows of which these are a sample of `n` independent ones.
    ///
    /// ```text
    /// (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)     z = 1.96
    /// ```
    pub fn interval(&self) -> [f64; 2] {
        let (p, n) = (self.share(), self.independent);
        let middle = p + Z * Z / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let bound = |bound: f64| (bound / (1.0 + Z * Z / n)).clamp(0.0, 1.0);
        // Exactly, where rounding would leave 1e-18.
        let low = if self.count == 0 { 0.0 } else { bound(middle - half) };
        let high = if self.count == self.total { 1.0 } else { bound(middle + half) };
        [low, high]
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
    /// there was no normal window, or if the rate is not known, which is 0.
    pub fn false_alarms_per_hour(&self, hop: u16, rate: f32) -> Option<f64> {
        let hours = (self.normal_windows * usize::from(hop)) as f64 / f64::from(rate) / 3600.0;
        (rate > 0.0 && hours > 0.0).then(|| self.false_alarms as f64 / hours)
    }
}

#[cfg(test)]
mod tests;
