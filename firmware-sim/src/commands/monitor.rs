//! `firmware-sim monitor`

use crate::args;
use crate::link::measure::ensure_whole_fits;
use crate::link::session::Session;
use crate::rows::{self, Count, mse};
use crate::shift::Set;
use crate::terminal::progress;
use crate::weights::Weights;
use anyhow::ensure;
use autoencoder_core::blob::NO_THRESHOLD;
use autoencoder_device::monitor::WINDOW;
use serde_json::json;
use std::fmt::Write;

/// How many test rows are scored by default.
const IMAGES: usize = 2000;
/// Size of the chart, in characters.
const COLUMNS: usize = 72;
const ROWS: usize = 12;

pub fn run(args: &args::Monitor) -> anyhow::Result<String> {
    let weights = Weights::find(args.device.common.weights.as_deref())?;
    weights.ensure_whole("monitor")?;
    let target = args.device.common.target()?;
    ensure_whole_fits(target.board, &weights)?;
    let mut session = Session::with_flash(target, &weights, args.device.flash.as_deref())?;
    let threshold = session.threshold()?;
    ensure!(
        threshold != NO_THRESHOLD,
        "{}: no threshold was calibrated (`cargo run -p host -- export --format int8` does it)",
        weights.path.display()
    );
    let count = Count::or("--images", args.images, IMAGES);
    let shifted = args.shift.rows(&args.source.data, Set::Test, count, &weights)?;
    let what = shifted.shape.plural();
    ensure!(shifted.rows.len() >= 2, "a stream that changes takes two {what}");
    let half = shifted.rows.len() / 2;
    let mut stream = rows::test(&args.source.data, Count::Asked(half, "--images"), &weights)?.rows;
    stream.extend(shifted.rows.into_iter().skip(half));

    let (mut scores, mut drifted) = (Vec::new(), Vec::new());
    for row in progress(&stream) {
        let (score, verdict) = session.monitor(row)?;
        scores.push(score);
        drifted.push(verdict.drifted);
    }
    let report = session.finish()?;

    let (steady, shifted) = scores.split_at(half);
    let false_alarms = drifted[..half].iter().filter(|drifted| **drifted).count();
    // With learned parameters it may be the shifted half that is known: then a drift ends there.
    let was = drifted[half - 1];
    let changed = drifted[half..].iter().position(|drifted| *drifted != was).map(|rows| rows + 1);
    let (noticed, quiet) = if was { (None, changed) } else { (changed, None) };
    let auc = auc(steady, shifted);
    let halves = [(steady, &drifted[..half]), (shifted, &drifted[half..])];
    let [before, after] = halves.map(|(scores, drifted)| Part::new(scores, drifted, threshold, weights.row()));
    if args.device.common.json {
        return Ok(report.json(json!({
            "images": scores.len(),
            "shift": args.shift.to_string(),
            "threshold": threshold,
            "auc": auc,
            "mse_before": before.mse,
            "mse_after": after.mse,
            "above_before": before.above,
            "above_after": after.above,
            "false_alarms": false_alarms,
            "noticed_after": noticed,
            "quiet_after": quiet,
            "drifted_before": before.drifted,
            "drifted_after": after.drifted,
        })));
    }
    let mut text = String::new();
    writeln!(
        text,
        "{} {what}; from {} {} on the sensor is another one: {}\n",
        scores.len(),
        &what[..what.len() - 1],
        half + 1,
        args.shift
    )?;
    chart(&mut text, &scores, threshold)?;
    let column = |row: usize| row * COLUMNS / scores.len();
    match (changed, was) {
        (Some(rows), was) => {
            let noticed = if was { "quiet again" } else { "noticed" };
            let at = column(half + rows - 1);
            writeln!(text, "{:at$}             ^ {noticed}, {rows} {what} after it changed", "")?;
        }
        (None, true) => writeln!(text, "             drifted all the time")?,
        (None, false) => {
            writeln!(text, "             not noticed: it takes a majority of {WINDOW} {what} above the threshold")?;
        }
    }
    writeln!(text, "\n           above the threshold   drifted   MSE")?;
    for (name, part) in [("before", before), ("after", after)] {
        let (above, drifted) = (100.0 * part.above, 100.0 * part.drifted);
        writeln!(text, "  {name:6}   {above:17.1} %   {drifted:5.1} %   {:.6}", part.mse)?;
    }
    writeln!(
        text,
        "  AUC      {auc:.5}   the chance that one of the shifted {what} scores higher than one of the others\n"
    )?;
    report.text(&mut text)?;
    Ok(text)
}

