//! What the tests measure against: a network computed independently in `f64`, and a few real digits.

use autoencoder_core::activation::ActivationKind;
use autoencoder_core::init::Init;
use autoencoder_core::{Layer, LayerSpec, Parameters, Zeroed};
use host::idx::Images;
use host::trainer::zeroed_box;
use rand_pcg::Pcg32;
use std::path::PathBuf;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The repository's MNIST.
pub fn mnist() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/mnist"))
}

/// The first `count` test digits.
pub fn digits(count: usize) -> Images {
    let mut images = Images::test(&mnist()).expect("the repository's test images");
    images.pixels = images.pixels.slice_move(ndarray::s![..count, ..]);
    images
}

/// A network with weights and biases from `N(0, 1)`.
pub fn random<N: Layer + Parameters + Zeroed>(seed: u64) -> Box<N> {
    let mut net = zeroed_box::<N>();
    Init::UnitNormal.fill(&mut *net, &mut Pcg32::new(seed, 0));
    net
}

/// A network as plain numbers in `f64`: written for these tests, from the equations alone.
#[derive(Clone, Debug)]
pub struct Reference {
    specs: Vec<LayerSpec>,
    /// Weights, then bias, of each layer.
    pub numbers: Vec<f64>,
}

impl Reference {
    /// The numbers of `net`.
    pub fn new<N: Layer + Parameters>(net: &N) -> Self {
        let numbers = net.slices().flatten().map(|x| f64::from(*x)).collect();
        Self { specs: N::specs().collect(), numbers }
    }

    /// The outputs for one row.
    pub fn forward(&self, x: &[f64]) -> Vec<f64> {
        let mut x = x.to_vec();
        let mut at = 0;
        for LayerSpec { inputs, outputs, activation } in &self.specs {
            let (inputs, outputs) = (usize::from(*inputs), usize::from(*outputs));
            let bias = at + inputs * outputs;
            x = (0..outputs)
                .map(|o| {
                    let products = (0..inputs).map(|i| self.numbers[at + o * inputs + i] * x[i]);
                    let z = products.sum::<f64>() + self.numbers[bias + o];
                    match activation {
                        ActivationKind::Sigmoid => 1.0 / (1.0 + (-z).exp()),
                        ActivationKind::Relu => z.max(0.0),
                        ActivationKind::Identity => z,
                    }
                })
                .collect();
            at = bias + outputs;
        }
        x
    }
}
