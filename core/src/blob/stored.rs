//! Networks whose weights can lie in a blob.

use super::{Format, Reader};
use crate::activation::ActivationKind;
use crate::layer::Row;
use crate::quant::{self, Channel, Weights};
use crate::{Activation, Dense, Error, Layer, Zeroed};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// From a topology to its views into a blob, in either number format.
pub trait Stored: Layer<In: Row<Element = f32>, Out: Row<Element = f32>> {
    /// One row of integer input.
    type In8: Row<Element = u8>;
    /// One row of integer output.
    type Out8: Row<Element = u8>;
    /// The integer outputs of every stage for one row.
    type Acts8: Zeroed + Send + Sync;
    /// The network in `f32`, borrowed.
    type F32<'a>: Layer<In = Self::In, Out = Self::Out>;
    /// The network in integers, borrowed.
    type Int8<'a>: Layer<In = Self::In8, Out = Self::Out8, Acts<1> = Self::Acts8> + Copy + Send + Sync;

    /// Reads the network's layers.
    fn read_f32<'a>(reader: &mut Reader<'a>) -> Result<Self::F32<'a>, Error>;

    /// Reads the network's layers.
    fn read_int8<'a>(reader: &mut Reader<'a>) -> Result<Self::Int8<'a>, Error>;
}

/// A half that belongs to `E`: codes of `E` go in and rows like `E`'s come out, in floats and in integers.
pub trait Mirrors<E: Stored>: Stored<In = E::Out, Out = E::In, In8 = E::Out8, Out8 = E::In8> {}
impl<E: Stored, D: Stored<In = E::Out, Out = E::In, In8 = E::Out8, Out8 = E::In8>> Mirrors<E> for D {}

impl<const I: usize, const O: usize, A: Activation> Stored for Dense<I, O, A> {
    type In8 = [u8; I];
    type Out8 = [u8; O];
    type Acts8 = [[u8; O]; 1];
    type F32<'a> = &'a Self;
    type Int8<'a> = quant::Dense<'a, I, O, A>;

    fn read_f32<'a>(reader: &mut Reader<'a>) -> Result<&'a Self, Error> {
        in_place(reader.layer()?.weights)
    }

    fn read_int8<'a>(reader: &mut Reader<'a>) -> Result<Self::Int8<'a>, Error> {
        let bulk = reader.layer()?;
        // Outputs that cannot be negative need no zero point.
        if bulk.output.zero != 0 && !matches!(A::KIND, ActivationKind::Identity) {
            return Err(Error::Malformed);
        }
        let channels: &[Channel; O] = in_place(bulk.channels)?;
        let weights = match reader.format() {
            Format::F32 => return Err(Error::Format),
            Format::Int8 => Weights::Int8(in_place(bulk.weights)?),
            Format::Int4 => Weights::Int4(in_place(bulk.weights)?),
        };
        quant::Dense::new(weights, channels, bulk.output).ok_or(Error::Malformed)
    }
}

impl<F: Stored, G: Stored<In = F::Out, In8 = F::Out8>> Stored for (F, G) {
    type In8 = F::In8;
    type Out8 = G::Out8;
    type Acts8 = (F::Acts8, G::Acts8);
    type F32<'a> = (F::F32<'a>, G::F32<'a>);
    type Int8<'a> = (F::Int8<'a>, G::Int8<'a>);

    fn read_f32<'a>(reader: &mut Reader<'a>) -> Result<Self::F32<'a>, Error> {
        Ok((F::read_f32(reader)?, G::read_f32(reader)?))
    }

    fn read_int8<'a>(reader: &mut Reader<'a>) -> Result<Self::Int8<'a>, Error> {
        Ok((F::read_int8(reader)?, G::read_int8(reader)?))
    }
}

/// The bytes as what they are: checks their length and where they lie.
fn in_place<T: FromBytes + Immutable + KnownLayout + ?Sized>(bytes: &[u8]) -> Result<&T, Error> {
    T::ref_from_bytes(bytes).map_err(|_| Error::Malformed)
}
