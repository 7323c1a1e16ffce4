//! Networks whose shape is a type: each implements [`Layer`], and a pair of networks is a network.
//!
//! ```text
//! (F, G)     forward     x -> F -> h -> G -> y         h = F(x),  y = G(h)
//!            backward    dx <- F <- dh <- G <- dy      dx = dL/dx, and so on
//! ```
//!
//! Pairs nest to any depth: `(A, (B, C))`. The compiler checks that the output of each network is the input of the next,
//! and it knows every size.

use crate::LayerSpec;
use zerocopy::FromZeros;

/// A network's forward pass.
pub trait Layer {
    /// One row of input.
    type In: Row;
    /// One row of output.
    type Out: Row;
    /// The outputs of every layer for up to `B` rows, which the backward pass needs. The gradients of these outputs have
    /// the same type.
    type Acts<const B: usize>: Zeroed + Send + Sync;

    /// The dense layers in order.
    fn specs() -> impl Iterator<Item = LayerSpec>;

    /// Computes the outputs of every layer for `x`, at most `B` rows, and returns those of the last layer.
    fn forward<'a, const B: usize>(&self, x: &[Self::In], acts: &'a mut Self::Acts<B>) -> &'a [Self::Out];

    /// The first `n` rows of the network's outputs within `acts`.
    fn output<const B: usize>(acts: &Self::Acts<B>, n: usize) -> &[Self::Out];

    /// The same rows, mutable. A backward pass reads `dL/dy` from here.
    fn output_mut<const B: usize>(acts: &mut Self::Acts<B>, n: usize) -> &mut [Self::Out];

    /// The first `n` rows of the outputs of each layer, in order.
    fn layer_outputs<const B: usize>(acts: &Self::Acts<B>, n: usize) -> impl Iterator<Item = &[f32]>;
}

/// A network's backward pass.
pub trait Backward: Layer + Sized {
    /// Computes `dL/dp` for each parameter `p` into `grad`, summed over the rows, and `dL/dx` into `dx` if it is given.
    ///
    /// `x` and `acts` are those of the forward pass. `d` holds `dL/dy` in the network's outputs
    /// ([`Layer::output_mut`]); afterwards it holds `dL/dz` of every layer. `grad` and `dx` are overwritten.
    fn backward<const B: usize>(
        &self,
        x: &[Self::In],
        acts: &Self::Acts<B>,
        d: &mut Self::Acts<B>,
        dx: Option<&mut [Self::In]>,
        grad: &mut Self,
    );
}

/// A network's parameters as flat arrays. Their order never changes, so optimizers and blobs can walk several networks
/// in step.
pub trait Parameters {
    /// Weights, then bias, of each layer in turn.
    fn slices(&self) -> impl Iterator<Item = &[f32]>;

    /// Mutable access to the same slices.
    fn slices_mut(&mut self) -> impl Iterator<Item = &mut [f32]>;
}

/// Types whose all-zero bytes are a valid value: as a constant, for a `static`, and through [`FromZeros`] in place on the
/// heap.
pub trait Zeroed: FromZeros {
    /// All zeros.
    const ZERO: Self;
}

/// One row of a batch: an array `[f32; N]` of any length.
///
/// The trait exists because stable Rust cannot require an associated type to be `[f32; N]` and then name its `N`.
pub trait Row: Zeroed + Copy + Send + Sync + 'static {
    /// The number of elements.
    const LEN: usize;
    /// The row as a slice.
    fn elements(&self) -> &[f32];
    /// The row as a mutable slice.
    fn elements_mut(&mut self) -> &mut [f32];
}

/// The first `n` of `B` rows, or all of them if there are fewer.
pub(crate) fn rows<T, const B: usize>(all: &[T; B], n: usize) -> &[T] {
    debug_assert!(n <= B, "more rows than the activations have room for");
    &all[..n.min(B)]
}

/// The same, mutable.
pub(crate) fn rows_mut<T, const B: usize>(all: &mut [T; B], n: usize) -> &mut [T] {
    debug_assert!(n <= B, "more rows than the activations have room for");
    &mut all[..n.min(B)]
}

impl<F: Layer, G: Layer<In = F::Out>> Layer for (F, G) {
    type In = F::In;
    type Out = G::Out;
    type Acts<const B: usize> = (F::Acts<B>, G::Acts<B>);

    fn specs() -> impl Iterator<Item = LayerSpec> {
        F::specs().chain(G::specs())
    }

    #[inline]
    fn forward<'a, const B: usize>(&self, x: &[Self::In], (f, g): &'a mut Self::Acts<B>) -> &'a [Self::Out] {
        let h = self.0.forward(x, f);
        self.1.forward(h, g)
    }

    fn output<const B: usize>(acts: &Self::Acts<B>, n: usize) -> &[Self::Out] {
        G::output(&acts.1, n)
    }

    fn output_mut<const B: usize>(acts: &mut Self::Acts<B>, n: usize) -> &mut [Self::Out] {
        G::output_mut(&mut acts.1, n)
    }

    fn layer_outputs<const B: usize>(acts: &Self::Acts<B>, n: usize) -> impl Iterator<Item = &[f32]> {
        F::layer_outputs(&acts.0, n).chain(G::layer_outputs(&acts.1, n))
    }
}

impl<F: Backward, G: Backward<In = F::Out>> Backward for (F, G) {
    #[inline]
    fn backward<const B: usize>(
        &self,
        x: &[Self::In],
        acts: &Self::Acts<B>,
        d: &mut Self::Acts<B>,
        dx: Option<&mut [Self::In]>,
        grad: &mut Self,
    ) {
        let h = F::output(&acts.0, x.len());
        let dh = F::output_mut(&mut d.0, x.len());
        self.1.backward(h, &acts.1, &mut d.1, Some(dh), &mut grad.1);
        self.0.backward(x, &acts.0, &mut d.0, dx, &mut grad.0);
    }
}

impl<F: Parameters, G: Parameters> Parameters for (F, G) {
    fn slices(&self) -> impl Iterator<Item = &[f32]> {
        self.0.slices().chain(self.1.slices())
    }

    fn slices_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.0.slices_mut().chain(self.1.slices_mut())
    }
}

impl Zeroed for f32 {
    const ZERO: Self = 0.0;
}

impl<T: Zeroed, const N: usize> Zeroed for [T; N] {
    const ZERO: Self = [T::ZERO; N];
}

impl<const N: usize> Row for [f32; N] {
    const LEN: usize = N;

    fn elements(&self) -> &[f32] {
        self
    }

    fn elements_mut(&mut self) -> &mut [f32] {
        self
    }
}

impl<F: Zeroed, G: Zeroed> Zeroed for (F, G) {
    const ZERO: Self = (F::ZERO, G::ZERO);
}
