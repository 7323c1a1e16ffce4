//! The threshold of a blob: from which score on an input is unlike the training data.
//!
//! The score is the device's: `Σ (q - q̂)²` over the `u8` values of an input and of its reconstruction. The threshold is
//! the 99.5 % quantile of the scores of the training data, so that one known image in 200 is above it. A higher quantile
//! would be set by a handful of the worst images, and change with the sample; a lower one would call more known images
//! odd, for whoever looks at single images. For a drift monitor, which asks for a majority, either would do.
//!
//! Measured with the int8 network itself. Ten thousand rows tell the quantile well enough: of the rows not looked at,
//! between 0.36 and 0.64 % are above (two standard deviations), and they take a second where all take six.

use crate::blob_file::BlobFile;
use crate::data::Source;
use crate::evaluate::errors_int8;
use autoencoder_core::Error;
use autoencoder_core::blob::{Blob, Mirrors, Writer};
use autoencoder_core::layer::Row;
use autoencoder_core::model::Half;
use std::path::Path;

/// Rows that are scored at most: spread evenly over the training data.
pub const ROWS: usize = 10_000;
/// Scores in a thousand that are at or below the threshold.
const PER_MILLE: usize = 995;

/// The same blob, its threshold that of the rows of `source`.
pub fn calibrate<E: Half, D: Half + Mirrors<E>>(blob: &[u8], source: &impl Source) -> Result<Vec<u8>, Error> {
    let aligned = BlobFile::new(Path::new(""), blob);
    let blob = Blob::open(aligned.bytes())?;
    let mut header = blob.header().clone();
    let errors = errors_int8::<E, D>(&blob, &Sample { source, rows: source.rows().min(ROWS) })?;
    let steps = E::In::LEN as f64 / f64::from(header.input.scale).powi(2);
    header.threshold = quantile(errors.into_iter().map(|error| (f64::from(error) * steps).round() as u32).collect());

    let mut buffer = vec![0; aligned.bytes().len() + 64]; // another number of another length, other padding
    let mut writer = Writer::new(&mut buffer, &header)?;
    let mut layers = blob.layers();
    for _ in &header.layers {
        writer.layer(layers.layer()?)?;
    }
    Ok(writer.finish()?.to_vec())
}

/// The smallest of the scores that [`PER_MILLE`] of a thousand of them do not exceed.
fn quantile(mut scores: Vec<u32>) -> u32 {
    scores.sort_unstable();
    let rank = (scores.len() * PER_MILLE).div_ceil(1000);
    scores.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Rows spread evenly over a source.
struct Sample<'a, S> {
    source: &'a S,
    rows: usize,
}

impl<S: Source> Source for Sample<'_, S> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn width(&self) -> usize {
        self.source.width()
    }

    fn copy(&self, index: usize, row: &mut [f32]) {
        self.source.copy(index * self.source.rows() / self.rows, row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aware::Precision;
    use crate::quantise::{About, integer_blob};
    use crate::trainer::zeroed_box;
    use autoencoder_core::blob::NO_THRESHOLD;
    use autoencoder_core::{Autoencoder, Dense, Layer, Parameters, Plain, Sigmoid, Zeroed};
    use ndarray::Array2;

    type E = Dense<16, 8, Sigmoid>;
    type D = Dense<8, 16, Sigmoid>;

    const ABOUT: About = About { encoder_layers: 1, steps: 7, code_bits: 8 };

    /// Rows of pixels, exactly: each row brighter than the one before.
    fn rows(count: usize) -> Array2<f32> {
        Array2::from_shape_fn((count, 16), |(row, i)| ((row * 250 / count + i % 5) as f32) / 255.0)
    }

    #[test]
    fn the_quantile_is_the_score_that_one_in_two_hundred_exceeds() {
        assert_eq!(quantile((1..=1000).rev().collect()), 995);
        assert_eq!(quantile((1..=10_000).collect()), 9950);
        assert_eq!(quantile((1..=200).collect()), 199);
        assert_eq!(quantile((1..=199).collect()), 199, "fewer than 200 cannot tell");
        assert_eq!(quantile(vec![7]), 7);
    }

    #[test]
    fn the_blob_stays_what_it_was_but_for_its_threshold_and_that_is_the_devices_own() {
        let mut net = zeroed_box::<Autoencoder<E, D>>();
        for (i, w) in net.slices_mut().flatten().enumerate() {
            *w = (i as f32 * 0.7).sin();
        }
        let source = rows(400);
        let before = integer_blob(&*net, Precision::Int8, ABOUT, &source).unwrap();
        let after = calibrate::<E, D>(&before, &source).unwrap();
        let [before, after] = [before, after].map(|bytes| BlobFile::new(Path::new(""), &bytes));
        let [before, after] = [&before, &after].map(|file| file.open().unwrap());
        assert_eq!(before.header().threshold, NO_THRESHOLD);
        let mut header = after.header().clone();
        header.threshold = NO_THRESHOLD;
        assert_eq!(header, *before.header());
        let [mut old, mut new] = [before.layers(), after.layers()];
        for _ in 0..2 {
            let (old, new) = (old.layer().unwrap(), new.layer().unwrap());
            assert_eq!((old.output, old.channels, old.weights), (new.output, new.channels, new.weights));
        }

        // As the device computes it, in integers.
        let int8 = after.int8::<E, D>().unwrap();
        let scores = source.outer_iter().map(|row| {
            let x: [u8; 16] = std::array::from_fn(|i| (row[i] * 255.0).round() as u8);
            let (mut code, mut y) = (Zeroed::ZERO, Zeroed::ZERO);
            let code = int8.encoder.forward::<1>(&Plain, &[x], &mut code);
            let y = int8.decoder.forward::<1>(&Plain, code, &mut y);
            x.iter().zip(y[0]).map(|(x, y)| u32::from(x.abs_diff(y)).pow(2)).sum()
        });
        let scores: Vec<u32> = scores.collect();
        let threshold = after.header().threshold;
        assert!(scores.contains(&threshold));
        let above = scores.iter().filter(|score| **score > threshold).count();
        assert!((1..=2).contains(&above), "{above} of 400"); // two, or one where two scores are equal
    }

    #[test]
    fn a_sample_is_spread_over_the_whole() {
        let source = rows(1000);
        let sample = Sample { source: &source, rows: 10 };
        let mut row = [0.0; 16];
        sample.copy(9, &mut row);
        assert_eq!(row[..], source.row(900).to_vec());
        assert_eq!((Source::rows(&sample), Source::width(&sample)), (10, 16));
    }
}
