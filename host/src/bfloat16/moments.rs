//! Adam with moments in bfloat16: with the weights, two thirds of the bytes of an update, which waits for memory. Moments are
//! running means of numbers that are far less certain than eight bits.
//!
//! A word holds the two moments of one weight, the first in its high half; the moments of a row of weights begin on a new line.

use super::{STRIP, Weights};
use autoencoder_core::Parameters;
use autoencoder_core::optimizer::Adam;

/// Adam at one step, in as few operations as there are:
///
/// ```text
/// m += first·(g - m)      v += second·(g² - v)      p -= rate · (m + ahead·(g - m)) / √(v + epsilon)
/// ```
///
/// This is [`Adam`] but for its epsilon, whose square stands under the root here, and where `g²` overflows: there it gives a
/// NaN, and Adam no step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    pub(crate) first: f32,
    pub(crate) second: f32,
    pub(crate) ahead: f32,
    pub(crate) rate: f32,
    pub(crate) epsilon: f32,
}

impl AdamStep {
    /// Step `t` with learning rate `lr`.
    pub(crate) fn new(adam: Adam, t: u32, lr: f32) -> Self {
        let [c1, c2] = adam.corrections(t);
        let Adam { beta1, beta2, epsilon, nesterov } = adam;
        let [first, second] = [1.0 - beta1, 1.0 - beta2];
        let ahead = if nesterov { first } else { 0.0 };
        Self { first, second, ahead, rate: lr * c1 / c2.sqrt(), epsilon: epsilon * epsilon / c2 }
    }

    /// With its steps so many times as long.
    pub(crate) fn scaled(self, scale: f32) -> Self {
        Self { rate: self.rate * scale, ..self }
    }
}

/// Whether its moments may be in bfloat16. Where two of its numbers are up to 2⁻⁷ of either apart, a mean of zeros falls at each
/// step by more than that; one that forgot more slowly would fall in jumps, or stand still. And the square of epsilon has to
/// be a number.
pub(crate) fn suffice(Adam { beta1, beta2, epsilon, .. }: Adam) -> bool {
    1.0 - beta1.max(beta2) > 1.0 / 128.0 && epsilon * epsilon >= f32::MIN_POSITIVE
}

impl Weights {
    /// Rounds the moments of all weights and keeps them.
    pub(crate) fn keep_moments(&mut self, [m, v]: [&impl Parameters; 2]) {
        let weights = m.slices().zip(v.slices()).step_by(2);
        for (layer, (m, v)) in self.layers.iter_mut().zip(weights) {
            let rows = layer.moments.chunks_exact_mut(layer.inputs.div_ceil(STRIP));
            for ((lines, m), v) in rows.zip(m.chunks_exact(layer.inputs)).zip(v.chunks_exact(layer.inputs)) {
                for (word, (m, v)) in lines.iter_mut().flat_map(|line| &mut line.0).zip(m.iter().zip(v)) {
                    *word = rounded(*m) | rounded(*v) >> 16;
                }
            }
        }
    }

    /// Writes down the moments that are kept.
    pub(crate) fn write_moments(&self, [m, v]: [&mut impl Parameters; 2]) {
        let weights = m.slices_mut().zip(v.slices_mut()).step_by(2);
        for (layer, (m, v)) in self.layers.iter().zip(weights) {
            let rows = layer.moments.chunks_exact(layer.inputs.div_ceil(STRIP));
            let numbers = m.chunks_exact_mut(layer.inputs).zip(v.chunks_exact_mut(layer.inputs));
            for (lines, (m, v)) in rows.zip(numbers) {
                for (word, (m, v)) in lines.iter().flat_map(|line| line.0).zip(m.iter_mut().zip(v)) {
                    (*m, *v) = (f32::from_bits(word & HIGH), f32::from_bits(word << 16));
                }
            }
        }
    }
}

/// The high half of a word.
const HIGH: u32 = 0xffff_0000;

/// The bits of the nearest number in bfloat16, of two that are as near the even one. Of a NaN, a NaN.
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
    use crate::bfloat16::{Bfloat16, Line};
    use crate::trainer::zeroed_box;
    use autoencoder_core::optimizer::Optimizer;
    use autoencoder_core::{Dense, Identity, Layer};
    use rand::RngExt;
    use rand_pcg::Pcg32;

    /// Numbers in [-1, 1).
    fn numbers(count: usize, rng: &mut Pcg32) -> Vec<f32> {
        (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect()
    }

    /// Five steps of one row of weights against those of the optimizer itself with its moments rounded after each.
    fn check(adam: Adam, inputs: usize, centred: bool) {
        // Without the instructions there is nothing to test.
        let Some(unit) = Bfloat16::detect() else { return };
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
            let sum = unit.adam(AdamStep::new(adam, t, 0.01).scaled(4.0), (&mut w, &mut lines), (&dw, db), &c);
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

    /// Whoever loads a checkpoint goes on with the moments that were written.
    #[test]
    fn moments_come_back_as_they_were_kept() {
        type Net = (Dense<20, 3, Identity>, Dense<3, 17, Identity>);
        let Some(mut weights) = Weights::new(Net::specs()) else { return };
        let [mut m, mut v] = [zeroed_box::<Net>(), zeroed_box::<Net>()];
        let mut rng = Pcg32::new(1, 0);
        m.slices_mut().chain(v.slices_mut()).flatten().for_each(|x| *x = rng.random_range(-1.0..1.0f32));
        let kept = |m: &Net, v: &Net| -> Vec<f32> {
            [m, v].into_iter().flat_map(|net| net.slices().step_by(2).flatten()).copied().collect()
        };
        let first = kept(&m, &v);
        weights.keep_moments([&*m, &*v]);
        weights.write_moments([&mut *m, &mut *v]);
        let second = kept(&m, &v);
        for (first, second) in first.iter().zip(&second) {
            assert!((first - second).abs() <= first.abs() / 256.0, "{second}, not {first}");
        }
        weights.keep_moments([&*m, &*v]);
        m.slices_mut().chain(v.slices_mut()).step_by(2).flatten().for_each(|x| *x = 7.0);
        weights.write_moments([&mut *m, &mut *v]);
        assert_eq!(kept(&m, &v), second);
    }

    /// Means of 0.999 would stand still.
    #[test]
    fn slow_moments_stay_as_they_are() {
        assert!(suffice(Adam { beta1: 0.95, beta2: 0.98, ..Adam::default() }));
        assert!(!suffice(Adam::default()));
        assert!(!suffice(Adam { beta1: 0.9, beta2: 0.98, epsilon: 1e-22, nesterov: false }));
        // What suffices falls from every number.
        for mantissa in 0..128 {
            let number = f32::from_bits(0x3f80_0000 | mantissa << 16);
            assert!(f32::from_bits(rounded(number * 0.992)) < number, "{number} stays");
        }
    }

    #[test]
    fn what_is_no_number_is_kept_as_none() {
        for bits in [0x7fff_ffff, 0xffff_ffff, 0x7f80_0001, 0x7fc0_0000] {
            assert!(f32::from_bits(rounded(f32::from_bits(bits))).is_nan(), "{bits:x}");
        }
        assert_eq!(rounded(f32::INFINITY), f32::INFINITY.to_bits());
    }
}
