//! What a detector finds.
#![allow(unsafe_code)] // pointers of C

use crate::AeStatus;
use crate::memory::{check, put, read};
use autoencoder_device::Detector;
use autoencoder_device::detector::Observation;
use autoencoder_device::learn::Learn;
use autoencoder_device::monitor::Drift;

/// Whether a stream is unlike those that the network knows, and which rule it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum AeDrift {
    /// It is like them.
    None = 0,
    /// Scores are above the upper threshold.
    Above = 1,
    /// Scores are below the lower threshold: the sensor sees less.
    Below = 2,
    /// The stream repeats one or two rows.
    Repeating = 3,
}

/// What a detector finds in a window.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AeObservation {
    /// The reconstruction error of the window's row: a sum of squares, in units of 1.
    pub score: u32,
    /// The upper threshold of scores: the learned one, or that of the blob.
    pub threshold: u32,
    /// Inputs that were clipped to the ends of their scales.
    pub clipped: u32,
    /// CRC-32 of the row.
    pub row: u32,
    /// Whether the stream has drifted.
    pub drift: AeDrift,
    /// Of the last 32 scores, how many were above the upper threshold.
    pub above: u8,
    /// Of the last 32 scores, how many were below the lower threshold.
    pub below: u8,
    /// Rows in a row that repeat one of the two before them, up to 32.
    pub repeats: u8,
    /// Whether the window is complete. Otherwise, the other fields are 0.
    pub complete: bool,
}

impl AeObservation {
    /// A sample completes no window.
    const INCOMPLETE: Self = Self {
        score: 0,
        threshold: 0,
        clipped: 0,
        row: 0,
        drift: AeDrift::None,
        above: 0,
        below: 0,
        repeats: 0,
        complete: false,
    };
}

impl From<Observation> for AeObservation {
    fn from(Observation { score, threshold, clipped, verdict, row }: Observation) -> Self {
        let drift = match verdict.drift() {
            None => AeDrift::None,
            Some(Drift::Above) => AeDrift::Above,
            Some(Drift::Below) => AeDrift::Below,
            Some(Drift::Repeating) => AeDrift::Repeating,
        };
        let (above, below, repeats) = (verdict.above, verdict.below, verdict.repeats);
        Self { score, threshold, clipped, row, drift, above, below, repeats, complete: true }
    }
}

/// Gives a detector its next sample.
///
/// # Safety
///
/// `sample` is null or points to this many numbers, and `observation` is null or points to memory of one.
pub(crate) unsafe fn push<L: Learn>(
    detector: &mut Detector<'_, '_, L>,
    sample: *const f32,
    numbers: usize,
    observation: *mut AeObservation,
) -> Result<(), AeStatus> {
    check(observation)?; // a sample that was taken cannot be given back
    // SAFETY: the promise of the caller.
    let found = detector.push(unsafe { read(sample, numbers) }?)?;
    // SAFETY: the promise of the caller.
    unsafe { put(observation, found.map_or(AeObservation::INCOMPLETE, AeObservation::from)) }
}
