//! Errors of weights blobs and of networks.

use crate::wire;
use core::fmt;

/// The reason why a blob, a row or a buffer was refused. Flat, `Copy` and without strings, so a message can carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Error {
    /// There is no blob: fewer bytes than its first fields, or erased ones.
    Empty,
    /// The first bytes are not those of a weights blob.
    NotABlob,
    /// The blob has another version of the format.
    Version {
        /// The version that this crate reads.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// The version found.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
    /// The blob is longer than the available bytes.
    Truncated {
        /// Bytes of the blob, according to its header.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// Bytes found.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
    /// The bytes were changed after the blob was written.
    Crc {
        /// The CRC of the bytes.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// The CRC at the end of the blob.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
    /// The blob does not start at a multiple of 16 bytes in memory.
    Misaligned,
    /// The layers are those of another network.
    Topology,
    /// The weights have another number format than needed: `f32` instead of integers, integers instead of `f32`, or integers
    /// in the layout of another processor.
    Format,
    /// A field has an impossible value.
    Malformed,
    /// An accumulator could exceed the range in which the integer kernels are exact.
    Accumulator,
    /// The buffer is too small for the blob that is being written.
    NoRoom,
    /// A row or a code has the wrong length.
    Length {
        /// Elements that the network needs.
        #[serde(serialize_with = "wire::number")]
        expected: u32,
        /// Elements given.
        #[serde(serialize_with = "wire::number")]
        found: u32,
    },
    /// The network is too large: it needs more of a resource than is available.
    Capacity {
        /// The resource.
        resource: Resource,
        /// The amount that the network needs.
        #[serde(serialize_with = "wire::number")]
        needed: u32,
        /// The amount that is available.
        #[serde(serialize_with = "wire::number")]
        available: u32,
    },
    /// The network lacks the half that was asked for: it is only an encoder or only a decoder.
    Absent,
}

/// A resource that may be too small for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
#[repr(u32)]
pub enum Resource {
    /// Bytes of memory for the activations of one row and the kernel's scratch.
    Activations,
    /// Bytes of the longest message, which holds a row or a code.
    Message,
    /// Output channels that can learn, including padding.
    Channels,
    /// Gradients of neighbouring hidden layers.
    Gradients,
    /// Bytes of the held-out rows of a run of learning.
    HeldOut,
    /// Numbers of a window of samples and of the scratch of its front end.
    Window,
    /// Bytes of the row of a window.
    Row,
}

impl Error {
    /// Returns [`Error::Capacity`] if a network needs more of a resource than is available.
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
            Self::HeldOut => "bytes for the held-out rows",
            Self::Window => "numbers for a window and its features",
            Self::Row => "bytes for the row of a window",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no weights: the blob is empty"),
            Self::NotABlob => f.write_str("not a weights blob"),
            Self::Version { expected, found } => {
                write!(f, "blob of format version {found}, expected {expected}: export it again")
            }
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
                write!(f, "network too large: it needs {needed} {resource}; {available} are available")
            }
            Self::Absent => f.write_str("the network lacks this half: it is an encoder or a decoder alone"),
            Self::Length { expected, found } => write!(f, "{found} elements; the network takes {expected}"),
        }
    }
}

impl core::error::Error for Error {}
