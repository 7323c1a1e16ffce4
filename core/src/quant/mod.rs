//! The same network in integers: `u8` activations, weights of 8 or 4 bits, no float anywhere.
//!
//! # The scheme
//!
//! An activation `q` stands for the real number `scale · (q - zero_point)`. A pixel, a code element and a hidden sigmoid
//! unit all have scale 1/255 and zero point 0, so a zero pixel contributes exactly nothing. A ReLU has zero point 0
//! and the scale that its largest output needs. Only a signed input or output has another zero point; the input's is
//! folded into the first bias when the blob is made.
//!
//! A weight is an `i8` within ±127, or has 4 bits and lies within -8..=7; each output channel has one scale. A bias is an
//! `i32` in accumulator units:
//!
//! ```text
//! acc   = Σ x[i]·w[o][i] + bias[o]                      exact: with 8 bits, |Σ| < 2^23 was checked when the blob was made
//! index = offset + round(acc · multiplier[o] / 2^32)
//! y     = SIGMOID[clamp(index, 0, 1023)]                sigmoid, offset 512: the table covers [-8, 8)
//!       | clamp(index, 0, 255)                          ReLU (offset 0) and identity (offset = zero point)
//! ```
//!
//! Measured on the default network, the steps of the table and the rounding to 8 bits cost 2 to 3 % of test MSE.
//!
//! # Rows in pairs
//!
//! Two rows of weights share a 16-bit lane, `p = 256·high + low`, so that a Cortex-M4 multiplies both with one
//! instruction each ([`int8`]). Weights of 4 bits are eight to a word ([`int4`]). Both layouts need multiples of four
//! inputs and outputs; a layer of other sizes is padded with zeros. Every kernel computes the same integers; the plain one
//! is the oracle.
//!
//! # The code
//!
//! What leaves the device is the encoder's output, each element rounded to as many bits as the blob says ([`code`]).

pub mod code;
mod dense;
#[cfg(dsp)]
pub mod dsp;
pub mod int4;
pub mod int8;
pub mod requantise;

pub use crate::topology::padded;
pub use dense::{Dense, Weights};
pub use int4::Int4Tile;
pub use int8::Int8Tile;
pub use requantise::{ChannelParams, QuantParams};

/// The sum of `|w| · 255` over a row of weights has to stay below this: [`int8`] says why.
pub const ACCUMULATOR_LIMIT: i64 = 1 << 23;

/// How an integer layer is computed.
///
/// A kernel gives exactly the bytes of the plain loops or it is wrong. The layouts of the weights: [`int8`], [`int4`].
pub trait Kernel {
    /// Bytes of scratch for a layer of so many inputs, padded.
    fn scratch_bytes(inputs: usize) -> usize;

    /// `y = σ(x · Wᵀ + b)` for one row. `x` and `y` have the layer's padded sizes, `scratch` at least
    /// [`Self::scratch_bytes`].
    fn dense(&self, layer: &Dense<'_>, x: &[u8], y: &mut [u8], scratch: &mut [u8]);
}

/// The plain loops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Kernel for Plain {
    fn scratch_bytes(_: usize) -> usize {
        0
    }

    #[inline]
    fn dense(&self, layer: &Dense<'_>, x: &[u8], y: &mut [u8], _: &mut [u8]) {
        layer.forward(x, y);
    }
}

/// The fastest kernel for this target that needs no more than `core`.
#[cfg(dsp)]
pub type Native = dsp::Dsp;

/// The fastest kernel for this target that needs no more than `core`.
#[cfg(not(dsp))]
pub type Native = Plain;
