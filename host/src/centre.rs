//! Training as if every layer's inputs were centred.
//!
//! A pixel's mean is not 0, a sigmoid's output is at most times about 1/2: so `Σ w·x` moves with every weight's common
//! part, and the gradients of weights and bias pull at the same thing. The same network written as
//!
//! ```text
//! z = scale⁻¹·W · scale·(x - c) + b̃            so  b = b̃ - W·c
//! ```
//!
//! with `c` the inputs' mean (the mean image; 1/2 for the output of a sigmoid) computes the same function, but learns
//! several times faster. Nothing of this is in the network itself: the trainer turns the gradients of `W` and `b` into
//! those of this form, takes the optimizer's steps there, and turns them back:
//!
//! ```text
//! dW̃ = dW - db ⊗ c        W -= scale · steps(dW̃)        b -= steps(db) - scale · steps(dW̃) · c
//! ```
//!
//! (the factor that `scale` puts on `dW̃` is left out: the optimizer's steps do not depend on it).
//!
//! Centring: LeCun, Bottou, Orr and Müller, "Efficient Backprop", 1998; for gradients: Schraudolph,
//! "Centering neural network gradient factors", 1998.

use crate::data::Source;
use crate::gemm::Gemm;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::{Layer, Parameters};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// What a sigmoid's output is centred by.
const MIDDLE: f32 = 0.5;
/// What a centred sigmoid output is multiplied by, so that its slope is that of the identity.
const SCALE: f32 = 4.0;

/// The centre of one layer's inputs.
#[derive(Clone, Debug)]
pub struct Centre {
    /// `c`, a number for each input.
    pub mean: Vec<f32>,
    /// What the centred inputs are multiplied by.
    pub scale: f32,
}

/// The centres of each layer of `N` for the first `rows` rows of `source`; layers behind a ReLU or a linear layer have
/// none.
pub fn centres<N: Layer>(source: &impl Source, rows: usize) -> Vec<Option<Centre>> {
    let mut before = None;
    let centre = |spec: autoencoder_core::LayerSpec| {
        let centre = match before {
            None => Some(Centre { mean: mean(source, rows), scale: 1.0 }),
            Some(ActivationKind::Sigmoid) => Some(Centre { mean: vec![MIDDLE; spec.inputs.into()], scale: SCALE }),
            Some(_) => None,
        };
        before = Some(spec.activation);
        centre
    };
    N::specs().map(centre).collect()
}

/// Gives a network with fresh weights the biases of the centred form: `b̃` such that the output starts at the mean row.
pub fn initial_biases<N: Layer + Parameters>(net: &mut N, centres: &[Option<Centre>]) {
    let last = centres.len().saturating_sub(1);
    let output = centres.first().and_then(Option::as_ref).map(|centre| &centre.mean);
    let mut slices = net.slices_mut();
    for (layer, (spec, centre)) in N::specs().zip(centres).enumerate() {
        let (Some(weights), Some(bias)) = (slices.next(), slices.next()) else { return };
        if let (true, Some(mean)) = (layer == last, output) {
            for (b, mean) in bias.iter_mut().zip(mean) {
                *b = match spec.activation {
                    ActivationKind::Sigmoid => logit(mean.clamp(0.005, 0.995)),
                    ActivationKind::Relu | ActivationKind::Identity => *mean,
                };
            }
        }
        if let Some(Centre { mean, .. }) = centre {
            for (b, row) in bias.iter_mut().zip(weights.chunks_exact(spec.inputs.into())) {
                *b -= row.iter().zip(mean).map(|(w, c)| w * c).sum::<f32>();
            }
        }
    }
}

fn logit(p: f32) -> f32 {
    (p / (1.0 - p)).ln()
}

/// The mean row, summed in blocks of fixed size: the same on any number of threads.
fn mean(source: &impl Source, rows: usize) -> Vec<f32> {
    const BLOCK: usize = 4096;
    let kernels = Gemm::default();
    let sums: Vec<Vec<f64>> = (0..rows.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let (mut sum, mut row) = (vec![0.0; source.width()], vec![0.0; source.width()]);
            let rows = block * BLOCK..((block + 1) * BLOCK).min(rows);
            kernels.vectorise(Sum { source, rows, row: &mut row, to: &mut sum });
            sum
        })
        .collect();
    (0..source.width()).map(|i| (sums.iter().map(|sum| sum[i]).sum::<f64>() / rows as f64) as f32).collect()
}

/// Adds rows up, to be compiled for this machine's vector instructions.
struct Sum<'a, T> {
    source: &'a T,
    rows: Range<usize>,
    row: &'a mut [f32],
    to: &'a mut [f64],
}

impl<T: Source> WithSimd for Sum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for index in self.rows {
            self.source.copy(index, self.row);
            for (sum, x) in self.to.iter_mut().zip(&*self.row) {
                *sum += f64::from(*x);
            }
        }
    }
}
