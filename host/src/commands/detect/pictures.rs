//! The pictures of a detector.

use super::{Evaluation, picture};
use crate::commands::windows::{self, Reconstructed, SHOWN, spread};
use anyhow::Context;
use autoencoder_core::Network;
use autoencoder_core::quant::code;
use autoencoder_io::plot::Stream;
use host::evaluate::detection::Roc;
use host::report::{Detector, Group, RocPlot, Scores};
use std::iter;
use std::path::Path;

impl Evaluation {
    /// The name of a label in a picture. Without labels, windows are only windows.
    fn name<'a>(&self, label: &'a str) -> &'a str {
        match label {
            "" if self.labelled => "normal",
            "" => "all windows",
            label => label,
        }
    }

    /// The curve of the network; `None` without faulty windows.
    fn roc(&self) -> Option<Roc> {
        self.network.roc(&self.faulty, |_| true)
    }

    /// The names of the pictures.
    pub(super) fn pictures(&self) -> impl Iterator<Item = &'static str> + use<> {
        let roc = self.roc().map(|_| "roc");
        ["scores", "stream", "windows"].into_iter().chain(roc)
    }

    /// Draws all pictures into a folder.
    pub(super) fn draw(&self, out: &Path, network: &Network<'_>) -> anyhow::Result<()> {
        std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
        let (topology, front_end) = (&self.topology, crate::commands::sensor::describe(self.sensor.spec.front_end));
        let title = |what: &str| format!("{what}: {topology}, {front_end}");
        let groups: Vec<(&str, Vec<u32>)> = self
            .labels()
            .into_iter()
            .map(|own| {
                let windows =
                    (0..self.places.len()).filter(|window| (self.label(*window), self.faulty[*window]) == own);
                (self.name(own.0), windows.map(|window| self.scores[window]).collect())
            })
            .collect();
        let drawn: Vec<Group<'_>> = groups.iter().map(|(name, scores)| Group { name, scores }).collect();
        let scores = Scores { title: &title("scores of windows"), groups: &drawn, thresholds: self.thresholds };
        scores.write(&picture(out, "scores"))?;
        if let Some(roc) = self.roc() {
            let others = self.others().iter();
            let others: Vec<_> =
                others.filter_map(|other| Some((&other.described, other.roc(&self.faulty, |_| true)?))).collect();
            let detectors: Vec<Detector<'_>> = iter::once(Detector { name: "the network", roc: &roc })
                .chain(others.iter().map(|(name, roc)| Detector { name, roc }))
                .collect();
            let shares = self.false_alarms(&self.network).zip(self.detected(&self.network));
            let point = shares.map(|(x, y)| (x.share(), y.share()));
            let plot =
                RocPlot { title: &title("detection of faulty windows"), detectors: &detectors, operating_point: point };
            plot.write(&picture(out, "roc"))?;
        }
        let spec = &self.sensor.spec;
        let labels: Vec<u32> = self.places.iter().map(|place| place.label).collect();
        let labelled = self.recordings.labels.len() > 1;
        let label_names: Vec<String> = self.recordings.labels.iter().map(|label| self.name(label).to_owned()).collect();
        let stream = Stream {
            title: &title("scores over time"),
            scores: &self.scores,
            thresholds: self.thresholds,
            drifted: &self.network.drifted,
            labels: if labelled { &labels } else { &[] },
            names: &label_names,
            seconds: (spec.rate > 0.0).then(|| f64::from(spec.hop) / f64::from(spec.rate)),
        };
        stream.write(&picture(out, "stream"))?;
        self.draw_windows(&picture(out, "windows"), network)
    }

    /// Normal windows and faulty ones, evenly spread, with their reconstructions.
    fn draw_windows(&self, path: &Path, network: &Network<'_>) -> anyhow::Result<()> {
        let of = |faulty: bool| (0..self.places.len()).filter(move |i| self.faulty[*i] == faulty).collect::<Vec<_>>();
        let (normal, faulty) = (of(false), of(true));
        let chosen: Vec<usize> = if faulty.is_empty() || normal.is_empty() {
            spread(&[normal, faulty].concat(), SHOWN)
        } else {
            [spread(&normal, SHOWN / 2), spread(&faulty, SHOWN / 2)].concat()
        };
        let mut memory = vec![0; network.memory_bytes()];
        let mut windows = Vec::new();
        for i in chosen {
            let row = self.rows.images.image(i);
            let label = if self.labelled { format!("{}, ", self.name(self.label(i))) } else { String::new() };
            windows.push(Reconstructed {
                caption: format!("{label}score {}", self.scores[i]),
                row,
                reconstruction: reconstruct(network, row, &mut memory)?,
            });
        }
        Ok(windows::draw(path, &self.topology, &self.sensor, &windows)?)
    }
}

/// The reconstruction of a row as a device decodes it: each element of the code has the bits of the blob.
fn reconstruct(network: &Network<'_>, row: &[u8], memory: &mut [u8]) -> anyhow::Result<Vec<u8>> {
    let bits = network.blob().header().code_bits;
    let mut code = network.encode(row, memory)?.to_vec();
    code::pack(&mut code, bits);
    code::unpack(&mut code, bits);
    Ok(network.decode(&code, memory)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoencoder_core::blob::Thresholds;
    use autoencoder_io::blob_file::BlobFile;
    use autoencoder_io::idx::Images;
    use host::evaluate::integer_scores;
    use host::export::{BlobMeta, integer_blob};
    use host::network::FloatNetwork;
    use host::train::qat::WeightFormat;

    /// The picture has to show what the score is computed from, also with few bits in the code.
    #[test]
    fn a_reconstruction_has_the_error_that_is_the_score() {
        let mut network = FloatNetwork::new(&"12-9-4-9-12".parse().unwrap());
        network.parameters_mut().iter_mut().enumerate().for_each(|(i, w)| *w = (i as f32 * 0.7).sin());
        let rows = Images { pixels: (0..240).map(|i| (i * 37 % 256) as u8).collect(), height: 1, width: 12 };
        for code_bits in [8, 3, 1] {
            let meta = BlobMeta { steps: 1, code_bits, input: &[] };
            let blob = BlobFile::new(Path::new("x"), &integer_blob(&network, WeightFormat::Int8, meta, &rows).unwrap());
            let network = Network::open(blob.bytes()).unwrap();
            assert_ne!(network.blob().header().thresholds, Thresholds::NONE);
            let mut memory = vec![0; network.memory_bytes()];
            for (i, score) in integer_scores(&network, &rows).into_iter().enumerate() {
                let found = reconstruct(&network, rows.image(i), &mut memory).unwrap();
                let error: u32 = rows.image(i).iter().zip(&found).map(|(x, y)| u32::from(x.abs_diff(*y)).pow(2)).sum();
                assert_eq!(error, score, "{code_bits} bits, row {i}");
            }
        }
    }
}
