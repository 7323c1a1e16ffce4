//! A tensor of a file: a name, a shape, and numbers in one of four types.

use super::WeightsError;
use half::{bf16, f16};
use std::borrow::Cow;

/// The type of a tensor's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F16,
    Bf16,
    F32,
    F64,
}

impl Element {
    const fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// A tensor. Its bytes are little-endian, row by row.
#[derive(Clone, Debug)]
pub(super) struct Tensor<'a> {
    pub name: String,
    pub shape: Vec<usize>,
    element: Element,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Tensor<'a> {
    /// Returns an error unless there are as many bytes as the shape needs.
    pub fn new(
        name: &str,
        shape: Vec<usize>,
        element: Element,
        bytes: impl Into<Cow<'a, [u8]>>,
    ) -> Result<Self, WeightsError> {
        let bytes = bytes.into();
        let needed = shape.iter().try_fold(element.bytes(), |bytes, size| bytes.checked_mul(*size));
        if needed == Some(bytes.len()) {
            return Ok(Self { name: name.to_owned(), shape, element, bytes });
        }
        let reason = format!("{} bytes, which is not the length of a tensor of shape {shape:?}", bytes.len());
        Err(WeightsError::tensor(name, reason))
    }

    /// An error of this tensor.
    pub fn error(&self, reason: impl AsRef<str>) -> WeightsError {
        WeightsError::tensor(&self.name, reason)
    }

    /// The numbers. Returns an error if one of them is not finite.
    pub fn numbers(&self) -> Result<Vec<f64>, WeightsError> {
        let numbers: Vec<f64> = match self.element {
            Element::F16 => self.map(|bytes| f16::from_le_bytes(bytes).to_f64()),
            Element::Bf16 => self.map(|bytes| bf16::from_le_bytes(bytes).to_f64()),
            Element::F32 => self.map(|bytes| f32::from_le_bytes(bytes).into()),
            Element::F64 => self.map(f64::from_le_bytes),
        };
        match numbers.iter().position(|number| !number.is_finite()) {
            Some(index) => Err(self.error(format!("{} at index {:?}", numbers[index], self.place(index)))),
            None => Ok(numbers),
        }
    }

    /// The numbers of a tensor with `len` numbers in one dimension. Dimensions of 1 before it do not count.
    pub fn vector(&self, len: usize) -> Result<Vec<f64>, WeightsError> {
        match &self.shape[..] {
            [ones @ .., last] if *last == len && ones.iter().all(|size| *size == 1) => self.numbers(),
            shape => Err(self.error(format!("of shape {shape:?}; expected [{len}]"))),
        }
    }

    /// The rows and columns of a matrix that a layer can have.
    pub fn matrix_sizes(&self) -> Result<[usize; 2], WeightsError> {
        match self.shape[..] {
            [rows, columns] if [rows, columns].iter().all(|size| (1..=u16::MAX.into()).contains(size)) => {
                Ok([rows, columns])
            }
            _ => {
                let reason =
                    format!("of shape {:?}; expected a matrix of 1 to {} rows and columns", self.shape, u16::MAX);
                Err(self.error(reason))
            }
        }
    }

    /// The transpose of a matrix.
    pub fn transpose(&self) -> Result<Tensor<'static>, WeightsError> {
        let [rows, columns] = self.matrix_sizes()?;
        let size = self.element.bytes();
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for column in 0..columns {
            for row in 0..rows {
                bytes.extend_from_slice(&self.bytes[(row * columns + column) * size..][..size]);
            }
        }
        let (name, shape) = (self.name.clone(), vec![columns, rows]);
        Ok(Tensor { name, shape, element: self.element, bytes: bytes.into() })
    }

    fn map<const N: usize>(&self, number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        self.bytes.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
    }

    /// The index of a number in each dimension.
    fn place(&self, mut index: usize) -> Vec<usize> {
        let mut place: Vec<usize> = Vec::with_capacity(self.shape.len());
        for size in self.shape.iter().rev() {
            place.push(index % size);
            index /= size;
        }
        place.reverse();
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_gives_its_numbers() {
        // 1.5, -2 and the smallest subnormal of each type.
        let cases: [(Element, &[u8], f64); 4] = [
            (Element::F16, &[0x00, 0x3e, 0x00, 0xc0, 0x01, 0x00], 2f64.powi(-24)),
            (Element::Bf16, &[0xc0, 0x3f, 0x00, 0xc0, 0x01, 0x00], 2f64.powi(-133)),
            (Element::F32, &[0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0, 1, 0, 0, 0], 2f64.powi(-149)),
            (
                Element::F64,
                &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0, 1, 0, 0, 0, 0, 0, 0, 0],
                f64::from_bits(1),
            ),
        ];
        for (element, bytes, smallest) in cases {
            let tensor = Tensor::new("w", vec![3], element, bytes).unwrap();
            assert_eq!(tensor.numbers().unwrap(), [1.5, -2.0, smallest], "{element:?}");
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_named_by_its_place() {
        for (bytes, name) in [([0x00, 0x7c], "inf"), ([0x00, 0xfc], "-inf"), ([0x01, 0x7e], "NaN")] {
            let mut all = [0; 12];
            all[8..10].copy_from_slice(&bytes);
            let tensor = Tensor::new("a.weight", vec![2, 3], Element::F16, &all[..]).unwrap();
            let said = tensor.numbers().unwrap_err().to_string();
            assert_eq!(said, format!("a.weight: {name} at index [1, 1]"));
        }
    }

    #[test]
    fn a_vector_has_one_dimension_that_counts() {
        let of = |shape: &[usize]| {
            let bytes = vec![0; 2 * shape.iter().product::<usize>()];
            Tensor::new("b", shape.to_vec(), Element::F16, bytes).unwrap().vector(4).map_err(|error| error.to_string())
        };
        assert_eq!((of(&[4]), of(&[1, 4])), (Ok(vec![0.0; 4]), Ok(vec![0.0; 4])));
        for shape in [&[3][..], &[4, 1], &[2, 4], &[]] {
            assert_eq!(of(shape), Err(format!("b: of shape {shape:?}; expected [4]")));
        }
    }

    #[test]
    fn a_matrix_is_transposed_and_other_lengths_are_refused() {
        let bytes: Vec<u8> = (0..6u16).flat_map(|i| f16::from_f32(i.into()).to_le_bytes()).collect();
        let tensor = Tensor::new("w", vec![2, 3], Element::F16, bytes.clone()).unwrap();
        let transposed = tensor.transpose().unwrap();
        assert_eq!(
            (transposed.numbers().unwrap(), &transposed.shape[..]),
            (vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0], &[3, 2][..])
        );
        // A size of 0 makes any other size possible.
        for shape in [vec![6], vec![0, 1 << 60], vec![1 << 60, 0]] {
            let bytes = if shape.contains(&0) { Vec::new() } else { bytes.clone() };
            let said =
                Tensor::new("w", shape.clone(), Element::F16, bytes).unwrap().transpose().unwrap_err().to_string();
            assert_eq!(said, format!("w: of shape {shape:?}; expected a matrix of 1 to 65535 rows and columns"));
        }
        for shape in [vec![7], vec![5], vec![], vec![usize::MAX, 2], vec![usize::MAX, usize::MAX]] {
            let said = Tensor::new("w", shape.clone(), Element::F16, bytes.clone()).unwrap_err().to_string();
            assert_eq!(said, format!("w: 12 bytes, which is not the length of a tensor of shape {shape:?}"));
        }
    }
}
