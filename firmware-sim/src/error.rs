//! What the device can answer instead of a result.

use crate::store::StoreError;
use core::fmt;

/// Why a command was not carried out. Flat and `Copy`: it is sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Error {
    /// Bytes were lost or added: the frame ends where it cannot end.
    Frame,
    /// The frame is longer than the receive buffer, or the message longer than the transmit buffer.
    Oversize,
    /// The frame's bytes were changed on the way.
    Crc,
    /// The frame is whole, but no message that this version knows.
    Malformed,
    /// An image or a code has the wrong length.
    Length {
        /// What the network takes.
        expected: u16,
        /// What was sent; 65,535 stands for more, too.
        found: u16,
    },
    /// The code was made with other weights, or with other tables that were learned.
    OtherWeights {
        /// CRC of the device's weights; after learning, exclusive or that of the tables.
        expected: u32,
        /// That of those the code was made with.
        found: u32,
    },
    /// The device has no weights that it can use.
    Weights(autoencoder_core::Error),
    /// It takes the half of the network that this device is without.
    Absent,
    /// The device does not learn.
    Frozen,
    /// No course of learning was begun, or none of its images was held out yet.
    NoCourse,
    /// The flash for what was learned.
    Store(StoreError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame => f.write_str("damaged: bytes were lost or added"),
            Self::Oversize => f.write_str("longer than any message"),
            Self::Crc => f.write_str("damaged: its CRC does not match its bytes"),
            Self::Malformed => f.write_str("not a message of this protocol"),
            Self::Length { expected, found } => write!(f, "{found} bytes where the network takes {expected}"),
            Self::OtherWeights { expected, found } => {
                write!(f, "made with other weights or tables: {found:08x}, these are {expected:08x}")
            }
            Self::Weights(error) => error.fmt(f),
            Self::Absent => f.write_str("this device holds only the other half of the network"),
            Self::Frozen => f.write_str("this device does not learn"),
            Self::NoCourse => f.write_str("nothing to judge: no course of learning was begun"),
            Self::Store(error) => error.fmt(f),
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
