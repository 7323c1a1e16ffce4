//! Loops on the widest vector instructions of this machine.

use pulp::{Arch, Simd, WithSimd};

/// Runs a loop compiled for this machine's vector instructions.
///
/// Its `with_simd` and all functions that it calls must be `inline(always)`: others are compiled for the oldest machine.
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
