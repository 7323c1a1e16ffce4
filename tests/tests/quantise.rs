//! The exporter's duty to the kernels: the sums of its weights stay within the accumulators, and the weights are no
//! coarser than that requires.

use autoencoder_core::Network;
use autoencoder_core::quant::Weights;
use autoencoder_io::blob_file::BlobFile;
use host::FloatNetwork;
use host::export::{BlobMeta, integer_blob};
use host::train::qat::WeightFormat;
use ndarray::Array2;
use zerocopy::IntoBytes;

/// The integer blob of a network of one layer. `weight` gives the weight of a row and an input.
fn blob(width: usize, weight: impl Fn(usize, usize) -> f32) -> BlobFile {
    let mut network = FloatNetwork::new(&format!("{width}-{width}").parse().unwrap());
    for (i, w) in network.layer_mut(0).0.iter_mut().enumerate() {
        *w = weight(i / width, i % width);
    }
    let rows = Array2::from_shape_fn((4, width), |(row, i)| ((row + i) % 3) as f32 / 2.0);
    let meta = BlobMeta { steps: 1, code_bits: 8, input: &[] };
    BlobFile::new("blob".as_ref(), &integer_blob(&network, WeightFormat::Int8, meta, &rows).unwrap())
}

/// The rows of the only layer's weights, read from the bytes of their tiles. A tile is four rows by four inputs in
/// eight lanes of 16 bits. A lane is `256·high + low` of two rows: rows 0 and 1, then rows 2 and 3, at two inputs.
fn rows(file: &BlobFile, width: usize) -> Vec<Vec<i32>> {
    let network = Network::open(file.bytes()).unwrap();
    let layer = network.layers().next().unwrap();
    let Weights::Int8(tiles) = layer.weights() else { panic!("8 bits") };
    let padded = width.div_ceil(4) * 4;
    let mut rows = vec![vec![0; padded]; padded];
    for (tile, bytes) in tiles.as_bytes().chunks(16).enumerate() {
        let (first_row, first_input) = (tile / (padded / 4) * 4, tile % (padded / 4) * 4);
        for (i, lane) in bytes.chunks(2).enumerate() {
            let low = i32::from(lane[0].cast_signed());
            let high = (i32::from(i16::from_le_bytes([lane[0], lane[1]])) - low) / 256;
            let (row, input) = (first_row + i / 2 % 2 * 2, first_input + i / 4 * 2 + i % 2);
            (rows[row][input], rows[row + 1][input]) = (low, high);
        }
    }
    rows.truncate(width);
    rows
}

/// `Σ |w| · 255`, the largest sum of a row and activations of 8 bits.
fn largest_sum(row: &[i32]) -> i32 {
    row.iter().map(|w| w.abs() * 255).sum()
}

/// Below this, a Cortex-M4 can separate the sums of two rows.
const BOUND: i32 = 1 << 23;

#[test]
fn no_row_of_8_bit_weights_can_leave_its_accumulator() {
    for width in [300, 784, 1001] {
        // Equal weights, which are all rounded in the same direction. Then weights of all sizes and both signs, and
        // rows of many sizes.
        let alike = |row: usize, _: usize| 0.1 + row as f32 * 1e-4;
        let mixed = |row: usize, i: usize| (i as f32 * 0.7 + row as f32).sin();
        let weights: [&dyn Fn(usize, usize) -> f32; 3] =
            [&alike, &mixed, &|row, i| mixed(row, i) * 0.99f32.powi(row as i32)];
        for (case, weight) in weights.into_iter().enumerate() {
            let file = blob(width, weight);
            for (i, row) in rows(&file, width).iter().enumerate() {
                let sum = largest_sum(row);
                assert!(sum < BOUND, "case {case}, width {width}, row {i}: {sum}");
                // A scale that is coarser than the bound or the largest weight requires wastes precision.
                let largest = row.iter().map(|w| w.abs()).max().unwrap();
                let fine = sum > BOUND / 100 * 97 || largest == 127;
                assert!(fine, "case {case}, width {width}, row {i}: only {sum}, weights up to {largest}");
            }
        }
    }
}

#[test]
fn narrow_rows_use_the_whole_range() {
    let file = blob(33, |row, i| (i as f32 * 0.7 + row as f32).sin());
    for row in rows(&file, 33) {
        assert_eq!(row.iter().map(|w| w.abs()).max(), Some(127));
    }
}
