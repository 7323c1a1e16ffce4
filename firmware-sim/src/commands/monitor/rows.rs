//! `firmware-sim monitor` of rows: the sensor is shifted half-way.

use crate::args;
use crate::link::measure::ensure_whole_fits;
use crate::link::session::Session;
use crate::rows::{self, Count, Set, Shape, mse};
use crate::shift::Shift;
use crate::terminal::progress;
use crate::weights::WeightsBlob;
use anyhow::ensure;
use autoencoder_core::blob::Thresholds;
use autoencoder_device::monitor::{ALARM, Drift, Monitor, REPEATS, WINDOW};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// The default number of test rows.
const IMAGES: usize = 2000;
/// Size of the chart, in characters.
const COLUMNS: usize = 72;
const ROWS: usize = 12;

/// Monitors the test rows of a folder.
pub fn run(args: &args::Monitor, data: &Path) -> anyhow::Result<String> {
    let shift = args.shift.clone().unwrap_or_default();
    let weights = WeightsBlob::find(args.device.common.weights.as_deref())?;
    weights.ensure_whole("monitor")?;
    let target = args.device.common.target()?;
    ensure_whole_fits(target.board, &weights)?;
    let mut session = Session::with_flash(target, &weights, args.device.flash.as_deref())?;
    let thresholds = session.thresholds()?;
    ensure!(
        thresholds != Thresholds::NONE,
        "{}: no thresholds were calibrated (`cargo run -p host -- export --format int8` calibrates them)",
        weights.path.display()
    );
    let count = Count::or("--rows", args.rows, IMAGES);
    let shifted = shift.rows(data, Set::Test, count, &weights)?;
    let shape = shifted.shape;
    ensure!(shifted.rows.len() >= 2, "a stream that changes needs at least two {}", shape.plural());
    let half = shifted.rows.len() / 2;
    let mut stream = rows::test(data, Count::Asked(half, "--rows"), &weights)?.rows;
    stream.extend(shifted.rows.into_iter().skip(half));

    let (mut scores, mut drifts) = (Vec::new(), Vec::new());
    for row in progress(&stream) {
        let (score, verdict) = session.monitor(row)?;
        scores.push(score);
        drifts.push(verdict.drift());
    }
    let report = session.finish()?;
    let outcome = Outcome::new(thresholds, &stream, scores, &drifts, shape);
    Ok(report.output(args.device.common.json, || outcome.json(&shift), |text| outcome.text(text, &shift))?)
}

/// The outcome of a stream whose sensor is shifted half-way.
struct Outcome {
    thresholds: Thresholds,
    scores: Vec<u32>,
    shape: Shape,
    /// Rows before the change.
    half: usize,
    /// Rows of the first half with a drift.
    false_alarms: usize,
    /// Whether the first half ends in a drift. With learned parameters, the shifted half may be the familiar one, and the
    /// drift then ends there.
    was: bool,
    /// Rows after the change until the verdict changes.
    changed: Option<usize>,
    /// The drift that is then noticed.
    drift: Option<Drift>,
    /// Rows until a monitor that starts at the change notices it.
    noticed_at_once: Option<usize>,
    auc: f64,
    parts: [HalfStream; 2],
}

impl Outcome {
    fn new(
        thresholds: Thresholds,
        stream: &[Vec<u8>],
        scores: Vec<u32>,
        drifts: &[Option<Drift>],
        shape: Shape,
    ) -> Self {
        let half = scores.len() / 2;
        let (steady, shifted) = scores.split_at(half);
        let was = drifts[half - 1].is_some();
        let changed = drifts[half..].iter().position(|drift| drift.is_some() != was);
        // The familiar half, then the other one.
        let [known, other] = if was { [shifted, steady] } else { [steady, shifted] };
        let auc = auc(&distances(known, thresholds), &distances(other, thresholds));
        let row = stream.first().map_or(1, Vec::len);
        let halves = [(steady, &drifts[..half]), (shifted, &drifts[half..])];
        Self {
            thresholds,
            shape,
            half,
            false_alarms: drifts[..half].iter().flatten().count(),
            was,
            changed: changed.map(|rows| rows + 1),
            drift: changed.and_then(|rows| drifts[half + rows]),
            noticed_at_once: from_the_start(thresholds, &stream[half..], shifted),
            auc,
            parts: halves.map(|(scores, drifts)| HalfStream::new(scores, drifts, thresholds, row)),
            scores,
        }
    }

    fn json(&self, shift: &Shift) -> Value {
        let Self { parts: [before, after], changed, was, .. } = self;
        json!({
            "rows": self.scores.len(),
            "shift": shift.to_string(),
            "lower_threshold": self.thresholds.lower,
            "upper_threshold": self.thresholds.upper,
            "auc": self.auc,
            "mse_before": before.mse,
            "mse_after": after.mse,
            "below_before": before.below,
            "below_after": after.below,
            "above_before": before.above,
            "above_after": after.above,
            "false_alarms": self.false_alarms,
            "drift": self.drift.map(|drift| drift.to_string()),
            "noticed_after": changed.filter(|_| !was),
            "noticed_from_the_start_after": self.noticed_at_once,
            "quiet_after": changed.filter(|_| *was),
            "drifted_before": before.drifted,
            "drifted_after": after.drifted,
        })
    }

