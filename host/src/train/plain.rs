//! Products by the plain loops of the core: the oracle of the trainer's tests.

use crate::kernels::{Products, ShardOperands};
use crate::network::{FloatNetwork, LayerView};
use autoencoder_core::{LayerSpec, Topology, kernels};
use std::iter;
use std::ops::Range;

/// Plain loops.
#[derive(Clone, Copy)]
pub(crate) struct PlainProducts;

impl Products for PlainProducts {
    type Packed = ();
    type Rows<'a> = ();
    type Layer<'a> = LayerView<'a>;
    type Operands = ();

    fn packed(self, _: &Topology) {}

    fn layers<'a>((): &'a (), network: &'a FloatNetwork) -> Vec<LayerView<'a>> {
        network.layers().collect()
    }

    fn rows_mut((): &mut ()) -> impl Iterator<Item = ()> {
        iter::repeat(())
    }

    fn operands(self, _: usize, _: LayerSpec) {}

    fn forward(self, layer: LayerView<'_>, x: &[f32], (): &mut (), y: &mut [f32]) {
        kernels::x_wt(x, layer.weights, layer.spec.sizes(), y);
    }

    fn input_gradient(self, layer: LayerView<'_>, dz: &[f32], (): &mut (), dx: Option<&mut [f32]>) {
        if let Some(dx) = dx {
            kernels::dz_w(dz, layer.weights, layer.spec.sizes(), dx);
        }
    }

    fn weight_gradient(self, spec: LayerSpec, shards: &[ShardOperands<'_, Self>], rows: Range<usize>, dw: &mut [f32]) {
        let [inputs, outputs] = spec.sizes();
        dw.fill(0.0);
        for ShardOperands { dz, x, .. } in shards {
            let dz: Vec<f32> = dz.chunks_exact(outputs).flat_map(|dz| &dz[rows.clone()]).copied().collect();
            let mut own = vec![0.0; dw.len()];
            kernels::dzt_x(&dz, x, [inputs, rows.len()], &mut own);
            dw.iter_mut().zip(own).for_each(|(dw, own)| *dw += own);
        }
    }

    fn gradient_rows(self, _: usize, _: LayerSpec) -> usize {
        5
    }
}
