//! The arithmetic of the host on this machine's vector instructions, which are detected at run time.
//!
//! The trainer multiplies matrices through one trait, [`Products`]. [`F32`] runs on any machine, [`Int16`] needs AVX2 and [`Bf16`]
//! needs `avx512_bf16`; [`ProductKind`](crate::train::recipe::ProductKind) says which of them is the fastest where. All are tested
//! against the plain loops of [`autoencoder_core::kernels`]. [`Fast`] computes integer layers.
//!
//! A product runs on the thread that calls it, so no result depends on the number of threads.

// Other processors lack these instructions, so products in bfloat16 do not run there.
#[cfg_attr(not(target_arch = "x86_64"), path = "absent.rs")]
mod avx512;

mod activations;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) mod adam;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unreachable_code, unused_variables))]
pub mod bf16;
mod f32;
mod gemm;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unreachable_code, unused_variables))]
pub mod int16;
mod int8;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod layout;
#[cfg(test)]
#[path = "../../tests/common/left_out.rs"]
pub(crate) mod left_out;
mod prefetch;
mod products;
mod sparse;
#[cfg(test)]
mod tests;
mod transpose;
mod vectorise;

pub use activations::activation_backward;
pub use bf16::Bf16;
pub use f32::F32;
pub use gemm::dense_rate;
pub use int8::Fast;
pub use int16::Int16;
pub(crate) use layout::STRIP;
pub(crate) use prefetch::prefetch;
pub use products::{PackedRows, Products, SHARD, ShardOperands};
pub use vectorise::{lanes, vectorise};
