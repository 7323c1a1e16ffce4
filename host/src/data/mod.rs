//! Rows to train on and to measure with.

mod images;

use ndarray::Array2;

/// Rows of one width, each read by its index.
pub trait Dataset: Sync {
    /// The number of rows.
    fn rows(&self) -> usize;

    /// Numbers in a row.
    fn width(&self) -> usize;

    /// Loads a row into the cache, because it will soon be copied.
    fn prefetch(&self, index: usize) {
        let _ = index;
    }

    /// Copies a row into `row`.
    fn copy(&self, index: usize, row: &mut [f32]);

    /// Copies a row into `row`. An image is shifted down and to the right by `by` pixels; other rows stay as they are.
    fn copy_moved(&self, index: usize, by: [isize; 2], row: &mut [f32]) {
        let _ = by;
        self.copy(index, row);
    }
}

/// The rows of an array, without a change.
impl Dataset for Array2<f32> {
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

/// A sample of the rows of another data set, spread evenly over it.
pub struct Sample<'a> {
    data: &'a dyn Dataset,
    rows: usize,
}

impl<'a> Sample<'a> {
    /// A sample of at most `limit` rows.
    pub fn new(data: &'a dyn Dataset, limit: usize) -> Self {
        Self { data, rows: data.rows().min(limit) }
    }
}

impl Dataset for Sample<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn width(&self) -> usize {
        self.data.width()
    }

    fn copy(&self, index: usize, row: &mut [f32]) {
        self.data.copy(index * self.data.rows() / self.rows, row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_the_whole() {
        let data = Array2::from_shape_fn((1000, 16), |(row, i)| (row * 16 + i) as f32);
        let sample = Sample::new(&data, 10);
        let mut row = [0.0; 16];
        sample.copy(9, &mut row);
        assert_eq!(row[..], data.row(900).to_vec());
        assert_eq!((sample.rows(), sample.width()), (10, 16));
        assert_eq!(Sample::new(&data, 2000).rows(), 1000);
    }
}
