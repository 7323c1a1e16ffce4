//! From the tensors of a file to the layers of a network, by names and shapes.
//!
//! Tensors with one prefix are one part of the network: a dense layer (a matrix, and perhaps a bias) or batch normalisation.
//! The parts are sorted naturally by their prefix.

use super::layer::DenseLayer;
use super::names::{natural_order, place, split};
use super::normalisations::{NormTensors, Place, assign};
use super::tensor::Tensor;
use super::{Convention, WeightsError};
use autoencoder_core::topology::MAX_LAYERS;
use autoencoder_core::{LayerSpec, Topology};
use autoencoder_io::number::counted;

/// The tensors with one prefix.
pub(super) struct Part<'a> {
    pub prefix: String,
    tensors: Vec<(String, Tensor<'a>)>,
}

/// The last parts of a bias's name.
const BIASES: [&str; 2] = ["bias", "b"];

/// The tensors of a dense layer.
struct DenseTensors<'a> {
    prefix: String,
    matrix: Tensor<'a>,
    /// The last part of the matrix's name.
    leaf: String,
    bias: Option<Tensor<'a>>,
}

impl<'a> Part<'a> {
    /// Takes the tensor with this last part of the name.
    pub fn take(&mut self, leaf: &str) -> Option<Tensor<'a>> {
        let index = self.tensors.iter().position(|(name, _)| name == leaf)?;
        Some(self.tensors.swap_remove(index).1)
    }

    /// Whether there is a tensor with one of these last parts.
    pub fn has(&self, leaves: &[&str]) -> bool {
        self.tensors.iter().any(|(leaf, _)| leaves.contains(&leaf.as_str()))
    }

    /// The full name that a tensor of this part would have.
    pub fn name(&self, leaf: &str) -> String {
        // As its neighbours are written.
        let neighbour = self.tensors.first().map_or("", |(_, tensor)| tensor.name.as_str());
        let start = neighbour.rfind(['.', '/']).map_or("", |at| &neighbour[..=at]);
        format!("{start}{leaf}")
    }

    /// Returns an error if a tensor is left.
    pub fn finish(self, what: &str) -> Result<(), WeightsError> {
        match self.tensors.into_iter().next() {
            Some((_, tensor)) => Err(tensor.error(format!("unused: {what}"))),
            None => Ok(()),
        }
    }

    /// The error of a part that is no dense layer.
    fn no_matrix(mut self) -> WeightsError {
        if let Some(other) = self.take("weight").or_else(|| self.take("kernel")) {
            let reason = format!(
                "of shape {:?}; expected a matrix, or the running mean and variance of batch normalisation beside it",
                other.shape
            );
            return other.error(reason);
        }
        if self.has(&BIASES) {
            return WeightsError::tensor(self.name("weight"), "missing: there is a bias without a matrix");
        }
        let unused = self.finish("no part of a dense layer or of batch normalisation");
        unused.err().unwrap_or_else(none)
    }

    fn dense(mut self) -> Result<DenseTensors<'a>, WeightsError> {
        // A bias may be [1, outputs].
        let matrices =
            self.tensors.iter().filter(|(leaf, tensor)| tensor.shape.len() == 2 && !BIASES.contains(&leaf.as_str()));
        let mut leaves = matrices.map(|(leaf, _)| leaf.clone());
        let (Some(leaf), second) = (leaves.next(), leaves.next()) else { return Err(self.no_matrix()) };
        drop(leaves);
        let matrix = self.take(&leaf).ok_or_else(none)?;
        if let Some(second) = second.and_then(|second| self.take(&second)) {
            return Err(second.error(format!("a second matrix beside {}; each needs a prefix", matrix.name)));
        }
        let [bias, b] = BIASES;
        let bias = self.take(bias).or_else(|| self.take(b));
        let prefix = self.prefix.clone();
        self.finish(&format!("no part of the dense layer of {}", matrix.name))?;
        Ok(DenseTensors { prefix, matrix, leaf, bias })
    }
}

/// There is nothing to pair.
fn none() -> WeightsError {
    WeightsError::file("no dense layer: expected tensors named PREFIX.weight (torch) or PREFIX.kernel (Keras, JAX)")
}

/// The layers that a file is to have.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The layers.
    pub topology: &'a Topology,
    /// Who says so, for people: `--layers`, or the file's metadata.
    pub source: &'a str,
    /// The names and shapes of its tensors; `None` if they say it themselves.
    pub convention: Option<Convention>,
}

/// The layers of a network of this topology.
pub(super) fn layers(tensors: Vec<Tensor<'_>>, wanted: Wanted<'_>) -> Result<Vec<DenseLayer>, WeightsError> {
    let (mut dense, mut norms) = (Vec::new(), Vec::new());
    for part in parts(tensors)? {
        if NormTensors::are_in(&part) { norms.push(NormTensors::new(part)?) } else { dense.push(part.dense()?) }
    }
    let specs = wanted.topology.layers();
    if dense.is_empty() {
        return Err(none());
    }
    if dense.len() != specs.len() {
        const MOST_NAMES: usize = 2 * MAX_LAYERS;
        let names = dense.iter().map(|dense| dense.matrix.name.as_str()).take(MOST_NAMES).collect::<Vec<_>>();
        let more = if dense.len() > MOST_NAMES { ", ..." } else { "" };
        return Err(WeightsError::file(format!(
            "{}, where {} has {}: {}{more}",
            if dense.len() == 1 { "1 matrix".into() } else { format!("{} matrices", dense.len()) },
            wanted.source,
            counted(specs.len(), "layer"),
            names.join(", ")
        )));
    }
    let places: Vec<Place<'_>> =
        dense.iter().zip(specs).map(|(dense, spec)| Place { prefix: &dense.prefix, spec: *spec }).collect();
    let norms = assign(norms, &places)?;
    let all_without_bias = dense.iter().all(|dense| dense.bias.is_none());
    let parts = dense.into_iter().zip(norms).zip(specs).enumerate();
    parts.map(|(i, ((dense, norm), spec))| layer(i, dense, norm, *spec, wanted, all_without_bias)).collect()
}

