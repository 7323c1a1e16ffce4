//! The result of every function.

use autoencoder_core::Error as WeightsError;
use autoencoder_device::Error;
use autoencoder_device::store::StoreError;

/// What every function returns. After any other result than `AE_STATUS_OK`, nothing was written through the pointers to results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum AeStatus {
    /// It is done.
    Ok = 0,
    /// A pointer is null.
    Null = 1,
    /// A pointer is not aligned: that of the blob to 16 bytes, that of the memory to 4, any other to its type.
    Alignment = 2,
    /// The object was not opened, or its last opening failed.
    NotOpen = 3,
    /// The memory is too small: `ae_blob_info` says how much is needed.
    Memory = 4,
    /// A buffer for a row or a code is too small.
    Room = 5,
    /// A row, a code or a sample has the wrong length.
    Length = 6,
    /// A field of a struct has a value that is not allowed.
    Argument = 7,
    /// There is no blob: too few bytes, or erased ones.
    Empty = 8,
    /// The bytes are not a weights blob.
    NotABlob = 9,
    /// The blob has another version of the format.
    Version = 10,
    /// The blob is longer than the available bytes.
    Truncated = 11,
    /// The bytes of the blob were changed after it was written.
    Crc = 12,
    /// The weights of the blob are floats, or in the layout of another processor.
    Format = 13,
    /// The blob is malformed.
    Malformed = 14,
    /// The network is an encoder or a decoder alone and lacks the other half.
    Absent = 15,
    /// The network takes rows, no samples: the blob has no input section.
    NoSamples = 16,
    /// No run of learning has begun, or it has no row yet.
    NotLearning = 17,
    /// Half of the flash is too small for a record: `ae_blob_info` says how long it is.
    FlashSmall = 18,
    /// A callback of the flash has failed.
    FlashFailed = 19,
    /// The flash does not hold what was written to it, or two reads of a record differ: it is worn out, or its driver is wrong. If a
    /// record could not be written, the one before is untouched.
    FlashVerify = 20,
    /// Another reason, which this version of the header has no name for.
    Other = 21,
}

impl From<WeightsError> for AeStatus {
    fn from(error: WeightsError) -> Self {
        match error {
            WeightsError::Empty => Self::Empty,
            WeightsError::NotABlob => Self::NotABlob,
            WeightsError::Version { .. } => Self::Version,
            WeightsError::Truncated { .. } => Self::Truncated,
            WeightsError::Crc { .. } => Self::Crc,
            WeightsError::Misaligned => Self::Alignment,
            WeightsError::Format => Self::Format,
            WeightsError::Malformed | WeightsError::Accumulator => Self::Malformed,
            WeightsError::Length { .. } => Self::Length,
            WeightsError::Capacity { .. } => Self::Memory,
            WeightsError::Absent => Self::Absent,
            _ => Self::Other,
        }
    }
}

impl From<StoreError> for AeStatus {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Capacity => Self::FlashSmall,
            StoreError::Verify => Self::FlashVerify,
            _ => Self::FlashFailed,
        }
    }
}

impl From<Error> for AeStatus {
    fn from(error: Error) -> Self {
        match error {
            Error::Weights(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::Length { .. } | Error::Channels { .. } => Self::Length,
            Error::Absent => Self::Absent,
            Error::NotLearning => Self::NotLearning,
            Error::NoSection => Self::NoSamples,
            Error::Inputs { .. } => Self::Malformed,
            _ => Self::Other,
        }
    }
}

/// The status of a function's body.
pub(crate) fn status(body: impl FnOnce() -> Result<(), AeStatus>) -> AeStatus {
    match body() {
        Ok(()) => AeStatus::Ok,
        Err(status) => status,
    }
}
