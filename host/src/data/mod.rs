//! Rows to train on and to measure with.

mod images;

use ndarray::Array2;

/// A set of rows, each read by its index.
pub trait Source: Sync {
    /// How many rows there are.
    fn rows(&self) -> usize;

    /// Numbers in a row.
    fn width(&self) -> usize;

    /// Asks for a row that will soon be copied to be brought into the cache.
    #[inline(always)]
    fn fetch(&self, index: usize) {
        let _ = index;
    }

    /// Copies a row out.
    fn copy(&self, index: usize, row: &mut [f32]);

    /// Copies a row out, moved down and right by so many pixels if it is an image; other rows stay as they are.
    #[inline(always)]
    fn copy_moved(&self, index: usize, by: [isize; 2], row: &mut [f32]) {
        let _ = by;
        self.copy(index, row);
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

/// So many rows of a source, spread evenly over it.
pub(crate) struct Sample<'a, S> {
    source: &'a S,
    rows: usize,
}

impl<'a, S: Source> Sample<'a, S> {
    /// At most so many rows.
    pub(crate) fn new(source: &'a S, most: usize) -> Self {
        Self { source, rows: source.rows().min(most) }
    }
}

impl<S: Source> Source for Sample<'_, S> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn width(&self) -> usize {
        self.source.width()
    }

    fn copy(&self, index: usize, row: &mut [f32]) {
        self.source.copy(index * self.source.rows() / self.rows, row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_the_whole() {
        let source = Array2::from_shape_fn((1000, 16), |(row, i)| (row * 16 + i) as f32);
        let sample = Sample::new(&source, 10);
        let mut row = [0.0; 16];
        sample.copy(9, &mut row);
        assert_eq!(row[..], source.row(900).to_vec());
        assert_eq!((sample.rows(), sample.width()), (10, 16));
        assert_eq!(Sample::new(&source, 2000).rows(), 1000);
    }
}
