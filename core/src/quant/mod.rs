//! The same network in integers: `u8` activations, weights of 8 or 4 bits, no float anywhere.
//!
//! # The scheme
//!
//! An activation `q` stands for the real number `scale · (q - zero)`. A pixel, a code element and a hidden sigmoid
//! unit all have scale 1/255 and zero point 0, so a zero pixel contributes exactly nothing. A ReLU has zero point 0
//! and the scale that its largest output asks for. Only a signed input or output has a zero point; the input's is
//! folded into the first bias when the blob is made.
//!
//! A weight is an `i8` within ±127, or has 4 bits and lies within -8..=7; it has one scale for each output channel. A bias
//! is an `i32` in accumulator units:
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
//! instruction each ([`weights`]). Weights of 4 bits are eight to a word ([`nibbles`]). Every kernel computes the same
//! integers; the plain one is the oracle.
//!
//! # The code
//!
//! What leaves the device is the encoder's output, each element rounded to as many bits as the blob says ([`code`]).

pub mod code;
mod dense;
pub mod nibbles;
pub mod requantise;
#[cfg(dsp)]
pub mod walk;
pub mod weights;

pub(crate) use dense::plain;
#[cfg(dsp)]
pub(crate) use dense::plain_int4;
pub use dense::{Dense, Weights};
pub use nibbles::Octet;
pub use requantise::{Affine, Channel};
pub use weights::Quad;

/// The sum of `|w| · 255` over a row of weights has to stay below this: [`weights`] says why.
pub const ACCUMULATOR_LIMIT: i64 = 1 << 23;
