//! A trained network in integers, in memory.
//!
//! A network of sigmoids over inputs in [0, 1] needs no calibration: every range is known. The range of a ReLU or of
//! a signed input or output is that of [`CALIBRATION_ROWS`] rows.
//!
//! Layers are padded to multiples of four inputs and outputs with weights, biases and multipliers of 0. The results of the
//! padding never reach an output.

use super::error::ExportError;
use super::header::{BlobMeta, header};
use super::tiles::Tiles;
use crate::data::{Dataset, Sample};
use crate::evaluate::IntegerNetwork;
use crate::network::{FloatNetwork, LayerView};
use crate::train::qat::{WeightFormat, resolution, scale_limit};
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::{Header, RawLayer};
use autoencoder_core::quant::{ACCUMULATOR_LIMIT, ChannelParams, Dense, QuantParams, int4, padded};
use autoencoder_core::{Error, LayerSpec};
use autoencoder_io::blob_file::write_blob;
use zerocopy::IntoBytes;

/// Rows that calibrate the ranges that are not known.
pub const CALIBRATION_ROWS: usize = 1024;

/// The bound of a bias, which is also that of a device that learns: with any accumulator, the sum stays within 32 bits.
const BIAS_LIMIT: i64 = 1 << 30;

/// A network in integers: the contents of its blob.
#[derive(Clone, Debug)]
pub struct Quantised {
    /// The blob's header.
    pub header: Header,
    layers: Vec<QuantisedLayer>,
}

/// One layer, padded.
#[derive(Clone, Debug)]
struct QuantisedLayer {
    spec: LayerSpec,
    tiles: Tiles,
    channels: Vec<ChannelParams>,
    output: QuantParams,
}

/// The weights of one layer in steps of a scale for each row.
struct QuantisedRows {
    scales: Vec<f32>,
    weights: Vec<Vec<i8>>,
}

impl Quantised {
    /// The same network in a form that can be measured.
    pub fn network(&self) -> IntegerNetwork<'_> {
        let layers = self.layers.iter().map(|QuantisedLayer { spec, tiles, channels, output }| {
            Dense::new(*spec, tiles.weights(), channels, *output).expect("as many weights as the padded layer has")
        });
        IntegerNetwork::new(&self.header, layers.collect())
    }

    /// Writes the blob, with an input section.
    pub fn to_blob(&self, input: &[u8]) -> Result<Vec<u8>, Error> {
        let layers = self.layers.iter().map(|QuantisedLayer { tiles, channels, output, .. }| RawLayer {
            output: *output,
            channels: channels.as_bytes(),
            weights: tiles.as_bytes(),
        });
        write_blob(&self.header, layers, input)
    }
}

/// Quantises a network. Ranges that are not known are calibrated on the rows of `data`. The result has no thresholds yet.
pub fn quantise(
    network: &FloatNetwork,
    format: WeightFormat,
    meta: BlobMeta<'_>,
    data: &dyn Dataset,
) -> Result<Quantised, ExportError> {
    let mut header = header(network, format, meta)?;
    let mut x = sample(data);
    header.input = match range(&x) {
        (low, high) if low >= 0.0 && high <= 1.0 => QuantParams::UNIT,
        range => params(range, 0.0),
    };
    let calibrate = !network.layers().all(|layer| layer.spec.activation == ActivationKind::Sigmoid);
    let topology = network.topology();
    let last = topology.layers().len() - 1;
    let mut from = header.input;
    let mut layers = Vec::with_capacity(topology.layers().len());
    for (i, layer) in network.layers().enumerate() {
        if calibrate {
            x = layer.forward(&x);
        }
        let activation = layer.spec.activation;
        let reconstruction = i == last && topology.outputs() == topology.inputs();
        // A reconstruction has the range of the input. Other outputs have the range of their calibration, which fits weights of
        // any size.
        let known = match activation {
            ActivationKind::Sigmoid => Some(QuantParams::UNIT),
            ActivationKind::Identity if reconstruction => Some(header.input),
            ActivationKind::Relu if reconstruction && header.input.zero_point == 0 => Some(header.input),
            ActivationKind::Identity | ActivationKind::Relu => None,
        };
        let limit = known.map_or(f32::INFINITY, |output| scale_limit(activation, from, output));
        let rows = quantise_rows(layer, format, from, limit);
        let rows = rows.map_err(|output| ExportError::Range { layer: i + 1, output })?;
        let output = known.unwrap_or_else(|| {
            let (low, high) = range(&x);
            let low = if activation == ActivationKind::Relu { 0.0 } else { low };
            params((low, high), rows.finest_output(from))
        });
        if !output.is_valid() {
            return Err(ExportError::OutputRange { layer: i + 1 });
        }
        let channels = channels(layer, &rows, from, output);
        let channels = channels.map_err(|output| ExportError::Range { layer: i + 1, output })?;
        let tiles = Tiles::pack(format, &rows.weights, layer.spec.sizes().map(padded));
        layers.push(QuantisedLayer { spec: layer.spec, tiles, channels, output });
        from = output;
    }
    Ok(Quantised { header, layers })
}

