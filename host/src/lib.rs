//! Trains autoencoders on the host and writes the weights blob that a microcontroller loads.
//!
//! [`train`] makes a network from the rows of a [`data`] source, [`export`] its blob, [`evaluate`] measures both.

mod aligned;
pub mod data;
pub mod detector;
pub mod evaluate;
pub mod export;
pub mod kernels;
pub mod network;
pub mod profile;
pub mod report;
mod sums;
pub mod train;
pub mod weights;

pub use network::FloatNetwork;
