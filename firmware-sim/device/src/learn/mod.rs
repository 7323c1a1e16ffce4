//! Learning on the device, and the rule by which the result is kept.
//!
//! A run of learning holds out [`HELD_OUT`] rows, a sample that is spread evenly over the whole run. It does not learn
//! from them, nor from windows that share samples with them. At its end, it scores them twice:
//!
//! ```text
//! before = the scores of the held-out rows, with the channels from the beginning
//! after  = the scores of the held-out rows, with the channels from the end
//! clearly better, and the rows are told apart:  the new channels and thresholds are written to flash
//! otherwise:                                    the channels from the beginning are restored from flash or the blob
//! ```
//!
//! So any stream of rows can be tried: a run that does not clearly help leaves no trace. RAM needs no second copy of the
//! channels during the run.
//!
//! A run over the samples of a sensor may also end with the channels from the beginning and new thresholds
//! ([`Saved::ThresholdsOnly`]): a stream whose windows the network reconstructs as well as its training data teaches it
//! nothing but the range of its scores. In exchange, it is refused if the stream is too different from the training data, unless
//! it is forced ([`Begin::forced`]). `judge.rs` has the rules, with their reasons.
//!
//! The rules cover only rows like those of the run, because the sample is from the run. If the stream has only one
//! class, the learned channels may be worse for all other classes. If the sensor shows something else during a small
//! part of the run, the sample hardly contains it.
//!
//! What is kept has its own thresholds for the [`monitor`](crate::monitor).

mod judge;
mod learner;
mod sample;

use crate::Error;
use crate::store::{RecordState, StoreError};
use autoencoder_core::blob::Thresholds;
use autoencoder_core::optimizer::{Adam, OptimizerKind, RmsProp, Sgd};
use autoencoder_core::quant::ChannelParams;
use autoencoder_core::{Error as WeightsError, Network, wire};
use core::fmt;
use serde::{Deserialize, Serialize};

pub use learner::{Learner, LearnerBuffers, LearnerMemory, learning_bytes, record_bytes};
pub use sample::HELD_OUT;

/// The largest batch, in rows.
pub const MAX_BATCH: u8 = 8;

/// The learning of a codec: none ([`Frozen`], the default bodies) or that of a [`Learner`].
pub trait Learn: Sized {
    /// Bytes of the longest answer about learning, apart from rows and codes.
    const ROW: usize = 0;

    /// Prepares for a network that was loaded. Returns [`WeightsError::Capacity`] if the memory is too small for
    /// learning.
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

    /// The learned channels, including padding; `None` for those of the blob.
    fn channels(&self, _: &Network<'_>) -> Option<&[ChannelParams]> {
        None
    }

    /// The learned thresholds, if there are any.
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

    /// Begins a run. A run in progress is discarded. A window of samples shares some of them with the next `overlap`.
    fn begin(&mut self, _: &Network<'_>, _: Begin, _overlap: u32) -> Result<(), Error> {
        Err(Error::Frozen)
    }

    /// [`Error::NotLearning`] unless a run has begun.
    fn ensure_running(&self) -> Result<(), Error> {
        Err(Error::Frozen)
    }

    /// Processes the next row of the run: holds it out, learns from it, or learns from the held-out row that it
    /// replaces. `memory` is that of a pass. `clipped` is the number of clipped inputs of a row that is a window of
    /// samples; with the first of these, the run is one over samples. Returns the score before the step of the row that
    /// was learned from, and `false`. If there was no step, returns the score of this row and `true`.
    fn learn(
        &mut self,
        _: &Network<'_>,
        _memory: &mut [u8],
        _row: &[u8],
        _clipped: Option<u32>,
    ) -> Result<(u32, bool), Error> {
        Err(Error::Frozen)
    }

    /// Takes the next step of the further passes over the stored rows, if one is left. Returns how many are left then.
    fn repeat(&mut self, _: &Network<'_>, _memory: &mut [u8]) -> Result<u32, Error> {
        Err(Error::Frozen)
    }

