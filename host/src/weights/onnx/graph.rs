//! From a graph to the layers of a network.
//!
//! A value goes from the graph's input through one node after the other to its output. Each node adds a dense layer, folds
//! something into the last one, is its activation, or changes nothing in a row.

use super::constants::Constants;
use super::node::Node;
use super::proto::{DimensionProto, GraphProto, ModelProto, TensorTypeProto, data_type};
use crate::weights::layer::{DenseLayer, Normalisation};
use crate::weights::metadata::{KEY, Metadata};
use crate::weights::tensor::Tensor;
use crate::weights::{Imported, WeightsError};
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::topology::MAX_LAYERS;
use autoencoder_core::{LayerSpec, Topology};
use autoencoder_io::topology::describe;
use prost::Message;
use std::borrow::Cow;
use std::collections::HashSet;

/// The first version of the operators that means by them what is read here.
const FIRST_OPSET: i64 = 7;

/// The most nodes: more than exporters make of [`MAX_LAYERS`] layers.
const MOST_NODES: usize = 4096;

/// Reads a network. The graph says its layers. `named` is the topology of the command line, which must be the same; it also says
/// which layer is the code.
pub fn read(bytes: &[u8], named: Option<&Topology>) -> Result<Imported, WeightsError> {
    let model =
        ModelProto::decode(bytes).map_err(|error| WeightsError::file(format!("not a whole ONNX file: {error}")))?;
    let Some(graph) = model.graph.as_ref().filter(|graph| !graph.node.is_empty()) else {
        return Err(WeightsError::file("not an ONNX graph: it has no nodes"));
    };
    if graph.node.len() > MOST_NODES {
        return Err(WeightsError::file(format!(
            "{} nodes; a dense network has at most {MOST_NODES}",
            graph.node.len()
        )));
    }
    for opset in &model.opset_import {
        if ["", "ai.onnx"].contains(&opset.domain.as_str()) && opset.version < FIRST_OPSET {
            let reason = format!("operators of version {}; expected {FIRST_OPSET} or later", opset.version);
            return Err(WeightsError::file(reason));
        }
    }
    let metadata = model.metadata_props.iter().find(|entry| entry.key == KEY);
    let metadata = metadata.map(|entry| Metadata::from_json(&entry.value)).transpose()?;
    let taken: HashSet<&str> = graph.node.iter().flat_map(|node| &node.input).map(String::as_str).collect();
    if let Some(unused) = graph.initializer.iter().find(|tensor| !taken.contains(tensor.name.as_str())) {
        return Err(WeightsError::tensor(&unused.name, "unused: no node takes it"));
    }
    let mut constants = Constants::new(&graph.initializer)?;
    let chain = chain(graph, &mut constants)?;
    let [rows, width] = input_sizes(graph, &constants)?;
    let mut walk = Walk { constants: &constants, layers: Vec::new(), rows, width };
    for (node, value) in chain {
        walk.take(node, value)?;
    }
    let found = walk.topology()?;
    let stored = metadata.as_ref().map(Metadata::topology).transpose()?;
    let topology = match named.or(stored.as_ref()) {
        Some(named) if named.layers() == found.layers() => named,
        Some(named) => {
            let whose = if stored.as_ref() == Some(named) { "its metadata names" } else { "the command line names" };
            let reason = format!("a graph of {}; {whose} {}", describe(&found), describe(named));
            return Err(WeightsError::file(reason));
        }
        None => &found,
    };
    Imported::new(topology, walk.layers.into_iter().map(|layer| layer.dense).collect(), metadata)
}

/// The inputs of a graph that are no constants: before version 4 of the format, initializers were inputs, too.
fn inputs<'a>(graph: &'a GraphProto, constants: &Constants<'_>) -> Vec<&'a str> {
    graph.input.iter().map(|input| input.name.as_str()).filter(|name| !constants.contains(name)).collect()
}

