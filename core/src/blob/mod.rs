//! The weights blob: a network's parameters as one checked message that is read in place, in flash or in a file.
//!
//! It is one postcard message with a CRC-32 trailer. `docs/blob-format.md` describes it byte by byte. Arrays are raw
//! little-endian bytes at multiples of 16 bytes from the start of the blob, so a reader borrows them in place.
//!
//! [`Blob::open`] checks everything except the layers; [`Network::open`](crate::Network::open) also checks the layers.

mod reader;
mod writer;

pub use reader::{Blob, Layers};
pub use writer::{len, write};

use crate::quant::{QuantParams, code};
use crate::{Topology, wire};
use serde::{Deserialize, Serialize};

#[cfg(target_endian = "big")]
compile_error!("a blob's arrays are little-endian and read in place");

/// The first four bytes of every blob.
pub const MAGIC: [u8; 4] = *b"AENC";
/// The version of the format that this crate writes and reads.
pub const VERSION: u8 = 4;
/// Arrays start at multiples of this from the start of the blob, and the blob starts at a multiple of it in memory.
pub const ALIGNMENT: usize = 16;

/// Magic, version and length: the bytes that are checked before any other is read.
const PREFIX: usize = MAGIC.len() + 1 + 4;
/// CRC-32 trailer.
const TRAILER: usize = 4;

/// How the weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Format {
    /// IEEE 754 single precision.
    F32,
    /// `i8` weights, `i32` bias and multiplier for each output: [`crate::quant`].
    Int8,
    /// As `Int8`, with weights of 4 bits.
    Int4,
    /// As `Int8`, with the weights row by row, for a processor with Helium: [`crate::quant::rows`].
    Int8Rows,
}

/// The scores of inputs like the training data: `lower ..= upper`.
///
/// A score below `lower` is as foreign as one above `upper`: a sensor that sees less gives inputs that are easier to
/// reconstruct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// The lowest of these scores.
    #[serde(serialize_with = "wire::number")]
    pub lower: u32,
    /// The highest of them.
    #[serde(serialize_with = "wire::number")]
    pub upper: u32,
}

impl Thresholds {
    /// The thresholds of a blob that was not calibrated. No score is outside.
    pub const NONE: Self = Self { lower: 0, upper: u32::MAX };
}

/// The fields before the layers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Header {
    /// How the weights are stored.
    pub format: Format,
    /// Whether the program that wrote the blob found every accumulator below [`crate::quant::ACCUMULATOR_LIMIT`]. A device
    /// relies on it and does not check again: if it is not true, sums wrap around.
    pub accumulators_checked: bool,
    /// The number of training steps.
    pub steps: u32,
    /// The meaning of the inputs' `u8` values.
    pub input: QuantParams,
    /// Bits of a code element, 1 to 8.
    pub code_bits: u8,
    /// The scores of inputs like the training data; [`Thresholds::NONE`] if none were calibrated.
    pub thresholds: Thresholds,
    /// The layers' shapes, and which of them are the encoder.
    pub topology: Topology,
}

impl Header {
    /// Bytes of a packed code.
    pub fn code_bytes(&self) -> usize {
        code::packed_bytes(self.topology.code(), self.code_bits)
    }
}

/// One layer as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct RawLayer<'a> {
    /// The meaning of the outputs' `u8` values.
    pub output: QuantParams,
    /// int8 and int4: a [`crate::quant::ChannelParams`] for each output, padded. f32: empty.
    pub channels: &'a [u8],
    /// int8: the [`crate::quant::Int8Tile`]s. int4: the [`crate::quant::Int4Tile`]s. Int8 in rows: the
    /// bytes of [`crate::quant::rows`]. f32: weights, then bias.
    pub weights: &'a [u8],
}