    /// Ends the run. Keeps what helps if it can be written to flash, and undoes the rest. `samples` is whether the device
    /// takes samples, so that the run may be one over samples.
    fn end(&mut self, _: &Network<'_>, _memory: &mut [u8], _samples: bool) -> Result<Judgement, Error> {
        Err(Error::Frozen)
    }

    /// Returns to the blob's channels, in RAM and in flash.
    fn reset(&mut self, _: &Network<'_>) -> Result<(), Error> {
        Err(Error::Frozen)
    }

    /// Bytes of the flash from `at` on, as many as fit a response. There are none beyond its end.
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
    /// Adam with `β₁ = 0.9` and `β₂ = 0.95`. The gradients of single rows differ much, so `v` is a short average.
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
    /// The learning rate at the first step, in millionths. Over `rows` rows, it falls linearly to a hundredth of this.
    #[serde(deserialize_with = "wire::read_number")]
    pub rate: u32,
    /// Rows of each step, 1 to [`MAX_BATCH`].
    pub batch: u8,
    /// The number of rows to learn from. Of a run over samples: its windows without the [`HELD_OUT`] that are held out.
    #[serde(deserialize_with = "wire::read_number")]
    pub rows: u32,
    /// How often a run over samples goes over the windows that the learner has room for. 0 and 1 are the same: every
    /// window is learned from once, when it comes. [`Detector::repeat`](crate::Detector::repeat) takes the steps of the
    /// further passes.
    pub passes: u8,
    /// Whether a run over samples may learn from a stream that is very different from the training data, and would
    /// otherwise be refused: [`Rejection::Foreign`], [`Rejection::Clipped`].
    pub forced: bool,
}

/// The state of learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The state of the flash, or the reason why it cannot be used.
    pub kept: Result<RecordState, StoreError>,
    /// Rows learned from since the last run began.
    pub rows: u32,
    /// The thresholds of the monitor. Rows whose score is outside are unlike those that the network knows.
    pub thresholds: Thresholds,
}

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The sum of the scores of the held-out rows, with the channels from the beginning.
    pub before: u32,
    /// The sum of the scores of the held-out rows, with the channels from the end.
    pub after: u32,
    /// What was saved. If the run was rejected, the reason; channels and thresholds are then those from before it.
    pub kept: Result<Saved, Rejection>,
}

/// What a run saved in the flash, in a record of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Saved {
    /// The learned channels and thresholds.
    Channels(#[serde(serialize_with = "wire::number")] u32),
    /// The learned thresholds, with the channels from before the run: the stream is no drift, or the learned channels are
    /// not better by more than chance. Only a run over samples ends like this.
    ThresholdsOnly(#[serde(serialize_with = "wire::number")] u32),
}

impl Saved {
    /// The number of the record.
    pub const fn record(self) -> u32 {
        match self {
            Self::Channels(record) | Self::ThresholdsOnly(record) => record,
        }
    }
}

/// The reason why nothing of a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[repr(u32)]
pub enum Rejection {
    /// There were fewer than [`HELD_OUT`] different rows that are not constant, which are too few to judge by.
    TooFewRows,
    /// The scores of the held-out rows are not lower, or not by more than chance.
    NotBetter,
    /// The reconstructions of the held-out rows are hardly nearer to their own rows than to the others. Only what the
    /// rows have in common was learned. This happens with noise, with a repeated row, and early in a run.
    NothingEncoded,
    /// The windows are too different from the training data: with the blob's channels, the median of the held-out
    /// scores is more than one and a half times the blob's upper threshold.
    Foreign,
    /// The samples are beyond the scales of the training data: in the median of the held-out rows, more than an eighth
    /// of the inputs is clipped.
    Clipped,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooFewRows => "too few different rows to judge by",
            Self::NotBetter => "it did not clearly help on the held-out rows",
            Self::NothingEncoded => "its reconstructions do not tell the held-out rows apart",
            Self::Foreign => {
                "its windows are too different from the training data: the median score of the held-out \
                              ones is above 1.5 times the upper threshold of the blob"
            }
            Self::Clipped => "its samples are beyond the training data: more than an eighth of the inputs is clipped",
        })
    }
}
