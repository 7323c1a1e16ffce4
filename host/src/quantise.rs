//! From a trained network to its weights blob: per-channel symmetric int8, or `f32` as it is.
//!
//! A network of sigmoids over inputs in [0, 1] needs no calibration: every range is known. The range of a ReLU or of
//! a signed input or output is that of [`CALIBRATION_ROWS`] rows.

use crate::data::Source;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::{Bulk, Format, Header, MAX_LAYERS, NO_THRESHOLD, Writer};
use autoencoder_core::quant::requantise::STEPS;
use autoencoder_core::quant::{ACCUMULATOR_LIMIT, Affine, Channel, Quad};
use autoencoder_core::{Activation, Error, Identity, Layer, LayerSpec, Parameters, Relu, Sigmoid};
use ndarray::{Array2, ArrayView1, ArrayView2};
use pulp::{Simd, WithSimd};
use zerocopy::IntoBytes;

/// Rows that calibrate what cannot be known.
pub const CALIBRATION_ROWS: usize = 1024;

/// Why a network cannot be quantised.
#[derive(Debug, thiserror::Error)]
pub enum QuantiseError {
    /// A weight or an activation is NaN or infinite.
    #[error("layer {layer}: a number that is not finite")]
    NotFinite {
        /// From 1.
        layer: usize,
    },
    /// The row's multiplier does not fit: its weights are too large for the table.
    #[error("layer {layer}: the weights of output {output} are too large for int8")]
    Range {
        /// From 1.
        layer: usize,
        /// From 0.
        output: usize,
    },
    /// An integer layer needs multiples of four.
    #[error("layer {layer}: int8 needs multiples of four inputs and outputs, not {inputs} and {outputs}")]
    Shape {
        /// From 1.
        layer: usize,
        /// Inputs.
        inputs: u16,
        /// Outputs.
        outputs: u16,
    },
    /// The blob cannot be written.
    #[error(transparent)]
    Blob(#[from] Error),
}

/// One layer of any network, looked at.
struct LayerView<'a> {
    spec: LayerSpec,
    weights: ArrayView2<'a, f32>,
    bias: ArrayView1<'a, f32>,
}

fn layers<N: Layer + Parameters>(net: &N) -> Vec<LayerView<'_>> {
    let mut slices = net.slices();
    let view = |spec: LayerSpec| {
        let shape = (usize::from(spec.outputs), usize::from(spec.inputs));
        let weights = ArrayView2::from_shape(shape, slices.next()?).ok()?;
        Some(LayerView { spec, weights, bias: ArrayView1::from(slices.next()?) })
    };
    N::specs().map_while(view).collect()
}

/// The network as a blob of `f32`. `steps` of training are noted in it.
pub fn f32_blob<N: Layer + Parameters>(net: &N, encoder_layers: usize, steps: u32) -> Result<Vec<u8>, QuantiseError> {
    let layers = layers(net);
    let header = header(&layers, Format::F32, Affine::UNIT, encoder_layers, steps);
    let bulks = layers.iter().map(|layer| {
        let weights = [layer.weights.as_slice().unwrap_or_default(), layer.bias.as_slice().unwrap_or_default()];
        (Affine::UNIT, Vec::new(), weights.concat().as_bytes().to_vec())
    });
    write(&header, &bulks.collect::<Vec<_>>())
}

/// The network as a blob of int8, calibrated where it has to be on the rows of `source`.
pub fn int8_blob<N: Layer + Parameters>(
    net: &N,
    encoder_layers: usize,
    steps: u32,
    source: &impl Source,
) -> Result<Vec<u8>, QuantiseError> {
    let layers = layers(net);
    let mut x = sample(source);
    let input = match range(&x) {
        (low, high) if low >= 0.0 && high <= 1.0 => Affine::UNIT,
        range => affine(range),
    };
    let known = |layer: &LayerView<'_>| layer.spec.activation == ActivationKind::Sigmoid;
    let calibrate = !layers.iter().all(known);
    let mut from = input;
    let mut bulks = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        if calibrate {
            x = forward(layer, &x);
        }
        let to = match layer.spec.activation {
            ActivationKind::Sigmoid => Affine::UNIT,
            // A reconstruction is of the input's kind; anything else has the range it shows.
            ActivationKind::Identity if i + 1 == layers.len() => input,
            ActivationKind::Identity => affine(range(&x)),
            ActivationKind::Relu => Affine { scale: (range(&x).1 / 255.0).max(f32::MIN_POSITIVE), zero: 0 },
        };
        let (channels, weights) = quantise_layer(i + 1, layer, from, to)?;
        bulks.push((to, channels.as_bytes().to_vec(), weights.as_bytes().to_vec()));
        from = to;
    }
    write(&header(&layers, Format::Int8, input, encoder_layers, steps), &bulks)
}

