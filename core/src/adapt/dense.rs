//! The backward pass and the step of one integer layer.

use super::{Moments, StepContext};
use crate::activation::ActivationKind;
use crate::quant::requantise::{MIDDLE, SIGMOID, STEPS, offset};
use crate::quant::{ChannelParams, Dense, Int4Tile, Int8Tile, Weights, rows};
use core::ops::RangeInclusive;

/// The unit of a multiplier, which converts accumulator units to indices: 2^-32.
const UNIT: f32 = 1.0 / 4_294_967_296.0;

/// `dL/dy` of a layer's outputs, by their `u8` values.
#[derive(Clone, Copy, Debug)]
pub enum OutputGradient<'a> {
    /// For hidden outputs: the `dx` of the next layer.
    Hidden(&'a [f32]),
    /// For the network's outputs `y`, with `L = Σ (y - x)² / 510`.
    Reconstruction {
        /// The original row.
        x: &'a [u8],
        /// Its reconstruction.
        y: &'a [u8],
    },
}

impl OutputGradient<'_> {
    /// The gradients of four outputs, from index `first` on; 0 for padding.
    #[inline(always)]
    fn four(&self, first: usize) -> [f32; 4] {
        let at = |i: usize| match self {
            Self::Hidden(d) => d.get(first + i).copied(),
            Self::Reconstruction { x, y } => {
                let (x, y) = (x.get(first + i)?, y.get(first + i)?);
                Some((f32::from(*y) - f32::from(*x)) * (1.0 / 255.0))
            }
        };
        [at(0), at(1), at(2), at(3)].map(Option::unwrap_or_default)
    }
}

/// Adds the gradient of one row to the moments and, at the end of a batch, takes the step of every channel.
///
/// `base` is the layer in flash; its multipliers are the unit of the scales. `y` are its outputs with `channels`. `dx`
/// becomes `dL/dx` unless it is empty. `is_last` marks the last layer of the network.
// Shapes, padded: y, dy, channels, moments [O], dx [I], W [O, I] in groups of four rows by tiles.
#[expect(clippy::too_many_arguments, reason = "outputs, two gradients and two memories have nothing in common")]
pub fn backward(
    base: &Dense<'_>,
    step: &StepContext,
    is_last: bool,
    y: &[u8],
    dy: OutputGradient<'_>,
    dx: &mut [f32],
    channels: &mut [ChannelParams],
    moments: &mut [[Moments; 2]],
) {
    dx.fill(0.0);
    let activation = base.spec().activation;
    let kind = (activation, offset(activation, base.output()));
    let [inputs, _] = base.padded_sizes();
    let (y, _) = y.as_chunks::<4>();
    let (own, _) = base.channels().as_chunks::<4>();
    let (channels, _) = channels.as_chunks_mut::<4>();
    let (moments, _) = moments.as_chunks_mut::<4>();
    for (group, (((y, own), channels), moments)) in y.iter().zip(own).zip(channels).zip(moments).enumerate() {
        let mut d = dy.four(4 * group);
        learn_rows(step, is_last, kind, *y, own, &mut d, channels, moments); // d = dL/dacc
        // dx = Wᵀ · dacc
        match base.weights() {
            Weights::Int8(tiles) => add_rows(dx, group_of(tiles, inputs / 4, group), d),
            Weights::Int4(tiles) => add_rows_int4(dx, group_of(tiles, inputs / 2, group), d),
            Weights::Int8Rows(bytes) if rows::READABLE => add_bytes(dx, group_of(bytes, 4 * inputs, group), d),
            Weights::Int8Rows(_) => {}
        }
    }
}

/// The weights of one group of four rows.
#[inline(always)]
fn group_of<W>(weights: &[W], length: usize, group: usize) -> &[W] {
    weights.chunks_exact(length.max(1)).nth(group).unwrap_or_default()
}

/// The step of four channels; `d` is `dL/dy` and becomes `dL/dacc`.
///
/// Not inlined, like the two functions below, so that this crate compiles it for speed even in firmware compiled for size.
#[inline(never)]
#[expect(clippy::too_many_arguments, reason = "the arguments of `backward`, for four channels")]
fn learn_rows(
    step: &StepContext,
    is_last: bool,
    activation: (ActivationKind, i32),
    y: [u8; 4],
    own: &[ChannelParams; 4],
    d: &mut [f32; 4],
    channels: &mut [ChannelParams; 4],
    moments: &mut [[Moments; 2]; 4],
) {
    for ((((d, y), own), channel), moments) in d.iter_mut().zip(y).zip(own).zip(channels).zip(moments) {
        let (index, derivative) = read_back(activation, y);
        *d = learn(step, is_last, own.multiplier, index, *d * derivative, channel, moments);
    }
}

/// `dx += Σ d·w` over the four rows of a group.
#[inline(never)]
fn add_rows(dx: &mut [f32], group: &[Int8Tile], d: [f32; 4]) {
    for ([x0, x1, x2, x3], tile) in dx.as_chunks_mut::<4>().0.iter_mut().zip(group) {
        let [w0, w1, w2, w3] = tile.columns();
        add_column(x0, w0, d);
        add_column(x1, w1, d);
        add_column(x2, w2, d);
        add_column(x3, w3, d);
    }
}

#[inline(always)]
fn add_column(dx: &mut f32, [w0, w1, w2, w3]: [i16; 4], [d0, d1, d2, d3]: [f32; 4]) {
    *dx = *dx + d0 * f32::from(w0) + d1 * f32::from(w1) + d2 * f32::from(w2) + d3 * f32::from(w3);
}

