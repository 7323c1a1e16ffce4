//! Weights from other frameworks and for them: `.safetensors` of torch, Keras and JAX, and ONNX graphs.
//!
//! A file becomes layers in `f64`, batch normalisation is folded into them, and they become a [`FloatNetwork`].

pub mod check;
pub mod dequantise;
mod error;
mod layer;
pub mod learned;
pub mod metadata;
mod names;
mod normalisations;
pub mod onnx;
mod pairing;
pub mod safetensors;
mod tensor;

pub use error::WeightsError;
pub use metadata::Metadata;

use crate::detector::Sensor;
use crate::network::FloatNetwork;
use autoencoder_core::Topology;
use autoencoder_io::terminal::printable;
use layer::DenseLayer;

/// Whose names and shapes the tensors of a file have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// A matrix is `[outputs, inputs]`.
    Torch,
    /// A matrix is `[inputs, outputs]`.
    Keras,
    /// A matrix is `[inputs, outputs]`.
    Jax,
}

/// A network that was read, and what a blob says beside it.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network.
    pub network: FloatNetwork,
    /// The tensors of each layer, for people.
    pub parts: Vec<String>,
    /// Steps of training; 0 if they are not known.
    pub steps: u32,
    /// Bits of a code element.
    pub code_bits: u8,
    /// The input section; empty if the network takes rows.
    pub input: Vec<u8>,
}

impl Imported {
    /// The layers fit the topology.
    fn new(topology: &Topology, layers: Vec<DenseLayer>, metadata: Option<Metadata>) -> Result<Self, WeightsError> {
        let mut network = FloatNetwork::new(topology);
        for (layer, (weights, bias)) in layers.iter().zip(network.layers_mut()) {
            layer.write(weights, bias)?;
        }
        let parts = layers.into_iter().map(|layer| printable(&layer.parts.join(", "))).collect();
        let (steps, code_bits) = metadata.as_ref().map_or((0, 8), |metadata| (metadata.steps, metadata.code_bits));
        let input = metadata.map_or_else(|| Ok(Vec::new()), |metadata| metadata.section())?;
        if !input.is_empty() && Sensor::read(&input).is_ok_and(|sensor| sensor.scales.len() != topology.inputs()) {
            let reason = format!("its metadata: an input section that is not of {} inputs", topology.inputs());
            return Err(WeightsError::file(reason));
        }
        if !(1..=8).contains(&code_bits) {
            return Err(WeightsError::file(format!("its metadata: a code of {code_bits} bits; expected 1 to 8")));
        }
        Ok(Self { network, parts, steps, code_bits, input })
    }
}

#[cfg(test)]
mod tests;
