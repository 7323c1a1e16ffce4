//! The host's matrix products, on whatever vector instructions this machine has: the `gemm` crate's, and where a batch
//! is mostly zeros those of `sparse.rs`. Under it, the instructions for products in bfloat16.
//!
//! The one module of this crate with `unsafe`: a matrix product takes pointers and strides, a prefetch a pointer.
#![allow(unsafe_code)]

#[cfg_attr(not(target_arch = "x86_64"), path = "gemm/absent.rs")]
pub(crate) mod avx512;

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

/// Bytes of a cache line.
const CACHE_LINE: usize = 64;
/// Rows of a batch for which it does not pay to transpose or list anything.
const FEW: usize = 16;

/// Fast kernels for any x86-64 or aarch64 machine; the instruction set is found when the program runs.
///
/// Each call runs on the calling thread. The result does not depend on how many threads there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gemm {
    arch: Arch,
}

/// A row-major matrix, or the transpose of one.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) numbers: &'a [f32],
    /// From one row, and from one column, to the next.
    pub(crate) strides: [usize; 2],
}

impl<'a> View<'a> {
    fn new<const C: usize>(rows: &'a [[f32; C]]) -> Self {
        Self::rows(rows.as_flattened(), C)
    }

    /// Rows that begin `stride` apart.
    fn rows(numbers: &'a [f32], stride: usize) -> Self {
        Self { numbers, strides: [stride, 1] }
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
        let (arch, x, w, y) = (self.arch, x.as_flattened(), w.as_flattened(), y.as_flattened_mut());
        SCRATCH.with_borrow_mut(|Scratch { transposed, tile, lists }| {
            if sparse::pays(arch, x, O) {
                if lists.is_empty() {
                    lists.push(Lists::default());
                }
                lists[0].rows(arch, x, I);
                for first in (0..O).step_by(sparse::width(arch)) {
                    let wt = View::rows(&w[first * I..], I).transposed();
                    lists[0].multiply(arch, wt, tile, &mut y[first..], O, false);
                }
            } else {
                // Transposed here, not in the product: it would read each row of `w` a number at a time.
                let wt = transposed.numbers(I * O);
                transpose(arch, w, I, I, wt);
                multiply(View::rows(x, I), I, View::rows(wt, O), O, y, false);
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
        if !shards.clone().all(pays) {
            for (i, [dy, x]) in shards.enumerate() {
                let (batch, x) = (x.len() / inputs, View::rows(x, inputs));
                let dyt = View::rows(dy.get(first..).unwrap_or_default(), outputs).transposed();
                multiply(dyt, batch, x, inputs, dw, i > 0);
            }
            return;
        }
        // dWᵀ = xᵀ · dy, some rows of dW at a time.
        SCRATCH.with_borrow_mut(|Scratch { transposed, tile, lists }| {
            lists.resize_with(lists.len().max(shards.clone().count()), Lists::default);
            for (lists, [_, x]) in lists.iter_mut().zip(shards.clone()) {
                lists.columns(self.arch, x, inputs);
            }
            let width = sparse::width(self.arch);
            let dwt = transposed.numbers(inputs * width);
            for (first, dw) in (first..).step_by(width).zip(dw.chunks_exact_mut(inputs * width)) {
                for (i, (lists, [dy, _])) in lists.iter().zip(shards.clone()).enumerate() {
                    let dy = View::rows(&dy[first..], outputs);
                    lists.multiply(self.arch, dy, tile, dwt, width, i > 0);
                }
                transpose(self.arch, dwt, width, width, dw);
            }
        });
    }
}

/// Asks for these bytes in the second level cache, and does not wait for them; elsewhere than on x86-64 by reading a
/// byte of each line.
#[inline(always)]
pub(crate) fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(CACHE_LINE) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            // SAFETY: every x86-64 processor has the instruction, which reads nothing that a program could see.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        std::hint::black_box(line[0]);
    }
}

/// Numbers in a vector register.
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
    tile: Buffer,
    lists: Vec<Lists>,
}

/// Numbers that begin where a cache line does: a vector that lies across two lines takes two reads.
#[derive(Default)]
pub(crate) struct Buffer(Vec<f32>);

impl Buffer {
    /// Room for `count` numbers.
    pub(crate) fn numbers(&mut self, count: usize) -> &mut [f32] {
        let room = count + CACHE_LINE / size_of::<f32>();
        if self.0.len() < room {
            self.0.resize(room, 0.0);
        }
        let start = self.start();
        &mut self.0[start..][..count]
    }

    fn start(&self) -> usize {
        self.0.as_ptr().align_offset(CACHE_LINE)
    }
}

impl Kernels for Gemm {
    fn x_wt<const I: usize, const O: usize>(&self, x: &[[f32; I]], w: &[[f32; I]; O], y: &mut [[f32; O]]) {
        timed(Phase::Forward, || self.forward(x, w, y));
    }

    fn dy_w<const I: usize, const O: usize>(&self, dy: &[[f32; O]], w: &[[f32; I]; O], dx: &mut [[f32; I]]) {
        timed(Phase::Backward, || {
            multiply(View::new(dy), O, View::new(w), I, dx.as_flattened_mut(), false);
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
mod tests;
