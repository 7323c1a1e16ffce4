//! The reconstruction error of a network over a set of rows, in `f32` and in integers, and how well it detects anomalies.

pub mod baselines;
pub mod detection;
mod float;
mod integers;
mod mse;

pub use float::{errors, reconstruct};
pub use integers::{IntegerNetwork, integer_errors, integer_scores};
pub use mse::mean;
