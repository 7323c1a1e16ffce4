//! The figures of a detector, as text and as JSON.

use super::judged::Judged;
use super::{Evaluation, picture};
use crate::commands::sensor::describe_left_out;
use autoencoder_core::blob::Thresholds;
use autoencoder_device::monitor::ALARM;
use autoencoder_io::number::{self, counted};
use autoencoder_io::plot::clipped;
use autoencoder_io::windows::describe_short;
use host::evaluate::detection::{Events, Proportion, Roc};
use serde_json::{Value, json};
use std::fmt::Write;
use std::iter;
use std::path::Path;

/// Characters of a label in a table.
const LABEL: usize = 16;
/// How much larger the area under a linear detector's curve must be to be worth a word.
const CLEARLY: f64 = 0.005;

impl Evaluation {
    /// The figures as text.
    pub(super) fn table(&self, path: &Path, data: &str, out: &Path) -> anyhow::Result<String> {
        let mut text = format!(
            "{}: {} after {}, on {} of {data}{}\n{}",
            path.display(),
            self.topology,
            counted(self.steps, "step"),
            counted(self.places.len(), "window"),
            describe_short(&self.recordings, &self.sensor.spec),
            describe_left_out(&self.recordings)
        );
        match self.trained {
            Some(0) => {}
            Some(trained) => writeln!(text, "{trained} of these windows trained the network: they are no test of it")?,
            None => writeln!(text, "how many of these windows trained the network is not known")?,
        }
        match self.thresholds {
            Thresholds::NONE => writeln!(text, "threshold: none")?,
            Thresholds { upper, .. } => writeln!(text, "threshold: scores above {upper}")?,
        }
        let asked = number::percent(self.sensor.rate());
        match (self.false_alarms(&self.network), self.above(&self.network, |_| true)) {
            (Some(share), _) => {
                writeln!(text, "false alarms: {} of normal windows, where {asked} were asked for", percent(share))?;
            }
            (None, Some(share)) if !self.labelled => {
                writeln!(
                    text,
                    "above it: {} of the windows, where {asked} of normal ones were asked for",
                    percent(share)
                )?;
                writeln!(text, "  without --label, nothing is known about them")?;
            }
            _ => {}
        }
        if let Some(detected) = self.detected(&self.network) {
            writeln!(text, "detected: {} of faulty windows", percent(detected))?;
            self.by_label(&mut text)?;
            self.by_detector(&mut text)?;
        }
        self.events(&mut text)?;
        let clipped: u64 = self.rows.clipped.iter().map(|count| u64::from(*count)).sum();
        let share = 100.0 * clipped as f64 / self.rows.images.pixels.len().max(1) as f64;
        writeln!(text, "inputs outside of their scales: {share:.2} %")?;
        let names = self.pictures().map(|name| picture(out, name).display().to_string());
        writeln!(text, "pictures: {}", names.collect::<Vec<_>>().join(", "))?;
        Ok(text)
    }

