//! The arithmetic of the host on this machine's vector instructions, which are detected when the program runs.
//!
//! The trainer multiplies matrices through one trait, [`Products`]. [`F32`] runs on any machine; [`Bf16`] takes half the time
//! where the processor has `avx512_bf16`. Both are tested against the plain loops of [`autoencoder_core::kernels`].
//! [`Fast`] computes integer layers.
//!
//! Everything runs on the calling thread, and no result depends on the number of threads.

// Processors other than x86-64 have no such instructions: nothing of bfloat16 can run there.
#[cfg_attr(not(target_arch = "x86_64"), path = "absent.rs")]
mod avx512;

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unreachable_code, unused_variables))]
pub mod bf16;
mod f32;
mod gemm;
mod int8;
#[cfg(test)]
#[path = "../../tests/common/left_out.rs"]
pub(crate) mod left_out;
mod prefetch;
mod sparse;
#[cfg(test)]
mod tests;
mod transpose;

pub use bf16::Bf16;
pub use f32::F32;
pub use gemm::dense_rate;
pub use int8::Fast;
pub(crate) use prefetch::prefetch;

use crate::profile::{Phase, timed};
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::{LayerSpec, kernels};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// The most rows of a batch that products take at a time: a shard.
pub const SHARD: usize = 128;

/// The matrix products of a dense layer, forward and backward.
///
/// A layer is an argument of each product, in the form that an implementation reads. `n` rows, at most [`SHARD`], go through
/// [`Self::forward`] and [`Self::input_gradient`]; these store in `operands` what [`Self::weight_gradient`] multiplies
/// once all shards of a batch are done. Letters: `I` inputs, `O` outputs, `z = x·Wᵀ + b`, `y = σ(z)`, `dz = dL/dz`.
pub trait Products: Copy + Send + Sync {
    /// A layer's weights as these products read them.
    type Layer<'a>: Copy + Send + Sync;
    /// The stored operands of one shard in one layer.
    type Operands: Send + Sync;

    /// Room for the operands of a shard in the layer at `index`, counted from 0.
    fn operands(self, index: usize, spec: LayerSpec) -> Self::Operands;

    /// `y = x·Wᵀ`, with `x: [n, I]`, `y: [n, O]`.
    fn forward(self, layer: Self::Layer<'_>, x: &[f32], operands: &mut Self::Operands, y: &mut [f32]);

    /// `dx = dz·W`, with `dz: [n, O]`, `dx: [n, I]`. The first layer has no `dx`, but its `dz` is stored, too.
    fn input_gradient(self, layer: Self::Layer<'_>, dz: &[f32], operands: &mut Self::Operands, dx: Option<&mut [f32]>);

    /// Some rows of `dW = Σ dzᵀ·x`, with `dw: [rows, I]`; the sum goes over all rows of all shards, in order.
    ///
    /// `rows` begins at a multiple of [`Self::gradient_rows`].
    fn weight_gradient(self, spec: LayerSpec, shards: &[ShardOperands<'_, Self>], rows: Range<usize>, dw: &mut [f32]);

    /// The best number of rows of `dW` to compute at a time.
    fn gradient_rows(self, index: usize, spec: LayerSpec) -> usize;

    /// `y = σ(y + b)` in each row of `y`.
    fn activate(self, activation: ActivationKind, bias: &[f32], y: &mut [f32]) {
        activate(activation, bias, y);
    }
}

/// The operands of one layer's weight gradient, for one shard.
pub struct ShardOperands<'a, P: Products> {
    /// `[n, O]`
    pub dz: &'a [f32],
    /// The layer's inputs, `[n, I]`.
    pub x: &'a [f32],
    /// The operands that the products stored.
    pub operands: &'a P::Operands,
}

/// `y = σ(y + b)` in each row of `y`, exactly as the core computes it.
fn activate(activation: ActivationKind, bias: &[f32], y: &mut [f32]) {
    struct Activate<'a>(ActivationKind, &'a [f32], &'a mut [f32]);

    impl WithSimd for Activate<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            kernels::activate(self.0, self.1, self.2);
        }
    }

    timed(Phase::Activation, || vectorise(Activate(activation, bias, y)));
}

/// From `dL/dy` to `dL/dz` in `d`, and its sum over the rows in `db`: `dz = dy ⊙ σ'(z)`, `db = Σ dz`.
pub fn activation_backward(activation: ActivationKind, y: &[f32], d: &mut [f32], db: &mut [f32]) {
    struct Backward<'a>(ActivationKind, &'a [f32], &'a mut [f32], &'a mut [f32]);

    impl WithSimd for Backward<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            kernels::activation_backward(self.0, self.1, self.2, self.3);
        }
    }

    timed(Phase::ActivationBackward, || vectorise(Backward(activation, y, d, db)));
}

/// Runs a loop compiled for this machine's vector instructions.
///
/// Its `with_simd` and everything it calls must be `inline(always)`: what is not inlined is compiled for the oldest machine.
#[inline(always)]
pub fn vectorise<Op: WithSimd>(op: Op) -> Op::Output {
    Arch::default().dispatch(op)
}

/// The number of `f32` in a vector register.
pub fn lanes(arch: Arch) -> usize {
    struct Lanes;

    impl WithSimd for Lanes {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }

    arch.dispatch(Lanes)
}
