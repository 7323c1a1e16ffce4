//! Autoencoders small enough to live, and to go on learning, inside a microcontroller.
//!
//! `no_std`, no heap, no `unsafe` but in one kernel and the square root on a Cortex-M4. The host trains with this crate,
//! the device infers and learns with it.
//!
//! # The law
//!
//! **A shape is a type where a network is written in code, and a value where a network is loaded. All memory is known before
//! anything runs.**
//!
//! - Parameters are `&self`; everything that a pass computes goes into the caller's memory.
//! - Of a network as a type, the gradient has the network's type; the gradients of its activations have the activations'
//!   type. A batch is a slice of rows. One sample is a batch of one: [`core::slice::from_ref`].
//! - A loaded network says what it needs: [`Network::memory_bytes`]. What is too small is refused with both numbers.
//! - Beneath both is one set of functions over slices, [`kernels`] and [`quant`]: the arithmetic exists once, on the host
//!   and on the device.
//!
//! # Reading order
//!
//! [`model`] names the networks; [`layer`] says what a network is; [`dense`] is the one layer they are made of,
//! its float forward and backward; [`quant`] is the same layer in integers; [`blob`] carries the weights; [`network`] runs
//! them where they lie; [`adapt`] teaches the integer layer on the device.
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
// A Cortex-M4 has two exceptions, with their reasons above them: `quant::dsp` and the square root in `optimizer`.
#![cfg_attr(not(dsp), forbid(unsafe_code))]

pub mod activation;
pub mod adapt;
pub mod autoencoder;
pub mod blob;
pub mod crc;
pub mod dense;
mod error;
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
