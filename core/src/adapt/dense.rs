//! One integer layer learns.

use super::{Adapt, Moments, Turn};
use crate::activation::ActivationKind;
use crate::quant::requantise::{MIDDLE, SIGMOID, STEPS, offset};
use crate::quant::{self, Channel, Octet, Quad, Weights};
use crate::{Activation, Dense};
use core::iter;
use zerocopy::IntoBytes;

/// From accumulator units to indices: 2^-32 of the multiplier.
const UNIT: f32 = 1.0 / 4_294_967_296.0;

impl<const I: usize, const O: usize, A: Activation> Adapt for Dense<I, O, A> {
    type Tables = [Channel; O];
    type Moments = [[Moments; 2]; O];
    type Joints = [f32; 0];

    fn copy_tables(net: &Self::Int8<'_>, tables: &mut Self::Tables) {
        *tables = *net.channels;
    }

    fn with_tables<'t, 'b: 't>(net: &Self::Int8<'b>, tables: &'t Self::Tables) -> Self::Int8<'t> {
        quant::Dense { channels: tables, ..*net }
    }

    fn bytes(tables: &Self::Tables) -> impl Iterator<Item = &[u8]> {
        iter::once(tables.as_bytes())
    }

    fn bytes_mut(tables: &mut Self::Tables) -> impl Iterator<Item = &mut [u8]> {
        iter::once(tables.as_mut_bytes())
    }

    // Shapes: y, dy [O], dx [I], W [O, I] in groups of four rows by quads of four inputs.
    #[inline]
    fn backward(
        factory: &Self::Int8<'_>,
        turn: &Turn,
        output_layer: bool,
        [y]: &Self::Acts8,
        mut dy: impl Iterator<Item = f32>,
        dx: Option<&mut [f32]>,
        tables: &mut Self::Tables,
        moments: &mut Self::Moments,
        _: &mut Self::Joints,
    ) {
        let dx = dx.unwrap_or_default();
        dx.fill(0.0);
        let offset = offset::<A>(factory.output);
        let (y, _) = y.as_chunks::<4>();
        let (own, _) = factory.channels.as_chunks::<4>();
        let (tables, _) = tables.as_chunks_mut::<4>();
        let (moments, _) = moments.as_chunks_mut::<4>();
        for (group, (((y, own), channels), moments)) in y.iter().zip(own).zip(tables).zip(moments).enumerate() {
            let mut d = [0.0; 4];
            d.iter_mut().zip(&mut dy).for_each(|(d, dy)| *d = dy);
            learn_rows(turn, output_layer, (A::KIND, offset), *y, own, &mut d, channels, moments);
            // dx = Wᵀ · dacc
            match factory.weights {
                Weights::Int8(quads) => add_rows(dx, rows(quads, I / 4, group), d),
                Weights::Int4(octets) => add_rows_int4(dx, rows(octets, I / 2, group), d),
            }
        }
    }
}

/// The weights of one group of four rows.
#[inline(always)]
fn rows<W>(weights: &[W], length: usize, group: usize) -> &[W] {
    weights.chunks_exact(length.max(1)).nth(group).unwrap_or_default()
}

/// The step of four channels; `d` is `dL/dy` and becomes `dL/dacc`.
///
/// This and what follows is neither generic nor inlined: it is compiled here, for speed, whatever a program that uses
/// it is compiled for.
#[inline(never)]
#[expect(clippy::too_many_arguments, reason = "those of `backward`, for four channels")]
fn learn_rows(
    turn: &Turn,
    output_layer: bool,
    activation: (ActivationKind, i32),
    y: [u8; 4],
    own: &[Channel; 4],
    d: &mut [f32; 4],
    channels: &mut [Channel; 4],
    moments: &mut [[Moments; 2]; 4],
) {
    for ((((d, y), own), channel), moments) in d.iter_mut().zip(y).zip(own).zip(channels).zip(moments) {
        let (index, slope) = read_back(activation, y);
        *d = learn(turn, output_layer, own.multiplier as f32, index, *d * slope, channel, moments);
    }
}

/// `dx += Σ d·w` over the four rows of a group.
#[inline(never)]
fn add_rows(dx: &mut [f32], group: &[Quad], d: [f32; 4]) {
    for ([x0, x1, x2, x3], quad) in dx.as_chunks_mut::<4>().0.iter_mut().zip(group) {
        let [w0, w1, w2, w3] = quad.columns();
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

/// The same for weights of 4 bits.
#[inline(never)]
fn add_rows_int4(dx: &mut [f32], group: &[Octet], d: [f32; 4]) {
    for ([x0, x1], octet) in dx.as_chunks_mut::<2>().0.iter_mut().zip(group) {
        let [w0, w1] = octet.columns();
        add_column(x0, w0, d);
        add_column(x1, w1, d);
    }
}

/// The step of one channel from `d = dL/dindex`; returns `dL/dacc`, with the multiplier as it was.
#[inline(always)]
fn learn(
    turn: &Turn,
    output_layer: bool,
    unit: f32,
    index: f32,
    d: f32,
    channel: &mut Channel,
    [scale, bias]: &mut [Moments; 2],
) -> f32 {
    /// Of its unit: a multiplier does not come nearer to 0, lest its bias, in accumulator units, grow beyond an `i32`.
    const LEAST: f32 = 1.0 / 1024.0;
    const LARGEST: f32 = (1 << 30) as f32;
    /// The bias learns in units of `z`.
    const STEP: f32 = STEPS as f32;

    // A constant, whatever comes in: it has no gradient, and its scale no unit.
    if unit == 0.0 {
        return 0.0;
    }
    let multiplier = channel.multiplier as f32;
    let b = channel.bias as f32 * multiplier * UNIT;
    let scaled = if output_layer { index } else { index - b };
    // index = s · scaled/s (+ b), with s = multiplier / unit
    let ds = turn.step(d * (scaled * unit / multiplier), scale);
    let db = turn.step(d * STEP, bias);
    if turn.completes_batch {
        let least = if unit * LEAST < 1.0 { 1.0 } else { unit * LEAST };
        let new = multiplier - ds * unit;
        let new = if new.abs() < least { least.copysign(new) } else { new };
        let b = if output_layer { b * new / multiplier } else { b } - db * STEP;
        channel.multiplier = new as i32;
        channel.bias = (b / (new * UNIT)).clamp(-LARGEST, LARGEST) as i32;
    }
    d * multiplier * UNIT
}

/// The index that led to an output, and `dy/dindex` there.
#[inline(always)]
fn read_back((kind, offset): (ActivationKind, i32), y: u8) -> (f32, f32) {
    /// Outputs nearer to 0 or to 255 count as this near: what is saturated must be able to learn.
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

/// The middle of the indices, from -512, at which the sigmoid table has this value.
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
        assert!(counts[y] > 0, "each value is in the table");
        index[y] = (sums[y] / counts[y]) as i16;
        y += 1;
    }
    index
};
