//! The image that counts the instructions of each layer. It answers `Encode` and `Decode` with counts instead of a row.
//! Each layer has two little-endian `u32`: for the whole layer, and for the part of it that prepares the inputs.
//!
//! The layers run as in the application's image.
#![no_std]
#![no_main]

#[path = "../fault.rs"]
mod fault;
#[path = "../panic.rs"]
mod panic;

use autoencoder_core::network::Half;
use autoencoder_core::quant::{Dense, Kernel, Native};
use autoencoder_core::topology::MAX_LAYERS;
use autoencoder_core::{Error as WeightsError, Network};
use autoencoder_device::frame::{self, Receiver, frame_bytes};
use autoencoder_device::input::Never;
use autoencoder_device::{Command, Error, Reply, Request, Response};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use device_image::capacity::{ACTIVATIONS, FRAME};
use device_image::{board, chip, entry, init, send};

/// The counts of each layer, and the number of layers.
static COUNTS: [[AtomicU32; 2]; MAX_LAYERS] = [const { [const { AtomicU32::new(0) }; 2] }; MAX_LAYERS];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The board's kernel, with counts.
struct Counted;

impl Kernel for Counted {
    fn scratch_bytes(inputs: usize) -> usize {
        Native::scratch_bytes(inputs)
    }

    fn dense(&self, layer: &Dense<'_>, x: &[u8], y: &mut [u8], scratch: &mut [u8]) {
        let begun = board::instructions();
        #[cfg(dsp)]
        Native {}.prepare(x, scratch);
        let prepared = board::instructions();
        Native {}.dense(layer, x, y, scratch);
        let done = board::instructions();
        let layer = COUNT.load(Relaxed);
        if let Some([whole, preparation]) = COUNTS.get(layer) {
            whole.store(done.wrapping_sub(prepared), Relaxed);
            preparation.store(prepared.wrapping_sub(begun), Relaxed);
            COUNT.store(layer + 1, Relaxed);
        }
    }
}

#[entry]
fn main() -> ! {
    static mut ACTIVATION_MEMORY: [u8; ACTIVATIONS] = [0; ACTIVATIONS];
    static mut RECEIVE: [u8; FRAME] = [0; FRAME];
    init();
    let mut receiver = Receiver::new(RECEIVE);
    let network = Network::open(chip::blob());
    loop {
        let mut answer = [0; 8 * MAX_LAYERS];
        let mut frame = [0; frame_bytes(8 * MAX_LAYERS)];
        let Some(request) = receiver.push(board::get()) else { continue };
        let (sequence, result) = match (request.map(Request::read), &network) {
            (Ok(Ok(Request { sequence, command })), Ok(network)) => {
                let counts = match command {
                    Command::Encode { row } => count(network, Half::Encoder, row, ACTIVATION_MEMORY, &mut answer),
                    Command::Decode { code, .. } => count(network, Half::Decoder, code, ACTIVATION_MEMORY, &mut answer),
                    _ => Err(Error::Malformed),
                };
                (sequence, counts.map(|counts| Reply::Code { identity: network.blob().crc(), code: counts }))
            }
            (Ok(Ok(Request { sequence, .. })), Err(error)) => (sequence, Err(Error::Weights(*error))),
            (Ok(Err((sequence, error))), _) => (sequence, Err(error)),
            (Err(error), _) => (0, Err(error)),
        };
        let response: Response<'_, Never> = Response { sequence, result };
        send(frame::write(&response, &mut frame).unwrap_or_default());
    }
}

/// Runs one half of the network and returns the counts of its layers.
#[inline(never)]
fn count<'a>(
    network: &Network<'_>,
    half: Half,
    row: &[u8],
    memory: &mut [u8],
    answer: &'a mut [u8; 8 * MAX_LAYERS],
) -> Result<&'a [u8], Error> {
    network.check_memory(memory.len())?;
    let x = match half {
        Half::Encoder => network.input_mut(memory),
        Half::Decoder => network.code_mut(memory),
    };
    if row.len() != x.len() {
        return Err(WeightsError::Length { expected: x.len() as u32, found: row.len() as u32 }.into());
    }
    x.copy_from_slice(row);
    COUNT.store(0, Relaxed);
    network.forward(&Counted, None, half, memory);
    let count = COUNT.load(Relaxed);
    for (bytes, value) in answer.as_chunks_mut::<4>().0.iter_mut().zip(COUNTS.iter().flatten()) {
        *bytes = value.load(Relaxed).to_le_bytes();
    }
    Ok(answer.get(..8 * count).unwrap_or_default())
}
