//! Activations and their gradients: the loops of the core on this machine's vector instructions.

use super::vectorise::vectorise;
use crate::profile::{Phase, timed};
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::kernels;
use pulp::{Simd, WithSimd};

/// `y = σ(y + b)` in each row of `y`, exactly as the core computes it.
pub(super) fn activate(activation: ActivationKind, bias: &[f32], y: &mut [f32]) {
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

/// Turns `dL/dy` in `d` into `dL/dz`, and writes its sum over the rows to `db`: `dz = dy ⊙ σ'(z)`, `db = Σ dz`.
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
