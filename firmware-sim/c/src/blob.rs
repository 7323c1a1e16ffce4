//! What a program has to know of a blob.
#![allow(unsafe_code)] // a function for C, with pointers of C

use crate::AeStatus;
use crate::memory::{put, read};
use crate::status::status;
use autoencoder_core::Network;
use autoencoder_core::adapt::gradients;
use autoencoder_core::front_end::Spec;
use autoencoder_device::Error;
use autoencoder_device::input::{section, window_bytes};
use autoencoder_device::learn::{HELD_OUT, learning_bytes, record_bytes};
use autoencoder_device::store::slot_bytes;

/// The sizes of a network, in bytes unless said otherwise.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AeInfo {
    /// Length of the blob: at most that of the array.
    pub blob_bytes: u32,
    /// CRC-32 of the blob: the identity of these weights.
    pub weights: u32,
    /// A row: one byte for each input, 0 to 255.
    pub row_bytes: u32,
    /// A code: its elements, packed.
    pub code_bytes: u32,
    /// Numbers of a sample; 0 if the network takes rows alone.
    pub channels: u32,
    /// Samples of a window.
    pub window: u32,
    /// Samples from the start of one window to the start of the next.
    pub hop: u32,
    /// The memory of an `ae_codec`.
    pub codec_memory: u32,
    /// The memory of an `ae_detector`; 0 if the network takes rows alone.
    pub detector_memory: u32,
    /// The least memory of an `ae_learner`. What it has beyond that holds rows for further passes.
    pub learner_memory: u32,
    /// A record of what was learned. The flash has two slots, each at least as long, in whole pages.
    pub record_bytes: u32,
}

/// The memory of the objects, part by part.
pub(crate) struct Needs {
    /// Bytes of activations and of the kernel's scratch.
    pub(crate) activations: usize,
    /// Numbers of a window and of its front end.
    pub(crate) numbers: usize,
    /// Bytes of the row of a window.
    pub(crate) window_row: usize,
    /// Channels that learn.
    pub(crate) channels: usize,
    /// Gradients between layers.
    pub(crate) gradients: usize,
    /// Bytes of the held-out rows.
    pub(crate) held_out: usize,
}

impl Needs {
    /// The needs of the network of a blob.
    #[inline(never)] // keeps the network out of the caller's stack
    pub(crate) fn of_blob(blob: &[u8]) -> Result<Self, AeStatus> {
        let network = Network::open(blob)?;
        let spec = spec(&network)?;
        Ok(Self {
            activations: network.memory_bytes(),
            numbers: spec.map_or(0, |spec| spec.samples() + spec.scratch()),
            window_row: spec.map_or(0, |spec| spec.inputs()),
            channels: network.channels(),
            gradients: gradients(network.topology()),
            held_out: HELD_OUT * network.topology().row(),
        })
    }
}

/// The shape of a network's samples, if it takes any.
fn spec(network: &Network<'_>) -> Result<Option<Spec>, AeStatus> {
    match section(network) {
        Ok(section) => Ok(Some(section.spec)),
        Err(Error::NoSection) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Checks a blob, and says what its network needs.
///
/// `blob` is aligned to 16 bytes. Errors: `AE_STATUS_NULL`, `AE_STATUS_ALIGNMENT`, and those of the blob, `AE_STATUS_EMPTY` to
/// `AE_STATUS_MALFORMED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ae_blob_info(blob: *const u8, blob_bytes: usize, info: *mut AeInfo) -> AeStatus {
    status(|| {
        // SAFETY: the promise of the caller.
        let network = Network::open(unsafe { read(blob, blob_bytes) }?)?;
        let spec = spec(&network)?;
        let activations = network.memory_bytes();
        let windows = spec.map_or(0, |spec| window_bytes(&spec));
        let number = |of: fn(Spec) -> u16| spec.map_or(0, |spec| of(spec).into());
        let value = AeInfo {
            blob_bytes: network.blob().bytes().len() as u32,
            weights: network.blob().crc(),
            row_bytes: network.topology().row() as u32,
            code_bytes: network.code_bytes() as u32,
            channels: number(|spec| spec.channels),
            window: number(|spec| spec.window),
            hop: number(|spec| spec.hop),
            codec_memory: activations as u32,
            detector_memory: if spec.is_some() { (activations + windows) as u32 } else { 0 },
            learner_memory: (activations + windows + learning_bytes(&network)) as u32,
            record_bytes: slot_bytes(record_bytes(network.channels()), 1) as u32,
        };
        // SAFETY: the promise of the caller.
        unsafe { put(info, value) }
    })
}
