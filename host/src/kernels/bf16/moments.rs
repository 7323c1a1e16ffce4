//! The moments of Adam in bfloat16. A word holds both moments of one weight, the first in its high half. The moments of each row of weights begin on a new line.

use super::weights::{PackedLayer, PackedNetwork};
use crate::kernels::layout::STRIP;
use crate::network::FloatNetwork;

impl PackedNetwork {
    /// Rounds and stores the moments `m` and `v` of all weights.
    pub(crate) fn pack_moments(&mut self, m: &FloatNetwork, v: &FloatNetwork) {
        for (packed, (m, v)) in self.layers.iter_mut().zip(m.layers().zip(v.layers())) {
            let inputs = usize::from(packed.spec.inputs);
            let rows = packed.moments.chunks_exact_mut(inputs.div_ceil(STRIP));
            for ((lines, m), v) in rows.zip(m.weights.chunks_exact(inputs)).zip(v.weights.chunks_exact(inputs)) {
                for (word, (m, v)) in lines.iter_mut().flat_map(|line| &mut line.0).zip(m.iter().zip(v)) {
                    *word = rounded(*m) | rounded(*v) >> 16;
                }
            }
        }
    }

    /// Writes the stored moments back to `m` and `v`.
    pub(crate) fn unpack_moments(&self, m: &mut FloatNetwork, v: &mut FloatNetwork) {
        for (packed, ((m, _), (v, _))) in self.layers.iter().zip(m.layers_mut().zip(v.layers_mut())) {
            let PackedLayer { spec, moments, .. } = packed;
            let inputs = usize::from(spec.inputs);
            let rows = moments.chunks_exact(inputs.div_ceil(STRIP));
            for (lines, (m, v)) in rows.zip(m.chunks_exact_mut(inputs).zip(v.chunks_exact_mut(inputs))) {
                for (word, (m, v)) in lines.iter().flat_map(|line| line.0).zip(m.iter_mut().zip(v)) {
                    (*m, *v) = (f32::from_bits(word & HIGH), f32::from_bits(word << 16));
                }
            }
        }
    }
}

/// The high half of a word.
const HIGH: u32 = 0xffff_0000;

