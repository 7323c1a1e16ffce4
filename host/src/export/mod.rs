//! From a trained network to the weights blob that a device loads: integers with a scale for each output, or `f32`.

pub mod calibrate;
mod error;
mod header;
pub mod quantise;
mod rows;
mod tiles;

pub use error::ExportError;
pub use header::{BlobMeta, check, check_code};
pub use rows::in_rows;

use crate::data::Dataset;
use crate::network::FloatNetwork;
use crate::train::qat::WeightFormat;
use autoencoder_io::blob_file;

/// The network as a blob of `f32`.
pub fn f32_blob(network: &FloatNetwork, meta: BlobMeta<'_>) -> Result<Vec<u8>, ExportError> {
    check(network, meta)?;
    Ok(blob_file::f32_blob(network.topology(), meta.steps, meta.code_bits, network.parameters(), meta.input)?)
}

/// The network as a blob of integers. Its thresholds are calibrated on the rows of `data`, and so are the ranges of layers
/// without a known range: see [`calibrate`].
pub fn integer_blob(
    network: &FloatNetwork,
    format: WeightFormat,
    meta: BlobMeta<'_>,
    data: &dyn Dataset,
) -> Result<Vec<u8>, ExportError> {
    let mut quantised = quantise::quantise(network, format, meta, data)?;
    quantised.header.thresholds = calibrate::thresholds(&quantised.network(), data, calibrate::BEYOND);
    Ok(quantised.to_blob(meta.input)?)
}

/// The rows that calibrate the thresholds of a detector.
#[derive(Clone, Copy)]
pub struct Calibration<'a> {
    /// Normal rows that did not train.
    pub rows: &'a dyn Dataset,
    /// The fraction of their scores that may be above the upper threshold.
    pub above: f64,
}

/// The detector as a blob of integers. The rows of `data` calibrate the ranges of layers without a known range.
pub fn detector_blob(
    network: &FloatNetwork,
    format: WeightFormat,
    meta: BlobMeta<'_>,
    data: &dyn Dataset,
    calibration: Calibration<'_>,
) -> Result<Vec<u8>, ExportError> {
    let mut quantised = quantise::quantise(network, format, meta, data)?;
    let Calibration { rows, above } = calibration;
    quantised.header.thresholds = calibrate::sensor_thresholds(&quantised.network(), rows, above);
    Ok(quantised.to_blob(meta.input)?)
}
