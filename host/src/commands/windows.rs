//! The picture of some windows of a detector and their reconstructions, in the unit of the data.

use crate::commands::sensor::describe;
use autoencoder_core::front_end::FrontEnd;
use host::detector::Sensor;
use host::report::{Axis, Example, PlotError, Windows};
use std::path::Path;

/// The windows in a picture.
pub const SHOWN: usize = 4;

/// A row of a window, and the row that a network makes of it.
pub struct Reconstructed<'a> {
    /// The line above it.
    pub caption: String,
    pub row: &'a [u8],
    pub reconstruction: Vec<u8>,
}

/// Draws windows beside each other, channel by channel, each with its reconstruction.
pub fn draw(path: &Path, topology: &str, sensor: &Sensor, windows: &[Reconstructed<'_>]) -> Result<(), PlotError> {
    let spec = &sensor.spec;
    let example = |window: &Reconstructed<'_>| Example {
        caption: window.caption.clone(),
        signal: by_channel(sensor, window.row),
        reconstruction: by_channel(sensor, &window.reconstruction),
    };
    let channel = |channel: u16| match sensor.names.get(usize::from(channel)) {
        Some(name) if !name.is_empty() => name.clone(),
        _ => format!("channel {}", channel + 1),
    };
    let (axis, unit) = match (spec.front_end, spec.rate > 0.0) {
        (FrontEnd::Spectrum { bands }, true) => {
            let width = f64::from(spec.rate) / 2.0 / f64::from(bands);
            (Axis { name: "frequency (Hz)", first: width / 2.0, step: width }, "log2 of the energy of a band")
        }
        (FrontEnd::Spectrum { .. }, false) => {
            (Axis { name: "band", first: 0.0, step: 1.0 }, "log2 of the energy of a band")
        }
        (front_end, true) => {
            (Axis { name: "time (s)", first: 0.0, step: 1.0 / f64::from(spec.rate) }, unit_of(front_end))
        }
        (front_end, false) => (Axis { name: "sample", first: 0.0, step: 1.0 }, unit_of(front_end)),
    };
    let picture = Windows {
        title: &format!("windows and reconstructions: {topology}, {}", describe(spec.front_end)),
        examples: &windows.iter().map(example).collect::<Vec<_>>(),
        channels: &(0..spec.channels).map(channel).collect::<Vec<_>>(),
        axis,
        unit,
    };
    picture.write(path)
}

/// What the samples of a window are in.
fn unit_of(front_end: FrontEnd) -> &'static str {
    if front_end == FrontEnd::Centred { "unit of the data, less the window's mean" } else { "unit of the data" }
}

/// Some of the numbers, evenly spread.
pub fn spread(numbers: &[usize], count: usize) -> Vec<usize> {
    let count = count.min(numbers.len());
    (0..count).map(|i| numbers[(2 * i + 1) * numbers.len() / (2 * count)]).collect()
}

/// The features of a row, channel by channel.
fn by_channel(sensor: &Sensor, row: &[u8]) -> Vec<f32> {
    let features: Vec<f32> = row.iter().zip(&sensor.scales).map(|(q, scale)| scale.feature(*q)).collect();
    let channels = usize::from(sensor.spec.channels);
    match sensor.spec.front_end {
        FrontEnd::Spectrum { .. } => features,
        _ => {
            (0..channels).flat_map(|c| features.iter().skip(c).step_by(channels).copied().collect::<Vec<_>>()).collect()
        }
    }
}
