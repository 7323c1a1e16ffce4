//! The reconstruction error of a network over a set of rows, in `f32` and in integers, and how well it detects anomalies.

pub mod baselines;
mod float;
mod integers;
mod mse;

pub use autoencoder_io::detection;
pub use float::{errors, reconstruct};
pub use integers::{IntegerNetwork, integer_errors, integer_scores};
pub use mse::mean;
