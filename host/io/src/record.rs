//! The record of what a device has learned, and the weights that it belongs to.

use autoencoder_device::store::RecordState;

/// Why a flash has no record that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A record of other weights.
    #[error("a record of other weights ({found:08x}; the blob is {expected:08x})")]
    OtherWeights {
        /// CRC of the blob.
        expected: u32,
        /// CRC of those weights.
        found: u32,
    },
    /// No whole record.
    #[error("damaged: it holds no whole record")]
    Damaged,
}

/// Returns an error if a flash is damaged or holds only a record of other weights than those with this CRC.
pub fn ensure_own(state: RecordState, weights: u32) -> Result<(), RecordError> {
    match state {
        RecordState::Damaged => Err(RecordError::Damaged),
        RecordState::OtherWeights { found } => Err(RecordError::OtherWeights { expected: weights, found }),
        RecordState::Nothing | RecordState::Learned(_) | RecordState::Base(_) => Ok(()),
    }
}
