//! The detector that does not learn.
#![allow(unsafe_code)] // functions for C, with pointers of C

use crate::blob::Needs;
use crate::memory::{object, open, take};
use crate::observation::push;
use crate::status::status;
use crate::{AeObservation, AeStatus};
use autoencoder_device::input::{Sampler, SamplerBuffers};
use autoencoder_device::{Codec, Detector, Frozen};
use core::ffi::c_void;
use core::mem::MaybeUninit;

/// Length of an `ae_detector`, in words.
pub const AE_DETECTOR_WORDS: usize = 72;

/// Turns the samples of a sensor into windows and observes them. Its contents belong to the library.
#[repr(C)]
pub struct AeDetector {
    words: [usize; AE_DETECTOR_WORDS],
}

pub(crate) type Value = Detector<'static, 'static, Frozen>;

/// Opens the network of a blob. The blob stays where it is, and `memory` belongs to the detector from then on.
///
/// `memory` has `ae_info.detector_memory` bytes or more. Errors: those of `ae_blob_info`, `AE_STATUS_MEMORY`, and
/// `AE_STATUS_NO_SAMPLES` if the network takes rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_detector_open(
    detector: *mut AeDetector,
    blob: *const u8,
    blob_bytes: usize,
    memory: *mut c_void,
    memory_bytes: usize,
) -> AeStatus {
    status(|| {
        let make = |blob: &'static [u8], memory: &'static mut [u8], place: &mut MaybeUninit<Value>| {
            let value = place.write(detector_of(&Needs::of_blob(blob)?, memory)?);
            value.load(blob);
            value.spec()?;
            Ok(())
        };
        // SAFETY: the promise of the caller, for as long as the detector is used, and `make` writes the value.
        unsafe { open(detector, (blob, blob_bytes), (memory, memory_bytes), make) }
    })
}

/// A detector without a network, with the parts of its memory that are needed.
fn detector_of(needs: &Needs, memory: &'static mut [u8]) -> Result<Value, AeStatus> {
    let (numbers, memory) = take(memory, needs.numbers)?;
    let (row, activations) = take(memory, needs.window_row)?;
    Ok(Detector::new(Codec::new(activations, Frozen), Sampler::new(SamplerBuffers { numbers, row })))
}

/// Takes the next sample, `ae_info.channels` numbers in the sensor's own unit, oldest first. `observation` says whether it completes
/// a window, and what is found in it.
///
/// Errors: `AE_STATUS_LENGTH`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_detector_push(
    detector: *mut AeDetector,
    sample: *const f32,
    numbers: usize,
    observation: *mut AeObservation,
) -> AeStatus {
    // SAFETY: the promise of the caller.
    status(|| unsafe { push(object::<_, Value>(detector)?, sample, numbers, observation) })
}

/// Begins a new recording with the next sample, because it does not follow the one before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_detector_restart(detector: *mut AeDetector) -> AeStatus {
    status(|| {
        // SAFETY: the promise of the caller.
        unsafe { object::<_, Value>(detector) }?.restart()?;
        Ok(())
    })
}
