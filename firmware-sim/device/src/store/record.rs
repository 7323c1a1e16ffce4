//! The state of a flash for a network, and the errors of reading and writing it.

use core::fmt;
use embedded_storage::nor_flash::{NorFlashError, NorFlashErrorKind};

/// The state of the flash for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RecordState {
    /// Neither slot was ever written.
    Nothing,
    /// A record of learned channels.
    Learned(Record),
    /// A record that selects the blob's channels, after a [reset](super::Store::reset).
    Base(Record),
    /// Only a record of other weights.
    OtherWeights {
        /// CRC of those weights.
        found: u32,
    },
    /// Bytes that are not a whole record of this version.
    Damaged,
}

/// The latest record of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// The number of the record, which is the number of records written so far, modulo 2³².
    pub sequence: u32,
    /// The slot that holds it, 0 or 1.
    pub slot: u8,
    /// Whether the other slot is damaged: power was cut during a save, or bits have changed.
    pub other_damaged: bool,
}

impl Record {
    /// The most erasures of any page, because records alternate between the slots. Saves that a power cut interrupted
    /// are not counted.
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

/// The reason why the flash could not be read or written. Flat and `Copy`: a response carries it unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
#[repr(u32)]
pub enum StoreError {
    /// Half of the flash is too small for a record.
    Capacity,
    /// The length of the channels differs from that of the store.
    Length,
    /// The driver refused the address or the alignment.
    Refused,
    /// The driver reported a failure.
    Flash,
    /// The flash does not hold the bytes that were written, because it is worn out, or two reads of a record differ. The
    /// record before a failed save is untouched.
    Verify,
    /// There is no flash.
    Missing,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capacity => "the flash is too small for the learned parameters",
            Self::Length => "the channels have another length",
            Self::Refused => "the flash refused the address or the alignment",
            Self::Flash => "the flash failed",
            Self::Verify => "the flash does not keep what is written to it",
            Self::Missing => "there is no flash for the learned parameters",
        })
    }
}

impl core::error::Error for StoreError {}

impl StoreError {
    /// The reason why a driver failed.
    pub(super) fn of(error: &impl NorFlashError) -> Self {
        match error.kind() {
            NorFlashErrorKind::NotAligned | NorFlashErrorKind::OutOfBounds => Self::Refused,
            _ => Self::Flash,
        }
    }
}
