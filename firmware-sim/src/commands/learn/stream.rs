//! `firmware-sim learn` from recordings: a detector adapts to a new place.

use super::rows::chart;
use crate::args;
use crate::flash_file::{LockedFlash, describe, wear};
use crate::link::session::Session;
use crate::rows::mse;
use crate::samples::{Samples, Step};
use crate::terminal::{note, progress};
use crate::weights::WeightsBlob;
use crate::writable::{ensure_other, ensure_writable, text_after};
use anyhow::ensure;
use autoencoder_core::blob::Thresholds;
use autoencoder_device::Observation;
use autoencoder_device::learn::{Begin, HELD_OUT, Judgement, Rejection, Saved};
use autoencoder_device::message::LearningCommand;
use autoencoder_device::store::RecordState;
use autoencoder_io::detection::{Proportion, Roc};
use autoencoder_io::number::counted;
use autoencoder_io::plot::{PlotError, Stream};
use autoencoder_io::{files, interrupt};
use serde_json::{Value, json};
use std::fmt::Write;

/// Times that the device goes over the windows that it has room for.
const PASSES: u8 = 2;

/// Learns from the first windows of recordings, and measures on the others.
pub fn run(args: &args::Learn) -> anyhow::Result<String> {
    let weights = WeightsBlob::find(args.common.weights.as_deref())?;
    weights.ensure_whole("learn")?;
    let samples = Samples::read(&args.data, &weights, &args.normal)?;
    let parts = Parts::new(&samples, args.first)?;
    let read = || args.data.paths().iter().map(AsRef::as_ref).chain([weights.path.as_path()]);
    ensure_other(&args.out, &[args.flash.as_path()])?;
    ensure_writable(&[&args.out], read())?;
    files::ensure_not_input(&args.flash, read())?;

    let flash_file = LockedFlash::to_learn(&args.flash, &weights, args.force)?;
    let contents = flash_file.file.contents.clone();
    let mut session = Session::detector(args.common.target()?, &weights, Some(contents))?;
    let kept = session.kept(&flash_file.file, args.force)?;
    let thresholds = session.thresholds()?;
    ensure!(thresholds != Thresholds::NONE, "{}: no thresholds were calibrated", weights.path.display());
    interrupt::watch()?;
    if !args.common.json {
        note(&format!("flash: {}: {}", args.flash.display(), describe(kept)));
    }
    let flash = args.flash.display();
    let nothing_kept = || format!("nothing of this run is kept; {flash} is unchanged");
    let rest = samples.steps(&parts.rest);
    let before = interrupt::explain(observe(&mut session, &rest), nothing_kept)?;
    let before = Measured::new(&samples, &parts.rest, thresholds, &before);

    let method = args.optimizer;
    let begin = Begin {
        method,
        rate: args.rate.unwrap_or(method.rate()),
        batch: args.batch,
        rows: (parts.learned.len() - HELD_OUT) as u32,
        passes: args.passes.unwrap_or(PASSES),
        forced: args.foreign,
    };
    session.status(LearningCommand::Begin(begin))?;
    let run = learn(&mut session, &samples.steps(&parts.learned), weights.row());
    let (errors, instructions) = interrupt::explain(run, nothing_kept)?;
    let judgement = session.judge()?;
    let now = session.status(LearningCommand::Status)?;
    flash_file.write(&session.flash()?)?; // at once: the measurements below can be interrupted

    // A run that is not kept leaves the device as it was.
    let after = if judgement.kept.is_ok() {
        let after = observe(&mut session, &rest);
        let after = interrupt::explain(after, || format!("the run itself is complete, and {flash} holds its result"))?;
        Measured::new(&samples, &parts.rest, now.thresholds, &after)
    } else {
        before.clone()
    };
    let report = session.finish()?;
    let steps = errors.len().div_ceil(args.batch.into()).max(1);
    let outcome = Outcome {
        args,
        samples: &samples,
        parts: &parts,
        row: weights.row(),
        errors,
        instructions: instructions / steps as u64,
        judgement,
        now: now.kept?,
        before,
        after,
    };
    let picture = outcome.draw();
    let text = if args.common.json {
        report.json(outcome.json())
    } else {
        let mut text = String::new();
        outcome.text(&mut text)?;
        report.text(&mut text)?;
        text
    };
    text_after(text, picture)
}

/// The windows to learn from, and those to measure on.
#[derive(Debug, PartialEq)]
struct Parts {
    learned: Vec<usize>,
    rest: Vec<usize>,
}

