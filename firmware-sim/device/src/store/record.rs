//! The state of a flash for a network, and the errors of reading and writing it.

use core::fmt;
use embedded_storage::nor_flash::NorFlashErrorKind;

/// The state of the flash for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RecordState {
    /// Neither slot was ever written.
    Nothing,
    /// Channels that were learned.
    Learned(Record),
    /// A record that says to use the blob's channels: what was learned was [reset](super::Store::reset).
    Base(Record),
    /// Only a record of other weights.
    OtherWeights {
        /// CRC of those weights.
        found: u32,
    },
    /// Bytes that are no whole record of this version.
    Damaged,
}

/// The latest record of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// The number of the record: how many were written so far, modulo 2³².
    pub sequence: u32,
    /// The slot that it lies in, 0 or 1.
    pub slot: u8,
    /// Whether the other slot is damaged: power was cut during a save, or bits have changed.
    pub other_damaged: bool,
}

impl Record {
    /// The most times that any page was erased: the slots take turns. Saves that a power cut ended are not counted.
    pub const fn erasures(&self) -> u32 {
        self.sequence.div_ceil(2)
    }
}

impl RecordState {
    /// The latest record of this network.
    pub const fn record(self) -> Option<Record> {
        match self {
            Self::Learned(record) | Self::Base(record) => Some(record),
            Self::Nothing | Self::OtherWeights { .. } | Self::Damaged => None,
        }
    }
}

/// Why the flash could not be read or written. Flat and `Copy`: a response carries it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[repr(u32)]
pub enum StoreError {
    /// Half of the flash is too small for a record.
    Capacity,
    /// The channels have another length than the store was made for.
    Length,
    /// The driver refused the address or the alignment.
    Refused,
    /// The driver reported a failure.
    Flash,
    /// The flash does not hold what was written: it is worn out. A save that ends so leaves the record before it
    /// untouched.
    Verify,
    /// There is no flash.
    Missing,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capacity => "the flash is too small for what was learned",
            Self::Length => "the channels have another length",
            Self::Refused => "the flash refused the address or the alignment",
            Self::Flash => "the flash failed",
            Self::Verify => "the flash does not keep what is written to it",
            Self::Missing => "there is no flash to keep what is learned",
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
