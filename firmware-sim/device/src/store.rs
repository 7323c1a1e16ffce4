//! Keeps learned channels in two slots of flash. Whenever the power is cut, one of them holds a whole record.
//!
//! ```text
//! slot 0  | magic  version  weights  sequence  length | channels .... | CRC | erased
//! slot 1  | magic  version  weights  sequence  length | channels .... | CRC | erased
//!           4      4        4        4         4        length          4      bytes, numbers little-endian
//! ```
//!
//! | field | |
//! |---|---|
//! | magic, version | `AEKP`, 3 |
//! | weights | CRC of the blob that the channels belong to |
//! | sequence | number of the record, from 1, modulo 2³²; the later of two records counts |
//! | length | bytes of the channels and of the thresholds after them; 0 in a record that selects the blob's channels |
//! | CRC | CRC-32 of everything before it, as in a blob |
//!
//! Sequence numbers are compared modulo 2³²: the later of two is at most 2³¹ ahead.
//!
//! A record is written to the slot that does *not* hold the latest record, and its CRC is written last. So a power cut
//! leaves the latest record untouched, and the half-written one is not a record. Each slot is half of the flash,
//! whatever the length of a record.
//!
//! Channels are written and read in place, [`CHUNK`] bytes at a time, so there is no second copy in RAM. They are read
//! only after the CRC of the whole record has been checked in flash.

mod record;

pub use record::{Record, RecordState, StoreError};

use autoencoder_core::crc::{self, Digest};
use core::iter::repeat_n;
use embedded_storage::nor_flash::NorFlash;

const MAGIC: [u8; 4] = *b"AEKP";
const VERSION: u32 = 3;
/// Bytes before the channels.
const HEADER: usize = 20;
/// Bytes after the channels.
const TRAILER: usize = 4;
/// The CRC of any bytes that are followed by their own CRC.
const RESIDUE: u32 = crc::checksum(&[0; 4]);
/// Bytes that are read or written at once, through a buffer on the stack.
pub const CHUNK: usize = 64;

/// Bytes of a slot for a record with `length` bytes of channels, in flash with pages of `page` bytes. The flash needs
/// two slots.
pub const fn slot_bytes(length: usize, page: usize) -> usize {
    (HEADER + length + TRAILER).next_multiple_of(page)
}

/// The rated erasures of a page of NOR flash, from the data sheets of STM32F4 and nRF52.
pub const ENDURANCE: u32 = 10_000;

/// The contents of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// Erased at the header of a record.
    Blank,
    /// Bytes that are not a whole record.
    Damaged,
    /// A record with the right CRC.
    Whole { weights: u32, sequence: u32, length: u32 },
}

/// The channels of one network in a flash that holds nothing else.
pub struct Store<F> {
    flash: F,
    /// CRC of the network's weights.
    weights: u32,
    /// Bytes of its channels.
    length: u32,
}

impl<F: NorFlash> Store<F> {
    /// A store for `length` bytes of channels of the network whose weights have this CRC. Returns
    /// [`StoreError::Capacity`] if half of the flash is too small for the record.
    pub fn new(flash: F, weights: u32, length: usize) -> Result<Self, StoreError> {
        const {
            assert!(CHUNK.is_multiple_of(F::WRITE_SIZE), "a chunk is a whole number of the flash's words");
            assert!(CHUNK.is_multiple_of(F::READ_SIZE), "a chunk is a whole number of the flash's words");
            assert!(F::ERASE_SIZE.is_multiple_of(CHUNK), "a page is a whole number of chunks");
        }
        let store = Self { flash, weights, length: u32::try_from(length).map_err(|_| StoreError::Capacity)? };
        store.check_capacity()?;
        Ok(store)
    }

