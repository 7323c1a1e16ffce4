//! The image that says what each layer takes: `Encode` and `Decode` are answered by instructions in place of a row, two
//! little-endian `u32` for each layer: those of the whole layer, and those of preparing its inputs, which are a part of
//! it.
//!
//! The layers run as they do in the application's image.
#![no_std]
#![no_main]

#[path = "../fault.rs"]
mod fault;
#[path = "../panic.rs"]
mod panic;

use autoencoder_core::blob::{Blob, Stored};
use autoencoder_core::layer::Row;
use autoencoder_core::quant::Dense;
use autoencoder_core::{Activation, Autoencoder, Error as WeightsError, Kernels, Layer, Native, Zeroed};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use cortex_m_image::{Decoder, Encoder, board, chip, init, send};
use cortex_m_rt::entry;
use firmware_sim::frame::{self, Receiver, frame_bytes};
use firmware_sim::{Command, Error, Reply, Request, Response};

/// Far more than any topology has.
const LAYERS: usize = 16;
/// What each layer took, and how many there were.
static COUNTS: [[AtomicU32; 2]; LAYERS] = [const { [const { AtomicU32::new(0) }; 2] }; LAYERS];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The board's kernels, counted.
struct Counted;

impl Kernels for Counted {
    fn dense_int8<const I: usize, const O: usize, A: Activation>(
        &self,
        layer: &Dense<'_, I, O, A>,
        x: &[u8; I],
        y: &mut [u8; O],
    ) {
        let begun = board::instructions();
        #[cfg(dsp)]
        Native {}.prepare(x);
        let prepared = board::instructions();
        run(layer, x, y);
        let done = board::instructions();
        let layer = COUNT.load(Relaxed);
        if let Some([whole, preparation]) = COUNTS.get(layer) {
            whole.store(done.wrapping_sub(prepared), Relaxed);
            preparation.store(prepared.wrapping_sub(begun), Relaxed);
            COUNT.store(layer + 1, Relaxed);
        }
    }
}

/// The layer itself, in a frame of its own: its scratch and that of the preparation need not be there at once.
#[inline(never)]
fn run<const I: usize, const O: usize, A: Activation>(layer: &Dense<'_, I, O, A>, x: &[u8; I], y: &mut [u8; O]) {
    Native {}.dense_int8(layer, x, y);
}

type Int8Of<H> = <H as Stored>::Int8<'static>;
type Net = Autoencoder<Int8Of<Encoder>, Int8Of<Decoder>>;

#[entry]
fn main() -> ! {
    static mut RECEIVER: Receiver<{ frame_bytes(784) }> = Receiver::new();
    static mut ENCODER: <Encoder as Stored>::Acts8 = Zeroed::ZERO;
    static mut DECODER: <Decoder as Stored>::Acts8 = Zeroed::ZERO;
    init();
    let blob = Blob::open(chip::blob());
    let weights = blob.as_ref().map_or(0, Blob::crc);
    let net: Result<Net, WeightsError> = blob.and_then(|blob| blob.int8::<Encoder, Decoder>());
    loop {
        let mut answer = [0; 8 * LAYERS];
        let mut frame = [0; frame_bytes(8 * LAYERS)];
        let Some(request) = RECEIVER.push(board::get()) else { continue };
        let (sequence, result) = match (request.map(Request::read), &net) {
            (Ok(Ok(Request { sequence, command })), Ok(net)) => {
                let counts = match command {
                    Command::Encode { image } => {
                        let x = Int8Of::<Decoder>::output_mut::<1>(DECODER, 1); // as in the application
                        counts(&net.encoder, image, x, ENCODER, &mut answer)
                    }
                    Command::Decode { code, .. } => {
                        let x = Int8Of::<Encoder>::output_mut::<1>(ENCODER, 1);
                        counts(&net.decoder, code, x, DECODER, &mut answer)
                    }
                    _ => Err(Error::Malformed),
                };
                (sequence, counts.map(|counts| Reply::Code { weights, code: counts }))
            }
            (Ok(Ok(Request { sequence, .. })), Err(error)) => (sequence, Err(Error::Weights(*error))),
            (Ok(Err((sequence, error))), _) => (sequence, Err(error)),
            (Err(error), _) => (0, Err(error)),
        };
        send(frame::write(&Response { sequence, result }, &mut frame).unwrap_or_default());
    }
}

/// Runs a half of the network and returns what its layers took.
#[inline(never)]
fn counts<'a, L: Layer<In: Row<Element = u8>>>(
    net: &L,
    row: &[u8],
    x: &mut [L::In],
    acts: &mut L::Acts<1>,
    answer: &'a mut [u8; 8 * LAYERS],
) -> Result<&'a [u8], Error> {
    for x in &mut *x {
        if row.len() != L::In::LEN {
            return Err(Error::Malformed);
        }
        x.elements_mut().copy_from_slice(row);
    }
    COUNT.store(0, Relaxed);
    net.forward::<1>(&Counted, x, acts);
    let count = COUNT.load(Relaxed);
    for (bytes, value) in answer.as_chunks_mut::<4>().0.iter_mut().zip(COUNTS.iter().flatten()) {
        *bytes = value.load(Relaxed).to_le_bytes();
    }
    Ok(answer.get(..8 * count).unwrap_or_default())
}
