//! Training as if every layer's inputs were [centred](autoencoder_core::centre), and those of hidden layers scaled.
//!
//! The mean of a pixel is not 0, and a sigmoid's output is usually near 1/2. So `Σ w·x` depends on what the weights have in
//! common, and the gradients of weights and bias pull at the same thing. The same network written as
//!
//! ```text
//! z = scale⁻¹·W · scale·(x - c) + b̃            so  b = b̃ - W·c
//! ```
//!
//! where `c` is the mean of the inputs (the mean image; 1/2 for the outputs of a sigmoid) computes the same function, but
//! learns several times faster. The network itself stays as it is: the trainer turns gradients and steps as
//! [`autoencoder_core::centre`] explains, with the scale:
//!
//! ```text
//! dW̃ = dW - db ⊗ c        W -= scale · steps(dW̃)        b -= steps(db) - scale · steps(dW̃) · c
//! ```
//!
//! (`dW̃` lacks a factor of `scale`, because the optimizer's steps do not depend on it). `update.rs` does this in one
//! pass over each row of weights.

use crate::data::Dataset;
use crate::kernels::vectorise;
use crate::network::FloatNetwork;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::centre::fold_mean;
use autoencoder_core::{LayerSpec, Topology};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// The centre of a sigmoid's output.
const MIDDLE: f32 = 0.5;
/// The scale of a centred sigmoid output, which makes its largest derivative that of the identity.
const SCALE: f32 = 4.0;

/// The centre of one layer's inputs.
#[derive(Clone, Debug)]
pub struct Centre {
    /// `c`, a number for each input.
    pub mean: Vec<f32>,
    /// The scale of the centred inputs.
    pub scale: f32,
}

/// The centre of each layer's inputs, from the first `rows` rows of `data`. A layer after a ReLU or a linear layer has none.
pub fn centres(topology: &Topology, data: &dyn Dataset, rows: usize) -> Vec<Option<Centre>> {
    let mut before = None;
    let centre = |spec: &LayerSpec| {
        let centre = match before {
            None => Some(Centre { mean: mean(data, rows), scale: 1.0 }),
            Some(ActivationKind::Sigmoid) => Some(Centre { mean: vec![MIDDLE; spec.inputs.into()], scale: SCALE }),
            Some(_) => None,
        };
        before = Some(spec.activation);
        centre
    };
    topology.layers().iter().map(centre).collect()
}

/// Gives a network with fresh weights the biases of the centred form, with `b̃` such that the outputs start at the mean row.
pub fn initial_biases(network: &mut FloatNetwork, centres: &[Option<Centre>]) {
    let topology = network.topology().clone();
    let last = topology.layers().len() - 1;
    let output = centres.first().and_then(Option::as_ref).map(|centre| &centre.mean);
    let layers = topology.layers().iter().zip(network.layers_mut()).zip(centres);
    for (index, ((spec, (weights, bias)), centre)) in layers.enumerate() {
        if let (true, Some(mean)) = (index == last, output) {
            for (b, mean) in bias.iter_mut().zip(mean) {
                *b = match spec.activation {
                    ActivationKind::Sigmoid => logit(mean.clamp(0.005, 0.995)),
                    ActivationKind::Relu | ActivationKind::Identity => *mean,
                };
            }
        }
        if let Some(Centre { mean, .. }) = centre {
            fold_mean(weights, mean, bias);
        }
    }
}

fn logit(p: f32) -> f32 {
    (p / (1.0 - p)).ln()
}

/// The mean row. It is summed in blocks of a fixed size, so that it is the same on any number of threads.
fn mean(data: &dyn Dataset, rows: usize) -> Vec<f32> {
    const BLOCK: usize = 4096;
    let sums: Vec<Vec<f64>> = (0..rows.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let (mut sum, mut row) = (vec![0.0; data.width()], vec![0.0; data.width()]);
            for index in block * BLOCK..((block + 1) * BLOCK).min(rows) {
                data.copy(index, &mut row);
                vectorise(Add { row: &row, to: &mut sum });
            }
            sum
        })
        .collect();
    (0..data.width()).map(|i| (sums.iter().map(|sum| sum[i]).sum::<f64>() / rows as f64) as f32).collect()
}

/// Adds a row, compiled for this machine's vector instructions.
struct Add<'a> {
    row: &'a [f32],
    to: &'a mut [f64],
}

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (sum, x) in self.to.iter_mut().zip(self.row) {
            *sum += f64::from(*x);
        }
    }
}
