//! The baselines of the autoencoder: PCA with quantised coefficients, PNG and JPEG, each over the same test images.

use anyhow::{Context, ensure};
use autoencoder_io::idx::Images;
use host::data::Dataset;
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, Axis, s};
use rayon::prelude::*;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The cost and the error of a way to store images: means over a set of images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Bytes an image.
    pub bytes: f64,
    /// The part that every file repeats: headers, fixed tables, checksums of a container.
    pub container: f64,
    /// MSE, pixels in [0, 1].
    pub mse: f64,
}

/// Principal components: the best linear code for images like those it was fitted to.
///
/// A coefficient `a = vᵀ(x - mean)` of standard deviation `σ` with `b` bits is rounded to the middle of one of `2^b`
/// intervals around 0, each `stretch · STEPS[b] · σ` wide.
#[derive(Debug)]
pub struct Pca {
    mean: Array1<f32>,
    /// A component a row, those of largest variance first.
    components: Array2<f32>,
    deviations: Vec<f32>,
    /// Training images that choose the stretch of a code.
    choice: Array2<f32>,
}

impl Pca {
    /// Widths of the intervals that quantise a normal variable of deviation 1 with the least squared error, by number of
    /// bits: Max, "Quantizing for Minimum Distortion", 1960.
    const STEPS: [f32; 9] = [0.0, 1.596, 0.9957, 0.5860, 0.3352, 0.1881, 0.1041, 0.0569, 0.0308];
    /// Rows that choose the stretch.
    const CHOICE: usize = 1000;
    /// The stretches to choose from.
    const STRETCHES: [f32; 7] = [0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6];

    /// Fits mean, components and variances to the training images.
    pub fn fit(train: &Images) -> Self {
        const BLOCK: usize = 4096;
        let width = train.image_size();
        let (mut sum, mut products) = (Array1::<f64>::zeros(width), Array2::<f64>::zeros((width, width)));
        for first in (0..train.len()).step_by(BLOCK) {
            let x = rows(train, first, BLOCK);
            sum += &x.sum_axis(Axis(0)).mapv(f64::from);
            products += &x.t().dot(&x).mapv(f64::from);
        }
        let count = train.len() as f64;
        let mean = sum / count;
        let covariance = DMatrix::from_fn(width, width, |i, j| products[[i, j]] / count - mean[i] * mean[j]);
        let eigen = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        let components = Array2::from_shape_fn((width, width), |(k, i)| eigen.eigenvectors[(i, order[k])] as f32);
        let deviations = order.iter().map(|k| eigen.eigenvalues[*k].max(0.0).sqrt() as f32).collect();
        Self { mean: mean.mapv(|m| m as f32), components, deviations, choice: rows(train, 0, Self::CHOICE) }
    }

    /// The stretch that is best for the training images. Coefficients are not normal, so their intervals should not be those
    /// of a normal variable.
    fn stretch(&self, bits: &[usize]) -> f32 {
        let errors = Self::STRETCHES.map(|stretch| (self.error(&self.choice, bits, stretch), stretch));
        errors.into_iter().fold((f64::INFINITY, 1.0), |best, c| if c.0 < best.0 { c } else { best }).1
    }

    /// The number of bits of each component, `bits` in all: each bit goes to the component with the largest error.
    fn allocate(&self, bits: usize) -> Vec<usize> {
        let mut allocated = vec![0; self.deviations.len()];
        // A bit more divides the squared error by four.
        let mut errors: Vec<f32> = self.deviations.iter().map(|d| d * d).collect();
        for _ in 0..bits {
            let Some(worst) = (0..errors.len()).max_by(|a, b| errors[*a].total_cmp(&errors[*b])) else { break };
            if errors[worst] == 0.0 {
                break; // every component is exact
            }
            allocated[worst] += 1;
            errors[worst] = if allocated[worst] + 1 < Self::STEPS.len() { errors[worst] / 4.0 } else { 0.0 };
        }
        allocated
    }

    /// The MSE of rows whose components have these numbers of bits. Reconstructions are clipped to [0, 1].
    fn error(&self, x: &Array2<f32>, bits: &[usize], stretch: f32) -> f64 {
        let used = bits.iter().rposition(|bits| *bits > 0).map_or(0, |last| last + 1);
        let components = self.components.slice(s![..used, ..]);
        let mut code = (x - &self.mean).dot(&components.t());
        for mut row in code.rows_mut() {
            for ((a, bits), deviation) in row.iter_mut().zip(bits).zip(&self.deviations) {
                *a = match bits {
                    0 => 0.0,
                    bits => {
                        let (step, half) = (stretch * Self::STEPS[*bits] * deviation, (1 << (bits - 1)) as f32);
                        ((*a / step).floor().clamp(-half, half - 1.0) + 0.5) * step
                    }
                };
            }
        }
        let y = (code.dot(&components) + &self.mean).mapv_into(|y| y.clamp(0.0, 1.0));
        (x - &y).mapv_into(|e| e * e).mean().map_or(0.0, f64::from)
    }

