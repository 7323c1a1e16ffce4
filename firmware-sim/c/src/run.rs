//! A run of learning: its settings, its rows and its result.

use crate::AeStatus;
use autoencoder_device::learn::{Begin, HELD_OUT, Judgement, MAX_BATCH, Method, Rejection, Saved, Status};
use autoencoder_device::store::RecordState;

/// The optimizer of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum AeMethod {
    /// Adam: the best in most cases.
    Adam = 0,
    /// RMSProp.
    RmsProp = 1,
    /// Gradient descent with momentum.
    Sgd = 2,
}

/// The settings of a run. Zeros are a good start for all fields but `rows`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AeRun {
    /// An `ae_method`.
    pub method: u32,
    /// The learning rate of the first step, in millionths; it falls linearly over the run. 0: the best measured for this method.
    pub rate: u32,
    /// The rows or windows of the run, with the 8 that are held out.
    pub rows: u32,
    /// Rows of each step, up to 8. 0 is the same as 1.
    pub batch: u8,
    /// How often a run over windows goes over those that the memory has room for. 0 is the same as 1: each once, when it comes.
    pub passes: u8,
    /// Not 0: also learns from windows that are very different from the training data.
    pub forced: u8,
}

impl AeRun {
    pub(crate) fn begin(self) -> Result<Begin, AeStatus> {
        let Self { method, rate, rows, batch, passes, forced } = self;
        let method = match method {
            method if method == AeMethod::Adam as u32 => Method::Adam,
            method if method == AeMethod::RmsProp as u32 => Method::RmsProp,
            method if method == AeMethod::Sgd as u32 => Method::Sgd,
            _ => return Err(AeStatus::Argument),
        };
        if batch > MAX_BATCH {
            return Err(AeStatus::Argument);
        }
        let rate = if rate == 0 { method.rate() } else { rate };
        let rows = rows.saturating_sub(HELD_OUT as u32);
        Ok(Begin { method, rate, batch: batch.max(1), rows, passes, forced: forced != 0 })
    }
}

/// What became of a row or of a window of a run.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AeLearned {
    /// The score before the step of the row that was learned from; without a step, the score of this row.
    pub score: u32,
    /// Whether the row was held out and none was learned from.
    pub held_out: bool,
    /// Whether there was a row: a sample may complete no window. Otherwise, the other fields are 0.
    pub complete: bool,
}

impl AeLearned {
    pub(crate) fn of(learned: Option<(u32, bool)>) -> Self {
        match learned {
            Some((score, held_out)) => Self { score, held_out, complete: true },
            None => Self { score: 0, held_out: false, complete: false },
        }
    }
}

/// What a run leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum AeOutcome {
    /// The learned parameters and thresholds are kept in the flash.
    Kept = 0,
    /// New thresholds are kept in the flash, with the parameters from before the run: the windows are no drift, or the parameters did
    /// not clearly help.
    Thresholds = 1,
    /// Nothing: there were too few different rows to judge by.
    TooFewRows = 2,
    /// Nothing: it did not clearly help.
    NotBetter = 3,
    /// Nothing: the reconstructions do not tell the rows apart.
    NothingEncoded = 4,
    /// Nothing: the windows are too different from the training data.
    Foreign = 5,
    /// Nothing: the samples are beyond the scales of the training data.
    Clipped = 6,
    /// Nothing, for a reason that this version of the header has no name for.
    Refused = 7,
}

/// The end of a run.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AeJudgement {
    /// The sum of the scores of the held-out rows, with the parameters from before the run.
    pub before: u32,
    /// The same with those from its end.
    pub after: u32,
    /// What is kept.
    pub outcome: AeOutcome,
    /// The number of the record in the flash; 0 if nothing is kept.
    pub record: u32,
}

impl From<Judgement> for AeJudgement {
    fn from(Judgement { before, after, kept }: Judgement) -> Self {
        let (outcome, record) = match kept {
            Ok(Saved::Channels(record)) => (AeOutcome::Kept, record),
            Ok(Saved::ThresholdsOnly(record)) => (AeOutcome::Thresholds, record),
            Err(Rejection::TooFewRows) => (AeOutcome::TooFewRows, 0),
            Err(Rejection::NotBetter) => (AeOutcome::NotBetter, 0),
            Err(Rejection::NothingEncoded) => (AeOutcome::NothingEncoded, 0),
            Err(Rejection::Foreign) => (AeOutcome::Foreign, 0),
            Err(Rejection::Clipped) => (AeOutcome::Clipped, 0),
            Err(_) => (AeOutcome::Refused, 0),
        };
        Self { before, after, outcome, record }
    }
}

/// What the flash holds for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum AeRecord {
    /// Nothing was ever written.
    Nothing = 0,
    /// What was learned.
    Learned = 1,
    /// A record that selects the blob's parameters, after a reset.
    Base = 2,
    /// What was learned with other weights: it is ignored.
    OtherWeights = 3,
    /// No whole record: the blob's parameters are used.
    Damaged = 4,
}

/// The state of learning.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AeLearning {
    /// What the flash holds.
    pub record: AeRecord,
    /// The number of that record, which is the number of records written so far; 0 without one.
    pub number: u32,
    /// Rows learned from since the last run began.
    pub rows: u32,
    /// The lower threshold of scores in use.
    pub lower: u32,
    /// The upper threshold of scores in use.
    pub upper: u32,
}

impl AeLearning {
    pub(crate) fn of(Status { kept, rows, thresholds }: Status) -> Result<Self, AeStatus> {
        let kept = kept?;
        let record = match kept {
            RecordState::Nothing => AeRecord::Nothing,
            RecordState::Learned(_) => AeRecord::Learned,
            RecordState::Base(_) => AeRecord::Base,
            RecordState::OtherWeights { .. } => AeRecord::OtherWeights,
            RecordState::Damaged => AeRecord::Damaged,
        };
        let number = kept.record().map_or(0, |record| record.sequence);
        Ok(Self { record, number, rows, lower: thresholds.lower, upper: thresholds.upper })
    }
}
