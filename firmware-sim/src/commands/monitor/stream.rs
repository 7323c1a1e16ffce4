//! `firmware-sim monitor` of recordings: their samples, one recording after the other.

use super::live::LiveLine;
use crate::args;
use crate::link::session::Session;
use crate::samples::Samples;
use crate::weights::WeightsBlob;
use crate::writable::{ensure_writable, text_after};
use anyhow::ensure;
use autoencoder_core::blob::Thresholds;
use autoencoder_device::Observation;
use autoencoder_io::detection::{Events, Proportion};
use autoencoder_io::number::counted;
use autoencoder_io::plot::{PlotError, Stream};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// The default file of the picture.
const OUT: &str = "artifacts/stream.png";
/// The most alarms that are listed as text.
const LISTED: usize = 10;

/// Monitors recordings.
pub fn run(args: &args::Monitor) -> anyhow::Result<String> {
    let common = &args.device.common;
    let weights = WeightsBlob::find(common.weights.as_deref())?;
    weights.ensure_whole("monitor")?;
    let samples = Samples::read(&args.data, &weights, &args.normal)?;
    let out = args.out.as_deref().unwrap_or(OUT.as_ref());
    let inputs = args.data.paths().iter().map(AsRef::as_ref).chain([weights.path.as_path()]);
    ensure_writable(&[out], inputs.chain(args.device.flash.as_deref()))?;
    let mut session = Session::detector_with_flash(common.target()?, &weights, args.device.flash.as_deref())?;
    let thresholds = session.thresholds()?;
    ensure!(thresholds != Thresholds::NONE, "{}: no thresholds were calibrated", weights.path.display());

    let windows: Vec<usize> = (0..samples.places.len()).collect();
    let mut observations = Vec::with_capacity(windows.len());
    let mut live = LiveLine::new(common.json);
    for (window, step) in samples.steps(&windows).iter().enumerate() {
        let observation = step.observe(&mut session)?;
        live.update(window, windows.len(), &observation);
        observations.push(observation);
    }
    drop(live);
    let report = session.finish()?;
    let outcome = Outcome::new(&samples, thresholds, &observations);
    let picture = outcome.draw(out, &weights.name());
    let keys = || {
        let mut keys = outcome.json();
        keys["out"] = json!(out.display().to_string());
        keys
    };
    let text = report.output(common.json, keys, |text| outcome.text(text, &args.data.describe(), out))?;
    text_after(text, picture)
}

/// What the device reported about each window.
struct Outcome<'a> {
    samples: &'a Samples,
    thresholds: Thresholds,
    scores: Vec<u32>,
    drifted: Vec<bool>,
    /// The windows at which a drift begins.
    alarms: Vec<usize>,
    /// Alarms and faulty stretches. Each recording is a stream of its own.
    events: Events,
    /// The share of all inputs that were clipped.
    clipped: f64,
    above: Option<Proportion>,
    false_alarms: Option<Proportion>,
    detected: Option<Proportion>,
}

impl<'a> Outcome<'a> {
    fn new(samples: &'a Samples, thresholds: Thresholds, observations: &[Observation]) -> Self {
        let scores: Vec<u32> = observations.iter().map(|observation| observation.score).collect();
        let drifted: Vec<bool> = observations.iter().map(Observation::drifted).collect();
        let above: Vec<bool> = observations.iter().map(Observation::above).collect();
        let (mut alarms, mut events, mut first) = (Vec::new(), Events::default(), 0);
        for recording in samples.places.chunk_by(|a, b| a.recording == b.recording) {
            let windows = first..first + recording.len();
            first = windows.end;
            let begins = |i: &usize| drifted[*i] && (*i == windows.start || !drifted[*i - 1]);
            alarms.extend(windows.clone().filter(begins));
            events.add(&drifted[windows.clone()], &samples.faulty[windows]);
        }
        let of = |faulty: bool| {
            let all = || above.iter().zip(&samples.faulty).filter(|(_, own)| **own == faulty);
            Proportion::new(all().filter(|(above, _)| **above).count(), all().count()).filter(|_| samples.labelled)
        };
        let clipped: u64 = observations.iter().map(|observation| u64::from(observation.clipped)).sum();
        Self {
            samples,
            thresholds,
            alarms,
            events,
            clipped: clipped as f64 / (samples.spec.inputs() * observations.len()) as f64,
            above: Proportion::new(above.iter().filter(|above| **above).count(), above.len()),
            false_alarms: of(false),
            detected: of(true),
            scores,
            drifted,
        }
    }

