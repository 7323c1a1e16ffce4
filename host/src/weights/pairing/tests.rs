use super::*;
use crate::weights::tensor::Element;

/// A name and a shape.
type Named<'a> = (&'a str, &'a [usize]);

/// A tensor of ones, or of `number`.
fn filled(name: &str, shape: &[usize], number: f32) -> Tensor<'static> {
    let bytes: Vec<u8> = (0..shape.iter().product()).flat_map(|_: usize| number.to_le_bytes()).collect();
    Tensor::new(name, shape.to_vec(), Element::F32, bytes).unwrap()
}

fn tensors(named: &[Named<'_>]) -> Vec<Tensor<'static>> {
    named.iter().map(|(name, shape)| filled(name, shape, 1.0)).collect()
}

/// The layers that `--layers` names.
fn layers(
    tensors: Vec<Tensor<'_>>,
    topology: &str,
    convention: Option<Convention>,
) -> Result<Vec<DenseLayer>, WeightsError> {
    let topology = &topology.parse().unwrap();
    super::layers(tensors, Wanted { topology, source: "--layers", convention })
}

fn paired(named: &[Named<'_>], topology: &str, convention: Option<Convention>) -> Result<Vec<String>, String> {
    let layers = layers(tensors(named), topology, convention).map_err(|error| error.to_string())?;
    Ok(layers.into_iter().map(|layer| layer.parts.join(", ")).collect())
}

fn said(named: &[Named<'_>], topology: &str) -> String {
    paired(named, topology, None).unwrap_err()
}

#[test]
fn layer_10_comes_after_layer_2() {
    let names = ["10.weight", "0.weight", "2.weight", "4.weight", "6.weight", "8.weight"];
    let sizes = [[7, 6], [2, 1], [3, 2], [4, 3], [5, 4], [6, 5]];
    let named: Vec<Named<'_>> = names.iter().zip(&sizes).map(|(name, shape)| (*name, &shape[..])).collect();
    let parts = paired(&named, "1-2-3-4-5-6-7", None).unwrap();
    let firsts: Vec<&str> = parts.iter().map(|parts| parts.split(' ').next().unwrap()).collect();
    assert_eq!(firsts, ["0.weight", "2.weight", "4.weight", "6.weight", "8.weight", "10.weight"]);
}

#[test]
fn names_or_shapes_say_the_orientation_and_a_square_without_either_is_a_question() {
    let orientation = |named: &[Named<'_>], convention| {
        let weights: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let shape = named[0].1.to_vec();
        let bytes: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
        let matrix = Tensor::new(named[0].0, shape, Element::F32, bytes).unwrap();
        let layer = layers(vec![matrix], "3-2", convention).map_err(|error| error.to_string())?;
        let (mut weights, mut bias) = ([0.0; 6], [0.0; 2]);
        layer[0].write(&mut weights, &mut bias).map_err(|error| error.to_string())?;
        Ok::<_, String>(weights)
    };
    let (as_it_is, transposed) = ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
    assert_eq!(orientation(&[("a.weight", &[2, 3])], None).unwrap(), as_it_is);
    assert_eq!(orientation(&[("a.kernel", &[3, 2])], None).unwrap(), transposed);
    assert_eq!(orientation(&[("a.w", &[2, 3])], None).unwrap(), as_it_is);
    assert_eq!(orientation(&[("a.w", &[3, 2])], None).unwrap(), transposed);
    assert_eq!(orientation(&[("a.weight", &[3, 2])], Some(Convention::Jax)).unwrap(), transposed);
    assert_eq!(orientation(&[("a.kernel", &[2, 3])], Some(Convention::Torch)).unwrap(), as_it_is);
    let expected = "a.weight: of shape [3, 2], where layer 1 of --layers, 3 to 2, takes [2, 3]; if it is [inputs, outputs], give --format jax";
    assert_eq!(orientation(&[("a.weight", &[3, 2])], None).unwrap_err(), expected);
    let expected = "a.w: of shape [1, 6], where layer 1 of --layers, 3 to 2, takes [2, 3] or [3, 2]";
    assert_eq!(orientation(&[("a.w", &[1, 6])], None).unwrap_err(), expected);

    let square: [Named<'_>; 2] = [("0.w", &[4, 4]), ("1.w", &[4, 4])];
    let question = "0.w: is it [outputs, inputs] as in torch, or [inputs, outputs] as in Keras and JAX? Neither its name nor its shape \
                    [4, 4] says: give --format";
    assert_eq!(said(&square, "4-4-4"), question);
    for convention in [Convention::Torch, Convention::Keras, Convention::Jax] {
        assert_eq!(paired(&square, "4-4-4", Some(convention)).unwrap().len(), 2);
    }
    assert!(paired(&[("0.kernel", &[4, 4])], "4-4", None).is_ok());
}

#[test]
fn a_tensor_that_is_missing_or_unused_is_named() {
    let weight: Named<'_> = ("0.weight", &[2, 2]);
    let cases: [(&[Named<'_>], &str); 14] = [
        (&[], "no dense layer: expected tensors named PREFIX.weight (torch) or PREFIX.kernel (Keras, JAX)"),
        (
            &[weight, ("0.bias", &[2]), ("2.weight", &[2, 2])],
            "2.weight: its bias is missing, and other layers have one; if this one has none, store a bias of zeros",
        ),
        (&[weight, ("2.bias", &[2])], "2.weight: missing: there is a bias without a matrix"),
        (
            &[weight, ("1.weight", &[2]), ("1.bias", &[2])],
            "1.weight: of shape [2]; expected a matrix, or the running mean and variance of batch normalisation beside it",
        ),
        (
            &[weight, ("conv.weight", &[2, 1, 3, 3])],
            "conv.weight: of shape [2, 1, 3, 3]; expected a matrix, or the running mean and variance of batch normalisation beside it",
        ),
        (&[weight, ("0.mask", &[2])], "0.mask: unused: no part of the dense layer of 0.weight"),
        (&[weight, ("0.weight_2", &[2, 2])], "0.weight_2: a second matrix beside 0.weight; each needs a prefix"),
        (&[("W1", &[2, 2]), ("W2", &[2, 2])], "W2: a second matrix beside W1; each needs a prefix"),
        (&[weight, ("state", &[])], "state: unused: no part of a dense layer or of batch normalisation"),
        (&[weight, ("0/weight", &[2, 2])], "0/weight: the same part of the network as 0.weight"),
        (&[weight, ("0.bias", &[3]), ("2.weight", &[2, 2]), ("2.bias", &[2])], "0.bias: of shape [3]; expected [2]"),
        (&[weight, ("1.running_mean", &[2])], "1.running_var: missing: batch normalisation has a mean and a variance"),
        (&[weight, ("bn/gamma", &[2])], "bn/moving_mean: missing: batch normalisation has a mean and a variance"),
        (
            &[weight, ("1.running_mean", &[2]), ("1.running_var", &[2]), ("1.x", &[2])],
            "1.x: unused: no part of the batch normalisation of 1.running_mean",
        ),
    ];
    for (named, expected) in cases {
        assert_eq!(said(named, "2-2-2"), expected);
    }
    let count = "1 matrix, where --layers has 2 layers: 0.weight";
    assert_eq!(said(&[weight], "2-2-2"), count);
    assert!(
        paired(
            &[weight, ("1.running_mean", &[2]), ("1.running_var", &[2]), ("1.num_batches_tracked", &[])],
            "2-2",
            None
        )
        .is_ok()
    );
}

#[test]
fn batch_normalisation_is_folded_into_its_layer() {
    let numbers = |name: &str, numbers: &[f32], shape: &[usize]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Tensor::new(name, shape.to_vec(), Element::F32, bytes).unwrap()
    };
    // z = w·x + b; (z - mean)/√(variance + ε)·γ + β, of which Keras' ε is 0.001.
    for (names, epsilon) in [
        (["1.weight", "1.bias", "1.running_mean", "1.running_var"], 1e-5_f64),
        (["bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance"], 1e-3),
        (
            [
                "params.BatchNorm_0.scale",
                "params.BatchNorm_0.bias",
                "batch_stats.BatchNorm_0.mean",
                "batch_stats.BatchNorm_0.var",
            ],
            1e-5,
        ),
    ] {
        let tensors = vec![
            numbers("0.weight", &[2.0, 3.0], &[2, 1]),
            numbers("0.bias", &[0.5, -0.5], &[2]),
            numbers(names[0], &[1.5, -2.0], &[2]),
            numbers(names[1], &[0.25, 0.75], &[2]),
            numbers(names[2], &[1.0, -1.0], &[2]),
            numbers(names[3], &[0.01, 4.0], &[2]),
        ];
        let layers = layers(tensors, "1-2r", None).unwrap();
        let (mut weights, mut bias) = ([0.0; 2], [0.0; 2]);
        layers[0].write(&mut weights, &mut bias).unwrap();
        let expected = |x: f64| {
            let z = [2.0 * x + 0.5, 3.0 * x - 0.5];
            [(z[0] - 1.0) / (0.01 + epsilon).sqrt() * 1.5 + 0.25, -((z[1] + 1.0) / (4.0 + epsilon).sqrt() * 2.0) + 0.75]
        };
        for x in [0.0, 1.0, -3.0] {
            let found = [0, 1].map(|i| f64::from(weights[i]) * x + f64::from(bias[i]));
            for (found, expected) in found.into_iter().zip(expected(x)) {
                assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "{names:?}: {found} {expected}");
            }
        }
    }
}

#[test]
fn batch_normalisation_whose_layer_is_not_known_is_refused() {
    let bn = |prefix: &str| [format!("{prefix}.running_mean"), format!("{prefix}.running_var")];
    let of = |dense: &[(&str, [usize; 2])], norms: &[(&str, usize)], topology: &str| {
        let mut all: Vec<Tensor<'_>> = dense.iter().map(|(name, shape)| filled(name, shape, 1.0)).collect();
        for (prefix, features) in norms {
            all.extend(bn(prefix).map(|name| filled(&name, &[*features], 1.0)));
        }
        let layers = layers(all, topology, None).map_err(|error| error.to_string())?;
        Ok::<Vec<bool>, String>(
            layers.iter().map(|layer| layer.parts.iter().any(|part| part.contains("folded"))).collect(),
        )
    };
    let four = [("fc1.weight", [8, 12]), ("fc2.weight", [3, 8]), ("fc3.weight", [8, 3]), ("fc4.weight", [12, 8])];
    let topology = "12-8-3-8-12";
    assert_eq!(of(&four, &[("bn1", 8), ("bn2", 3), ("bn3", 8)], topology), Ok(vec![true, true, true, false]));
    assert_eq!(of(&four, &[("norm", 3)], topology), Ok(vec![false, true, false, false]));
    let error = of(&four, &[("bn1", 8)], topology).unwrap_err();
    assert!(
        error.starts_with(
            "bn1.*: which dense layers does batch normalisation follow? Several, or the network's inputs, have as many"
        ),
        "{error}"
    );
    let error = of(&four, &[("bn1", 7)], topology).unwrap_err();
    assert!(error.starts_with("bn1.*: no dense layers with [7] outputs"), "{error}");
    // Blocks, each with one of both.
    let blocks = [("a.0.fc.weight", [8, 8]), ("a.1.fc.weight", [8, 8]), ("a.2.fc.weight", [8, 8])];
    assert_eq!(of(&blocks, &[("a.1.bn", 8)], "8-8-8-8"), Ok(vec![false, true, false]));
    // In a Sequential, ReLU may lie between.
    let sequential = [("0.weight", [8, 8]), ("3.weight", [8, 8])];
    assert_eq!(of(&sequential, &[("1", 8)], "8-8-8"), Ok(vec![true, false]));
    assert_eq!(of(&sequential, &[("4", 8)], "8-8-8"), Ok(vec![false, true]));
    let error = of(&sequential, &[("2", 8)], "8-8-8").unwrap_err();
    assert!(error.starts_with("2.*: batch normalisation is folded into the dense layer right before it"), "{error}");
    let mut negative = tensors(&[("0.weight", &[2, 2]), ("1.running_mean", &[2])]);
    negative.push(filled("1.running_var", &[2], -1.0));
    let error = layers(negative, "2-2", None).unwrap_err().to_string();
    assert_eq!(error, "1.running_var: a variance plus epsilon of -0.99999 at index [0]; expected a positive number");
}

#[test]
fn numbers_that_are_not_finite_in_an_f32_are_named() {
    let mut named = tensors(&[("0.weight", &[2, 2])]);
    named.push(filled("0.bias", &[2], f32::NAN));
    let error = layers(named, "2-2", None).unwrap_err().to_string();
    assert_eq!(error, "0.bias: NaN at index [0]");
    let large = Tensor::new("0.weight", vec![1, 1], Element::F64, 1e300f64.to_le_bytes().to_vec()).unwrap();
    let layer = &layers(vec![large], "1-1", None).unwrap()[0];
    let error = layer.write(&mut [0.0], &mut [0.0]).unwrap_err().to_string();
    assert_eq!(error, "0.weight: a weight of 1e300 does not fit an f32");
    let mut with_bias = tensors(&[("0.weight", &[1, 1])]);
    with_bias.push(Tensor::new("0.bias", vec![1], Element::F64, 1e300f64.to_le_bytes().to_vec()).unwrap());
    let error = layers(with_bias, "1-1", None).unwrap()[0].write(&mut [0.0], &mut [0.0]).unwrap_err().to_string();
    assert_eq!(error, "0.weight: the layer's bias of 1e300 does not fit an f32");
}

/// An autoencoder has as many inputs as outputs: normalisation of its inputs has the size of that of its last layer.
#[test]
fn batch_normalisation_of_the_inputs_is_not_folded() {
    let of = |dense: &[Named<'_>], norms: &[(&str, usize)], topology: &str| {
        let mut all = tensors(dense);
        for (prefix, features) in norms {
            for leaf in ["running_mean", "running_var"] {
                all.push(filled(&format!("{prefix}.{leaf}"), &[*features], 1.0));
            }
        }
        layers(all, topology, None).map(|_| ()).map_err(|error| error.to_string())
    };
    let two: [Named<'_>; 2] = [("fc1.weight", &[3, 12]), ("fc2.weight", &[12, 3])];
    let question = "which dense layers does batch normalisation follow? Several, or the network's inputs, have as many numbers: \
                    number the parts as torch's Sequential does, each right after its layer";
    assert_eq!(of(&two, &[("bn0", 12)], "12-3-12"), Err(format!("bn0.*: {question}")));
    let several = of(&two, &[("bn0", 12), ("bn1", 3)], "12-3-12").unwrap_err();
    assert!(
        several.starts_with("bn0.*: batch normalisation of the network's inputs, which no layer is before"),
        "{several}"
    );
    assert_eq!(of(&two, &[("bn1", 3), ("bn2", 12)], "12-3-12"), Ok(()));
    let inputs = of(&two, &[("norm", 12)], "12-3-12i").unwrap_err();
    assert!(inputs.contains(question), "{inputs}");
    // The only one in its block, which is square.
    let block: [Named<'_>; 2] = [("a.fc.weight", &[8, 8]), ("b.fc.weight", &[8, 8])];
    let first = of(&block, &[("a.bn", 8)], "8-8-8").unwrap_err();
    assert!(
        first.starts_with("a.bn.*: does batch normalisation follow the first layer, or is it of the network's inputs?"),
        "{first}"
    );
    assert_eq!(of(&block, &[("b.bn", 8)], "8-8-8"), Ok(()));
    // Numbers say it.
    assert_eq!(of(&[("0.weight", &[8, 8])], &[("1", 8)], "8-8"), Ok(()));
    let before = of(&[("1.weight", &[8, 8])], &[("0", 8)], "8-8").unwrap_err();
    assert!(before.starts_with("0.*: batch normalisation is folded into the dense layer right before it"), "{before}");
}

#[test]
fn a_second_batch_normalisation_for_one_layer_is_refused() {
    for (dense, norms) in
        [("0.weight", ["1", "01"]), ("a.fc.weight", ["a.bn1", "a.bn2"]), ("a.0.weight", ["a.1", "a/1"])]
    {
        let mut all = tensors(&[(dense, &[2, 3])]);
        for (prefix, number) in norms.into_iter().zip([1.0, 2.0]) {
            let separator = if prefix.contains('/') { '/' } else { '.' };
            for leaf in ["running_mean", "running_var"] {
                all.push(filled(&format!("{prefix}{separator}{leaf}"), &[2], number));
            }
        }
        let error = layers(all, "3-2", None).unwrap_err().to_string();
        assert!(error.contains(": a second batch normalisation for the layer "), "{error}");
        assert!(norms.iter().all(|norm| error.contains(norm)), "{error}");
    }
}

#[test]
fn a_bias_may_be_a_row() {
    for leaf in ["bias", "b"] {
        let name = format!("0.{leaf}");
        let named: [Named<'_>; 2] = [("0.weight", &[2, 3]), (&name, &[1, 2])];
        assert_eq!(paired(&named, "3-2", None).unwrap(), [format!("0.weight [2, 3], {name}")]);
    }
    assert_eq!(said(&[("0.bias", &[1, 2])], "3-2"), "0.weight: missing: there is a bias without a matrix");
}

/// A file's map of tensors has no order.
#[test]
fn the_order_of_the_tensors_does_not_matter() {
    let cases: [&[Named<'_>]; 3] = [
        &[("a.0.weight", &[2, 2]), ("a/0/weight", &[2, 2]), ("a.0.bias", &[2]), ("a/0/bias", &[2])],
        &[("0.weight", &[2, 2]), ("0/weight", &[2, 2]), ("0.mask", &[1])],
        &[("0.x", &[2, 2]), ("0.y", &[2, 2]), ("0.z", &[2, 2])],
    ];
    for named in cases {
        let outcome = paired(named, "2-2-2", Some(Convention::Torch));
        for turn in 1..named.len() {
            let mut turned = named.to_vec();
            turned.rotate_left(turn);
            assert_eq!(paired(&turned, "2-2-2", Some(Convention::Torch)), outcome);
        }
        if named.len() == 4 {
            assert_eq!(outcome, Ok(vec!["a.0.weight [2, 2], a.0.bias".into(), "a/0/weight [2, 2], a/0/bias".into()]));
        }
    }
}

#[test]
fn who_names_the_layers_is_named_and_a_long_list_is_cut() {
    let topology = &"2-2-2".parse().unwrap();
    let names: Vec<String> = (0..40).map(|i| format!("{i}.weight")).collect();
    let named: Vec<Named<'_>> = names.iter().map(|name| (name.as_str(), &[2, 2][..])).collect();
    let wanted = Wanted { topology, source: "its metadata", convention: None };
    let error = super::layers(tensors(&named), wanted).unwrap_err().to_string();
    assert!(error.starts_with("40 matrices, where its metadata has 2 layers: 0.weight, 1.weight, "), "{error}");
    assert!(error.ends_with(", 30.weight, 31.weight, ..."), "{error}");
    let error =
        super::layers(tensors(&[("0.weight", &[2, 2]), ("1.weight", &[3, 2])]), wanted).unwrap_err().to_string();
    assert_eq!(error, "1.weight: of shape [3, 2], where layer 2 of its metadata, 2 to 2, takes [2, 2]");
}

/// Names from a file may hold anything.
#[test]
fn control_characters_are_not_printed() {
    let error = said(&[("0.weight", &[2, 2]), ("\u{1b}[2J\nstate", &[])], "2-2");
    assert_eq!(error, "\\u{1b}[2J\\nstate: unused: no part of a dense layer or of batch normalisation");
}
