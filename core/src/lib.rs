//! Autoencoders that are small enough to run, and to keep learning, on a microcontroller.
//!
//! The host trains with this crate; the device infers and learns with it. It is `no_std` and uses no heap. Only a
//! Cortex-M with the DSP extension compiles `unsafe`: one kernel and the square root.
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
//! ```
//! use autoencoder_core::{Autoencoder, Backward, Dense, Layer, Parameters, Sigmoid, Zeroed, loss};
//!
//! // 4 inputs, a code of 2, 4 outputs.
//! type Tiny = Autoencoder<Dense<4, 2, Sigmoid>, Dense<2, 4, Sigmoid>>;
//!
//! let (mut net, mut gradient) = (Tiny::ZERO, Tiny::ZERO);
//! for (i, w) in net.slices_mut().flatten().enumerate() {
//!     *w = (i as f32).sin();
//! }
//! let x = [[0.1, 0.9, 0.2, 0.8]];
//! let mut acts = <Tiny as Layer>::Acts::<1>::ZERO;
//! let mut d = <Tiny as Layer>::Acts::<1>::ZERO;
//! let mut errors = Vec::new();
//! for _ in 0..100 {
//!     net.forward(&x, &mut acts);
//!     let (y, dy) = (Tiny::output(&acts, 1), Tiny::output_mut(&mut d, 1));
//!     errors.push(loss::squared_error(&y[0], &x[0], 1.0, &mut dy[0]));
//!     net.backward(&x, &acts, &mut d, None, &mut gradient);
//!     for (w, g) in net.slices_mut().flatten().zip(gradient.slices().flatten()) {
//!         *w -= 0.5 * g;
//!     }
//! }
//! assert!(errors[99] < errors[0] / 10.0);
//! ```
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
// The two exceptions on a Cortex-M4, each with its reason above it: `quant::dsp` and the square root in `optimizer`.
#![cfg_attr(not(dsp), forbid(unsafe_code))]

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
pub mod wire;

pub use activation::{Activation, Identity, Relu, Sigmoid};
pub use autoencoder::Autoencoder;
pub use dense::Dense;
pub use error::{Error, Resource};
pub use layer::{Backward, Layer, Parameters, Zeroed};
pub use network::Network;
pub use topology::{LayerSpec, Topology, TopologyError};
