//! A network as an ONNX graph: `Gemm`, and `Sigmoid` or `Relu` after it.

use super::proto::{
    AttributeProto, DimensionProto, GraphProto, INT, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use crate::network::FloatNetwork;
use crate::weights::WeightsError;
use crate::weights::metadata::{KEY, Metadata};
use autoencoder_core::activation::ActivationKind;
use prost::Message;
use zerocopy::IntoBytes;

/// The version of the format and of the operators: any runtime since 2020 reads them.
const IR_VERSION: i64 = 7;
/// See [`IR_VERSION`].
const OPSET: i64 = 13;

/// The most bytes of a message that runtimes read.
const MOST_BYTES: usize = i32::MAX as usize;

/// Writes a network. Its input is `input` [rows, inputs], its output `output` [rows, outputs]. The outputs of the layers before the
/// last are `layer.0`, `layer.1`, and so on. Returns an error if the network is too large for the format.
pub fn write(network: &FloatNetwork, metadata: &Metadata) -> Result<Vec<u8>, WeightsError> {
    let topology = network.topology();
    let last = topology.layers().len() - 1;
    let (mut node, mut initializer, mut value) = (Vec::new(), Vec::new(), "input".to_owned());
    for (i, layer) in network.layers().enumerate() {
        let [weight, bias] = ["weight", "bias"].map(|name| format!("{}.{name}", 2 * i));
        let [inputs, outputs] = layer.spec.sizes();
        initializer.push(tensor(&weight, &[outputs, inputs], layer.weights));
        initializer.push(tensor(&bias, &[outputs], layer.bias));
        let output = if i == last { "output".to_owned() } else { format!("layer.{i}") };
        let operator = match layer.spec.activation {
            ActivationKind::Sigmoid => Some("Sigmoid"),
            ActivationKind::Relu => Some("Relu"),
            ActivationKind::Identity => None,
        };
        let sums = if operator.is_some() { format!("layer.{i}.sums") } else { output.clone() };
        let transposed = AttributeProto { name: "transB".into(), i: 1, r#type: INT, ..Default::default() };
        node.push(NodeProto {
            input: vec![value, weight, bias],
            output: vec![sums.clone()],
            name: format!("{}", 2 * i),
            op_type: "Gemm".into(),
            attribute: vec![transposed],
            ..Default::default()
        });
        if let Some(operator) = operator {
            node.push(NodeProto {
                input: vec![sums],
                output: vec![output.clone()],
                name: format!("{}", 2 * i + 1),
                op_type: operator.into(),
                ..Default::default()
            });
        }
        value = output;
    }
    let graph = GraphProto {
        node,
        name: "autoencoder".into(),
        initializer,
        input: vec![rows("input", topology.inputs())],
        output: vec![rows("output", topology.outputs())],
    };
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "autoencoder".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: vec![StringStringEntryProto { key: KEY.into(), value: metadata.to_json() }],
    };
    let bytes = model.encoded_len();
    if bytes > MOST_BYTES {
        return Err(WeightsError::file(format!("{bytes} bytes; ONNX takes at most {MOST_BYTES}: export safetensors")));
    }
    Ok(model.encode_to_vec())
}

fn tensor(name: &str, shape: &[usize], numbers: &[f32]) -> TensorProto {
    TensorProto {
        dims: shape.iter().map(|size| *size as i64).collect(),
        data_type: data_type::FLOAT,
        name: name.into(),
        raw_data: numbers.as_bytes().to_vec(),
        ..Default::default()
    }
}

/// `[rows, width]` floats.
fn rows(name: &str, width: usize) -> ValueInfoProto {
    let rows = DimensionProto { dim_param: Some("rows".into()), dim_value: None };
    let width = DimensionProto { dim_value: Some(width as i64), dim_param: None };
    let shape = TensorShapeProto { dim: vec![rows, width] };
    let tensor = TensorTypeProto { elem_type: data_type::FLOAT, shape: Some(shape) };
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}
