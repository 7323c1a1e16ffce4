//! The host's matrix products, on whatever vector instructions this machine has: the `gemm` crate's, and where a batch
//! is mostly zeros those of `sparse.rs`. In training, products may round their operands to bfloat16 where the machine
//! multiplies these twice as fast ([`Rounds`]): the gradient of 256 images is uncertain by far more than that.
//!
//! The one module of this crate with `unsafe`: a matrix product takes pointers and strides.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod bfloat16;

#[cfg(target_arch = "x86_64")]
use crate::int8;
use crate::profile::{Phase, timed};
use crate::sparse::{self, Lists};
use crate::transpose::transpose;
use autoencoder_core::{Activation, Kernels, Plain, quant};
use gemm::{Parallelism, gemm};
use pulp::{Arch, Simd, WithSimd};
use std::cell::RefCell;
use std::iter;
use std::marker::PhantomData;
use std::time::Instant;

/// Rows of a batch for which it does not pay to transpose or list anything.
const FEW: usize = 16;

/// Fast kernels for any x86-64 or aarch64 machine; the instruction set is found when the program runs.
///
/// Each call runs on the calling thread. The result does not depend on how many threads there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gemm {
    arch: Arch,
    rounds: Rounds,
}

/// Which dense products may round their operands to bfloat16; sums stay `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rounds {
    /// None.
    #[default]
    Nothing,
    /// Those of the backward pass.
    Gradients,
    /// Those of both passes.
    Everything,
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

/// `out = left · right`, or that added to `out`, where `left` has `inner` columns and `right` has `columns`.
fn multiply(left: View<'_>, inner: usize, right: View<'_>, columns: usize, out: &mut [f32], add: bool) {
    let rows = out.len() / columns;
    if rows == 0 || inner == 0 {
        if !add {
            out.fill(0.0);
        }
        return;
    }
    // The last element each matrix is read or written at lies within its slice.
    let last = |view: View<'_>, r: usize, c: usize| (r - 1) * view.strides[0] + (c - 1) * view.strides[1];
    assert!(last(left, rows, inner) < left.numbers.len() && last(right, inner, columns) < right.numbers.len());
    let (l, r) = (left.strides.map(usize::cast_signed), right.strides.map(usize::cast_signed));
    // SAFETY: the assertion above bounds every read. `out` has room for `rows` rows of `columns` numbers, is read only
    // where `add` is, and cannot overlap the others: it is borrowed mutably, they are shared.
    unsafe {
        gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            columns.cast_signed(),
            add,
            left.numbers.as_ptr(),
            l[1],
            l[0],
            right.numbers.as_ptr(),
            r[1],
            r[0],
            f32::from(u8::from(add)),
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

impl Gemm {
    /// The same, with products that may be rounded.
    #[must_use]
    pub fn rounding(self, rounds: Rounds) -> Self {
        Self { rounds, ..self }
    }

    /// Whether the products of a pass that `rounds` names may be rounded, and the machine can.
    fn may_round(self, rounds: Rounds) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.rounds >= rounds && bfloat16::available();
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = rounds;
            false
        }
    }

    /// [`multiply`] with operands rounded to bfloat16; false, and nothing done, unless it may be and is worth it.
    #[expect(clippy::too_many_arguments, reason = "those of `multiply`, and whether")]
    fn rounded(
        self,
        rounds: Rounds,
        left: View<'_>,
        inner: usize,
        right: View<'_>,
        columns: usize,
        out: &mut [f32],
        add: bool,
    ) -> bool {
        let may = self.may_round(rounds) && inner >= FEW && out.len() >= FEW * columns;
        #[cfg(target_arch = "x86_64")]
        return may
            && SCRATCH.with_borrow_mut(|Scratch { rounded, .. }| {
                bfloat16::multiply(self.arch, rounded, left, inner, right, columns, out, add)
            });
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (may, left, right, add);
            false
        }
    }

    /// Runs a loop compiled for this machine's vector instructions.
    ///
    /// Its `with_simd` and all that this calls have to be `inline(always)`: what is not inlined is compiled for the
    /// least of machines.
    #[inline(always)]
    pub fn vectorise<Op: WithSimd>(self, op: Op) -> Op::Output {
        self.arch.dispatch(op)
    }

    /// `y = x · wᵀ`
    fn forward<const I: usize, const O: usize>(self, x: &[[f32; I]], w: &[[f32; I]; O], y: &mut [[f32; O]]) {
        if x.len() < FEW {
            return multiply(View::new(x), I, View::new(w).transposed(), O, y.as_flattened_mut(), false);
        }
        if self.rounded(Rounds::Everything, View::new(x), I, View::new(w).transposed(), O, y.as_flattened_mut(), false)
        {
            return;
        }
        let sparse = sparse::pays(self.arch, x.as_flattened(), O);
        // Transposed here, not in the product: it would read each row of `w` a number at a time.
        SCRATCH.with_borrow_mut(|Scratch { transposed, lists, .. }| {
            let wt = transposed.numbers(I * O);
            transpose(self.arch, w.as_flattened(), I, wt);
            if sparse {
                lists.rows(self.arch, x.as_flattened(), I);
                lists.multiply(self.arch, wt, O, O, y.as_flattened_mut(), false);
            } else {
                multiply(View::new(x), I, View { numbers: wt, strides: [O, 1] }, O, y.as_flattened_mut(), false);
            }
        });
    }

    /// Rows of `dw = Σ dyᵀ · x`, summed over `shards` of `dy`, with rows of `outputs` numbers, and of `x`, with rows of
    /// `inputs`: those from `first` on, as many as `dw` has.
    pub(crate) fn gradient<'a>(
        self,
        shards: impl Iterator<Item = [&'a [f32]; 2]> + Clone,
        outputs: usize,
        first: usize,
        inputs: usize,
        dw: &mut [f32],
    ) {
        let rows = dw.len() / inputs;
        let pays = |[_, x]: [&[f32]; 2]| x.len() >= FEW * inputs && sparse::pays(self.arch, x, rows);
        if self.may_round(Rounds::Gradients) || !shards.clone().all(pays) {
            for (i, [dy, x]) in shards.enumerate() {
                let (batch, x) = (x.len() / inputs, View { numbers: x, strides: [inputs, 1] });
                let dyt = View { numbers: dy.get(first..).unwrap_or_default(), strides: [1, outputs] };
                if !self.rounded(Rounds::Gradients, dyt, batch, x, inputs, dw, i > 0) {
                    multiply(dyt, batch, x, inputs, dw, i > 0);
                }
            }
            return;
        }
        // dWᵀ = xᵀ · dy
        SCRATCH.with_borrow_mut(|Scratch { transposed, lists, .. }| {
            let dwt = transposed.numbers(dw.len());
            for (i, [dy, x]) in shards.enumerate() {
                lists.columns(self.arch, x, inputs);
                lists.multiply(self.arch, &dy[first..], outputs, rows, dwt, i > 0);
            }
            transpose(self.arch, dwt, rows, dw);
        });
    }
}

