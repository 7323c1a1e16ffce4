//! Firmware of your own around the detector: an accelerometer with three channels, windows of up to 256 samples.
//!
//! On a microcontroller, `blob` is its region of the flash, `samples` is the driver of the sensor, and the buffers are
//! statics. Nothing here allocates memory or panics.

use autoencoder_device::input::SamplerMemory;
use autoencoder_device::{Codec, Detector, Error, Frozen, Observation, Sampler};

/// Passes each observation to `report`. Errors: the reason why the blob cannot be used.
pub fn watch(
    blob: &[u8],
    samples: impl Iterator<Item = [i16; 3]>,
    mut report: impl FnMut(&Observation),
) -> Result<(), Error> {
    let mut activations = [0; 2048];
    let mut windows = SamplerMemory::<{ 3 * 256 + 256 }, 96>::new();
    let codec = Codec::new(&mut activations, Frozen);
    let mut detector = Detector::new(codec, Sampler::new(windows.buffers()));
    detector.load(blob);
    for sample in samples {
        if let Some(observation) = detector.push(&sample)? {
            report(&observation);
        }
    }
    Ok(())
}

/// Without a blob in its flash, the device says so.
fn main() {
    let still = std::iter::repeat_n([0, 0, 1000], 1000);
    let said = watch(&[0xff; 64], still, |observation| println!("drifted: {}", observation.drifted()));
    println!("{}", said.map_or_else(|error| error.to_string(), |()| "the sensor is silent".to_owned()));
}
