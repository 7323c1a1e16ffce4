use super::super::proto::{
    AttributeProto, NodeProto, StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};
use super::*;
use crate::network::FloatNetwork;
use crate::weights::onnx::write;
use crate::weights::safetensors;

const X: [f32; 2] = [0.5, -2.0];

fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, f32)]) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.into()],
        name: format!("the {operator}"),
        op_type: operator.into(),
        // A reader knows from the operator which field an attribute is in.
        attribute: attributes
            .iter()
            .map(|(name, number)| AttributeProto {
                name: (*name).into(),
                f: *number,
                i: *number as i64,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

fn tensor(name: &str, dims: &[i64], numbers: &[f32]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: data_type::FLOAT,
        float_data: numbers.to_vec(),
        ..Default::default()
    }
}

/// The type of a graph's input. A size of `None` has no number.
fn typed(elem_type: i32, sizes: &[Option<i64>]) -> TypeProto {
    let dim = |size: &Option<i64>| DimensionProto { dim_value: *size, dim_param: None };
    let shape = TensorShapeProto { dim: sizes.iter().map(dim).collect() };
    TypeProto { tensor_type: Some(TensorTypeProto { elem_type, shape: Some(shape) }) }
}

/// `w` [2, 3], `v` [3, 2], `b` [3], `c` [2], a number for all `one`, a shape `rows`, a byte `zero`.
fn constants() -> Vec<TensorProto> {
    let shape = TensorProto {
        name: "rows".into(),
        dims: vec![2],
        data_type: data_type::INT64,
        int64_data: vec![-1, 2],
        ..Default::default()
    };
    vec![
        tensor("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        tensor("v", &[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
        tensor("b", &[3], &[0.25, 0.5, 0.75]),
        tensor("c", &[1, 2], &[10.0, 20.0]),
        tensor("one", &[], &[3.0]),
        shape,
        TensorProto { data_type: 2, ..tensor("zero", &[], &[]) },
    ]
}

fn model(nodes: Vec<NodeProto>) -> ModelProto {
    let named = |name: &str| vec![ValueInfoProto { name: name.into(), r#type: None }];
    let is_taken = |tensor: &TensorProto| nodes.iter().any(|node| node.input.contains(&tensor.name));
    let graph = GraphProto {
        initializer: constants().into_iter().filter(is_taken).collect(),
        node: nodes,
        input: named("x"),
        output: named("y"),
        ..Default::default()
    };
    ModelProto { graph: Some(graph), ..Default::default() }
}

fn read_model(model: &ModelProto) -> Result<Imported, String> {
    read(&model.encode_to_vec(), None).map_err(|error| error.to_string())
}

fn outputs(nodes: Vec<NodeProto>) -> Result<(String, Vec<f32>), String> {
    let network = read_model(&model(nodes))?.network;
    let y = network.layers().fold(X.to_vec(), |x, layer| layer.forward(&x));
    Ok((network.topology().to_string(), y))
}

/// `x·w = [-7.5, -9, -10.5]`
#[test]
fn each_form_of_a_dense_layer_is_the_same_sums() {
    let dense = |nodes| outputs(nodes).unwrap();
    let y = |numbers: [f32; 3]| ("2-3i".to_owned(), numbers.to_vec());
    let sums = y([-7.5, -9.0, -10.5]);
    let with_bias = y([-7.25, -8.5, -9.75]);
    assert_eq!(dense(vec![node("MatMul", &["x", "w"], "y", &[])]), sums);
    assert_eq!(dense(vec![node("Gemm", &["x", "w"], "y", &[])]), sums);
    assert_eq!(dense(vec![node("Gemm", &["x", "v"], "y", &[("transB", 1.0)])]), sums);
    assert_eq!(dense(vec![node("Gemm", &["x", "w", "b"], "y", &[])]), with_bias);
    assert_eq!(dense(vec![node("Gemm", &["x", "w", ""], "y", &[])]), sums);
    assert_eq!(
        dense(vec![node("Gemm", &["x", "w", "b"], "y", &[("alpha", 2.0), ("beta", 4.0)])]),
        y([-14.0, -16.0, -18.0])
    );
    assert_eq!(dense(vec![node("Gemm", &["x", "w", "one"], "y", &[("beta", -1.0)])]), y([-10.5, -12.0, -13.5]));
    for inputs in [["s", "b"], ["b", "s"]] {
        assert_eq!(dense(vec![node("MatMul", &["x", "w"], "s", &[]), node("Add", &inputs, "y", &[])]), with_bias);
    }
    let then = |operator: &str, other: &str| {
        dense(vec![node("Gemm", &["x", "w"], "s", &[]), node(operator, &["s", other], "y", &[])])
    };
    assert_eq!(then("Sub", "b"), y([-7.75, -9.5, -11.25]));
    assert_eq!(then("Mul", "b"), y([-1.875, -4.5, -7.875]));
    assert_eq!(then("Mul", "one"), y([-22.5, -27.0, -31.5]));
    let transposed = vec![
        node("Transpose", &["v"], "t", &[]),
        node("Identity", &["t"], "u", &[]),
        node("MatMul", &["x", "u"], "y", &[]),
    ];
    assert_eq!(dense(transposed), sums);
}

#[test]
fn activations_shapes_and_normalisation_around_a_layer_are_read() {
    let nodes = vec![
        node("Flatten", &["x"], "f", &[]),
        node("Cast", &["f"], "g", &[("to", 1.0)]),
        node("MatMul", &["g", "w"], "s", &[]),
        node("Relu", &["s"], "r", &[]),
        node("Gemm", &["r", "v"], "t", &[]),
        node("BatchNormalization", &["t", "c", "c", "c", "c"], "n", &[("epsilon", 5.0)]),
        node("Sigmoid", &["n"], "u", &[]),
        node("Reshape", &["u", "rows"], "v2", &[("allowzero", 1.0)]),
        node("Identity", &["v2"], "y", &[]),
    ];
    let (topology, y) = outputs(nodes.clone()).unwrap();
    assert_eq!(topology, "2-3r-2");
    // The ReLU gives 0: (0 - mean)·γ/√(variance + 5) + β, with all four 10 and 20.
    let expected = [-100.0f32 / 15f32.sqrt() + 10.0, -400.0 / 25f32.sqrt() + 20.0].map(|z| 1.0 / (1.0 + (-z).exp()));
    assert!(y.iter().zip(expected).all(|(y, expected)| (y - expected).abs() < 1e-6), "{y:?} {expected:?}");
    // The order of the nodes in the file is not that of the chain.
    let mut reversed = nodes;
    reversed.reverse();
    assert_eq!(outputs(reversed).unwrap(), (topology, y));
}

#[test]
fn a_node_that_cannot_be_read_is_named() {
    let dense = || node("MatMul", &["x", "w"], "s", &[]);
    let after = |operator: &str, inputs: &[&str], attributes: &[(&str, f32)]| {
        vec![dense(), node(operator, inputs, "y", attributes)]
    };
    let only =
        |operator: &str, inputs: &[&str], attributes: &[(&str, f32)]| vec![node(operator, inputs, "y", attributes)];
    for (nodes, expected) in [
        (
            after("Tanh", &["s"], &[]),
            "the Tanh (Tanh): the engine has no tanh: its activations are sigmoid, ReLU and identity",
        ),
        (after("Softmax", &["s"], &[]), "the Softmax (Softmax): not known: a dense network has Gemm, "),
        (after("Flatten", &["s"], &[("axis", 0.0)]), "the Flatten (Flatten): axis 0; expected 1"),
        (after("Reshape", &["s", "rows"], &[]), "the Reshape (Reshape): rows of 2 elements, where the value has 3"),
        (after("Reshape", &["s", "b"], &[]), "the Reshape (Reshape): expected a constant shape [rows, ...]"),
        (after("Cast", &["s"], &[("to", 10.0)]), "the Cast (Cast): a cast to another type than float"),
        (
            after("BatchNormalization", &["s", "b", "b", "b", "b"], &[("training_mode", 1.0)]),
            "the BatchNormalization (BatchNormalization): in training mode; ",
        ),
        (
            after("BatchNormalization", &["s", "b", "b", "b", "z"], &[]),
            "the BatchNormalization (BatchNormalization): z is no constant of floats",
        ),
        (
            after("BatchNormalization", &["s", "b"], &[]),
            "the BatchNormalization (BatchNormalization): expected the value and four constants",
        ),
        (after("Add", &["s", "s"], &[]), "the Add (Add): expected s and a constant of floats"),
        (after("Sub", &["b", "s"], &[]), "the Sub (Sub): expected s and then a constant of floats"),
        (
            after("MatMul", &["s", "w"], &[]),
            "the MatMul (MatMul): a matrix for 2 inputs, where the value has 3 elements",
        ),
        (only("MatMul", &["w", "x"], &[]), "the MatMul (MatMul): expected x and then a matrix of floats"),
        (
            only("MatMul", &["x", "nowhere"], &[]),
            "the MatMul (MatMul): expected x and then a matrix; nowhere is no constant",
        ),
        (only("Gemm", &["x", "w"], &[("transA", 1.0)]), "the Gemm (Gemm): transA: its rows would be columns"),
        (only("Gemm", &["x", "w", "nowhere"], &[]), "the Gemm (Gemm): its bias nowhere is no constant of floats"),
        (only("Relu", &["x"], &[]), "the Relu (Relu): before the first dense layer"),
        (only("Add", &["x", "b"], &[]), "the Add (Add): before the first dense layer"),
        (
            vec![dense(), node("Relu", &["s"], "r", &[]), node("Add", &["r", "b"], "y", &[])],
            "the Add (Add): after an activation; it can be folded only right after a dense layer",
        ),
        (
            vec![dense(), node("Relu", &["s"], "r", &[]), node("Sigmoid", &["r"], "y", &[])],
            "the Sigmoid (Sigmoid): a second activation; a layer has one",
        ),
        (after("QuantizeLinear", &["s", "one", "zero"], &[]), "the QuantizeLinear (QuantizeLinear): not known: "),
        (
            vec![node("DequantizeLinear", &["zero", "one", "zero"], "d", &[]), node("MatMul", &["x", "d"], "y", &[])],
            "the DequantizeLinear (DequantizeLinear): computes a constant; ",
        ),
        (
            vec![dense(), node("Add", &["nowhere", "b"], "y", &[])],
            "no node takes the value s on its way to the output y",
        ),
        (
            vec![dense(), node("Relu", &["s"], "y", &[]), node("Sigmoid", &["s"], "z", &[])],
            "the Sigmoid (Sigmoid): the value s goes two ways; expected a chain",
        ),
        (
            vec![node("MatMul", &["x", "w"], "y", &[]), node("Neg", &["nowhere"], "z", &[])],
            "the Neg (Neg): not on the way from the graph's input to its output",
        ),
        (
            vec![node("MatMul", &["x", "w"], "y", &[]), node("Relu", &["y"], "y", &[])],
            "the Relu (Relu): a second value named y",
        ),
        (
            vec![node("MatMul", &["x", "w"], "s", &[]), node("Relu", &["s"], "x", &[])],
            "the Relu (Relu): a second value named x",
        ),
        (vec![node("MatMul", &["x", "w"], "w", &[])], "the MatMul (MatMul): a second value named w"),
        (vec![node("Neg", &["b"], "d", &[])], "the Neg (Neg): computes a constant; only Constant, Identity and "),
        (vec![node("Transpose", &["rows"], "d", &[])], "the Transpose (Transpose): expected a matrix to transpose"),
        (vec![node("Constant", &[], "d", &[])], "the Constant (Constant): a constant that is no tensor"),
        (
            vec![NodeProto { domain: "com.microsoft".into(), ..dense() }],
            "the MatMul (MatMul): an operator of com.microsoft; ",
        ),
        (vec![NodeProto { name: String::new(), ..node("Tanh", &["x"], "y", &[]) }], "0 (Tanh): the engine has no tanh"),
        (vec![NodeProto { output: Vec::new(), ..dense() }], "the MatMul (MatMul): without an output"),
    ] {
        let said = outputs(nodes).unwrap_err();
        let expected = if expected.starts_with("no node") { expected.to_owned() } else { format!("node {expected}") };
        assert!(said.starts_with(&expected), "{said}\n{expected}");
    }
}

#[test]
fn more_layers_than_a_network_can_have_are_refused() {
    let mut seventeen: Vec<NodeProto> = Vec::new();
    for i in 0..17 {
        let (from, to) = (
            if i == 0 { "x".into() } else { format!("v{i}") },
            if i == 16 { "y".into() } else { format!("v{}", i + 1) },
        );
        seventeen.push(node("MatMul", &[&from, "square"], &to, &[]));
    }
    let mut model = model(seventeen);
    model.graph.as_mut().unwrap().initializer.push(tensor("square", &[2, 2], &[1.0; 4]));
    assert_eq!(read_model(&model).unwrap_err(), "node the MatMul (MatMul): more than 16 layers");
}

#[test]
fn a_graph_or_a_constant_that_cannot_be_read_is_named() {
    let said = |change: &dyn Fn(&mut ModelProto)| {
        let mut model = model(vec![node("MatMul", &["x", "w"], "y", &[])]);
        change(&mut model);
        read_model(&model).unwrap_err()
    };
    let w =
        |change: &dyn Fn(&mut TensorProto)| said(&|model| change(&mut model.graph.as_mut().unwrap().initializer[0]));
    let graph = |change: &dyn Fn(&mut GraphProto)| said(&|model| change(model.graph.as_mut().unwrap()));
    assert_eq!(said(&|model| model.graph = None), "not an ONNX graph: it has no nodes");
    assert_eq!(graph(&|graph| graph.node.clear()), "not an ONNX graph: it has no nodes");
    assert_eq!(
        graph(&|graph| graph.node = vec![graph.node[0].clone(); 5000]),
        "5000 nodes; a dense network has at most 4096"
    );
    let old = said(&|model| {
        model.opset_import.push(super::super::proto::OperatorSetIdProto { domain: String::new(), version: 6 });
    });
    assert_eq!(old, "operators of version 6; expected 7 or later");
    assert_eq!(graph(&|graph| graph.input.clear()), "0 inputs: ; expected one");
    assert_eq!(
        graph(&|graph| graph.input.push(ValueInfoProto { name: "z".into(), r#type: None })),
        "2 inputs: x, z; expected one"
    );
    assert_eq!(graph(&|graph| graph.output.clear()), "0 outputs; expected one");
    let twice = graph(&|graph| graph.initializer.push(graph.initializer[0].clone()));
    assert_eq!(twice, "w: a second constant of this name");
    let left_over = |data_type: i32| {
        graph(&|graph| graph.initializer.push(TensorProto { data_type, ..tensor("left", &[1], &[1.0]) }))
    };
    for data_type in [data_type::FLOAT, data_type::INT64, 2] {
        assert_eq!(left_over(data_type), "left: unused: no node takes it");
    }
    assert_eq!(w(&|w| w.dims = vec![2, -3]), "w: of shape [2, -3], which has a negative size");
    assert_eq!(w(&|w| w.dims = vec![2, 2]), "w: 24 bytes, which is not the length of a tensor of shape [2, 2]");
    assert_eq!(w(&|w| w.dims = vec![6]), "w: of shape [6]; expected a matrix of 1 to 65535 rows and columns");
    assert_eq!(w(&|w| w.float_data[4] = f32::INFINITY), "w: inf at index [1, 1]");
    assert_eq!(w(&|w| w.data_type = 3), "w: numbers of the type int8; expected float, double, float16 or bfloat16");
    let entry = StringStringEntryProto { key: "location".into(), value: "w.data".into() };
    let elsewhere = "w: its numbers are in another file; write one file with all of them: onnx.save(model, path), torch.onnx.export(..., external_data=False)";
    assert_eq!(w(&|w| w.external_data = vec![entry.clone()]), elsewhere);
    assert_eq!(w(&|w| w.data_location = 1), elsewhere);
    assert_eq!(
        graph(&|graph| graph.input[0].r#type = Some(typed(2, &[Some(1), Some(2)]))),
        "x: numbers of the type uint8; expected float"
    );
    let wide = "node the MatMul (MatMul): a matrix for 2 inputs, where the value has 12 elements";
    assert_eq!(graph(&|graph| graph.input[0].r#type = Some(typed(1, &[Some(1), Some(3), Some(4)]))), wide);
    let bad = |value: &str| {
        said(&|model| model.metadata_props = vec![StringStringEntryProto { key: KEY.into(), value: value.into() }])
    };
    assert!(bad("{").starts_with("its metadata `autoencoder`: EOF"));
    assert!(
        bad(r#"{"layers":"2-x","steps":1,"code_bits":8}"#)
            .starts_with("its metadata `autoencoder`: layers \"2-x\": part 2")
    );
    assert_eq!(bad(r#"{"layers":"2-3","steps":1,"code_bits":8}"#), "a graph of 2-3i; its metadata names 2-3");
    assert_eq!(bad(r#"{"layers":"2-3i","steps":1,"code_bits":9}"#), "its metadata: a code of 9 bits; expected 1 to 8");
    let section = r#"{"layers":"2-3i","steps":1,"code_bits":8,"input":{"offset":[],"gain":[],"section":"0"}}"#;
    assert_eq!(bad(section), "its metadata `autoencoder`: input.section is no input section of a blob");
}

/// For people: everything that a layer was made of.
#[test]
fn the_parts_of_a_layer_are_named() {
    let parts = |nodes| read_model(&model(nodes)).unwrap().parts;
    let nodes = vec![
        node("Gemm", &["x", "w", "b"], "s", &[]),
        node("Sub", &["s", "b"], "t", &[]),
        node("Relu", &["t"], "r", &[]),
        node("Transpose", &["w"], "tr", &[]),
        node("MatMul", &["r", "tr"], "u", &[]),
        node("Add", &["c", "u"], "v2", &[]),
        node("Mul", &["v2", "one"], "m", &[]),
        node("BatchNormalization", &["m", "c", "c", "c", "c"], "y", &[]),
    ];
    assert_eq!(parts(nodes), ["w [2, 3], b, minus b", "w [3, 2], c, times one, c folded, epsilon 0.00001"]);
    assert_eq!(parts(vec![node("Gemm", &["x", "v"], "y", &[("transB", 1.0)])]), ["v [3, 2]"]);
}

#[test]
fn a_variance_that_is_negative_is_named() {
    let mut model = model(vec![
        node("MatMul", &["x", "w"], "s", &[]),
        node("BatchNormalization", &["s", "b", "b", "b", "variance"], "y", &[]),
    ]);
    model.graph.as_mut().unwrap().initializer.push(tensor("variance", &[3], &[1.0, -2.0, 1.0]));
    let error = read_model(&model).unwrap_err();
    assert!(error.starts_with("variance: a variance plus epsilon of -1.99999"), "{error}");
    assert!(error.ends_with(" at index [1]; expected a positive number"), "{error}");
}

#[test]
fn an_epsilon_that_is_no_finite_number_is_named() {
    for epsilon in [f32::NAN, f32::INFINITY] {
        let nodes = vec![
            node("MatMul", &["x", "w"], "s", &[]),
            node("BatchNormalization", &["s", "b", "b", "b", "b"], "y", &[("epsilon", epsilon)]),
        ];
        let expected = format!("b: a variance plus epsilon of {epsilon} at index [0]; expected a positive number");
        assert_eq!(read_model(&model(nodes)).unwrap_err(), expected);
    }
}

/// A shape of two rows takes the elements of each row from several of them, or from a part of one.
#[test]
fn a_shape_keeps_the_rows() {
    let read = |rows: Option<i64>, shape: [i64; 2]| {
        let nodes = vec![node("Reshape", &["x", "shape"], "s", &[]), node("MatMul", &["s", "w"], "y", &[])];
        let mut model = model(nodes);
        let graph = model.graph.as_mut().unwrap();
        graph.input[0].r#type = Some(typed(1, &[rows, Some(2)]));
        let shape = TensorProto { name: "shape".into(), dims: vec![2], int64_data: shape.into(), ..Default::default() };
        graph.initializer.push(TensorProto { data_type: data_type::INT64, ..shape });
        read_model(&model).map(|_| ())
    };
    let refused = |first: i64, rows: i64| {
        let reason = format!("a shape of {first} rows; expected -1, 0 or {rows}, so that rows stay rows");
        Err(format!("node the Reshape (Reshape): {reason}"))
    };
    for (rows, shape, expected) in [
        (None, [-1, 2], Ok(())),
        (None, [0, -1], Ok(())),
        (None, [1, -1], Ok(())),
        (None, [2, -1], refused(2, 1)),
        (None, [-2, -1], refused(-2, 1)),
        (Some(4), [4, -1], Ok(())),
        (Some(4), [4, 2], Ok(())),
        (Some(4), [2, -1], refused(2, 4)),
        (Some(4), [1, -1], refused(1, 4)),
    ] {
        assert_eq!(read(rows, shape), expected, "{rows:?} {shape:?}");
    }
}

/// The command line may say which layer is the code, of a graph and of tensors.
#[test]
fn the_place_of_the_code_may_be_another_than_that_of_the_metadata() {
    let network = FloatNetwork::new(&"4-3-2-3-4".parse().unwrap());
    let metadata = Metadata::new(network.topology(), 7, 8, &[]).unwrap();
    let named: Topology = "4-3*-2-3-4".parse().unwrap();
    let [graph, tensors] = [
        read(&write(&network, &metadata).unwrap(), Some(&named)),
        safetensors::read(&safetensors::write(&network, &metadata).unwrap(), Some(&named), None),
    ]
    .map(|read| read.unwrap().network.topology().to_string());
    assert_eq!((graph.as_str(), tensors.as_str()), ("4-3*-2-3-4", "4-3*-2-3-4"));
}

/// Names from a file may hold anything.
#[test]
fn control_characters_are_not_printed() {
    let nodes = |name: &str| vec![NodeProto { name: name.into(), ..node("Tanh", &["x"], "y", &[]) }];
    let error = outputs(nodes("\u{1b}[31m")).unwrap_err();
    assert!(error.starts_with("node \\u{1b}[31m (Tanh): "), "{error}");
    let mut model = model(vec![node("MatMul", &["x", "w\n"], "y", &[])]);
    let w = TensorProto { name: "w\n".into(), ..constants().swap_remove(0) };
    model.graph.as_mut().unwrap().initializer.push(w);
    assert_eq!(read_model(&model).unwrap().parts, ["w\\n [2, 3]"]);
}

/// Halves in the typed field, and numbers in raw bytes.
#[test]
fn numbers_are_read_from_either_field_of_their_type() {
    let bits = |numbers: &[f32]| {
        numbers.iter().map(|number| i32::from(half::f16::from_f32(*number).to_bits())).collect::<Vec<_>>()
    };
    let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let half_tensor = TensorProto {
        data_type: data_type::FLOAT16,
        int32_data: bits(&numbers),
        float_data: Vec::new(),
        ..tensor("w", &[2, 3], &[])
    };
    let double = TensorProto {
        data_type: data_type::DOUBLE,
        double_data: numbers.map(f64::from).to_vec(),
        ..tensor("w", &[2, 3], &[])
    };
    let raw = TensorProto {
        raw_data: numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        ..tensor("w", &[2, 3], &[])
    };
    for w in [half_tensor, double, raw] {
        let mut model = model(vec![node("Gemm", &["x", "w"], "y", &[])]);
        model.graph.as_mut().unwrap().initializer[0] = w;
        let network = read_model(&model).unwrap().network;
        assert_eq!(network.layer(0).weights, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}

#[test]
fn a_network_that_was_written_is_read_as_it_was() {
    for topology in ["5-3-5", "5-4r-3i-2-5i", "7-7i", "3-2*", "4-8-4*-4r-4"] {
        let mut network = FloatNetwork::new(&topology.parse().unwrap());
        network.parameters_mut().iter_mut().enumerate().for_each(|(i, x)| *x = (i as f32 * 0.7).sin());
        let metadata = Metadata::new(network.topology(), 7, 5, &[]).unwrap();
        let bytes = write(&network, &metadata).unwrap();
        let read = read(&bytes, None).unwrap();
        assert_eq!((read.network, read.steps, read.code_bits), (network, 7, 5));
        assert!(read.input.is_empty());
    }
}
