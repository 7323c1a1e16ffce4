//! One shard forward and backward, and the gradients that follow from all of them.

use super::{
    Bfloat16, InRows, InStrips, Line, List, NARROW, PAIRS, Part, STRIP, WIDE, Weights, pairs, room, rows_at_once, words,
};
use crate::gemm::Gemm;
use crate::profile::{Phase, timed};
use crate::trainer::SHARD;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::{Activation, Kernels, LayerSpec};
use std::cell::{Cell, RefCell};
use std::iter;

/// What the products of one shard read.
pub struct Operands {
    layers: Vec<Columns>,
    /// The rows of a product's left operand.
    rows: Vec<Line>,
    /// Pairs of these that are not all 0.
    list: Vec<u32>,
}

/// What the gradient of one layer's weights is the product of, in strips of columns.
struct Columns {
    /// Pairs of rows.
    pairs: usize,
    dy: Vec<Line>,
    x: Vec<Line>,
    /// In the first layer, the pairs of each four columns of `x` that are not all 0.
    lists: Vec<[List; NARROW]>,
}

/// Lines from one strip of a shard's columns to the next: with a power of two, all strips would go to the same few places
/// of the cache.
const STRIDE: usize = SHARD / 2 + 1;

/// All pairs of a shard's rows.
const ALL: [u32; SHARD / 2] = {
    let mut all = [0; SHARD / 2];
    let mut pair = 0;
    while pair < all.len() {
        all[pair] = pair as u32;
        pair += 1;
    }
    all
};

impl Operands {
    /// Room for those of a network.
    pub fn new(specs: impl Iterator<Item = LayerSpec>) -> Self {
        let columns = |(layer, spec): (usize, LayerSpec)| {
            let [inputs, outputs] = [spec.inputs, spec.outputs].map(|columns| usize::from(columns).div_ceil(STRIP));
            let [x, dy] = [inputs, outputs].map(|strips| vec![Line::default(); strips * STRIDE]);
            let lists = if rows_at_once(layer, spec.outputs.into()) == WIDE { inputs } else { 0 };
            Columns { pairs: 0, dy, x, lists: vec![[List::EMPTY; NARROW]; lists] }
        };
        Self { layers: specs.enumerate().map(columns).collect(), rows: Vec::new(), list: Vec::new() }
    }
}

/// Some rows of the gradient of a layer's weights, `dW = Σ dyᵀ · x` over `shards`, from row `first` on: the next 64 rows of
/// the first layer, if the number of its outputs is a multiple of that; the next 16, or fewer at the end, of any other.
pub fn gradient<'a>(
    unit: Bfloat16,
    shards: impl Iterator<Item = &'a Operands> + Clone,
    [layer, first, inputs]: [usize; 3],
    dw: &mut [f32],
) {
    let layers = shards.map(|shard| &shard.layers[layer]);
    let first = first / STRIP * STRIDE;
    if dw.len() < WIDE * inputs {
        let part = |Columns { pairs, dy, x, .. }: &'a Columns| Part {
            left: words(&dy[first..]),
            right: x,
            stride: STRIDE,
            list: &ALL[..*pairs],
        };
        return unit.multiply::<InStrips, STRIP, 1>(&layers.map(part), inputs, dw);
    }
    // dWᵀ = Σ xᵀ · dy
    let mut dwt = [[[0.0; WIDE]; NARROW]; NARROW];
    for (strip, column) in (0..inputs).step_by(STRIP).enumerate() {
        for (i, dwt) in dwt.iter_mut().enumerate() {
            let part = |Columns { dy, x, lists, .. }: &'a Columns| Part {
                left: &words(&x[strip * STRIDE..])[i * NARROW..],
                right: &dy[first..],
                stride: STRIDE,
                list: lists[strip][i].pairs(),
            };
            unit.multiply::<InStrips, NARROW, NARROW>(&layers.clone().map(part), WIDE, dwt.as_flattened_mut());
        }
        unit.transpose_into(dwt.as_flattened().as_flattened(), dw, inputs, column);
    }
}

/// The kernels of one shard's pass, once through the layers and once back. Products read the weights as they were written
/// down, and write down their own operands; `dyᵀ·x` is left for [`gradient`].
pub struct Pass<'a> {
    kernels: Gemm,
    weights: &'a Weights,
    operands: RefCell<&'a mut Operands>,
    /// Layers that the pass is through.
    layer: Cell<usize>,
}

impl<'a> Pass<'a> {
    /// Room for a pass: slopes, and activations but the sigmoid, are made by `kernels`.
    pub fn new(kernels: Gemm, weights: &'a Weights, operands: &'a mut Operands) -> Self {
        Self { kernels, weights, operands: RefCell::new(operands), layer: Cell::new(0) }
    }
}

