//! What an exported file says beside its tensors, as one JSON object under the key `autoencoder`.

use super::WeightsError;
use crate::detector::Sensor;
use autoencoder_core::Topology;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The key of the metadata.
pub const KEY: &str = "autoencoder";

/// What a network of floats does not say by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The topology as `--layers` takes it.
    pub layers: String,
    /// Steps of training.
    pub steps: u32,
    /// Bits of a code element. The float network does not round its code.
    pub code_bits: u8,
    /// How the features of a sensor become inputs; `None` if the network takes rows, such as pixels in [0, 1].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub input: Option<Input>,
}

/// The inputs of a network for samples: `x = clip((feature - offset) · gain, 0, 1)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The feature that is 0, for each input.
    pub offset: Vec<f32>,
    /// One divided by the range of the feature, for each input.
    pub gain: Vec<f32>,
    /// The input section of the blob in hexadecimal digits: front end, window, names and scales.
    pub section: String,
}

impl Metadata {
    /// The metadata of a network. `section` is the input section of its blob, which may be empty.
    pub fn new(
        topology: &Topology,
        steps: u32,
        code_bits: u8,
        section: &[u8],
    ) -> Result<Self, autoencoder_core::Error> {
        let input = if section.is_empty() { None } else { Some(Input::new(section)?) };
        Ok(Self { layers: topology.to_string(), steps, code_bits, input })
    }

    /// Reads the metadata that [`Self::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self, WeightsError> {
        serde_json::from_str(text).map_err(|error| WeightsError::file(format!("its metadata `{KEY}`: {error}")))
    }

    /// The metadata as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and strings")
    }

    /// The topology.
    pub fn topology(&self) -> Result<Topology, WeightsError> {
        let wrong = |error| WeightsError::file(format!("its metadata `{KEY}`: layers {:?}: {error}", self.layers));
        self.layers.parse().map_err(wrong)
    }

    /// The input section; empty if there is none.
    pub fn section(&self) -> Result<Vec<u8>, WeightsError> {
        let Some(input) = &self.input else { return Ok(Vec::new()) };
        let wrong = || WeightsError::file(format!("its metadata `{KEY}`: input.section is no input section of a blob"));
        let digits = input.section.as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(|pair| byte(pair).filter(|_| pair.len() == 2)).collect();
        let bytes = bytes.ok_or_else(wrong)?;
        let stored = Input::new(&bytes).map_err(|_| wrong())?;
        if !is_close(&input.offset, &stored.offset) || !is_close(&input.gain, &stored.gain) {
            let reason = "input.offset and input.gain are not those of input.section, which are used";
            return Err(WeightsError::file(format!("its metadata `{KEY}`: {reason}")));
        }
        Ok(bytes)
    }
}

/// Whether two lists have the same numbers, up to their rounding in decimal digits.
fn is_close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs())
}

impl Input {
    fn new(section: &[u8]) -> Result<Self, autoencoder_core::Error> {
        let scales = Sensor::read(section)?.scales;
        let mut digits = String::with_capacity(2 * section.len());
        for byte in section {
            write!(digits, "{byte:02x}").expect("a string takes all");
        }
        Ok(Self {
            offset: scales.iter().map(|scale| scale.offset).collect(),
            gain: scales.iter().map(|scale| scale.gain / 255.0).collect(),
            section: digits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoencoder_core::front_end::{Scale, Spec};

    fn section() -> Vec<u8> {
        let scales = (0..4).map(|i| Scale { offset: 0.1 * i as f32 - 0.17, gain: 33.3 / (i + 1) as f32 }).collect();
        Sensor { spec: Spec::rows(4), names: Vec::new(), false_alarms: 0.005, scales }.section().unwrap()
    }

    /// Text and back, in decimal digits.
    #[test]
    fn the_input_section_comes_back_and_another_scale_is_refused() {
        let topology = "4-2-4".parse().unwrap();
        let metadata = Metadata::new(&topology, 3, 8, &section()).unwrap();
        let read = Metadata::from_json(&metadata.to_json()).unwrap();
        assert_eq!((read.section(), read.steps), (Ok(section()), 3));
        for change in [
            (|input: &mut Input| input.offset[2] += 0.001) as fn(&mut Input),
            |input| input.gain[0] *= 1.001,
            |input| input.gain[3] = f32::NAN,
            |input| _ = input.gain.pop(),
            |input| input.offset.push(0.0),
        ] {
            let mut changed = metadata.clone();
            change(changed.input.as_mut().unwrap());
            let expected = "its metadata `autoencoder`: input.offset and input.gain are not those of input.section, which are used";
            assert_eq!(changed.section().unwrap_err().to_string(), expected);
        }
    }
}
