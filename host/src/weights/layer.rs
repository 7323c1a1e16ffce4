//! A dense layer of another framework in `f64`, and what is folded into it.
//!
//! ```text
//! dense                  z = W·x + b                                   W [outputs, inputs]
//! batch normalisation    z' = γ · (z - mean) / √(variance + ε) + β
//! folded                 s = γ / √(variance + ε)     W' = s ⊙ W     b' = s · (b - mean) + β
//! ```

use super::WeightsError;
use super::tensor::Tensor;

/// A dense layer before its activation.
#[derive(Clone, Debug)]
pub(super) struct DenseLayer {
    /// The name of its matrix.
    pub name: String,
    pub inputs: usize,
    pub outputs: usize,
    /// `[outputs, inputs]`
    weights: Vec<f64>,
    bias: Vec<f64>,
    /// What it consists of, for people.
    pub parts: Vec<String>,
}

/// Batch normalisation with the numbers of its inference.
#[derive(Clone, Debug)]
pub(super) struct Normalisation {
    /// Its name in the file.
    pub name: String,
    /// The name of its variance.
    pub variance_name: String,
    /// `γ`, 1 if it is absent.
    pub scale: Vec<f64>,
    /// `β`, 0 if it is absent.
    pub shift: Vec<f64>,
    pub mean: Vec<f64>,
    pub variance: Vec<f64>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl DenseLayer {
    /// The layer of a matrix `[outputs, inputs]`, or of a `transposed` one, `[inputs, outputs]`. The bias is 0.
    pub fn new(matrix: &Tensor<'_>, transposed: bool) -> Result<Self, WeightsError> {
        let parts = vec![format!("{} {:?}", matrix.name, matrix.shape)];
        let matrix = if transposed { &matrix.transpose()? } else { matrix };
        let [outputs, inputs] = matrix.matrix_sizes()?;
        let weights = matrix.numbers()?;
        Ok(Self { name: matrix.name.clone(), inputs, outputs, weights, bias: vec![0.0; outputs], parts })
    }

    /// Adds a number to each output: a bias.
    pub fn add(&mut self, numbers: &[f64]) {
        self.bias.iter_mut().zip(numbers).for_each(|(bias, number)| *bias += number);
    }

    /// Multiplies each output by a number.
    pub fn scale(&mut self, numbers: &[f64]) {
        for (row, number) in self.weights.chunks_exact_mut(self.inputs).zip(numbers) {
            for weight in row {
                *weight *= number;
            }
        }
        self.bias.iter_mut().zip(numbers).for_each(|(bias, number)| *bias *= number);
    }

    /// Multiplies the weights and not the bias.
    pub fn scale_weights(&mut self, number: f64) {
        for weight in &mut self.weights {
            *weight *= number;
        }
    }

    /// Folds batch normalisation of the layer's outputs.
    pub fn normalise(&mut self, norm: &Normalisation) -> Result<(), WeightsError> {
        let mut scales = Vec::with_capacity(self.outputs);
        for (i, (scale, variance)) in norm.scale.iter().zip(&norm.variance).enumerate() {
            let variance = variance + norm.epsilon;
            if variance <= 0.0 || !variance.is_finite() {
                let reason =
                    format!("a variance plus epsilon of {variance} at index [{i}]; expected a positive number");
                return Err(WeightsError::tensor(&norm.variance_name, reason));
            }
            scales.push(scale / variance.sqrt());
        }
        let mean: Vec<f64> = norm.mean.iter().map(|mean| -mean).collect();
        self.add(&mean);
        self.scale(&scales);
        self.add(&norm.shift);
        self.parts.push(format!("{} folded, epsilon {}", norm.name, norm.epsilon as f32));
        Ok(())
    }

    /// The parameters in `f32`: weights, then bias. Returns an error if one of them is too large for it.
    pub fn write(&self, weights: &mut [f32], bias: &mut [f32]) -> Result<(), WeightsError> {
        for (what, numbers, to) in [("a weight", &self.weights, weights), ("the layer's bias", &self.bias, bias)] {
            for (to, number) in to.iter_mut().zip(numbers) {
                *to = *number as f32;
                if !to.is_finite() {
                    let reason = format!("{what} of {number:e} does not fit an f32");
                    return Err(WeightsError::tensor(&self.name, reason));
                }
            }
        }
        Ok(())
    }
}
