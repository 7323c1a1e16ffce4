//! The codec and detector that learns, and keeps in a flash what it learned.
#![allow(unsafe_code)] // functions for C, with pointers of C

use crate::blob::Needs;
use crate::codec::{decode, encode};
use crate::flash::Callbacks;
use crate::memory::{check, object, open, put, read, reference, take};
use crate::observation::push;
use crate::run::{AeJudgement, AeLearned, AeLearning, AeRun};
use crate::status::status;
use crate::{AeFlash, AeObservation, AeStatus};
use autoencoder_core::adapt::LearningMemory;
use autoencoder_device::input::{Sampler, SamplerBuffers};
use autoencoder_device::learn::LearnerBuffers;
use autoencoder_device::{Codec, Detector, Learner};
use core::ffi::c_void;
use core::mem::MaybeUninit;

/// Length of an `ae_learner`, in words.
pub const AE_LEARNER_WORDS: usize = 192;

/// Does what a codec and a detector do, with parameters that it learns. Its contents belong to the library.
#[repr(C)]
pub struct AeLearner {
    words: [usize; AE_LEARNER_WORDS],
}

pub(crate) type Value = Detector<'static, 'static, Learner<'static, Callbacks>>;

/// Opens the network of a blob, with what the flash holds for it. The blob stays where it is. `memory` belongs to the learner from
/// then on, and so does what the flash's context points to. The struct `flash` is copied.
///
/// `memory` has `ae_info.learner_memory` bytes or more. Errors: those of `ae_blob_info`, `AE_STATUS_MEMORY`, `AE_STATUS_ARGUMENT` for
/// pages that are not allowed, `AE_STATUS_FLASH_SMALL`, `AE_STATUS_FLASH_FAILED`, `AE_STATUS_FLASH_VERIFY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_open(
    learner: *mut AeLearner,
    blob: *const u8,
    blob_bytes: usize,
    memory: *mut c_void,
    memory_bytes: usize,
    flash: *const AeFlash,
) -> AeStatus {
    status(|| {
        let make = |blob: &'static [u8], memory: &'static mut [u8], place: &mut MaybeUninit<Value>| {
            // SAFETY: the promise of the caller.
            let flash = unsafe { Callbacks::new(*reference(flash)?) }?;
            let value = place.write(learner_of(&Needs::of_blob(blob)?, memory)?);
            value.load(blob);
            value.codec().network()?;
            value.attach_flash(flash);
            AeLearning::of(value.status()?)?;
            Ok(())
        };
        // SAFETY: the promise of the caller, for as long as the learner is used, and `make` writes the value.
        unsafe { open(learner, (blob, blob_bytes), (memory, memory_bytes), make) }
    })
}

/// A learner without a network, with the parts of its memory that are needed.
fn learner_of(needs: &Needs, memory: &'static mut [u8]) -> Result<Value, AeStatus> {
    let (numbers, memory) = take(memory, needs.numbers)?;
    let (channels, memory) = take(memory, needs.channels)?;
    let (moments, memory) = take(memory, needs.channels)?;
    let (gradients, memory) = take(memory, needs.gradients)?;
    let (row, memory) = take(memory, needs.window_row)?;
    let (held_out, memory) = take(memory, needs.held_out)?;
    let (activations, stored) = take(memory, needs.activations)?;
    let learning = LearningMemory { channels, moments, gradients };
    let learner = Learner::new(LearnerBuffers { learning, held_out, stored });
    Ok(Detector::new(Codec::new(activations, learner), Sampler::new(SamplerBuffers { numbers, row })))
}

/// Encodes a row, as `ae_codec_encode` does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_encode(
    learner: *mut AeLearner,
    row: *const u8,
    row_bytes: usize,
    code: *mut u8,
    code_room: usize,
) -> AeStatus {
    // SAFETY: the promise of the caller.
    status(|| unsafe { encode(object::<_, Value>(learner)?.codec(), row, row_bytes, code, code_room) })
}

/// Decodes a code, as `ae_codec_decode` does. A code is for the parameters that encoded it: learning changes them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_decode(
    learner: *mut AeLearner,
    code: *const u8,
    code_bytes: usize,
    row: *mut u8,
    row_room: usize,
) -> AeStatus {
    // SAFETY: the promise of the caller.
    status(|| unsafe { decode(object::<_, Value>(learner)?.codec(), code, code_bytes, row, row_room) })
}

/// Scores a row, as `ae_codec_score` does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_score(
    learner: *mut AeLearner,
    row: *const u8,
    row_bytes: usize,
    score: *mut u32,
) -> AeStatus {
    // SAFETY: the promise of the caller.
    status(|| unsafe { put(score, object::<_, Value>(learner)?.codec().score(read(row, row_bytes)?)?) })
}