impl Parts {
    /// The first windows, or with labels the first normal ones, are learned from: as many as asked for, or a third. The rest
    /// are those that share no sample with them.
    fn new(samples: &Samples, first: Option<u32>) -> anyhow::Result<Self> {
        let normal: Vec<usize> = (0..samples.places.len()).filter(|window| !samples.faulty[*window]).collect();
        let count = first.map_or(normal.len() / 3, |first| first as usize);
        let kind = if samples.labelled { "normal window" } else { "window" };
        let there = counted(normal.len(), kind);
        if first.is_some() {
            ensure!(count <= normal.len(), "--first {count}: the recordings have {there}");
        }
        ensure!(
            count > HELD_OUT,
            "{there}, and a third of them is {count}; more than the {HELD_OUT} that are held out are needed to learn"
        );
        let learned = normal[..count].to_vec();
        let window = usize::from(samples.spec.window);
        let apart = |i: &usize| {
            let place = samples.places[*i];
            // Places are in order, so the nearest learned windows are the neighbours of this one among them.
            let next = learned.partition_point(|other| other < i);
            let near = learned[next.saturating_sub(1)..].iter().take(2).map(|other| samples.places[*other]);
            near.into_iter()
                .all(|other| other.recording != place.recording || other.start.abs_diff(place.start) >= window)
        };
        let rest: Vec<usize> = (0..samples.places.len()).filter(apart).collect();
        let both = |faulty: bool| rest.iter().any(|window| samples.faulty[*window] == faulty);
        ensure!(
            both(false) && (!samples.labelled || both(true)),
            "--first {count}: of {there}, none is left to measure on"
        );
        Ok(Self { learned, rest })
    }
}

/// The device's observations of windows in order.
fn observe(session: &mut Session<'_>, steps: &[Step<'_>]) -> anyhow::Result<Vec<Observation>> {
    progress(steps).map(|step| step.observe(session)).collect()
}

/// Learns from windows in order. Returns the error of each that was learned from before its step, and the total of
/// instructions.
fn learn(session: &mut Session<'_>, steps: &[Step<'_>], row: usize) -> anyhow::Result<(Vec<f64>, u64)> {
    let (mut errors, mut instructions) = (Vec::new(), 0);
    for step in progress(steps) {
        let (score, held_out) = step.learn(session)?;
        if !held_out {
            errors.push(mse(score.into(), row));
            instructions += u64::from(session.instructions()?);
        }
    }
    Ok((errors, instructions))
}

/// What the device reports about the rest.
#[derive(Clone)]
struct Measured {
    thresholds: Thresholds,
    scores: Vec<u32>,
    drifted: Vec<bool>,
    above: Option<Proportion>,
    /// With labels.
    false_alarms: Option<Proportion>,
    detected: Option<Proportion>,
    auc: Option<f64>,
}

impl Measured {
    fn new(samples: &Samples, rest: &[usize], thresholds: Thresholds, observations: &[Observation]) -> Self {
        let scores: Vec<u32> = observations.iter().map(|observation| observation.score).collect();
        let [normal, faulty] = [false, true].map(|faulty| samples.of(rest, &scores, faulty));
        let labelled = samples.labelled;
        Self {
            thresholds,
            drifted: observations.iter().map(Observation::drifted).collect(),
            above: Proportion::above(&scores, thresholds.upper),
            false_alarms: Proportion::above(&normal, thresholds.upper).filter(|_| labelled),
            detected: Proportion::above(&faulty, thresholds.upper).filter(|_| labelled),
            auc: Roc::new(&normal, &faulty).filter(|_| labelled).map(|roc| roc.auc()),
            scores,
        }
    }
}

/// The outcome of a run of learning.
struct Outcome<'a> {
    args: &'a args::Learn,
    samples: &'a Samples,
    parts: &'a Parts,
    /// Inputs of the network.
    row: usize,
    /// The error of each window that was learned from, before its step.
    errors: Vec<f64>,
    /// Instructions of a step; 0 if nothing counts them.
    instructions: u64,
    judgement: Judgement,
    /// What the flash holds now.
    now: RecordState,
    before: Measured,
    after: Measured,
}

