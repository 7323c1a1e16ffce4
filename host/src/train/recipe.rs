//! Training recipes: initial weights, optimizer, learning rate, and the choice of rows.

use super::qat::{Qat, WeightFormat};
use crate::kernels::{Bf16, F32, Int16};
use autoencoder_core::init::Init;
use autoencoder_core::optimizer::{Adam, OptimizerKind, RmsProp};
use std::f32::consts::PI;
use std::fmt;

/// The learning rate over the steps.
#[derive(Clone, Copy, Debug)]
pub enum Schedule {
    /// The same at every step.
    Constant(f32),
    /// Rises linearly over the first `warmup` steps, then falls along half a cosine to `last · peak`.
    Cosine {
        /// The highest rate.
        peak: f32,
        /// Steps to reach it.
        warmup: u32,
        /// The last rate, as a fraction of the peak.
        last: f32,
    },
}

impl Schedule {
    /// The rate at `step` (from 1) of `steps`.
    pub fn rate(self, step: u32, steps: u32) -> f32 {
        match self {
            Self::Constant(rate) => rate,
            Self::Cosine { peak, warmup, last } => {
                let rise = (step as f32 / warmup.max(1) as f32).min(1.0);
                let fall = 0.5 * (1.0 + f32::cos(PI * step as f32 / steps as f32));
                rise * peak * (last + (1.0 - last) * fall)
            }
        }
    }
}

/// The numbers that matrix products multiply. Weights, moments and sums of products stay `f32`, apart from the moments with
/// bfloat16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductKind {
    /// The fastest ones of this processor. With AVX-512: bfloat16 on AMD's processors, else 16-bit integers with VNNI, else
    /// bfloat16, else `f32`. Without: 16-bit integers, else `f32`.
    Fastest,
    /// [`F32`], on any processor.
    F32,
    /// [`Int16`], with AVX2.
    Int16,
    /// [`Bf16`], with AVX-512 and bfloat16.
    Bf16,
}

impl ProductKind {
    /// The kind that a trainer uses on this processor, which is never [`Self::Fastest`]. `None` if it lacks the instructions.
    pub fn on_this_processor(self) -> Option<Self> {
        let (bf16, int16) = (Bf16::detect(), Int16::detect());
        match self {
            Self::Fastest => Some(Self::fastest([
                F32::default().has_avx512(),
                bf16.is_some_and(Bf16::is_fastest),
                int16.is_some_and(Int16::has_avx512),
                bf16.is_some(),
                int16.is_some(),
            ])),
            Self::F32 => Some(Self::F32),
            Self::Int16 => int16.map(|_| Self::Int16),
            Self::Bf16 => bf16.map(|_| Self::Bf16),
        }
    }

    /// The fastest kind of a processor by what it has.
    fn fastest([avx512, fast_bf16, wide_int16, bf16, int16]: [bool; 5]) -> Self {
        match avx512 {
            true if fast_bf16 => Self::Bf16,
            true if wide_int16 => Self::Int16,
            true if bf16 => Self::Bf16,
            false if int16 => Self::Int16,
            _ => Self::F32,
        }
    }
}

impl fmt::Display for ProductKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fastest => "the fastest products",
            Self::F32 => "f32",
            Self::Int16 => "int16",
            Self::Bf16 => "bfloat16",
        })
    }
}

/// Everything about training except the network, the rows, the number of steps and the seed.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Its name on the command line.
    pub name: &'static str,
    /// Initial parameters.
    pub init: Init,
    /// Optimizer.
    pub optimizer: OptimizerKind,
    /// Learning rate.
    pub schedule: Schedule,
    /// Whether the gradients are those of a network with centred inputs in every layer: see [`super::centre`].
    pub centred: bool,
    /// The fraction of the steps, counted from the first, in which half of each batch is shifted by up to a pixel each way.
    pub augment_fraction: f32,
    /// The standard deviation of the noise on the inputs. The loss compares the outputs with the inputs before it, as in a
    /// denoising autoencoder (Vincent et al., 2008).
    pub noise: f32,
    /// The last steps, which are quantisation-aware.
    pub qat: Qat,
    /// Whether the steps before them round the code, too.
    pub rounds_code: bool,
    /// The numbers that products multiply.
    pub products: ProductKind,
    /// The number of training rows to use, from the first.
    pub rows: usize,
    /// The default seed.
    pub seed: u64,
}

impl Recipe {
    /// The best recipe known for these networks.
    pub const DEFAULT: Self = Self {
        name: "default",
        init: Init::GlorotNormal,
        optimizer: OptimizerKind::Adam(Adam { beta1: 0.95, beta2: 0.98, epsilon: 1e-8, nesterov: true }),
        schedule: Schedule::Cosine { peak: 0.008, warmup: 100, last: 0.01 },
        centred: true,
        augment_fraction: 0.7,
        noise: 0.0,
        qat: Qat { weights: Some(WeightFormat::Int8), code_bits: 8, fraction: 1.0 / 30.0 },
        rounds_code: false,
        products: ProductKind::Fastest,
        rows: usize::MAX,
        seed: 1,
    };

