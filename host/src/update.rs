//! Gradients and update of all parameters, some rows of a layer at a time: a thread makes the gradient of these rows from
//! all shards and updates them with it while it is still in its cache.

use crate::centre::Centre;
use crate::gemm::{Buffer, Gemm};
use crate::profile::{Phase, timed};
use crate::recipe::Method;
use crate::trainer::{Shard, Trainable};
use autoencoder_core::optimizer::Optimizer;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::cell::RefCell;

/// The most rows at a time, which with 784 inputs fill less than half of a second level cache.
const ROWS: usize = 128;
/// Rows come in multiples of so many where there are as many: whole vectors.
const MULTIPLE: usize = 16;
/// About how many weights the optimizer passes over at a time: with their gradients and moments, a first level cache.
const WEIGHTS: usize = 2048;
/// The most blocks of rows of any network.
const MAX_BLOCKS: usize = 512;

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
    outputs: usize,
    weights: [&'a mut [f32]; 3],
    bias: [&'a mut [f32]; 3],
}

thread_local! {
    /// The gradients of a block: of its weights, of its biases.
    static GRADIENTS: RefCell<[Buffer; 2]> = RefCell::default();
}

/// Updates `nets` (parameters, first and second moments) from the passes of `shards`, added in their order.
pub(crate) fn update<N: Trainable>(kernels: Gemm, rule: Rule<'_>, nets: [&mut N; 3], shards: &[Shard<N>]) {
    let [p, m, v] = nets;
    let mut blocks = heapless::Vec::<Rows<'_>, MAX_BLOCKS>::new();
    let (mut p, mut m, mut v) = (p.slices_mut(), m.slices_mut(), v.slices_mut());
    for (layer, spec) in N::specs().enumerate() {
        let [inputs, outputs] = [spec.inputs, spec.outputs].map(usize::from);
        let rows = outputs.div_ceil(outputs.div_ceil(ROWS)).next_multiple_of(MULTIPLE);
        let arrays = [p.next(), p.next(), m.next(), m.next(), v.next(), v.next()];
        let [Some(pw), Some(pb), Some(mw), Some(mb), Some(vw), Some(vb)] = arrays else { return };
        let weights = pw.chunks_mut(rows * inputs).zip(mw.chunks_mut(rows * inputs)).zip(vw.chunks_mut(rows * inputs));
        let biases = pb.chunks_mut(rows).zip(mb.chunks_mut(rows)).zip(vb.chunks_mut(rows));
        for (i, (((pw, mw), vw), ((pb, mb), vb))) in weights.zip(biases).enumerate() {
            let block = Rows { layer, first: i * rows, inputs, outputs, weights: [pw, mw, vw], bias: [pb, mb, vb] };
            assert!(blocks.push(block).is_ok(), "a network of more than {MAX_BLOCKS} blocks");
        }
    }
    blocks.par_iter_mut().with_max_len(1).for_each(|rows| {
        GRADIENTS.with_borrow_mut(|[weights, bias]| {
            let Rows { layer, first, inputs, outputs, .. } = *rows;
            let (dw, db) = (weights.numbers(rows.weights[0].len()), bias.numbers(rows.bias[0].len()));
            let operands = shards.iter().map(|shard| shard.operands(layer));
            timed(Phase::Gradients, || kernels.gradient(operands, outputs, first, inputs, dw));
            db.fill(0.0);
            for shard in shards {
                for (db, g) in db.iter_mut().zip(&shard.bias_gradient(layer)[first..]) {
                    *db += g;
                }
            }
            timed(Phase::Update, || kernels.vectorise(Update { rule, rows, gradients: [dw, db] }));
        });
    });
}

/// The update of some rows, to be compiled for this machine's vector instructions.
struct Update<'a, 'b> {
    rule: Rule<'a>,
    rows: &'a mut Rows<'b>,
    gradients: [&'a mut [f32]; 2],
}

impl WithSimd for Update<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { rule: Rule { method, step, rate, centres }, rows, gradients: [dw, db] } = self;
        let Rows { layer, inputs, weights: [w, wm, wv], bias: [b, bm, bv], .. } = rows;
        let centre = centres.get(*layer).and_then(Option::as_ref);
        let rows = (WEIGHTS / *inputs).max(1);
        let size = rows * *inputs;
        let moments = wm.chunks_mut(size).zip(wv.chunks_mut(size));
        let parameters = w.chunks_mut(size).zip(b.chunks_mut(rows));
        for (((dw, db), (wm, wv)), (w, b)) in dw.chunks_mut(size).zip(db.chunks(rows)).zip(moments).zip(parameters) {
            let Some(Centre { mean, scale }) = centre else {
                method.steps(step, rate, dw, wm, wv);
                subtract(w, dw);
                continue;
            };
            for (dw, db) in dw.chunks_exact_mut(*inputs).zip(db) {
                for (dw, c) in dw.iter_mut().zip(mean) {
                    *dw -= db * c; // dW̃ = dW - db ⊗ c
                }
            }
            method.steps(step, rate * scale, dw, wm, wv);
            subtract(w, dw);
            for (b, dw) in b.iter_mut().zip(dw.chunks_exact(*inputs)) {
                *b += dot(dw, mean); // b = b̃ - W·c
            }
        }
        method.steps(step, rate, db, bm, bv);
        subtract(b, db);
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
