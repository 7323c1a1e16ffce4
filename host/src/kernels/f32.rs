//! Products in `f32`: those of the `gemm-f32` crate, and lists of non-zero numbers for a batch that is mostly zeros.
//!
//! | product | at least half of `x` is 0 | otherwise |
//! |---|---|---|
//! | `y = x·Wᵀ` | lists of the rows of `x`, times columns of `Wᵀ` | `W` is transposed, then a dense product |
//! | `dx = dz·W` | | a dense product |
//! | `dW = dzᵀ·x` | lists of the columns of `x`, times `dz`: rows of `dWᵀ` | a dense product for each shard, added up |
//!
//! Lists need another operand that fills whole tiles: see [`sparse`].
//!
//! The plain loops add the same products in another order and do not fuse any with its addition. So a sum of `n` products
//! differs by at most `n·2⁻²³` of the sum of their absolute values.

use super::gemm::{View, multiply};
use super::products::{Products, ShardOperands};
use super::sparse::{self, Lists};
use super::transpose::transpose;
use crate::aligned::Aligned;
use crate::network::{FloatNetwork, LayerView};
use crate::profile::{Phase, timed};
use autoencoder_core::{LayerSpec, Topology};
use pulp::Arch;
use std::cell::RefCell;
use std::iter;
use std::ops::Range;

/// With fewer rows than this, transposing or listing costs more than it saves.
const FEW: usize = 16;
/// The most rows of a gradient at a time. With 784 inputs, they fill less than half of a second level cache.
const GRADIENT_ROWS: usize = 128;
/// The number of rows of a gradient at a time is a multiple of this: whole vectors.
const MULTIPLE: usize = 16;

/// Fast products for any x86-64 or aarch64 machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct F32 {
    pub(super) arch: Arch,
}

impl F32 {
    /// Whether an instruction multiplies sixteen numbers, as many as one of AVX2's does in 16-bit integers.
    pub fn has_avx512(self) -> bool {
        #[cfg(all(target_arch = "x86_64", feature = "avx512"))]
        if matches!(self.arch, Arch::V4(_)) {
            return true;
        }
        false
    }
}

impl Products for F32 {
    type Packed = ();
    type Rows<'a> = ();
    type Layer<'a> = LayerView<'a>;
    /// There are none: these products read the activations and their gradients directly.
    type Operands = ();

    fn packed(self, _: &Topology) {}

    fn layers<'a>((): &'a (), network: &'a FloatNetwork) -> Vec<LayerView<'a>> {
        network.layers().collect()
    }

    fn rows_mut((): &mut ()) -> impl Iterator<Item = ()> {
        iter::repeat(())
    }

    fn operands(self, _: usize, _: LayerSpec) {}

    // Shapes: x [n, I], W [O, I], y [n, O].
    fn forward(self, layer: LayerView<'_>, x: &[f32], (): &mut (), y: &mut [f32]) {
        timed(Phase::Forward, || self.x_wt(x, layer.weights, layer.spec.sizes(), y));
    }

    // Shapes: dz [n, O], W [O, I], dx [n, I].
    fn input_gradient(self, layer: LayerView<'_>, dz: &[f32], (): &mut (), dx: Option<&mut [f32]>) {
        let [inputs, outputs] = layer.spec.sizes();
        if let Some(dx) = dx {
            let (dz, w) = (View::rows(dz, outputs), View::rows(layer.weights, inputs));
            timed(Phase::Backward, || multiply(dz, outputs, w, inputs, dx, false));
        }
    }

    // Shapes, for each shard: dz [n, O], x [n, I]; dw [rows, I].
    fn weight_gradient(self, spec: LayerSpec, shards: &[ShardOperands<'_, Self>], rows: Range<usize>, dw: &mut [f32]) {
        timed(Phase::Gradients, || self.dzt_x(spec.sizes(), shards, rows, dw));
    }

    /// Blocks of at most 128 rows, all of one size except the last.
    fn gradient_rows(self, _: usize, spec: LayerSpec) -> usize {
        let outputs = usize::from(spec.outputs);
        outputs.div_ceil(outputs.div_ceil(GRADIENT_ROWS)).next_multiple_of(MULTIPLE)
    }
}

impl F32 {
    /// `y = x·wᵀ`, with `x: [n, I]`, `w: [O, I]`, `y: [n, O]`.
    fn x_wt(self, x: &[f32], w: &[f32], [inputs, outputs]: [usize; 2], y: &mut [f32]) {
        let (arch, x_rows) = (self.arch, View::rows(x, inputs));
        if x.len() < FEW * inputs {
            return multiply(x_rows, inputs, View::rows(w, inputs).transposed(), outputs, y, false);
        }
        SCRATCH.with_borrow_mut(|Scratch { transposed, tile, lists }| {
            if sparse::is_sparse_enough(arch, x, outputs) {
                if lists.is_empty() {
                    lists.push(Lists::default());
                }
                lists[0].rows(arch, x, inputs);
                for first in (0..outputs).step_by(sparse::width(arch)) {
                    let wt = View::rows(&w[first * inputs..], inputs).transposed();
                    lists[0].multiply(arch, wt, tile, &mut y[first..], outputs, false);
                }
            } else {
                // The product would read each row of `w` one number at a time, so `w` is transposed first.
                let wt = transposed.scratch(inputs * outputs);
                transpose(arch, w, inputs, inputs, wt);
                multiply(x_rows, inputs, View::rows(wt, outputs), outputs, y, false);
            }
        });
    }

    /// Some rows of `dw = Σ dzᵀ·x`, added up over the shards in their order.
    fn dzt_x(
        self,
        [inputs, outputs]: [usize; 2],
        shards: &[ShardOperands<'_, Self>],
        Range { start, end }: Range<usize>,
        dw: &mut [f32],
    ) {
        let sparse = |shard: &ShardOperands<'_, Self>| {
            shard.x.len() >= FEW * inputs && sparse::is_sparse_enough(self.arch, shard.x, end - start)
        };
        if !shards.iter().all(sparse) {
            for (i, ShardOperands { dz, x, .. }) in shards.iter().enumerate() {
                let dzt = View::rows(dz.get(start..).unwrap_or_default(), outputs).transposed();
                multiply(dzt, x.len() / inputs, View::rows(x, inputs), inputs, dw, i > 0);
            }
            return;
        }
        // dWᵀ = xᵀ·dz, some rows of dW at a time.
        SCRATCH.with_borrow_mut(|Scratch { transposed, tile, lists }| {
            lists.resize_with(lists.len().max(shards.len()), Lists::default);
            for (lists, shard) in lists.iter_mut().zip(shards) {
                lists.columns(self.arch, shard.x, inputs);
            }
            let width = sparse::width(self.arch);
            let dwt = transposed.scratch(inputs * width);
            for (first, dw) in (start..).step_by(width).zip(dw.chunks_exact_mut(inputs * width)) {
                for (i, (lists, shard)) in lists.iter().zip(shards).enumerate() {
                    let dz = View::rows(&shard.dz[first..], outputs);
                    lists.multiply(self.arch, dz, tile, dwt, width, i > 0);
                }
                transpose(self.arch, dwt, width, width, dw);
            }
        });
    }
}

thread_local! {
    /// The scratch of a product. Each thread keeps its own from step to step.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    /// A transposed operand or result.
    transposed: Aligned,
    /// A tile of `sparse`.
    tile: Aligned,
    /// The lists of each shard.
    lists: Vec<Lists>,
}