/// The nodes on the way from the graph's input to its output, each with the value that it takes from there.
fn chain<'a>(graph: &'a GraphProto, constants: &mut Constants<'a>) -> Result<Vec<(Node<'a>, &'a str)>, WeightsError> {
    let found = inputs(graph, constants);
    let [input] = found[..] else {
        return Err(WeightsError::file(format!("{} inputs: {}; expected one", found.len(), found.join(", "))));
    };
    let [output] = &graph.output[..] else {
        return Err(WeightsError::file(format!("{} outputs; expected one", graph.output.len())));
    };
    let mut values = HashSet::from([input]);
    let mut left: Vec<Node<'a>> = Vec::new();
    for (index, proto) in graph.node.iter().enumerate() {
        let node = Node { proto, index };
        if !["", "ai.onnx"].contains(&proto.domain.as_str()) {
            return Err(node.error(format!("an operator of {}; only those of ONNX itself are known", proto.domain)));
        }
        for name in proto.output.iter().filter(|name| !name.is_empty()) {
            if constants.contains(name) || !values.insert(name.as_str()) {
                return Err(node.error(format!("a second value named {name}")));
            }
        }
        // Nodes are in the order in which they compute.
        if proto.input.iter().any(|name| name == input) || !constants.fold(node)? {
            left.push(node);
        }
    }
    let (mut value, mut chain) = (input, Vec::new());
    while value != output.name {
        let takes = |node: &Node<'a>| node.proto.input.iter().any(|name| name == value);
        let Some(place) = left.iter().position(takes) else {
            let reason = format!("no node takes the value {value} on its way to the output {}", output.name);
            return Err(WeightsError::file(reason));
        };
        let node = left.remove(place);
        if let Some(other) = left.iter().find(|node| takes(node)) {
            return Err(other.error(format!("the value {value} goes two ways; expected a chain")));
        }
        chain.push((node, value));
        value = node.proto.output.first().ok_or_else(|| node.error("without an output"))?;
    }
    match left.first() {
        Some(node) => Err(node.error("not on the way from the graph's input to its output")),
        None => Ok(chain),
    }
}

/// The rows of the graph's input, which its first dimension counts, and the elements of a row, if they are known.
fn input_sizes(graph: &GraphProto, constants: &Constants<'_>) -> Result<[Option<usize>; 2], WeightsError> {
    let name = inputs(graph, constants).first().copied().unwrap_or_default();
    let input = graph.input.iter().find(|input| input.name == name);
    let tensor = input.and_then(|input| input.r#type.as_ref()).and_then(|of| of.tensor_type.as_ref());
    let Some(TensorTypeProto { elem_type, shape }) = tensor else { return Ok([None; 2]) };
    if ![0, data_type::FLOAT, data_type::DOUBLE, data_type::FLOAT16, data_type::BFLOAT16].contains(elem_type) {
        let reason = format!("numbers of the type {}; expected float", data_type::name(*elem_type));
        return Err(WeightsError::tensor(name, reason));
    }
    let Some([rows, sizes @ ..]) = shape.as_ref().map(|shape| &shape.dim[..]) else { return Ok([None; 2]) };
    let known = |size: &DimensionProto| usize::try_from(size.dim_value?).ok();
    let width = sizes.iter().try_fold(1usize, |width, size| width.checked_mul(known(size)?));
    Ok([known(rows).filter(|rows| *rows > 0), width.filter(|_| !sizes.is_empty())])
}

/// A layer so far.
struct OpenLayer {
    dense: DenseLayer,
    activation: Option<ActivationKind>,
}

/// The layers up to some node.
struct Walk<'a> {
    constants: &'a Constants<'a>,
    layers: Vec<OpenLayer>,
    /// The rows of the graph's input, if their number is fixed.
    rows: Option<usize>,
    /// The elements of a row there, if they are known.
    width: Option<usize>,
}

