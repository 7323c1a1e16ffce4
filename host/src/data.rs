//! Rows to train on.

use crate::idx::Images;
use ndarray::Array2;
use std::hint::black_box;

/// A set of rows, each read by its index.
pub trait Source: Sync {
    /// How many rows there are.
    fn rows(&self) -> usize;

    /// Numbers in a row.
    fn width(&self) -> usize;

    /// Has a row that will soon be copied brought into the cache.
    #[inline(always)]
    fn fetch(&self, index: usize) {
        let _ = index;
    }

    /// Copies a row out.
    fn copy(&self, index: usize, row: &mut [f32]);

    /// The same, moved down and right by so many pixels where rows are images; other rows stay as they are.
    #[inline(always)]
    fn copy_moved(&self, index: usize, by: [isize; 2], row: &mut [f32]) {
        let _ = by;
        self.copy(index, row);
    }
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
    fn fetch(&self, index: usize) {
        const LINE: usize = 64;
        // Reads that nothing waits for.
        black_box(self.image(index).iter().step_by(LINE).fold(0, |all, pixel| all | pixel));
    }

    #[inline(always)]
    fn copy(&self, index: usize, row: &mut [f32]) {
        for (x, pixel) in row.iter_mut().zip(self.image(index)) {
            *x = f32::from(*pixel) * (1.0 / 255.0);
        }
    }

    /// What comes in at an edge repeats the edge.
    #[inline(always)]
    fn copy_moved(&self, index: usize, [down, right]: [isize; 2], row: &mut [f32]) {
        let pixel = |pixel: u8| f32::from(pixel) * (1.0 / 255.0);
        let (image, width) = (self.image(index), self.width);
        // All of it in one loop, which vectorises; then what that took from beyond an edge.
        let by = down * width.cast_signed() + right;
        let [to, from] = [by, -by].map(|by| by.clamp(0, row.len().cast_signed()).cast_unsigned());
        for (x, p) in row[to..].iter_mut().zip(&image[from..]) {
            *x = pixel(*p);
        }
        let [first, last] = [right, -right].map(|by| by.clamp(0, width.cast_signed()).cast_unsigned());
        for (y, row) in row.chunks_exact_mut(width).enumerate() {
            let source = y.saturating_add_signed(-down).min(self.height - 1);
            let line = &image[source * width..][..width];
            if source.checked_add_signed(down) != Some(y) {
                for (x, p) in row[first..].iter_mut().zip(&line[last..]) {
                    *x = pixel(*p);
                }
            }
            row[..first].fill(pixel(line[0]));
            row[width - last..].fill(pixel(line[width - 1]));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_image_repeats_its_edges() {
        let pixels = Array2::from_shape_vec((1, 6), vec![0, 51, 102, 153, 204, 255]).unwrap();
        let images = Images { pixels, height: 2, width: 3 };
        let moved = |by| {
            let mut row = [0.0; 6];
            images.copy_moved(0, by, &mut row);
            row.map(|x| (x * 5.0).round() as u8)
        };
        assert_eq!(moved([0, 0]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(moved([1, 0]), [0, 1, 2, 0, 1, 2]);
        assert_eq!(moved([-1, 0]), [3, 4, 5, 3, 4, 5]);
        assert_eq!(moved([0, 1]), [0, 0, 1, 3, 3, 4]);
        assert_eq!(moved([0, -1]), [1, 2, 2, 4, 5, 5]);
        assert_eq!(moved([-1, 9]), [3, 3, 3, 3, 3, 3]);
        let rows = images.pixels.mapv(f32::from);
        let mut row = [0.0; 6];
        rows.copy_moved(0, [1, 1], &mut row);
        assert_eq!(row, [0.0, 51.0, 102.0, 153.0, 204.0, 255.0]);
    }
}
