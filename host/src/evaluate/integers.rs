//! The reconstruction error of a network of integers, computed as a device computes it.

use super::mse::mean_squared_error;
use crate::data::Dataset;
use crate::kernels::Fast;
use autoencoder_core::Network;
use autoencoder_core::blob::Header;
use autoencoder_core::quant::{Dense, Kernel, QuantParams, code};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Rows that one thread measures at a time.
const ROWS: usize = 128;

/// A network of integers. Its layers lie in a blob, or in memory before the blob is made.
#[derive(Clone, Debug)]
pub struct IntegerNetwork<'a> {
    encoder: Vec<Dense<'a>>,
    decoder: Vec<Dense<'a>>,
    input: QuantParams,
    code_bits: u8,
    /// Inputs and outputs of the network; elements of the code.
    row: usize,
    code: usize,
}

/// One row on its way through a network.
struct Row {
    /// The row of the data.
    x: Vec<f32>,
    /// The row for the device, quantised.
    q: Vec<u8>,
    /// The inputs of the next layer, and room for its outputs.
    activations: [Vec<u8>; 2],
    scratch: Vec<u8>,
}

impl<'a> IntegerNetwork<'a> {
    /// A network of the layers that `header` describes, in order. Panics unless it has as many outputs as inputs.
    pub fn new(header: &Header, mut layers: Vec<Dense<'a>>) -> Self {
        let topology = &header.topology;
        assert!(topology.has_encoder() && topology.outputs() == topology.inputs(), "{topology} reconstructs nothing");
        let decoder = layers.split_off(topology.encoder_layers());
        let (row, code) = (topology.inputs(), topology.code());
        Self { encoder: layers, decoder, input: header.input, code_bits: header.code_bits, row, code }
    }

    /// The MSE of each row: the mean of `(y - x)²` over its elements.
    pub fn errors(&self, data: &dyn Dataset) -> Vec<f32> {
        let output = self.decoder.last().or(self.encoder.last()).map_or(QuantParams::UNIT, Dense::output);
        self.measure(data, |row, y| {
            let y: Vec<f32> = y.iter().map(|q| output.scale * (f32::from(*q) - f32::from(output.zero_point))).collect();
            mean_squared_error(&row.x, &y)
        })
    }

    /// The score of each row, which a device compares with its threshold: `Σ (q - q̂)²`, below 2^32 for any row.
    pub fn scores(&self, data: &dyn Dataset) -> Vec<u32> {
        self.measure(data, |row, y| row.q.iter().zip(y).map(|(q, y)| u32::from(q.abs_diff(*y)).pow(2)).sum())
    }

    /// Computes a figure from each row and its reconstruction.
    fn measure<T: Send>(&self, data: &dyn Dataset, figure: impl Fn(&Row, &[u8]) -> T + Sync) -> Vec<T> {
        assert_eq!(data.width(), self.row, "row width");
        let chunks = (0..data.rows()).into_par_iter().with_min_len(ROWS);
        chunks
            .map_init(
                || (Row::new(self), Arch::new()),
                |(row, arch), index| {
                    data.copy(index, &mut row.x);
                    arch.dispatch(Quantise { x: &row.x, input: self.input, to: &mut row.q });
                    self.reconstruct(row);
                    figure(row, &row.activations[0][..self.row])
                },
            )
            .collect()
    }

    /// Encodes the row, packs and unpacks its code, and decodes that. The outputs are then in `activations[0]`.
    fn reconstruct(&self, row: &mut Row) {
        row.activations[0][..self.row].copy_from_slice(&row.q);
        row.forward(&self.encoder);
        let code = &mut row.activations[0][..self.code];
        code::pack(code, self.code_bits);
        code::unpack(code, self.code_bits);
        row.forward(&self.decoder);
    }
}

impl Row {
    fn new(network: &IntegerNetwork<'_>) -> Self {
        let layers = || network.encoder.iter().chain(&network.decoder);
        let widest = layers().flat_map(Dense::padded_sizes).max().unwrap_or(0);
        Self {
            x: vec![0.0; network.row],
            q: vec![0; network.row],
            activations: [vec![0; widest], vec![0; widest]],
            scratch: vec![0; Fast::scratch_bytes(widest)],
        }
    }

    /// Runs some layers. The padding of the inputs may hold anything, because its weights are 0.
    fn forward(&mut self, layers: &[Dense<'_>]) {
        for layer in layers {
            let [inputs, outputs] = layer.padded_sizes();
            let [x, y] = &mut self.activations;
            Fast.dense(layer, &x[..inputs], &mut y[..outputs], &mut self.scratch);
            self.activations.swap(0, 1);
        }
    }
}

/// The MSE of each row, reconstructed with a blob's integers as on a device: the row is quantised and encoded, and its code is
/// packed, unpacked and decoded. The reconstruction is compared with the row before it was quantised.
pub fn integer_errors(network: &Network<'_>, data: &dyn Dataset) -> Vec<f32> {
    IntegerNetwork::new(network.blob().header(), network.layers().collect()).errors(data)
}

/// The score of each row, as a device computes it: `Σ (q - q̂)²`.
pub fn integer_scores(network: &Network<'_>, data: &dyn Dataset) -> Vec<u32> {
    IntegerNetwork::new(network.blob().header(), network.layers().collect()).scores(data)
}

/// Quantises `x` to the nearest values, compiled for this machine's vector instructions.
struct Quantise<'a> {
    x: &'a [f32],
    input: QuantParams,
    to: &'a mut [u8],
}

impl WithSimd for Quantise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, input, to } = self;
        for (q, x) in to.iter_mut().zip(x) {
            *q = (x / input.scale + f32::from(input.zero_point)).round() as u8; // `as` saturates
        }
    }
}
