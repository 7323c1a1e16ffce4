//! From a trained network to the weights blob that a device loads: integers with a scale for each output, or `f32`.

pub mod calibrate;
mod error;
mod header;
pub mod quantise;
mod tiles;

pub use error::ExportError;
pub use header::{BlobMeta, check_code};

use crate::data::Dataset;
use crate::network::FloatNetwork;
use crate::train::qat::WeightFormat;
use autoencoder_io::blob_file;
use header::check;

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
    calibrated_blob(network, format, meta, data, Calibration { rows: data, above: calibrate::BEYOND })
}

/// The rows that calibrate thresholds.
#[derive(Clone, Copy)]
pub struct Calibration<'a> {
    /// Rows that the network should know.
    pub rows: &'a dyn Dataset,
    /// The fraction of their scores that may be above the upper threshold.
    pub above: f64,
}

/// As [`integer_blob`], with thresholds from other rows.
pub fn calibrated_blob(
    network: &FloatNetwork,
    format: WeightFormat,
    meta: BlobMeta<'_>,
    data: &dyn Dataset,
    calibration: Calibration<'_>,
) -> Result<Vec<u8>, ExportError> {
    let mut quantised = quantise::quantise(network, format, meta, data)?;
    quantised.header.thresholds = calibrate::thresholds(&quantised.network(), calibration.rows, calibration.above);
    Ok(quantised.to_blob(meta.input)?)
}