impl<'a> Walk<'a> {
    /// Takes the next node, which takes `value` from the one before it.
    fn take(&mut self, node: Node<'a>, value: &str) -> Result<(), WeightsError> {
        match node.proto.op_type.as_str() {
            "Gemm" => self.gemm(node, value),
            "MatMul" => {
                let weights = self.matrix(node, value)?;
                self.push(node, DenseLayer::new(&weights, true)?)
            }
            "Add" => {
                let (name, numbers) = self.other(node, value)?;
                let dense = &mut self.open(node)?.dense;
                dense.add(&numbers);
                dense.parts.push(name);
                Ok(())
            }
            "Sub" => {
                let (name, numbers) = self.other(node, value)?;
                if node.proto.input[0] != value {
                    return Err(node.error(format!("expected {value} and then a constant of floats")));
                }
                let dense = &mut self.open(node)?.dense;
                dense.add(&numbers.into_iter().map(|number| -number).collect::<Vec<_>>());
                dense.parts.push(format!("minus {name}"));
                Ok(())
            }
            "Mul" => {
                let (name, numbers) = self.other(node, value)?;
                let dense = &mut self.open(node)?.dense;
                dense.scale(&numbers);
                dense.parts.push(format!("times {name}"));
                Ok(())
            }
            "BatchNormalization" => self.normalise(node, value),
            "Relu" => self.activate(node, ActivationKind::Relu),
            "Sigmoid" => self.activate(node, ActivationKind::Sigmoid),
            "Tanh" => Err(node.error("the engine has no tanh: its activations are sigmoid, ReLU and identity")),
            "Identity" => Ok(()),
            "Cast" => match node.int("to", 0).try_into() {
                Ok(data_type::FLOAT | data_type::DOUBLE) => Ok(()),
                _ => Err(node.error("a cast to another type than float")),
            },
            "Flatten" => match node.int("axis", 1) {
                1 => Ok(()),
                axis => Err(node.error(format!("axis {axis}; expected 1, so that rows stay rows"))),
            },
            "Reshape" => self.reshape(node, value),
            _ => Err(node.error(
                "not known: a dense network has Gemm, MatMul, Add, Sub, Mul, BatchNormalization, Relu, Sigmoid, Identity, \
                 Cast, Flatten and Reshape",
            )),
        }
    }

    /// The second input of a node, a matrix, if the first is the value.
    fn matrix(&self, node: Node<'a>, value: &str) -> Result<Cow<'a, Tensor<'a>>, WeightsError> {
        let [first, second, ..] = &node.proto.input[..] else { return Err(node.error("expected two inputs")) };
        if first != value {
            return Err(node.error(format!("expected {value} and then a matrix of floats")));
        }
        let constant = self.constants.tensor(second)?;
        constant.ok_or_else(|| node.error(format!("expected {value} and then a matrix; {second} is no constant")))
    }

    /// The constant that a node joins with the value: its name, and a number for each output of the last layer. Their order does
    /// not matter.
    fn other(&mut self, node: Node<'a>, value: &str) -> Result<(String, Vec<f64>), WeightsError> {
        let outputs = self.open(node)?.dense.outputs;
        let other = match &node.proto.input[..] {
            [first, second] if first == value => self.constants.tensor(second)?,
            [first, second] if second == value => self.constants.tensor(first)?,
            _ => None,
        };
        let other = other.ok_or_else(|| node.error(format!("expected {value} and a constant of floats")))?;
        Ok((other.name.clone(), broadcast(&other, outputs)?))
    }

    /// The last layer, if it has no activation yet.
    fn open(&mut self, node: Node<'a>) -> Result<&mut OpenLayer, WeightsError> {
        match self.layers.last_mut() {
            None => Err(node.error("before the first dense layer")),
            Some(OpenLayer { activation: Some(_), .. }) => {
                Err(node.error("after an activation; it can be folded only right after a dense layer"))
            }
            Some(layer) => Ok(layer),
        }
    }

    fn push(&mut self, node: Node<'a>, dense: DenseLayer) -> Result<(), WeightsError> {
        if self.layers.len() == MAX_LAYERS {
            return Err(node.error(format!("more than {MAX_LAYERS} layers")));
        }
        if self.width.is_some_and(|width| width != dense.inputs) {
            let (width, inputs) = (self.width.unwrap_or_default(), dense.inputs);
            return Err(node.error(format!("a matrix for {inputs} inputs, where the value has {width} elements")));
        }
        self.width = Some(dense.outputs);
        self.layers.push(OpenLayer { dense, activation: None });
        Ok(())
    }

    /// `y = α · x · W + β · c`, or with `Wᵀ`.
    fn gemm(&mut self, node: Node<'a>, value: &str) -> Result<(), WeightsError> {
        if node.int("transA", 0) != 0 {
            return Err(node.error("transA: its rows would be columns"));
        }
        let weights = self.matrix(node, value)?;
        let mut dense = DenseLayer::new(&weights, node.int("transB", 0) == 0)?;
        dense.scale_weights(node.float("alpha", 1.0));
        if let Some(name) = node.proto.input.get(2).filter(|name| !name.is_empty()) {
            let bias = self.constants.tensor(name)?;
            let bias = bias.ok_or_else(|| node.error(format!("its bias {name} is no constant of floats")))?;
            let beta = node.float("beta", 1.0);
            let numbers: Vec<f64> = broadcast(&bias, dense.outputs)?.into_iter().map(|bias| beta * bias).collect();
            dense.add(&numbers);
            dense.parts.push(bias.name.clone());
        }
        self.push(node, dense)
    }

