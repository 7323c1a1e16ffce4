//! What a network is: a [`Layer`], and a pair of networks is a network.
//!
//! `(F, G)` runs `F`, then `G`; pairs nest, `(A, (B, C))`, for any depth. The compiler checks that the output of one
//! is the input of the next, and knows the size of everything before the program runs.

use crate::Kernels;
use crate::activation::ActivationKind;
use serde::{Deserialize, Serialize};
use zerocopy::FromZeros;

/// A network's forward pass.
pub trait Layer {
    /// One row of input: `[f32; I]`, or `[u8; I]` for an integer network.
    type In: Row;
    /// One row of output.
    type Out: Row;
    /// The outputs of every stage for up to `B` rows: what the backward pass needs to know of the forward pass.
    type Acts<const B: usize>: Zeroed + Send + Sync;

    /// The dense layers in order.
    fn specs() -> impl Iterator<Item = LayerSpec>;

    /// Computes the outputs of every stage for the rows `x`, at most `B` of them, and returns the last.
    fn forward<'a, const B: usize>(
        &self,
        k: &impl Kernels,
        x: &[Self::In],
        acts: &'a mut Self::Acts<B>,
    ) -> &'a [Self::Out];

    /// The network's outputs within `acts`, `n` rows of them.
    fn output<const B: usize>(acts: &Self::Acts<B>, n: usize) -> &[Self::Out];

    /// The same, to be written: where a backward pass finds `dL/dy`.
    fn output_mut<const B: usize>(acts: &mut Self::Acts<B>, n: usize) -> &mut [Self::Out];

    /// The outputs of every stage in order, `n` rows of each, as bytes: what a digest of a pass is made of.
    fn stages<const B: usize>(acts: &Self::Acts<B>, n: usize) -> impl Iterator<Item = &[u8]>;
}

/// A network's backward pass.
pub trait Backward: Layer + Sized {
    /// From `dL/dy` in the last stage of `d` to `dL/d(parameters)` in `grad` and, where asked for, `dL/dx` in `dx`.
    ///
    /// `x` and `acts` are those of the forward pass. `grad` is overwritten: the sum over the rows of `x`.
    fn backward<const B: usize>(
        &self,
        k: &impl Kernels,
        x: &[Self::In],
        acts: &Self::Acts<B>,
        d: &mut Self::Acts<B>,
        dx: Option<&mut [Self::In]>,
        grad: &mut Self,
    );
}

/// A network's numbers as flat arrays, always in the same order: optimizers, checkpoints and blobs walk them in step.
pub trait Parameters {
    /// Weights, then bias, of each layer in turn.
    fn slices(&self) -> impl Iterator<Item = &[f32]>;

    /// The same, to be written.
    fn slices_mut(&mut self) -> impl Iterator<Item = &mut [f32]>;
}

/// Types whose all-zero bytes are a value, as a constant (for a `static`) and, by [`FromZeros`], in place on the heap.
pub trait Zeroed: FromZeros {
    /// All zeros.
    const ZERO: Self;
}

/// One row of a batch: an array of numbers whose length a program can ask for.
pub trait Row: Zeroed + Copy + Send + Sync + 'static {
    /// `f32`, or `u8` in an integer network.
    type Element;
    /// How many there are.
    const LEN: usize;
    /// The row as a slice.
    fn elements(&self) -> &[Self::Element];
    /// The same, to be written.
    fn elements_mut(&mut self) -> &mut [Self::Element];
    /// Rows one after the other as a slice.
    fn flattened(rows: &[Self]) -> &[Self::Element];
}

/// The shape of one dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSpec {
    /// Inputs.
    pub inputs: u16,
    /// Outputs.
    pub outputs: u16,
    /// The function of its outputs.
    pub activation: ActivationKind,
}

/// The first `n` of `B` rows; never more than there are.
pub(crate) fn rows<T, const B: usize>(all: &[T; B], n: usize) -> &[T] {
    debug_assert!(n <= B, "more rows than the activations have room for");
    &all[..n.min(B)]
}

/// The same, to be written.
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
    fn forward<'a, const B: usize>(
        &self,
        k: &impl Kernels,
        x: &[Self::In],
        (f, g): &'a mut Self::Acts<B>,
    ) -> &'a [Self::Out] {
        let h = self.0.forward(k, x, f);
        self.1.forward(k, h, g)
    }

    fn output<const B: usize>(acts: &Self::Acts<B>, n: usize) -> &[Self::Out] {
        G::output(&acts.1, n)
    }

    fn output_mut<const B: usize>(acts: &mut Self::Acts<B>, n: usize) -> &mut [Self::Out] {
        G::output_mut(&mut acts.1, n)
    }

    fn stages<const B: usize>(acts: &Self::Acts<B>, n: usize) -> impl Iterator<Item = &[u8]> {
        F::stages(&acts.0, n).chain(G::stages(&acts.1, n))
    }
}

/// Weights that lie elsewhere, in flash for example, are as good as one's own.
impl<L: Layer> Layer for &L {
    type In = L::In;
    type Out = L::Out;
    type Acts<const B: usize> = L::Acts<B>;

    fn specs() -> impl Iterator<Item = LayerSpec> {
        L::specs()
    }

    #[inline]
    fn forward<'a, const B: usize>(
        &self,
        k: &impl Kernels,
        x: &[Self::In],
        acts: &'a mut Self::Acts<B>,
    ) -> &'a [Self::Out] {
        L::forward(self, k, x, acts)
    }

    fn output<const B: usize>(acts: &Self::Acts<B>, n: usize) -> &[Self::Out] {
        L::output(acts, n)
    }

    fn output_mut<const B: usize>(acts: &mut Self::Acts<B>, n: usize) -> &mut [Self::Out] {
        L::output_mut(acts, n)
    }

    fn stages<const B: usize>(acts: &Self::Acts<B>, n: usize) -> impl Iterator<Item = &[u8]> {
        L::stages(acts, n)
    }
}

impl<F: Backward, G: Backward<In = F::Out>> Backward for (F, G) {
    #[inline]
    fn backward<const B: usize>(
        &self,
        k: &impl Kernels,
        x: &[Self::In],
        acts: &Self::Acts<B>,
        d: &mut Self::Acts<B>,
        dx: Option<&mut [Self::In]>,
        grad: &mut Self,
    ) {
        let h = F::output(&acts.0, x.len());
        let dh = F::output_mut(&mut d.0, x.len());
        self.1.backward(k, h, &acts.1, &mut d.1, Some(dh), &mut grad.1);
        self.0.backward(k, x, &acts.0, &mut d.0, dx, &mut grad.0);
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

impl Zeroed for u8 {
    const ZERO: Self = 0;
}

impl<T: Zeroed, const N: usize> Zeroed for [T; N] {
    const ZERO: Self = [T::ZERO; N];
}

impl<T: Zeroed + Copy + Send + Sync + 'static, const N: usize> Row for [T; N] {
    type Element = T;
    const LEN: usize = N;

    fn elements(&self) -> &[T] {
        self
    }

    fn elements_mut(&mut self) -> &mut [T] {
        self
    }

    fn flattened(rows: &[Self]) -> &[T] {
        rows.as_flattened()
    }
}

impl<F: Zeroed, G: Zeroed> Zeroed for (F, G) {
    const ZERO: Self = (F::ZERO, G::ZERO);
}
