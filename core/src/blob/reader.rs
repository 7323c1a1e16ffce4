//! Opening a blob.

use super::{ALIGNMENT, Format, Header, MAGIC, PREFIX, RawLayer, TRAILER, Thresholds, VERSION};
use crate::quant::QuantParams;
use crate::{Error, Layer, Parameters, Topology, crc};
use zerocopy::IntoBytes;

/// A blob whose prefix, length, CRC and header have been checked.
#[derive(Clone, Debug)]
pub struct Blob<'a> {
    bytes: &'a [u8],
    header: Header,
    /// The offset of the layers.
    layers_at: usize,
}

impl<'a> Blob<'a> {
    /// Checks everything except the layers. Bytes after the blob are ignored.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::open_and(bytes, |_| Ok(()))
    }

    /// As [`Self::open`], with one more check.
    #[inline]
    pub(crate) fn open_and(bytes: &'a [u8], check: impl FnOnce(&Self) -> Result<(), Error>) -> Result<Self, Error> {
        let prefix: &[u8; PREFIX] = bytes.first_chunk().ok_or(Error::Empty)?;
        let [m0, m1, m2, m3, version, l0, l1, l2, l3] = *prefix;
        let magic = [m0, m1, m2, m3];
        if magic == [0xff; 4] || magic == [0; 4] {
            return Err(Error::Empty);
        }
        if magic != MAGIC {
            return Err(Error::NotABlob);
        }
        if version != VERSION {
            return Err(Error::Version { expected: VERSION.into(), found: version.into() });
        }
        if !(bytes.as_ptr() as usize).is_multiple_of(ALIGNMENT) {
            return Err(Error::Misaligned);
        }
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let truncated = Error::Truncated { expected: length, found: bytes.len() as u32 };
        let bytes = bytes.get(..length as usize).ok_or(truncated)?;
        let (body, trailer) = bytes.split_last_chunk::<TRAILER>().ok_or(Error::Malformed)?;
        let (expected, found) = (crc::checksum(body), u32::from_le_bytes(*trailer));
        if expected != found {
            return Err(Error::Crc { expected, found });
        }
        let mut rest = body.get(PREFIX..).ok_or(Error::Malformed)?;
        // Field by field, in place: a header that is read as a whole would be copied over a device's stack several
        // times.
        let (format, accumulators_checked) = take(&mut rest)?;
        let steps = take(&mut rest)?;
        let (input, code_bits) = take(&mut rest)?;
        let (lower, upper) = (take(&mut rest)?, take(&mut rest)?);
        let (encoder_layers, layers): (u8, u8) = take(&mut rest)?; // a length below 128 is one byte
        let (thresholds, topology) = (Thresholds { lower, upper }, Topology::empty(encoder_layers));
        let header = Header { format, accumulators_checked, steps, input, code_bits, thresholds, topology };
        let mut blob = Self { bytes, header, layers_at: 0 };
        for _ in 0..layers {
            blob.header.topology.push(take(&mut rest)?).map_err(|_| Error::Malformed)?;
        }
        blob.layers_at = body.len() - rest.len();
        let Header { input, thresholds, topology, .. } = &blob.header;
        if topology.check().is_err()
            || !(1..=8).contains(&code_bits)
            || !input.is_valid()
            || thresholds.lower > thresholds.upper
        {
            return Err(Error::Malformed);
        }
        check(&blob)?;
        Ok(blob)
    }

    /// The fields before the layers.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The whole blob, including the CRC.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its CRC-32: the identity of these weights.
    pub fn crc(&self) -> u32 {
        self.bytes.last_chunk().map_or(0, |crc| u32::from_le_bytes(*crc))
    }

    /// The layers as they are stored, in order.
    pub fn layers(&self) -> Layers<'a> {
        let body = self.bytes.get(self.layers_at..self.bytes.len().saturating_sub(TRAILER));
        Layers { rest: body.unwrap_or_default() }
    }

    /// The input section, which describes how samples become rows: [`Section::read`](crate::front_end::Section::read)
    /// reads it. It is empty if rows are the network's inputs as they are, as pixels are.
    pub fn input(&self) -> Result<&'a [u8], Error> {
        let mut layers = self.layers();
        for _ in self.header.topology.layers() {
            layers.next_layer()?;
        }
        layers.finish()
    }

    /// Copies the parameters of an `f32` blob into a network with the same layers as a type.
    pub fn copy_f32<N: Layer + Parameters>(&self, net: &mut N) -> Result<(), Error> {
        if !N::specs().eq(self.header.topology.layers().iter().copied()) {
            return Err(Error::Topology);
        }
        if self.header.format != Format::F32 {
            return Err(Error::Format);
        }
        let mut layers = self.layers();
        let mut slices = net.slices_mut();
        while let (Some(weights), Some(bias)) = (slices.next(), slices.next()) {
            let (w, b) = layers.next_layer()?.weights.split_at_checked(size_of_val(weights)).ok_or(Error::Malformed)?;
            if b.len() != size_of_val(bias) {
                return Err(Error::Malformed);
            }
            weights.as_mut_bytes().copy_from_slice(w);
            bias.as_mut_bytes().copy_from_slice(b);
        }
        layers.finish().map(|_| ())
    }
}

/// Reads the next value and advances the bytes past it.
fn take<'a, T: serde::Deserialize<'a>>(rest: &mut &'a [u8]) -> Result<T, Error> {
    let (value, after) = postcard::take_from_bytes(rest).map_err(|_| Error::Malformed)?;
    *rest = after;
    Ok(value)
}

/// Reads one layer after another.
#[derive(Clone, Debug)]
pub struct Layers<'a> {
    rest: &'a [u8],
}

impl<'a> Layers<'a> {
    /// The next layer. A byte string of padding precedes each of its arrays.
    pub fn next_layer(&mut self) -> Result<RawLayer<'a>, Error> {
        type Fields<'a> = (QuantParams, &'a [u8], &'a [u8], &'a [u8], &'a [u8]);
        let (output, padding, channels, more_padding, weights): Fields<'a> = take(&mut self.rest)?;
        if !output.is_valid() || padding.len().max(more_padding.len()) >= ALIGNMENT {
            return Err(Error::Malformed);
        }
        Ok(RawLayer { output, channels, weights })
    }

    /// The input section, which follows the last layer. Returns an error unless all layers were read.
    pub fn finish(mut self) -> Result<&'a [u8], Error> {
        let input = take(&mut self.rest)?;
        if self.rest.is_empty() { Ok(input) } else { Err(Error::Malformed) }
    }
}
