//! Sends a command over the line and receives its response.
#![allow(dead_code, missing_docs)] // each test program uses a part of it

use autoencoder_device::frame::{self, frame_bytes};
use autoencoder_device::input::Input;
use autoencoder_device::learn::Learn;
use autoencoder_device::{App, Command, Error, Reply, Request, Response};

/// Sends one command and passes the result to `take`.
pub fn ask<'b, L: Learn, I: Input<'b>, R>(
    app: &mut App<'b, '_, L, I>,
    command: Command<'_>,
    take: impl FnOnce(Result<Reply<'_>, Error>) -> R,
) -> R {
    let request = frame::write(&Request { sequence: 1, command }, &mut [0; frame_bytes(1024)]).unwrap().to_vec();
    let mut answers: Vec<_> = request.iter().filter_map(|byte| app.push(*byte).map(<[u8]>::to_vec)).collect();
    assert_eq!(answers.len(), 1);
    take(Response::read(frame::read(&mut answers[0]).unwrap()).unwrap().result)
}
