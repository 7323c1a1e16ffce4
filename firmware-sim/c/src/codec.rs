//! The network alone.
#![allow(unsafe_code)] // functions for C, with pointers of C

use crate::AeStatus;
use crate::memory::{copy, object, open, put, read};
use crate::status::status;
use autoencoder_device::learn::Learn;
use autoencoder_device::{Codec, Frozen};
use core::ffi::c_void;
use core::mem::MaybeUninit;

/// Length of an `ae_codec`, in words.
pub const AE_CODEC_WORDS: usize = 48;

/// Encodes and decodes rows, and scores them. Its contents belong to the library.
#[repr(C)]
pub struct AeCodec {
    words: [usize; AE_CODEC_WORDS],
}

pub(crate) type Value = Codec<'static, 'static, Frozen>;

/// Opens the network of a blob. The blob stays where it is, and `memory` belongs to the codec from then on.
///
/// `memory` has `ae_info.codec_memory` bytes or more. Errors: those of `ae_blob_info`, and `AE_STATUS_MEMORY`. A codec takes rows, so
/// it does not check how the blob describes samples.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_codec_open(
    codec: *mut AeCodec,
    blob: *const u8,
    blob_bytes: usize,
    memory: *mut c_void,
    memory_bytes: usize,
) -> AeStatus {
    status(|| {
        let make = |blob: &'static [u8], memory: &'static mut [u8], place: &mut MaybeUninit<Value>| {
            let value = place.write(Codec::new(memory, Frozen));
            value.load(blob);
            value.network()?;
            Ok(())
        };
        // SAFETY: the promise of the caller, for as long as the codec is used, and `make` writes the value.
        unsafe { open(codec, (blob, blob_bytes), (memory, memory_bytes), make) }
    })
}

/// Encodes a row: `row` has `ae_info.row_bytes`, and `ae_info.code_bytes` are written to `code`, which has room for `code_room`.
///
/// Errors: `AE_STATUS_LENGTH`, `AE_STATUS_ROOM`, `AE_STATUS_ABSENT` without an encoder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_codec_encode(
    codec: *mut AeCodec,
    row: *const u8,
    row_bytes: usize,
    code: *mut u8,
    code_room: usize,
) -> AeStatus {
    // SAFETY: the promise of the caller.
    status(|| unsafe { encode(object::<_, Value>(codec)?, row, row_bytes, code, code_room) })
}

/// Decodes a code: `code` has `ae_info.code_bytes`, and `ae_info.row_bytes` are written to `row`, which has room for `row_room`.
///
/// Errors: `AE_STATUS_LENGTH`, `AE_STATUS_ROOM`, `AE_STATUS_ABSENT` without a decoder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_codec_decode(
    codec: *mut AeCodec,
    code: *const u8,
    code_bytes: usize,
    row: *mut u8,
    row_room: usize,
) -> AeStatus {
    // SAFETY: the promise of the caller.
    status(|| unsafe { decode(object::<_, Value>(codec)?, code, code_bytes, row, row_room) })
}

/// Scores a row: the sum over its elements of the squared difference from its reconstruction, in units of 1.
///
/// Errors: `AE_STATUS_LENGTH`, `AE_STATUS_ABSENT` unless there are encoder and decoder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_codec_score(
    codec: *mut AeCodec,
    row: *const u8,
    row_bytes: usize,
    score: *mut u32,
) -> AeStatus {
    // SAFETY: the promise of the caller.
    status(|| unsafe { put(score, object::<_, Value>(codec)?.score(read(row, row_bytes)?)?) })
}

/// # Safety
///
/// The pointers are null or point to this many bytes.
pub(crate) unsafe fn encode<L: Learn>(
    codec: &mut Codec<'_, '_, L>,
    row: *const u8,
    row_bytes: usize,
    code: *mut u8,
    code_room: usize,
) -> Result<(), AeStatus> {
    // SAFETY: the promise of the caller. The row is no longer used when the code is written, so they may overlap.
    unsafe { copy(codec.encode(read(row, row_bytes)?)?, code, code_room) }
}

/// # Safety
///
/// The pointers are null or point to this many bytes.
pub(crate) unsafe fn decode<L: Learn>(
    codec: &mut Codec<'_, '_, L>,
    code: *const u8,
    code_bytes: usize,
    row: *mut u8,
    row_room: usize,
) -> Result<(), AeStatus> {
    // SAFETY: the promise of the caller. The code is no longer used when the row is written, so they may overlap.
    unsafe { copy(codec.decode(read(code, code_bytes)?)?, row, row_room) }
}
