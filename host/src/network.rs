//! A network on the host: a topology, and its parameters in one flat array that begins at a cache line.
//!
//! ```text
//! parameters   [ W₀ | b₀ | W₁ | b₁ | … ]       W: [outputs, inputs], a row for each output; b: [outputs]
//! ```

use crate::aligned::Aligned;
use autoencoder_core::blob::{Blob, Format};
use autoencoder_core::{Error, LayerSpec, Topology, dense};
use rayon::prelude::*;
use std::ops::Range;
use zerocopy::IntoBytes;

/// A network in `f32`. Its parameters lie in the order of a blob: weights, then the bias, layer by layer.
///
/// Gradients, moments and rounded weights of a network are of this type, too: they have its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatNetwork {
    topology: Topology,
    parameters: Aligned,
}

/// One layer's parameters.
#[derive(Clone, Copy, Debug)]
pub struct LayerView<'a> {
    /// The layer's sizes and activation.
    pub spec: LayerSpec,
    /// `[outputs, inputs]`
    pub weights: &'a [f32],
    /// `[outputs]`
    pub bias: &'a [f32],
}

impl LayerView<'_> {
    /// The layer's outputs for some rows: `x` is `[rows, inputs]`, the result `[rows, outputs]`.
    ///
    /// The core's plain loops compute them, on all threads of the current rayon pool. They are the oracle of the products that
    /// the trainer uses, and fast enough for the rows of a picture or of a calibration.
    pub fn forward(self, x: &[f32]) -> Vec<f32> {
        const ROWS: usize = 32;
        let [inputs, outputs] = self.spec.sizes();
        let mut y = vec![0.0; x.len() / inputs * outputs];
        x.par_chunks(ROWS * inputs).zip(y.par_chunks_mut(ROWS * outputs)).for_each(|(x, y)| {
            dense::forward(self.spec, self.weights, self.bias, x, y);
        });
        y
    }
}

impl FloatNetwork {
    /// A network whose parameters are all 0.
    pub fn new(topology: &Topology) -> Self {
        Self { topology: topology.clone(), parameters: Aligned::zeroed(topology.parameters()) }
    }

    /// The network of an `f32` blob.
    pub fn from_blob(blob: &Blob<'_>) -> Result<Self, Error> {
        let header = blob.header();
        if header.format != Format::F32 {
            return Err(Error::Format);
        }
        let mut network = Self::new(&header.topology);
        let (mut layers, mut rest) = (blob.layers(), &mut network.parameters[..]);
        for spec in header.topology.layers() {
            let bytes = layers.next_layer()?.weights;
            let own = rest.split_off_mut(..spec.parameters()).ok_or(Error::Malformed)?;
            if bytes.len() != size_of_val(own) {
                return Err(Error::Malformed);
            }
            own.as_mut_bytes().copy_from_slice(bytes);
        }
        layers.finish()?;
        Ok(network)
    }

    /// The network's layers.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// All parameters.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The same, mutable.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// The layers in order.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = LayerView<'_>> {
        let mut rest = &self.parameters[..];
        self.topology.layers().iter().map(move |spec| {
            let (own, others) = rest.split_at(spec.parameters());
            rest = others;
            let (weights, bias) = own.split_at(spec.weights());
            LayerView { spec: *spec, weights, bias }
        })
    }

    /// Weights and bias of each layer in order, mutable.
    pub fn layers_mut(&mut self) -> impl Iterator<Item = (&mut [f32], &mut [f32])> {
        let mut rest = &mut self.parameters[..];
        self.topology.layers().iter().map_while(move |spec| {
            let own = rest.split_off_mut(..spec.parameters())?;
            Some(own.split_at_mut(spec.weights()))
        })
    }

    /// One layer, counted from 0.
    pub fn layer(&self, index: usize) -> LayerView<'_> {
        let spec = self.topology.layers()[index];
        let (weights, bias) = self.parameters[range(&self.topology, index)].split_at(spec.weights());
        LayerView { spec, weights, bias }
    }

    /// Weights and bias of one layer, mutable.
    pub fn layer_mut(&mut self, index: usize) -> (&mut [f32], &mut [f32]) {
        let spec = self.topology.layers()[index];
        self.parameters[range(&self.topology, index)].split_at_mut(spec.weights())
    }
}

/// Where the parameters of one layer lie in the flat array.
pub fn range(topology: &Topology, index: usize) -> Range<usize> {
    let start = topology.layers()[..index].iter().map(|layer| layer.parameters()).sum();
    start..start + topology.layers()[index].parameters()
}
