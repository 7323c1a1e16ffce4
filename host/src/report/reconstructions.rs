//! Rows above their reconstructions.

use crate::data::Dataset;
use crate::evaluate;
use crate::network::FloatNetwork;
use autoencoder_io::idx::Images;
use autoencoder_io::picture::Gray;

/// Rows in the picture.
const SHOWN: usize = 16;
/// Pixels of the picture for a pixel of an image, in each direction.
const ZOOM: usize = 2;

/// The first rows above their reconstructions: images, or line plots if the rows are not images. A code element has `code_bits`
/// bits.
pub fn reconstructions(network: &FloatNetwork, code_bits: u8, rows: &Images) -> Gray {
    let shown = SHOWN.min(rows.len());
    let originals = (0..shown).map(|i| rows.image(i)).collect();
    let pixels: Vec<Vec<u8>> = (0..shown).map(|i| reconstruction(network, code_bits, rows, i)).collect();
    Gray::sheet(&[originals, pixels.iter().map(Vec::as_slice).collect()], rows.width, ZOOM)
}

/// The reconstruction of a row.
pub fn reconstruction(network: &FloatNetwork, code_bits: u8, rows: &Images, row: usize) -> Vec<u8> {
    let mut x = vec![0.0; rows.image_size()];
    rows.copy(row, &mut x);
    let y = evaluate::reconstruct(network, code_bits, &x);
    y.iter().map(|y| (y * 255.0).round() as u8).collect() // `as` saturates
}