impl QuantisedRows {
    /// The finest scale of outputs that the rows' multipliers reach: a step of the accumulator is half a step of it.
    fn finest_output(&self, from: QuantParams) -> f32 {
        2.001 * from.scale * self.scales.iter().fold(0.0, |largest, scale| scale.max(largest))
    }
}

/// Quantises the rows of a layer whose inputs have the parameters `from`, with scales of at most `limit`. The error is an output
/// whose weights do not fit.
fn quantise_rows(
    layer: LayerView<'_>,
    format: WeightFormat,
    from: QuantParams,
    limit: f32,
) -> Result<QuantisedRows, usize> {
    let rows = layer.weights.chunks_exact(layer.spec.inputs.into()).zip(layer.bias).enumerate();
    let row = |(output, (weights, bias)): (usize, (&[f32], &f32))| {
        quantise_row(weights, *bias, format, from, limit).ok_or(output)
    };
    let (scales, weights) = rows.map(row).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    Ok(QuantisedRows { scales, weights })
}

/// The scale and the integers of one row. Weights that a scale of `limit` does not reach are clipped. `None` if the sum of
/// the row still exceeds the accumulator then.
fn quantise_row(
    weights: &[f32],
    bias: f32,
    format: WeightFormat,
    from: QuantParams,
    limit: f32,
) -> Option<(f32, Vec<i8>)> {
    let [low, high] = match format {
        WeightFormat::Int8 => [-127, 127],
        WeightFormat::Int4 => int4::RANGE,
    };
    let mut scale = format.scale(weights, bias, from, limit);
    loop {
        let row: Vec<i8> = weights.iter().map(|w| ((w / scale).round() as i8).clamp(low, high)).collect();
        let sum: i64 = row.iter().map(|w| i64::from(w.unsigned_abs()) * 255).sum();
        // 4 bits cannot leave the accumulator's range, which is tested where they are computed.
        if format == WeightFormat::Int4 || sum < ACCUMULATOR_LIMIT {
            return Some((scale, row));
        }
        if scale >= limit {
            return None;
        }
        scale = (scale * 1.001).min(limit); // rounding went over the bound
    }
}

/// Computes bias and multiplier of each output, padded. The error is an output whose multiplier does not fit.
///
/// [`WeightFormat::scale`] keeps a bias within 2^24 steps unless the scale is at its limit. A step of the accumulator is then
/// half a step of the output, so an output with a bias at [`BIAS_LIMIT`] is at the end of its range, whatever its inputs.
fn channels(
    layer: LayerView<'_>,
    rows: &QuantisedRows,
    from: QuantParams,
    output: QuantParams,
) -> Result<Vec<ChannelParams>, usize> {
    let resolution = resolution(layer.spec.activation, output);
    let mut channels = Vec::with_capacity(padded(layer.bias.len()));
    for ((scale, row), bias) in rows.scales.iter().zip(&rows.weights).zip(layer.bias) {
        let unit = f64::from(*scale) * f64::from(from.scale); // one step of the accumulator
        let multiplier = (unit * resolution * 4_294_967_296.0).round();
        if multiplier > f64::from(i32::MAX) {
            return Err(channels.len());
        }
        // A signed input's zero point: Σ w·(q - zero) = Σ w·q - zero·Σ w.
        let zero = i64::from(from.zero_point) * row.iter().map(|w| i64::from(*w)).sum::<i64>();
        let bias = ((f64::from(*bias) / unit).round() as i64).saturating_sub(zero);
        let bias = bias.clamp(-BIAS_LIMIT, BIAS_LIMIT - 1) as i32;
        channels.push(ChannelParams { bias, multiplier: multiplier as i32 });
    }
    channels.resize(padded(channels.len()), ChannelParams::default());
    Ok(channels)
}

