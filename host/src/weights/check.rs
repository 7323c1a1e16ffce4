//! A framework's own inputs and outputs, compared with those of the network that was read.

use crate::network::FloatNetwork;
use ndarray::ArrayD;

/// The largest difference that rounding in `f32` explains, as a fraction of the largest output of the layer, or of 1.
///
/// Frameworks have been seen to differ from `f64` by 1.4e-5. The smallest mistake that is known, batch normalisation with an epsilon of
/// 0.001 instead of 0.00001 where the variance is 1, makes 1.1e-4 after a sigmoid and 5e-4 after a ReLU.
pub const TOLERANCE: f32 = 1e-4;

/// An array of a file: its name, and its numbers.
pub type Named = (String, ArrayD<f32>);

/// The comparison of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The number of rows.
    pub rows: usize,
    /// The number of layers whose outputs were compared.
    pub layers: usize,
    /// The largest difference, as a fraction of the largest output of its layer, or of 1.
    pub largest: f32,
    /// The smallest and the largest input.
    pub inputs: [f32; 2],
}

/// Why the outputs could not be compared, or that they differ.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CheckError {
    /// An array that the comparison needs is missing.
    #[error(
        "no array named {0}; expected input [rows, inputs] and output [rows, outputs], and perhaps layer.0, layer.1, ..."
    )]
    Missing(&'static str),
    /// An array has another name than those that are known.
    #[error("{0}: not known; expected the arrays input, output, and perhaps layer.0 to layer.{1}")]
    Unknown(String, usize),
    /// There are two arrays of one name.
    #[error("{0}: twice")]
    Twice(String),
    /// An array has another shape than the network's rows.
    #[error("{name}: of shape {found:?}; expected [{}, {width}]", rows.map_or("rows".into(), |rows| rows.to_string()))]
    Shape {
        /// The array.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The rows of the inputs.
        rows: Option<usize>,
        /// The elements of a row.
        width: usize,
    },
    /// A number is not finite.
    #[error("{name}: {number} in row {row}")]
    NotFinite {
        /// The array.
        name: String,
        /// The row, from 0.
        row: usize,
        /// The number.
        number: f32,
    },
    /// A layer's outputs differ.
    #[error(
        "{name}, the outputs of layer {layer}, {}: {here} here and {there} in the file, in row {row} at element {element}; at most \
         {limit:.1e} is rounding{}",
        if *first_known { "is the first that differs" } else { "differs" },
        if *first_known { "" } else { "; to find the first layer that does, save the outputs of those before it: layer.0, ..." }
    )]
    Differs {
        /// The array.
        name: String,
        /// The layer, from 1.
        layer: usize,
        /// The row, from 0.
        row: usize,
        /// The element, from 0.
        element: usize,
        /// The output of the network that was read.
        here: f32,
        /// That of the framework.
        there: f32,
        /// The largest difference that passes.
        limit: f32,
        /// Whether the outputs of the layer before were compared, too.
        first_known: bool,
    },
}

/// Compares the outputs of a network with those in `arrays`: `input` and `output`, and those of layer `i`, from 0, in `layer.i`.
pub fn compare(network: &FloatNetwork, arrays: &[Named]) -> Result<Comparison, CheckError> {
    let last = network.topology().layers().len() - 1;
    for (i, (name, _)) in arrays.iter().enumerate() {
        let number = name.strip_prefix("layer.").and_then(|number| number.parse::<usize>().ok());
        let known = ["input", "output"].contains(&name.as_str())
            || number.is_some_and(|number| number <= last && *name == format!("layer.{number}"));
        if !known {
            return Err(CheckError::Unknown(name.clone(), last));
        }
        if arrays[..i].iter().any(|(other, _)| other == name) {
            return Err(CheckError::Twice(name.clone()));
        }
    }
    let find = |wanted: &str| arrays.iter().find(|(name, _)| name == wanted);
    let input = find("input").ok_or(CheckError::Missing("input"))?;
    let output = find("output").ok_or(CheckError::Missing("output"))?;
    let mut x = rows(input, None, network.topology().inputs())?;
    let count = x.len() / network.topology().inputs();
    let inputs = x.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], x| [low.min(*x), high.max(*x)]);
    let mut comparison = Comparison { rows: count, layers: 0, largest: 0.0, inputs };
    let mut first_known = true;
    for (i, layer) in network.layers().enumerate() {
        x = layer.forward(&x);
        let stored = find(&format!("layer.{i}"));
        for array in stored.into_iter().chain((i == last).then_some(output)) {
            let width = layer.spec.outputs.into();
            let expected = rows(array, Some(count), width)?;
            let largest = expected.iter().fold(1.0f32, |largest, y| largest.max(y.abs()));
            let limit = TOLERANCE * largest;
            let difference = |(x, y): (&f32, &f32)| {
                let difference = (x - y).abs();
                if difference.is_nan() { f32::INFINITY } else { difference }
            };
            let differences = x.iter().zip(&expected).map(difference).enumerate();
            let (at, difference) = differences.fold((0, 0.0), |most, next| if next.1 > most.1 { next } else { most });
            if difference > limit {
                let (row, element) = (at / width, at % width);
                let (name, layer, here, there) = (array.0.clone(), i + 1, x[at], expected[at]);
                return Err(CheckError::Differs { name, layer, row, element, here, there, limit, first_known });
            }
            comparison.largest = comparison.largest.max(difference / largest);
        }
        comparison.layers += usize::from(stored.is_some() || i == last);
        first_known = stored.is_some();
    }
    Ok(comparison)
}