    /// The recipe of the classic TensorFlow 1 tutorial, number for number. The course of its loss depends strongly on the seed;
    /// with this one it stays within 15 % of the published run.
    pub const SEED: Self = Self {
        name: "seed",
        init: Init::UnitNormal,
        optimizer: OptimizerKind::RmsProp(RmsProp { decay: 0.9, epsilon: 1e-10 }),
        schedule: Schedule::Constant(0.01),
        centred: false,
        augment_fraction: 0.0,
        noise: 0.0,
        qat: Qat::NONE,
        rounds_code: false,
        products: ProductKind::F32,
        rows: 55_000,
        seed: 6,
    };

    /// The best recipe known for some hundreds or thousands of windows of a sensor. Noise on the inputs keeps a network with
    /// more parameters than there are numbers to train on from learning its windows by heart.
    pub const SENSOR: Self = Self {
        name: "sensor",
        schedule: Schedule::Cosine { peak: 0.008, warmup: 60, last: 0.01 },
        augment_fraction: 0.0,
        noise: 0.2,
        ..Self::DEFAULT
    };

    /// The same with less noise, for spectra: their inputs are few, and the logarithms of bands vary by themselves.
    pub const SPECTRUM: Self = Self { name: "spectrum", noise: 0.1, ..Self::SENSOR };

    /// The best recipe known for a code of a few bits an element.
    pub const CODEC: Self = Self { name: "codec", rounds_code: true, ..Self::DEFAULT };

    /// The initial second moments: 1 for RMSProp, as in TensorFlow 1, otherwise 0.
    pub fn initial_second_moment(&self) -> f32 {
        match self.optimizer {
            OptimizerKind::RmsProp(_) => 1.0,
            OptimizerKind::Sgd(_) | OptimizerKind::Adam(_) => 0.0,
        }
    }

    /// The number of steps, of `steps`, that compute with exact weights. The last ones are quantisation-aware.
    pub fn exact_steps(&self, steps: u32) -> u32 {
        steps - (f64::from(steps) * f64::from(self.qat.fraction)) as u32
    }

    /// The learning rate at `step` (from 1) of `steps`.
    pub fn rate(&self, step: u32, steps: u32) -> f32 {
        let exact = self.exact_steps(steps);
        match step.checked_sub(exact) {
            None | Some(0) => self.schedule.rate(step, exact),
            Some(rounded) => {
                // A code that was rounded before needs no higher rate now.
                let code_bits = if self.rounds_code { 8 } else { self.qat.code_bits };
                Qat { code_bits, ..self.qat }.rate(rounded, steps - exact)
            }
        }
    }

    /// The recipe with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::DEFAULT, Self::CODEC, Self::SEED, Self::SENSOR, Self::SPECTRUM]
            .into_iter()
            .find(|recipe| recipe.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An earlier version computed them in `f32`. Its runs and figures keep their steps.
    #[test]
    fn exact_steps_stay_the_same_and_are_right_beyond_the_integers_of_a_float() {
        let with = |fraction| Recipe { qat: Qat { fraction, ..Qat::NONE }, ..Recipe::DEFAULT };
        for fraction in [0.0, 1.0 / 30.0, 1.0] {
            for steps in 1..=30_000 {
                let first = (steps as f32 * (1.0 - fraction)).ceil() as u32;
                assert_eq!(with(fraction).exact_steps(steps), first, "{fraction} of {steps}");
            }
        }
        for steps in [16_777_217, 50_331_650, 99_999_990, 100_000_000] {
            assert_eq!(with(0.0).exact_steps(steps), steps);
            assert_eq!(with(1.0).exact_steps(steps), 0);
            assert_eq!(with(1.0 / 30.0).exact_steps(steps), steps - steps / 30, "{steps}");
        }
    }

    #[test]
    fn each_processor_has_its_fastest_products() {
        for (processor, has, expected) in [
            ("Zen 4", [1, 1, 1, 1, 1], ProductKind::Bf16),
            ("Sapphire Rapids", [1, 0, 1, 1, 1], ProductKind::Int16),
            ("Ice Lake: VNNI without bfloat16", [1, 0, 1, 0, 1], ProductKind::Int16),
            ("Skylake-X: AVX-512 without VNNI", [1, 0, 0, 0, 1], ProductKind::F32),
            ("bfloat16 without VNNI", [1, 0, 0, 1, 1], ProductKind::Bf16),
            ("AVX2", [0, 0, 0, 0, 1], ProductKind::Int16),
            ("none of them", [0, 0, 0, 0, 0], ProductKind::F32),
        ] {
            let has = has.map(|has| has == 1);
            assert_eq!(ProductKind::fastest(has), expected, "{processor}");
        }
    }

    /// By the names of the instructions and of the vendor, as the kernel reads them.
    #[cfg(all(target_os = "linux", target_arch = "x86_64", feature = "avx512"))]
    #[test]
    fn the_fastest_products_are_those_of_the_processor() {
        let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let line = |name: &str| processor.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        let has = |flag: &str| line("flags").split_whitespace().any(|found| found == flag);
        let amd = line("vendor_id").ends_with("AuthenticAMD");
        let expected = match () {
            () if has("avx512_bf16") && (amd || !has("avx512_vnni")) => ProductKind::Bf16,
            () if has("avx512_vnni") => ProductKind::Int16,
            () if has("avx512vl") || !has("avx2") => ProductKind::F32,
            () => ProductKind::Int16,
        };
        assert_eq!(ProductKind::Fastest.on_this_processor(), Some(expected));
    }
}
