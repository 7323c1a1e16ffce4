//! Figures in the summaries that are JSON.

use host::train::qat::WeightFormat;

/// A figure of an integer network, in the place of its format: int8, int4.
pub fn by_format(format: WeightFormat, figure: f64) -> [Option<f64>; 2] {
    [WeightFormat::Int8, WeightFormat::Int4].map(|each| (each == format).then_some(figure))
}
