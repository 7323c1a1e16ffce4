//! The scale of one input.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The scale of one input: `q = ⌊(f - offset) · gain + ½⌋`, clipped to `0..=255`.
///
/// `offset` is the feature that becomes 0, and `1 / gain` the difference of features that is one step.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Scale {
    /// In the unit of the feature.
    pub offset: f32,
    /// Steps for each unit of the feature.
    pub gain: f32,
}

impl Scale {
    /// The scale that takes `low` to 0 and `high` to 255; `None` unless both are finite and `high - low` is above 0.
    pub fn between(low: f32, high: f32) -> Option<Self> {
        let gain = 255.0 / (high - low);
        let scale = Self { offset: low, gain };
        (low.is_finite() && high.is_finite() && scale.is_valid()).then_some(scale)
    }

    /// Whether the numbers make sense: finite, and the gain above 0.
    pub fn is_valid(&self) -> bool {
        self.offset.is_finite() && self.gain > 0.0 && self.gain < f32::INFINITY
    }

    /// Scales a feature; the second value says whether it was clipped. What is not a number becomes 0 and counts as clipped.
    pub fn apply(&self, feature: f32) -> (u8, bool) {
        let steps = (feature - self.offset) * self.gain + 0.5;
        (steps as u8, !(0.0..256.0).contains(&steps)) // the cast saturates
    }

    /// The feature that an input stands for.
    pub fn feature(&self, q: u8) -> f32 {
        f32::from(q) / self.gain + self.offset
    }
}
