//! The error with which the device refuses a command.

use crate::store::StoreError;
use autoencoder_core::wire;
use core::fmt;

/// The reason why a command was not executed. Flat and `Copy`: a response carries it unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Error {
    /// Bytes of the frame were lost or added.
    Frame,
    /// The frame is longer than the receive buffer, or the message longer than the transmit buffer.
    Oversize,
    /// Bytes of the frame were changed: its CRC does not match.
    Crc,
    /// The frame is intact, but this version does not know its message.
    Malformed,
    /// A row or a code has the wrong length.
    Length {
        /// Bytes that the network expects.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// Bytes that were sent.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
    /// The code was made with other weights or other learned channels.
    OtherWeights {
        /// CRC of the device's weights; after learning, combined by XOR with the CRC of the channels.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// The same value for the network that made the code.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
    /// The device has no usable weights.
    Weights(autoencoder_core::Error),
    /// The command needs an encoder or a decoder that this network does not have.
    Absent,
    /// The device does not learn.
    Frozen,
    /// No run of learning has begun, or it has not held a row out yet.
    NotLearning,
    /// The flash that keeps the learned parameters has failed.
    Store(StoreError),
    /// The device takes rows, no samples.
    RowsOnly,
    /// The blob has no input section: its network takes rows, no samples.
    NoSection,
    /// The blob's input section describes the inputs of another network.
    Inputs {
        /// Inputs of the network.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// Inputs of the section.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
    /// The samples are not whole samples.
    Channels {
        /// Numbers of a sample.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// Numbers given.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame => f.write_str("frame damaged: bytes were lost or added"),
            Self::Oversize => f.write_str("frame longer than any message of this network"),
            Self::Crc => f.write_str("frame damaged: its CRC does not match"),
            Self::Malformed => f.write_str("not a message of this protocol"),
            Self::Length { expected, found } => write!(f, "{found} bytes; the network takes {expected}"),
            Self::OtherWeights { expected, found } => {
                write!(f, "code of other weights or channels: {found:08x}; the device has {expected:08x}")
            }
            Self::Weights(error) => error.fmt(f),
            Self::Absent => f.write_str("the network on this device has only its other half"),
            Self::Frozen => f.write_str("this device does not learn"),
            Self::NotLearning => f.write_str("no run of learning has begun"),
            Self::Store(error) => error.fmt(f),
            Self::RowsOnly => f.write_str("this device takes rows, no samples"),
            Self::NoSection => f.write_str("blob without an input section: its network takes rows, no samples"),
            Self::Inputs { expected, found } => {
                write!(f, "input section for a network of {found} inputs; this network has {expected}")
            }
            Self::Channels { expected, found } => {
                write!(f, "{found} numbers; a sample has {expected}, one for each channel")
            }
        }
    }
}

impl core::error::Error for Error {}

impl From<autoencoder_core::Error> for Error {
    fn from(error: autoencoder_core::Error) -> Self {
        Self::Weights(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
