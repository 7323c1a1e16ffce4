//! The host's matrix products: the `gemm` crate's, on whatever vector instructions this machine has.
//!
//! The one module of this crate with `unsafe`: a matrix product takes pointers and strides.
#![allow(unsafe_code)]

use autoencoder_core::{Activation, Kernels, Plain};
use gemm::{Parallelism, gemm};
use pulp::{Arch, Simd, WithSimd};
use std::marker::PhantomData;

/// Fast kernels for any x86-64 or aarch64 machine; the instruction set is found when the program runs.
///
/// Each call runs on the calling thread. The result does not depend on how many threads there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gemm {
    arch: Arch,
}

/// A row-major matrix, or the transpose of one.
#[derive(Clone, Copy)]
struct View<'a> {
    numbers: &'a [f32],
    /// From one row, and from one column, to the next.
    strides: [usize; 2],
}

impl<'a> View<'a> {
    fn new<const C: usize>(rows: &'a [[f32; C]]) -> Self {
        Self { numbers: rows.as_flattened(), strides: [C, 1] }
    }

    fn transposed(self) -> Self {
        Self { strides: [self.strides[1], self.strides[0]], ..self }
    }
}

/// `out = left · right`, where `left` has `inner` columns.
fn multiply<const C: usize>(left: View<'_>, inner: usize, right: View<'_>, out: &mut [[f32; C]]) {
    let rows = out.len();
    if rows == 0 || inner == 0 {
        out.as_flattened_mut().fill(0.0);
        return;
    }
    // The last element each matrix is read or written at lies within its slice.
    let last = |view: View<'_>, r: usize, c: usize| (r - 1) * view.strides[0] + (c - 1) * view.strides[1];
    assert!(C > 0 && last(left, rows, inner) < left.numbers.len() && last(right, inner, C) < right.numbers.len());
    let (l, r) = (left.strides.map(usize::cast_signed), right.strides.map(usize::cast_signed));
    // SAFETY: the assertion above bounds every read. `out` is `rows` rows of `C` numbers, all written and none read
    // (`read_dst` is false), and cannot overlap the others: it is borrowed mutably, they are shared.
    unsafe {
        gemm(
            rows,
            C,
            inner,
            out.as_flattened_mut().as_mut_ptr(),
            1,
            C.cast_signed(),
            false,
            left.numbers.as_ptr(),
            l[1],
            l[0],
            right.numbers.as_ptr(),
            r[1],
            r[0],
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

impl Gemm {
    /// Runs a loop compiled for this machine's vector instructions.
    ///
    /// Its `with_simd` and all that this calls have to be `inline(always)`: what is not inlined is compiled for the
    /// least of machines.
    #[inline(always)]
    pub fn vectorise<Op: WithSimd>(self, op: Op) -> Op::Output {
        self.arch.dispatch(op)
    }
}

impl Kernels for Gemm {
    fn x_wt<const I: usize, const O: usize>(&self, x: &[[f32; I]], w: &[[f32; I]; O], y: &mut [[f32; O]]) {
        multiply(View::new(x), I, View::new(w).transposed(), y);
    }

    fn dy_w<const I: usize, const O: usize>(&self, dy: &[[f32; O]], w: &[[f32; I]; O], dx: &mut [[f32; I]]) {
        multiply(View::new(dy), O, View::new(w), dx);
    }

    fn dyt_x<const I: usize, const O: usize>(&self, dy: &[[f32; O]], x: &[[f32; I]], dw: &mut [[f32; I]; O]) {
        multiply(View::new(dy).transposed(), dy.len().min(x.len()), View::new(x), dw);
    }

    fn activate<A: Activation, const O: usize>(&self, y: &mut [[f32; O]], b: &[f32; O]) {
        struct Activate<'a, A, const O: usize>(&'a mut [[f32; O]], &'a [f32; O], PhantomData<A>);

        impl<A: Activation, const O: usize> WithSimd for Activate<'_, A, O> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) {
                Plain.activate::<A, O>(self.0, self.1);
            }
        }

        self.vectorise(Activate::<A, O>(y, b, PhantomData));
    }

    fn slope<A: Activation, const O: usize>(&self, y: &[[f32; O]], d: &mut [[f32; O]], db: &mut [f32; O]) {
        struct Slope<'a, A, const O: usize>(&'a [[f32; O]], &'a mut [[f32; O]], &'a mut [f32; O], PhantomData<A>);

        impl<A: Activation, const O: usize> WithSimd for Slope<'_, A, O> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) {
                Plain.slope::<A, O>(self.0, self.1, self.2);
            }
        }

        self.vectorise(Slope::<A, O>(y, d, db, PhantomData));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoencoder_core::init::Init;

    /// `B` rows, `I` inputs, `O` outputs: sizes around and between the kernels' tiles.
    fn check<const B: usize, const I: usize, const O: usize>() {
        type Filler<const R: usize, const C: usize> = autoencoder_core::Dense<C, R, autoencoder_core::Identity>;
        #[allow(clippy::unnecessary_box_returns)] // too large for the stack of a test
        fn matrix<const R: usize, const C: usize>(seed: u64) -> Box<[[f32; C]; R]> {
            let mut layer = <Filler<R, C> as autoencoder_core::Zeroed>::ZERO;
            Init::UnitNormal.fill(&mut layer, &mut rand_pcg::Pcg32::new(seed, 0));
            Box::new(layer.weights)
        }
        fn close(fast: &[f32], plain: &[f32], terms: usize) {
            for (a, b) in fast.iter().zip(plain) {
                assert!((a - b).abs() < 1e-5 * (terms as f32).sqrt().max(1.0) * 4.0, "{a} {b}");
            }
        }
        let (x, w, dy) = (matrix::<B, I>(1), matrix::<O, I>(2), matrix::<B, O>(3));
        let kernels = Gemm::default();
        let (mut fast, mut plain) = ([[7.0; O]; B], [[8.0; O]; B]);
        kernels.x_wt(&x[..], &w, &mut fast);
        Plain.x_wt(&x[..], &w, &mut plain);
        close(fast.as_flattened(), plain.as_flattened(), I);
        let (mut fast, mut plain) = ([[7.0; I]; B], [[8.0; I]; B]);
        kernels.dy_w(&dy[..], &w, &mut fast);
        Plain.dy_w(&dy[..], &w, &mut plain);
        close(fast.as_flattened(), plain.as_flattened(), O);
        let (mut fast, mut plain) = ([[7.0; I]; O], [[8.0; I]; O]);
        kernels.dyt_x(&dy[..], &x[..], &mut fast);
        Plain.dyt_x(&dy[..], &x[..], &mut plain);
        close(fast.as_flattened(), plain.as_flattened(), B);
    }

    #[test]
    fn products_equal_the_plain_loops() {
        check::<1, 1, 1>();
        check::<2, 3, 5>();
        check::<7, 16, 9>();
        check::<17, 65, 33>();
        check::<64, 96, 48>();
        check::<129, 31, 130>();
    }

    #[test]
    fn no_rows_give_zero_gradients() {
        let mut dw = [[1.0f32; 3]; 2];
        Gemm::default().dyt_x::<3, 2>(&[], &[], &mut dw);
        assert_eq!(dw, [[0.0; 3]; 2]);
    }
}
