//! What can be wrong with a weights blob.

use core::fmt;

/// Why a weights blob was refused. Flat, `Copy`, without strings: it can be sent over a wire as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Error {
    /// There are no bytes, or only erased ones.
    Empty,
    /// The first bytes are not those of a weights blob.
    NotABlob,
    /// Written by another version of the format.
    Version {
        /// The version this reader knows.
        expected: u8,
        /// The version found.
        found: u8,
    },
    /// The blob says it is longer than what is there.
    Truncated {
        /// Bytes the header announces.
        expected: u32,
        /// Bytes present.
        found: u32,
    },
    /// The bytes were changed after the blob was written.
    Crc {
        /// Computed over the bytes.
        expected: u32,
        /// Stored at the end.
        found: u32,
    },
    /// The blob does not start at a multiple of 16 bytes in memory.
    Misaligned,
    /// The layers are not those of the network it was opened as.
    Topology,
    /// The numbers are of another format (`f32` or `int8`) than it was opened as.
    Format,
    /// A field has a value that no writer writes.
    Malformed,
    /// An accumulator could leave the range in which the integer kernels are exact.
    Accumulator,
    /// The buffer is too small to write the blob into.
    NoRoom,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no weights: the blob is empty"),
            Self::NotABlob => f.write_str("not a weights blob"),
            Self::Version { expected, found } => write!(f, "blob format version {found}, this reader knows {expected}"),
            Self::Truncated { expected, found } => write!(f, "blob truncated: {found} bytes of {expected}"),
            Self::Crc { expected, found } => {
                write!(f, "blob damaged: its CRC is {found:08x}, its bytes give {expected:08x}")
            }
            Self::Misaligned => f.write_str("blob not aligned to 16 bytes"),
            Self::Topology => f.write_str("blob of another topology"),
            Self::Format => f.write_str("blob of another number format"),
            Self::Malformed => f.write_str("blob malformed"),
            Self::Accumulator => f.write_str("weights too large for the integer kernels' accumulators"),
            Self::NoRoom => f.write_str("buffer too small for the blob"),
        }
    }
}

impl core::error::Error for Error {}
