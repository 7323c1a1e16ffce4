//! Quantisation-aware training (QAT): the last steps compute with the numbers that the blob will hold.
//!
//! Forward and backward passes use rounded weights, and a rounded code if its elements have fewer than 8 bits. Their gradients
//! update the exact weights. The backward pass takes rounding for the identity (the straight-through
//! estimator: Bengio, Léonard and Courville, "Estimating or Propagating Gradients Through Stochastic Neurons", 2013). The
//! derivative of the code's sigmoid is that of its exact output, which is stored beside the rounded one.
//!
//! The rounded network is measured and written, so the `f32` blob and the integer blob are one network.

use super::centre::Centre;
use crate::kernels::vectorise;
use crate::network::FloatNetwork;
use crate::profile::{Phase, timed};
use crate::sums::sum;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::Format;
use autoencoder_core::quant::requantise::STEPS;
use autoencoder_core::quant::{ACCUMULATOR_LIMIT, QuantParams, int4};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::f32::consts::PI;

/// Adding and then subtracting this number rounds to an integer.
const ROUND: f32 = 12_582_912.0;
/// Numbers that a loop takes at a time, so that its sums stay in vector registers.
const LANES: usize = 16;
/// Rows of weights in a piece of parallel work.
const ROWS: usize = 32;

/// The format of an integer network's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WeightFormat {
    /// Within ±127.
    Int8,
    /// Within -8..=7.
    Int4,
}

impl WeightFormat {
    /// The format of a blob's weights, if they are integers.
    pub fn of(format: Format) -> Option<Self> {
        match format {
            Format::Int8 | Format::Int8Rows => Some(Self::Int8),
            Format::Int4 => Some(Self::Int4),
            _ => None,
        }
    }

    /// Its name on the command line and in the names of blobs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        }
    }

    /// The format of its blobs.
    pub fn format(self) -> Format {
        match self {
            Self::Int8 => Format::Int8,
            Self::Int4 => Format::Int4,
        }
    }

    /// Whether the scales of the rows follow the weights during training. With 4 bits they are chosen once, because a new scale
    /// would move most of a row's weights.
    pub(crate) fn rescales(self) -> bool {
        self == Self::Int8
    }

    /// The smallest and the largest weight.
    #[inline(always)]
    fn range(self) -> [f32; 2] {
        match self {
            Self::Int8 => [-127.0, 127.0],
            Self::Int4 => int4::RANGE.map(f32::from),
        }
    }

    /// The scale of one row of weights whose inputs are quantised by `from`.
    ///
    /// With 8 bits it is the finest scale at which the weights fit, the sum `Σ|w|·255` stays within the kernels' accumulator, and
    /// the bias stays within 2^24 of its steps. With 4 bits it is the scale with the least squared error, because clipping a few
    /// large weights reduces the error; of equal errors, the finest scale. Weights that are rounded already get the same scale
    /// again, because it is among those tried.
    ///
    /// No scale exceeds `limit`, beyond which a multiplier does not fit.
    #[inline(always)]
    pub(crate) fn scale(self, weights: &[f32], bias: f32, from: QuantParams, limit: f32) -> f32 {
        /// The numbers of steps to try for the largest weight.
        const LARGEST: [f32; 20] = [
            1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 7.5, 8.0, 8.5, 9.0, 9.5, 10.0, 11.0, 12.0, 13.0, 14.0, 16.0, 18.0, 22.0,
        ];
        const BIAS_LIMIT: f32 = (1 << 24) as f32;
        // Sixteen partial results, which stay in vector registers.
        let (mut largest, mut sum) = ([0.0f32; LANES], [0.0f32; LANES]);
        let (whole, rest) = weights.as_chunks::<LANES>();
        for weights in whole {
            largest = std::array::from_fn(|i| larger(largest[i], weights[i].abs()));
            sum = std::array::from_fn(|i| sum[i] + weights[i].abs());
        }
        for ((w, largest), sum) in rest.iter().zip(&mut largest).zip(&mut sum) {
            *largest = larger(*largest, w.abs());
            *sum += w.abs();
        }
        let largest = largest.into_iter().fold(0.0, f32::max);
        let least = (bias.abs() / (from.scale * BIAS_LIMIT)).max(1e-20);
        match self {
            Self::Int8 => {
                let sum = sum.into_iter().sum::<f32>() * (255.0 / ACCUMULATOR_LIMIT as f32);
                (largest / 127.0).max(sum).max(least).min(limit)
            }
            Self::Int4 => {
                let mut best = (f32::INFINITY, 1.0);
                for divisor in LARGEST {
                    let scale = (largest / divisor).max(least).min(limit);
                    let error = self.squared_error(weights, scale);
                    best = if error <= best.0 { (error, scale) } else { best };
                }
                best.1
            }
        }
    }

    /// A weight in steps of its scale, rounded.
    #[inline(always)]
    fn round(self, steps: f32) -> f32 {
        let [low, high] = self.range();
        // `clamp` would hide a NaN.
        let steps = if steps < low { low } else { steps };
        let steps = if steps > high { high } else { steps };
        steps + ROUND - ROUND
    }

    /// The squared error of rounding a row.
    #[inline(always)]
    fn squared_error(self, weights: &[f32], scale: f32) -> f32 {
        let inverse = 1.0 / scale;
        sum([weights], |[w]| {
            let error = self.round(w * inverse) * scale - w;
            error * error
        })
    }
}

/// The number of table indices (sigmoid) or of output steps in one unit of `z`.
pub(crate) fn resolution(activation: ActivationKind, output: QuantParams) -> f64 {
    match activation {
        ActivationKind::Sigmoid => f64::from(STEPS),
        ActivationKind::Relu | ActivationKind::Identity => 1.0 / f64::from(output.scale),
    }
}