/// Operations a second of a dense product of this network's size, on all threads of the current rayon pool at once.
pub fn rate() -> f64 {
    const ROWS: usize = 128;
    const INNER: usize = 784;
    const COLUMNS: usize = 256;
    const TIMES: usize = 200;
    let times = rayon::broadcast(|_| {
        let (left, right) = (vec![[0.5; INNER]; ROWS], vec![[0.5; COLUMNS]; INNER]);
        let mut out = vec![0.0; COLUMNS * ROWS];
        let mut times: Vec<f64> = (0..TIMES)
            .map(|_| {
                let start = Instant::now();
                multiply(View::new(&left), INNER, View::new(&right), COLUMNS, &mut out, false);
                std::hint::black_box(&mut out);
                start.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[TIMES / 2]
    });
    times.into_iter().map(|time| (2 * ROWS * INNER * COLUMNS) as f64 / time).sum()
}

thread_local! {
    /// What a product needs beside its operands.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    transposed: Buffer,
    lists: Lists,
    #[cfg(target_arch = "x86_64")]
    rounded: bfloat16::Scratch,
}

/// Numbers that begin where a cache line does: a vector that lies across two lines takes two reads.
#[derive(Default)]
pub(crate) struct Buffer(Vec<f32>);

impl Buffer {
    const LINE: usize = 64;

    /// Room for `count` numbers.
    pub(crate) fn numbers(&mut self, count: usize) -> &mut [f32] {
        let room = count + Self::LINE / size_of::<f32>();
        if self.0.len() < room {
            self.0.resize(room, 0.0);
        }
        let start = self.start();
        &mut self.0[start..][..count]
    }

    /// These numbers, and what there is beyond them.
    fn all(&self) -> &[f32] {
        &self.0[self.start()..]
    }

    fn start(&self) -> usize {
        self.0.as_ptr().align_offset(Self::LINE)
    }
}

impl Kernels for Gemm {
    fn x_wt<const I: usize, const O: usize>(&self, x: &[[f32; I]], w: &[[f32; I]; O], y: &mut [[f32; O]]) {
        timed(Phase::Forward, || self.forward(x, w, y));
    }

    fn dy_w<const I: usize, const O: usize>(&self, dy: &[[f32; O]], w: &[[f32; I]; O], dx: &mut [[f32; I]]) {
        timed(Phase::Backward, || {
            let (dy, w, dx) = (View::new(dy), View::new(w), dx.as_flattened_mut());
            if !self.rounded(Rounds::Gradients, dy, O, w, I, dx, false) {
                multiply(dy, O, w, I, dx, false);
            }
        });
    }

    fn dyt_x<const I: usize, const O: usize>(&self, dy: &[[f32; O]], x: &[[f32; I]], dw: &mut [[f32; I]; O]) {
        let rows = dy.len().min(x.len());
        let shard = [dy[..rows].as_flattened(), x[..rows].as_flattened()];
        timed(Phase::Gradients, || self.gradient(iter::once(shard), O, 0, I, dw.as_flattened_mut()));
    }

    fn dense_int8<const I: usize, const O: usize, A: Activation>(
        &self,
        layer: &quant::Dense<'_, I, O, A>,
        x: &[u8; I],
        y: &mut [u8; O],
    ) {
        #[cfg(target_arch = "x86_64")]
        if let quant::Weights::Int8(quads) = layer.weights
            && int8::dense(self.arch, layer, quads, x, y)
        {
            return;
        }
        Plain.dense_int8(layer, x, y);
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

        timed(Phase::Activation, || self.vectorise(Activate::<A, O>(y, b, PhantomData)));
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

        timed(Phase::Slope, || self.vectorise(Slope::<A, O>(y, d, db, PhantomData)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoencoder_core::init::Init;

    /// `B` rows, `I` inputs, `O` outputs: sizes around and between the kernels' tiles.
    fn check<const B: usize, const I: usize, const O: usize>(rounds: Rounds) {
        type Filler<const R: usize, const C: usize> = autoencoder_core::Dense<C, R, autoencoder_core::Identity>;
        #[allow(clippy::unnecessary_box_returns)] // too large for the stack of a test
        fn matrix<const R: usize, const C: usize>(seed: u64) -> Box<[[f32; C]; R]> {
            let mut layer = <Filler<R, C> as autoencoder_core::Zeroed>::ZERO;
            Init::UnitNormal.fill(&mut layer, &mut rand_pcg::Pcg32::new(seed, 0));
            Box::new(layer.weights)
        }
        let (kernels, error) = match rounds {
            Rounds::Nothing => (Gemm::default(), 1e-5),
            _ => (Gemm::default().rounding(rounds), 1.0 / 256.0),
        };
        let close = |fast: &[f32], plain: &[f32], terms: usize| {
            for (a, b) in fast.iter().zip(plain) {
                assert!((a - b).abs() < error * (terms as f32).sqrt().max(1.0) * 4.0, "{a} {b}");
            }
        };
        let (x, w, dy) = (matrix::<B, I>(1), matrix::<O, I>(2), matrix::<B, O>(3));
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
        for rounds in [Rounds::Nothing, Rounds::Everything] {
            check::<1, 1, 1>(rounds);
            check::<2, 3, 5>(rounds);
            check::<7, 16, 9>(rounds);
            check::<17, 65, 33>(rounds);
            check::<64, 96, 48>(rounds);
            check::<129, 31, 130>(rounds);
        }
    }

    /// `B` rows of which one number in `every` is not 0.
    fn check_sparse<const B: usize, const I: usize, const O: usize>(every: usize) {
        let mut x = vec![[0.0f32; I]; B];
        let mut dy = vec![[0.0f32; O]; B];
        let mut w = vec![[0.0f32; I]; O];
        let fill = |numbers: &mut [f32], every: usize| {
            for (i, x) in numbers.iter_mut().enumerate().filter(|(i, _)| i * i % every == 0) {
                *x = ((i * 7919 % 1000) as f32 - 499.5) / 1000.0;
            }
        };
        fill(x.as_flattened_mut(), every);
        fill(dy.as_flattened_mut(), 1);
        fill(w.as_flattened_mut(), 1);
        x[0][0] = -0.0;
        assert!(sparse::pays(Arch::default(), x.as_flattened(), O), "the lists are what is tested");
        let w: &[[f32; I]; O] = w.first_chunk().unwrap();
        let kernels = Gemm::default();
        let (mut fast, mut plain) = (vec![[7.0; O]; B], vec![[8.0; O]; B]);
        kernels.x_wt(&x, w, &mut fast);
        Plain.x_wt(&x, w, &mut plain);
        for (fast, plain) in fast.as_flattened().iter().zip(plain.as_flattened()) {
            assert!((fast - plain).abs() < 1e-5, "{fast} {plain}");
        }
        let (mut fast, mut plain) = (vec![[7.0; I]; O], vec![[8.0; I]; O]);
        kernels.dyt_x(&dy, &x, fast.first_chunk_mut::<O>().unwrap());
        Plain.dyt_x(&dy, &x, plain.first_chunk_mut::<O>().unwrap());
        for (fast, plain) in fast.as_flattened().iter().zip(plain.as_flattened()) {
            assert!((fast - plain).abs() < 1e-5, "{fast} {plain}");
        }
    }

    #[test]
    fn products_with_zeros_equal_the_plain_loops() {
        check_sparse::<128, 784, 256>(7);
        check_sparse::<57, 113, 128>(11);
        check_sparse::<16, 3, 384>(48);
        check_sparse::<112, 56, 128>(10_000_000);
    }

    /// Small integers are bfloat16 numbers, and so small are their sums that no order of them matters.
    #[test]
    fn rounded_products_of_small_integers_are_exact() {
        fn check<const B: usize, const I: usize, const O: usize>() {
            fn integers<const C: usize>(rows: usize, factor: usize) -> Vec<[f32; C]> {
                let number = |i: usize| (i * factor % 31) as f32 - 15.0;
                (0..rows).map(|r| std::array::from_fn(|c| number(r * C + c))).collect()
            }
            let (dy, mut x, w) = (integers::<O>(B, 7), integers::<I>(B, 11), integers::<I>(O, 13));
            // Whole strips' pairs of 0, of either sign, which are passed over.
            for (r, row) in x.iter_mut().enumerate() {
                let zeros = row.iter_mut().enumerate().filter(|(c, _)| !(r / 40 + c / 7).is_multiple_of(3));
                zeros.for_each(|(c, x)| *x = if c % 2 == 0 { 0.0 } else { -0.0 });
            }
            let w: &[[f32; I]; O] = w.first_chunk().unwrap();
            let kernels = Gemm::default().rounding(Rounds::Everything);
            let (mut fast, mut plain) = (vec![[7.0; O]; B], vec![[8.0; O]; B]);
            kernels.x_wt(&x, w, &mut fast);
            Plain.x_wt(&x, w, &mut plain);
            assert_eq!(fast, plain);
            let (mut fast, mut plain) = (vec![[7.0; I]; B], vec![[8.0; I]; B]);
            kernels.dy_w(&dy, w, &mut fast);
            Plain.dy_w(&dy, w, &mut plain);
            assert_eq!(fast, plain);
            let (mut fast, mut plain) = (vec![[7.0; I]; O], vec![[8.0; I]; O]);
            kernels.dyt_x(&dy, &x, fast.first_chunk_mut::<O>().unwrap());
            Plain.dyt_x(&dy, &x, plain.first_chunk_mut::<O>().unwrap());
            assert_eq!(fast, plain);
        }
        check::<128, 48, 144>();
        check::<32, 16, 32>();
        check::<100, 32, 18>();
    }

    /// Two blocks of rows, from shards of which the last has an odd number of rows; small integers, as above.
    #[test]
    fn gradients_by_rows_and_shards_equal_the_whole() {
        const ROWS: usize = 128;
        for (zeros_of_ten, rounds) in [(0, Rounds::Nothing), (9, Rounds::Nothing), (9, Rounds::Gradients)] {
            let x: Vec<[f32; 48]> = (0..97)
                .map(|r| std::array::from_fn(|c| if (r + c) % 10 < zeros_of_ten { 0.0 } else { (r * c % 9) as f32 }))
                .collect();
            let dy: Vec<[f32; 2 * ROWS]> =
                (0..97).map(|r| std::array::from_fn(|c| (r * c % 15) as f32 - 7.0)).collect();
            let (mut whole, mut rows) = (vec![[7.0; 48]; 2 * ROWS], vec![[8.0; 48]; 2 * ROWS]);
            Plain.dyt_x(&dy, &x, whole.first_chunk_mut::<{ 2 * ROWS }>().unwrap());
            let shards = dy.chunks(64).zip(x.chunks(64)).map(|(dy, x)| [dy.as_flattened(), x.as_flattened()]);
            for (block, rows) in rows.chunks_mut(ROWS).enumerate() {
                let kernels = Gemm::default().rounding(rounds);
                kernels.gradient(shards.clone(), 2 * ROWS, block * ROWS, 48, rows.as_flattened_mut());
            }
            assert_eq!(rows, whole, "{zeros_of_ten} of ten 0, {rounds:?}");
        }
    }

    #[test]
    fn no_rows_give_zero_gradients() {
        let mut dw = [[1.0f32; 3]; 2];
        Gemm::default().dyt_x::<3, 2>(&[], &[], &mut dw);
        assert_eq!(dw, [[0.0; 3]; 2]);
    }
}