    fn text(&self, text: &mut String, shift: &Shift) -> std::fmt::Result {
        let Self { shape, half, was, changed, .. } = *self;
        let (all, what, next) = (shape.counted(self.scores.len()), shape.plural(), half + 1);
        writeln!(text, "{all}; from {} {next} on, the sensor is shifted: {shift}\n", shape.noun())?;
        chart(text, &self.scores, self.thresholds)?;
        writeln!(text, "             share of the {what} in a column  · some  ▒ 10 % or more  █ 40 % or more")?;
        match (changed, was) {
            (Some(rows), was) => {
                let noticed = if was { "quiet again" } else { "noticed" };
                let (rows_after, rule) = (shape.counted(rows), self.drift.map_or("", rule));
                let at = (half + rows - 1) * COLUMNS / self.scores.len();
                writeln!(text, "{:at$}             ^ {noticed}, {rows_after} after the change{rule}", "")?;
            }
            (None, true) => writeln!(text, "             drift throughout")?,
            (None, false) => {
                writeln!(
                    text,
                    "             not noticed: a drift is {ALARM} of {WINDOW} scores outside the thresholds, or \
                     {REPEATS} repeated {what}"
                )?;
            }
        }
        if let (Some(rows), false) = (self.noticed_at_once, was) {
            writeln!(text, "             a monitor that starts at the change notices it after {rows}")?;
        }
        let kinds = if was { ["original", "shifted"] } else { ["shifted", "original"] };
        table(text, &self.parts, self.auc, &kinds.map(|kind| format!("{kind} {what}")))
    }
}

/// Writes the measurements of each half of the stream, and how well the scores separate the two kinds of rows.
fn table(text: &mut String, parts: &[HalfStream; 2], auc: f64, [odd, known]: &[String; 2]) -> std::fmt::Result {
    writeln!(text, "\n              below     above   drifted   MSE")?;
    for (name, part) in ["before", "after"].into_iter().zip(parts) {
        let [below, above, drifted] = [part.below, part.above, part.drifted].map(|share| 100.0 * share);
        writeln!(text, "  {name:6}   {below:6.1} %  {above:6.1} %   {drifted:5.1} %   {:.6}", part.mse)?;
    }
    writeln!(
        text,
        "  AUC      {auc:.5}   the probability that one of the {odd} is farther than one of the {known}\n\
         {:19}from the geometric mean of the thresholds, on a logarithmic scale\n",
        ""
    )
}

/// The rule that was broken, as the end of a sentence.
fn rule(drift: Drift) -> &'static str {
    match drift {
        Drift::Above => ": scores above the upper threshold",
        Drift::Below => ": scores below the lower threshold",
        Drift::Repeating => ": repeated rows",
    }
}

/// The number of these rows after which a new monitor notices a drift.
fn from_the_start(thresholds: Thresholds, rows: &[Vec<u8>], scores: &[u32]) -> Option<usize> {
    let mut monitor = Monitor::new(thresholds);
    let noticed = rows.iter().zip(scores).position(|(row, score)| monitor.push(row, *score).drift().is_some());
    noticed.map(|rows| rows + 1)
}

/// One half of the stream.
struct HalfStream {
    /// The share of scores below the lower threshold.
    below: f64,
    /// The share of scores above the upper threshold.
    above: f64,
    /// The share of rows at which the monitor reported a drift.
    drifted: f64,
    mse: f64,
}

impl HalfStream {
    fn new(scores: &[u32], drifts: &[Option<Drift>], thresholds: Thresholds, row: usize) -> Self {
        let share = |count: usize| count as f64 / scores.len() as f64;
        let sum = scores.iter().map(|score| u64::from(*score)).sum();
        Self {
            below: share(scores.iter().filter(|score| **score < thresholds.lower).count()),
            above: share(scores.iter().filter(|score| **score > thresholds.upper).count()),
            drifted: share(drifts.iter().flatten().count()),
            mse: mse(sum, scores.len() * row),
        }
    }
}

/// The distance of each score from the geometric mean of the thresholds, on a logarithmic scale.
fn distances(scores: &[u32], thresholds: Thresholds) -> Vec<f64> {
    let log = |score: u32| f64::from(score.max(1)).ln();
    let middle = f64::midpoint(log(thresholds.lower), log(thresholds.upper));
    scores.iter().map(|score| (log(*score) - middle).abs()).collect()
}

/// The area under the ROC curve: the probability that a distance in `odd` exceeds one in `known`. Equal distances count
/// half.
fn auc(known: &[f64], odd: &[f64]) -> f64 {
    let mut known = known.to_vec();
    known.sort_unstable_by(f64::total_cmp);
    let wins = odd.iter().map(|distance| {
        let below = known.partition_point(|known| known < distance);
        let equal = known.partition_point(|known| known <= distance) - below;
        below as f64 + equal as f64 / 2.0
    });
    wins.sum::<f64>() / (known.len() * odd.len()) as f64
}

