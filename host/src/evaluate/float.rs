//! The reconstructions of a network in `f32`, and their errors.

use super::mse::mean_squared_error;
use crate::data::Dataset;
use crate::kernels::{F32, SHARD};
use crate::network::FloatNetwork;
use crate::train::pass::{Pass, Shard};
use crate::train::qat::round_code;
use rayon::prelude::*;

/// The MSE of each row: the mean of `(y - x)²` over its elements. A code element has `code_bits` bits.
///
/// Runs on all threads of the current rayon pool, with the products in `f32` that the trainer uses. The network must have as many
/// inputs and outputs as the rows are wide.
pub fn errors(network: &FloatNetwork, code_bits: u8, data: &dyn Dataset) -> Vec<f32> {
    let topology = network.topology();
    let width = data.width();
    assert_eq!([topology.inputs(), topology.outputs()], [width; 2], "inputs, outputs and row width");
    let products = F32::default();
    let pass = Pass::new(products, network, &(), code_bits);
    let indices: Vec<u32> = (0..data.rows() as u32).collect();
    let mut errors = vec![0.0; data.rows()];
    errors.par_chunks_mut(SHARD).zip(indices.par_chunks(SHARD)).for_each_init(
        || Shard::new(products, topology),
        |shard, (errors, rows)| {
            shard.gather(data, rows, rows.len(), [0, 0]);
            shard.forward(&pass);
            let (x, y) = (shard.x().chunks_exact(width), shard.output().chunks_exact(width));
            for (error, (x, y)) in errors.iter_mut().zip(x.zip(y)) {
                *error = mean_squared_error(x, y);
            }
        },
    );
    errors
}

/// The reconstructions of `rows`, one after the other. A code element has `code_bits` bits.
///
/// The core's plain loops compute them ([`LayerView::forward`](crate::network::LayerView::forward)).
pub fn reconstruct(network: &FloatNetwork, code_bits: u8, rows: &[f32]) -> Vec<f32> {
    let mut x = rows.to_vec();
    for (boundary, layer) in (1..).zip(network.layers()) {
        let mut y = layer.forward(&x);
        if boundary == network.topology().encoder_layers() && code_bits < 8 {
            round_code(code_bits, &y.clone(), &mut y);
        }
        x = y;
    }
    x
}