    /// Reads the learned channels into `channels`, in the order in which they were saved. Writes them only if the
    /// result is [`RecordState::Learned`]. After an error, their contents are undefined; the caller should restore the
    /// blob's.
    pub fn load<'t>(&mut self, channels: impl IntoIterator<Item = &'t mut [u8]>) -> Result<RecordState, StoreError> {
        let kept = self.find()?;
        let RecordState::Learned(record) = kept else { return Ok(kept) };
        let (mut to, mut skip, mut left) = (channels.into_iter().flatten(), HEADER, self.length as usize);
        let crc = self.scan(record.slot, HEADER + left + TRAILER, |bytes| {
            let stored = bytes.get(skip.min(bytes.len())..).unwrap_or_default();
            skip = skip.saturating_sub(bytes.len());
            let stored = stored.get(..left.min(stored.len())).unwrap_or_default();
            for (byte, to) in stored.iter().zip(&mut to) {
                *to = *byte;
                left -= 1;
            }
        })?;
        match (left, to.next(), crc) {
            (0, None, RESIDUE) => Ok(kept),
            (0, None, _) => Err(StoreError::Verify),
            _ => Err(StoreError::Length),
        }
    }

    /// The state that [`Self::load`] would find.
    pub fn find(&mut self) -> Result<RecordState, StoreError> {
        let slots = self.slots()?;
        if let Some(slot) = self.latest(slots) {
            let index = usize::from(slot);
            if let (Some(Slot::Whole { sequence, length, .. }), Some(other)) = (slots.get(index), slots.get(1 - index))
            {
                let record = Record { sequence: *sequence, slot, other_damaged: *other == Slot::Damaged };
                return Ok(if *length == 0 { RecordState::Base(record) } else { RecordState::Learned(record) });
            }
        }
        let foreign = slots.into_iter().find_map(|slot| match slot {
            Slot::Whole { weights, .. } => Some(RecordState::OtherWeights { found: weights }),
            _ => None,
        });
        let none = if slots.contains(&Slot::Damaged) { RecordState::Damaged } else { RecordState::Nothing };
        Ok(foreign.unwrap_or(none))
    }

    /// Writes the channels as a new record and returns its sequence number. Whenever the power is cut, the flash holds
    /// either this record or the one before it.
    pub fn save<'t>(&mut self, channels: impl IntoIterator<Item = &'t [u8]>) -> Result<u32, StoreError> {
        self.write(self.length, channels.into_iter().flatten().copied())
    }

    /// Discards the learned channels. Whenever the power is cut, the flash holds either the latest record or one that
    /// selects the blob's channels.
    ///
    /// Both slots are overwritten, even a damaged one. It may be a record with a misread bit, and must not become valid
    /// when the bit is read correctly again.
    pub fn reset(&mut self) -> Result<(), StoreError> {
        for _ in 0..2 {
            let slots = self.slots()?;
            let remembers = |slot| match slot {
                Slot::Blank => false,
                Slot::Damaged => true,
                Slot::Whole { length, .. } => self.is_own(slot) && length > 0,
            };
            if slots.into_iter().any(remembers) {
                self.write(0, [])?;
            }
        }
        Ok(())
    }

    /// Binds the store to other weights, with channels of this length. If the flash is too small for them, every method
    /// but [`Self::read`] returns [`StoreError::Capacity`] until the next call.
    pub fn rebind(&mut self, weights: u32, length: usize) {
        (self.weights, self.length) = (weights, u32::try_from(length).unwrap_or(u32::MAX));
    }

    /// Returns an error unless a slot has room for the record.
    pub fn check_capacity(&self) -> Result<(), StoreError> {
        let room = self.slot_size().saturating_sub(HEADER + TRAILER);
        if self.length == 0 || self.length as usize > room { Err(StoreError::Capacity) } else { Ok(()) }
    }

    /// Reads bytes of the flash from `at` on and returns their number. At the end of the flash, it is less than the
    /// length of `bytes`.
    pub fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<usize, StoreError> {
        let count = self.flash.capacity().saturating_sub(at as usize).min(bytes.len());
        if count == 0 {
            return Ok(0);
        }
        self.flash.read(at, bytes.get_mut(..count).unwrap_or_default()).map_err(|error| StoreError::of(&error))?;
        Ok(count)
    }

    /// Half of the flash, in whole pages.
    fn slot_size(&self) -> usize {
        self.flash.capacity().min(u32::MAX as usize) / 2 / F::ERASE_SIZE * F::ERASE_SIZE
    }

    fn slots(&mut self) -> Result<[Slot; 2], StoreError> {
        self.check_capacity()?;
        Ok([self.inspect(0)?, self.inspect(1)?])
    }

    /// The slot of the latest record of this network.
    fn latest(&self, slots: [Slot; 2]) -> Option<u8> {
        match slots.map(|slot| self.is_own(slot)) {
            [false, false] => None,
            [true, false] => Some(0),
            [false, true] => Some(1),
            [true, true] => Some(later(slots)),
        }
    }

    fn is_own(&self, slot: Slot) -> bool {
        matches!(slot, Slot::Whole { weights, length, .. }
            if weights == self.weights && (length == self.length || length == 0))
    }

    fn inspect(&mut self, slot: u8) -> Result<Slot, StoreError> {
        let mut header = [0; HEADER];
        self.scan(slot, HEADER, |bytes| {
            header.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
        })?;
        if header == [0xff; HEADER] {
            return Ok(Slot::Blank);
        }
        let [magic, version, weights, sequence, length] = words(header);
        let fits = length as usize <= self.slot_size() - HEADER - TRAILER; // not negative: `new` has checked it
        if magic != u32::from_le_bytes(MAGIC) || version != VERSION || !fits {
            return Ok(Slot::Damaged);
        }
        let whole = self.scan(slot, HEADER + length as usize + TRAILER, |_| ())? == RESIDUE;
        Ok(if whole { Slot::Whole { weights, sequence, length } } else { Slot::Damaged })
    }

    /// Reads the first `length` bytes of a slot in chunks, passes each to `take` and returns the CRC of all bytes.
    fn scan(&mut self, slot: u8, length: usize, mut take: impl FnMut(&[u8])) -> Result<u32, StoreError> {
        let start = self.start(slot);
        let mut crc = Digest::new();
        for at in (0..length).step_by(CHUNK) {
            let mut chunk = [0; CHUNK];
            self.flash.read(start + at as u32, &mut chunk).map_err(|error| StoreError::of(&error))?;
            let bytes = chunk.get(..(length - at).min(CHUNK)).unwrap_or_default();
            crc.update(bytes);
            take(bytes);
        }
        Ok(crc.finalize())
    }

    /// Writes the next record, reads it back and returns its sequence number.
    fn write(&mut self, length: u32, channels: impl IntoIterator<Item = u8>) -> Result<u32, StoreError> {
        let slots = self.slots()?;
        let slot = match (self.latest(slots), slots) {
            (Some(latest), _) => 1 - latest,
            // Two records of other networks: the earlier one is overwritten.
            (None, [Slot::Whole { .. }, Slot::Whole { .. }]) => 1 - later(slots),
            (None, [Slot::Whole { .. }, _]) => 1,
            (None, _) => 0,
        };
        // Sequence numbers start again at 1. A damaged record with a higher number must not win later, when a misread
        // bit is read correctly again.
        let other = self.start(1 - slot);
        if self.latest(slots).is_none() && slots.get(usize::from(1 - slot)) == Some(&Slot::Damaged) {
            self.flash.erase(other, other + F::ERASE_SIZE as u32).map_err(|error| StoreError::of(&error))?;
        }
        let last = slots.get(usize::from(later(slots)));
        let sequence = if let Some(Slot::Whole { sequence, .. }) = last { sequence.wrapping_add(1) } else { 1 };
        let header = [u32::from_le_bytes(MAGIC), VERSION, self.weights, sequence, length].map(u32::to_le_bytes);

        let record = HEADER + length as usize + TRAILER;
        let start = self.start(slot);
        let pages = record.next_multiple_of(F::ERASE_SIZE) as u32;
        self.flash.erase(start, start + pages).map_err(|error| StoreError::of(&error))?;
        let (mut crc, mut count) = (Digest::new(), 0);
        let mut chunks = Chunks { flash: &mut self.flash, at: start, bytes: [0xff; CHUNK], filled: 0 };
        for byte in header.into_iter().flatten().chain(channels.into_iter().take(length as usize + 1)) {
            crc.update(&[byte]);
            count += 1;
            chunks.push(byte)?;
        }
        if count != HEADER + length as usize {
            return Err(StoreError::Length);
        }
        let padding = record.next_multiple_of(CHUNK) - record;
        for byte in crc.finalize().to_le_bytes().into_iter().chain(repeat_n(0xff, padding)) {
            chunks.push(byte)?;
        }
        let written = Slot::Whole { weights: self.weights, sequence, length };
        if self.inspect(slot)? == written { Ok(sequence) } else { Err(StoreError::Verify) }
    }

    fn start(&self, slot: u8) -> u32 {
        u32::from(slot) * self.slot_size() as u32
    }
}

