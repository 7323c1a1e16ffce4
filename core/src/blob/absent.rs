//! The half of an autoencoder that is not there: a device may hold the encoder alone.

use super::{Reader, Stored};
use crate::layer::{Row, rows, rows_mut};
use crate::{Error, Kernels, Layer, LayerSpec};
use core::marker::PhantomData;

/// A half without layers, from rows `X` to rows `Y`, in integers from `X8` to `Y8`: it has no weights and computes
/// nothing. What remains of it is a row of outputs, where the other half's input can lie.
#[derive(Debug)]
pub struct Absent<X, Y, X8 = X, Y8 = Y>(PhantomData<(X, Y, X8, Y8)>);

/// In place of the half that belongs to `H`.
pub type Without<H> = Absent<<H as Layer>::Out, <H as Layer>::In, <H as Stored>::Out8, <H as Stored>::In8>;

impl<X, Y, X8, Y8> Clone for Absent<X, Y, X8, Y8> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<X, Y, X8, Y8> Copy for Absent<X, Y, X8, Y8> {}

impl<X: Row, Y: Row, X8, Y8> Layer for Absent<X, Y, X8, Y8> {
    type In = X;
    type Out = Y;
    type Acts<const B: usize> = [Y; B];

    fn specs() -> impl Iterator<Item = LayerSpec> {
        core::iter::empty()
    }

    fn forward<'a, const B: usize>(&self, _: &impl Kernels, x: &[X], y: &'a mut [Y; B]) -> &'a [Y] {
        rows(y, x.len())
    }

    fn output<const B: usize>(y: &[Y; B], n: usize) -> &[Y] {
        rows(y, n)
    }

    fn output_mut<const B: usize>(y: &mut [Y; B], n: usize) -> &mut [Y] {
        rows_mut(y, n)
    }

    fn stages<const B: usize>(_: &[Y; B], _: usize) -> impl Iterator<Item = &[u8]> {
        core::iter::empty()
    }
}

impl<X, Y, X8, Y8> Stored for Absent<X, Y, X8, Y8>
where
    X: Row<Element = f32>,
    Y: Row<Element = f32>,
    X8: Row<Element = u8>,
    Y8: Row<Element = u8>,
{
    type In8 = X8;
    type Out8 = Y8;
    type Acts8 = [Y8; 1];
    type F32<'a> = Absent<X, Y>;
    type Int8<'a> = Absent<X8, Y8>;

    fn read_f32<'a>(_: &mut Reader<'a>) -> Result<Self::F32<'a>, Error> {
        Ok(Absent(PhantomData))
    }

    fn read_int8<'a>(_: &mut Reader<'a>) -> Result<Self::Int8<'a>, Error> {
        Ok(Absent(PhantomData))
    }
}