/// Sixteen rows of `y = x · wᵀ`, so many rows and strips at a time.
fn product<const I: usize, const O: usize, const ROWS: usize, const STRIPS: usize>(
    unit: Bfloat16,
    x: &[u32],
    wt: &[Line],
    list: &mut [u32],
    y: &mut [f32],
) {
    for (x, y) in x.chunks_exact(ROWS * pairs(I)).zip(y.chunks_mut(ROWS * O)) {
        let count = unit.list_rows(x, pairs(I), list);
        let part = Part { left: x, right: wt, stride: pairs(I), list: &list[..count] };
        unit.multiply::<InRows<I>, ROWS, STRIPS>(&iter::once(part), O, y);
    }
}

impl Kernels for Pass<'_> {
    fn x_wt<const I: usize, const O: usize>(&self, x: &[[f32; I]], _: &[[f32; I]; O], y: &mut [[f32; O]]) {
        assert!(x.len() <= SHARD, "one shard");
        let (unit, layer, mut operands) = (self.weights.unit, self.layer.get(), self.operands.borrow_mut());
        self.layer.set(layer + 1);
        let Operands { layers, rows, list } = &mut **operands;
        let Columns { pairs: count, x: columns, lists, .. } = &mut layers[layer];
        *count = pairs(x.len());
        list.resize(list.len().max(pairs(I) + STRIP), 0);
        let (rows, wt) = (room(rows, STRIP * pairs(I)), &self.weights.layers[layer].forward);
        for (i, (x, y)) in x.chunks(STRIP).zip(y.chunks_mut(STRIP)).enumerate() {
            timed(Phase::Operands, || unit.cut(x.as_flattened(), I, rows, &mut columns[i * PAIRS..], STRIDE));
            timed(Phase::Forward, || {
                if rows_at_once(layer, O) == WIDE {
                    product::<I, O, NARROW, NARROW>(unit, rows, wt, list, y.as_flattened_mut());
                } else {
                    product::<I, O, STRIP, 1>(unit, rows, wt, list, y.as_flattened_mut());
                }
            });
        }
        timed(Phase::Operands, || {
            for (strip, lists) in columns.chunks_exact(STRIDE).zip(lists) {
                unit.list_columns(&strip[..*count], lists);
            }
        });
    }

    /// Writes down `dy`, in rows too: `dy_w` follows.
    fn dyt_x<const I: usize, const O: usize>(&self, dy: &[[f32; O]], _: &[[f32; I]], _: &mut [[f32; I]; O]) {
        let (unit, layer, mut operands) = (self.weights.unit, self.layer.get() - 1, self.operands.borrow_mut());
        self.layer.set(layer);
        timed(Phase::Operands, || {
            let Operands { layers, rows, .. } = &mut **operands;
            let rows = room(rows, dy.len().next_multiple_of(STRIP) * pairs(O));
            for (i, (dy, rows)) in dy.chunks(STRIP).zip(rows.chunks_exact_mut(STRIP * pairs(O))).enumerate() {
                unit.cut(dy.as_flattened(), O, rows, &mut layers[layer].dy[i * PAIRS..], STRIDE);
            }
        });
    }

    fn dy_w<const I: usize, const O: usize>(&self, dy: &[[f32; O]], _: &[[f32; I]; O], dx: &mut [[f32; I]]) {
        timed(Phase::Backward, || {
            let (unit, layer, mut operands) = (self.weights.unit, self.layer.get(), self.operands.borrow_mut());
            let rows = room(&mut operands.rows, dy.len().next_multiple_of(STRIP) * pairs(O));
            for (dy, dx) in rows.chunks_exact(STRIP * pairs(O)).zip(dx.chunks_mut(STRIP)) {
                let weights = self.weights.layers[layer].backward.chunks_exact(pairs(I));
                let part = |(i, right)| Part { left: &dy[i * PAIRS..], right, stride: PAIRS, list: &ALL[..PAIRS] };
                let parts = weights.enumerate().map(part);
                unit.multiply::<InRows<O>, STRIP, 1>(&parts, I, dx.as_flattened_mut());
            }
        });
    }

    fn activate<A: Activation, const O: usize>(&self, y: &mut [[f32; O]], b: &[f32; O]) {
        if A::KIND != ActivationKind::Sigmoid {
            return self.kernels.activate::<A, O>(y, b);
        }
        timed(Phase::Activation, || y.iter_mut().for_each(|y| self.weights.unit.sigmoid(y, b)));
    }

    fn slope<A: Activation, const O: usize>(&self, y: &[[f32; O]], d: &mut [[f32; O]], db: &mut [f32; O]) {
        self.kernels.slope::<A, O>(y, d, db);
    }
}