/// The slot of the later of two records, or of the only one.
fn later(slots: [Slot; 2]) -> u8 {
    match slots {
        // In serial number arithmetic (RFC 1982).
        [Slot::Whole { sequence: a, .. }, Slot::Whole { sequence: b, .. }] => u8::from((b.wrapping_sub(a) as i32) > 0),
        [_, Slot::Whole { .. }] => 1,
        _ => 0,
    }
}

fn words(header: [u8; HEADER]) -> [u32; HEADER / 4] {
    let mut words = [0; HEADER / 4];
    for (word, bytes) in words.iter_mut().zip(header.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// Collects bytes and writes them to the flash in whole chunks.
struct Chunks<'f, F> {
    flash: &'f mut F,
    at: u32,
    bytes: [u8; CHUNK],
    filled: usize,
}

impl<F: NorFlash> Chunks<'_, F> {
    fn push(&mut self, byte: u8) -> Result<(), StoreError> {
        if let Some(to) = self.bytes.get_mut(self.filled) {
            *to = byte;
        }
        self.filled += 1;
        if self.filled == CHUNK {
            self.flash.write(self.at, &self.bytes).map_err(|error| StoreError::of(&error))?;
            (self.at, self.filled) = (self.at + CHUNK as u32, 0);
        }
        Ok(())
    }
}
