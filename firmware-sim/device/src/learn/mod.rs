//! Learning on the device, and the rule by which the result is kept.
//!
//! A run of learning holds [`HELD_OUT`] rows out: a sample that is spread evenly over the whole of the run, and that it
//! does not learn from. At its end it scores them twice:
//!
//! ```text
//! before = the scores of the rows held out, by the channels at the beginning
//! after  = the same, by the channels at the end
//! clearly better, and telling the rows apart:  the new channels are written to flash
//! otherwise:                                   the channels at the beginning come back, from flash or from the blob
//! ```
//!
//! `judge.rs` has the rule. So any stream can be tried: a run that cannot be shown to help leaves no trace, and RAM needs
//! no second copy of the channels during the run.
//!
//! What this promises is about rows like those of the run. The sample is of the run: a stream of one class cannot be told
//! from a world of one class, and what was learned from it may be worse for all others. A sensor that shows something else
//! during a small part of the run is hardly in the sample.
//!
//! The channels are kept with thresholds of their own for the [`monitor`](crate::monitor).

mod judge;
mod learner;
mod sample;

use crate::Error;
use crate::store::{RecordState, StoreError};
use autoencoder_core::blob::Thresholds;
use autoencoder_core::optimizer::{Adam, OptimizerKind, RmsProp, Sgd};
use autoencoder_core::quant::ChannelParams;
use autoencoder_core::{Error as WeightsError, Network};
use core::fmt;
use serde::{Deserialize, Serialize};

pub use learner::{Learner, LearnerBuffers, LearnerMemory, record_bytes};
pub use sample::HELD_OUT;

/// The largest batch, in rows.
pub const MAX_BATCH: u8 = 8;

/// How a codec learns: not at all ([`Frozen`], the default bodies) or as a [`Learner`] does.
pub trait Learn: Sized {
    /// Bytes of the longest answer about learning, apart from rows and codes.
    const ROW: usize = 0;

    /// Takes a network that was loaded. [`WeightsError::Capacity`] if the memory is too small to learn it.
    fn start(&mut self, _: &Network<'_>) -> Result<(), WeightsError> {
        Ok(())
    }

    /// Bytes of the buffers for learning.
    fn memory_bytes(&self) -> usize {
        0
    }

    /// Bytes of these buffers that the network leaves unused.
    fn spare_bytes(&self, _: &Network<'_>) -> usize {
        0
    }

    /// The learned channels, padding included; `None` for those of the blob.
    fn channels(&self, _: &Network<'_>) -> Option<&[ChannelParams]> {
        None
    }

    /// The thresholds that were learned, if any were.
    fn thresholds(&self) -> Option<Thresholds> {
        None
    }

    /// A number that identifies the channels: their CRC, or 0 for the blob's.
    fn identity(&self, _: &Network<'_>) -> u32 {
        0
    }

    /// The state of learning.
    fn status(&self, _: &Network<'_>) -> Result<Status, Error> {
        Err(Error::Frozen)
    }

    /// Begins a run. A run that is under way ends without a trace.
    fn begin(&mut self, _: &Network<'_>, _: Begin) -> Result<(), Error> {
        Err(Error::Frozen)
    }

    /// Takes the next row of the run: holds it out, or learns from it or from the row whose place it takes. `memory` is
    /// that of a pass. Returns the score of the row that was learned from, before it was, and `false`; if none was, the
    /// score of this row and `true`.
    fn learn(&mut self, _: &Network<'_>, _memory: &mut [u8], _row: &[u8]) -> Result<(u32, bool), Error> {
        Err(Error::Frozen)
    }

    /// Ends the run: keeps the channels if they help and can be written to flash, undoes the run otherwise.
    fn end(&mut self, _: &Network<'_>, _memory: &mut [u8]) -> Result<Judgement, Error> {
        Err(Error::Frozen)
    }

    /// Returns to the blob's channels, in RAM and in flash.
    fn reset(&mut self, _: &Network<'_>) -> Result<(), Error> {
        Err(Error::Frozen)
    }

    /// Bytes of the flash from `at` on, as many as fit a response; none beyond its end.
    fn read_flash(&mut self, _at: u32) -> Result<&[u8], Error> {
        Err(Error::Frozen)
    }
}

/// A network that does not learn: every command about learning is refused with [`Error::Frozen`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Frozen;

impl Learn for Frozen {}

/// The optimizer of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// Gradient descent with momentum 0.9.
    Sgd,
    /// RMSProp with decay 0.95.
    RmsProp,
    /// Adam with `β₁ = 0.9` and `β₂ = 0.95`: gradients of single rows differ much, so `v` should not look far back.
    Adam,
}

impl Method {
    fn optimizer(self) -> OptimizerKind {
        match self {
            Self::Sgd => OptimizerKind::Sgd(Sgd { momentum: 0.9 }),
            Self::RmsProp => OptimizerKind::RmsProp(RmsProp { decay: 0.95, epsilon: 1e-10 }),
            Self::Adam => OptimizerKind::Adam(Adam { beta1: 0.9, beta2: 0.95, ..Adam::default() }),
        }
    }

    /// The best learning rate measured for a batch of one, in millionths.
    pub const fn rate(self) -> u32 {
        match self {
            Self::Sgd => 30,
            Self::RmsProp | Self::Adam => 10_000,
        }
    }
}

/// The settings of a run of learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The optimizer.
    pub method: Method,
    /// The learning rate at the first step, in millionths. Over `rows: images` rows it falls linearly to a hundredth of this.
    pub rate: u32,
    /// Rows of each step, 1 to [`MAX_BATCH`].
    pub batch: u8,
    /// The number of rows to learn from.
    pub rows: u32,
}

/// The state of learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What the flash holds, or why it is of no use.
    pub kept: Result<RecordState, StoreError>,
    /// Rows learned from since the last run began.
    pub rows: u32,
    /// The thresholds of the monitor: rows whose score is outside are unlike those that the network knows.
    pub thresholds: Thresholds,
}

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The sum of the scores of the rows held out, by the channels at the beginning.
    pub before: u32,
    /// The same by the channels at the end.
    pub after: u32,
    /// The number of the record in flash, or why there is none. The channels are then those from before the run.
    pub kept: Result<u32, Rejection>,
}

/// Why the result of a run is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u32)]
pub enum Rejection {
    /// Fewer than [`HELD_OUT`] different rows came that are not constant: nothing can be judged by.
    TooFewRows,
    /// The scores of the rows held out are not lower, or not by more than chance.
    NotBetter,
    /// The reconstructions of the rows held out are hardly nearer to their own row than to the others: all that was
    /// learned is what the rows have in common. So it is with noise, with one row again and again, and at the beginning.
    NothingEncoded,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooFewRows => "too few different rows to judge by",
            Self::NotBetter => "it did not clearly help on the rows held out",
            Self::NothingEncoded => "its reconstructions do not tell the rows held out apart",
        })
    }
}
