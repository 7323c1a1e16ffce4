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

/// The number of windows that trained: rows of the training beside the network's blob. They are no test. Short rows may be the
/// same by chance.
pub fn trained(path: &Path, rows: &Images) -> usize {
    const SHORTEST: usize = 64;
    let training = Images::read(&path.with_file_name(ROWS).join(rows_file("train")));
    let Some(training) = training.ok().filter(|training| training.image_size() == rows.image_size()) else { return 0 };
    if rows.image_size() < SHORTEST {
        return 0;
    }
    let known: HashSet<&[u8]> = (0..training.len()).map(|i| training.image(i)).collect();
    (0..rows.len()).filter(|i| known.contains(rows.image(*i))).count()
}

/// The scores of linear detectors, or the reason why there are none. `path` is that of the network's blob.
pub fn scores(path: &Path, network: &Network<'_>, sensor: &Sensor, rows: &Images) -> Result<Vec<Baseline>, String> {
    let folder = path.with_file_name(ROWS);
    let read = |set: &str| {
        Images::read(&folder.join(rows_file(set))).map_err(|error| {
            let error = anyhow::Error::from(error);
            match error.root_cause().downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(io::ErrorKind::NotFound) => format!("the rows of the training are not in {}", folder.display()),
                _ => format!("{error:#}"),
            }
        })
    };
    let (validation, training) = (read("validation")?, read("train")?);
    if !are_of(network, sensor, &validation) || training.image_size() != sensor.spec.inputs() {
        return Err(format!("the rows in {} are those of another training", folder.display()));
    }
    let fitted = PrincipalComponents::fit(&training.pixels, training.image_size());
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
