//! The pictures of a detector.

use super::{Evaluation, picture};
use autoencoder_core::Network;
use autoencoder_core::front_end::FrontEnd;
use autoencoder_io::plot::Stream;
use host::report::{Axis, Detector, Example, Group, RocPlot, Scores, Windows};
use std::iter;
use std::path::Path;

/// Windows in the picture of windows: half of them normal, if there are faulty ones.
const EXAMPLES: usize = 4;

impl Evaluation {
    /// The names of the pictures.
    pub(super) fn pictures(&self) -> impl Iterator<Item = &'static str> + use<> {
        let roc = self.roc().map(|_| "roc");
        ["scores", "stream", "windows"].into_iter().chain(roc)
    }

    /// Draws all pictures into a folder.
    pub(super) fn draw(&self, out: &Path, network: &Network<'_>) -> anyhow::Result<()> {
        std::fs::create_dir_all(out)?;
        let (topology, front_end) = (&self.topology, crate::commands::sensor::describe(self.sensor.spec.front_end));
        let title = |what: &str| format!("{what}: {topology}, {front_end}");
        let groups = self.groups();
        let name = |label: &str| if label.is_empty() { "normal".to_owned() } else { label.to_owned() };
        let names: Vec<String> = groups.iter().map(|group| name(group.label)).collect();
        let drawn: Vec<Group<'_>> = groups
            .iter()
            .zip(&names)
            .map(|(group, name)| Group { name: name.as_str(), scores: &group.scores })
            .collect();
        let scores = Scores { title: &title("scores"), groups: &drawn, thresholds: self.thresholds };
        scores.write(&picture(out, "scores"))?;
        if let Some(roc) = self.roc() {
            let others = self.baseline_rocs();
            let detectors: Vec<Detector<'_>> = iter::once(Detector { name: "the network", roc: &roc })
                .chain(others.iter().map(|(baseline, roc)| Detector { name: baseline.described.as_str(), roc }))
                .collect();
            let point = self.false_alarms().zip(self.detected()).map(|(x, y)| (x.share(), y.share()));
            let plot = RocPlot { title: &title("detection"), detectors: &detectors, operating_point: point };
            plot.write(&picture(out, "roc"))?;
        }
        let spec = &self.sensor.spec;
        let labels: Vec<u32> = self.places.iter().map(|place| place.label).collect();
        let labelled = self.recordings.labels.len() > 1;
        let label_names: Vec<String> = self.recordings.labels.iter().map(|label| name(label)).collect();
        let stream = Stream {
            title: &title("stream"),
            scores: &self.scores,
            thresholds: self.thresholds,
            drifted: &self.drifted,
            labels: if labelled { &labels } else { &[] },
            names: &label_names,
            seconds: (spec.rate > 0.0).then(|| f64::from(spec.hop) / f64::from(spec.rate)),
        };
        stream.write(&picture(out, "stream"))?;
        self.draw_windows(&picture(out, "windows"), &title("windows and reconstructions"), network)
    }

    /// Windows of normal rows and of faulty ones, evenly spread, above their reconstructions.
    fn draw_windows(&self, path: &Path, title: &str, network: &Network<'_>) -> anyhow::Result<()> {
        let spec = &self.sensor.spec;
        let of = |faulty: bool| (0..self.places.len()).filter(move |i| self.faulty[*i] == faulty).collect::<Vec<_>>();
        let (normal, faulty) = (of(false), of(true));
        let chosen: Vec<usize> = if faulty.is_empty() || normal.is_empty() {
            spread(&[normal, faulty].concat(), EXAMPLES)
        } else {
            [spread(&normal, EXAMPLES / 2), spread(&faulty, EXAMPLES / 2)].concat()
        };
        let mut memory = vec![0; network.memory_bytes()];
        let mut examples = Vec::new();
        for i in chosen {
            let row = self.rows.images.image(i);
            let code = network.encode(row, &mut memory)?.to_vec();
            let reconstruction = network.decode(&code, &mut memory)?.to_vec();
            let label = self.recordings.labels.get(self.places[i].label as usize).filter(|label| !label.is_empty());
            let label = label.map_or_else(String::new, |label| format!("{label}, "));
            examples.push(Example {
                caption: format!("{label}score {}", self.scores[i]),
                signal: self.by_channel(row),
                reconstruction: self.by_channel(&reconstruction),
            });
        }
        let channels: Vec<String> = if self.sensor.names.is_empty() {
            (1..=spec.channels).map(|channel| format!("channel {channel}")).collect()
        } else {
            self.sensor.names.clone()
        };
        let axis = match (spec.front_end, spec.rate > 0.0) {
            (FrontEnd::Spectrum { bands }, true) => {
                let width = f64::from(spec.rate) / 2.0 / f64::from(bands);
                Axis { name: "frequency (Hz)", first: width / 2.0, step: width }
            }
            (FrontEnd::Spectrum { .. }, false) => Axis { name: "band", first: 0.0, step: 1.0 },
            (_, true) => Axis { name: "time (s)", first: 0.0, step: 1.0 / f64::from(spec.rate) },
            (_, false) => Axis { name: "sample", first: 0.0, step: 1.0 },
        };
        Ok(Windows { title, examples: &examples, channels: &channels, axis }.write(path)?)
    }

    /// The features of a row, channel by channel.
    fn by_channel(&self, row: &[u8]) -> Vec<f32> {
        let features: Vec<f32> = row.iter().zip(&self.sensor.scales).map(|(q, scale)| scale.feature(*q)).collect();
        let channels = usize::from(self.sensor.spec.channels);
        match self.sensor.spec.front_end {
            FrontEnd::Spectrum { .. } => features,
            _ => (0..channels)
                .flat_map(|c| features.iter().skip(c).step_by(channels).copied().collect::<Vec<_>>())
                .collect(),
        }
    }
}

/// Some of the numbers, evenly spread.
fn spread(numbers: &[usize], count: usize) -> Vec<usize> {
    let count = count.min(numbers.len());
    (0..count).map(|i| numbers[(2 * i + 1) * numbers.len() / (2 * count)]).collect()
}
