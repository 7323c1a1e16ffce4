//! What was learned, kept in flash: two slots, so that there is a whole record whenever the power is cut.
//!
//! ```text
//! slot 0  | magic  version  weights  sequence  length | tables ...... | CRC | erased
//! slot 1  | magic  version  weights  sequence  length | tables ...... | CRC | erased
//!           4      4        4        4         4        length          4      bytes, numbers little-endian
//! ```
//!
//! | field | |
//! |---|---|
//! | magic, version | `AEKP`, 2 |
//! | weights | CRC of the blob that the tables belong to |
//! | sequence | counts the records ever written, from 1; of two, the later one counts |
//! | length | bytes of the tables, and of what goes with them; 0 says that the factory's are to be used |
//! | CRC | CRC-32, that of the blob, of everything before it |
//!
//! A record is written into the slot that the latest record does *not* lie in, and is none until its CRC is written, as
//! its last bytes. So a cut leaves the latest record untouched, and the half-written one is no record. Each slot is half
//! of the flash, whatever the length of the record.
//!
//! Tables are written from where they lie and read to where they belong, [`CHUNK`] bytes at a time: there is no second
//! copy in RAM. They are read only after the CRC of the whole record was found right in flash.

use autoencoder_core::crc::{self, Digest};
use core::fmt;
use core::iter::repeat_n;
use embedded_storage::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind};

const MAGIC: [u8; 4] = *b"AEKP";
const VERSION: u32 = 2;
/// Bytes before the tables.
const HEADER: usize = 20;
/// Bytes after them.
const TRAILER: usize = 4;
/// The CRC of anything that its own CRC follows.
const RESIDUE: u32 = crc::checksum(&[0; 4]);
/// Bytes that are read or written at once, of stack.
pub const CHUNK: usize = 64;

/// Bytes of flash for a record of so many bytes of tables, in pages of so many: two of these are needed.
pub const fn slot_bytes(length: usize, page: usize) -> usize {
    (HEADER + length + TRAILER).next_multiple_of(page)
}

/// How often a page of NOR flash can be erased at least: what the data sheets of STM32F4 and nRF52 promise.
pub const ENDURANCE: u32 = 10_000;

/// What a flash holds for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Kept {
    /// Nothing: neither slot was ever written.
    Nothing,
    /// Tables that were learned.
    Learned(Record),
    /// That the factory's tables are to be used: what was learned was [reset](Store::reset).
    Factory(Record),
    /// Only what was learned with other weights.
    OtherWeights {
        /// Their CRC.
        found: u32,
    },
    /// Bytes, but no whole record of this version.
    Damaged,
}

/// The record that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// Records written so far.
    pub sequence: u32,
    /// The slot it lies in, 0 or 1.
    pub slot: u8,
    /// The other slot is damaged: a save was cut there, or bits have changed.
    pub other_damaged: bool,
}

impl Record {
    /// How often each page of a slot was erased at most, saves that were cut not counted: the slots take turns.
    pub const fn erasures(&self) -> u32 {
        self.sequence.div_ceil(2)
    }
}

impl Kept {
    /// The record of this network that counts.
    pub const fn record(self) -> Option<Record> {
        match self {
            Self::Learned(record) | Self::Factory(record) => Some(record),
            Self::Nothing | Self::OtherWeights { .. } | Self::Damaged => None,
        }
    }
}

/// Why a flash could not be read or written. Flat and `Copy`: it can be sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum StoreError {
    /// Half of the flash is too small for a record.
    Capacity,
    /// The tables have another length than the store was made for.
    Length,
    /// The driver says that it was asked for something that the flash cannot do.
    Refused,
    /// The flash did not do what it was asked for.
    Flash,
    /// What was written or read is not what the flash had or has: it is worn out. A save that ends so has left the
    /// record before it as it was.
    Verify,
    /// There is none.
    Missing,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capacity => "the flash is too small for what was learned",
            Self::Length => "tables of another length",
            Self::Refused => "the flash refused the address",
            Self::Flash => "the flash failed",
            Self::Verify => "the flash does not keep what is written to it",
            Self::Missing => "no flash to keep what is learned",
        })
    }
}

