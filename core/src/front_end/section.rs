//! The input section of a blob.

use super::{Scale, Spec};
use crate::Error;
use zerocopy::{FromBytes, IntoBytes};

/// The input section of a blob: how samples become the inputs of its network.
///
/// ```text
/// spec     channels, window, hop (varint), rate (f32), front end (varint; of a spectrum also its bands, varint)
/// names    the channels' names, a newline between two of them; empty if they have none
/// rate     of false alarms: the fraction of normal rows that was to be above the upper threshold (f32)
/// scales   offset and gain (f32) of each input, little-endian
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Section<'a> {
    /// The shape of the samples and their front end.
    pub spec: Spec,
    /// The channels' names, a newline between two of them; empty if they have none.
    pub names: &'a str,
    /// The fraction of normal rows that was to be above the upper threshold.
    pub false_alarms: f32,
    scales: &'a [u8],
}

impl<'a> Section<'a> {
    /// Reads a section: [`Error::Malformed`] if its fields make no sense.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let ((spec, names, false_alarms, scales), rest): ((Spec, &str, f32, &[u8]), _) =
            postcard::take_from_bytes(bytes).map_err(|_| Error::Malformed)?;
        let section = Self { spec, names, false_alarms, scales };
        spec.check()?;
        let count = 1 + names.bytes().filter(|byte| *byte == b'\n').count();
        let names_fit = names.is_empty() || count == usize::from(spec.channels);
        let lengths = scales.len() == spec.inputs() * size_of::<Scale>() && rest.is_empty();
        let valid = lengths
            && names_fit
            && (0.0..1.0).contains(&false_alarms)
            && section.scales().all(|scale| scale.is_valid());
        if valid { Ok(section) } else { Err(Error::Malformed) }
    }

    /// The name of each channel; none if they have none.
    pub fn channel_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let names = self.names;
        // A name may be empty, but not all of them.
        names.split('\n').filter(move |_| !names.is_empty())
    }

    /// The scale of each input.
    pub fn scales(&self) -> impl ExactSizeIterator<Item = Scale> + use<'a> {
        let (scales, _) = self.scales.as_chunks::<{ size_of::<Scale>() }>();
        scales.iter().map(|bytes| Scale::read_from_bytes(bytes).unwrap_or(Scale { offset: 0.0, gain: 1.0 }))
    }
}

/// Writes a section into `buffer`.
pub fn write_section<'b>(
    spec: &Spec,
    names: &str,
    false_alarms: f32,
    scales: &[Scale],
    buffer: &'b mut [u8],
) -> Result<&'b [u8], Error> {
    let bytes =
        postcard::to_slice(&(spec, names, false_alarms, scales.as_bytes()), buffer).map_err(|_| Error::NoRoom)?;
    Ok(bytes)
}

/// The number of bytes that [`write_section`] needs.
pub fn section_len(spec: &Spec, names: &str, false_alarms: f32, scales: &[Scale]) -> Result<usize, Error> {
    postcard::experimental::serialized_size(&(spec, names, false_alarms, scales.as_bytes())).map_err(|_| Error::NoRoom)
}
