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
    let (shown, size) = (SHOWN.min(rows.len()), rows.image_size());
    let mut x = vec![0.0; shown * size];
    for (i, x) in x.chunks_exact_mut(size).enumerate() {
        rows.copy(i, x);
    }
    let y = evaluate::reconstruct(network, code_bits, &x);
    let pixels: Vec<u8> = y.iter().map(|y| (y * 255.0).round() as u8).collect(); // `as` saturates
    let originals = (0..shown).map(|i| rows.image(i)).collect();
    Gray::sheet(&[originals, pixels.chunks_exact(size).collect()], rows.width, ZOOM)
}
