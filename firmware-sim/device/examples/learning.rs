//! Firmware of your own around a detector that learns: what its accelerometer shows during a run becomes normal, and stays
//! so when the power is cut.
//!
//! On a microcontroller, `flash` is the driver of two slots of its flash, and the buffers are statics. Nothing here
//! allocates memory or panics.

use autoencoder_device::flash::Nor;
use autoencoder_device::input::SamplerMemory;
use autoencoder_device::learn::{Begin, HELD_OUT, Judgement, LearnerMemory, Method};
use autoencoder_device::{Codec, Detector, Error, Learner, Sampler};
use embedded_storage::nor_flash::NorFlash;

/// Inputs of the largest network: 32 samples of three channels.
const ROW: usize = 96;
/// Windows to learn from.
const WINDOWS: u32 = 200;

/// Continues with what was learned before, learns from the next samples, and keeps the result if it helps. Errors: the
/// reason why the blob cannot be used.
pub fn settle<const CHANNELS: usize>(
    blob: &[u8],
    flash: impl NorFlash,
    samples: impl IntoIterator<Item = [i16; CHANNELS]>,
) -> Result<Judgement, Error> {
    let mut activations = [0; 2048];
    let mut windows = SamplerMemory::<{ 3 * 256 + 256 }, ROW>::new();
    let mut memory = LearnerMemory::<256, 128, { HELD_OUT * ROW }, { 64 * ROW }>::new();
    let codec = Codec::new(&mut activations, Learner::new(memory.buffers()));
    let mut detector = Detector::new(codec, Sampler::new(windows.buffers()));
    detector.load(blob);
    detector.attach_flash(flash);

    let (method, rows) = (Method::Adam, WINDOWS - HELD_OUT as u32);
    detector.begin(Begin { method, rate: method.rate(), batch: 1, rows, passes: 2, forced: false })?;
    let (mut samples, mut learned) = (samples.into_iter(), 0);
    while let Some(sample) = samples.next().filter(|_| learned < WINDOWS) {
        if detector.learn(&sample)?.is_some() {
            learned += 1;
        }
    }
    while detector.repeat()? > 0 {} // the windows that there is room for, again
    detector.end()
}

/// Without a blob in its flash, the device says so.
fn main() {
    let flash = Nor::<Vec<u8>>::new(vec![0xff; 8192]);
    let still = std::iter::repeat_n([0, 0, 1000], 1000);
    let said = settle(&[0xff; 64], flash, still);
    println!("{}", said.map_or_else(|error| error.to_string(), |judgement| format!("{:?}", judgement.kept)));
}