/// The numbers of an array `[rows, width]`, row by row.
fn rows((name, array): &Named, rows: Option<usize>, width: usize) -> Result<Vec<f32>, CheckError> {
    let fits = array.ndim() == 2 && array.shape()[1] == width && array.shape()[0] > 0;
    if !fits || rows.is_some_and(|rows| rows != array.shape()[0]) {
        return Err(CheckError::Shape { name: name.clone(), found: array.shape().to_vec(), rows, width });
    }
    let numbers: Vec<f32> = array.iter().copied().collect();
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(at) => Err(CheckError::NotFinite { name: name.clone(), row: at / width, number: numbers[at] }),
        None => Ok(numbers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, IxDyn};

    /// `y = 2·x` twice, and a network of the same layers whose second bias is wrong.
    fn network(bias: f32) -> FloatNetwork {
        let mut network = FloatNetwork::new(&"2-2i-2i".parse().unwrap());
        network.layer_mut(0).0.copy_from_slice(&[2.0, 0.0, 0.0, 2.0]);
        network.layer_mut(1).0.copy_from_slice(&[2.0, 0.0, 0.0, 2.0]);
        network.layer_mut(1).1[1] = bias;
        network
    }

    fn arrays(names: &[&str]) -> Vec<Named> {
        let x = Array2::from_shape_fn((3, 2), |(row, i)| (row * 2 + i) as f32);
        let scale = |name: &str| match name {
            "input" => 1.0,
            "layer.0" => 2.0,
            _ => 4.0,
        };
        names.iter().map(|name| ((*name).to_owned(), x.mapv(|x| x * scale(name)).into_dyn())).collect()
    }

    #[test]
    fn equal_outputs_pass_and_the_layers_are_counted() {
        let all = compare(&network(0.0), &arrays(&["output", "layer.1", "input", "layer.0"])).unwrap();
        assert_eq!(all, Comparison { rows: 3, layers: 2, largest: 0.0, inputs: [0.0, 5.0] });
        let ends = compare(&network(0.0), &arrays(&["input", "output"])).unwrap();
        assert_eq!((ends.rows, ends.layers), (3, 1));
        // The largest output is 20: 2e-3 is 1e-4 of it.
        let close = compare(&network(1.9e-3), &arrays(&["input", "output"])).unwrap();
        assert!((close.largest - 0.95e-4).abs() < 1e-6, "{close:?}");
        assert!(compare(&network(2.1e-3), &arrays(&["input", "output"])).is_err());
    }

    #[test]
    fn the_first_layer_that_differs_is_named() {
        let said = |network: &FloatNetwork, names: &[&str]| compare(network, &arrays(names)).unwrap_err().to_string();
        let all = ["input", "output", "layer.0", "layer.1"];
        let expected = "4.5 here and 4 in the file, in row 0 at element 1; at most 2.0e-3 is rounding";
        let first = format!("layer.1, the outputs of layer 2, is the first that differs: {expected}");
        assert_eq!(said(&network(0.5), &all), first);
        // Of the layers before, nothing is known.
        let ends = said(&network(0.5), &all[..2]);
        let known =
            format!("output, the outputs of layer 2, differs: {expected}; to find the first layer that does, save ");
        assert!(ends.starts_with(&known), "{ends}");
        let mut first = network(0.0);
        first.layer_mut(0).1[0] = 1.0;
        let first = said(&first, &all);
        assert!(
            first.starts_with("layer.0, the outputs of layer 1, is the first that differs: 1 here and 0"),
            "{first}"
        );
        let mut nan = network(0.0);
        nan.layer_mut(0).1[0] = f32::NAN;
        assert!(said(&nan, &all).starts_with("layer.0, "));
    }

    #[test]
    fn arrays_that_do_not_fit_are_named() {
        let said = |arrays: &[Named]| compare(&network(0.0), arrays).unwrap_err().to_string();
        assert!(said(&arrays(&["output"])).starts_with("no array named input; "));
        assert!(said(&arrays(&["input"])).starts_with("no array named output; "));
        for name in ["layer.2", "layer.01", "layer.", "y"] {
            let found = said(&arrays(&["input", "output", name]));
            assert_eq!(
                found,
                format!("{name}: not known; expected the arrays input, output, and perhaps layer.0 to layer.1")
            );
        }
        assert_eq!(said(&arrays(&["input", "output", "input"])), "input: twice");
        let mut wide = arrays(&["input", "output"]);
        wide[1].1 = ArrayD::zeros(IxDyn(&[3, 3]));
        assert_eq!(said(&wide), "output: of shape [3, 3]; expected [3, 2]");
        wide[1].1 = ArrayD::zeros(IxDyn(&[2, 2]));
        assert_eq!(said(&wide), "output: of shape [2, 2]; expected [3, 2]");
        wide[0].1 = ArrayD::zeros(IxDyn(&[2]));
        assert_eq!(said(&wide), "input: of shape [2]; expected [rows, 2]");
        wide[0].1 = ArrayD::zeros(IxDyn(&[0, 2]));
        assert_eq!(said(&wide), "input: of shape [0, 2]; expected [rows, 2]");
        let mut nan = arrays(&["input", "output"]);
        nan[1].1[[1, 0]] = f32::NAN;
        assert_eq!(said(&nan), "output: NaN in row 1");
    }
}
