//! The dense layer in integers: `u8` activations, 8-bit or 4-bit weights, and no float arithmetic.
//!
//! # The scheme
//!
//! An activation `q` stands for the real number `scale · (q - zero_point)`. Pixels, code elements and hidden sigmoid units
//! have scale 1/255 and zero point 0, so a zero pixel contributes exactly nothing. A ReLU has zero point 0 and the scale
//! that its largest output needs. Only signed inputs and outputs have another zero point; that of the inputs is folded
//! into the first bias when the blob is written.
//!
//! A weight is an `i8` within ±127, or it has 4 bits and lies within -8..=7. Each output channel has one scale. A bias is
//! an `i32` in accumulator units:
//!
//! ```text
//! acc   = Σ x[i]·w[o][i] + bias[o]                      exact: for 8 bits, the exporter ensures |Σ| < 2^23
//! index = offset + round(acc · multiplier[o] / 2^32)
//! y[o]  = SIGMOID[clamp(index, 0, 1023)]                sigmoid, offset 512: the table covers [-8, 8)
//!       | clamp(index, 0, 255)                          ReLU (offset 0) and identity (offset = zero point)
//! ```
//!
//! On the default network, the steps of the table and the rounding to 8 bits cost 2 to 3 % of the test MSE.
//!
//! # The layouts of weights
//!
//! Two rows of 8-bit weights share a 16-bit lane, `256·high + low`, so that a Cortex-M4 multiplies both with one
//! instruction each ([`int8`]). For Helium, 8-bit weights lie row by row ([`rows`]). Eight 4-bit weights share a word
//! ([`int4`]). All layouts have multiples of four inputs and outputs; a layer of another size is padded with zeros. All
//! kernels compute the same integers, and the plain one is the oracle.
//!
//! # The code
//!
//! The device sends the encoder's outputs, each rounded to the number of bits that the blob names ([`code`]).

pub mod code;
mod dense;
#[cfg(dsp)]
pub mod dsp;
#[cfg(helium)]
pub mod helium;
mod input_program;
pub mod int4;
pub mod int8;
#[cfg(pairs)]
pub mod pairs;
pub mod requantise;
pub mod rows;

pub use crate::topology::padded;
pub use dense::{Dense, Weights};
pub use input_program::dsp_scratch_bytes;
pub use int4::Int4Tile;
pub use int8::Int8Tile;
pub use requantise::{ChannelParams, QuantParams};

/// The sum of `|w| · 255` over a row of 8-bit weights must stay below this; [`int8`] explains why.
pub const ACCUMULATOR_LIMIT: i64 = 1 << 23;

/// Computes integer layers, whose weights have the layouts of [`int8`], [`rows`] and [`int4`].
///
/// A kernel must give exactly the bytes of [`Plain`].
pub trait Kernel {
    /// Bytes of scratch for a layer with this padded number of inputs.
    fn scratch_bytes(inputs: usize) -> usize;

    /// `y = σ(x · Wᵀ + b)` for one row. `x` and `y` have the layer's padded sizes, and `scratch` has at least
    /// [`Self::scratch_bytes`].
    fn dense(&self, layer: &Dense<'_>, x: &[u8], y: &mut [u8], scratch: &mut [u8]);
}

/// The plain loops: [`Dense::forward`].
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

/// The fastest kernel of this crate for this target.
#[cfg(helium)]
pub type Native = helium::Helium;

/// The fastest kernel of this crate for this target.
#[cfg(all(dsp, not(helium)))]
pub type Native = dsp::Dsp;

/// The fastest kernel of this crate for this target.
#[cfg(pairs)]
pub type Native = pairs::Pairs;

/// The fastest kernel of this crate for this target.
#[cfg(not(any(dsp, pairs)))]
pub type Native = Plain;
