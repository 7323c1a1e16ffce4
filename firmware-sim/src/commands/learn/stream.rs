//! `firmware-sim learn` from recordings: a detector adapts to a new place.

use super::run::{Learning, Run, ensure_outputs};
use crate::args;
use crate::link::session::Session;
use crate::samples::{Samples, Step};
use crate::terminal::progress;
use crate::weights::WeightsBlob;
use crate::writable::text_after;
use anyhow::ensure;
use autoencoder_core::blob::Thresholds;
use autoencoder_device::Observation;
use autoencoder_device::learn::{Begin, HELD_OUT};
use autoencoder_io::detection::{Proportion, Roc};
use autoencoder_io::number::counted;
use autoencoder_io::plot::{PlotError, Stream};
use autoencoder_io::windows::{Kind, share_samples};
use serde_json::{Value, json};
use std::fmt::Write;
use std::iter;

/// Times that the device goes over the windows that it has room for.
const PASSES: u8 = 2;

/// Learns from the first windows of recordings, and measures on the others.
pub fn run(args: &args::Learn) -> anyhow::Result<String> {
    let weights = WeightsBlob::find(args.common.weights.as_deref())?;
    weights.ensure_whole("learn")?;
    let samples = Samples::read(&args.data, &weights, &args.normal)?;
    let parts = Parts::new(&samples, args.first)?;
    ensure_outputs(args, args.data.paths().iter().map(AsRef::as_ref).chain([weights.path.as_path()]))?;

    let target = args.common.target()?;
    let mut learning = Learning::open(args, &weights, |flash| Session::detector(target, &weights, Some(flash)))?;
    let thresholds = learning.session.thresholds()?;
    ensure!(thresholds != Thresholds::NONE, "{}: no thresholds were calibrated", weights.path.display());
    let rest = samples.steps(&parts.rest);
    let before = learning.before(|session| observe(session, &rest))?;
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
    let run = learning.run(begin, &samples.steps(&parts.learned), |session, step| step.learn(session))?;
    // A run that is not kept leaves the device as it was.
    let after = if run.is_kept() {
        let after = learning.after(|session| observe(session, &rest))?;
        Some(Measured::new(&samples, &parts.rest, run.thresholds, &after))
    } else {
        None
    };
    let report = learning.session.finish()?;
    let outcome = Outcome { args, samples: &samples, parts: &parts, run, before, after };
    let picture = outcome.draw();
    let text = report.output(args.common.json, || outcome.json(), |text| outcome.text(text))?;
    text_after(text, picture.map_err(Into::into).and_then(|()| outcome.run.ensure_accepted()))
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
        // A window with a faulty sample is nothing to learn from.
        let normal: Vec<usize> =
            (0..samples.places.len()).filter(|window| samples.places[*window].kind == Kind::Normal).collect();
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
        let apart = |i: &usize| {
            let place = samples.places[*i];
            // Places are in order, so the nearest learned windows are the neighbours of this one among them.
            let next = learned.partition_point(|other| other < i);
            let mut near = learned[next.saturating_sub(1)..].iter().take(2).map(|other| samples.places[*other]);
            !near.any(|other| share_samples(&samples.recordings, &samples.spec, &other, &place))
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

/// What the device reports about the rest.
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
    run: Run<'a>,
    before: Measured,
    /// `None` if the device has kept nothing of the run.
    after: Option<Measured>,
}

impl Outcome<'_> {
    /// Draws the rest before and after, one below the other. A run of which nothing is kept has no picture after it.
    fn draw(&self) -> Result<(), PlotError> {
        let Self { samples, parts, before, after, .. } = self;
        let labels: Vec<u32> = parts.rest.iter().map(|window| samples.places[*window].label).collect();
        let names = samples.label_names();
        let first = if after.is_some() { "before learning" } else { "before learning, of which nothing is kept" };
        let measured = iter::once((first, before)).chain(after.as_ref().map(|after| ("after learning", after)));
        let streams: Vec<Stream<'_>> = measured
            .map(|(title, measured)| Stream {
                title,
                scores: &measured.scores,
                thresholds: measured.thresholds,
                drifted: &measured.drifted,
                labels: if samples.labelled { &labels } else { &[] },
                names: &names,
                seconds: samples.hop_seconds(),
            })
            .collect();
        Stream::write_all(&streams, &self.args.out)
    }

    /// Fractions are between 0 and 1; what cannot be computed is null.
    fn json(&self) -> Value {
        let Self { args, before, parts, .. } = self;
        let after = self.after.as_ref().unwrap_or(before);
        let share = |share: Option<Proportion>| share.map(|share| share.share());
        let mut keys = json!({
            "windows": self.samples.places.len(),
            "learned_from": parts.learned.len(),
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
        });
        self.run.add_to(&mut keys);
        keys
    }

    fn text(&self, text: &mut String) -> std::fmt::Result {
        let Self { args, samples, parts, run, before, after } = self;
        writeln!(text, "{}: {}", args.data.describe(), samples.describe())?;
        let kind = if samples.labelled { "first normal windows" } else { "first windows" };
        let tried = if run.is_kept() { "learned" } else { "tried to learn" };
        writeln!(text, "{tried} from the {} {kind}: {}", parts.learned.len(), args.out.display())?;
        run.chart(text)?;
        let rest = &parts.rest;
        let faulty = rest.iter().filter(|window| samples.faulty[**window]).count();
        let normal = format!("   of {} to measure on", counted(rest.len() - faulty, "normal window"));
        let all = format!("   of {} to measure on", counted(rest.len(), "window"));
        let faulty = format!("   of {}", counted(faulty, "faulty window"));
        // `None` if there is no such number.
        let cells = |cell: &dyn Fn(&Measured) -> Option<String>| -> Option<String> {
            iter::once(before).chain(after).map(cell).collect()
        };
        let percent = |share: Option<Proportion>| share.map(|share| format!(" {:8.2} %", 100.0 * share.share()));
        writeln!(text, "                     before{}", if after.is_some() { "      after" } else { "" })?;
        for (name, cells, of) in [
            ("threshold", cells(&|measured| Some(format!(" {:10}", measured.thresholds.upper))), ""),
            ("above it", cells(&|measured| percent(measured.above.filter(|_| !samples.labelled))), &all),
            ("false alarms", cells(&|measured| percent(measured.false_alarms)), &normal),
            ("detected", cells(&|measured| percent(measured.detected)), &faulty),
            ("AUC", cells(&|measured| measured.auc.map(|auc| format!(" {auc:10.4}"))), ""),
        ] {
            if let Some(cells) = cells {
                writeln!(text, "  {name:14}{cells}{of}")?;
            }
        }
        if let Some([before, after]) = run.held_out() {
            writeln!(
                text,
                "  held out       {before:10.6} {after:10.6}   MSE of {HELD_OUT} windows from all over the run, by which \
                 the device decides"
            )?;
        }
        run.text(text, "window")
    }
}
