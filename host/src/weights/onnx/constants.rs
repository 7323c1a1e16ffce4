//! The constants of a graph: initializers, and nodes that compute something from nothing else.

use super::node::Node;
use super::proto::{NodeProto, TensorProto, data_type};
use crate::weights::WeightsError;
use crate::weights::tensor::{Element, Tensor};
use std::borrow::Cow;
use std::collections::HashMap;
use zerocopy::IntoBytes;

/// The constants of a graph by their names.
#[derive(Default)]
pub struct Constants<'a> {
    /// Numbers of floating point, as they are stored.
    tensors: Vec<Tensor<'a>>,
    /// Whole numbers, such as shapes.
    integers: Vec<Vec<i64>>,
    names: HashMap<&'a str, Constant>,
}

/// Which numbers a constant has. Nodes that rename or transpose it copy none.
#[derive(Clone, Copy)]
enum Constant {
    /// The place of a tensor, and whether its transpose is meant.
    Tensor(usize, bool),
    /// The place of whole numbers.
    Integers(usize),
    /// Numbers of this ONNX type, which are not read.
    Other(i32),
}

impl<'a> Constants<'a> {
    /// The constants of the initializers.
    pub fn new(initializers: &'a [TensorProto]) -> Result<Self, WeightsError> {
        let mut constants = Self::default();
        for tensor in initializers {
            constants.insert(&tensor.name, tensor)?;
        }
        Ok(constants)
    }

    /// Whether there is a constant of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// A constant with numbers of floating point; `None` if there is no constant of this name. Other numbers are an error.
    pub fn tensor(&self, name: &str) -> Result<Option<Cow<'_, Tensor<'a>>>, WeightsError> {
        match self.names.get(name) {
            Some(Constant::Tensor(place, false)) => Ok(Some(Cow::Borrowed(&self.tensors[*place]))),
            Some(Constant::Tensor(place, true)) => Ok(Some(Cow::Owned(self.tensors[*place].transpose()?))),
            Some(Constant::Integers(_)) => Err(not_floats(name, data_type::INT64)),
            Some(Constant::Other(of)) => Err(not_floats(name, *of)),
            None => Ok(None),
        }
    }

    /// A constant with whole numbers.
    pub fn integers(&self, name: &str) -> Option<&[i64]> {
        match self.names.get(name) {
            Some(Constant::Integers(place)) => Some(&self.integers[*place]),
            Some(Constant::Tensor(..) | Constant::Other(_)) | None => None,
        }
    }

    /// Adds what a node computes if all of its inputs are constants. Returns whether they were.
    pub fn fold(&mut self, node: Node<'a>) -> Result<bool, WeightsError> {
        let NodeProto { input, output, op_type, .. } = node.proto;
        if !input.iter().all(|name| name.is_empty() || self.contains(name)) {
            return Ok(false);
        }
        let [to] = &output[..] else { return Err(node.error("a constant of several outputs")) };
        match (op_type.as_str(), &input[..]) {
            ("Constant", []) => match node.attribute("value").and_then(|value| value.t.as_ref()) {
                Some(tensor) => self.insert(to, tensor)?,
                None => return Err(node.error("a constant that is no tensor")),
            },
            ("Identity", [from]) => {
                let constant = self.names.get(from.as_str()).copied();
                constant.map_or(Ok(()), |constant| self.name(to, constant))?;
            }
            ("Transpose", [from]) => {
                let swaps = node.attribute("perm").is_none_or(|perm| perm.ints == [1, 0]);
                let Some(Constant::Tensor(place, transposed)) = self.names.get(from.as_str()).filter(|_| swaps) else {
                    return Err(node.error("expected a matrix to transpose"));
                };
                self.tensors[*place].matrix_sizes()?;
                self.name(to, Constant::Tensor(*place, !transposed))?;
            }
            _ => {
                return Err(node.error(
                    "computes a constant; only Constant, Identity and Transpose do here: export the model with its constants folded",
                ));
            }
        }
        Ok(true)
    }

    fn name(&mut self, name: &'a str, constant: Constant) -> Result<(), WeightsError> {
        self.ensure_new(name)?;
        self.names.insert(name, constant);
        Ok(())
    }

