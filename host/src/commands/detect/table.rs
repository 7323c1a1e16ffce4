//! The figures of a detector, as text and as JSON.

use super::{Evaluation, picture};
use autoencoder_core::blob::Thresholds;
use autoencoder_device::monitor::ALARM;
use autoencoder_io::number::counted;
use host::evaluate::detection::{Proportion, Roc};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// How much larger the area under a linear detector's curve must be to be worth a word.
const CLEARLY: f64 = 0.005;

impl Evaluation {
    /// The figures as text.
    pub(super) fn table(&self, path: &Path, data: &str, out: &Path) -> anyhow::Result<String> {
        let mut text = format!(
            "{}: {} after {}, on {} of {data}\n",
            path.display(),
            self.topology,
            counted(self.steps, "step"),
            counted(self.places.len(), "window")
        );
        match self.thresholds {
            Thresholds::NONE => writeln!(text, "threshold: none")?,
            Thresholds { upper, .. } => writeln!(text, "threshold: scores above {upper}")?,
        }
        if let Some(share) = self.false_alarms() {
            let asked = 100.0 * self.sensor.false_alarms;
            writeln!(text, "false alarms: {} of normal windows, where {asked} % were asked for", percent(share))?;
        }
        if let (Some(roc), Some(detected)) = (self.roc(), self.detected()) {
            writeln!(text, "detected: {} of faulty windows", percent(detected))?;
            writeln!(text, "\n  label             windows  above the threshold (95 %)       AUC  average precision")?;
            let normal = self.of(&self.scores, false);
            for group in self.groups() {
                let label = if group.label.is_empty() { "(none)" } else { group.label };
                let above = Proportion::above(&group.scores, self.thresholds.upper).map(percent).unwrap_or_default();
                write!(text, "  {label:16}  {:7}  {above:29}", group.scores.len())?;
                if let Some(roc) = Roc::new(&normal, &group.scores).filter(|_| group.faulty) {
                    write!(text, "  {:.4}  {:17.4}", roc.auc(), roc.average_precision())?;
                }
                text = text.trim_end().to_owned() + "\n";
            }
            writeln!(text, "\n  detector                     AUC  average precision")?;
            let own = ("the network".to_owned(), &roc);
            let rocs = self.baseline_rocs();
            let others = rocs.iter().map(|(baseline, roc)| (baseline.described.clone(), roc));
            for (name, roc) in std::iter::once(own).chain(others) {
                writeln!(text, "  {name:24}  {:.4}  {:17.4}", roc.auc(), roc.average_precision())?;
            }
            match rocs
                .iter()
                .map(|(baseline, other)| (other.auc() - roc.auc(), *baseline))
                .max_by(|a, b| a.0.total_cmp(&b.0))
            {
                Some((better, baseline)) if better > CLEARLY => writeln!(
                    text,
                    "{} tells these windows apart better than the network: the network is not worth its size here",
                    baseline.described
                )?,
                Some(_) => {}
                None => writeln!(
                    text,
                    "PCA and Mahalanobis distance: no training rows at {}",
                    path.with_file_name("rows").display()
                )?,
            }
        }
        self.events(&mut text)?;
        let clipped: u64 = self.rows.clipped.iter().map(|count| u64::from(*count)).sum();
        let share = 100.0 * clipped as f64 / self.rows.images.pixels.len().max(1) as f64;
        writeln!(text, "inputs outside of their scales: {share:.2} %")?;
        let names = self.pictures().map(|name| picture(out, name).display().to_string());
        writeln!(text, "pictures: {}", names.collect::<Vec<_>>().join(", "))?;
        Ok(text)
    }

    /// What the monitor reports.
    fn events(&self, text: &mut String) -> std::fmt::Result {
        let (events, spec) = (&self.events, &self.sensor.spec);
        let [alarms, windows] =
            [counted(events.false_alarms, "false alarm"), counted(events.normal_windows, "normal window")];
        write!(text, "\nmonitor: {alarms} in {windows}")?;
        if let Some(rate) = self.false_alarms_per_hour() {
            write!(text, " ({rate:.2} an hour)")?;
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

    fn false_alarms_per_hour(&self) -> Option<f64> {
        let spec = &self.sensor.spec;
        self.events.false_alarms_per_hour(spec.hop.into(), spec.rate.into()).filter(|_| spec.rate > 0.0)
    }

    /// The figures as one JSON object. Fractions are between 0 and 1; what cannot be computed is null.
    pub(super) fn json(&self) -> Value {
        let normal = self.of(&self.scores, false);
        let labels: Vec<Value> = self
            .groups()
            .into_iter()
            .map(|group| {
                let roc = Roc::new(&normal, &group.scores).filter(|_| group.faulty);
                json!({
                    "label": group.label, "faulty": group.faulty, "windows": group.scores.len(),
                    "above": Proportion::above(&group.scores, self.thresholds.upper).map(|share| share.share()),
                    "auc": roc.as_ref().map(Roc::auc), "average_precision": roc.as_ref().map(Roc::average_precision),
                })
            })
            .collect();
        let baselines: serde_json::Map<String, Value> = self
            .baseline_rocs()
            .into_iter()
            .map(|(baseline, roc)| {
                (baseline.name.into(), json!({ "auc": roc.auc(), "average_precision": roc.average_precision() }))
            })
            .collect();
        let roc = self.roc();
        json!({
            "auc": roc.as_ref().map(Roc::auc),
            "average_precision": roc.as_ref().map(Roc::average_precision),
            "false_alarms": self.false_alarms().map(|share| share.share()),
            "false_alarms_interval": self.false_alarms().map(|share| share.interval()),
            "false_alarms_asked": self.sensor.false_alarms,
            "detected": self.detected().map(|share| share.share()),
            "detected_interval": self.detected().map(|share| share.interval()),
            "threshold": self.thresholds.upper,
            "windows": self.places.len(),
            "baselines": baselines,
            "labels": labels,
            "events": {
                "false_alarms": self.events.false_alarms,
                "false_alarms_per_hour": self.false_alarms_per_hour(),
                "stretches": self.events.stretches,
                "found": self.events.delays.len(),
            },
        })
    }
}

/// `0.31 % (0.09 to 1.1 %)`
fn percent(share: Proportion) -> String {
    let [low, high] = share.interval().map(|bound| 100.0 * bound);
    format!("{:.2} % ({low:.2} to {high:.2} %)", 100.0 * share.share())
}
