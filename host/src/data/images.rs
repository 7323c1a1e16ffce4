//! The rows of IDX files, pixels as numbers in [0, 1].

use super::Dataset;
use crate::kernels::{prefetch, vectorise};
use autoencoder_io::idx::Images;
use pulp::{Simd, WithSimd};
use std::ops::Range;

impl Dataset for Images {
    fn rows(&self) -> usize {
        self.len()
    }

    fn width(&self) -> usize {
        self.image_size()
    }

    fn prefetch(&self, index: usize) {
        prefetch(self.image(index));
    }

    fn copy(&self, index: usize, row: &mut [f32]) {
        vectorise(Normalise { pixels: self.image(index), row });
    }

    /// Pixels that enter at an edge repeat the edge. A row that is not an image is not shifted.
    fn copy_moved(&self, index: usize, [down, right]: [isize; 2], row: &mut [f32]) {
        if self.height == 1 {
            return self.copy(index, row);
        }
        let (image, width) = (self.image(index), self.width);
        let [(down, lines, inner_line), (right, columns, inner_column)] =
            [(down, self.height), (right, width)].map(edge);
        // One loop copies all pixels, which vectorises. The others then replace the pixels from beyond an edge.
        let by = down * width.cast_signed() + right;
        let [to, from] = [by, -by].map(|by| by.max(0).cast_unsigned());
        vectorise(Normalise { pixels: &image[from..], row: &mut row[to..] });
        if !columns.is_empty() {
            for line in row.chunks_exact_mut(width) {
                let beside = line[inner_column];
                line[columns.clone()].fill(beside);
            }
        }
        for line in lines {
            row.copy_within(inner_line * width..(inner_line + 1) * width, line * width);
        }
    }
}

/// Scales pixels to numbers in [0, 1], compiled for this machine's vector instructions.
struct Normalise<'a> {
    pixels: &'a [u8],
    row: &'a mut [f32],
}

impl WithSimd for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (x, pixel) in self.row.iter_mut().zip(self.pixels) {
            *x = f32::from(*pixel) * (1.0 / 255.0);
        }
    }
}

/// A shift of `count` lines by `by`, limited to the size of the image. Returns the shift, the lines that it leaves empty, and
/// the line beside them.
#[inline(always)]
fn edge((by, count): (isize, usize)) -> (isize, Range<usize>, usize) {
    let most = count.saturating_sub(1);
    let by = by.clamp(-most.cast_signed(), most.cast_signed());
    let empty = by.unsigned_abs();
    if by > 0 { (by, 0..empty, empty) } else { (by, count - empty..count, most - empty) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn a_moved_image_repeats_its_edges() {
        let images = Images { pixels: vec![0, 51, 102, 153, 204, 255], height: 2, width: 3 };
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
        // At any distance, a pixel comes from the nearest place within the image.
        let nearest = |at: isize, count: usize| at.clamp(0, count as isize - 1) as usize;
        for (down, right) in (-4..=4).flat_map(|down| (-5..=5).map(move |right| (down, right))) {
            let from = |i: isize| nearest(i / 3 - down, 2) * 3 + nearest(i % 3 - right, 3);
            assert_eq!(moved([down, right]), std::array::from_fn(|i| from(i as isize) as u8), "{down}, {right}");
        }
    }

    #[test]
    fn rows_that_are_not_images_are_not_shifted() {
        let pixels: Vec<u8> = vec![0, 51, 102, 153, 204, 255];
        let array = Array2::from_shape_fn((1, 6), |(_, i)| f32::from(pixels[i]));
        let mut row = [0.0; 6];
        array.copy_moved(0, [1, 1], &mut row);
        assert_eq!(row, [0.0, 51.0, 102.0, 153.0, 204.0, 255.0]);
        let rows = Images { pixels, height: 1, width: 6 };
        let mut still = [0.0; 6];
        rows.copy(0, &mut still);
        rows.copy_moved(0, [0, 1], &mut row);
        assert_eq!(row, still);
    }
}
