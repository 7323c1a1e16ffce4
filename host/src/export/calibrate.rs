//! The thresholds of a blob: scores outside them are those of inputs unlike the training data.
//!
//! The score is the device's: `Σ (q - q̂)²` over the `u8` values of an input and of its reconstruction. The thresholds are
//! the 0.5 % and the 99.5 % quantile of the scores of the training data, so one known row in 100 is outside, half of them
//! on either side. The lower one matters as much as the upper: a sensor that sees less, or nothing, gives rows that are
//! easier to reconstruct. Quantiles farther out would be set by a handful of rows, and change with the sample; quantiles
//! farther in would call more known rows odd.
//!
//! The integers themselves compute the scores. Ten thousand rows determine a quantile well enough: between 0.36 and 0.64 % of
//! the other rows are beyond it (two standard deviations). They take a second; all of MNIST takes six.

use crate::data::{Dataset, Sample};
use crate::evaluate::IntegerNetwork;
use autoencoder_core::blob::Thresholds;

/// The most rows that are scored: spread evenly over the training data.
pub const ROWS: usize = 10_000;
/// The fraction of the scores that may be below the lower threshold, and above the upper one.
pub const BEYOND: f64 = 0.005;

/// The thresholds for rows like those of `data`. The fraction `above` of their scores may be above the upper one.
pub fn thresholds(network: &IntegerNetwork<'_>, data: &dyn Dataset, above: f64) -> Thresholds {
    quantiles(network.scores(&Sample::new(data, ROWS)), above)
}

/// The lower threshold of a detector is this fraction of the quantile: that of a signal with half the amplitude. The same machine or
/// person at another time often moves less, but a sensor that came loose sees far less.
pub const LOWER: u32 = 4;

/// As [`thresholds`], for rows of a sensor, whose lower one is farther out.
pub fn sensor_thresholds(network: &IntegerNetwork<'_>, data: &dyn Dataset, above: f64) -> Thresholds {
    of_sensor(network.scores(&Sample::new(data, ROWS)), above)
}

/// The thresholds of a detector with these scores of normal rows.
pub fn of_sensor(scores: Vec<u32>, above: f64) -> Thresholds {
    let Thresholds { lower, upper } = quantiles(scores, above);
    Thresholds { lower: lower / LOWER, upper }
}

/// The narrowest thresholds with at most the fraction [`BEYOND`] of the scores below them, and at most `above` above. Without
/// scores, [`Thresholds::NONE`].
fn quantiles(mut scores: Vec<u32>, above: f64) -> Thresholds {
    scores.sort_unstable();
    ends(&scores, above).map_or(Thresholds::NONE, |[lower, upper]| Thresholds { lower, upper })
}

/// The ends of the narrowest range with at most the fraction [`BEYOND`] of these scores below it, and at most `above` above. The
/// scores are in order. `None` without scores.
pub fn ends<S: Copy>(scores: &[S], above: f64) -> Option<[S; 2]> {
    let [below, above] = [BEYOND, above].map(|fraction| share_of(scores.len(), fraction));
    Some([*scores.get(below)?, *scores.iter().rev().nth(above)?])
}

/// The whole rows of `count` that a fraction is: 29 % of 100 are 29, although the nearest `f64` to 0.29 is below it.
pub fn share_of(count: usize, fraction: f64) -> usize {
    (count as f64 * fraction + 1e-9) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::Sensor;
    use crate::export::{BlobMeta, integer_blob, quantise};
    use crate::network::FloatNetwork;
    use crate::train::qat::WeightFormat;
    use autoencoder_core::Network;
    use autoencoder_core::front_end::Spec;
    use autoencoder_io::blob_file::BlobFile;
    use ndarray::Array2;
    use std::path::Path;

    const META: BlobMeta<'static> = BlobMeta { steps: 7, code_bits: 8, input: &[] };

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
    fn one_score_in_two_hundred_is_beyond_each_quantile() {
        let of = |scores: Vec<u32>| {
            let Thresholds { lower, upper } = quantiles(scores, BEYOND);
            (lower, upper)
        };
        assert_eq!(of((1..=1000).rev().collect()), (6, 995));
        assert_eq!(of((1..=10_000).collect()), (51, 9950));
        assert_eq!(of((1..=200).collect()), (2, 199));
        assert_eq!(of((1..=199).collect()), (1, 199), "fewer than 200 scores");
        assert_eq!(of(vec![7]), (7, 7));
        assert_eq!(quantiles(Vec::new(), BEYOND), Thresholds::NONE);
    }

    #[test]
    fn a_share_is_of_the_number_that_was_given() {
        for percent in 0..100 {
            let fraction = f64::from(percent) / 100.0;
            assert_eq!(share_of(100, fraction), percent as usize);
            assert_eq!(share_of(1000, fraction), 10 * percent as usize);
            assert_eq!(share_of(1099, fraction), 1099 * percent as usize / 100);
        }
        // `--false-alarms 0.005` of 1,000 rows.
        let sensor = Sensor { spec: Spec::rows(1), names: Vec::new(), false_alarms: 0.005, scales: Vec::new() };
        assert_eq!(ends(&(1..=1000).collect::<Vec<u32>>(), sensor.rate()), Some([6, 995]));
    }

    /// With and without padding, and with fewer bits in the code.
    #[test]
    fn calibrating_changes_only_the_thresholds_and_these_are_the_devices_own() {
        for (topology, code_bits) in [("16-8-16", 8), ("16-8-16", 3), ("15-7-15", 8), ("13-13", 5)] {
            let network = network(topology);
            let meta = BlobMeta { code_bits, ..META };
            let data = rows(400, network.topology().inputs());
            let quantised = quantise::quantise(&network, WeightFormat::Int8, meta, &data).unwrap();
            let before = quantised.to_blob(&[]).unwrap();
            let after = integer_blob(&network, WeightFormat::Int8, meta, &data).unwrap();
            let [before, after] = [before, after].map(|bytes| BlobFile::new(Path::new(""), &bytes));
            let [before, after] = [&before, &after].map(|file| file.open().unwrap());
            assert_eq!(before.header().thresholds, Thresholds::NONE);
            let mut header = after.header().clone();
            header.thresholds = Thresholds::NONE;
            assert_eq!(header, *before.header());
            let [mut old, mut new] = [before.layers(), after.layers()];
            for _ in network.layers() {
                let (old, new) = (old.next_layer().unwrap(), new.next_layer().unwrap());
                assert_eq!((old.output, old.channels, old.weights), (new.output, new.channels, new.weights));
            }

            // As the device computes it.
            let Thresholds { lower, upper } = after.header().thresholds;
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
            assert!(scores.contains(&lower) && scores.contains(&upper) && lower < upper);
            let below = scores.iter().filter(|score| **score < lower).count();
            let above = scores.iter().filter(|score| **score > upper).count();
            for beyond in [below, above] {
                assert!((1..=2).contains(&beyond), "{beyond} of 400"); // two, or one where two scores are equal
            }
        }
    }
}
