//! Rows to train on.

use crate::idx::Images;
use ndarray::Array2;

/// A set of rows, each read by its index.
pub trait Source: Sync {
    /// How many rows there are.
    fn rows(&self) -> usize;

    /// Numbers in a row.
    fn width(&self) -> usize;

    /// Copies a row out.
    fn copy(&self, index: usize, row: &mut [f32]);
}

/// Pixels as numbers in [0, 1].
impl Source for Images {
    fn rows(&self) -> usize {
        self.len()
    }

    fn width(&self) -> usize {
        self.pixels.ncols()
    }

    #[inline(always)]
    fn copy(&self, index: usize, row: &mut [f32]) {
        for (x, pixel) in row.iter_mut().zip(self.image(index)) {
            *x = f32::from(*pixel) * (1.0 / 255.0);
        }
    }
}

/// Numbers as they are.
impl Source for Array2<f32> {
    fn rows(&self) -> usize {
        self.nrows()
    }

    fn width(&self) -> usize {
        self.ncols()
    }

    fn copy(&self, index: usize, row: &mut [f32]) {
        for (x, value) in row.iter_mut().zip(self.row(index)) {
            *x = *value;
        }
    }
}
