//! Products in bfloat16: half the bytes of an `f32`, and twice the multiply-adds per instruction. Operands and the optimizer's
//! moments are rounded; sums, weights and everything else stay `f32`. The gradient of 256 images is far more uncertain than the
//! rounding.
//!
//! Each number is rounded once, after it is computed, and written to the places where products will read it. A word holds a pair of
//! neighbours along the inner dimension of a product. A line is sixteen words. The left operand lies in tiles of sixteen
//! rows by sixteen pairs or in strips, the right operand in strips of sixteen columns:
//!
//! ```text
//! tiles[outer / 16][pair / 16][16 rows]  lines of 16 pairs        strips[outer / 16][pair]  lines of 16 rows or columns
//! ```
//!
//! | product | left | right |
//! |---|---|---|
//! | `y = x·Wᵀ` | tiles of `x` | strips of `W`'s rows |
//! | `dx = dz·W` | tiles of `dz` | strips of `W`'s columns |
//! | `dW = dzᵀ·x` | strips of `dz`'s columns | strips of `x`'s columns |
//! | `dWᵀ = xᵀ·dz`, first layer | strips of `x`'s columns | strips of `dz`'s columns |
//!
//! Zeros fill up incomplete tiles and strips.
//!
//! Four fifths of a digit's pixels are 0. If `x` is the left operand, a product skips a pair that is 0 in all rows that it
//! multiplies at a time. Therefore the first layer takes four rows at a time instead of sixteen, and its input is the left
//! operand of both its products. The other factor of a skipped pair may be infinite or NaN: a bias, the loss or the weights
//! themselves will show it.

mod moments;
mod products;
#[cfg(test)]
mod tests;
mod weights;

pub use products::{Bf16, Operands};
pub use weights::{Bf16Moments, Bf16Rows, PackedNetwork};
