//! Gradients and update of all parameters, some rows of a layer at a time: a thread makes the gradient of these rows from
//! all shards and updates them with it while it is still in its cache.

use crate::bfloat16::moments::AdamStep;
use crate::bfloat16::{self, STRIP, Weights};
use crate::centre::Centre;
use crate::gemm::{Buffer, Gemm};
use crate::profile::{Phase, timed};
use crate::recipe::Method;
use crate::together::Together;
use crate::trainer::{Shard, Trainable};
use autoencoder_core::optimizer::Optimizer;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::cell::RefCell;

/// The most rows at a time, which with 784 inputs fill less than half of a second level cache.
const ROWS: usize = 128;
/// Into how many blocks of rows a layer is split at most where products are in bfloat16.
const SPLIT: usize = 32;
/// Rows come in multiples of so many where there are as many: whole vectors.
const MULTIPLE: usize = STRIP;
/// Numbers at a time.
const LANES: usize = 16;
/// The most blocks of rows of any network.
const MAX_BLOCKS: usize = 512;

/// How a step is made.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) method: Method,
    /// The same with moments in bfloat16, where those of weights are.
    pub(crate) short_adam: Option<AdamStep>,
    pub(crate) number: u32,
    pub(crate) rate: f32,
    pub(crate) centres: &'a [Option<Centre>],
}

/// An optimizer at one step: from a gradient and its moments to what is subtracted.
trait Rule: Fn(f32, &mut f32, &mut f32) -> f32 + Copy + Sync {}
impl<R: Fn(f32, &mut f32, &mut f32) -> f32 + Copy + Sync> Rule for R {}