    fn draw(&self, out: &Path, network: &str) -> Result<(), PlotError> {
        let labels: Vec<u32> = self.samples.places.iter().map(|place| place.label).collect();
        let stream = Stream {
            title: &format!("stream: {network}"),
            scores: &self.scores,
            thresholds: self.thresholds,
            drifted: &self.drifted,
            labels: if self.samples.labelled { &labels } else { &[] },
            names: &self.samples.label_names(),
            seconds: self.samples.hop_seconds(),
        };
        stream.write(out)
    }

    /// False alarms an hour, if the rate is known.
    fn false_alarms_per_hour(&self) -> Option<f64> {
        let spec = &self.samples.spec;
        self.events.false_alarms_per_hour(spec.hop, spec.rate)
    }

    /// Fractions are between 0 and 1; what cannot be computed is null.
    fn json(&self) -> Value {
        let samples = self.samples;
        let share = |share: Option<Proportion>| share.map(|share| share.share());
        let alarm = |window: &usize| {
            json!({
                "window": window,
                "recording": samples.recording(*window),
                "seconds": samples.seconds(*window),
                "label": samples.label(*window),
            })
        };
        let events = json!({
            "false_alarms": self.events.false_alarms,
            "false_alarms_per_hour": self.false_alarms_per_hour(),
            "stretches": self.events.stretches,
            "found": self.events.delays.len(),
        });
        json!({
            "windows": self.scores.len(),
            "above": share(self.above),
            "threshold": self.thresholds.upper,
            "alarms": self.alarms.iter().map(alarm).collect::<Vec<_>>(),
            "false_alarms": share(self.false_alarms),
            "detected": share(self.detected),
            "events": if samples.labelled { events } else { Value::Null },
            "clipped": self.clipped,
        })
    }

    fn text(&self, text: &mut String, data: &str, out: &Path) -> std::fmt::Result {
        let samples = self.samples;
        writeln!(text, "{data}: {}", samples.describe())?;
        writeln!(text, "threshold: scores above {}", self.thresholds.upper)?;
        for (name, share, of) in [
            ("above the threshold", self.above.filter(|_| !samples.labelled), "windows"),
            ("false alarms", self.false_alarms, "normal windows"),
            ("detected", self.detected, "faulty windows"),
        ] {
            if let Some(share) = share {
                writeln!(text, "{name}: {:.2} % of {of}", 100.0 * share.share())?;
            }
        }
        write!(text, "alarms: {}", self.alarms.len())?;
        if samples.labelled {
            let Events { false_alarms, normal_windows, stretches, ref delays, .. } = self.events;
            write!(text, ", {false_alarms} of them false, in {}", counted(normal_windows, "normal window"))?;
            let stretches =
                if stretches == 1 { "1 faulty stretch".into() } else { format!("{stretches} faulty stretches") };
            write!(text, "; {} of {stretches} found", delays.len())?;
        }
        writeln!(text)?;
        for window in self.alarms.iter().take(LISTED) {
            let at = samples.seconds(*window).map_or_else(String::new, |seconds| format!("{seconds:.1} s into "));
            let label = samples.label(*window).filter(|label| !label.is_empty());
            let label = label.map_or_else(String::new, |label| format!(", {label}"));
            writeln!(text, "  window {}, {at}{}{label}", window + 1, samples.recording(*window))?;
        }
        if let Some(more) = self.alarms.len().checked_sub(LISTED).filter(|more| *more > 0) {
            writeln!(text, "  and {more} more")?;
        }
        writeln!(text, "inputs outside of their scales: {:.2} %", 100.0 * self.clipped)?;
        writeln!(text, "picture: {}", out.display())
    }
}