impl Outcome<'_> {
    /// Draws the rest before and after, one below the other.
    fn draw(&self) -> Result<(), PlotError> {
        let Self { samples, parts, .. } = self;
        let labels: Vec<u32> = parts.rest.iter().map(|window| samples.places[*window].label).collect();
        let after = if self.judgement.kept.is_ok() { "after learning" } else { "after learning: rolled back" };
        let streams = [("before learning", &self.before), (after, &self.after)].map(|(title, measured)| Stream {
            title,
            scores: &measured.scores,
            thresholds: measured.thresholds,
            drifted: &measured.drifted,
            labels: if samples.labelled { &labels } else { &[] },
            names: &samples.recordings.labels,
            seconds: samples.hop_seconds(),
        });
        Stream::write_all(&streams, &self.args.out)
    }

    /// Fractions are between 0 and 1; what cannot be computed is null.
    fn json(&self) -> Value {
        let Self { args, judgement, before, after, parts, .. } = self;
        let share = |share: Option<Proportion>| share.map(|share| share.share());
        json!({
            "windows": self.samples.places.len(),
            "learned_from": parts.learned.len(),
            "held_out": HELD_OUT,
            "passes": args.passes.unwrap_or(PASSES),
            "measured_on": parts.rest.len(),
            "threshold_before": before.thresholds.upper,
            "threshold_after": after.thresholds.upper,
            "above_before": share(before.above),
            "above_after": share(after.above),
            "false_alarms_before": share(before.false_alarms),
            "false_alarms_after": share(after.false_alarms),
            "detected_before": share(before.detected),
            "detected_after": share(after.detected),
            "auc_before": before.auc,
            "auc_after": after.auc,
            "instructions_per_step": self.instructions,
            "persisted": judgement.kept.is_ok(),
            "record": judgement.kept.ok().map(Saved::record),
            "thresholds_only": matches!(judgement.kept, Ok(Saved::ThresholdsOnly(_))),
            "rejected": judgement.kept.err().map(|rejection| rejection.to_string()),
            "wear": wear(self.now),
            "flash": args.flash.display().to_string(),
            "out": args.out.display().to_string(),
        })
    }

    fn text(&self, text: &mut String) -> std::fmt::Result {
        let Self { args, samples, parts, before, after, .. } = self;
        writeln!(text, "{}: {}", args.data.describe(), samples.describe())?;
        let kind = if samples.labelled { "first normal windows" } else { "first windows" };
        writeln!(text, "learned from the {} {kind}: {}", parts.learned.len(), args.out.display())?;
        chart(text, &self.errors)?;
        let rest = &parts.rest;
        let faulty = rest.iter().filter(|window| samples.faulty[**window]).count();
        let normal = format!("of {} to measure on", counted(rest.len() - faulty, "normal window"));
        let all = format!("of {} to measure on", counted(rest.len(), "window"));
        writeln!(text, "                     before      after")?;
        writeln!(text, "  threshold      {:10} {:10}", before.thresholds.upper, after.thresholds.upper)?;
        for (name, shares, of) in [
            ("above it", [before.above, after.above].map(|share| share.filter(|_| !samples.labelled)), all),
            ("false alarms", [before.false_alarms, after.false_alarms], normal),
            ("detected", [before.detected, after.detected], format!("of {}", counted(faulty, "faulty window"))),
        ] {
            if let [Some(before), Some(after)] = shares {
                let [before, after] = [before, after].map(|share| 100.0 * share.share());
                writeln!(text, "  {name:13}  {before:8.2} % {after:8.2} %   {of}")?;
            }
        }
        if let [Some(before), Some(after)] = [before.auc, after.auc] {
            writeln!(text, "  AUC            {before:10.4} {after:10.4}")?;
        }
        let Judgement { before, after, kept } = self.judgement;
        let [before, after] = [before, after].map(|sum| mse(sum.into(), HELD_OUT * self.row));
        if kept != Err(Rejection::TooFewRows) {
            writeln!(
                text,
                "  held out       {before:10.6} {after:10.6}   MSE of {HELD_OUT} windows from all over the run, by which \
                 the device decides"
            )?;
        }
        match kept {
            Ok(Saved::Channels(record)) => {
                writeln!(text, "kept as record {record} in the device's flash: {}", args.flash.display())?;
            }
            Ok(Saved::ThresholdsOnly(record)) => writeln!(
                text,
                "new thresholds, kept as record {record} in the device's flash: {}; the parameters did not clearly help",
                args.flash.display()
            )?,
            Err(rejection @ (Rejection::Foreign | Rejection::Clipped)) => {
                writeln!(text, "refused: {rejection}; --foreign learns from them all the same")?;
            }
            Err(rejection) => writeln!(text, "rolled back: {rejection}")?,
        }
        writeln!(text, "  {}", describe(self.now))?;
        if self.instructions > 0 {
            let learned = if args.batch == 1 { "a window and its step" } else { "a batch and its step" };
            writeln!(text, "{} instructions for {learned}", self.instructions)?;
        }
        Ok(())
    }
}
