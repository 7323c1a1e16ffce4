//! Gradients and update of all parameters, some rows of a layer at a time. A thread computes the gradient of these rows from
//! all shards and updates the rows while the gradient is still in its cache.
//!
//! ```text
//! dW = Σ dzᵀ·x             db = Σ dz                     over the shards, in their order
//! dW̃ = dW - db ⊗ c                                       where the inputs have a centre c, otherwise dW
//! W -= scale · steps(dW̃)   b -= steps(db) - scale · steps(dW̃) · c
//! ```
//!
//! where `steps` are those of the optimizer. A layer is split into at most 32 blocks of rows, on any number of threads. If
//! products read packed weights, the thread also packs the new ones while they are in its cache.

use super::centre::Centre;
use super::parallel::for_each;
use super::pass::Shard;
use crate::aligned::Aligned;
use crate::kernels::STRIP;
use crate::kernels::adam::AdamStep;
use crate::kernels::{PackedRows, Products, ShardOperands, vectorise};
use crate::network::FloatNetwork;
use crate::profile::{Phase, timed};
use autoencoder_core::LayerSpec;
use autoencoder_core::optimizer::{Optimizer, OptimizerKind};
use pulp::{Simd, WithSimd};
use std::cell::RefCell;

/// The most blocks of rows that a layer is split into.
const SPLIT: usize = 32;
/// Numbers that a loop takes at a time.
const LANES: usize = 16;

/// The settings of a step.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) optimizer: OptimizerKind,
    /// Adam with moments in bfloat16, if the moments of weights are.
    pub(crate) bf16_adam: Option<AdamStep>,
    /// The number of the step, from 1.
    pub(crate) number: u32,
    pub(crate) rate: f32,
    pub(crate) centres: &'a [Option<Centre>],
}

/// An optimizer at one step. It updates the moments of a gradient and returns the difference to subtract from the parameter.
trait Rule: Fn(f32, &mut f32, &mut f32) -> f32 + Copy + Sync {}
impl<R: Fn(f32, &mut f32, &mut f32) -> f32 + Copy + Sync> Rule for R {}

/// Some rows of one layer, to be updated.
struct RowBlock<'a, R> {
    /// The layer's index, counted from 0.
    index: usize,
    spec: LayerSpec,
    /// The first of the rows.
    first: usize,
    /// Parameters, first and second moments, `[rows, inputs]` each.
    weights: [&'a mut [f32]; 3],
    /// The same three for the biases, `[rows]` each.
    bias: [&'a mut [f32]; 3],
    /// The same weights as the products read them.
    packed: R,
}

thread_local! {
    /// The gradients of the weights and of the biases of some rows.
    static GRADIENTS: RefCell<[Aligned; 2]> = RefCell::default();
}

/// Updates `networks` (parameters, first and second moments), and `packed` after them, from the passes of `shards`. Runs on all
/// threads of the current rayon pool.
pub(crate) fn update<P: Products>(
    products: P,
    step: Step<'_>,
    networks: [&mut FloatNetwork; 3],
    packed: &mut P::Packed,
    shards: &[Shard<P>],
) {
    let Step { optimizer, number, rate, .. } = step;
    let [p, m, v] = networks;
    let topology = p.topology().clone();
    let mut blocks = Vec::new();
    let layers = topology.layers().iter().zip(P::rows_mut(packed));
    let layers = layers.zip(p.layers_mut().zip(m.layers_mut()).zip(v.layers_mut()));
    for (index, ((spec, packed), (((pw, pb), (mw, mb)), (vw, vb)))) in layers.enumerate() {
        let whole = RowBlock { index, spec: *spec, first: 0, weights: [pw, mw, vw], bias: [pb, mb, vb], packed };
        let rows = usize::from(spec.outputs).div_ceil(SPLIT).next_multiple_of(products.gradient_rows(index, *spec));
        blocks.extend(whole.chunks(rows));
    }
    match optimizer {
        OptimizerKind::Sgd(sgd) => all_blocks(products, sgd.at(number, rate), step, blocks, shards),
        OptimizerKind::RmsProp(rms_prop) => {
            all_blocks(products, rms_prop.at(number, rate), step, blocks, shards);
        }
        OptimizerKind::Adam(adam) => all_blocks(products, adam.at(number, rate), step, blocks, shards),
    }
}

/// Computes the gradients of all blocks and updates them.
fn all_blocks<P: Products>(
    products: P,
    rule: impl Rule,
    step: Step<'_>,
    blocks: Vec<RowBlock<'_, P::Rows<'_>>>,
    shards: &[Shard<P>],
) {
    let layers = blocks.last().map_or(0, |block| block.index + 1);
    let operands: Vec<Vec<_>> =
        (0..layers).map(|index| shards.iter().map(|shard| shard.operands(index)).collect()).collect();
    let rows: usize = shards.iter().map(Shard::rows).sum();
    let weights: usize = blocks.iter().map(|block| block.weights[0].len()).sum();
    for_each(blocks, weights * rows, |block| {
        let (rows, operands) = (products.gradient_rows(block.index, block.spec), &operands[block.index]);
        block.chunks(rows).for_each(|rows| some_rows(products, rule, step, rows, operands, shards));
    });
}

impl<'a, R: PackedRows> RowBlock<'a, R> {
    /// Splits the rows into chunks of `rows` rows.
    fn chunks(self, rows: usize) -> impl Iterator<Item = Self> + use<'a, R> {
        let Self { index, spec, first, weights: [p, m, v], bias: [pb, mb, vb], packed } = self;
        let size = rows * usize::from(spec.inputs);
        let weights = p.chunks_mut(size).zip(m.chunks_mut(size)).zip(v.chunks_mut(size));
        let biases = pb.chunks_mut(rows).zip(mb.chunks_mut(rows)).zip(vb.chunks_mut(rows));
        let chunks = weights.zip(biases).zip(packed.chunks(rows)).enumerate();
        chunks.map(move |(i, ((((p, m), v), ((pb, mb), vb)), packed))| Self {
            index,
            spec,
            first: first + i * rows,
            weights: [p, m, v],
            bias: [pb, mb, vb],
            packed,
        })
    }
}