    /// The test error with `components` components of `bits` bits each.
    pub fn measure_equal(&self, test: &Images, components: usize, bits: u8) -> Cost {
        self.measure(test, &vec![bits.into(); components])
    }

    /// The test error with codes of `bytes` bytes whose bits are allocated best, and the number of components with bits.
    pub fn measure_best(&self, test: &Images, bytes: usize) -> (Cost, usize) {
        let bits = self.allocate(8 * bytes);
        (self.measure(test, &bits), bits.iter().filter(|bits| **bits > 0).count())
    }

    fn measure(&self, test: &Images, bits: &[usize]) -> Cost {
        let bytes = bits.iter().sum::<usize>().div_ceil(8) as f64;
        Cost { bytes, container: 0.0, mse: self.error(&rows(test, 0, test.len()), bits, self.stretch(bits)) }
    }
}

/// Images as numbers in [0, 1], at most `count` from the first.
fn rows(images: &Images, first: usize, count: usize) -> Array2<f32> {
    let count = count.min(images.len() - first);
    let mut x = Array2::zeros((count, images.image_size()));
    for (i, mut row) in x.rows_mut().into_iter().enumerate() {
        images.copy(first + i, row.as_slice_mut().unwrap_or_default());
    }
    x
}

/// PNG, which is lossless: for each image, the smallest file of all filters at the strongest compression.
pub fn png(test: &Images) -> anyhow::Result<Cost> {
    /// Signature; length, kind and CRC of IHDR, IDAT and IEND; IHDR.
    const CONTAINER: f64 = 8.0 + 3.0 * 12.0 + 13.0;
    use png::Filter::{Adaptive, Avg, NoFilter, Paeth, Sub, Up};
    let smallest = |i: usize| -> anyhow::Result<usize> {
        let mut smallest = usize::MAX;
        for filter in [NoFilter, Sub, Up, Avg, Paeth, Adaptive] {
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, test.width as u32, test.height as u32);
            encoder.set_color(png::ColorType::Grayscale);
            encoder.set_depth(png::BitDepth::Eight);
            encoder.set_compression(png::Compression::High);
            encoder.set_filter(filter);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(test.image(i))?;
            writer.finish()?;
            smallest = smallest.min(bytes.len());
        }
        Ok(smallest)
    };
    let sizes = (0..test.len()).into_par_iter().map(smallest).collect::<anyhow::Result<Vec<_>>>()?;
    let bytes = sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
    Ok(Cost { bytes, container: CONTAINER, mse: 0.0 })
}

/// JPEG at a quality from 1 to 100, with its standard tables. Everything before the first byte of the scan is container, because
/// a decoder of these images could do without it.
pub fn jpeg(test: &Images, quality: u8) -> anyhow::Result<Cost> {
    let measure = |i: usize| -> anyhow::Result<[f64; 3]> {
        let (image, size) = (test.image(i), (test.width as u16, test.height as u16));
        let mut bytes = Vec::new();
        jpeg_encoder::Encoder::new(&mut bytes, quality).encode(image, size.0, size.1, jpeg_encoder::ColorType::Luma)?;
        let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
        let decoded = JpegDecoder::new_with_options(ZCursor::new(&bytes[..]), options).decode()?;
        ensure!(decoded.len() == image.len(), "a JPEG of another size");
        let scan = bytes.windows(2).position(|marker| marker == [0xff, 0xda]).context("a JPEG without a scan")?;
        // The scan's header has its length in it; the end marker has two bytes.
        let header = scan + 2 + usize::from(u16::from_be_bytes([bytes[scan + 2], bytes[scan + 3]]));
        let squares = image.iter().zip(&decoded).map(|(x, y)| f64::from(x.abs_diff(*y)).powi(2));
        Ok([bytes.len() as f64, header as f64 + 2.0, squares.sum::<f64>() / (255.0 * 255.0) / image.len() as f64])
    };
    let measured = (0..test.len()).into_par_iter().map(measure).collect::<anyhow::Result<Vec<_>>>()?;
    let mean = |which: usize| measured.iter().map(|m| m[which]).sum::<f64>() / measured.len() as f64;
    Ok(Cost { bytes: mean(0), container: mean(1), mse: mean(2) })
}
