//! Two linear detectors to compare a network with, on the same rows of `u8`: the reconstruction error of principal components
//! and the Mahalanobis distance.
//!
//! ```text
//! mean        μ = 1/n Σ x
//! covariance  S = 1/n Σ (x - μ)(x - μ)ᵀ = Vᵀ Λ V     V: a component a row, those of largest variance λ first
//! ```

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, Axis, s};
use rayon::prelude::*;

/// The most inputs. Time and memory grow with their third and second power.
pub const MOST_INPUTS: usize = 2048;

/// Rows that one thread takes at a time.
const BLOCK: usize = 1024;

/// The variance that rounding to whole numbers leaves in an input: 1/12 of the square of a step.
pub const ROUNDING: f64 = 1.0 / 12.0;

/// Why no baseline can be fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// There is nothing to fit to.
    #[error("no rows to fit the baselines to")]
    NoRows,
    /// The covariance would be too large.
    #[error("{0} inputs; the baselines take at most {MOST_INPUTS}")]
    TooManyInputs(usize),
}

/// The principal components of training rows, from which both detectors compute their scores.
#[derive(Clone, Debug)]
pub struct PrincipalComponents {
    mean: Array1<f64>,
    /// A component a row, of length 1.
    components: Array2<f64>,
    /// The variance along each component.
    variances: Vec<f64>,
    /// Ledoit and Wolf's weight of the mean variance.
    shrinkage: f64,
}

impl PrincipalComponents {
    /// Fits mean, components and variances to rows of `inputs` bytes, one after the other. Runs on all threads of the current
    /// rayon pool, but for the components themselves.
    pub fn fit(rows: &[u8], inputs: usize) -> Result<Self, BaselineError> {
        if inputs > MOST_INPUTS {
            return Err(BaselineError::TooManyInputs(inputs));
        }
        if rows.is_empty() || inputs == 0 {
            return Err(BaselineError::NoRows);
        }
        assert_eq!(rows.len() % inputs, 0, "bytes of {inputs} inputs");
        let count = (rows.len() / inputs) as f64;
        // Sums of products of bytes are whole numbers below 2^53: exact, in any order.
        let sums = |block: &[u8]| {
            let x = matrix(block, inputs);
            (x.sum_axis(Axis(0)), x.t().dot(&x))
        };
        let zero = || (Array1::zeros(inputs), Array2::zeros((inputs, inputs)));
        let blocks = rows.par_chunks(BLOCK * inputs).map(sums);
        let (sum, products) = blocks.reduce(zero, |a: (Array1<f64>, Array2<f64>), b| (a.0 + b.0, a.1 + b.1));
        let covariance = DMatrix::from_fn(inputs, inputs, |i, j| (products[[i, j]] - sum[i] * sum[j] / count) / count);
        let mean = sum / count;
        let shrinkage = shrinkage(&covariance, rows, &mean);
        let eigen = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..inputs).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        let components = Array2::from_shape_fn((inputs, inputs), |(k, i)| eigen.eigenvectors[(i, order[k])]);
        let variances = order.iter().map(|k| eigen.eigenvalues[*k].max(0.0)).collect();
        Ok(Self { mean, components, variances, shrinkage })
    }

    /// For each row the squared error of its reconstruction from the first `k` components, the best linear code of `k` numbers.
    ///
    /// ```text
    /// score = ‖(x - μ) - Vₖᵀ Vₖ (x - μ)‖²     Vₖ [k × inputs]
    /// ```
    pub fn reconstruction_errors(&self, k: usize, rows: &[u8]) -> Vec<f64> {
        let first = self.components.slice(s![..k.min(self.variances.len()), ..]);
        self.scores(rows, |x| &x - &x.dot(&first.t()).dot(&first))
    }

    /// For each input the variance that is left by the first components that together have at least the fraction `explained` of
    /// all variance.
    pub fn residual_variances(&self, explained: f64) -> Vec<f64> {
        let wanted = explained * self.variances.iter().sum::<f64>();
        let mut sum = 0.0;
        let first = self.variances.iter().take_while(|variance| {
            let more = sum < wanted;
            sum += **variance;
            more
        });
        let first = first.count();
        let mut residual = vec![0.0; self.mean.len()];
        for (component, variance) in self.components.rows().into_iter().zip(&self.variances).skip(first) {
            for (residual, v) in residual.iter_mut().zip(component) {
                *residual += variance * v * v;
            }
        }
        residual
    }

    /// For each row the square of its Mahalanobis distance from the mean.
    ///
    /// ```text
    /// score = (x - μ)ᵀ Σ⁻¹ (x - μ)     Σ = (1 - α) S + α tr(S)/inputs · I + 1/12 · I
    /// ```
    ///
    /// The shrinkage `α` is Ledoit and Wolf's ("A well-conditioned estimator for large-dimensional covariance matrices", 2004),
    /// near 1 for few rows and near 0 for many. The last term is the variance of rounding, so that an input that never
    /// changed in training may change by a step.
    pub fn mahalanobis(&self, rows: &[u8]) -> Vec<f64> {
        let mean_variance = self.variances.iter().sum::<f64>() / self.variances.len() as f64;
        let shrunk = |variance: &f64| (1.0 - self.shrinkage) * variance + self.shrinkage * mean_variance + ROUNDING;
        // Whitened rows: their components in standard deviations.
        let mut whitening = self.components.t().to_owned();
        for (mut component, variance) in whitening.columns_mut().into_iter().zip(&self.variances) {
            component /= shrunk(variance).sqrt();
        }
        self.scores(rows, |x| x.dot(&whitening))
    }

    /// For each row the squared length of what a map makes of it, less the mean.
    fn scores(&self, rows: &[u8], map: impl Fn(Array2<f64>) -> Array2<f64> + Sync) -> Vec<f64> {
        let inputs = self.mean.len();
        assert_eq!(rows.len() % inputs, 0, "bytes of {inputs} inputs");
        let block = |rows: &[u8]| {
            let y = map(matrix(rows, inputs) - &self.mean);
            y.rows().into_iter().map(|y| y.dot(&y)).collect::<Vec<f64>>()
        };
        rows.par_chunks(BLOCK * inputs).flat_map_iter(block).collect()
    }
}

/// Ledoit and Wolf's shrinkage: the expected squared error of `S`, as a share of its squared distance from `m·I`.
///
/// ```text
/// α = min(β, δ) / δ     m = tr(S)/p     δ = ‖S - m I‖²     β = 1/n (1/n Σ ‖x - μ‖⁴ - ‖S‖²)
/// ```
fn shrinkage(covariance: &DMatrix<f64>, rows: &[u8], mean: &Array1<f64>) -> f64 {
    let inputs = mean.len();
    let count = (rows.len() / inputs) as f64;
    let square = |row: &[u8]| row.iter().zip(mean).map(|(x, mean)| (f64::from(*x) - mean).powi(2)).sum::<f64>();
    let fourths = rows.chunks_exact(inputs).map(|row| square(row).powi(2)).sum::<f64>();
    let (trace, norm) = (covariance.trace(), covariance.norm_squared());
    let distance = norm - trace * trace / inputs as f64;
    let error = (fourths / count - norm) / count;
    // Variances that are all the same need no shrinkage.
    if distance > 0.0 { error.clamp(0.0, distance) / distance } else { 0.0 }
}

/// Rows of bytes as a matrix, one a row.
fn matrix(rows: &[u8], inputs: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows.len() / inputs, inputs), |(row, i)| f64::from(rows[row * inputs + i]))
}

#[cfg(test)]
mod tests;