/// The parts in their natural order.
fn parts(tensors: Vec<Tensor<'_>>) -> Result<Vec<Part<'_>>, WeightsError> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut tensors: Vec<_> = tensors
        .into_iter()
        .map(|tensor| {
            let (prefix, leaf) = split(&tensor.name);
            (prefix.to_owned(), leaf.to_ascii_lowercase(), tensor)
        })
        .collect();
    // The order is total, whatever the order of the tensors: `a.0` and `a/0` are equal only by nature.
    tensors.sort_by(|(a, leaf_a, tensor_a), (b, leaf_b, tensor_b)| {
        let names = || (a, leaf_a, &tensor_a.name).cmp(&(b, leaf_b, &tensor_b.name));
        natural_order(a, b).then_with(names)
    });
    for (prefix, leaf, tensor) in tensors {
        match parts.last_mut() {
            Some(part) if part.prefix == prefix => {
                // Sorted: an equal name is the one before.
                if let Some((_, other)) = part.tensors.last().filter(|(other, _)| *other == leaf) {
                    return Err(tensor.error(format!("the same part of the network as {}", other.name)));
                }
                part.tensors.push((leaf, tensor));
            }
            _ => parts.push(Part { prefix, tensors: vec![(leaf, tensor)] }),
        }
    }
    Ok(parts)
}

/// One layer: the matrix as `[outputs, inputs]`, its bias, and batch normalisation folded into both.
fn layer(
    index: usize,
    dense: DenseTensors<'_>,
    norm: Option<NormTensors<'_>>,
    spec: LayerSpec,
    wanted: Wanted<'_>,
    all_without_bias: bool,
) -> Result<DenseLayer, WeightsError> {
    let DenseTensors { matrix, leaf, bias, .. } = dense;
    let transposed = orientation(index, &matrix, &leaf, spec, wanted)? != Convention::Torch;
    let mut layer = DenseLayer::new(&matrix, transposed)?;
    match bias {
        Some(bias) => {
            layer.add(&bias.vector(layer.outputs)?);
            layer.parts.push(bias.name);
        }
        None if norm.is_some() || all_without_bias => layer.parts.push("no bias".into()),
        None => {
            let reason = "its bias is missing, and other layers have one; if this one has none, store a bias of zeros";
            return Err(matrix.error(reason));
        }
    }
    if let Some(norm) = norm {
        layer.normalise(&norm.read(layer.outputs)?)?;
    }
    Ok(layer)
}

/// Whether a matrix is `[outputs, inputs]`, as torch's, or `[inputs, outputs]`, as those of Keras and JAX. Returns an error if its
/// shape is not the layer's, or if neither names nor shape say which it is.
fn orientation(
    index: usize,
    matrix: &Tensor<'_>,
    leaf: &str,
    spec: LayerSpec,
    wanted: Wanted<'_>,
) -> Result<Convention, WeightsError> {
    let [inputs, outputs] = spec.sizes();
    let (as_torch, as_jax) = (matrix.shape == [outputs, inputs], matrix.shape == [inputs, outputs]);
    let by_name = wanted.convention.or(match leaf {
        "weight" => Some(Convention::Torch),
        "kernel" => Some(Convention::Jax),
        _ => None,
    });
    let number = index + 1;
    let wrong = |expected: String, transposed: &str| {
        let reason = format!(
            "of shape {:?}, where layer {number} of {}, {inputs} to {outputs}, takes {expected}{transposed}",
            matrix.shape, wanted.source
        );
        Err(matrix.error(reason))
    };
    match by_name {
        Some(Convention::Torch) if as_torch => Ok(Convention::Torch),
        Some(Convention::Torch) => {
            let hint = if as_jax { "; if it is [inputs, outputs], give --format jax" } else { "" };
            wrong(format!("[{outputs}, {inputs}]"), hint)
        }
        Some(other) if as_jax => Ok(other),
        Some(_) => {
            let hint = if as_torch { "; if it is [outputs, inputs], give --format torch" } else { "" };
            wrong(format!("[{inputs}, {outputs}]"), hint)
        }
        None if as_torch && as_jax => {
            let reason = format!(
                "is it [outputs, inputs] as in torch, or [inputs, outputs] as in Keras and JAX? Neither its name nor its shape {:?} \
                 says: give --format",
                matrix.shape
            );
            Err(matrix.error(reason))
        }
        None if as_torch => Ok(Convention::Torch),
        None if as_jax => Ok(Convention::Jax),
        None => wrong(format!("[{outputs}, {inputs}] or [{inputs}, {outputs}]"), ""),
    }
}

/// Whether two prefixes are numbers of one parent, as in a `Sequential` of torch.
pub(super) fn are_siblings(a: &str, b: &str) -> bool {
    matches!((place(a), place(b)), (Some((a, _)), Some((b, _))) if a == b)
}

#[cfg(test)]
mod tests;
