//! From the samples of a sensor to the inputs of a network.
//!
//! ```text
//! samples  f32, one for each channel, at a fixed rate
//!   │  window: the last N samples, every `hop` samples
//!   ▼
//! features raw: the samples │ centred: less their mean │ spectrum: logarithms of energies in bands
//!   │  scale: q = ⌊(f - offset) · gain + ½⌋, clipped to 0..=255
//!   ▼
//! row      u8, one for each input of the network
//! ```
//!
//! The network never learns what an input was: it sees rows of `u8`, as it does of an image. A blob for a sensor carries
//! the [`Section`], so that a device and the host compute the same rows, bit for bit: all arithmetic is `f32` in a fixed
//! order, and nothing is fused.

mod scale;
mod section;
mod spectrum;
mod window;

pub use scale::Scale;
pub use section::{Section, section_len, write_section};
pub use window::Window;

use crate::Error;
use serde::{Deserialize, Serialize};

/// The most samples of a window. A spectrum takes a power of two from [`SHORTEST_SPECTRUM`] to this.
pub const LONGEST_SPECTRUM: u16 = 1024;
/// The fewest samples of a spectrum.
pub const SHORTEST_SPECTRUM: u16 = 16;

/// The features of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FrontEnd {
    /// The samples themselves, sample by sample: `N · channels` features.
    Raw,
    /// The samples less the window's mean of their channel, sample by sample: `N · channels` features.
    Centred,
    /// The spectrum of each channel, less its mean and with a Hann window, in bands of equal width: the binary logarithm of
    /// each band's mean energy. `channels · bands` features, channel by channel.
    Spectrum {
        /// Bands of each channel.
        bands: u16,
    },
}

/// The shape of the samples and what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Numbers of a sample.
    pub channels: u16,
    /// Samples of a window.
    pub window: u16,
    /// Samples from the start of one window to the start of the next.
    pub hop: u16,
    /// Samples a second; 0 if that is not known.
    pub rate: f32,
    /// The features of a window.
    pub front_end: FrontEnd,
}

impl Spec {
    /// Rows that are the samples: windows of one sample.
    pub const fn rows(channels: u16) -> Self {
        Self { channels, window: 1, hop: 1, rate: 0.0, front_end: FrontEnd::Raw }
    }

    /// Features of a window, which are the inputs of the network.
    pub fn inputs(&self) -> usize {
        let per_channel = match self.front_end {
            FrontEnd::Raw | FrontEnd::Centred => self.window,
            FrontEnd::Spectrum { bands } => bands,
        };
        usize::from(self.channels) * usize::from(per_channel)
    }

    /// Numbers of a window.
    pub fn samples(&self) -> usize {
        usize::from(self.channels) * usize::from(self.window)
    }

    /// Numbers that [`features`] needs for its work.
    pub fn scratch(&self) -> usize {
        match self.front_end {
            FrontEnd::Raw => 0,
            FrontEnd::Centred => self.channels.into(),
            FrontEnd::Spectrum { .. } => self.window.into(),
        }
    }

    /// [`Error::Malformed`] unless there is a channel, a sample and a hop, the rate is finite and not negative, the inputs
    /// can be counted in 16 bits, and a spectrum has a length that it can be computed of and at least a bin in each band.
    pub fn check(&self) -> Result<(), Error> {
        let counts = self.channels > 0 && self.window > 0 && self.hop > 0;
        let rate = self.rate >= 0.0 && self.rate < f32::INFINITY;
        let spectrum = match self.front_end {
            FrontEnd::Raw | FrontEnd::Centred => true,
            FrontEnd::Spectrum { bands } => {
                self.window.is_power_of_two()
                    && (SHORTEST_SPECTRUM..=LONGEST_SPECTRUM).contains(&self.window)
                    && (1..=self.window / 2).contains(&bands)
            }
        };
        let inputs = self.inputs() <= u16::MAX.into();
        if counts && rate && spectrum && inputs { Ok(()) } else { Err(Error::Malformed) }
    }
}

/// Calls `feature` with each feature of a window, in order: [`Spec::inputs`] calls. `scratch` has [`Spec::scratch`] numbers
/// or more.
pub fn features(spec: &Spec, window: &Window<'_>, scratch: &mut [f32], mut feature: impl FnMut(f32)) {
    let channels = usize::from(spec.channels);
    match spec.front_end {
        FrontEnd::Raw => window.samples().flatten().for_each(|x| feature(*x)),
        FrontEnd::Centred => {
            for (channel, mean) in scratch.iter_mut().take(channels).enumerate() {
                *mean = window.mean(channel);
            }
            for sample in window.samples() {
                sample.iter().zip(&*scratch).for_each(|(x, mean)| feature(x - mean));
            }
        }
        FrontEnd::Spectrum { bands } => {
            for channel in 0..channels {
                let mean = window.mean(channel);
                for (to, x) in scratch.iter_mut().zip(window.channel(channel)) {
                    *to = x - mean;
                }
                spectrum::log_bands(scratch.get_mut(..spec.window.into()).unwrap_or_default(), bands, &mut feature);
            }
        }
    }
}

/// Computes the row of a window. Returns how many inputs were clipped because their feature is outside of their scale.
/// `scales` and `row` have [`Spec::inputs`] elements.
pub fn row(
    spec: &Spec,
    scales: impl IntoIterator<Item = Scale>,
    window: &Window<'_>,
    scratch: &mut [f32],
    row: &mut [u8],
) -> u32 {
    let mut inputs = row.iter_mut().zip(scales);
    let mut clipped = 0;
    features(spec, window, scratch, |feature| {
        if let Some((input, scale)) = inputs.next() {
            let (value, outside) = scale.apply(feature);
            *input = value;
            clipped += u32::from(outside);
        }
    });
    clipped
}

#[cfg(test)]
mod tests;
