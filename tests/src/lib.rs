//! References for the tests: a network computed independently in `f64`, random integer networks computed by plain
//! loops, and a few real digits.

// The file is in the tests of `autoencoder-device`, because this package depends on that one.
#[allow(clippy::return_self_not_must_use)]
#[path = "../../firmware-sim/device/tests/common/net.rs"]
pub mod net;
pub mod networks;

use autoencoder_core::activation::ActivationKind;
use autoencoder_core::init::Init;
use autoencoder_core::{Layer, LayerSpec, Parameters, Topology, Zeroed};
use autoencoder_io::idx::Images;
use autoencoder_io::zeroed_box;
use host::FloatNetwork;
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
    images.pixels.truncate(count * images.image_size());
    images
}

/// A network with weights and biases from `N(0, 1)`.
pub fn random<N: Layer + Parameters + Zeroed>(seed: u64) -> Box<N> {
    let mut net = zeroed_box::<N>();
    Init::UnitNormal.fill(&mut *net, &mut Pcg32::new(seed, 0));
    net
}

/// The host's network with the parameters of a network that is a type. Its first `encoder_layers` layers are the
/// encoder.
pub fn host_network<N: Layer + Parameters>(net: &N, encoder_layers: usize) -> FloatNetwork {
    let layers: Vec<LayerSpec> = N::specs().collect();
    let mut network = FloatNetwork::new(&Topology::new(&layers, encoder_layers).expect("a typed network's layers fit"));
    for (to, from) in network.parameters_mut().iter_mut().zip(net.slices().flatten()) {
        *to = *from;
    }
    network
}

/// The host's network with weights and biases from `N(0, 1)`.
pub fn random_network(topology: &str, seed: u64) -> FloatNetwork {
    let mut network = FloatNetwork::new(&topology.parse().expect("a topology"));
    let mut rng = Pcg32::new(seed, 0);
    for i in 0..network.topology().layers().len() {
        let spec = network.topology().layers()[i];
        let (weights, bias) = network.layer_mut(i);
        Init::UnitNormal.fill_layer(spec, weights, bias, &mut rng);
    }
    network
}

/// A network of plain numbers in `f64`, written for these tests from the equations alone.
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

    /// The numbers of the host's network.
    pub fn of(network: &FloatNetwork) -> Self {
        let numbers = network.parameters().iter().map(|x| f64::from(*x)).collect();
        Self { specs: network.topology().layers().to_vec(), numbers }
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
