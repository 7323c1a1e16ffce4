//! What a device has learned, from the contents of its flash.

use autoencoder_core::Network;
use autoencoder_core::quant::ChannelParams;
use autoencoder_device::flash::Nor;
use autoencoder_device::learn::record_bytes;
use autoencoder_device::store::{CHUNK, Record, RecordState, Store, StoreError};
use autoencoder_io::record::{RecordError, ensure_own};
use std::iter;
use zerocopy::IntoBytes;

/// Why a flash has no channels for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnedError {
    /// Neither slot was ever written.
    #[error("nothing was learned there")]
    Nothing,
    /// The device was reset.
    #[error("reset: the device uses the scales and biases of the blob")]
    Base,
    /// No record of this network.
    #[error(transparent)]
    NotOwn(#[from] RecordError),
    /// The flash cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The learned channels of all layers, with padding, and the number of their record. `flash` are the contents of both slots.
pub fn channels(network: &Network<'_>, flash: &[u8]) -> Result<(Vec<ChannelParams>, u32), LearnedError> {
    let (crc, length) = (network.blob().crc(), record_bytes(network.channels()));
    let store = |slot: usize| Store::new(Nor::<Vec<u8>, CHUNK>::new(flash[..2 * slot].to_vec()), crc, length);
    let mut found: Option<(RecordState, usize)> = None;
    for slot in slots(flash.len()) {
        let state = match store(slot) {
            Ok(mut store) => store.find()?,
            Err(_) if found.is_some() => break, // it fits larger slots
            Err(error) => return Err(error.into()),
        };
        if found.is_none_or(|(best, _)| is_better(state, best)) {
            found = Some((state, slot));
        }
    }
    let (state, slot) = found.ok_or(StoreError::Capacity)?;
    ensure_own(state, crc)?;
    match state {
        RecordState::Learned(Record { sequence, .. }) => {
            let mut channels = vec![ChannelParams::default(); network.channels()];
            store(slot)?.load([channels.as_mut_bytes(), &mut [0; 8]])?; // and thresholds
            Ok((channels, sequence))
        }
        RecordState::Base(_) => Err(LearnedError::Base),
        _ => Err(LearnedError::Nothing),
    }
}

/// Whether learned channels are the blob's own: a run over samples may have kept thresholds alone.
pub fn are_own(network: &Network<'_>, learned: &[ChannelParams]) -> bool {
    let own = network.layers().flat_map(|layer| layer.channels());
    own.map(IntoBytes::as_bytes).eq(learned.iter().map(IntoBytes::as_bytes))
}

/// The lengths that slots may have in a flash of this length, from the largest: half of it, in whole pages. The contents do not
/// say how long a page is, which matters if their number is odd.
fn slots(bytes: usize) -> impl Iterator<Item = usize> {
    let pages = iter::successors(Some(CHUNK), |page| page.checked_mul(2)).take_while(move |page| *page <= bytes / 2);
    let mut last = None;
    pages.map(move |page| bytes / 2 / page * page).filter(move |slot| last.replace(*slot) != Some(*slot))
}

/// Whether a state says more than another one: a later record, any record rather than none, any bytes rather than none. Slots of
/// the wrong length look damaged.
fn is_better(state: RecordState, than: RecordState) -> bool {
    let rank = |state| match state {
        RecordState::Nothing => 0,
        RecordState::Damaged => 1,
        RecordState::OtherWeights { .. } => 2,
        RecordState::Learned(_) | RecordState::Base(_) => 3,
    };
    match (state.record(), than.record()) {
        // Modulo 2³², as the device compares them.
        (Some(a), Some(b)) => (a.sequence.wrapping_sub(b.sequence) as i32) > 0,
        _ => rank(state) > rank(than),
    }
}