/// `dx += Σ d·w` over the four rows of a group of 4-bit weights.
#[inline(never)]
fn add_rows_int4(dx: &mut [f32], group: &[Int4Tile], d: [f32; 4]) {
    for ([x0, x1], tile) in dx.as_chunks_mut::<2>().0.iter_mut().zip(group) {
        let [w0, w1] = tile.columns();
        add_column(x0, w0, d);
        add_column(x1, w1, d);
    }
}

/// `dx += Σ d·w` over the four rows of a group of weights in rows.
#[inline(never)]
fn add_bytes(dx: &mut [f32], group: &[u8], d: [f32; 4]) {
    let inputs = dx.len();
    let row = |row: usize| group_of(group, inputs, row).iter();
    let columns = row(0).zip(row(1)).zip(row(2).zip(row(3)));
    for (dx, ((w0, w1), (w2, w3))) in dx.iter_mut().zip(columns) {
        add_column(dx, [w0, w1, w2, w3].map(|w| rows::unpack(*w).into()), d);
    }
}

/// Takes the step of one channel from `d = dL/dindex`. Returns `dL/dacc`, computed with the multiplier before the step.
/// `unit` is the blob's multiplier.
///
/// The steps are rounded, not the resulting parameters, because an `f32` holds fewer digits than a parameter has.
#[inline(always)]
fn learn(
    step: &StepContext,
    is_last: bool,
    unit: i32,
    index: f32,
    d: f32,
    channel: &mut ChannelParams,
    [scale, bias]: &mut [Moments; 2],
) -> f32 {
    /// A multiplier is at least this fraction of its unit away from 0. Any nearer, its bias in accumulator units would
    /// not fit an `i32`.
    const LEAST: u32 = 1024;
    /// The range of a bias. One instruction of a Cortex-M4 saturates to it.
    const BIASES: RangeInclusive<i32> = -(1 << 30)..=(1 << 30) - 1;
    /// The bias learns in units of `z`.
    const STEP: f32 = STEPS as f32;

    // Padding or a constant unit has no gradient, and its scale has no unit.
    if unit == 0 {
        return 0.0;
    }
    let ChannelParams { bias: b, multiplier: s } = *channel;
    let (b, multiplier) = (b as f32, s as f32);
    let scaled = if is_last { index } else { index - b * multiplier * UNIT };
    // index = s · scaled/s (+ b), with s = multiplier / unit
    let unit_scale = unit as f32;
    let ds = step.step(d * (scaled * unit_scale / multiplier), scale);
    let db = step.step(d * STEP, bias);
    if step.completes_batch {
        let new = s.saturating_sub(round(ds * unit_scale));
        let least = unit.unsigned_abs() / LEAST;
        channel.multiplier = if new.unsigned_abs() <= least { nearest_allowed(new, s, least) } else { new };
        // b' = (b·s - db·STEP/UNIT) / s', and in the last layer b - (db·STEP/UNIT) / s'
        let follows = if is_last { 0.0 } else { b * s.saturating_sub(channel.multiplier) as f32 };
        let change = round((follows - db * (STEP / UNIT)) / channel.multiplier as f32);
        channel.bias = channel.bias.saturating_add(change).clamp(*BIASES.start(), *BIASES.end());
    }
    d * multiplier * UNIT
}

/// The smallest multiplier on the side of 0 to which a step has led. A step to 0 itself stays on the side of `old`.
#[cold]
fn nearest_allowed(new: i32, old: i32, least: u32) -> i32 {
    let side = if new == 0 { old } else { new };
    least.max(1) as i32 * side.signum()
}

/// Rounds to the nearest integer, halves away from 0. Saturates beyond the range of `i32`; NaN becomes 0.
///
/// It uses only conversions and exact differences, so every processor gives the same result. `x + 0.5` is not exact:
/// above 2²³ it is itself rounded, and every step would move an odd number up.
#[inline(always)]
fn round(x: f32) -> i32 {
    let whole = x as i32; // towards 0
    whole.saturating_add(((x - whole as f32) * 2.0) as i32)
}

/// The index that led to an output, and `dy/dindex` there.
#[inline(always)]
fn read_back((kind, offset): (ActivationKind, i32), y: u8) -> (f32, f32) {
    /// Outputs count as at least this far from 0 and 255, because a saturated unit must still learn.
    const END: f32 = 0.1;
    match kind {
        ActivationKind::Sigmoid => {
            let q = f32::from(y).clamp(END, 255.0 - END);
            (f32::from(INDEX[usize::from(y)]), q * (255.0 - q) * (1.0 / (255.0 * STEPS as f32)))
        }
        ActivationKind::Relu => (f32::from(y), if y > 0 { 1.0 } else { 0.0 }),
        ActivationKind::Identity => ((i32::from(y) - offset) as f32, 1.0),
    }
}

/// The middle of the indices, counted from -512, at which the sigmoid table has this value; halves away from 0.
static INDEX: [i16; 256] = {
    let (mut sums, mut counts) = ([0; 256], [0; 256]);
    let mut i = 0;
    while i < SIGMOID.len() {
        let y = SIGMOID[i] as usize;
        sums[y] += i as i32 - MIDDLE;
        counts[y] += 1;
        i += 1;
    }
    let mut index = [0; 256];
    let mut y = 0;
    while y < index.len() {
        assert!(counts[y] > 0, "every value must be in the table");
        let half = if sums[y] < 0 { -counts[y] } else { counts[y] };
        index[y] = ((2 * sums[y] + half) / (2 * counts[y])) as i16;
        y += 1;
    }
    index
};
