//! Counts the pairs of numbers that a product with digits multiplies, for a table of docs/benchmarks.md. A product skips a pair
//! that is 0 in all rows of the left operand that it multiplies at a time.
//!
//!     cargo run --release -p host --example zeros

use autoencoder_io::idx::Images;
use ndarray::{Array2, ArrayView2};
use rand::seq::SliceRandom;
use rand_pcg::Pcg32;
use std::path::Path;

/// The number of digits.
const DIGITS: usize = 12_800;

fn main() -> anyhow::Result<()> {
    let images = Images::train(Path::new("data/mnist"))?;
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.shuffle(&mut Pcg32::new(1, 1));
    let digits = Array2::from_shape_fn((DIGITS, images.image_size()), |(i, p)| images.image(order[i])[p]);
    for count in [16, 8, 4, 2, 1] {
        println!(
            "{count:2} at a time: {:.0} % of the pairs of pixels, {:.0} % of the pairs of images",
            100.0 * share(&digits.view(), count, 2),
            100.0 * share(&digits.view(), 2, count)
        );
    }
    Ok(())
}

/// The share of blocks of `rows` images by `columns` pixels in which not all are 0.
fn share(digits: &ArrayView2<'_, u8>, rows: usize, columns: usize) -> f64 {
    let used: Vec<bool> = digits.exact_chunks([rows, columns]).into_iter().map(|b| b.iter().any(|p| *p > 0)).collect();
    used.iter().filter(|used| **used).count() as f64 / used.len() as f64
}
