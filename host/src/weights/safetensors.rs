//! Files of the format `safetensors`.

use super::metadata::{KEY, Metadata};
use super::pairing::{Wanted, layers};
use super::tensor::{Element, Tensor};
use super::{Convention, Imported, WeightsError};
use crate::network::FloatNetwork;
use autoencoder_core::Topology;
use autoencoder_io::topology::describe;
use safetensors::tensor::{Dtype, TensorInfo, TensorView};
use safetensors::{SafeTensorError, SafeTensors, serialize};
use zerocopy::IntoBytes;

/// Bytes of the length before the header.
const HEADER: usize = 8;

/// Reads a network. The topology is that of the command line, else that of the file's metadata.
pub fn read(bytes: &[u8], named: Option<&Topology>, convention: Option<Convention>) -> Result<Imported, WeightsError> {
    let (length, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
    let data = &bytes[HEADER + length..];
    let metadata = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let metadata = metadata.map(|text| Metadata::from_json(text)).transpose()?;
    let stored = metadata.as_ref().map(Metadata::topology).transpose()?;
    let (topology, source) = match (named, &stored) {
        // As for a graph, the command line may say that another layer is the code.
        (Some(named), Some(stored)) if named.layers() != stored.layers() => {
            let reason = format!("a network {}; the command line names {}", describe(stored), describe(named));
            return Err(WeightsError::file(reason));
        }
        (Some(named), _) => (named, "--layers"),
        (None, Some(stored)) => (stored, "its metadata"),
        (None, None) => return Err(WeightsError::file("tensors do not say how they are joined: give --layers")),
    };
    let mut all: Vec<_> = header.tensors().into_iter().collect();
    all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b)); // a map gives them in any order
    let tensors: Result<Vec<_>, _> = all.iter().map(|(name, info)| tensor(name, info, data)).collect();
    Imported::new(topology, layers(tensors?, Wanted { topology, source, convention })?, metadata)
}

fn damaged(error: &SafeTensorError) -> WeightsError {
    WeightsError::file(format!("not a whole safetensors file: {error}"))
}

fn tensor<'a>(name: &str, info: &TensorInfo, data: &'a [u8]) -> Result<Tensor<'a>, WeightsError> {
    let element = match info.dtype {
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        // A counter of batch normalisation.
        Dtype::I64 if name.ends_with("num_batches_tracked") => Element::F64,
        other => {
            let reason = format!("numbers of type {other:?}; expected F16, BF16, F32 or F64");
            return Err(WeightsError::tensor(name, reason));
        }
    };
    let (from, to) = info.data_offsets; // within the data
    Tensor::new(name, info.shape.clone(), element, &data[from..to])
}

/// Writes a network. Layer `i`, from 0, is `2i.weight` [outputs, inputs] and `2i.bias`: the names in a `Sequential` of torch, in
/// which an activation follows each layer.
pub fn write(network: &FloatNetwork, metadata: &Metadata) -> Result<Vec<u8>, WeightsError> {
    let mut tensors = Vec::new();
    for (i, layer) in network.layers().enumerate() {
        let [inputs, outputs] = layer.spec.sizes();
        for (name, shape, numbers) in
            [("weight", vec![outputs, inputs], layer.weights), ("bias", vec![outputs], layer.bias)]
        {
            let name = format!("{}.{name}", 2 * i);
            let view = TensorView::new(Dtype::F32, shape, numbers.as_bytes());
            tensors.push((name, view.map_err(|error| WeightsError::file(error.to_string()))?));
        }
    }
    // One key: the crate writes several in any order.
    let metadata = [(KEY.to_owned(), metadata.to_json())].into_iter().collect();
    serialize(tensors, Some(metadata)).map_err(|error| WeightsError::file(error.to_string()))
}