/// One layer in integers. `from` and `to` are what its inputs and outputs stand for; `number` counts from 1.
fn quantise_layer(
    number: usize,
    layer: &LayerView<'_>,
    from: Affine,
    to: Affine,
) -> Result<(Vec<Channel>, Vec<Quad>), QuantiseError> {
    let LayerSpec { inputs, outputs, activation } = layer.spec;
    if inputs % 4 != 0 || outputs % 4 != 0 {
        return Err(QuantiseError::Shape { layer: number, inputs, outputs });
    }
    // Table indices or output steps for one unit of z.
    let resolution = match activation {
        ActivationKind::Sigmoid => f64::from(STEPS),
        ActivationKind::Relu | ActivationKind::Identity => 1.0 / f64::from(to.scale),
    };
    let mut rows = Vec::with_capacity(outputs.into());
    let mut channels = Vec::with_capacity(outputs.into());
    for (output, (weights, bias)) in layer.weights.rows().into_iter().zip(layer.bias).enumerate() {
        if !bias.is_finite() || weights.iter().any(|w| !w.is_finite()) {
            return Err(QuantiseError::NotFinite { layer: number });
        }
        let (scale, row) = quantise_row(weights.as_slice().unwrap_or_default(), *bias, from);
        let unit = f64::from(scale) * f64::from(from.scale); // one step of the accumulator
        let multiplier = (unit * resolution * 4_294_967_296.0).round();
        if multiplier > f64::from(i32::MAX) {
            return Err(QuantiseError::Range { layer: number, output });
        }
        // A signed input's zero point: Σ w·(q - zero) = Σ w·q - zero·Σ w.
        let zero = i64::from(from.zero) * row.iter().map(|w| i64::from(*w)).sum::<i64>();
        let bias = (f64::from(*bias) / unit).round() as i64 - zero;
        channels.push(Channel { bias: bias as i32, multiplier: multiplier as i32 });
        rows.push(row);
    }
    let mut quads = Vec::with_capacity(usize::from(inputs) * usize::from(outputs) / 16);
    for group in rows.chunks_exact(4) {
        for i in (0..usize::from(inputs)).step_by(4) {
            quads.push(Quad::pack([0, 1, 2, 3].map(|r| [0, 1, 2, 3].map(|c| group[r][i + c]))));
        }
    }
    Ok((channels, quads))
}

/// The scale of one row: the finest at which its weights fit ±127, the sum `Σ|w|·255` stays within the kernels'
/// accumulator, and the bias within 2^24 steps of it.
#[inline(always)]
fn row_scale(weights: &[f32], bias: f32, from: Affine) -> f32 {
    const BIAS_LIMIT: f32 = (1 << 24) as f32;
    // Sixteen partial results, which stay in vector registers.
    let (mut largest, mut sum) = ([0.0f32; 16], [0.0f32; 16]);
    for weights in weights.chunks(16) {
        for ((w, largest), sum) in weights.iter().zip(&mut largest).zip(&mut sum) {
            *largest = if w.abs() > *largest { w.abs() } else { *largest };
            *sum += w.abs();
        }
    }
    let bounds = [
        largest.into_iter().fold(0.0, f32::max) / 127.0,
        sum.into_iter().sum::<f32>() * (255.0 / ACCUMULATOR_LIMIT as f32),
        bias.abs() / (from.scale * BIAS_LIMIT),
    ];
    bounds.into_iter().fold(1e-20, f32::max)
}