    fn normalise(&mut self, node: Node<'a>, value: &str) -> Result<(), WeightsError> {
        if node.int("training_mode", 0) != 0 {
            return Err(node.error("in training mode; export the model for inference (model.eval())"));
        }
        let [first, names @ ..] = &node.proto.input[..] else { return Err(node.error("without inputs")) };
        let (true, [scale, shift, mean, variance]) = (first == value, names) else {
            return Err(node.error("expected the value and four constants"));
        };
        let features = self.open(node)?.dense.outputs;
        let read = |name: &String| match self.constants.tensor(name)? {
            Some(tensor) => tensor.vector(features),
            None => Err(node.error(format!("{name} is no constant of floats"))),
        };
        let norm = Normalisation {
            name: mean.clone(),
            variance_name: variance.clone(),
            scale: read(scale)?,
            shift: read(shift)?,
            mean: read(mean)?,
            variance: read(variance)?,
            epsilon: node.float("epsilon", 1e-5),
        };
        self.open(node)?.dense.normalise(&norm)
    }

    fn activate(&mut self, node: Node<'a>, activation: ActivationKind) -> Result<(), WeightsError> {
        if self.layers.last().is_some_and(|layer| layer.activation.is_some()) {
            return Err(node.error("a second activation; a layer has one"));
        }
        self.open(node)?.activation = Some(activation);
        Ok(())
    }

    /// Another shape of the same rows.
    fn reshape(&mut self, node: Node<'a>, value: &str) -> Result<(), WeightsError> {
        let shape = match &node.proto.input[..] {
            [first, shape] if first == value => self.constants.integers(shape),
            _ => None,
        };
        let Some([first, sizes @ ..]) = shape.filter(|shape| shape.len() > 1) else {
            return Err(node.error("expected a constant shape [rows, ...]"));
        };
        // -1 and 0 take what is left, or what was there.
        let rows = self.rows.unwrap_or(1);
        if ![-1, 0].contains(first) && usize::try_from(*first) != Ok(rows) {
            return Err(
                node.error(format!("a shape of {first} rows; expected -1, 0 or {rows}, so that rows stay rows"))
            );
        }
        let width = sizes.iter().try_fold(1usize, |width, size| width.checked_mul(usize::try_from(*size).ok()?));
        let Some(width) = width.filter(|width| *width > 0) else { return Ok(()) };
        if *self.width.get_or_insert(width) != width {
            let before = self.width.unwrap_or_default();
            return Err(node.error(format!("rows of {width} elements, where the value has {before}")));
        }
        Ok(())
    }

    /// The topology of the layers. A layer without an activation has the identity.
    fn topology(&self) -> Result<Topology, WeightsError> {
        let size = |size: usize, layer: &OpenLayer| {
            let reason = format!("a size of {size}; expected 1 to 65535");
            u16::try_from(size)
                .ok()
                .filter(|size| *size > 0)
                .ok_or_else(|| WeightsError::tensor(&layer.dense.name, reason))
        };
        let specs = self.layers.iter().map(|layer| {
            let activation = layer.activation.unwrap_or(ActivationKind::Identity);
            let (inputs, outputs) = (size(layer.dense.inputs, layer)?, size(layer.dense.outputs, layer)?);
            Ok(LayerSpec { inputs, outputs, activation })
        });
        let specs = specs.collect::<Result<Vec<_>, WeightsError>>()?;
        let all = Topology::new(&specs, specs.len()).map_err(|error| WeightsError::file(error.to_string()))?;
        // As the command line reads it: the smallest layer is the code.
        let text = all.to_string();
        text.strip_suffix('*').unwrap_or(&text).parse().map_err(|error| WeightsError::file(format!("{error}")))
    }
}

/// One number for each output: one for all, or as many as there are.
fn broadcast(tensor: &Tensor<'_>, outputs: usize) -> Result<Vec<f64>, WeightsError> {
    if tensor.shape.iter().all(|size| *size == 1) {
        let number = tensor.numbers()?;
        return Ok(vec![number.first().copied().unwrap_or_default(); outputs]);
    }
    tensor.vector(outputs)
}

#[cfg(test)]
mod tests;