/// Draws the scores in order, upwards on a logarithmic scale. A darker cell holds more rows.
fn chart(text: &mut String, scores: &[u32], thresholds: Thresholds) -> std::fmt::Result {
    let Thresholds { lower, upper } = thresholds;
    let log = |score: u32| f64::from(score.max(1)).ln();
    let all = || scores.iter().copied().chain([lower, upper]);
    let (low, high) = (log(all().min().unwrap_or(1)), log(all().max().unwrap_or(1)));
    let row = |score| (((log(score) - low) / (high - low).max(1e-9) * ROWS as f64) as usize).min(ROWS - 1);
    let mut counts = [[0usize; COLUMNS]; ROWS];
    let mut totals = [0usize; COLUMNS];
    for (i, score) in scores.iter().enumerate() {
        let column = i * COLUMNS / scores.len();
        counts[row(*score)][column] += 1;
        totals[column] += 1;
    }
    for (i, counts) in counts.iter().enumerate().rev() {
        let label = match (i == row(upper), i == row(lower)) {
            (true, true) => "thresholds┤",
            (true, false) => "    upper ┤",
            (false, true) => "    lower ┤",
            (false, false) => "          │",
        };
        let cells = counts.iter().zip(&totals).map(|(count, total)| match 100 * count / total.max(&1) {
            0 if *count == 0 => ' ',
            0..10 => '·',
            10..40 => '▒',
            _ => '█',
        });
        writeln!(text, "  {label}{}", cells.collect::<String>().trim_end())?;
    }
    writeln!(text, "            └{}", "─".repeat(COLUMNS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { lower: 100, upper: 10_000 };

    #[test]
    fn the_auc_compares_all_pairs() {
        assert_eq!(auc(&[1.0, 2.0, 3.0], &[4.0, 5.0]), 1.0);
        assert_eq!(auc(&[4.0, 5.0], &[1.0, 2.0, 3.0]), 0.0);
        assert_eq!(auc(&[1.0, 3.0], &[2.0]), 0.5);
        assert_eq!(auc(&[2.0, 2.0, 2.0], &[2.0]), 0.5);
        assert_eq!(auc(&[1.0, 2.0], &[2.0, 3.0]), (0.5 + 3.0) / 4.0);
    }

    #[test]
    fn distances_are_symmetric_about_the_mean_of_the_thresholds() {
        let distances = distances(&[1000, 100, 10_000, 10, 100_000, 0, 1], THRESHOLDS);
        let decades: Vec<f64> = distances.iter().map(|distance| distance / 10f64.ln()).collect();
        let expected = [0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0];
        assert!(decades.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{decades:?}");
        // Scores below the thresholds separate as well as scores above them.
        assert_eq!(auc(&distances[..3], &distances[3..4]), 1.0);
        assert_eq!(auc(&distances[..3], &distances[4..5]), 1.0);
    }

    #[test]
    fn the_chart_shows_each_score_in_its_cell() {
        let mut scores = vec![10; COLUMNS];
        scores[COLUMNS - 1] = 1_000_000;
        let mut text = String::new();
        chart(&mut text, &scores, Thresholds { lower: 100, upper: 1_000 }).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), ROWS + 1);
        let cell = |line: &str, column: usize| line.chars().nth(13 + column).unwrap_or(' ');
        assert_eq!(cell(lines[0], COLUMNS - 1), '█');
        assert_eq!(cell(lines[ROWS - 1], 0), '█');
        assert_eq!(cell(lines[ROWS - 1], COLUMNS - 1), ' ');
        let line = |label| lines.iter().position(|line| line.contains(label));
        assert_eq!(line("upper ┤"), Some(ROWS - 1 - 4)); // 2 of 5 decades
        assert_eq!(line("lower ┤"), Some(ROWS - 1 - 2)); // 1 of 5 decades
    }

    #[test]
    fn parts_are_measured_against_the_thresholds() {
        let drifts = [None, Some(Drift::Below), Some(Drift::Above)];
        let part = HalfStream::new(&[0, 65_025, 65_026], &drifts, Thresholds { lower: 1, upper: 65_025 }, 1);
        assert_eq!((part.below, part.above, part.drifted), (1.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0));
        assert!((part.mse - (65_025.0 + 65_026.0) / 65_025.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_delay_of_a_new_monitor_is_measured_separately() {
        let rows: Vec<Vec<u8>> = (0..40).map(|i| vec![i]).collect();
        assert_eq!(from_the_start(THRESHOLDS, &rows, &[50; 40]), Some(10));
        assert_eq!(from_the_start(THRESHOLDS, &rows, &[1_000; 40]), None);
        assert_eq!(from_the_start(THRESHOLDS, &vec![vec![7]; 40], &[1_000; 40]), Some(33));
    }
}
