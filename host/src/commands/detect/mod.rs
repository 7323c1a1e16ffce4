//! `eval` of a detector: its scores of windows, by label, against the threshold and against linear detectors.

mod baselines;
mod judged;
mod pictures;
mod table;

use crate::args;
use crate::commands::eval::read_model;
use crate::commands::sensor::overlap;
use anyhow::{Context, ensure};
use autoencoder_core::Network;
use autoencoder_core::blob::{Format, Thresholds};
use autoencoder_io::recordings::Recordings;
use autoencoder_io::windows::{self, Kind, Place, Rows};
use baselines::TrainingRows;
use host::detector::Sensor;
use host::evaluate::detection::Proportion;
use host::evaluate::integer_scores;
use judged::Judged;
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
    let places = windows::places(&recordings, &sensor.spec, &args.normal)?;
    let rows = sensor.rows(&recordings, &places);
    let evaluation = Evaluation::new(&path, &network, sensor, recordings, places, rows, args.data.has_labels());
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
    /// Windows that also trained, if that is known.
    trained: Option<usize>,
    /// Whether there are labels. Without them, nothing is known to be normal.
    labelled: bool,
    thresholds: Thresholds,
    /// The network's scores.
    scores: Vec<u32>,
    /// For each window, whether it is faulty.
    faulty: Vec<bool>,
    network: Judged,
    /// Other detectors, or the reason why there are none.
    baselines: Result<Vec<Judged>, String>,
    topology: String,
    steps: u32,
}

impl Evaluation {
    fn new(
        path: &Path,
        network: &Network<'_>,
        sensor: Sensor,
        recordings: Recordings,
        places: Vec<Place>,
        rows: Rows,
        labelled: bool,
    ) -> Self {
        let header = network.blob().header();
        let thresholds = header.thresholds;
        let scores = integer_scores(network, &rows.images);
        let faulty: Vec<bool> = places.iter().map(|place| place.kind == Kind::Faulty).collect();
        let range = (thresholds != Thresholds::NONE).then(|| [thresholds.lower, thresholds.upper].map(f64::from));
        let as_numbers = scores.iter().copied().map(f64::from).collect();
        let judge = |name, described, scores, range| {
            Judged::new(name, described, scores, range, &places, &rows.images, &faulty)
        };
        let own = judge("network", "the network".to_owned(), as_numbers, range);
        let training = TrainingRows::read(path, network, &sensor);
        let is_at_rest = |window: usize| {
            let samples = windows::samples(&recordings, &sensor.spec, &places[window]);
            samples.chunks_exact(recordings.channels).is_sorted_by(|a, b| a == b)
        };
        let trained = training.as_ref().ok().and_then(|training| training.count(&rows.images, is_at_rest));
        let scores_of_others =
            training.and_then(|training| baselines::scores(&training, network, &sensor, &rows.images));
        let baselines = scores_of_others.map(|baselines| {
            let judged = baselines.into_iter().map(|one| judge(one.name, one.described, one.scores, Some(one.range)));
            judged.collect()
        });
        Self {
            trained,
            thresholds,
            scores,
            faulty,
            labelled,
            network: own,
            baselines,
            topology: header.topology.to_string(),
            steps: header.steps,
            sensor,
            recordings,
            places,
            rows,
        }
    }

    /// The other detectors.
    fn others(&self) -> &[Judged] {
        self.baselines.as_deref().unwrap_or_default()
    }

    /// The label of a window; empty without labels.
    fn label(&self, window: usize) -> &str {
        self.recordings.labels.get(self.places[window].label as usize).map_or("", String::as_str)
    }

    /// The labels of windows and whether they are faulty, the normal ones first.
    fn labels(&self) -> Vec<(&str, bool)> {
        let mut labels: Vec<(&str, bool)> = Vec::new();
        for window in 0..self.places.len() {
            let own = (self.label(window), self.faulty[window]);
            if !labels.contains(&own) {
                labels.push(own);
            }
        }
        labels.sort_by_key(|(_, faulty)| *faulty);
        labels
    }

    /// The windows that are chosen, of which a detector has some above its threshold; `None` if none is chosen.
    fn above(&self, detector: &Judged, chosen: impl Fn(usize) -> bool) -> Option<Proportion> {
        let windows = (0..self.places.len()).filter(|window| chosen(*window));
        let above =
            windows.map(|window| (self.recordings.source(self.places[window].recording), detector.is_above(window)));
        Proportion::of_windows(above, overlap(&self.sensor.spec))
    }

    /// The normal windows above the threshold; `None` without normal windows, and without labels.
    fn false_alarms(&self, detector: &Judged) -> Option<Proportion> {
        self.above(detector, |window| !self.faulty[window]).filter(|_| self.labelled)
    }

    /// The faulty windows above the threshold; `None` without faulty windows.
    fn detected(&self, detector: &Judged) -> Option<Proportion> {
        self.above(detector, |window| self.faulty[window])
    }
}

/// The file of a picture.
fn picture(out: &Path, name: &str) -> std::path::PathBuf {
    out.join(format!("{name}.png"))
}