    /// The figures of the network for each label, then those of all detectors.
    fn by_label(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n  label             windows  above the threshold (95 %)       AUC  average precision  alarms"
        )?;
        let labels = self.labels();
        for (label, faulty) in &labels {
            let chosen = |window: usize| self.label(window) == *label && self.faulty[window] == *faulty;
            let count = (0..self.places.len()).filter(|window| chosen(*window)).count();
            let above = self.above(&self.network, chosen).map(percent).unwrap_or_default();
            let roc = self.network.roc(&self.faulty, chosen);
            let area = roc.map_or_else(
                || format!("{:6}  {:17}", "", ""),
                |roc| format!("{:.4}  {:17.4}", roc.auc(), roc.average_precision()),
            );
            let events = self.network.events_of(&self.places, &self.faulty, chosen);
            let alarms = if *faulty {
                format!("{} of {} found", events.delays.len(), events.stretches)
            } else {
                format!("{} false", events.false_alarms)
            };
            writeln!(text, "  {:LABEL$}  {count:7}  {above:29}  {area}  {alarms}", shown(label))?;
        }
        if self.others().is_empty() || labels.len() < 3 {
            return Ok(());
        }
        write!(text, "\n  AUC and detected  ")?;
        for detector in self.detectors() {
            write!(text, "{:>22}", detector.described)?;
        }
        writeln!(text)?;
        for (label, _) in labels.iter().filter(|(_, faulty)| *faulty) {
            let chosen = |window: usize| self.faulty[window] && self.label(window) == *label;
            write!(text, "  {:LABEL$}  ", shown(label))?;
            for detector in self.detectors() {
                let auc = detector.roc(&self.faulty, chosen).map_or(0.0, |roc| roc.auc());
                let share = self.above(detector, chosen).map_or(0.0, |share| 100.0 * share.share());
                write!(text, "{:>22}", format!("{auc:.4}  {share:6.2} %"))?;
            }
            writeln!(text)?;
        }
        Ok(())
    }

    /// The figures of all detectors, and whether the network is worth its size.
    fn by_detector(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n  detector                     AUC  average precision  false alarms  detected  faults found"
        )?;
        for detector in self.detectors() {
            let Some(roc) = detector.roc(&self.faulty, |_| true) else { continue };
            let share = |share: Option<Proportion>| 100.0 * share.map_or(0.0, |share| share.share());
            writeln!(
                text,
                "  {:24}  {:.4}  {:17.4}  {:10.2} %  {:6.2} %  {} of {}",
                detector.described,
                roc.auc(),
                roc.average_precision(),
                share(self.false_alarms(detector)),
                share(self.detected(detector)),
                detector.events.delays.len(),
                detector.events.stretches
            )?;
        }
        match (self.better(), &self.baselines) {
            (Some(baseline), _) => writeln!(
                text,
                "{} tells these windows apart better than the network: the network is not worth its size here",
                baseline.described
            ),
            (_, Err(reason)) => writeln!(text, "no PCA and no Mahalanobis distance: {reason}"),
            _ => Ok(()),
        }
    }

    /// The network, then the others.
    fn detectors(&self) -> impl Iterator<Item = &Judged> {
        iter::once(&self.network).chain(self.others())
    }

    /// The linear detector that is clearly better than the network, if there is one.
    fn better(&self) -> Option<&Judged> {
        let auc = |detector: &Judged| detector.roc(&self.faulty, |_| true).map(|roc| roc.auc());
        let own = auc(&self.network)?;
        let others = self.others().iter().filter_map(|other| Some((auc(other)? - own, other)));
        let (by, best) = others.max_by(|a, b| a.0.total_cmp(&b.0))?;
        (by > CLEARLY).then_some(best)
    }

    /// What the monitor reports.
    fn events(&self, text: &mut String) -> std::fmt::Result {
        let (events, spec) = (&self.network.events, &self.sensor.spec);
        if self.labelled {
            let [alarms, windows] =
                [counted(events.false_alarms, "false alarm"), counted(events.normal_windows, "normal window")];
            write!(text, "\nmonitor: {alarms} in {windows}")?;
            if let Some(rate) = events.false_alarms_per_hour(spec.hop, spec.rate) {
                write!(text, " ({rate:.2} an hour)")?;
            }
            if events.normal_windows_in_alarm > 0 {
                // Also behind the end of a fault: the vote takes some windows to see it.
                write!(text, ", {} of these windows in alarm", events.normal_windows_in_alarm)?;
            }
        } else {
            let [alarms, windows] = [counted(events.false_alarms, "alarm"), counted(events.normal_windows, "window")];
            write!(text, "\nmonitor: {alarms} in {windows}")?;
        }
        if events.stretches > 0 {
            write!(text, "; {} of {} faults found", events.delays.len(), events.stretches)?;
        }
        let mut delays = events.delays.clone();
        delays.sort_unstable();
        if let Some(delay) = delays.get(delays.len() / 2) {
            write!(text, ", after {} (median", counted(*delay + 1, "window"))?;
            if spec.rate > 0.0 {
                write!(text, ", {:.1} s", (delay * usize::from(spec.hop)) as f64 / f64::from(spec.rate))?;
            }
            text.push(')');
        }
        writeln!(text)?;
        let longest = self.places.chunk_by(|a, b| a.recording == b.recording).map(<[_]>::len).max().unwrap_or(0);
        if longest < ALARM as usize {
            writeln!(text, "  it votes over windows of one recording, and needs {ALARM}; the longest has {longest}")?;
        }
        Ok(())
    }

    /// The figures as one JSON object. Fractions are between 0 and 1; what cannot be computed is null.
    pub(super) fn json(&self) -> Value {
        let share = |share: Option<Proportion>| share.map(|share| share.share());
        let interval = |share: Option<Proportion>| share.map(|share| share.interval());
        let (false_alarms, detected) = (self.false_alarms(&self.network), self.detected(&self.network));
        let mut keys = self.figures(&self.network);
        keys["threshold"] = self.thresholds.upper.into();
        keys["windows"] = self.places.len().into();
        keys["trained"] = self.trained.into();
        keys["above"] = json!(share(self.above(&self.network, |_| true)));
        keys["false_alarms_interval"] = json!(interval(false_alarms));
        keys["false_alarms_asked"] = self.sensor.rate().into();
        keys["detected_interval"] = json!(interval(detected));
        let others = self.others().iter().map(|other| (other.name.to_owned(), self.figures(other)));
        keys["baselines"] = others.collect::<serde_json::Map<_, _>>().into();
        keys["no_baselines"] = json!(self.baselines.as_ref().err());
        // Whether the network is worth its size; null without faulty windows or without other detectors.
        let known = detected.is_some() && !self.others().is_empty();
        keys["worth_it"] = json!(known.then(|| self.better().is_none()));
        keys["better"] = json!(self.better().map(|other| other.name));
        keys
    }

    /// The figures of a detector.
    fn figures(&self, detector: &Judged) -> Value {
        let share = |share: Option<Proportion>| share.map(|share| share.share());
        let area = |roc: Option<Roc>| roc.map_or((None, None), |roc| (Some(roc.auc()), Some(roc.average_precision())));
        let of_label = |(label, faulty): (&str, bool)| {
            let chosen = |window: usize| self.label(window) == label && self.faulty[window] == faulty;
            let (auc, average_precision) = area(detector.roc(&self.faulty, chosen));
            json!({
                "label": label, "faulty": faulty,
                "windows": (0..self.places.len()).filter(|window| chosen(*window)).count(),
                "above": share(self.above(detector, chosen)),
                "auc": auc, "average_precision": average_precision,
                "events": self.events_json(&detector.events_of(&self.places, &self.faulty, chosen)),
            })
        };
        let (auc, average_precision) = area(detector.roc(&self.faulty, |_| true));
        json!({
            "auc": auc,
            "average_precision": average_precision,
            "false_alarms": share(self.false_alarms(detector)),
            "detected": share(self.detected(detector)),
            "labels": self.labels().into_iter().map(of_label).collect::<Vec<_>>(),
            "events": self.events_json(&detector.events),
        })
    }

    fn events_json(&self, events: &Events) -> Value {
        let spec = &self.sensor.spec;
        json!({
            "false_alarms": events.false_alarms,
            "false_alarms_per_hour": events.false_alarms_per_hour(spec.hop, spec.rate),
            "normal_windows_in_alarm": events.normal_windows_in_alarm,
            "stretches": events.stretches,
            "found": events.delays.len(),
        })
    }
}

/// A label in a table.
fn shown(label: &str) -> String {
    clipped(if label.is_empty() { "normal" } else { label }, LABEL)
}

/// `0.31 % (0.09 to 1.1 %)`
fn percent(share: Proportion) -> String {
    let [low, high] = share.interval().map(|bound| 100.0 * bound);
    format!("{:.2} % ({low:.2} to {high:.2} %)", 100.0 * share.share())
}
