//! Autoencoders small enough to live, and to go on learning, inside a microcontroller.
//!
//! `no_std`, no heap, no `unsafe` but for one kernel and the square root on a Cortex-M4. The host trains with this crate,
//! the device infers and learns with it.
//!
//! # The law
//!
//! **Shapes live in types, values live at run time.**
//!
//! - Parameters are `&self`; everything a pass computes goes into a buffer of the caller's.
//! - The gradient of a network has the network's type; the gradients of its activations have the activations' type.
//! - A batch is a slice of rows. One sample is a batch of one: [`core::slice::from_ref`].
//!
//! So there is one [`Layer::forward`] and one [`Backward::backward`], on the host and on the device, in `f32` and
//! (forward) in `u8`.
//!
//! # Reading order
//!
//! [`model`] names the networks; [`layer`] says what a network is; [`dense`] is the one layer they are made of,
//! its float forward and backward; [`quant`] is the same layer in integers; [`blob`] carries the weights; [`adapt`]
//! teaches the integer layer on the device.
//!
//! ```
//! use autoencoder_core::{Autoencoder, Backward, Dense, Layer, Parameters, Plain, Sigmoid, Zeroed, loss};
//!
//! // A topology is a type: 4 inputs, a code of 2, 4 outputs.
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
//!     net.forward(&Plain, &x, &mut acts);
//!     let (y, dy) = (Tiny::output(&acts, 1), Tiny::output_mut(&mut d, 1));
//!     errors.push(loss::squared_error(&y[0], &x[0], 1.0, &mut dy[0]));
//!     net.backward(&Plain, &x, &acts, &mut d, None, &mut gradient);
//!     for (w, g) in net.slices_mut().flatten().zip(gradient.slices().flatten()) {
//!         *w -= 0.5 * g;
//!     }
//! }
//! assert!(errors[99] < errors[0] / 10.0);
//! ```
//!
//! Layers that do not meet are no network:
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
// On a Cortex-M4 two are excepted, with their reasons above them: `quant::walk` and the square root in `optimizer`.
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
pub mod optimizer;
pub mod quant;

pub use activation::{Activation, Identity, Relu, Sigmoid};
pub use autoencoder::Autoencoder;
pub use dense::Dense;
pub use error::Error;
pub use kernels::{Kernels, Native, Plain};
pub use layer::{Backward, Layer, LayerSpec, Parameters, Zeroed};
