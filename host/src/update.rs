//! The update of all parameters from the shards' gradients, some rows of a layer at a time.

use crate::centre::Centre;
use crate::gemm::Gemm;
use crate::profile::{Phase, timed};
use crate::recipe::Method;
use crate::trainer::Aligned;
use autoencoder_core::optimizer::Optimizer;
use autoencoder_core::{Layer, Parameters};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::cell::RefCell;

/// About how many weights one thread updates at a time: they, their gradients and moments fit a second level cache.
const CHUNK: usize = 4096;
/// The most chunks of any network: a larger one is updated in larger chunks.
const MAX_CHUNKS: usize = 512;

/// What a step is made with.
#[derive(Clone, Copy)]
pub(crate) struct Rule<'a> {
    pub(crate) method: Method,
    pub(crate) step: u32,
    pub(crate) rate: f32,
    pub(crate) centres: &'a [Option<Centre>],
}

/// Some rows of one layer: parameters, first and second moments.
struct Rows<'a> {
    layer: usize,
    first: usize,
    inputs: usize,
    weights: [&'a mut [f32]; 3],
    bias: [&'a mut [f32]; 3],
}

thread_local! {
    /// A chunk's gradients: of its weights, of its biases.
    static SUMS: RefCell<[Vec<f32>; 2]> = RefCell::default();
}

/// Updates `nets` (parameters, first and second moments) from the sum of `gradients`, added in their order.
pub(crate) fn update<N: Layer + Parameters + Send + Sync>(
    kernels: Gemm,
    rule: Rule<'_>,
    nets: [&mut N; 3],
    gradients: &[Box<Aligned<N>>],
) {
    let [p, m, v] = nets;
    let total: usize = p.slices().map(<[f32]>::len).sum();
    let size = CHUNK.max(total.div_ceil(MAX_CHUNKS / 4));
    let mut chunks = heapless::Vec::<Rows<'_>, MAX_CHUNKS>::new();
    let (mut p, mut m, mut v) = (p.slices_mut(), m.slices_mut(), v.slices_mut());
    for (layer, spec) in N::specs().enumerate() {
        let inputs = usize::from(spec.inputs);
        let rows = (size / inputs).max(1);
        let arrays = [p.next(), p.next(), m.next(), m.next(), v.next(), v.next()];
        let [Some(pw), Some(pb), Some(mw), Some(mb), Some(vw), Some(vb)] = arrays else { return };
        let weights = pw.chunks_mut(rows * inputs).zip(mw.chunks_mut(rows * inputs)).zip(vw.chunks_mut(rows * inputs));
        let biases = pb.chunks_mut(rows).zip(mb.chunks_mut(rows)).zip(vb.chunks_mut(rows));
        for (i, (((pw, mw), vw), ((pb, mb), vb))) in weights.zip(biases).enumerate() {
            let chunk = Rows { layer, first: i * rows, inputs, weights: [pw, mw, vw], bias: [pb, mb, vb] };
            assert!(chunks.push(chunk).is_ok(), "a network of more than {MAX_CHUNKS} chunks");
        }
    }
    chunks.par_iter_mut().for_each(|rows| {
        SUMS.with_borrow_mut(|[weights, bias]| {
            weights.resize(weights.len().max(rows.weights[0].len()), 0.0);
            bias.resize(bias.len().max(rows.bias[0].len()), 0.0);
            let sums = [&mut weights[..rows.weights[0].len()], &mut bias[..rows.bias[0].len()]];
            timed(Phase::Update, || kernels.vectorise(Update { rule, rows, gradients, sums }));
        });
    });
}

/// The update of some rows, to be compiled for this machine's vector instructions.
struct Update<'a, 'b, N> {
    rule: Rule<'a>,
    rows: &'a mut Rows<'b>,
    gradients: &'a [Box<Aligned<N>>],
    sums: [&'a mut [f32]; 2],
}

impl<N: Parameters> WithSimd for Update<'_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { rule: Rule { method, step, rate, centres }, rows, gradients, sums: [dw, db] } = self;
        let Rows { layer, first, inputs, weights: [w, wm, wv], bias: [b, bm, bv] } = rows;
        sum(gradients, 2 * *layer, *first * *inputs, dw);
        sum(gradients, 2 * *layer + 1, *first, db);
        let Some(Centre { mean, scale }) = centres.get(*layer).and_then(Option::as_ref) else {
            method.steps(step, rate, dw, wm, wv);
            method.steps(step, rate, db, bm, bv);
            subtract(w, dw);
            subtract(b, db);
            return;
        };
        for (dw, db) in dw.chunks_exact_mut(*inputs).zip(&*db) {
            for (dw, c) in dw.iter_mut().zip(mean) {
                *dw -= db * c; // dW̃ = dW - db ⊗ c
            }
        }
        method.steps(step, rate * scale, dw, wm, wv);
        method.steps(step, rate, db, bm, bv);
        subtract(w, dw);
        for ((b, db), dw) in b.iter_mut().zip(db).zip(dw.chunks_exact(*inputs)) {
            *b += dot(dw, mean) - *db; // b = b̃ - W·c
        }
    }
}

/// The sum of part of one array of the gradients.
#[inline(always)]
fn sum<N: Parameters>(gradients: &[Box<Aligned<N>>], array: usize, first: usize, to: &mut [f32]) {
    for (i, gradient) in gradients.iter().enumerate() {
        let from = gradient.slices().nth(array).unwrap_or_default();
        for (to, g) in to.iter_mut().zip(&from[first..]) {
            *to = if i == 0 { *g } else { *to + g };
        }
    }
}

#[inline(always)]
fn subtract(p: &mut [f32], steps: &[f32]) {
    for (p, step) in p.iter_mut().zip(steps) {
        *p -= step;
    }
}

/// `Σ a·b` in 16 partial sums, which stay in vector registers.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    for (a, b) in a.chunks(16).zip(b.chunks(16)) {
        for ((a, b), sum) in a.iter().zip(b).zip(&mut sums) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}
