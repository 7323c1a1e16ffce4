//! Images above what was made of them, in a PNG and in the terminal.

use super::images;
use host::picture::{Gray, colours, columns, half_blocks};

/// Images beside each other in the PNG.
const COLUMNS: usize = 16;
/// Most images that are drawn in the terminal.
pub const DRAWN: usize = 64;
/// About how many screen pixels an image is wide in the PNG.
const WIDTH: usize = 56;

/// Rows of images, those of each kind above those of the next: originals, reconstructions.
pub fn png(kinds: &[&[Vec<u8>]], inputs: usize) -> Gray {
    let mut rows: Vec<Vec<&[u8]>> = Vec::new();
    for first in (0..kinds.first().map_or(0, |images| images.len())).step_by(COLUMNS) {
        rows.extend(kinds.iter().map(|images| images.iter().skip(first).take(COLUMNS).map(Vec::as_slice).collect()));
    }
    let width = images::width(inputs);
    Gray::grid(&rows, width, (WIDTH / width).max(1))
}

/// The first of them as half blocks.
pub fn terminal(originals: Option<&[Vec<u8>]>, decoded: &[Vec<u8>], inputs: usize) -> String {
    let below: Vec<&[u8]> = decoded.iter().take(DRAWN).map(Vec::as_slice).collect();
    let above: Vec<&[u8]> = match originals {
        Some(originals) => originals.iter().take(DRAWN).map(Vec::as_slice).collect(),
        None => vec![&[]; below.len()],
    };
    half_blocks(&above, &below, images::width(inputs), columns(), colours())
}

/// The bytes of a code as a picture of as many pixels as an image: each is a square of two by two.
pub fn code(bytes: &[u8], inputs: usize) -> Vec<u8> {
    let width = images::width(inputs);
    let per_line = (width / 2).max(1);
    let mut pixels = vec![0; inputs];
    for (line, bytes) in bytes.chunks(per_line).enumerate() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_in_squares() {
        let pixels = code(&[1, 2, 3], 16);
        assert_eq!(pixels, [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 0, 0, 3, 3, 0, 0]);
        assert_eq!(code(&[7, 8], 6), [7, 7, 8, 8, 0, 0], "an image of one line");
        assert_eq!(code(&[9; 100], 16).len(), 16);
    }
}
