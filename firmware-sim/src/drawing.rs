//! Rows above what was made of them, in a PNG and in the terminal.

use crate::rows::Shape;
use autoencoder_io::picture::{Gray, colours, columns, draw};
use std::io::stdout;

/// Rows beside each other in the PNG.
const COLUMNS: usize = 16;
/// About how many screen pixels an image is wide in the PNG.
const WIDTH: usize = 56;

/// The most rows that are drawn in the terminal, where an image takes less room than a line plot.
pub fn most_drawn(shape: Shape) -> usize {
    if shape.is_image() { 64 } else { 16 }
}

/// Rows of each kind (originals, reconstructions) above those of the next.
pub fn png(kinds: &[&[Vec<u8>]], shape: Shape) -> Gray {
    let mut rows: Vec<Vec<&[u8]>> = Vec::new();
    for first in (0..kinds.first().map_or(0, |rows| rows.len())).step_by(COLUMNS) {
        rows.extend(kinds.iter().map(|rows| rows.iter().skip(first).take(COLUMNS).map(Vec::as_slice).collect()));
    }
    let width = line_width(kinds, shape);
    Gray::sheet(&rows, width, (WIDTH / width).max(1))
}

/// The first of them for the terminal.
pub fn terminal(originals: Option<&[Vec<u8>]>, below: &[Vec<u8>], shape: Shape) -> String {
    let first = |rows: &[Vec<u8>]| rows.iter().take(most_drawn(shape)).cloned().collect::<Vec<_>>();
    let below = first(below);
    let above = originals.map_or_else(|| vec![Vec::new(); below.len()], first);
    let [top, bottom] = [&above, &below].map(|rows| rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
    draw(&top, &bottom, line_width(&[&above, &below], shape), columns(), colours(&stdout()))
}

/// The packed bytes of a code as a row to be drawn: as a picture of the shape, each byte a square of two by two pixels;
/// or as they are.
pub fn code(bytes: &[u8], shape: Shape) -> Vec<u8> {
    if !shape.is_image() {
        return bytes.to_vec();
    }
    let Shape { width, height } = shape;
    let mut pixels = vec![0; width * height];
    for (line, bytes) in bytes.chunks((width / 2).max(1)).enumerate() {
        for (column, byte) in bytes.iter().enumerate() {
            for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                if let Some(pixel) = pixels.get_mut((2 * line + y) * width + 2 * column + x) {
                    *pixel = *byte;
                }
            }
        }
    }
    pixels
}

/// Of images their width; of rows that are no images so many values that none of them is taken for one.
fn line_width(kinds: &[&[Vec<u8>]], shape: Shape) -> usize {
    let longest = kinds.iter().flat_map(|rows| rows.iter()).map(Vec::len).max();
    if shape.is_image() { shape.width } else { longest.unwrap_or(shape.width).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_in_squares_in_an_image_and_as_it_is_elsewhere() {
        let pixels = code(&[1, 2, 3], Shape::guess(16));
        assert_eq!(pixels, [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 0, 0, 3, 3, 0, 0]);
        assert_eq!(code(&[9; 100], Shape::guess(16)).len(), 16);
        assert_eq!(code(&[7, 8], Shape::guess(6)), [7, 8]);
    }

    #[test]
    fn images_are_drawn_as_images_and_other_rows_as_lines() {
        let size = |kinds: &[&[Vec<u8>]], shape| {
            let picture = png(kinds, shape);
            (picture.width, picture.height)
        };
        let images = vec![vec![9; 784]; 20];
        assert_eq!(size(&[&images, &images], Shape::guess(784)), (16 * 58 + 2, 4 * 58 + 2));
        let (rows, codes) = (vec![vec![9; 6]; 2], vec![vec![200; 40]; 2]);
        assert_eq!(size(&[&rows, &codes], Shape::guess(6)), (2 * 114 + 2, 2 * 58 + 2), "a code longer than its row");
        assert_eq!(size(&[&[]], Shape::guess(6)), (2, 2), "nothing");
        let lines = terminal(Some(&rows), &codes, Shape::guess(6));
        assert_eq!(lines.lines().next(), Some("▁▁▁▁▁▁"));
        assert_eq!(lines.lines().nth(1).map(|line| line.chars().all(|c| c == '▇')), Some(true));
    }
}
