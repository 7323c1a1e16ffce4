//! Products in 16-bit integers: half the bytes of an `f32`, and twice the multiply-adds per instruction of AVX2. Operands are
//! rounded; sums are exact. Weights, moments and everything else stay `f32`.
//!
//! `VPMADDWD` multiplies pairs of 16-bit numbers and adds both products in 32 bits; a second instruction adds them to a sum.
//! `VPDPWSSD` (AVX-VNNI, or AVX-512 with VNNI) does both at once and gives the same sums.
//!
//! Each number is rounded once, after it is computed, to a multiple of its scale, a power of two ([`scales`](self)). Scales are
//! constant along the inner dimension of a product, and no sum of a product can overflow:
//!
//! | operand | products | one scale for | bound |
//! |---|---|---|---|
//! | `x` | left of `x·Wᵀ`, right of `dzᵀ·x` | a shard | `Σ|x|` of a row, and `|x|` |
//! | `W` | right of `x·Wᵀ` and of `dz·W` | a row | `|w|` |
//! | `dz ⊙ s`, with the scales `s` of `W`'s rows | left of `dz·W` | a row | `Σ|dz·s|` of a row |
//! | `dz` | left of `dzᵀ·x` | a column | `|dz|` |
//!
//! `dz·W` sums over the rows of `W`. As `dz` has taken up their scales, it reads the integers that `x·Wᵀ` reads. The scale of
//! the network's inputs is a power of two times 1/255, so pixels are exact.
//!
//! A word holds a pair of neighbours along the inner dimension, a line sixteen words. The right operand lies in strips of
//! sixteen columns, as in [`bf16`](super::bf16), the left one in rows or, if it is `dzᵀ`, in strips. The inner dimension is
//! split into blocks whose strip stays in the first level cache while all rows pass over it. Weights are stored as rows of
//! integers, from which a product makes each strip once for all rows of a shard.
//!
//! Four fifths of a digit's pixels are 0. If at least half of a shard's inputs are 0, the first layer multiplies one row
//! of them at a time, `x` or `xᵀ`, by 64 columns, and skips pairs that are 0.

// Other processors lack these instructions.
#[cfg_attr(not(target_arch = "x86_64"), path = "absent.rs")]
mod multiply;

mod lists;
mod operation;
mod packing;
mod products;
mod rounding;
mod scales;
#[cfg(test)]
mod tests;
mod weights;

pub use products::{Int16, Operands};
#[cfg(test)]
pub(super) use tests::error_bounds;
pub use weights::{Int16Rows, PackedLayer, PackedNetwork};
