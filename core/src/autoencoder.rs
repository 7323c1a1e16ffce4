//! An encoder and a decoder that meet at the code.
//!
//! ```text
//! forward     x -> encoder -> code -> decoder -> y               y approximates x
//! backward    dx <- encoder <- dcode <- decoder <- dy            dv = dL/dv
//! ```

use crate::{Backward, Layer, LayerSpec, Parameters, Zeroed};
use zerocopy::FromBytes;

/// `y = decoder(encoder(x))`.
///
/// The types guarantee that the code fits the decoder and that `y` has the shape of `x`. Either half is a network that
/// can run alone.
#[derive(FromBytes)]
#[repr(C)]
pub struct Autoencoder<E, D> {
    /// Maps a row to its code.
    pub encoder: E,
    /// Maps a code back to a row.
    pub decoder: D,
}

impl<E: Layer, D: Layer<In = E::Out, Out = E::In>> Layer for Autoencoder<E, D> {
    type In = E::In;
    type Out = E::In;
    type Acts<const B: usize> = (E::Acts<B>, D::Acts<B>);

    fn specs() -> impl Iterator<Item = LayerSpec> {
        E::specs().chain(D::specs())
    }

    #[inline]
    fn forward<'a, const B: usize>(&self, x: &[Self::In], (e, d): &'a mut Self::Acts<B>) -> &'a [Self::Out] {
        let code = self.encoder.forward(x, e);
        self.decoder.forward(code, d)
    }

    fn output<const B: usize>(acts: &Self::Acts<B>, n: usize) -> &[Self::Out] {
        D::output(&acts.1, n)
    }

    fn output_mut<const B: usize>(acts: &mut Self::Acts<B>, n: usize) -> &mut [Self::Out] {
        D::output_mut(&mut acts.1, n)
    }

    fn layer_outputs<const B: usize>(acts: &Self::Acts<B>, n: usize) -> impl Iterator<Item = &[f32]> {
        E::layer_outputs(&acts.0, n).chain(D::layer_outputs(&acts.1, n))
    }
}

impl<E: Backward, D: Backward<In = E::Out, Out = E::In>> Backward for Autoencoder<E, D> {
    #[inline]
    fn backward<const B: usize>(
        &self,
        x: &[Self::In],
        acts: &Self::Acts<B>,
        d: &mut Self::Acts<B>,
        dx: Option<&mut [Self::In]>,
        grad: &mut Self,
    ) {
        let code = E::output(&acts.0, x.len());
        let dcode = E::output_mut(&mut d.0, x.len());
        self.decoder.backward(code, &acts.1, &mut d.1, Some(dcode), &mut grad.decoder);
        self.encoder.backward(x, &acts.0, &mut d.0, dx, &mut grad.encoder);
    }
}

impl<E: Parameters, D: Parameters> Parameters for Autoencoder<E, D> {
    fn slices(&self) -> impl Iterator<Item = &[f32]> {
        self.encoder.slices().chain(self.decoder.slices())
    }

    fn slices_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.encoder.slices_mut().chain(self.decoder.slices_mut())
    }
}

impl<E: Zeroed, D: Zeroed> Zeroed for Autoencoder<E, D> {
    const ZERO: Self = Self { encoder: E::ZERO, decoder: D::ZERO };
}