/// The largest scale of weights at which the multiplier fits: a step of the accumulator is then half a step of the output.
pub(crate) fn scale_limit(activation: ActivationKind, from: QuantParams, output: QuantParams) -> f32 {
    (0.4999 / (f64::from(from.scale) * resolution(activation, output))) as f32
}

/// The quantisation-aware steps of a run: the last ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Qat {
    /// The format that weights are rounded for; `None` if they are not rounded.
    pub weights: Option<WeightFormat>,
    /// Bits that a code element is rounded to; 8 bits mean no rounding.
    pub code_bits: u8,
    /// The fraction of the steps that are quantisation-aware.
    pub fraction: f32,
}

impl Qat {
    /// No such steps.
    pub const NONE: Self = Self { weights: None, code_bits: 8, fraction: 0.0 };

    /// A thirtieth of the steps, if weights or code are rounded. With 4 bits, more steps were not better.
    pub fn new(weights: Option<WeightFormat>, code_bits: u8) -> Self {
        let fraction = if weights.is_none() && code_bits >= 8 { 0.0 } else { 1.0 / 30.0 };
        Self { weights, code_bits, fraction }
    }

    /// The learning rate at `step` (from 1) of `steps` such steps. It falls along half a cosine to a hundredth of its peak, at
    /// which a weight or a code moves to its next step.
    pub fn rate(&self, step: u32, steps: u32) -> f32 {
        let peak = match self {
            Self { code_bits: ..8, .. } => 0.004,
            Self { weights: Some(WeightFormat::Int4), .. } => 0.0015,
            _ => 0.0003,
        };
        let fall = 0.5 * (1.0 + f32::cos(PI * step as f32 / steps as f32));
        peak * (0.01 + 0.99 * fall)
    }
}

/// Rounds code elements in [0, 1] to `bits` bits, 1 to 8: to the nearest of `2^bits - 1` steps.
pub fn round_code(bits: u8, exact: &[f32], code: &mut [f32]) {
    let levels = ((1 << bits) - 1) as f32;
    for (exact, code) in exact.iter().zip(code) {
        *code = (exact * levels + ROUND - ROUND) / levels;
    }
}

/// Writes the weights of `network` to `to`, in `f32` and rounded as the blob will hold them.
///
/// `scales` holds one scale for each row of each layer. If it is empty, the scales are chosen and written there.
///
/// If the inputs have a centre `c`, the bias compensates the change of `W·c` by rounding: it becomes `b - (W̃ - W)·c`. The
/// rounded weights then multiply `x - c`, as in training.
pub fn round(
    network: &FloatNetwork,
    format: WeightFormat,
    scales: &mut Vec<f32>,
    centres: &[Option<Centre>],
    to: &mut FloatNetwork,
) {
    let choose = scales.is_empty();
    scales.resize(network.layers().map(|layer| layer.bias.len()).sum(), 0.0);
    let mut scales = &mut scales[..];
    for (index, (layer, (to_weights, to_bias))) in network.layers().zip(to.layers_mut()).enumerate() {
        let centre = centres.get(index).and_then(Option::as_ref).map(|centre| &centre.mean[..]);
        let inputs = usize::from(layer.spec.inputs);
        let limit = match layer.spec.activation {
            ActivationKind::Sigmoid => scale_limit(ActivationKind::Sigmoid, QuantParams::UNIT, QuantParams::UNIT),
            // `export` chooses the range of the outputs to suit the weights.
            ActivationKind::Relu | ActivationKind::Identity => f32::INFINITY,
        };
        let (own, others) = scales.split_at_mut(to_bias.len());
        scales = others;
        let rows = layer.weights.par_chunks(ROWS * inputs).zip(layer.bias.par_chunks(ROWS));
        let to_rows = to_weights.par_chunks_mut(ROWS * inputs).zip(to_bias.par_chunks_mut(ROWS));
        rows.zip(to_rows).zip(own.par_chunks_mut(ROWS)).for_each(|((from, to), scales)| {
            let round = Round { from, to, scales, choose, inputs, format, centre, limit };
            timed(Phase::Rounding, || vectorise(round));
        });
    }
}

/// Some rows of one layer, compiled for this machine's vector instructions.
struct Round<'a> {
    /// Weights and biases.
    from: (&'a [f32], &'a [f32]),
    to: (&'a mut [f32], &'a mut [f32]),
    scales: &'a mut [f32],
    /// Whether to choose the scales.
    choose: bool,
    inputs: usize,
    format: WeightFormat,
    centre: Option<&'a [f32]>,
    /// The largest scale allowed.
    limit: f32,
}

impl WithSimd for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.from.0.chunks_exact(self.inputs).zip(self.from.1);
        let to_rows = self.to.0.chunks_exact_mut(self.inputs).zip(self.to.1);
        for (((row, bias), (to, to_bias)), scale) in rows.zip(to_rows).zip(self.scales) {
            if self.choose {
                *scale = self.format.scale(row, *bias, QuantParams::UNIT, self.limit);
            }
            let inverse = 1.0 / *scale;
            for (w, to) in row.iter().zip(&mut *to) {
                *to = self.format.round(w * inverse) * *scale;
            }
            *to_bias = bias - self.centre.map_or(0.0, |centre| dot_difference(to, row, centre));
        }
    }
}

/// The larger of two; the first if one is NaN.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// `Σ (a - b)·c`
#[inline(always)]
fn dot_difference(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    sum([a, b, c], |[a, b, c]| (a - b) * c)
}