impl core::error::Error for StoreError {}

impl From<NorFlashErrorKind> for StoreError {
    fn from(kind: NorFlashErrorKind) -> Self {
        match kind {
            NorFlashErrorKind::NotAligned | NorFlashErrorKind::OutOfBounds => Self::Refused,
            _ => Self::Flash,
        }
    }
}

/// What lies in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// Erased where a record would begin.
    Blank,
    /// No whole record.
    Damaged,
    /// A record, its CRC right.
    Whole { weights: u32, sequence: u32, length: u32 },
}

/// The tables of one network in a flash of its own.
pub struct Store<F> {
    flash: F,
    /// CRC of the network's weights.
    weights: u32,
    /// Bytes of its tables.
    length: u32,
}

impl<F: NorFlash> Store<F> {
    /// For the tables, `length` bytes in all, of the network whose weights have this CRC.
    pub fn new(flash: F, weights: u32, length: usize) -> Result<Self, StoreError> {
        const {
            assert!(CHUNK.is_multiple_of(F::WRITE_SIZE), "a chunk is a number of the flash's words");
            assert!(CHUNK.is_multiple_of(F::READ_SIZE), "a chunk is a number of the flash's words");
            assert!(F::ERASE_SIZE.is_multiple_of(CHUNK), "a page is a number of chunks");
        }
        let store = Self { flash, weights, length: u32::try_from(length).map_err(|_| StoreError::Capacity)? };
        if length == 0 || length > store.slot_size().saturating_sub(HEADER + TRAILER) {
            return Err(StoreError::Capacity);
        }
        Ok(store)
    }