    fn insert(&mut self, name: &'a str, tensor: &'a TensorProto) -> Result<(), WeightsError> {
        self.ensure_new(name)?;
        let error = |reason: &str| WeightsError::tensor(name, reason);
        if tensor.data_location != 0 || !tensor.external_data.is_empty() {
            return Err(error(
                "its numbers are in another file; write one file with all of them: onnx.save(model, path), \
                 torch.onnx.export(..., external_data=False)",
            ));
        }
        let shape: Option<Vec<usize>> = tensor.dims.iter().map(|size| usize::try_from(*size).ok()).collect();
        let shape = shape.ok_or_else(|| error(&format!("of shape {:?}, which has a negative size", tensor.dims)))?;
        let raw = &tensor.raw_data[..];
        let halves = || tensor.int32_data.iter().flat_map(|bits| (*bits as u16).to_le_bytes()).collect::<Vec<u8>>();
        let (element, typed) = match tensor.data_type {
            data_type::FLOAT => (Element::F32, Cow::Borrowed(tensor.float_data.as_bytes())),
            data_type::DOUBLE => (Element::F64, Cow::Borrowed(tensor.double_data.as_bytes())),
            data_type::FLOAT16 => (Element::F16, Cow::Owned(halves())),
            data_type::BFLOAT16 => (Element::Bf16, Cow::Owned(halves())),
            data_type::INT64 => {
                let integers = raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
                let integers: Vec<i64> = if raw.is_empty() { tensor.int64_data.clone() } else { integers.collect() };
                self.integers.push(integers);
                return self.name(name, Constant::Integers(self.integers.len() - 1));
            }
            other => return self.name(name, Constant::Other(other)),
        };
        let tensor = Tensor::new(name, shape, element, if raw.is_empty() { typed } else { Cow::Borrowed(raw) })?;
        self.tensors.push(tensor);
        self.name(name, Constant::Tensor(self.tensors.len() - 1, false))
    }

    fn ensure_new(&self, name: &str) -> Result<(), WeightsError> {
        if self.contains(name) { Err(WeightsError::tensor(name, "a second constant of this name")) } else { Ok(()) }
    }
}

fn not_floats(name: &str, of: i32) -> WeightsError {
    let reason = format!("numbers of the type {}; expected float, double, float16 or bfloat16", data_type::name(of));
    WeightsError::tensor(name, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;

    /// A file of some megabytes may have thousands of such nodes.
    #[test]
    fn nodes_that_rename_or_transpose_a_constant_copy_no_numbers() {
        let tensor = TensorProto {
            name: "0".into(),
            dims: vec![2, 3],
            data_type: data_type::FLOAT,
            float_data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            ..Default::default()
        };
        let integers = TensorProto { data_type: data_type::INT64, name: "i0".into(), ..Default::default() };
        let node = |(index, operator): (usize, &str)| NodeProto {
            input: vec![format!("{}{index}", if operator == "Identity" { "i" } else { "" })],
            output: vec![format!("{}{}", if operator == "Identity" { "i" } else { "" }, index + 1)],
            op_type: operator.into(),
            ..Default::default()
        };
        let kinds = ["Transpose", "Identity"].map(|kind| (0..101).zip(iter::repeat(kind)));
        let nodes: Vec<NodeProto> = kinds.into_iter().flatten().map(node).collect();
        let initializers = [tensor, integers];
        let mut constants = Constants::new(&initializers).unwrap();
        for (index, proto) in nodes.iter().enumerate() {
            assert_eq!(constants.fold(Node { proto, index }), Ok(true));
        }
        assert_eq!((constants.tensors.len(), constants.integers.len()), (1, 1));
        // An even number of transpositions is none, an odd number is one.
        let [even, odd] = ["100", "101"].map(|name| constants.tensor(name).unwrap().unwrap());
        assert_eq!((&even.shape[..], even.numbers().unwrap()), (&[2, 3][..], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!((&odd.shape[..], odd.numbers().unwrap()), (&[3, 2][..], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
        assert_eq!(constants.integers("i101"), Some(&[][..]));
        assert!(matches!(odd, Cow::Owned(_)) && matches!(even, Cow::Borrowed(_)));
    }
}
