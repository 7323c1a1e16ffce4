//! From recordings of a sensor to the rows of a detector: front end, scales, and the windows that train, validate and test.

mod changes;
mod choice;
mod layers;
mod scales;
mod split;

pub use choice::{Trial, best, spread, try_front_ends};
pub use layers::layers;
pub use scales::{balance, scales};
pub use split::Split;

use autoencoder_core::Error;
use autoencoder_core::front_end::{FrontEnd, Scale, Section, Spec, section_len, write_section};
use autoencoder_io::recordings::Recordings;
use autoencoder_io::windows::{self, Place, Rows};

/// The contents of a blob's input section.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensor {
    /// The shape of the samples and their front end.
    pub spec: Spec,
    /// The channels' names; empty if they have none.
    pub names: Vec<String>,
    /// The fraction of normal rows that was to be above the upper threshold.
    pub false_alarms: f32,
    /// The scale of each input.
    pub scales: Vec<Scale>,
}

impl Sensor {
    /// The sensor of an input section.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let section = Section::read(bytes)?;
        let names = section.channel_names().map(str::to_owned).collect();
        let scales = section.scales().collect();
        Ok(Self { spec: section.spec, names, false_alarms: section.false_alarms, scales })
    }

    /// The input section.
    pub fn section(&self) -> Result<Vec<u8>, Error> {
        let names = self.names.join("\n");
        let mut bytes = vec![0; section_len(&self.spec, &names, self.false_alarms, &self.scales)?];
        write_section(&self.spec, &names, self.false_alarms, &self.scales, &mut bytes)?;
        Ok(bytes)
    }

    /// The fraction of normal rows that was to be above the upper threshold, as it was given: the `f32` nearest to 0.005 is below
    /// it, and of 1,000 rows would let four be above instead of five.
    pub fn rate(&self) -> f64 {
        self.false_alarms.to_string().parse().unwrap_or(self.false_alarms.into())
    }

    /// The name of the channel that an input is of, or its number from 1.
    pub fn channel_of(&self, input: usize) -> String {
        let channels = usize::from(self.spec.channels).max(1);
        let channel = match self.spec.front_end {
            FrontEnd::Spectrum { bands } => input / usize::from(bands.max(1)),
            _ => input % channels,
        };
        self.names.get(channel).filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| (channel + 1).to_string())
    }

    /// The rows of some windows, computed as a device computes them.
    pub fn rows(&self, recordings: &Recordings, places: &[Place]) -> Rows {
        windows::rows(recordings, &self.spec, &self.scales, places)
    }
}
