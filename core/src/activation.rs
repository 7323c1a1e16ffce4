//! Activation functions: sigmoid, ReLU, identity.
//!
//! Each is branch-free arithmetic on one number, so a loop over an array vectorises. Each consists of exact `f32`
//! operations without fused multiply-add, so host and device compute the same bits.

use serde::{Deserialize, Serialize};

/// The activation function of a layer, as a value. The weights blob stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActivationKind {
    /// `1 / (1 + e^-z)`
    Sigmoid,
    /// `max(0, z)`
    Relu,
    /// `z`
    Identity,
}

/// An activation function `y = σ(z)`, applied to each element.
pub trait Activation: Copy + Send + Sync + 'static {
    /// The same function as a value.
    const KIND: ActivationKind;

    /// `σ(z)`
    fn apply(z: f32) -> f32;

    /// `dσ/dz`, computed from `y = σ(z)`. All these functions allow that, so `z` need not be stored.
    fn derivative(y: f32) -> f32;
}

/// `y = 1 / (1 + e^-z)`
#[derive(Clone, Copy, Debug)]
pub struct Sigmoid;

/// `y = max(0, z)`
#[derive(Clone, Copy, Debug)]
pub struct Relu;

/// `y = z`
#[derive(Clone, Copy, Debug)]
pub struct Identity;

impl Activation for Sigmoid {
    const KIND: ActivationKind = ActivationKind::Sigmoid;

    #[inline(always)]
    fn apply(z: f32) -> f32 {
        sigmoid(z)
    }

    #[inline(always)]
    fn derivative(y: f32) -> f32 {
        y * (1.0 - y)
    }
}

impl Activation for Relu {
    const KIND: ActivationKind = ActivationKind::Relu;

    #[inline(always)]
    fn apply(z: f32) -> f32 {
        // Not `max`, which would hide a NaN.
        if z < 0.0 { 0.0 } else { z }
    }

    #[inline(always)]
    fn derivative(y: f32) -> f32 {
        if y > 0.0 { 1.0 } else { 0.0 }
    }
}

impl Activation for Identity {
    const KIND: ActivationKind = ActivationKind::Identity;

    #[inline(always)]
    fn apply(z: f32) -> f32 {
        z
    }

    #[inline(always)]
    fn derivative(_: f32) -> f32 {
        1.0
    }
}

/// `1 / (1 + e^-z)`, with an absolute error below 2.4e-7. Every NaN becomes [`f32::NAN`]: the same bits on every machine.
#[inline(always)]
pub(crate) const fn sigmoid(z: f32) -> f32 {
    let y = 1.0 / (1.0 + exp_minus(z));
    if z.is_nan() { f32::NAN } else { y }
}

/// `e^-z` with `z` clamped to [-88, 87] and a relative error below 2.5e-7. A NaN gives an arbitrary number, because its
/// low bits are added to the exponent.
///
/// ```text
/// e^-z = 2^n · e^r              n = round(-z / ln 2),  |r| <= ln 2 / 2
/// e^r  = 1 + r + r² · q(r)      q: a cubic
/// ```
///
/// The coefficients of `q` minimise the largest relative error, 1.05e-7, which is a thirtieth of that of the Taylor
/// polynomial of the same degree. The rest of the error is rounding. Terms are summed in pairs (Estrin's scheme), which
/// shortens the chain of dependent additions. `n` is in the low mantissa bits of `-z / ln 2 + 1.5·2^23` and is added to
/// the exponent of the polynomial, without a conversion or a branch.
#[inline(always)]
const fn exp_minus(z: f32) -> f32 {
    /// `1.5 · 2^23`: adding it rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts: the first has few enough bits that n · LN2_HI is exact.
    const LN2_HI: f32 = 0.693_359_4;
    const LN2_LO: f32 = -2.121_944_4e-4;
    /// Minimax, with the first two terms fixed at 1 and `r`. Taylor's are 1/2, 1/6, 1/24, 1/120.
    const Q: [f32; 4] = [0.499_992_3, 0.166_671_15, 0.041_890_33, 0.008_312_502];

    let z = if z > 87.0 { 87.0 } else { z };
    let z = if z < -88.0 { -88.0 } else { z };
    let shifted = z * -core::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (n * -LN2_HI - z) - n * LN2_LO;
    let r2 = r * r;
    let q = (Q[0] + Q[1] * r) + r2 * (Q[2] + Q[3] * r);
    let p = (1.0 + r) + r2 * q;
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate_over_its_range() {
        let mut worst = 0.0f64;
        for i in -870_000..=880_000 {
            let x = i as f32 * 1e-4;
            let exact = libm::exp(f64::from(x));
            worst = worst.max(((f64::from(exp_minus(-x)) - exact) / exact).abs());
        }
        assert!(worst < 2.5e-7, "relative error {worst:e}");
    }

    #[test]
    fn sigmoid_is_accurate_saturates_and_propagates_nan() {
        let mut worst = 0.0f64;
        for i in -300_000..=300_000 {
            let z = i as f32 * 1e-3;
            let exact = 1.0 / (1.0 + libm::exp(-f64::from(z)));
            worst = worst.max((f64::from(sigmoid(z)) - exact).abs());
        }
        assert!(worst < 2.4e-7, "absolute error {worst:e}");
        assert_eq!(sigmoid(0.0), 0.5);
        assert_eq!(sigmoid(f32::INFINITY), 1.0);
        assert!(sigmoid(f32::NEG_INFINITY) < 1e-37);
        // NaNs of either sign, quiet and signalling, with any low bits.
        for bits in (0..1024).flat_map(|low| [0x7f80_0001, 0xff80_0001, 0x7fc0_0000, 0xffc0_0000].map(|nan| nan + low))
        {
            let nan = core::hint::black_box(f32::from_bits(bits));
            assert_eq!(sigmoid(nan).to_bits(), 0x7fc0_0000, "{bits:x}");
            assert!(Relu::apply(nan).is_nan());
        }
    }
}
