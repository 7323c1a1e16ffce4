//! Trains autoencoders on the host and writes the weights blob that a microcontroller loads.

pub mod aware;
pub mod baselines;
// Elsewhere there are no such instructions, and nothing of this can run.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unreachable_code, unused_variables))]
pub mod bfloat16;
pub mod blob_file;
pub mod calibrate;
pub mod centre;
pub mod checkpoint;
pub mod data;
pub mod evaluate;
pub mod files;
pub mod gemm;
pub mod idx;
#[cfg(target_arch = "x86_64")]
mod int8;
pub mod picture;
pub mod profile;
pub mod program;
pub mod quantise;
pub mod recipe;
pub mod report;
mod sparse;
mod together;
pub mod trainer;
mod transpose;
mod update;