/// Rows spread evenly over the data, one after the other.
fn sample(data: &dyn Dataset) -> Vec<f32> {
    let sample = Sample::new(data, CALIBRATION_ROWS);
    let width = sample.width();
    let mut x = vec![0.0; sample.rows() * width];
    for (i, row) in x.chunks_exact_mut(width).enumerate() {
        sample.copy(i, row);
    }
    x
}

/// The smallest and the largest number, or 0 if that is smaller or larger.
fn range(x: &[f32]) -> (f32, f32) {
    x.iter().fold((0.0, 0.0), |(low, high), x| (x.min(low), x.max(high)))
}

/// Parameters of 256 steps from `low <= 0` to `high >= 0`. A step is not smaller than `finest`.
fn params((low, high): (f32, f32), finest: f32) -> QuantParams {
    // Any scale fits if all numbers are 0.
    let scale = if high <= low { QuantParams::UNIT.scale } else { (high - low) / 255.0 };
    let scale = scale.max(finest);
    QuantParams { scale, zero_point: (-low / scale).round() as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate;
    use autoencoder_core::Network;
    use autoencoder_io::blob_file::BlobFile;
    use ndarray::Array2;

    const META: BlobMeta<'static> = BlobMeta { steps: 1, code_bits: 8, input: &[] };

    fn network(topology: &str, size: f32) -> FloatNetwork {
        let mut network = FloatNetwork::new(&topology.parse().unwrap());
        for (i, w) in network.parameters_mut().iter_mut().enumerate() {
            *w = size * (i as f32 * 0.7 + 1.0).sin();
        }
        network
    }

    fn rows(width: usize) -> Array2<f32> {
        Array2::from_shape_fn((60, width), |(row, i)| ((row * 31 + i * 17) % 256) as f32 / 255.0)
    }

    #[test]
    fn networks_of_any_size_keep_their_error_in_integers() {
        for topology in ["1-1", "1-1i", "3-5r-2-3", "7-7", "13-6i-13", "17-9-1-9-17", "5-4r-3i-2r-5", "16-8-16"] {
            let network = network(topology, 0.5);
            let data = rows(network.topology().inputs());
            let exact = evaluate::mean(&evaluate::errors(&network, 8, &data));
            for (format, tolerance) in [(WeightFormat::Int8, 0.02), (WeightFormat::Int4, 0.3)] {
                let quantised = quantise(&network, format, META, &data).unwrap();
                let error = evaluate::mean(&quantised.network().errors(&data));
                assert!((error / exact - 1.0).abs() < tolerance, "{topology} {format:?}: {error}, f32 {exact}");
            }
        }
    }

    #[test]
    fn padding_is_zeros() {
        let quantised = quantise(&network("5-2-5", 0.5), WeightFormat::Int8, META, &rows(5)).unwrap();
        let [encoder, decoder] = &quantised.layers[..] else { panic!("two layers") };
        assert_eq!((encoder.tiles.as_bytes().len(), decoder.tiles.as_bytes().len()), (8 * 4, 4 * 8));
        assert_eq!((encoder.channels.len(), decoder.channels.len()), (4, 8));
        assert_eq!(encoder.channels[2..], [ChannelParams::default(); 2]);
        assert_eq!(decoder.channels[5..], [ChannelParams::default(); 3]);
    }

    /// A sigmoid's accumulator has 64 steps for one unit of z, and the multiplier reaches half of one: weights up to
    /// 127 · 255 / 128 fit.
    #[test]
    fn weights_that_no_multiplier_reaches_are_clipped() {
        let quantised = quantise(&network("9-3-9", 2000.0), WeightFormat::Int8, META, &rows(9)).unwrap();
        let largest = i32::MAX - (i32::MAX >> 10);
        assert!(quantised.layers[0].channels[..3].iter().all(|channel| channel.multiplier > largest));
        let limit = scale_limit(ActivationKind::Sigmoid, QuantParams::UNIT, QuantParams::UNIT);
        let weights = [2000.0, -1000.0, 254.0, -200.0, 3.0, 0.0];
        let (scale, row) = quantise_row(&weights, 0.0, WeightFormat::Int8, QuantParams::UNIT, limit).unwrap();
        assert!((scale - 255.0 / 128.0).abs() < 0.001, "{scale}");
        assert_eq!(row, [127, -127, 127, -100, 2, 0]);
        // The sum of 600 such weights exceeds the accumulator.
        let error = quantise(&self::network("600-3-600", 2000.0), WeightFormat::Int8, META, &rows(600)).unwrap_err();
        assert!(matches!(error, ExportError::Range { layer: 1, output: 0 }), "{error}");
    }

    /// One weight of 2.5 is among zeros. With a step of 2.5, the multiplier would not fit the smaller limits.
    #[test]
    fn four_bits_take_the_finest_of_equal_scales_and_one_that_fits() {
        let mut weights = vec![0.0; 20];
        weights[3] = 2.5;
        let from = QuantParams::UNIT;
        let (scale, row) = quantise_row(&weights, 0.0, WeightFormat::Int4, from, f32::INFINITY).unwrap();
        assert_eq!((row[3], scale), (7, 2.5 / 7.0));
        for limit in [1.0, 0.3, 0.01] {
            let (scale, row) = quantise_row(&weights, 0.0, WeightFormat::Int4, from, limit).unwrap();
            assert_eq!(row[3], ((2.5 / scale).round() as i8).min(7), "{limit}");
            assert!(scale <= limit, "{scale} {limit}");
        }
    }

    /// Large weights after a dead layer, and a reconstruction whose range is that of the input.
    #[test]
    fn a_layer_that_never_fires_and_coarse_inputs_are_quantised() {
        for format in [WeightFormat::Int8, WeightFormat::Int4] {
            for topology in ["9-4r-9", "9-4r-9r", "9-4r-9i", "9-4r-3r-9i"] {
                for (weight, bias) in [(1.0, -1000.0), (300.0, 5.0)] {
                    let mut network = network(topology, 2.5);
                    let (weights, biases) = network.layer_mut(0);
                    weights.fill(weight);
                    biases.fill(bias);
                    let quantised = quantise(&network, format, META, &rows(9));
                    assert!(quantised.is_ok(), "{topology} {format:?} {bias}: {:?}", quantised.err());
                    assert!(quantised.unwrap().to_blob(&[]).is_ok());
                }
            }
        }
    }

    /// A ReLU that hardly ever fires: outputs up to 0.001 from an accumulator with steps of 0.00003.
    #[test]
    fn outputs_in_a_small_range_have_a_scale_that_their_accumulator_reaches() {
        let mut network = network("1-1r-1", 0.5);
        network.layer_mut(0).0[0] = 1.0;
        network.layer_mut(0).1[0] = -0.999;
        let data = Array2::from_shape_fn((2, 1), |(row, _)| row as f32);
        let quantised = quantise(&network, WeightFormat::Int8, META, &data).unwrap();
        let ChannelParams { multiplier, .. } = quantised.layers[0].channels[0];
        assert!(multiplier > i32::MAX / 2, "{multiplier}");
        assert!(quantised.layers[0].output.scale > 1.9 / 127.0 / 255.0);
    }

    /// The bias of an output whose scale is at its limit may be any number. The output is at the end of its range then.
    #[test]
    fn a_bias_of_any_size_leaves_the_sum_within_32_bits() {
        for format in [WeightFormat::Int8, WeightFormat::Int4] {
            for (activation, low, high) in [("", 0, 255), ("r", 0, 255), ("i", 0, 255)] {
                for (bias, expected) in [(1e5, high), (-1e5, low), (1e9, high), (-1e9, low), (3e38, high), (-3e38, low)]
                {
                    let mut network = network(&format!("6-6{activation}"), 0.5);
                    network.layer_mut(0).1.fill(bias);
                    let quantised = quantise(&network, format, META, &rows(6)).unwrap();
                    let channels = &quantised.layers[0].channels[..6];
                    assert!(channels.iter().all(|channel| (-(1 << 30)..1 << 30).contains(&channel.bias)), "{bias}");
                    let bytes = quantised.to_blob(&[]).unwrap();
                    let file = BlobFile::new("blob".as_ref(), &bytes);
                    let device = Network::open(file.bytes()).unwrap();
                    let mut memory = vec![0; device.memory_bytes()];
                    for row in [[0; 6], [255; 6], [0, 255, 0, 255, 128, 1]] {
                        let outputs = device.encode(&row, &mut memory).unwrap();
                        assert!(outputs.iter().all(|y| *y == expected), "{format:?} {activation} {bias}: {outputs:?}");
                    }
                }
            }
        }
    }
}
