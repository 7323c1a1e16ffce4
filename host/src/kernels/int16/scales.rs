//! Scales, and why no sum overflows.
//!
//! A sum of products is at most the sum of the absolute values on the left times the largest absolute value on the right
//! (Hölder's inequality). With at most [`LEFT`] and [`RIGHT`] steps of the scales, it is below 2³¹. That holds for each part of
//! a sum, too, so the order of the additions does not matter.

/// The most steps of the absolute values of a left operand together, along a block of the inner dimension: 2¹⁹, less what
/// rounding its numbers may add, half a step each, and what rounding the sum in `f32` may hide.
pub(super) const LEFT: f32 = ((1 << 19) - 1024) as f32;
/// The most steps of a number of the right operand.
pub(super) const RIGHT: f32 = 4096.0;
/// In so few numbers of at most [`RIGHT`] steps, the sum of absolute values is at most [`LEFT`] steps.
pub(super) const FEW: usize = 127;
/// The most steps of a number in a column of `dz`, of which a shard has at most 128.
pub(super) const COLUMN: f32 = 4095.0;
/// The most steps of any number.
pub(super) const LARGEST: f32 = 32_767.0;

/// The scale of some numbers: how many steps there are in one, and the size of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) steps: f32,
    pub(super) unit: f32,
}

impl Scale {
    /// The finest scale, `base` times a power of two steps in one, at which `size` is not more than `limit` steps. If `size`
    /// is not finite, the unit is a NaN, and so is every product.
    pub(super) fn new(size: f32, limit: f32, base: f32) -> Self {
        /// Beyond this, a unit would not be a normal number.
        const FINEST: f32 = f32::from_bits((127 + 100) << 23);
        const EXPONENT: u32 = 0xff << 23;
        if !size.is_finite() {
            return Self { steps: 0.0, unit: f32::NAN };
        }
        let power = f32::from_bits((limit / (size * base)).min(FINEST).to_bits() & EXPONENT);
        let steps = power * base;
        Self { steps, unit: 1.0 / steps }
    }
}

/// The largest of some absolute values: of their bits, which are in the same order. Infinity and NaN are above all others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Largest(u32);

impl Largest {
    #[inline(always)]
    pub(super) fn take(&mut self, number: f32) {
        self.0 = self.0.max(number.to_bits() << 1 >> 1);
    }

    #[inline(always)]
    pub(super) fn get(self) -> f32 {
        f32::from_bits(self.0)
    }
}

/// The sizes of a left operand: the largest sum of absolute values along a block, and the largest absolute value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    pub(super) sum: Largest,
    pub(super) number: Largest,
}

impl Sizes {
    /// The finest scale at which sums are at most [`LEFT`] steps and numbers at most `limit`.
    pub(super) fn scale(self, limit: f32, base: f32) -> Scale {
        let [sum, number] = [self.sum.get(), self.number.get()];
        let size = number * (LEFT / limit);
        // `max` would drop a NaN.
        Scale::new(if sum.is_finite() && number.is_finite() { sum.max(size) } else { f32::NAN }, LEFT, base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_the_finest_that_keeps_the_limit() {
        for base in [1.0, 255.0] {
            for size in [1e-30f32, 0.001, 0.5, 0.999, 1.0, 1.001, 300.0, 4096.0, 4097.0, 1e30] {
                let Scale { steps, unit } = Scale::new(size, RIGHT, base);
                assert!(size * steps <= RIGHT * (1.0 + f32::EPSILON), "{size}: {steps}");
                assert!(2.0 * size * steps > RIGHT || steps >= 1e30, "{size}: {steps}");
                assert_eq!((steps / base).to_bits() << 9, 0, "a power of two: {steps}");
                assert!((unit * steps - 1.0).abs() <= f32::EPSILON);
            }
        }
        assert!(Scale::new(0.0, RIGHT, 1.0).unit > 0.0);
        assert!(Scale::new(f32::MAX, RIGHT, 1.0).steps > 0.0);
        for size in [f32::NAN, f32::INFINITY] {
            assert!(Scale::new(size, RIGHT, 1.0).unit.is_nan());
        }
    }

    #[test]
    fn the_largest_number_is_found_and_a_nan_stays() {
        let largest = |numbers: &[f32]| {
            let mut largest = Largest::default();
            for number in numbers {
                largest.take(*number);
            }
            largest.get()
        };
        assert_eq!(largest(&[]), 0.0);
        assert_eq!(largest(&[1.0, -3.0, 2.0, -0.0]), 3.0);
        assert!(!largest(&[1.0, f32::NAN, 2.0]).is_finite());
        assert!(!largest(&[-f32::NAN, 2.0]).is_finite());
        assert_eq!(largest(&[f32::MAX, f32::NEG_INFINITY]), f32::INFINITY);
    }

    /// Rounding adds half a step to each number of a block.
    #[test]
    fn the_largest_sums_do_not_overflow() {
        use crate::kernels::int16::products::{BLOCK, WIDE_BLOCK};
        use crate::kernels::products::SHARD;
        let most = f64::from(LEFT) * (1.0 + 1e-4) + 0.5 * 2.0 * BLOCK.max(WIDE_BLOCK) as f64;
        assert!(most * f64::from(RIGHT) < f64::from(1u32 << 31), "{most}");
        const { assert!(FEW as f32 * RIGHT <= LEFT) }
        // The columns of dz have a bound for each number.
        assert!(SHARD as f64 * f64::from(COLUMN) * f64::from(RIGHT) < f64::from(1u32 << 31));
        const { assert!(COLUMN < RIGHT) }
    }
}
