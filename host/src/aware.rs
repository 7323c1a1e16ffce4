//! Quantisation-aware training: the last steps compute with the numbers that the blob will hold.
//!
//! Forward and backward run with rounded weights, and with a rounded code where its elements have fewer than 8 bits; the
//! gradients found there move the exact weights. Rounding is taken for the identity on the way back (the
//! straight-through estimator: Bengio, Léonard and Courville, "Estimating or Propagating Gradients Through Stochastic
//! Neurons", 2013). The slope of the code's sigmoid is that of its exact output, which is kept beside the rounded one.
//!
//! What is trained, measured and written is the rounded network: the `f32` blob and the integer blob are one network.

use crate::centre::Centre;
use crate::gemm::Gemm;
use crate::profile::{Phase, timed};
use autoencoder_core::blob::Format;
use autoencoder_core::layer::Row;
use autoencoder_core::quant::{ACCUMULATOR_LIMIT, Affine, nibbles};
use autoencoder_core::{Autoencoder, Backward, Kernels, Layer, Parameters};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::f32::consts::PI;

/// Adding and subtracting it rounds to an integer.
const ROUND: f32 = 12_582_912.0;
/// Numbers at a time in sums, which then stay in vector registers.
const LANES: usize = 16;
/// Rows of weights that one thread rounds at a time.
const ROWS: usize = 32;

/// The weights of an integer network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// Within ±127.
    Int8,
    /// Within -8..=7.
    Int4,
}

impl Precision {
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

    /// Whether the scales of the rows follow the weights while they are trained. With 4 bits they are chosen once: a new
    /// scale would move most of a row's weights.
    pub(crate) fn rescales(self) -> bool {
        self == Self::Int8
    }

    /// The smallest and the largest weight.
    #[inline(always)]
    fn range(self) -> [f32; 2] {
        match self {
            Self::Int8 => [-127.0, 127.0],
            Self::Int4 => nibbles::RANGE.map(f32::from),
        }
    }

    /// The scale of one row of weights, for inputs that stand for `from`.
    ///
    /// With 8 bits, the finest at which the weights fit, the sum `Σ|w|·255` stays within the kernels' accumulator and the
    /// bias within 2^24 steps of it. With 4 bits the one with the least squared error: there it pays to clip a few
    /// large weights. Rounded weights keep their scale: it is among those tried.
    #[inline(always)]
    pub(crate) fn scale(self, weights: &[f32], bias: f32, from: Affine) -> f32 {
        /// The largest weight becomes one of these.
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
                (largest / 127.0).max(sum).max(least)
            }
            Self::Int4 => {
                let mut best = (f32::INFINITY, 1.0);
                for divisor in LARGEST {
                    let scale = (largest / divisor).max(least);
                    let error = self.squared_error(weights, scale);
                    best = if error < best.0 { (error, scale) } else { best };
                }
                best.1
            }
        }
    }

    /// A weight in steps of its scale, rounded.
    #[inline(always)]
    fn round(self, steps: f32) -> f32 {
        let [low, high] = self.range();
        // Not `clamp`: a NaN has to stay visible.
        let steps = if steps < low { low } else { steps };
        let steps = if steps > high { high } else { steps };
        steps + ROUND - ROUND
    }

    /// What rounding does to a row.
    #[inline(always)]
    fn squared_error(self, weights: &[f32], scale: f32) -> f32 {
        let inverse = 1.0 / scale;
        let mut sums = [0.0f32; LANES];
        for weights in weights.chunks(LANES) {
            for (w, sum) in weights.iter().zip(&mut sums) {
                let error = self.round(w * inverse) * scale - w;
                *sum += error * error;
            }
        }
        sums.into_iter().sum()
    }
}

/// The quantisation-aware steps of a run: the last ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aware {
    /// What the weights are rounded for.
    pub weights: Option<Precision>,
    /// Bits that a code element is rounded to; 8 are as good as exact.
    pub code_bits: u8,
    /// The part of the steps that they are.
    pub part: f32,
}

impl Aware {
    /// No such steps.
    pub const NONE: Self = Self { weights: None, code_bits: 8, part: 0.0 };

    /// A thirtieth of the steps, where there is anything to be rounded: with 4 bits, more of them were no better.
    pub fn new(weights: Option<Precision>, code_bits: u8) -> Self {
        let part = if weights.is_none() && code_bits >= 8 { 0.0 } else { 1.0 / 30.0 };
        Self { weights, code_bits, part }
    }

    /// The learning rate at `step` (from 1) of `steps` such steps: along half a cosine, from what takes a weight or a code
    /// to its next step, to a hundredth of that.
    pub fn rate(&self, step: u32, steps: u32) -> f32 {
        let peak = match self {
            Self { code_bits: ..8, .. } => 0.004,
            Self { weights: Some(Precision::Int4), .. } => 0.0015,
            _ => 0.0003,
        };
        let fall = 0.5 * (1.0 + f32::cos(PI * step as f32 / steps as f32));
        peak * (0.01 + 0.99 * fall)
    }
}

