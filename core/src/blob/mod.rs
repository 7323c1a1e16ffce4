//! The weights blob: a network's numbers as one checked message that stays where it lies, in flash or in a file.
//!
//! One postcard message with a CRC-32 trailer. `docs/blob-format.md` describes it byte by byte. Bulk arrays are raw
//! little-endian bytes at multiples of 16 bytes from the start of the blob, so a reader borrows them in place.
//!
//! [`Blob::open`] is the only thing that can fail on damaged bytes, [`Blob::f32`] and [`Blob::int8`] the only ones
//! that can fail on a blob of another network; after them nothing can fail and nothing was copied.

mod absent;
mod reader;
mod stored;
mod writer;

pub use absent::{Absent, Without};
pub use reader::{Blob, Bulk, Reader};
pub use stored::{Mirrors, Stored};
pub use writer::Writer;

use crate::quant::Affine;
use crate::{Layer, LayerSpec};
use serde::{Deserialize, Serialize};

#[cfg(target_endian = "big")]
compile_error!("a blob's arrays are little-endian and read in place");

/// The first four bytes of every blob.
pub const MAGIC: [u8; 4] = *b"AENC";
/// The version of the format that this crate writes and reads.
pub const VERSION: u8 = 2;
/// Bulk arrays start at multiples of this from the start of the blob, and the blob at one in memory.
pub const ALIGNMENT: usize = 16;
/// The most layers a network can have.
pub const MAX_LAYERS: usize = 16;

/// No score is above it.
pub const NO_THRESHOLD: u32 = u32::MAX;

/// Magic, version and length: the bytes that are read before anything is believed.
const PREFIX: usize = MAGIC.len() + 1 + 4;
/// CRC-32 trailer.
const TRAILER: usize = 4;

/// How the numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// IEEE 754 single precision.
    F32,
    /// `i8` weights, `i32` bias and multiplier for each output: [`crate::quant`].
    Int8,
    /// The same with weights of 4 bits.
    Int4,
}

/// What stands before the layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// How the numbers are stored.
    pub format: Format,
    /// Whether every accumulator was checked to stay within [`crate::quant::ACCUMULATOR_LIMIT`].
    pub accumulators_checked: bool,
    /// How many steps it was trained for.
    pub steps: u32,
    /// What the inputs' `u8` values stand for.
    pub input: Affine,
    /// Bits of a code element, 1 to 8.
    pub code_bits: u8,
    /// Scores above this one are those of inputs unlike the training data. [`NO_THRESHOLD`] where none was calibrated.
    pub threshold: u32,
    /// How many of the layers are the encoder's.
    pub encoder_layers: u8,
    /// The layers in order.
    pub layers: heapless::Vec<LayerSpec, MAX_LAYERS>,
}

impl Header {
    /// Whether the blob's layers are those of `Autoencoder<E, D>`.
    pub fn describes<E: Layer, D: Layer>(&self) -> bool {
        E::specs().count() == usize::from(self.encoder_layers)
            && E::specs().chain(D::specs()).eq(self.layers.iter().copied())
    }
}
