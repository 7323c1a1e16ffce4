//! `eval` of a detector: its scores of windows, by label, against the threshold and against linear detectors.

mod pictures;
mod table;

use crate::args;
use crate::commands::eval::read_model;
use anyhow::{Context, ensure};
use autoencoder_core::Network;
use autoencoder_core::blob::{Format, Thresholds};
use autoencoder_device::monitor::Monitor;
use autoencoder_io::idx::Images;
use autoencoder_io::normal::Normal;
use autoencoder_io::recordings::Recordings;
use autoencoder_io::windows::{self, Place, Rows};
use host::detector::Sensor;
use host::evaluate::baselines::PrincipalComponents;
use host::evaluate::detection::{Events, Proportion, Roc};
use host::evaluate::integer_scores;
use std::path::Path;

pub fn run(args: &args::Eval) -> anyhow::Result<String> {
    const CANDIDATES: [&str; 2] = ["artifacts/model.int8.blob", "models/watch.int8.blob"];
    let (path, file) = read_model(args.model.as_deref(), CANDIDATES)?;
    let blob = file.open()?;
    ensure!(
        blob.header().format != Format::F32,
        "{}: an f32 blob has no threshold; give the int8 or int4 blob that the training wrote beside it",
        path.display()
    );
    let section = blob.input().map_err(|source| file.error(source))?;
    ensure!(!section.is_empty(), "{}: the network takes rows of bytes, which IDX files hold", path.display());
    let sensor = Sensor::read(section).map_err(|source| file.error(source))?;
    let network = Network::new(blob.clone()).map_err(|source| file.error(source))?;
    let recordings = args.data.read_for(&sensor.names)?;
    windows::check(&recordings, &sensor.spec, &sensor.names)
        .with_context(|| format!("{} does not fit the data", path.display()))?;
    ensure!(
        network.topology().inputs() == sensor.spec.inputs(),
        "{}: its input section is for {} inputs, its network has {}",
        path.display(),
        sensor.spec.inputs(),
        network.topology().inputs()
    );
    let places = windows::places(&recordings, &sensor.spec)?;
    let rows = sensor.rows(&recordings, &places);
    let training = Images::train(&path.with_file_name("rows")).ok();
    let training = training.filter(|rows| rows.image_size() == sensor.spec.inputs());
    let evaluation = Evaluation::new(&network, sensor, recordings, places, rows, &args.normal, training.as_ref());
    if args.data.has_labels() {
        args.normal.ensure_both(&evaluation.recordings, &evaluation.faulty)?;
    }
    evaluation.draw(&args.out, &network)?;
    if args.json {
        return Ok(format!("{}\n", evaluation.json()));
    }
    evaluation.table(&path, &args.data.describe(), &args.out)
}

/// A detector's scores of windows, and everything to judge them by.
pub struct Evaluation {
    sensor: Sensor,
    recordings: Recordings,
    places: Vec<Place>,
    rows: Rows,
    thresholds: Thresholds,
    scores: Vec<u32>,
    /// For each window, whether its label is not one of normal samples.
    faulty: Vec<bool>,
    /// For each window, whether the monitor reports a drift.
    drifted: Vec<bool>,
    events: Events,
    baselines: Vec<Baseline>,
    topology: String,
    steps: u32,
}

/// The scores of another detector.
struct Baseline {
    name: &'static str,
    described: String,
    scores: Vec<f64>,
}

/// Rows with one label.
struct Group<'a> {
    label: &'a str,
    faulty: bool,
    scores: Vec<u32>,
}

impl Evaluation {
    fn new(
        network: &Network<'_>,
        sensor: Sensor,
        recordings: Recordings,
        places: Vec<Place>,
        rows: Rows,
        normal: &Normal,
        training: Option<&Images>,
    ) -> Self {
        let header = network.blob().header();
        let thresholds = header.thresholds;
        let scores = integer_scores(network, &rows.images);
        let faulty: Vec<bool> = places.iter().map(|place| !normal.is_normal(&recordings, place)).collect();
        let (mut events, mut drifted) = (Events::default(), Vec::with_capacity(places.len()));
        for recording in places.chunk_by(|a, b| a.recording == b.recording) {
            // Each recording is a stream of its own.
            let mut monitor = Monitor::new(thresholds);
            let first = drifted.len();
            drifted.extend(
                (first..first + recording.len()).map(|i| monitor.push(rows.images.image(i), scores[i]).drifted),
            );
            events.add(&drifted[first..], &faulty[first..drifted.len()]);
        }
        let baselines = training.map(|training| baselines(training, &rows.images, network.topology().code()));
        Self {
            thresholds,
            scores,
            faulty,
            drifted,
            events,
            baselines: baselines.unwrap_or_default(),
            topology: header.topology.to_string(),
            steps: header.steps,
            sensor,
            recordings,
            places,
            rows,
        }
    }

    /// The numbers of normal windows, or of faulty ones.
    fn of<S: Copy>(&self, scores: &[S], faulty: bool) -> Vec<S> {
        scores.iter().zip(&self.faulty).filter(|(_, own)| **own == faulty).map(|(score, _)| *score).collect()
    }

    /// The curve of the network; `None` without faulty windows.
    fn roc(&self) -> Option<Roc> {
        Roc::new(&self.of(&self.scores, false), &self.of(&self.scores, true))
    }

    /// The curves of the other detectors.
    fn baseline_rocs(&self) -> Vec<(&Baseline, Roc)> {
        let roc = |baseline: &Baseline| Roc::new(&self.of(&baseline.scores, false), &self.of(&baseline.scores, true));
        self.baselines.iter().filter_map(|baseline| Some((baseline, roc(baseline)?))).collect()
    }

    /// The windows by label, the normal ones first. Without labels, one group.
    fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for (i, place) in self.places.iter().enumerate() {
            let label = self.recordings.labels.get(place.label as usize).map_or("", String::as_str);
            match groups.iter_mut().find(|group| group.label == label) {
                Some(group) => group.scores.push(self.scores[i]),
                None => groups.push(Group { label, faulty: self.faulty[i], scores: vec![self.scores[i]] }),
            }
        }
        groups.sort_by_key(|group| group.faulty);
        groups
    }

    /// The normal windows above the threshold; `None` without normal windows.
    fn false_alarms(&self) -> Option<Proportion> {
        Proportion::above(&self.of(&self.scores, false), self.thresholds.upper)
    }

    /// The faulty windows above the threshold; `None` without faulty windows.
    fn detected(&self) -> Option<Proportion> {
        Proportion::above(&self.of(&self.scores, true), self.thresholds.upper)
    }
}

/// The scores of linear detectors that were fitted to the training rows; none if there are too many inputs.
fn baselines(training: &Images, rows: &Images, code: usize) -> Vec<Baseline> {
    let Ok(components) = PrincipalComponents::fit(&training.pixels, training.image_size()) else { return Vec::new() };
    vec![
        Baseline {
            name: "pca",
            described: format!("PCA, {code} components"),
            scores: components.reconstruction_errors(code, &rows.pixels),
        },
        Baseline {
            name: "mahalanobis",
            described: "Mahalanobis distance".into(),
            scores: components.mahalanobis(&rows.pixels),
        },
    ]
}

/// The file of a picture.
fn picture(out: &Path, name: &str) -> std::path::PathBuf {
    out.join(format!("{name}.png"))
}
