//! From an accumulator back to a `u8`: one multiplication and one table.
//!
//! ```text
//! index = offset + round((acc + bias) · multiplier / 2^32)
//! y     = SIGMOID[clamp(index, 0, 1023)]      sigmoid
//!       | clamp(index, 0, 255)                ReLU, identity
//! ```

use crate::Zeroed;
use crate::activation::{ActivationKind, sigmoid};
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The meaning of the `u8` activations `q` of one layer: `real = scale · (q - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantParams {
    /// The difference between neighbouring values.
    pub scale: f32,
    /// The value that stands for 0.
    pub zero_point: u8,
}

impl QuantParams {
    /// [0, 1] in 255 steps: pixels, codes and sigmoid units.
    pub const UNIT: Self = Self { scale: 1.0 / 255.0, zero_point: 0 };

    /// Whether the scale is positive, finite and normal.
    pub fn is_valid(self) -> bool {
        // The bits of positive floats have the order of their values, so a small device need not compare floats.
        (f32::MIN_POSITIVE.to_bits()..f32::INFINITY.to_bits()).contains(&self.scale.to_bits())
    }
}

/// The parameters of one output channel. A device can learn them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ChannelParams {
    /// The bias, in accumulator units.
    pub bias: i32,
    /// Converts accumulator units to table indices or output steps, in units of 2^-32.
    pub multiplier: i32,
}

impl Zeroed for ChannelParams {
    const ZERO: Self = Self { bias: 0, multiplier: 0 };
}

impl ChannelParams {
    /// `offset + round((acc + bias) · multiplier / 2^32)`, with halves rounded up. On a Cortex-M4, this is `SMMLAR`.
    #[inline(always)]
    pub fn requantise(self, acc: i32, offset: i32) -> i32 {
        let product = i64::from(acc.wrapping_add(self.bias)) * i64::from(self.multiplier);
        offset.wrapping_add(((product + (1 << 31)) >> 32) as i32)
    }
}

/// Entries of the sigmoid table per unit of `z`.
pub const STEPS: i32 = 64;

/// The index of `z = 0` in the sigmoid table.
pub const MIDDLE: i32 = 512;

/// `SIGMOID[i] = round(255 · σ((i - 512) / 64))`, computed by the compiler.
pub static SIGMOID: [u8; 1024] = {
    let mut table = [0; 1024];
    let mut i = 0;
    while i < 1024 {
        table[i] = (255.0 * sigmoid((i as i32 - MIDDLE) as f32 / STEPS as f32) + 0.5) as u8;
        i += 1;
    }
    table
};

/// The offset of an index: the middle of the table for a sigmoid, the zero point of the outputs otherwise.
#[inline(always)]
pub fn offset(activation: ActivationKind, output: QuantParams) -> i32 {
    match activation {
        ActivationKind::Sigmoid => MIDDLE,
        ActivationKind::Relu => 0,
        ActivationKind::Identity => i32::from(output.zero_point),
    }
}

/// The output for an index.
#[inline(always)]
pub fn activate(activation: ActivationKind, index: i32) -> u8 {
    let table = activation == ActivationKind::Sigmoid;
    let index = index.clamp(0, if table { SIGMOID.len() as i32 - 1 } else { 255 });
    if table { SIGMOID[index as usize % SIGMOID.len()] } else { index as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_sigmoid() {
        for (i, q) in SIGMOID.iter().enumerate() {
            let z = (i as f64 - 512.0) / 64.0;
            assert_eq!(f64::from(*q), libm::floor(255.0 / (1.0 + libm::exp(-z)) + 0.5), "entry {i}");
        }
    }

    #[test]
    fn an_index_is_rounded_and_never_overflows() {
        let quarter = ChannelParams { bias: 0, multiplier: 1 << 30 };
        assert_eq!([-7, -6, -2, -1, 1, 2, 6, 7].map(|acc| quarter.requantise(acc, 10)), [8, 9, 10, 10, 10, 11, 12, 12]);
        let extreme = ChannelParams { bias: i32::MAX, multiplier: i32::MIN };
        for acc in [i32::MIN, -1, 0, 1, i32::MAX] {
            for offset in [i32::MIN, 0, i32::MAX] {
                assert!(SIGMOID.contains(&activate(ActivationKind::Sigmoid, extreme.requantise(acc, offset))));
            }
        }
    }
}