/// Some rows of one layer: parameters, first and second moments.
struct Rows<'a> {
    layer: usize,
    first: usize,
    inputs: usize,
    outputs: usize,
    weights: [&'a mut [f32]; 3],
    bias: [&'a mut [f32]; 3],
    /// The weights as products in bfloat16 read them, and their moments where these are in bfloat16.
    lines: Option<bfloat16::Lines<'a>>,
}

thread_local! {
    /// The gradients of a block: of its weights, of its biases.
    static GRADIENTS: RefCell<[Buffer; 2]> = RefCell::default();
}

/// Updates `nets` (parameters, first and second moments), and `lines` after them, from the passes of `shards`, added in
/// their order.
pub(crate) fn update<N: Trainable>(
    kernels: Gemm,
    step: Step<'_>,
    nets: [&mut N; 3],
    lines: Option<&mut Weights>,
    shards: &[Shard<N>],
) {
    let mut blocks = heapless::Vec::<Rows<'_>, MAX_BLOCKS>::new();
    let [mut p, mut m, mut v] = nets.map(N::slices_mut);
    let mut lines = lines.map(Weights::layers);
    for (layer, spec) in N::specs().enumerate() {
        let [inputs, outputs] = [spec.inputs, spec.outputs].map(usize::from);
        let arrays = [p.next(), p.next(), m.next(), m.next(), v.next(), v.next()];
        let [Some(pw), Some(pb), Some(mw), Some(mb), Some(vw), Some(vb)] = arrays else { return };
        let lines = lines.as_mut().and_then(Iterator::next);
        let rows = match lines {
            Some(_) => outputs.div_ceil(SPLIT).next_multiple_of(bfloat16::rows_at_once(layer, outputs)),
            None => outputs.div_ceil(outputs.div_ceil(ROWS)).next_multiple_of(MULTIPLE),
        };
        let whole = Rows { layer, first: 0, inputs, outputs, weights: [pw, mw, vw], bias: [pb, mb, vb], lines };
        for block in whole.chunks(rows) {
            assert!(blocks.push(block).is_ok(), "a network of more than {MAX_BLOCKS} blocks");
        }
    }
    let Step { method, short_adam, number, rate, centres } = step;
    match method {
        Method::RmsProp(method) => {
            all_blocks(kernels, method.at(number, rate), short_adam, centres, &mut blocks, shards);
        }
        Method::Adam(method) => all_blocks(kernels, method.at(number, rate), short_adam, centres, &mut blocks, shards),
    }
}

/// The gradients of all blocks, and their updates.
fn all_blocks<N: Trainable>(
    kernels: Gemm,
    rule: impl Rule,
    short_adam: Option<AdamStep>,
    centres: &[Option<Centre>],
    blocks: &mut [Rows<'_>],
    shards: &[Shard<N>],
) {
    let together = Together::new(blocks.len());
    blocks.par_iter_mut().with_max_len(1).for_each(|block| {
        let rows = if block.lines.is_some() { bfloat16::rows_at_once(block.layer, block.outputs) } else { ROWS };
        let centre = centres.get(block.layer).and_then(Option::as_ref);
        together.run(|| {
            block.reborrow().chunks(rows).for_each(|rows| some_rows(kernels, rule, short_adam, centre, rows, shards));
        });
    });
}

impl<'a> Rows<'a> {
    /// So many rows at a time.
    fn chunks(self, rows: usize) -> impl Iterator<Item = Self> + use<'a> {
        let Self { layer, first, inputs, outputs, weights: [p, m, v], bias: [pb, mb, vb], lines } = self;
        let size = rows * inputs;
        let weights = p.chunks_mut(size).zip(m.chunks_mut(size)).zip(v.chunks_mut(size));
        let biases = pb.chunks_mut(rows).zip(mb.chunks_mut(rows)).zip(vb.chunks_mut(rows));
        let mut lines = lines.map(|lines| lines.chunks(rows));
        weights.zip(biases).enumerate().map(move |(i, (((p, m), v), ((pb, mb), vb)))| {
            let lines = lines.as_mut().and_then(Iterator::next);
            let (weights, bias) = ([p, m, v], [pb, mb, vb]);
            Self { layer, first: first + i * rows, inputs, outputs, weights, bias, lines }
        })
    }

    /// The same, for a shorter time.
    fn reborrow(&mut self) -> Rows<'_> {
        let Self { layer, first, inputs, outputs, weights, bias, lines } = self;
        let (weights, bias) = (weights.each_mut().map(|w| &mut **w), bias.each_mut().map(|b| &mut **b));
        let lines = lines.as_mut().map(bfloat16::Lines::reborrow);
        Rows { layer: *layer, first: *first, inputs: *inputs, outputs: *outputs, weights, bias, lines }
    }
}

/// The gradient of some rows, and their update.
fn some_rows<N: Trainable>(
    kernels: Gemm,
    rule: impl Rule,
    short_adam: Option<AdamStep>,
    centre: Option<&Centre>,
    mut rows: Rows<'_>,
    shards: &[Shard<N>],
) {
    GRADIENTS.with_borrow_mut(|[weights, bias]| {
        let Rows { layer, first, inputs, outputs, .. } = rows;
        let (dw, db) = (weights.numbers(rows.weights[0].len()), bias.numbers(rows.bias[0].len()));
        timed(Phase::Gradients, || {
            if let Some(lines) = &rows.lines {
                let operands = shards.iter().filter_map(Shard::bfloat16_operands);
                bfloat16::gradient(lines.unit, operands, [layer, first, inputs], dw);
            } else {
                let operands = shards.iter().map(|shard| shard.operands(layer));
                kernels.gradient(operands, outputs, first, inputs, dw);
            }
        });
        db.fill(0.0);
        for shard in shards {
            for (db, g) in db.iter_mut().zip(&shard.bias_gradient(layer)[first..]) {
                *db += g;
            }
        }
        timed(Phase::Update, || {
            kernels.vectorise(Update { rule, short_adam, centre, rows: &mut rows, gradients: [dw, db] });
        });
        if let Some(lines) = &mut rows.lines {
            timed(Phase::Operands, || lines.fill(rows.weights[0]));
        }
    });
}

