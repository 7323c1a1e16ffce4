#![doc = include_str!("../README.md")]
//!
//! # The law
//!
//! **A shape is a type where a network is written in code, and a value where a network is loaded. The memory that a
//! network needs is known before it runs.**
//!
//! - A pass borrows the parameters as `&self` and writes everything that it computes to the caller's memory.
//! - If a network is a type, its gradient has the same type, and the gradients of its activations have the type of the
//!   activations. A batch is a slice of rows. A single row is a batch of one: [`core::slice::from_ref`].
//! - A loaded network knows its needs: [`Network::memory_bytes`]. If the memory is too small, the error has both numbers.
//! - Both forms use one set of functions over slices, [`kernels`] and [`quant`]: the arithmetic exists once, for the host
//!   and for the device.
//!
//! # Reading order
//!
//! [`model`] names the networks. [`layer`] defines what a network is. [`dense`] is the only layer, with its forward and
//! backward pass in `f32`, and [`centre`] makes it learn fast. [`quant`] is the same layer in integers. [`blob`] stores
//! the weights, [`network`] runs them in place, and [`adapt`] lets the integer layer learn on the device.
//!
//! Layers whose sizes do not match do not compile:
//!
//! ```compile_fail
//! use autoencoder_core::{Dense, Layer, Sigmoid};
//! fn network(_: impl Layer) {}
//! fn of(net: (Dense<784, 256, Sigmoid>, Dense<128, 784, Sigmoid>)) { network(net) }
//! ```
//!
//! ```
//! use autoencoder_core::{Dense, Layer, Sigmoid};
//! fn network(_: impl Layer) {}
//! fn of(net: (Dense<784, 256, Sigmoid>, Dense<256, 784, Sigmoid>)) { network(net) }
//! ```
#![no_std]
// The exceptions, each with its reason above it: `quant::dsp` and the square root in `optimizer` on a Cortex-M4, and
// `quant::pairs` on processors without its DSP extension.
#![cfg_attr(not(any(dsp, pairs)), forbid(unsafe_code))]

pub mod activation;
pub mod adapt;
pub mod autoencoder;
pub mod blob;
pub mod centre;
pub mod crc;
pub mod dense;
mod error;
pub mod front_end;
pub mod init;
pub mod kernels;
pub mod layer;
pub mod loss;
pub mod model;
pub mod network;
pub mod optimizer;
pub mod quant;
pub mod topology;
// Shared with the messages of `autoencoder-device`, and no part of the interface.
#[doc(hidden)]
pub mod wire;

pub use activation::{Activation, Identity, Relu, Sigmoid};
pub use autoencoder::Autoencoder;
pub use dense::Dense;
pub use error::{Error, Resource};
pub use layer::{Backward, Layer, Parameters, Zeroed};
pub use network::Network;
pub use topology::{LayerSpec, Topology, TopologyError};
