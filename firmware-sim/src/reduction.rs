//! Reduces rows to the 64 values that a device trains on.

use crate::rows::{Count, Folder, Set, Shape, set_noun};
use anyhow::bail;
use autoencoder_device::tiny::PIXELS;

/// A row that is trained on: an image of 8 by 8 pixels, or other values.
pub type Row = [u8; PIXELS];

/// The first rows of a set, each reduced to 64 values, and their shape.
pub fn reduced(data: Folder<'_>, set: Set, count: Count) -> anyhow::Result<(Vec<Row>, Shape)> {
    let images = data.images(set)?;
    let from = Shape { width: images.width, height: images.height };
    let Some((reduction, shape)) = Reduction::new(from) else {
        let Shape { width, height } = from;
        let (path, size) = (data.path.display(), images.image_size());
        let what =
            if from.is_image() { format!("images of {width} by {height}") } else { format!("rows of {size} values") };
        bail!("{path}: {what}; training takes rows of 64 values, longer ones, or images of at least 8 by 8");
    };
    let count = count.resolve(images.len(), &set_noun(set, from), data.path)?;
    Ok(((0..count).map(|n| reduction.row(images.image(n))).collect(), shape))
}

/// Blocks of equal size in the middle of a row, whose means are the 64 values. The edges that remain are not used.
#[derive(Clone, Copy)]
struct Reduction {
    /// Values from left to right, in the row and in a block.
    width: [usize; 2],
    /// Values from top to bottom, in the row and in a block.
    height: [usize; 2],
    /// Blocks from left to right.
    columns: usize,
}

impl Reduction {
    /// The reduction of rows of this shape, and the shape of the result: 8 by 8, or 64 values. Rows of 64 values do not
    /// change. `None` for smaller rows, and for images that are narrower or lower than 8 pixels.
    fn new(from: Shape) -> Option<(Self, Shape)> {
        let Shape { width, height } = from;
        let to = match (width, height) {
            _ if width * height == PIXELS => from,
            (_, 1) => Shape { width: PIXELS, height: 1 },
            _ => Shape { width: 8, height: 8 },
        };
        let [block_width, block_height] = [width / to.width, height / to.height];
        let reduction = Self { width: [width, block_width], height: [height, block_height], columns: to.width };
        (block_width > 0 && block_height > 0).then_some((reduction, to))
    }

    fn row(self, row: &[u8]) -> Row {
        let Self { width: [width, across], height: [height, down], columns } = self;
        let rows = PIXELS / columns;
        let [left, top] = [(width - columns * across) / 2, (height - rows * down) / 2];
        std::array::from_fn(|i| {
            let corner = (top + down * (i / columns)) * width + left + across * (i % columns);
            let block = (0..across * down).map(|j| usize::from(row[corner + j / across * width + j % across]));
            ((block.sum::<usize>() + across * down / 2) / (across * down)) as u8
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reduce(width: usize, height: usize, row: &[u8]) -> Option<(Vec<u8>, Shape)> {
        let (reduction, shape) = Reduction::new(Shape { width, height })?;
        Some((reduction.row(row).to_vec(), shape))
    }

    #[test]
    fn an_image_is_reduced_to_the_means_of_its_blocks() {
        let shape = Shape { width: 8, height: 8 };
        // Blocks of 3 by 3 after two columns and two rows that are not used, summed independently.
        let image: Vec<u8> = (0..784).map(|i| (i * 37 % 251) as u8).collect();
        let mut expected = Vec::new();
        for y in 0..8 {
            for x in 0..8 {
                let block = (0..3).flat_map(|dy| (0..3).map(move |dx| (2 + 3 * y + dy) * 28 + 2 + 3 * x + dx));
                expected.push((block.map(|i| f64::from(image[i])).sum::<f64>() / 9.0).round() as u8);
            }
        }
        assert_eq!(reduce(28, 28, &image), Some((expected, shape)));
        let image: Vec<u8> =
            (0..17 * 9).map(|i| if i / 17 == 8 || i % 17 == 16 { 0 } else { (i % 17) as u8 }).collect();
        let columns: Vec<u8> = (0..64).map(|i| 2 * (i % 8) + 1).collect();
        assert_eq!(reduce(17, 9, &image), Some((columns, shape)), "the mean of 0 and 1 is rounded to 1");
    }

    #[test]
    fn rows_of_64_values_stay_as_they_are_and_longer_ones_are_reduced() {
        let row: Vec<u8> = (0..64).collect();
        for (width, height) in [(64, 1), (8, 8), (16, 4), (4, 16), (1, 64)] {
            assert_eq!(reduce(width, height, &row), Some((row.clone(), Shape { width, height })));
        }
        let long: Vec<u8> = (0..130).map(|i| (i.max(1) - 1) as u8 / 2).collect();
        assert_eq!(reduce(130, 1, &long), Some((row, Shape { width: 64, height: 1 })));
        for (width, height) in [(63, 1), (5, 6), (7, 100), (100, 7), (1, 1)] {
            assert_eq!(reduce(width, height, &[0; 700]), None, "{width} by {height}");
        }
    }
}
