//! Linear detectors that were fitted to the rows of the same training, with thresholds of the same rule.

use crate::commands::sensor::{ROWS, rows_file};
use autoencoder_core::Network;
use autoencoder_io::idx::Images;
use host::data::Sample;
use host::detector::Sensor;
use host::evaluate::baselines::PrincipalComponents;
use host::evaluate::integer_scores;
use host::export::calibrate;
use std::collections::HashSet;
use std::io;
use std::path::Path;

/// The scores of a linear detector, and the range of its normal ones.
pub struct Baseline {
    pub name: &'static str,
    pub described: String,
    pub scores: Vec<f64>,
    pub range: [f64; 2],
}

/// The rows of a network's training.
pub struct TrainingRows {
    train: Images,
    validation: Images,
}

impl TrainingRows {
    /// Reads them from beside the blob of the network, which is at `path`; the reason if they are not there.
    pub fn read(path: &Path, network: &Network<'_>, sensor: &Sensor) -> Result<Self, String> {
        let folder = path.with_file_name(ROWS);
        let read = |set: &str| {
            Images::read(&folder.join(rows_file(set))).map_err(|error| {
                let error = anyhow::Error::from(error);
                match error.root_cause().downcast_ref::<io::Error>().map(io::Error::kind) {
                    Some(io::ErrorKind::NotFound) => {
                        format!("the rows of the training are not in {}", folder.display())
                    }
                    _ => format!("{error:#}"),
                }
            })
        };
        let (validation, train) = (read("validation")?, read("train")?);
        if !are_of(network, sensor, &validation) || train.image_size() != sensor.spec.inputs() {
            return Err(format!("the rows in {} are those of another training", folder.display()));
        }
        Ok(Self { train, validation })
    }

    /// The number of rows that trained: they are no test. Those of windows at rest do not count, because all of them are the
    /// same. `None` if it is not known: short rows may be the same by chance.
    pub fn count(&self, rows: &Images, is_at_rest: impl Fn(usize) -> bool) -> Option<usize> {
        const SHORTEST: usize = 64;
        if rows.image_size() < SHORTEST {
            return None;
        }
        let known: HashSet<&[u8]> = (0..self.train.len()).map(|i| self.train.image(i)).collect();
        Some((0..rows.len()).filter(|i| known.contains(rows.image(*i)) && !is_at_rest(*i)).count())
    }
}

/// The scores of linear detectors, or the reason why there are none.
pub fn scores(
    training: &TrainingRows,
    network: &Network<'_>,
    sensor: &Sensor,
    rows: &Images,
) -> Result<Vec<Baseline>, String> {
    let TrainingRows { train, validation } = training;
    let fitted = PrincipalComponents::fit(&train.pixels, train.image_size());
    let components = fitted.map_err(|error| error.to_string())?;
    let code = network.topology().code();
    let baseline = |name, described, score: &dyn Fn(&[u8]) -> Vec<f64>| {
        let mut known = score(&validation.pixels);
        known.sort_unstable_by(f64::total_cmp);
        let [lower, upper] = calibrate::ends(&known, sensor.rate()).unwrap_or([0.0, f64::INFINITY]);
        let range = [lower / f64::from(calibrate::LOWER), upper];
        Baseline { name, described, scores: score(&rows.pixels), range }
    };
    Ok(vec![
        baseline("pca", format!("PCA, {code} components"), &|rows| components.reconstruction_errors(code, rows)),
        baseline("mahalanobis", "Mahalanobis distance".into(), &|rows| components.mahalanobis(rows)),
    ])
}

/// Whether a network's thresholds come from these validation rows: its scores of them are exact.
fn are_of(network: &Network<'_>, sensor: &Sensor, validation: &Images) -> bool {
    if validation.image_size() != sensor.spec.inputs() {
        return false;
    }
    let scores = integer_scores(network, &Sample::new(validation, calibrate::ROWS));
    calibrate::of_sensor(scores, sensor.rate()) == network.blob().header().thresholds
}
