//! What can be wrong with a weights blob, or with what a network is given.

use crate::wire;
use core::fmt;

/// Why a weights blob, a row or a memory was refused. Flat, `Copy`, without strings: it can be sent over a wire as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Error {
    /// There are no bytes, or only erased ones.
    Empty,
    /// The first bytes are not those of a weights blob.
    NotABlob,
    /// Written by another version of the format.
    Version {
        /// The version this reader knows.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// The version found.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
    /// The blob says it is longer than what is there.
    Truncated {
        /// Bytes the header announces.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// Bytes present.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
    /// The bytes were changed after the blob was written.
    Crc {
        /// Computed over the bytes.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// Stored at the end.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
    /// The blob does not start at a multiple of 16 bytes in memory.
    Misaligned,
    /// The layers, or the channels, are those of another network.
    Topology,
    /// The weights are of another format than was asked for: `f32` in place of integers, or the other way round.
    Format,
    /// A field has a value that no writer writes.
    Malformed,
    /// An accumulator could leave the range in which the integer kernels are exact.
    Accumulator,
    /// The buffer is too small to write the blob into.
    NoRoom,
    /// A row or a code has the wrong length.
    Length {
        /// Elements that the network takes.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// Elements given.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
    /// The network is too large: it needs more of something than there is.
    Capacity {
        /// Of what.
        resource: Resource,
        /// How much of it the network needs.
        #[serde(serialize_with = "wire::number")]
        needed: u32,
        /// How much there is.
        #[serde(serialize_with = "wire::number")]
        available: u32,
    },
    /// The network lacks the half that was asked for: it is an encoder or a decoder alone.
    Absent,
}

/// What a network can need too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[repr(u32)]
pub enum Resource {
    /// Bytes of memory for the activations of one row and the kernel's scratch.
    Activations,
    /// Bytes of the longest message, which holds a row or a code.
    Message,
    /// Output channels that can learn, padding included.
    Channels,
    /// Gradients of neighbouring hidden layers.
    Gradients,
    /// Bytes of the rows that a run of learning holds out.
    HeldOut,
}

impl Error {
    /// An error if a network needs more of something than there is.
    pub const fn check_capacity(resource: Resource, needed: usize, available: usize) -> Result<(), Self> {
        if needed <= available {
            return Ok(());
        }
        Err(Self::Capacity { resource, needed: needed as u32, available: available as u32 })
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Activations => "bytes of memory for activations",
            Self::Message => "bytes for a message",
            Self::Channels => "channels that learn",
            Self::Gradients => "gradients between layers",
            Self::HeldOut => "bytes for the rows held out",
        })
    }
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
            Self::Topology => f.write_str("blob of another network"),
            Self::Format => f.write_str("blob of another number format"),
            Self::Malformed => f.write_str("blob malformed"),
            Self::Accumulator => f.write_str("weights too large for the integer kernels' accumulators"),
            Self::NoRoom => f.write_str("buffer too small for the blob"),
            Self::Capacity { resource, needed, available } => {
                write!(f, "network too large: it needs {needed} {resource}, there are {available}")
            }
            Self::Absent => f.write_str("the network lacks this half: it is an encoder or a decoder alone"),
            Self::Length { expected, found } => write!(f, "{found} elements where the network takes {expected}"),
        }
    }
}

impl core::error::Error for Error {}
