//! Initial weights.

use crate::activation::ActivationKind;
use crate::topology::LayerSpec;
use crate::{Layer, Parameters};
use rand_core::Rng;

/// The distribution of the initial parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Weights and biases from `N(0, 1)`, as in the classic TensorFlow tutorial.
    UnitNormal,
    /// Weights from `N(0, gain² · 2 / (inputs + outputs))`, biases 0.
    ///
    /// Glorot and Bengio, 2010. The gain compensates for the activation. It is 4 for the sigmoid, whose derivative is
    /// at most 1/4, √2 for the ReLU, which passes half of its inputs (He et al., 2015), and 1 for the identity.
    GlorotNormal,
}

impl Init {
    /// Fills a network with random parameters.
    pub fn fill<N: Layer + Parameters>(self, net: &mut N, rng: &mut impl Rng) {
        let mut slices = net.slices_mut();
        for spec in N::specs() {
            let (Some(weights), Some(bias)) = (slices.next(), slices.next()) else { return };
            self.fill_layer(spec, weights, bias, rng);
        }
    }

    /// Fills one layer, with `weights: [outputs, inputs]` and `bias: [outputs]`.
    pub fn fill_layer(self, spec: LayerSpec, weights: &mut [f32], bias: &mut [f32], rng: &mut impl Rng) {
        match self {
            Self::UnitNormal => {
                normal(weights, 1.0, rng);
                normal(bias, 1.0, rng);
            }
            Self::GlorotNormal => {
                let gain = match spec.activation {
                    ActivationKind::Sigmoid => 4.0,
                    ActivationKind::Relu => core::f32::consts::SQRT_2,
                    ActivationKind::Identity => 1.0,
                };
                let fan = f32::from(spec.inputs) + f32::from(spec.outputs);
                normal(weights, gain * libm::sqrtf(2.0 / fan), rng);
                bias.fill(0.0);
            }
        }
    }
}

/// Fills `out` with samples of `N(0, deviation²)`, two at a time (Box and Muller, 1958).
fn normal(out: &mut [f32], deviation: f32, rng: &mut impl Rng) {
    /// 2^-24: uniform numbers get as many bits as a mantissa has.
    const STEP: f32 = 1.0 / (1 << 24) as f32;
    for pair in out.chunks_mut(2) {
        let u = ((rng.next_u32() >> 8) + 1) as f32 * STEP; // (0, 1]
        let angle = (rng.next_u32() >> 8) as f32 * STEP * core::f32::consts::TAU;
        let radius = deviation * libm::sqrtf(-2.0 * libm::logf(u));
        let values = [radius * libm::cosf(angle), radius * libm::sinf(angle)];
        for (out, value) in pair.iter_mut().zip(values) {
            *out = value;
        }
    }
}
