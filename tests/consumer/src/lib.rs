//! Firmware of a user: a codec, and a device that learns what its flash keeps.
#![no_std]

use autoencoder_core::Network;
use autoencoder_core::adapt::{LearningMemory, Moments, gradients};
use autoencoder_core::quant::ChannelParams;
use autoencoder_device::learn::{Begin, Judgement, LearnerBuffers, Method};
use autoencoder_device::{App, Buffers, Codec, Detector, Error, Frozen, Learner, RowsOnly};
use embedded_storage::nor_flash::NorFlash;

/// Encodes a row and decodes it again, with the network of `blob`. Returns the score.
pub fn reconstruct(blob: &[u8], row: &[u8], reconstruction: &mut [u8]) -> Result<u32, Error> {
    let (mut memory, mut code) = ([0; 4096], [0; 256]);
    let mut codec = Codec::new(&mut memory, Frozen);
    codec.load(blob);
    let packed = codec.encode(row)?;
    let code = &mut code[..packed.len()];
    code.copy_from_slice(packed);
    reconstruction.copy_from_slice(codec.decode(code)?);
    codec.score(row)
}

/// The memory of [`learn`].
pub struct Memory {
    activations: [u8; 1024],
    channels: [ChannelParams; 128],
    moments: [[Moments; 2]; 128],
    gradients: [f32; 64],
    held_out: [u8; 8 * 64],
}

impl Memory {
    /// All zeros.
    pub const fn new() -> Self {
        let moment = Moments { m: 0.0, v: 0.0 };
        Self {
            activations: [0; 1024],
            channels: [ChannelParams { bias: 0, multiplier: 0 }; 128],
            moments: [[moment; 2]; 128],
            gradients: [0.0; 64],
            held_out: [0; 8 * 64],
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// Learns from rows, and keeps in `flash` what helps.
pub fn learn<'a>(
    blob: &[u8],
    memory: &mut Memory,
    flash: impl NorFlash,
    rows: impl ExactSizeIterator<Item = &'a [u8]>,
) -> Result<Judgement, Error> {
    let Memory { activations, channels, moments, gradients, held_out } = memory;
    let learning = LearningMemory { channels, moments, gradients };
    let learner = Learner::new(LearnerBuffers { learning, held_out, stored: &mut [] });
    let mut detector = Detector::new(Codec::new(activations, learner), RowsOnly);
    detector.load(blob);
    detector.attach_flash(flash);
    let (method, count) = (Method::Adam, rows.len() as u32);
    detector.begin(Begin { method, rate: method.rate(), batch: 1, rows: count, passes: 1, forced: false })?;
    for row in rows {
        detector.learn_row(row)?;
    }
    detector.end()
}

/// What learning needs of a network: its channels, and the gradients between its layers.
pub fn needs(blob: &[u8]) -> Result<[usize; 2], Error> {
    let network = Network::open(blob)?;
    Ok([network.channels(), gradients(network.topology())])
}

/// The application at the end of a serial line.
pub fn serve<'m>(blob: &'m [u8], buffers: Buffers<'m>) -> App<'m, 'm, Frozen> {
    let mut app = App::new(buffers, Frozen);
    app.load(blob);
    app
}
