//! The threshold of a blob: a score above it is that of an input unlike the training data.
//!
//! The score is the device's: `Σ (q - q̂)²` over the `u8` values of an input and of its reconstruction. The threshold is
//! the 99.5 % quantile of the scores of the training data, so that one known row in 200 is above it. A higher quantile
//! would be set by a handful of the worst rows, and change with the sample; a lower one would call more known rows
//! odd where single rows are looked at. For a drift monitor, which asks for a majority, either would do.
//!
//! Measured with the integers themselves. Ten thousand rows determine the quantile well enough: of the rows not looked at,
//! between 0.36 and 0.64 % are above it (two standard deviations), and they take a second where all MNIST takes six.

use crate::data::{Dataset, Sample};
use crate::evaluate::IntegerNetwork;

/// The most rows that are scored: spread evenly over the training data.
pub const ROWS: usize = 10_000;
/// Scores in a thousand that are at or below the threshold.
const PER_MILLE: usize = 995;

/// The threshold for rows like those of `data`.
pub fn threshold(network: &IntegerNetwork<'_>, data: &dyn Dataset) -> u32 {
    quantile(network.scores(&Sample::new(data, ROWS)))
}

/// The smallest of the scores that [`PER_MILLE`] of a thousand of them do not exceed.
fn quantile(mut scores: Vec<u32>) -> u32 {
    scores.sort_unstable();
    let rank = (scores.len() * PER_MILLE).div_ceil(1000);
    scores.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{BlobMeta, integer_blob, quantise};
    use crate::network::FloatNetwork;
    use crate::train::qat::WeightFormat;
    use autoencoder_core::Network;
    use autoencoder_core::blob::NO_THRESHOLD;
    use autoencoder_io::blob_file::BlobFile;
    use ndarray::Array2;
    use std::path::Path;

    const META: BlobMeta = BlobMeta { steps: 7, code_bits: 8 };

    /// Rows of pixels, exactly: each row brighter than the one before.
    fn rows(count: usize, width: usize) -> Array2<f32> {
        Array2::from_shape_fn((count, width), |(row, i)| ((row * 250 / count + i % 5) as f32) / 255.0)
    }

    fn network(topology: &str) -> FloatNetwork {
        let mut network = FloatNetwork::new(&topology.parse().unwrap());
        for (i, w) in network.parameters_mut().iter_mut().enumerate() {
            *w = (i as f32 * 0.7).sin();
        }
        network
    }

    #[test]
    fn the_quantile_is_the_score_that_one_in_two_hundred_exceeds() {
        assert_eq!(quantile((1..=1000).rev().collect()), 995);
        assert_eq!(quantile((1..=10_000).collect()), 9950);
        assert_eq!(quantile((1..=200).collect()), 199);
        assert_eq!(quantile((1..=199).collect()), 199, "fewer than 200 cannot tell");
        assert_eq!(quantile(vec![7]), 7);
    }

    /// With padding and without, and with a code of its own bits.
    #[test]
    fn calibrating_changes_only_the_threshold_and_that_is_the_devices_own() {
        for (topology, code_bits) in [("16-8-16", 8), ("16-8-16", 3), ("15-7-15", 8), ("13-13", 5)] {
            let network = network(topology);
            let meta = BlobMeta { code_bits, ..META };
            let data = rows(400, network.topology().inputs());
            let quantised = quantise::quantise(&network, WeightFormat::Int8, meta, &data).unwrap();
            let before = quantised.to_blob().unwrap();
            let after = integer_blob(&network, WeightFormat::Int8, meta, &data).unwrap();
            let [before, after] = [before, after].map(|bytes| BlobFile::new(Path::new(""), &bytes));
            let [before, after] = [&before, &after].map(|file| file.open().unwrap());
            assert_eq!(before.header().threshold, NO_THRESHOLD);
            let mut header = after.header().clone();
            header.threshold = NO_THRESHOLD;
            assert_eq!(header, *before.header());
            let [mut old, mut new] = [before.layers(), after.layers()];
            for _ in network.layers() {
                let (old, new) = (old.next_layer().unwrap(), new.next_layer().unwrap());
                assert_eq!((old.output, old.channels, old.weights), (new.output, new.channels, new.weights));
            }

            // As the device computes it.
            let threshold = after.header().threshold;
            let device = Network::new(after).unwrap();
            let mut memory = vec![0; device.memory_bytes()];
            let scores = data.outer_iter().map(|row| {
                let x: Vec<u8> = row.iter().map(|x| (x * 255.0).round() as u8).collect();
                let mut code = device.encode(&x, &mut memory).unwrap().to_vec();
                autoencoder_core::quant::code::pack(&mut code, code_bits);
                autoencoder_core::quant::code::unpack(&mut code, code_bits);
                let y = device.decode(&code, &mut memory).unwrap();
                x.iter().zip(y).map(|(x, y)| u32::from(x.abs_diff(*y)).pow(2)).sum()
            });
            let scores: Vec<u32> = scores.collect();
            assert!(scores.contains(&threshold));
            let above = scores.iter().filter(|score| **score > threshold).count();
            assert!((1..=2).contains(&above), "{above} of 400"); // two, or one where two scores are equal
        }
    }
}
