#![doc = include_str!("../README.md")]
//!
//! # The application
//!
//! Commands come in and responses go out. The application borrows its [`Buffers`], which a device keeps in a `static` as
//! [`Memory`]. Their lengths are its capacities. It accepts any network that fits, and refuses any other with the
//! number of bytes that are needed and the number of bytes available.
//!
//! ```
//! use autoencoder_device::{App, Command, Error, Frozen, Memory, Request, frame};
//!
//! let mut memory = Memory::<4096, 1024>::new();
//! let mut app = App::new(memory.buffers(), Frozen);
//! app.load(&[]); // no weights: it still boots, and answers with the reason
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
//! [`codec`] runs the network. [`input`] turns the samples of a sensor into its rows, and [`detector`] puts both and the
//! monitor together, for firmware of your own. [`message`] defines what host and device send each other, and [`frame`] carries it over
//! a line that may lose or change bytes. [`app`] is the detector at the end of that line. [`monitor`] detects that the sensor has
//! changed, [`learn`] adapts the network to it, and [`store`] keeps the learned parameters in flash. [`flash`] is RAM
//! that behaves like flash. [`tiny`] is a separate application that trains all parameters of a small network, with the
//! steps of [`training`]. [`parity`] compares training on two machines.
#![no_std]
#![forbid(unsafe_code)]

pub mod app;
pub mod codec;
pub mod detector;
mod error;
pub mod flash;
pub mod input;
pub mod learn;
pub mod monitor;
pub mod parity;
mod protocol;
mod score;
pub mod store;
pub mod tiny;
pub mod training;

pub use app::{App, Buffers, Memory, Probes};
pub use codec::Codec;
pub use detector::{Detector, Observation};
pub use error::Error;
pub use input::{RowsOnly, Sampler};
pub use learn::{Frozen, Learner};
pub use message::{Command, Info, Reply, Request, Response};
pub use protocol::{frame, message};