/// The bits of the nearest number in bfloat16, or of the even one halfway between two. A NaN stays a NaN.
fn rounded(number: f32) -> u32 {
    let bits = number.to_bits();
    if number.is_nan() {
        return (bits | 0x0040_0000) & HIGH;
    }
    (bits + 0x7fff + (bits >> 16 & 1)) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::adam::{AdamStep, bf16_moments_ok};
    use crate::kernels::avx512::Avx512;
    use crate::kernels::layout::Line;
    use crate::kernels::left_out::or_left_out;
    use crate::kernels::{Bf16, Products};
    use autoencoder_core::optimizer::{Adam, Optimizer};
    use rand::RngExt;
    use rand_pcg::Pcg32;

    /// Numbers in [-1, 1).
    fn numbers(count: usize, rng: &mut Pcg32) -> Vec<f32> {
        (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect()
    }

    /// Five steps of one row of weights against those of the optimizer itself with its moments rounded after each.
    fn check(adam: Adam, inputs: usize, centred: bool) {
        let Some(avx512) = or_left_out(Avx512::detect(), "avx512_bf16") else { return };
        let mut rng = Pcg32::new(inputs as u64, 0);
        let mut w = numbers(inputs, &mut rng);
        let (mut m, mut v) = (vec![0.0; inputs], vec![0.0; inputs]);
        let c = if centred { numbers(inputs, &mut rng) } else { Vec::new() };
        let mut lines = vec![Line::default(); inputs.div_ceil(STRIP)];
        for t in 1..=5 {
            // Of many sizes, far above epsilon, and some of them 0.
            let dw: Vec<f32> = numbers(inputs, &mut rng).iter().map(|g| (g * 4.0).trunc().powi(9) * 1e-3).collect();
            let db = rng.random_range(-1.0..1.0f32);
            let (rule, before) = (adam.at(t, 0.01), w.clone());
            let sum = avx512.adam(AdamStep::new(adam, t, 0.01).scaled(4.0), (&mut w, &mut lines), (&dw, db), &c);
            let (mut expected, mut size) = (0.0, 0.0);
            for (i, w) in w.iter().enumerate() {
                let c = c.get(i).copied().unwrap_or_default();
                let step = 4.0 * rule(dw[i] - db * c, &mut m[i], &mut v[i]);
                (expected, size) = (expected + step * c, size + (step * c).abs());
                let found = before[i] - w;
                assert!((found - step).abs() <= 2e-4 * step.abs() + 1e-7, "step {t} of {inputs}: {found}, not {step}");
                // Sums that differ in their last bit may be rounded to two neighbours.
                let word = lines[i / STRIP].0[i % STRIP];
                for (name, number, bits) in [("m", &mut m[i], word & HIGH), ("v", &mut v[i], word << 16)] {
                    let found = f32::from_bits(bits);
                    assert!((found - *number).abs() <= number.abs() * 0.004, "{name} at {t}: {found}, not {number}");
                    *number = found;
                }
            }
            assert!((sum - expected).abs() <= 1e-4 * size, "{sum}, not {expected}");
        }
    }

    #[test]
    fn steps_are_those_of_adam() {
        for nesterov in [false, true] {
            let adam = Adam { beta1: 0.95, beta2: 0.98, epsilon: 1e-8, nesterov };
            for (inputs, centred) in [(784, true), (256, true), (50, true), (7, true), (16, false), (33, false)] {
                check(adam, inputs, centred);
            }
        }
    }

    /// A run that continues from a checkpoint uses the moments that were written.
    #[test]
    fn moments_come_back_as_they_were_kept() {
        let Some(bf16) = or_left_out(Bf16::detect(), "avx512_bf16") else { return };
        let topology = "20-3i-17i".parse().unwrap();
        let (mut packed, mut m, mut v) =
            (bf16.packed(&topology), FloatNetwork::new(&topology), FloatNetwork::new(&topology));
        let mut rng = Pcg32::new(1, 0);
        let fill = |network: &mut FloatNetwork, mut number: Box<dyn FnMut() -> f32 + '_>| {
            network.layers_mut().for_each(|(weights, _)| weights.fill_with(&mut number));
        };
        fill(&mut m, Box::new(|| rng.random_range(-1.0..1.0)));
        fill(&mut v, Box::new(|| rng.random_range(-1.0..1.0)));
        let first = [m.clone(), v.clone()];
        packed.pack_moments(&m, &v);
        packed.unpack_moments(&mut m, &mut v);
        let second = [m.clone(), v.clone()];
        for (first, second) in first.iter().zip(&second) {
            for (first, second) in first.parameters().iter().zip(second.parameters()) {
                assert!((first - second).abs() <= first.abs() / 256.0, "{second}, not {first}");
            }
        }
        packed.pack_moments(&m, &v);
        fill(&mut m, Box::new(|| 7.0));
        fill(&mut v, Box::new(|| 7.0));
        packed.unpack_moments(&mut m, &mut v);
        assert_eq!([m, v], second);
    }

    /// A mean that keeps 0.999 of itself would never change.
    #[test]
    fn slow_moments_stay_in_f32() {
        assert!(bf16_moments_ok(Adam { beta1: 0.95, beta2: 0.98, ..Adam::default() }));
        assert!(!bf16_moments_ok(Adam::default()));
        assert!(!bf16_moments_ok(Adam { beta1: 0.9, beta2: 0.98, epsilon: 1e-22, nesterov: false }));
        // A mean that may be stored in bfloat16 shrinks from every number.
        for mantissa in 0..128 {
            let number = f32::from_bits(0x3f80_0000 | mantissa << 16);
            assert!(f32::from_bits(rounded(number * 0.992)) < number, "{number} stays");
        }
    }

    #[test]
    fn a_nan_is_kept_as_one() {
        for bits in [0x7fff_ffff, 0xffff_ffff, 0x7f80_0001, 0x7fc0_0000] {
            assert!(f32::from_bits(rounded(f32::from_bits(bits))).is_nan(), "{bits:x}");
        }
        assert_eq!(rounded(f32::INFINITY), f32::INFINITY.to_bits());
    }
}
