//! The header of a blob, and the conditions for one.

use super::error::ExportError;
use crate::network::FloatNetwork;
use crate::train::qat::WeightFormat;
use autoencoder_core::Topology;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::{Header, Thresholds};
use autoencoder_core::quant::QuantParams;

/// The fields of a blob besides shape and numbers.
#[derive(Clone, Copy, Debug)]
pub struct BlobMeta<'a> {
    /// Steps of training.
    pub steps: u32,
    /// Bits of a code element, 1 to 8.
    pub code_bits: u8,
    /// The input section; empty if rows are the network's inputs as they are.
    pub input: &'a [u8],
}

/// Returns an error unless a network of this topology can have a code of `bits` bits an element.
pub fn check_code(topology: &Topology, bits: u8) -> Result<(), ExportError> {
    let sigmoid = topology.code_activation() == Some(ActivationKind::Sigmoid);
    if bits == 8 || sigmoid { Ok(()) } else { Err(ExportError::Code { topology: topology.clone(), bits }) }
}

/// Returns an error unless a blob, or a file for another framework, can be made of the network.
pub fn check(network: &FloatNetwork, meta: BlobMeta<'_>) -> Result<(), ExportError> {
    check_code(network.topology(), meta.code_bits)?;
    let mut layers = network.layers();
    match layers.position(|layer| !layer.weights.iter().chain(layer.bias).all(|x| x.is_finite())) {
        Some(layer) => Err(ExportError::NotFinite { layer: layer + 1 }),
        None => Ok(()),
    }
}

/// The header of a network's blob of integers; an error if none can be made of it.
pub(super) fn header(network: &FloatNetwork, format: WeightFormat, meta: BlobMeta<'_>) -> Result<Header, ExportError> {
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
