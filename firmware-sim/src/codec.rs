//! The network on the device: encode, decode and score over static activations.

use crate::Error;
use crate::learn::{Frozen, Learning};
use autoencoder_core::blob::{Blob, Mirrors, Stored};
use autoencoder_core::crc::Digest;
use autoencoder_core::layer::Row;
use autoencoder_core::quant::code;
use autoencoder_core::{Autoencoder, Error as WeightsError, Layer, Native, Zeroed};

/// An integer network, its weights borrowed from flash, and the activations of one image.
///
/// No buffer for the image: while it is encoded it lies where the decoder's output will be, and a caller who scores
/// it still has it. `L` says whether the network learns; one that does not takes no RAM for it.
pub struct Codec<'b, E: Stored, D: Stored, L = Frozen> {
    pub(crate) net: Result<Autoencoder<E::Int8<'b>, D::Int8<'b>>, WeightsError>,
    weights: u32,
    pub(crate) code_bits: u8,
    threshold: u32,
    pub(crate) encoder: E::Acts8,
    pub(crate) decoder: D::Acts8,
    pub(crate) learner: L,
}

impl<'b, E, D, L> Codec<'b, E, D, L>
where
    E: Stored,
    D: Mirrors<E>,
    L: Learning<E, D>,
{
    /// Bytes that the encoder alone takes: the image, and its own activations.
    pub const ENCODER_BYTES: usize = E::In8::LEN + size_of::<E::Acts8>();
    /// Bytes that the decoder alone takes: the code, unpacked, and its own activations.
    pub const DECODER_BYTES: usize = E::Out8::LEN + size_of::<D::Acts8>();
    /// Bytes of both halves' activations.
    pub const ACTIVATION_BYTES: usize = size_of::<E::Acts8>() + size_of::<D::Acts8>();

    /// Without weights.
    pub const fn new() -> Self {
        Self {
            net: Err(WeightsError::Empty),
            weights: 0,
            // All zeros, lest the whole static lie in flash for the sake of two words.
            code_bits: 0,
            threshold: 0,
            encoder: E::Acts8::ZERO,
            decoder: D::Acts8::ZERO,
            learner: L::NEW,
        }
    }

    /// Takes the weights of `blob`, or remembers why it cannot.
    #[inline(never)] // lest the stack of whoever calls it keep room for what only this takes
    pub fn load(&mut self, blob: &'b [u8]) {
        self.net = Blob::open(blob).and_then(|blob| {
            self.weights = blob.crc();
            (self.code_bits, self.threshold) = (blob.header().code_bits, blob.header().threshold);
            blob.int8::<E, D>()
        });
        if let Ok(net) = &self.net {
            self.learner.start(net, self.weights);
        }
    }

    /// CRC of the weights.
    pub fn weights(&self) -> Result<u32, Error> {
        match &self.net {
            Ok(_) => Ok(self.weights),
            Err(error) => Err(Error::Weights(*error)),
        }
    }

    /// What a code is of: the CRC of the weights and, where they have learned, of the tables. No other network's codes
    /// are decoded.
    pub fn identity(&self) -> Result<u32, Error> {
        Ok(self.weights()? ^ self.learner.identity())
    }

    /// Bits of a code element.
    pub fn code_bits(&self) -> u8 {
        self.code_bits
    }

    /// From which score on an image is unlike those that the network knows, as the weights say or what was learned.
    pub fn threshold(&self) -> u32 {
        self.learner.threshold().unwrap_or(self.threshold)
    }

    /// From an image to its code, packed.
    pub fn encode(&mut self, image: &[u8]) -> Result<&[u8], Error> {
        present::<E>()?;
        let net = self.net.as_ref().map_err(|error| *error)?;
        let x = D::Int8::output_mut::<1>(&mut self.decoder, 1);
        fill(x, image, E::In8::LEN)?;
        self.learner.encoder(&net.encoder).forward::<1>(&Native {}, x, &mut self.encoder);
        Ok(code::pack(row_mut(E::Int8::output_mut::<1>(&mut self.encoder, 1)), self.code_bits))
    }

    /// From a packed code back to an image.
    pub fn decode(&mut self, code: &[u8]) -> Result<&[u8], Error> {
        present::<D>()?;
        let length = code::packed_bytes(E::Out8::LEN, self.code_bits);
        fill(E::Int8::output_mut::<1>(&mut self.encoder, 1), code, length)?;
        self.decode_own()
    }

    /// The sum of the squared differences between an image and its reconstruction.
    pub fn score(&mut self, image: &[u8]) -> Result<u32, Error> {
        present::<D>()?;
        self.encode(image)?;
        let reconstruction = self.decode_own()?;
        Ok(squared_error(image, reconstruction))
    }

    /// CRC-32 of the outputs of the first `layers` layers for this image, from the first of the encoder to the last of
    /// the decoder; and its score.
    pub fn digest(&mut self, image: &[u8], layers: usize) -> Result<(u32, u32), Error> {
        let score = self.score(image)?;
        let stages = E::Int8::stages::<1>(&self.encoder, 1).chain(D::Int8::stages::<1>(&self.decoder, 1));
        let mut digest = Digest::new();
        stages.take(layers).for_each(|outputs| digest.update(outputs));
        Ok((digest.finalize(), score))
    }

    /// Decodes the packed code that the encoder's activations end with.
    fn decode_own(&mut self) -> Result<&[u8], Error> {
        let net = self.net.as_ref().map_err(|error| *error)?;
        let code = E::Int8::output_mut::<1>(&mut self.encoder, 1);
        code::unpack(row_mut(code), self.code_bits);
        Ok(row(self.learner.decoder(&net.decoder).forward::<1>(&Native {}, code, &mut self.decoder)))
    }
}

impl<E, D, L> Default for Codec<'_, E, D, L>
where
    E: Stored,
    D: Mirrors<E>,
    L: Learning<E, D>,
{
    fn default() -> Self {
        Self::new()
    }
}

/// `Σ (x - y)²`, in steps of a `u8`.
pub(crate) fn squared_error(x: &[u8], y: &[u8]) -> u32 {
    x.iter().zip(y).map(|(x, y)| u32::from(x.abs_diff(*y)).pow(2)).sum()
}

/// An error for the half that a device is without ([`autoencoder_core::blob::Without`]).
fn present<H: Layer>() -> Result<(), Error> {
    if H::specs().next().is_some() { Ok(()) } else { Err(Error::Absent) }
}

/// The one row of a batch of one.
pub(crate) fn row<R: Row<Element = u8>>(rows: &[R]) -> &[u8] {
    rows.first().map_or(&[], Row::elements)
}

/// The same, to be written.
pub(crate) fn row_mut<R: Row<Element = u8>>(rows: &mut [R]) -> &mut [u8] {
    rows.first_mut().map_or(&mut [], Row::elements_mut)
}

/// Copies `from`, if it has the expected length, to where the one row of a batch of one begins.
pub(crate) fn fill<R: Row<Element = u8>>(rows: &mut [R], from: &[u8], expected: usize) -> Result<(), Error> {
    match row_mut(rows).get_mut(..expected) {
        Some(to) if from.len() == expected => {
            to.copy_from_slice(from);
            Ok(())
        }
        _ => {
            let clamp = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
            Err(Error::Length { expected: clamp(expected), found: clamp(from.len()) })
        }
    }
}
