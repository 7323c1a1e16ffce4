//! Draws rows above their reconstructions or codes, in a PNG and in the terminal.

use crate::rows::Shape;
use autoencoder_io::picture::Gray;
use autoencoder_io::terminal::{colours, columns, draw};
use std::io::stdout;

/// The most rows side by side in the PNG.
const COLUMNS: usize = 16;
/// Approximate width of an image in the PNG, in pixels.
const WIDTH: usize = 56;
/// Width of a line plot in the PNG, in pixels.
const PLOT_WIDTH: usize = 112;
/// The greatest width of the PNG, unless a single row is wider.
const SHEET_WIDTH: usize = COLUMNS * (WIDTH + 2);

/// The most rows that are drawn in the terminal.
pub const MOST_DRAWN: usize = 16;

/// Draws the rows of each kind (originals, reconstructions) above those of the next kind.
pub fn png(kinds: &[&[Vec<u8>]], shape: Shape) -> Gray {
    let width = line_width(kinds, shape);
    let zoom = (WIDTH / width).max(1);
    let cell = if shape.is_image() { width * zoom } else { PLOT_WIDTH } + 2;
    let columns = (SHEET_WIDTH / cell).clamp(1, COLUMNS);
    let mut rows: Vec<Vec<&[u8]>> = Vec::new();
    for first in (0..kinds.first().map_or(0, |rows| rows.len())).step_by(columns) {
        rows.extend(kinds.iter().map(|rows| rows.iter().skip(first).take(columns).map(Vec::as_slice).collect()));
    }
    Gray::sheet(&rows, width, zoom)
}

/// ` (the first 16 are drawn here)` if there are more, else nothing.
pub fn cut(count: usize) -> String {
    if count > MOST_DRAWN { format!(" (the first {MOST_DRAWN} are drawn here)") } else { String::new() }
}

/// Draws the first rows for the terminal.
pub fn terminal(originals: Option<&[Vec<u8>]>, below: &[Vec<u8>], shape: Shape) -> String {
    let first = |rows: &[Vec<u8>]| rows.iter().take(MOST_DRAWN).cloned().collect::<Vec<_>>();
    let below = first(below);
    let above = originals.map_or_else(|| vec![Vec::new(); below.len()], first);
    let [top, bottom] = [&above, &below].map(|rows| rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
    draw(&top, &bottom, line_width(&[&above, &below], shape), columns(), colours(&stdout()))
}

/// The packed bytes of a code as a row to draw. For images, the row is a picture of the same shape in which each byte
/// is a square of two by two pixels. For other rows, it is the bytes themselves.
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

/// The width of a line in the picture: the width of the images, or the length of the longest other row.
fn line_width(kinds: &[&[Vec<u8>]], shape: Shape) -> usize {
    let longest = kinds.iter().flat_map(|rows| rows.iter()).map(Vec::len).max();
    if shape.is_image() { shape.width } else { longest.unwrap_or(shape.width).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_as_squares_for_images_and_unchanged_for_other_rows() {
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
        // The picture is never wider than a screen.
        let rows = vec![vec![9; 6]; 17];
        assert_eq!(size(&[&rows, &rows], Shape::guess(6)), (8 * 114 + 2, 6 * 58 + 2), "three lines of eight plots");
        let images = vec![vec![9; 300 * 20]; 4];
        assert_eq!(size(&[&images], Shape { width: 300, height: 20 }), (3 * 302 + 2, 2 * 22 + 2));
        let images = vec![vec![9; 2000 * 3]; 2];
        assert_eq!(size(&[&images], Shape { width: 2000, height: 3 }), (2002 + 2, 2 * 5 + 2));
        let lines = terminal(Some(&rows), &codes, Shape::guess(6));
        assert_eq!(lines.lines().next(), Some("▁▁▁▁▁▁"));
        assert_eq!(lines.lines().nth(1).map(|line| line.chars().all(|c| c == '▇')), Some(true));
    }
}
