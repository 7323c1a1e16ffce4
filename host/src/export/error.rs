//! Errors of the export.

use autoencoder_core::{Error, Topology};
use autoencoder_io::number::counted;
use autoencoder_io::topology::describe;

/// The reason that a network has no blob.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A weight or a bias is NaN or infinite.
    #[error("layer {layer}: a parameter is not finite")]
    NotFinite {
        /// From 1.
        layer: usize,
    },
    /// The range of the outputs has no scale in integers.
    #[error("layer {layer}: its outputs have no range that integers can hold")]
    OutputRange {
        /// From 1.
        layer: usize,
    },
    /// The multiplier of a row does not fit, because its weights are too large.
    #[error("layer {layer}: the weights of output {output} are too large for integers")]
    Range {
        /// From 1.
        layer: usize,
        /// From 0.
        output: usize,
    },
    /// A code of fewer than 8 bits needs the output of a sigmoid. Only that has a known range for its few levels to divide.
    #[error(
        "{}: a code of {} an element (--code-bits) needs a sigmoid before it",
        describe(topology),
        counted(bits, "bit")
    )]
    Code {
        /// The network.
        topology: Topology,
        /// Bits of a code element.
        bits: u8,
    },
    /// The blob cannot be written.
    #[error(transparent)]
    Blob(#[from] Error),
}
