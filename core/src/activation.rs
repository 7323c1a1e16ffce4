//! Activation functions: sigmoid, ReLU, identity.
//!
//! Each is branch-free arithmetic on one number, so a loop over an array vectorises, and is made of exact `f32` operations
//! without fused multiply-add, so the host and the device compute the same bits.

use serde::{Deserialize, Serialize};

/// Which activation a layer has, as the weights blob names it.
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
    /// Its name in a weights blob.
    const KIND: ActivationKind;

    /// `σ(z)`
    fn apply(z: f32) -> f32;

    /// `dσ/dz` where `y = σ(z)`. Each of these functions knows its derivative from its output alone, so `z` is not kept.
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
        // Not `max`: a NaN has to stay visible.
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

/// `1 / (1 + e^-z)`, within 2.4e-7 of the true value. Of any NaN, [`f32::NAN`]: the same bits on every machine.
#[inline(always)]
pub(crate) const fn sigmoid(z: f32) -> f32 {
    let y = 1.0 / (1.0 + exp_minus(z));
    if z.is_nan() { f32::NAN } else { y }
}

/// `e^-z`, relative error below 2.5e-7 for -88 <= z <= 87 and clamped to that range. Of a NaN, any number: its low bits
/// would be added to the exponent.
///
/// `e^-z = 2^n · e^r` with `n = round(-z / ln 2)` and `|r| <= ln 2 / 2`. `e^r` is `1 + r + r² q(r)`, where the cubic `q`
/// is the one that makes the largest relative error least: 1.05e-7, a thirtieth of Taylor's of the same degree; what
/// remains is rounding. Terms are summed in pairs (Estrin's scheme), so that they do not all wait for each other. `n`
/// is taken from the low mantissa bits of `-z / ln 2 + 1.5·2^23` and added to the exponent of the polynomial: no
/// conversion, no branch.
#[inline(always)]
const fn exp_minus(z: f32) -> f32 {
    /// `1.5 · 2^23`: adding it rounds to an integer and leaves that integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts: the first has few enough bits that n · LN2_HI is exact.
    const LN2_HI: f32 = 0.693_359_4;
    const LN2_LO: f32 = -2.121_944_4e-4;
    /// Minimax, with the terms before them held at 1 and `r`; Taylor's are 1/2, 1/6, 1/24, 1/120.
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
    fn sigmoid_is_accurate_saturates_and_keeps_any_nan() {
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
        // Of either sign, quiet and signalling, with any low bits.
        for bits in (0..1024).flat_map(|low| [0x7f80_0001, 0xff80_0001, 0x7fc0_0000, 0xffc0_0000].map(|nan| nan + low))
        {
            let nan = core::hint::black_box(f32::from_bits(bits));
            assert_eq!(sigmoid(nan).to_bits(), 0x7fc0_0000, "{bits:x}");
            assert!(Relu::apply(nan).is_nan());
        }
    }
}