/// Computes the gradient of some rows and updates them.
fn some_rows<P: Products>(
    products: P,
    rule: impl Rule,
    step: Step<'_>,
    mut rows: RowBlock<'_, P::Rows<'_>>,
    operands: &[ShardOperands<'_, P>],
    shards: &[Shard<P>],
) {
    GRADIENTS.with_borrow_mut(|[weights, bias]| {
        let RowBlock { index, spec, first, .. } = rows;
        let count = rows.bias[0].len();
        let (dw, db) = (weights.scratch(rows.weights[0].len()), bias.scratch(count));
        products.weight_gradient(spec, operands, first..first + count, dw);
        db.fill(0.0);
        for shard in shards {
            for (db, g) in db.iter_mut().zip(&shard.bias_gradient(index)[first..]) {
                *db += g;
            }
        }
        let (bf16_adam, centre) = (step.bf16_adam, step.centres.get(index).and_then(Option::as_ref));
        timed(Phase::Update, || {
            vectorise(Update { rule, bf16_adam, centre, rows: &mut rows, gradients: [dw, db] });
        });
        rows.packed.pack(rows.weights[0]);
    });
}

/// The update of some rows, compiled for this machine's vector instructions.
struct Update<'a, 'b, U, R> {
    rule: U,
    /// The rule for weights whose moments are in bfloat16.
    bf16_adam: Option<AdamStep>,
    centre: Option<&'a Centre>,
    rows: &'a mut RowBlock<'b, R>,
    gradients: [&'a mut [f32]; 2],
}

impl<U: Rule, R: PackedRows> WithSimd for Update<'_, '_, U, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { rule, bf16_adam, centre, rows, gradients: [dw, db] } = self;
        let RowBlock { spec, weights: [w, m, v], bias: [b, bm, bv], packed, .. } = rows;
        let inputs = usize::from(spec.inputs);
        if let (Some(moments), Some(step)) = (packed.bf16_moments(), bf16_adam) {
            let step = step.scaled(centre.map_or(1.0, |centre| centre.scale));
            let mean = centre.map_or(&[][..], |centre| &centre.mean);
            let lines = inputs.div_ceil(STRIP);
            assert_eq!(moments.lines.len(), b.len() * lines, "a row of moments for each row of weights");
            let rows = moments.lines.chunks_exact_mut(lines);
            let weights = w.chunks_exact_mut(inputs).zip(rows).zip(dw.chunks_exact(inputs));
            for ((row, dw), (b, db)) in weights.zip(b.iter_mut().zip(&*db)) {
                *b += moments.avx512.adam(step, row, (dw, *db), mean); // b = b̃ - W·c
            }
        } else if let Some(centre) = centre {
            let moments = m.chunks_exact_mut(inputs).zip(v.chunks_exact_mut(inputs));
            let weights = w.chunks_exact_mut(inputs).zip(dw.chunks_exact(inputs)).zip(moments);
            for (((w, dw), moments), (b, db)) in weights.zip(b.iter_mut().zip(&*db)) {
                *b += centred(rule, centre, w, dw, moments, *db);
            }
        } else {
            plain(rule, w, dw, m, v);
        }
        plain(rule, b, db, bm, bv);
    }
}

/// Updates parameters whose inputs are not centred.
#[inline(always)]
fn plain(rule: impl Rule, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        *p -= rule(*g, m, v);
    }
}

/// Updates the weights of a row whose bias has the gradient `db`; returns `Σ steps·c`.
#[inline(always)]
fn centred(
    rule: impl Rule,
    Centre { mean: c, scale }: &Centre,
    w: &mut [f32],
    dw: &[f32],
    (m, v): (&mut [f32], &mut [f32]),
    db: f32,
) -> f32 {
    // Sixteen numbers at a time, copied from memory, so that all of them stay in vector registers.
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
    // In halves: a single chain of additions would take longer than a row.
    let mut count = LANES / 2;
    while count > 0 {
        let (low, high) = sums.split_at_mut(count);
        low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
        count /= 2;
    }
    sums[0]
}
