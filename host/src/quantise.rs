//! From a trained network to its weights blob: integers with a scale for each output, or `f32` as it is.
//!
//! A network of sigmoids over inputs in [0, 1] needs no calibration: every range is known. The range of a ReLU or of
//! a signed input or output is that of [`CALIBRATION_ROWS`] rows.

use crate::aware::Precision;
use crate::data::Source;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::{Bulk, Format, Header, MAX_LAYERS, NO_THRESHOLD, Writer};
use autoencoder_core::quant::requantise::STEPS;
use autoencoder_core::quant::{ACCUMULATOR_LIMIT, Affine, Channel, Octet, Quad, nibbles};
use autoencoder_core::{Activation, Error, Identity, Layer, LayerSpec, Parameters, Relu, Sigmoid};
use ndarray::{Array2, ArrayView1, ArrayView2};
use zerocopy::IntoBytes;

/// Rows that calibrate what cannot be known.
pub const CALIBRATION_ROWS: usize = 1024;

/// Why a network cannot be quantised.
#[derive(Debug, thiserror::Error)]
pub enum QuantiseError {
    /// A weight or a bias is NaN or infinite.
    #[error("layer {layer}: a number that is not finite")]
    NotFinite {
        /// From 1.
        layer: usize,
    },
    /// The row's multiplier does not fit: its weights are too large for the table.
    #[error("layer {layer}: the weights of output {output} are too large for integers")]
    Range {
        /// From 1.
        layer: usize,
        /// From 0.
        output: usize,
    },
    /// An integer layer needs multiples of four.
    #[error("layer {layer}: integers need multiples of four inputs and outputs, not {inputs} and {outputs}")]
    Shape {
        /// From 1.
        layer: usize,
        /// Inputs.
        inputs: u16,
        /// Outputs.
        outputs: u16,
    },
    /// A blob has no room for so many.
    #[error("{count} layers; a blob holds at most {MAX_LAYERS}")]
    Layers {
        /// Layers of the network.
        count: usize,
    },
    /// What a code element of few bits stands for is only known of a sigmoid's output.
    #[error("a code of {bits} bits an element needs a sigmoid before it")]
    Code {
        /// As asked for.
        bits: u8,
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

/// An error where a number is not finite: it is worth no blob.
fn layers<N: Layer + Parameters>(net: &N) -> Result<Vec<LayerView<'_>>, QuantiseError> {
    let mut slices = net.slices();
    let view = |spec: LayerSpec| {
        let shape = (usize::from(spec.outputs), usize::from(spec.inputs));
        let weights = ArrayView2::from_shape(shape, slices.next()?).ok()?;
        Some(LayerView { spec, weights, bias: ArrayView1::from(slices.next()?) })
    };
    let layers: Vec<_> = N::specs().map_while(view).collect();
    let finite = |layer: &LayerView<'_>| layer.weights.iter().chain(layer.bias).all(|number| number.is_finite());
    match layers.iter().position(|layer| !finite(layer)) {
        Some(layer) => Err(QuantiseError::NotFinite { layer: layer + 1 }),
        None => Ok(layers),
    }
}

/// What a blob says of its network besides its numbers.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// How many of the layers are the encoder's.
    pub encoder_layers: usize,
    /// Steps of training.
    pub steps: u32,
    /// Bits of a code element, 1 to 8.
    pub code_bits: u8,
}

/// A figure of an integer network under its format: int8, int4.
pub fn by_precision(precision: Precision, figure: f64) -> [Option<f64>; 2] {
    [Precision::Int8, Precision::Int4].map(|each| (each == precision).then_some(figure))
}

/// An error unless a network of these layers can have such a code.
pub fn check_code(layers: impl Iterator<Item = LayerSpec>, about: About) -> Result<(), QuantiseError> {
    let before = layers.take(about.encoder_layers).last().map(|layer| layer.activation);
    let known = about.code_bits == 8 || before == Some(ActivationKind::Sigmoid);
    if known { Ok(()) } else { Err(QuantiseError::Code { bits: about.code_bits }) }
}

