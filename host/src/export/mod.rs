//! From a trained network to the weights blob that a device loads: integers with a scale for each output, or `f32`.

pub mod calibrate;
pub mod quantise;
mod tiles;

use crate::data::Dataset;
use crate::network::FloatNetwork;
use crate::train::qat::WeightFormat;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::{Header, Thresholds};
use autoencoder_core::quant::QuantParams;
use autoencoder_core::{Error, Topology};
use autoencoder_io::blob_file;

/// The fields of a blob besides shape and numbers.
#[derive(Clone, Copy, Debug)]
pub struct BlobMeta {
    /// Steps of training.
    pub steps: u32,
    /// Bits of a code element, 1 to 8.
    pub code_bits: u8,
}

/// Why no blob can be made of a network.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A weight or a bias is NaN or infinite.
    #[error("layer {layer}: a parameter is not finite")]
    NotFinite {
        /// From 1.
        layer: usize,
    },
    /// The outputs' range is no number that integers can be scaled to.
    #[error("layer {layer}: its outputs have no range that integers can hold")]
    OutputRange {
        /// From 1.
        layer: usize,
    },
    /// The row's multiplier does not fit: its weights are too large for the table.
    #[error("layer {layer}: the weights of output {output} are too large for integers")]
    Range {
        /// From 1.
        layer: usize,
        /// From 0.
        output: usize,
    },
    /// Only a sigmoid's output has a known range, which the levels of a code with few bits divide.
    #[error("a code of {bits} bits an element needs a sigmoid before it")]
    Code {
        /// As asked for.
        bits: u8,
    },
    /// The blob cannot be written.
    #[error(transparent)]
    Blob(#[from] Error),
}

/// The network as a blob of `f32`.
pub fn f32_blob(network: &FloatNetwork, meta: BlobMeta) -> Result<Vec<u8>, ExportError> {
    check(network, meta)?;
    Ok(blob_file::f32_blob(network.topology(), meta.steps, meta.code_bits, network.parameters())?)
}

/// The network as a blob of integers, its thresholds calibrated on the rows of `data`, as are the ranges of layers that
/// have none of their own.
pub fn integer_blob(
    network: &FloatNetwork,
    format: WeightFormat,
    meta: BlobMeta,
    data: &dyn Dataset,
) -> Result<Vec<u8>, ExportError> {
    let mut quantised = quantise::quantise(network, format, meta, data)?;
    quantised.header.thresholds = calibrate::thresholds(&quantised.network(), data);
    Ok(quantised.to_blob()?)
}

/// Returns an error unless a network of this topology can have a code of `bits` bits an element.
pub fn check_code(topology: &Topology, bits: u8) -> Result<(), ExportError> {
    let known = bits == 8 || topology.code_activation() == Some(ActivationKind::Sigmoid);
    if known { Ok(()) } else { Err(ExportError::Code { bits }) }
}

/// Returns an error unless a blob can be made of the network.
fn check(network: &FloatNetwork, meta: BlobMeta) -> Result<(), ExportError> {
    check_code(network.topology(), meta.code_bits)?;
    let mut layers = network.layers();
    match layers.position(|layer| !layer.weights.iter().chain(layer.bias).all(|x| x.is_finite())) {
        Some(layer) => Err(ExportError::NotFinite { layer: layer + 1 }),
        None => Ok(()),
    }
}

/// The header of a network's blob of integers; an error if none can be made of it.
fn header(network: &FloatNetwork, format: WeightFormat, meta: BlobMeta) -> Result<Header, ExportError> {
    check(network, meta)?;
    Ok(Header {
        format: format.format(),
        accumulators_checked: true, // by `quantise_row`; 4 bits cannot leave the range
        steps: meta.steps,
        input: QuantParams::UNIT,
        code_bits: meta.code_bits,
        thresholds: Thresholds::NONE,
        topology: network.topology().clone(),
    })
}