/// Each weight of `net` as the blob will hold it, in `f32`, into `to`.
///
/// `scales` holds one for each row of each layer: chosen anew if there are none, else taken as they are.
///
/// What rounding takes from `W·c`, where the inputs have a centre `c`, is given to the bias: `b - (W̃ - W)·c`. So it is
/// `x - c` that is multiplied by rounded weights, as it is `x - c` that training sees.
pub fn round<N: Layer + Parameters>(
    net: &N,
    precision: Precision,
    scales: &mut Vec<f32>,
    centres: &[Option<Centre>],
    to: &mut N,
) {
    let choose = scales.is_empty();
    scales.resize(N::specs().map(|spec| usize::from(spec.outputs)).sum(), 0.0);
    let mut scales = &mut scales[..];
    let kernels = Gemm::default();
    let (mut from, mut to) = (net.slices(), to.slices_mut());
    for (layer, spec) in N::specs().enumerate() {
        let centre = centres.get(layer).and_then(Option::as_ref).map(|centre| &centre.mean[..]);
        let (Some(weights), Some(bias)) = (from.next(), from.next()) else { return };
        let (Some(to_weights), Some(to_bias)) = (to.next(), to.next()) else { return };
        let inputs = usize::from(spec.inputs);
        let (own, others) = scales.split_at_mut(to_bias.len());
        scales = others;
        let rows = weights.par_chunks(ROWS * inputs).zip(bias.par_chunks(ROWS));
        let to_rows = to_weights.par_chunks_mut(ROWS * inputs).zip(to_bias.par_chunks_mut(ROWS));
        rows.zip(to_rows).zip(own.par_chunks_mut(ROWS)).for_each(|((from, to), scales)| {
            let round = Round { from, to, scales, choose, inputs, precision, centre };
            timed(Phase::Rounding, || kernels.vectorise(round));
        });
    }
}

/// Some rows of one layer, to be compiled for this machine's vector instructions.
struct Round<'a> {
    /// Weights and biases.
    from: (&'a [f32], &'a [f32]),
    to: (&'a mut [f32], &'a mut [f32]),
    scales: &'a mut [f32],
    choose: bool,
    inputs: usize,
    precision: Precision,
    centre: Option<&'a [f32]>,
}

impl WithSimd for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.from.0.chunks_exact(self.inputs).zip(self.from.1);
        let to_rows = self.to.0.chunks_exact_mut(self.inputs).zip(self.to.1);
        for (((row, bias), (to, to_bias)), scale) in rows.zip(to_rows).zip(self.scales) {
            if self.choose {
                *scale = self.precision.scale(row, *bias, Affine::UNIT);
            }
            let inverse = 1.0 / *scale;
            for (w, to) in row.iter().zip(&mut *to) {
                *to = self.precision.round(w * inverse) * *scale;
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
    let mut sums = [0.0f32; LANES];
    let [(a, a_rest), (b, b_rest), (c, c_rest)] = [a, b, c].map(<[f32]>::as_chunks::<LANES>);
    for ((a, b), c) in a.iter().zip(b).zip(c) {
        sums = std::array::from_fn(|i| sums[i] + (a[i] - b[i]) * c[i]);
    }
    for (((a, b), c), sum) in a_rest.iter().zip(b_rest).zip(c_rest).zip(&mut sums) {
        *sum += (a - b) * c;
    }
    sums.into_iter().sum()
}

/// A network with a code in its middle, which can be rounded on its way from one half to the other.
pub trait Coded: Layer {
    /// One row of code.
    type Code: Row<Element = f32>;

    /// How many dense layers there are before the code.
    fn layers_before_code() -> usize;

    /// The forward pass with a code of `bits` bits an element. Below 8, `code` is what the decoder was given.
    fn forward_coded<'a, const B: usize>(
        &self,
        k: &impl Kernels,
        x: &[Self::In],
        bits: u8,
        code: &mut [Self::Code],
        acts: &'a mut Self::Acts<B>,
    ) -> &'a [Self::Out];
}

/// The backward pass to that.
pub trait CodedBackward: Coded + Backward {
    /// As [`Backward::backward`], past the rounding of the code as if it were not there.
    #[expect(clippy::too_many_arguments, reason = "those of `backward`, and the code")]
    fn backward_coded<const B: usize>(
        &self,
        k: &impl Kernels,
        x: &[Self::In],
        bits: u8,
        code: &[Self::Code],
        acts: &Self::Acts<B>,
        d: &mut Self::Acts<B>,
        grad: &mut Self,
    );
}

impl<E, D> Coded for Autoencoder<E, D>
where
    E: Layer<Out: Row<Element = f32>>,
    D: Layer<In = E::Out, Out = E::In>,
{
    type Code = E::Out;

    fn layers_before_code() -> usize {
        E::specs().count()
    }

    fn forward_coded<'a, const B: usize>(
        &self,
        k: &impl Kernels,
        x: &[Self::In],
        bits: u8,
        code: &mut [Self::Code],
        acts: &'a mut Self::Acts<B>,
    ) -> &'a [Self::Out] {
        if bits >= 8 {
            return self.forward(k, x, acts);
        }
        let exact = self.encoder.forward(k, x, &mut acts.0);
        let code = &mut code[..exact.len()];
        let levels = ((1 << bits) - 1) as f32;
        for (exact, code) in exact.iter().zip(&mut *code) {
            for (exact, code) in exact.elements().iter().zip(code.elements_mut()) {
                *code = (exact * levels + ROUND - ROUND) / levels;
            }
        }
        self.decoder.forward(k, code, &mut acts.1)
    }
}

impl<E, D> CodedBackward for Autoencoder<E, D>
where
    E: Backward<Out: Row<Element = f32>>,
    D: Backward<In = E::Out, Out = E::In>,
{
    fn backward_coded<const B: usize>(
        &self,
        k: &impl Kernels,
        x: &[Self::In],
        bits: u8,
        code: &[Self::Code],
        acts: &Self::Acts<B>,
        d: &mut Self::Acts<B>,
        grad: &mut Self,
    ) {
        if bits >= 8 {
            return self.backward(k, x, acts, d, None, grad);
        }
        let dcode = E::output_mut(&mut d.0, x.len());
        self.decoder.backward(k, &code[..x.len()], &acts.1, &mut d.1, Some(dcode), &mut grad.decoder);
        self.encoder.backward(k, x, &acts.0, &mut d.0, None, &mut grad.encoder);
    }
}
