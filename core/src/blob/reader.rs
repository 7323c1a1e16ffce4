//! Opening a blob.

use super::{ALIGNMENT, Format, Header, MAGIC, PREFIX, Stored, TRAILER, VERSION};
use crate::quant::Affine;
use crate::{Autoencoder, Error, Layer, Parameters, crc};
use zerocopy::IntoBytes;

/// A blob whose prefix, length, CRC and header have been checked.
#[derive(Clone, Debug)]
pub struct Blob<'a> {
    bytes: &'a [u8],
    header: Header,
    /// Where the layers begin.
    layers_at: usize,
}

/// One layer as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Bulk<'a> {
    /// What the outputs' `u8` values stand for.
    pub output: Affine,
    /// int8 and int4: the [`crate::quant::Channel`]s. f32: empty.
    pub channels: &'a [u8],
    /// int8: the [`crate::quant::Quad`]s. int4: the [`crate::quant::Octet`]s. f32: weights, then bias.
    pub weights: &'a [u8],
}

impl<'a> Blob<'a> {
    /// Checks everything about `bytes` that does not depend on the network. What follows the blob is ignored.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Error> {
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
            return Err(Error::Version { expected: VERSION, found: version });
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
        let rest = body.get(PREFIX..).ok_or(Error::Malformed)?;
        let (header, rest) = postcard::take_from_bytes::<Header>(rest).map_err(|_| Error::Malformed)?;
        let sensible = usize::from(header.encoder_layers) <= header.layers.len()
            && (1..=8).contains(&header.code_bits)
            && header.input.is_valid();
        if !sensible {
            return Err(Error::Malformed);
        }
        let layers_at = body.len() - rest.len();
        Ok(Self { bytes, header, layers_at })
    }

    /// What stands before the layers.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The whole blob, CRC included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its CRC-32: the identity of these weights.
    pub fn crc(&self) -> u32 {
        self.bytes.last_chunk().map_or(0, |crc| u32::from_le_bytes(*crc))
    }

    /// The layers as they are stored, in order.
    pub fn layers(&self) -> Reader<'a> {
        let body = self.bytes.get(self.layers_at..self.bytes.len().saturating_sub(TRAILER));
        Reader { rest: body.unwrap_or_default(), format: self.header.format }
    }

    /// The network in `f32`, borrowed from the blob.
    pub fn f32<E: Stored, D: Stored>(&self) -> Result<Autoencoder<E::F32<'a>, D::F32<'a>>, Error> {
        self.read::<E, D, _, _>(&[Format::F32], E::read_f32, D::read_f32)
    }

    /// Copies the numbers in `f32` into a network of the same layers, to be trained on.
    pub fn copy_f32<N: Layer + Parameters>(&self, net: &mut N) -> Result<(), Error> {
        if !N::specs().eq(self.header.layers.iter().copied()) {
            return Err(Error::Topology);
        }
        if self.header.format != Format::F32 {
            return Err(Error::Format);
        }
        let mut layers = self.layers();
        let mut slices = net.slices_mut();
        while let (Some(weights), Some(bias)) = (slices.next(), slices.next()) {
            let bytes = layers.layer()?.weights;
            let (w, b) = bytes.split_at_checked(size_of_val(weights)).ok_or(Error::Malformed)?;
            if b.len() != size_of_val(bias) {
                return Err(Error::Malformed);
            }
            weights.as_mut_bytes().copy_from_slice(w);
            bias.as_mut_bytes().copy_from_slice(b);
        }
        Ok(())
    }

    /// The network in integers, borrowed from the blob: `u8` activations, weights of 8 or 4 bits.
    pub fn int8<E: Stored, D: Stored>(&self) -> Result<Autoencoder<E::Int8<'a>, D::Int8<'a>>, Error> {
        if !self.header.accumulators_checked {
            return Err(Error::Accumulator);
        }
        self.read::<E, D, _, _>(&[Format::Int8, Format::Int4], E::read_int8, D::read_int8)
    }

    fn read<E: Layer, D: Layer, F, G>(
        &self,
        formats: &[Format],
        encoder: impl FnOnce(&mut Reader<'a>) -> Result<F, Error>,
        decoder: impl FnOnce(&mut Reader<'a>) -> Result<G, Error>,
    ) -> Result<Autoencoder<F, G>, Error> {
        if !self.header.describes::<E, D>() {
            return Err(Error::Topology);
        }
        if !formats.contains(&self.header.format) {
            return Err(Error::Format);
        }
        let mut reader = self.layers();
        let (encoder, decoder) = (encoder(&mut reader)?, decoder(&mut reader)?);
        if reader.rest.is_empty() { Ok(Autoencoder { encoder, decoder }) } else { Err(Error::Malformed) }
    }
}

/// Reads one layer after another.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    format: Format,
}

impl<'a> Reader<'a> {
    /// How the numbers of its layers are stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The next layer.
    pub fn layer(&mut self) -> Result<Bulk<'a>, Error> {
        let output: Affine = self.take()?;
        if !output.is_valid() {
            return Err(Error::Malformed);
        }
        Ok(Bulk { output, channels: self.bulk()?, weights: self.bulk()? })
    }

    /// A padding byte string, then the bulk bytes.
    fn bulk(&mut self) -> Result<&'a [u8], Error> {
        let padding: &[u8] = self.take()?;
        if padding.len() < ALIGNMENT { self.take() } else { Err(Error::Malformed) }
    }

    fn take<T: serde::Deserialize<'a>>(&mut self) -> Result<T, Error> {
        let (value, rest) = postcard::take_from_bytes(self.rest).map_err(|_| Error::Malformed)?;
        self.rest = rest;
        Ok(value)
    }
}