/// The scale and the integers of one row.
fn quantise_row(weights: &[f32], bias: f32, from: Affine) -> (f32, Vec<i8>) {
    let mut scale = row_scale(weights, bias, from);
    loop {
        let row: Vec<i8> = weights.iter().map(|w| (w / scale).round() as i8).collect();
        let sum: i64 = row.iter().map(|w| i64::from(w.unsigned_abs()) * 255).sum();
        if sum < ACCUMULATOR_LIMIT {
            return (scale, row);
        }
        scale *= 1.001; // rounding went over the bound
    }
}

/// Each weight as the int8 blob will hold it, in `f32`: what quantisation-aware training computes with.
///
/// For one layer: `weights` and `bias` into `to`, rows of `inputs` weights. Within rounding of the exporter's own.
pub(crate) struct FakeQuantise<'a> {
    pub(crate) weights: &'a [f32],
    pub(crate) bias: &'a [f32],
    pub(crate) inputs: usize,
    pub(crate) to: &'a mut [f32],
}

impl WithSimd for FakeQuantise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        /// Adding and subtracting it rounds to an integer.
        const ROUND: f32 = 12_582_912.0;
        let rows = self.weights.chunks_exact(self.inputs).zip(self.bias);
        for ((row, bias), to) in rows.zip(self.to.chunks_exact_mut(self.inputs)) {
            let scale = row_scale(row, *bias, Affine::UNIT);
            let inverse = 1.0 / scale;
            for (w, to) in row.iter().zip(to) {
                *to = (w * inverse + ROUND - ROUND) * scale;
            }
        }
    }
}

/// The layer's outputs in `f32`.
fn forward(layer: &LayerView<'_>, x: &Array2<f32>) -> Array2<f32> {
    let apply = match layer.spec.activation {
        ActivationKind::Sigmoid => Sigmoid::apply,
        ActivationKind::Relu => Relu::apply,
        ActivationKind::Identity => Identity::apply,
    };
    (x.dot(&layer.weights.t()) + layer.bias).mapv_into(apply)
}

/// Rows spread evenly over the source.
fn sample(source: &impl Source) -> Array2<f32> {
    let rows = source.rows().min(CALIBRATION_ROWS);
    let mut sample = Array2::zeros((rows, source.width()));
    for (i, mut row) in sample.rows_mut().into_iter().enumerate() {
        source.copy(i * source.rows() / rows, row.as_slice_mut().unwrap_or_default());
    }
    sample
}

/// Smallest and largest.
fn range(x: &Array2<f32>) -> (f32, f32) {
    x.iter().fold((0.0, 0.0), |(low, high), x| (x.min(low), x.max(high)))
}

/// 256 steps from `low <= 0` to `high >= 0`.
fn affine((low, high): (f32, f32)) -> Affine {
    let scale = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
    Affine { scale, zero: (-low / scale).round() as u8 }
}

fn header(layers: &[LayerView<'_>], format: Format, input: Affine, encoder_layers: usize, steps: u32) -> Header {
    Header {
        format,
        accumulators_checked: format == Format::Int8, // by `quantise_row`
        steps,
        input,
        code_bits: 8,
        threshold: NO_THRESHOLD,
        encoder_layers: encoder_layers as u8,
        layers: layers.iter().take(MAX_LAYERS).map(|layer| layer.spec).collect(),
    }
}

fn write(header: &Header, layers: &[(Affine, Vec<u8>, Vec<u8>)]) -> Result<Vec<u8>, QuantiseError> {
    /// More than the header and, for each layer, its lengths and padding.
    const OVERHEAD: usize = 1024;
    let bulk: usize = layers.iter().map(|(_, channels, weights)| channels.len() + weights.len()).sum();
    let mut buffer = vec![0; bulk + OVERHEAD];
    let mut writer = Writer::new(&mut buffer, header)?;
    for (output, channels, weights) in layers {
        writer.layer(Bulk { output: *output, channels, weights })?;
    }
    let length = writer.finish()?.len();
    buffer.truncate(length);
    Ok(buffer)
}