/// Takes the next sample of a stream, as `ae_detector_push` does. Errors: those, and `AE_STATUS_NO_SAMPLES`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_push(
    learner: *mut AeLearner,
    sample: *const f32,
    numbers: usize,
    observation: *mut AeObservation,
) -> AeStatus {
    // SAFETY: the promise of the caller.
    status(|| unsafe { push(object::<_, Value>(learner)?, sample, numbers, observation) })
}

/// Begins a new recording with the next sample, as `ae_detector_restart` does. Errors: `AE_STATUS_NO_SAMPLES`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_restart(learner: *mut AeLearner) -> AeStatus {
    status(|| {
        // SAFETY: the promise of the caller.
        unsafe { object::<_, Value>(learner) }?.restart()?;
        Ok(())
    })
}

/// Begins a run of learning. A run in progress is discarded.
///
/// Errors: `AE_STATUS_ARGUMENT` for a method or a batch that is not allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_begin(learner: *mut AeLearner, run: *const AeRun) -> AeStatus {
    status(|| {
        // SAFETY: the promise of the caller.
        let (learner, run) = unsafe { (object::<_, Value>(learner)?, *reference(run)?) };
        learner.begin(run.begin()?)?;
        Ok(())
    })
}

/// Gives the run its next row, of `ae_info.row_bytes`.
///
/// Errors: `AE_STATUS_NOT_LEARNING`, `AE_STATUS_LENGTH`, `AE_STATUS_ABSENT` unless there are encoder and decoder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_learn_row(
    learner: *mut AeLearner,
    row: *const u8,
    row_bytes: usize,
    learned: *mut AeLearned,
) -> AeStatus {
    status(|| {
        check(learned)?; // a step cannot be undone
        // SAFETY: the promise of the caller.
        let (learner, row) = unsafe { (object::<_, Value>(learner)?, read(row, row_bytes)?) };
        let done = learner.learn_row(row)?;
        // SAFETY: the promise of the caller.
        unsafe { put(learned, AeLearned::of(Some(done))) }
    })
}

/// Gives the run its next sample, of `ae_info.channels` numbers. If it completes a window, the run gets its row. Without a run, the
/// sample is not taken.
///
/// Errors: those of `ae_learner_learn_row`, and `AE_STATUS_NO_SAMPLES`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_learn_sample(
    learner: *mut AeLearner,
    sample: *const f32,
    numbers: usize,
    learned: *mut AeLearned,
) -> AeStatus {
    status(|| {
        check(learned)?; // a sample that was taken cannot be given back
        // SAFETY: the promise of the caller.
        let (learner, sample) = unsafe { (object::<_, Value>(learner)?, read(sample, numbers)?) };
        let done = learner.learn(sample)?;
        // SAFETY: the promise of the caller.
        unsafe { put(learned, AeLearned::of(done)) }
    })
}

/// Takes the next step of the further passes of a run over windows, and says how many steps are left then. To be called until none
/// is, between the last window and `ae_learner_end`.
///
/// Errors: `AE_STATUS_NOT_LEARNING`, `AE_STATUS_NO_SAMPLES`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_repeat(learner: *mut AeLearner, left: *mut u32) -> AeStatus {
    status(|| {
        check(left)?;
        // SAFETY: the promise of the caller.
        unsafe { put(left, object::<_, Value>(learner)?.repeat()?) }
    })
}

/// Ends the run: writes to the flash what helps, and undoes the rest.
///
/// Errors: `AE_STATUS_NOT_LEARNING`; `AE_STATUS_FLASH_FAILED` and `AE_STATUS_FLASH_VERIFY`, after which the run is undone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_end(learner: *mut AeLearner, judgement: *mut AeJudgement) -> AeStatus {
    status(|| {
        check(judgement)?;
        // SAFETY: the promise of the caller.
        unsafe { put(judgement, object::<_, Value>(learner)?.end()?.into()) }
    })
}

/// Discards what was learned, in memory and in the flash.
///
/// Errors: `AE_STATUS_FLASH_FAILED`, `AE_STATUS_FLASH_VERIFY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_reset(learner: *mut AeLearner) -> AeStatus {
    status(|| {
        // SAFETY: the promise of the caller.
        unsafe { object::<_, Value>(learner) }?.reset()?;
        Ok(())
    })
}

/// The state of learning and of the flash.
///
/// Errors: `AE_STATUS_FLASH_FAILED` and `AE_STATUS_FLASH_VERIFY` if the flash could not be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_learner_state(learner: *mut AeLearner, state: *mut AeLearning) -> AeStatus {
    status(|| {
        // SAFETY: the promise of the caller.
        unsafe { put(state, AeLearning::of(object::<_, Value>(learner)?.status()?)?) }
    })
}