    /// Reads what was learned into the tables, in the order in which they were saved; they are written only where this
    /// returns [`Kept::Learned`]. After an error they are lost: take those of the factory.
    pub fn load<'t>(&mut self, tables: impl IntoIterator<Item = &'t mut [u8]>) -> Result<Kept, StoreError> {
        let kept = self.find()?;
        let Kept::Learned(record) = kept else { return Ok(kept) };
        let (mut to, mut skip, mut left) = (tables.into_iter().flatten(), HEADER, self.length as usize);
        let crc = self.scan(record.slot, HEADER + left + TRAILER, |bytes| {
            let tables = bytes.get(skip.min(bytes.len())..).unwrap_or_default();
            skip = skip.saturating_sub(bytes.len());
            let tables = tables.get(..left.min(tables.len())).unwrap_or_default();
            for (byte, to) in tables.iter().zip(&mut to) {
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

    /// What there is to be loaded.
    pub fn find(&mut self) -> Result<Kept, StoreError> {
        let slots = self.slots()?;
        if let Some(slot) = self.latest(slots) {
            let index = usize::from(slot);
            if let (Some(Slot::Whole { sequence, length, .. }), Some(other)) = (slots.get(index), slots.get(1 - index))
            {
                let record = Record { sequence: *sequence, slot, other_damaged: *other == Slot::Damaged };
                return Ok(if *length == 0 { Kept::Factory(record) } else { Kept::Learned(record) });
            }
        }
        let foreign = slots.into_iter().find_map(|slot| match slot {
            Slot::Whole { weights, .. } => Some(Kept::OtherWeights { found: weights }),
            _ => None,
        });
        let none = if slots.contains(&Slot::Damaged) { Kept::Damaged } else { Kept::Nothing };
        Ok(foreign.unwrap_or(none))
    }

    /// Keeps the tables. Whenever the power is cut, there is the record before this one or this one. The sequence number
    /// of this one.
    pub fn save<'t>(&mut self, tables: impl IntoIterator<Item = &'t [u8]>) -> Result<u32, StoreError> {
        self.write(self.length, tables.into_iter().flatten().copied())
    }

    /// Forgets what was learned, in both slots, so that no bit that changes later brings it back: a damaged slot may be a
    /// record of which one bit was read wrong. Whenever the power is cut, the last record or the factory's tables are
    /// found.
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

    /// From now on for other weights of the same network.
    pub fn rebind(&mut self, weights: u32) {
        self.weights = weights;
    }

    /// Reads the flash itself, as much as there is from a byte on; how much that was.
    pub fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<usize, StoreError> {
        let count = self.flash.capacity().saturating_sub(at as usize).min(bytes.len());
        if count == 0 {
            return Ok(0);
        }
        self.flash.read(at, bytes.get_mut(..count).unwrap_or_default()).map_err(|error| error.kind())?;
        Ok(count)
    }

    /// Half of the flash, in whole pages.
    fn slot_size(&self) -> usize {
        self.flash.capacity() / 2 / F::ERASE_SIZE * F::ERASE_SIZE
    }

    fn slots(&mut self) -> Result<[Slot; 2], StoreError> {
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
        let fits = length as usize <= self.slot_size() - HEADER - TRAILER; // not less than nothing: `new` saw to it
        if magic != u32::from_le_bytes(MAGIC) || version != VERSION || !fits {
            return Ok(Slot::Damaged);
        }
        let whole = self.scan(slot, HEADER + length as usize + TRAILER, |_| ())? == RESIDUE;
        Ok(if whole { Slot::Whole { weights, sequence, length } } else { Slot::Damaged })
    }

    /// Reads the first bytes of a slot, in chunks; their CRC.
    fn scan(&mut self, slot: u8, length: usize, mut take: impl FnMut(&[u8])) -> Result<u32, StoreError> {
        let start = self.start(slot);
        let mut crc = Digest::new();
        for at in (0..length).step_by(CHUNK) {
            let mut chunk = [0; CHUNK];
            self.flash.read(start + at as u32, &mut chunk).map_err(|error| error.kind())?;
            let bytes = chunk.get(..(length - at).min(CHUNK)).unwrap_or_default();
            crc.update(bytes);
            take(bytes);
        }
        Ok(crc.finalize())
    }

    /// Writes the next record; its sequence number.
    fn write(&mut self, length: u32, tables: impl IntoIterator<Item = u8>) -> Result<u32, StoreError> {
        let slots = self.slots()?;
        let slot = match (self.latest(slots), slots) {
            (Some(latest), _) => 1 - latest,
            // Of other networks' records, the later one is spared.
            (None, [Slot::Whole { .. }, Slot::Whole { .. }]) => 1 - later(slots),
            (None, [Slot::Whole { .. }, _]) => 1,
            (None, _) => 0,
        };
        // Sequence numbers start afresh: a higher one must not come back with a bit that is read right again.
        let other = self.start(1 - slot);
        if self.latest(slots).is_none() && slots.get(usize::from(1 - slot)) == Some(&Slot::Damaged) {
            self.flash.erase(other, other + F::ERASE_SIZE as u32).map_err(|error| error.kind())?;
        }
        let last = slots.map(|slot| if let Slot::Whole { sequence, .. } = slot { sequence } else { 0 });
        let sequence = last.into_iter().max().unwrap_or(0).saturating_add(1);
        let header = [u32::from_le_bytes(MAGIC), VERSION, self.weights, sequence, length].map(u32::to_le_bytes);

        let record = HEADER + length as usize + TRAILER;
        let start = self.start(slot);
        let pages = record.next_multiple_of(F::ERASE_SIZE) as u32;
        self.flash.erase(start, start + pages).map_err(|error| error.kind())?;
        let (mut crc, mut count) = (Digest::new(), 0);
        let mut chunks = Chunks { flash: &mut self.flash, at: start, bytes: [0xff; CHUNK], filled: 0 };
        for byte in header.into_iter().flatten().chain(tables.into_iter().take(length as usize + 1)) {
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

/// Of two records, the slot of the later one.
fn later(slots: [Slot; 2]) -> u8 {
    match slots {
        [Slot::Whole { sequence: a, .. }, Slot::Whole { sequence: b, .. }] if b > a => 1,
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

/// Bytes on their way into the flash.
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
            self.flash.write(self.at, &self.bytes).map_err(|error| error.kind())?;
            (self.at, self.filled) = (self.at + CHUNK as u32, 0);
        }
        Ok(())
    }
}
