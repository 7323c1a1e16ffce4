//! Adam for moments in bfloat16. An update waits for memory, and short moments save a third of its bytes. Moments are running
//! means of numbers that are far less certain than eight bits.

use autoencoder_core::optimizer::Adam;

/// Adam at one step, in as few operations as possible:
///
/// ```text
/// m += first·(g - m)      v += second·(g² - v)      p -= rate · (m + ahead·(g - m)) / √(v + epsilon)
/// ```
///
/// This is [`Adam`] with two differences: the square of its epsilon is under the root, and if `g²` overflows, the step is a NaN
/// instead of 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    pub(crate) first: f32,
    pub(crate) second: f32,
    pub(crate) ahead: f32,
    pub(crate) rate: f32,
    pub(crate) epsilon: f32,
}

impl AdamStep {
    /// Adam at step `t`, counted from 1, with learning rate `lr`.
    pub(crate) fn new(adam: Adam, t: u32, lr: f32) -> Self {
        let [c1, c2] = adam.corrections(t);
        let Adam { beta1, beta2, epsilon, nesterov } = adam;
        let [first, second] = [1.0 - beta1, 1.0 - beta2];
        let ahead = if nesterov { first } else { 0.0 };
        Self { first, second, ahead, rate: lr * c1 / c2.sqrt(), epsilon: epsilon * epsilon / c2 }
    }

    /// The same with steps multiplied by `scale`.
    pub(crate) fn scaled(self, scale: f32) -> Self {
        Self { rate: self.rate * scale, ..self }
    }
}

/// Whether bfloat16 suffices for the moments.
///
/// Neighbouring numbers in bfloat16 are up to 2⁻⁷ of their size apart. A moment whose gradients are 0 has to shrink by more than
/// that at each step, or it would never change. The square of epsilon has to be a normal number.
pub(crate) fn bf16_moments_ok(Adam { beta1, beta2, epsilon, .. }: Adam) -> bool {
    1.0 - beta1.max(beta2) > 1.0 / 128.0 && epsilon * epsilon >= f32::MIN_POSITIVE
}