/// One half of the stream.
struct Part {
    /// The share of scores above the threshold.
    above: f64,
    /// The share of rows at which the monitor said that the stream has drifted.
    drifted: f64,
    mse: f64,
}

impl Part {
    fn new(scores: &[u32], drifted: &[bool], threshold: u32, row: usize) -> Self {
        let above = scores.iter().filter(|score| **score > threshold).count();
        let sum = scores.iter().map(|score| u64::from(*score)).sum();
        let drifted = drifted.iter().filter(|drifted| **drifted).count();
        let share = |count: usize| count as f64 / scores.len() as f64;
        Self { above: share(above), drifted: share(drifted), mse: mse(sum, scores.len() * row) }
    }
}

/// The area under the ROC curve: the probability that of one score of each kind the shifted one is higher, equal ones
/// counting half.
fn auc(steady: &[u32], shifted: &[u32]) -> f64 {
    let mut steady = steady.to_vec();
    steady.sort_unstable();
    let wins = shifted.iter().map(|score| {
        let below = steady.partition_point(|steady| steady < score);
        let equal = steady.partition_point(|steady| steady <= score) - below;
        below as f64 + equal as f64 / 2.0
    });
    wins.sum::<f64>() / (steady.len() * shifted.len()) as f64
}

/// The scores in their order, upwards on a logarithmic scale: the darker, the more rows.
fn chart(text: &mut String, scores: &[u32], threshold: u32) -> std::fmt::Result {
    let log = |score: u32| f64::from(score.max(1)).ln();
    let all = || scores.iter().copied().chain([threshold]);
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
        let label = if i == row(threshold) { "threshold ┤" } else { "          │" };
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

    #[test]
    fn the_area_is_that_of_all_pairs() {
        assert_eq!(auc(&[1, 2, 3], &[4, 5]), 1.0);
        assert_eq!(auc(&[4, 5], &[1, 2, 3]), 0.0);
        assert_eq!(auc(&[1, 3], &[2]), 0.5);
        assert_eq!(auc(&[2, 2, 2], &[2]), 0.5);
        assert_eq!(auc(&[1, 2], &[2, 3]), (0.5 + 3.0) / 4.0);
    }

    #[test]
    fn the_chart_has_each_score_in_its_place() {
        let mut scores = vec![10; COLUMNS];
        scores[COLUMNS - 1] = 1_000_000;
        let mut text = String::new();
        chart(&mut text, &scores, 1_000).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), ROWS + 1);
        let cell = |line: &str, column: usize| line.chars().nth(13 + column).unwrap_or(' ');
        assert_eq!(cell(lines[0], COLUMNS - 1), '█');
        assert_eq!(cell(lines[ROWS - 1], 0), '█');
        assert_eq!(cell(lines[ROWS - 1], COLUMNS - 1), ' ');
        assert_eq!(lines.iter().position(|line| line.contains("threshold")), Some(ROWS - 1 - 4)); // 2 of 5 decades
    }

    #[test]
    fn parts_are_measured_against_the_threshold() {
        let part = Part::new(&[0, 65_025, 65_026], &[false, true, true], 65_025, 1);
        assert_eq!((part.above, part.drifted), (1.0 / 3.0, 2.0 / 3.0));
        assert!((part.mse - (65_025.0 + 65_026.0) / 65_025.0 / 3.0).abs() < 1e-12);
    }
}