/// The update of some rows, to be compiled for this machine's vector instructions.
struct Update<'a, 'b, R> {
    rule: R,
    /// The rule for weights whose moments are in bfloat16.
    short_adam: Option<AdamStep>,
    centre: Option<&'a Centre>,
    rows: &'a mut Rows<'b>,
    gradients: [&'a mut [f32]; 2],
}

impl<R: Rule> WithSimd for Update<'_, '_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { rule, short_adam, centre, rows, gradients: [dw, db] } = self;
        let Rows { inputs, weights: [w, m, v], bias: [b, bm, bv], lines, .. } = rows;
        if let (Some(lines), Some(step)) = (lines, short_adam) {
            let step = step.scaled(centre.map_or(1.0, |centre| centre.scale));
            let mean = centre.map_or(&[][..], |centre| &centre.mean);
            assert_eq!(
                lines.moments.len(),
                b.len() * inputs.div_ceil(STRIP),
                "a row of moments for each row of weights"
            );
            let moments = lines.moments.chunks_exact_mut(inputs.div_ceil(STRIP));
            let weights = w.chunks_exact_mut(*inputs).zip(moments).zip(dw.chunks_exact(*inputs));
            for ((row, dw), (b, db)) in weights.zip(b.iter_mut().zip(&*db)) {
                *b += lines.unit.adam(step, row, (dw, *db), mean); // b = b̃ - W·c
            }
        } else if let Some(centre) = centre {
            let moments = m.chunks_exact_mut(*inputs).zip(v.chunks_exact_mut(*inputs));
            let weights = w.chunks_exact_mut(*inputs).zip(dw.chunks_exact(*inputs)).zip(moments);
            for (((w, dw), moments), (b, db)) in weights.zip(b.iter_mut().zip(&*db)) {
                *b += centred(rule, centre, w, dw, moments, *db);
            }
        } else {
            plain(rule, w, dw, m, v);
        }
        plain(rule, b, db, bm, bv);
    }
}

#[inline(always)]
fn plain(rule: impl Rule, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        *p -= rule(*g, m, v);
    }
}

/// One row, whose bias has the gradient `db`; returns `Σ steps·c`.
#[inline(always)]
fn centred(
    rule: impl Rule,
    Centre { mean: c, scale }: &Centre,
    w: &mut [f32],
    dw: &[f32],
    (m, v): (&mut [f32], &mut [f32]),
    db: f32,
) -> f32 {
    // Sixteen at a time and copied out of memory, so that all of it stays in vector registers.
    let mut sums = [0.0; LANES];
    let [(w, w_rest), (m, m_rest), (v, v_rest)] = [w, m, v].map(<[f32]>::as_chunks_mut::<LANES>);
    let [(dw, dw_rest), (c, c_rest)] = [dw, &c[..]].map(<[f32]>::as_chunks::<LANES>);
    for ((((w, dw), m), v), c) in w.iter_mut().zip(dw).zip(m).zip(v).zip(c) {
        let (mut next_w, mut next_m, mut next_v) = (*w, *m, *v);
        for i in 0..LANES {
            let step = scale * rule(dw[i] - db * c[i], &mut next_m[i], &mut next_v[i]); // dW̃ = dW - db ⊗ c
            next_w[i] -= step;
            sums[i] += step * c[i];
        }
        (*w, *m, *v) = (next_w, next_m, next_v);
    }
    let rest = w_rest.iter_mut().zip(dw_rest).zip(m_rest).zip(v_rest).zip(c_rest);
    for (((((w, dw), m), v), c), sum) in rest.zip(&mut sums) {
        let step = scale * rule(dw - db * c, m, v);
        *w -= step;
        *sum += step * c;
    }
    // In halves: one after the other, they would wait for each other longer than a row takes.
    let mut count = LANES / 2;
    while count > 0 {
        let (low, high) = sums.split_at_mut(count);
        low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
        count /= 2;
    }
    sums[0]
}
