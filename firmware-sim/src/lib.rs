//! The application that runs on the microcontroller: commands in, responses out.
//!
//! `no_std`, no heap, no `unsafe`. Everything it needs is one [`App`], which a device keeps in a `static`:
//!
//! ```
//! use autoencoder_core::model::{Decoder, Encoder};
//! use firmware_sim::{App, Command, Error, Request, frame};
//!
//! let mut app = App::<Encoder, Decoder>::new();
//! app.load(&[]); // no weights: it boots all the same, and says so
//!
//! let mut buffer = [0; 64];
//! let request = Request { sequence: 1, command: Command::Info };
//! let response = frame::write(&request, &mut buffer)?.iter().find_map(|byte| app.push(*byte).map(<[u8]>::to_vec));
//! assert!(response.is_some());
//! # Ok::<(), Error>(())
//! ```
//!
//! # Reading order
//!
//! [`codec`] runs the network over static activations; [`message`] is what host and device say to each other;
//! [`frame`] carries it over a line that may lose or change bytes; [`app`] puts the three together.
//! [`learn`] is what it has more of when it learns; [`store`] keeps what was learned in flash; [`flash`] is memory that
//! behaves as one. [`whole`] is another application: it trains a small network whole, by the steps of [`training`].
#![no_std]
#![forbid(unsafe_code)]

pub mod app;
pub mod codec;
mod error;
pub mod flash;
pub mod frame;
pub mod learn;
pub mod message;
pub mod monitor;
pub mod parity;
pub mod store;
pub mod training;
pub mod whole;

pub use app::{App, Board};
pub use codec::Codec;
pub use error::Error;
pub use learn::{Frozen, Learner};
pub use message::{Command, Info, Reply, Request, Response};