/// The network as a blob of `f32`.
pub fn f32_blob<N: Layer + Parameters>(net: &N, about: About) -> Result<Vec<u8>, QuantiseError> {
    let layers = layers(net)?;
    let header = header(&layers, Format::F32, Affine::UNIT, about)?;
    let bulks = layers.iter().map(|layer| {
        let weights = [layer.weights.as_slice().unwrap_or_default(), layer.bias.as_slice().unwrap_or_default()];
        (Affine::UNIT, Vec::new(), weights.concat().as_bytes().to_vec())
    });
    write(&header, &bulks.collect::<Vec<_>>())
}

/// The network as a blob of integers, calibrated where it has to be on the rows of `source`.
pub fn integer_blob<N: Layer + Parameters>(
    net: &N,
    precision: Precision,
    about: About,
    source: &impl Source,
) -> Result<Vec<u8>, QuantiseError> {
    let layers = layers(net)?;
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
            ActivationKind::Relu => affine((0.0, range(&x).1)),
        };
        let (channels, rows) = quantise_layer(i + 1, layer, precision, from, to)?;
        bulks.push((to, channels.as_bytes().to_vec(), pack(precision, &rows)));
        from = to;
    }
    write(&header(&layers, precision.format(), input, about)?, &bulks)
}

/// One layer in integers. `from` and `to` are what its inputs and outputs stand for; `number` counts from 1.
fn quantise_layer(
    number: usize,
    layer: &LayerView<'_>,
    precision: Precision,
    from: Affine,
    to: Affine,
) -> Result<(Vec<Channel>, Vec<Vec<i8>>), QuantiseError> {
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
        let (scale, row) = quantise_row(weights.as_slice().unwrap_or_default(), *bias, precision, from);
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
    Ok((channels, rows))
}

/// Rows of weights in the layout of their format.
fn pack(precision: Precision, rows: &[Vec<i8>]) -> Vec<u8> {
    let groups = rows.as_chunks::<4>().0.iter();
    match precision {
        Precision::Int8 => {
            let quads = |group: &[Vec<i8>; 4]| {
                let quad = |i: usize| Quad::pack([0, 1, 2, 3].map(|r| [0, 1, 2, 3].map(|c| group[r][i + c])));
                (0..group[0].len()).step_by(4).map(quad).collect::<Vec<_>>()
            };
            groups.flat_map(quads).collect::<Vec<_>>().as_bytes().to_vec()
        }
        Precision::Int4 => {
            let octets = |group: &[Vec<i8>; 4]| {
                let octet = |i: usize| Octet::pack([0, 1, 2, 3].map(|r| [group[r][i], group[r][i + 1]]));
                (0..group[0].len()).step_by(2).map(octet).collect::<Vec<_>>()
            };
            groups.flat_map(octets).collect::<Vec<_>>().as_bytes().to_vec()
        }
    }
}

/// The scale and the integers of one row.
fn quantise_row(weights: &[f32], bias: f32, precision: Precision, from: Affine) -> (f32, Vec<i8>) {
    let mut scale = precision.scale(weights, bias, from);
    if precision == Precision::Int4 {
        let [low, high] = nibbles::RANGE;
        return (scale, weights.iter().map(|w| ((w / scale).round() as i8).clamp(low, high)).collect());
    }
    loop {
        let row: Vec<i8> = weights.iter().map(|w| (w / scale).round() as i8).collect();
        let sum: i64 = row.iter().map(|w| i64::from(w.unsigned_abs()) * 255).sum();
        if sum < ACCUMULATOR_LIMIT {
            return (scale, row);
        }
        scale *= 1.001; // rounding went over the bound
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
    if high <= low {
        return Affine::UNIT; // nothing but zeros, which any scale holds
    }
    let scale = (high - low) / 255.0;
    Affine { scale, zero: (-low / scale).round() as u8 }
}

fn header(layers: &[LayerView<'_>], format: Format, input: Affine, about: About) -> Result<Header, QuantiseError> {
    check_code(layers.iter().map(|layer| layer.spec), about)?;
    if layers.len() > MAX_LAYERS {
        return Err(QuantiseError::Layers { count: layers.len() });
    }
    Ok(Header {
        format,
        accumulators_checked: format != Format::F32, // by `quantise_row`; 4 bits cannot leave the range
        steps: about.steps,
        input,
        code_bits: about.code_bits,
        threshold: NO_THRESHOLD,
        encoder_layers: about.encoder_layers as u8,
        layers: layers.iter().map(|layer| layer.spec).collect(),
    })
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
