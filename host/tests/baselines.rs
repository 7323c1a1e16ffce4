//! The baselines of the example `rate_distortion`, on data whose costs follow from another computation.

#[path = "../examples/rate_distortion/baselines.rs"]
mod baselines;

use autoencoder_io::idx::Images;
use baselines::Pca;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write;
use std::path::Path;

/// Pixels of an image of the plane.
const PIXELS: usize = 16;
/// The directions that span it, perpendicular to each other, of length √16.
const DIRECTIONS: [fn(usize) -> f64; 2] =
    [|i| if i % 2 == 0 { 1.0 } else { -1.0 }, |i| if i / 4 % 2 == 0 { 1.0 } else { -1.0 }];
/// The largest distance of an image from the middle, along each direction. The second direction has a quarter of the variance
/// of the first.
const EXTENTS: [f64; 2] = [80.0, 40.0];

/// Images in a plane: `128 + a·u + b·v`, with `a` and `b` spread evenly over their extents.
fn plane(count: usize) -> Images {
    let share = |i: usize, factor: f64| 2.0 * (i as f64 * factor).fract() - 1.0;
    let pixels = (0..count).flat_map(|image| {
        let along = [share(image, 0.618_034) * EXTENTS[0], share(image, 0.414_214) * EXTENTS[1]];
        (0..PIXELS).map(move |i| (128.0 + along[0] * DIRECTIONS[0](i) + along[1] * DIRECTIONS[1](i)).round() as u8)
    });
    Images { pixels: pixels.collect(), height: 4, width: 4 }
}

/// The mean square of the pixels after the mean image and the first `components` directions are subtracted.
fn remainder(train: &Images, test: &Images, components: usize) -> f64 {
    let mean =
        |i: usize| train.pixels.iter().skip(i).step_by(PIXELS).map(|x| f64::from(*x)).sum::<f64>() / train.len() as f64;
    let mean: Vec<f64> = (0..PIXELS).map(mean).collect();
    let mut sum = 0.0;
    for image in test.pixels.chunks(PIXELS) {
        let mut rest: Vec<f64> = image.iter().zip(&mean).map(|(x, mean)| f64::from(*x) - mean).collect();
        for direction in &DIRECTIONS[..components] {
            let along = rest.iter().enumerate().map(|(i, x)| x * direction(i)).sum::<f64>() / PIXELS as f64;
            rest.iter_mut().enumerate().for_each(|(i, x)| *x -= along * direction(i));
        }
        sum += rest.iter().map(|x| x * x).sum::<f64>();
    }
    sum / 65_025.0 / test.pixels.len() as f64
}

#[test]
fn pca_finds_the_directions_of_the_data_and_pays_for_each_bit() {
    let (train, test) = (plane(6000), plane(500));
    let pca = Pca::fit(&train);
    // Without components, the reconstruction is the mean image.
    let none = pca.measure_equal(&test, 0, 8);
    assert_eq!((none.bytes, none.container), (0.0, 0.0));
    let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 0.02, "{found}, not {expected}");
    close(none.mse, remainder(&train, &test, 0));
    let one = pca.measure_equal(&test, 1, 8);
    assert_eq!(one.bytes, 1.0);
    close(one.mse, remainder(&train, &test, 1));
    // Two components leave the rounding of the pixels and that of eight bits.
    let both = pca.measure_equal(&test, 2, 8);
    assert_eq!(both.bytes, 2.0);
    assert!(both.mse < 0.01 * one.mse, "{both:?}");
    // Fewer bits cost more. If there are enough bits, one less costs four times as much.
    let errors = [3, 4, 5, 6].map(|bits| pca.measure_equal(&test, 2, bits).mse);
    for pair in errors.windows(2) {
        assert!((2.5..6.0).contains(&(pair[0] / pair[1])), "{errors:?}");
    }
    // The best allocation gives the direction of twice the extent one bit more.
    let (best, components) = pca.measure_best(&test, 1);
    assert_eq!((best.bytes, components), (1.0, 2));
    assert!(best.mse < one.mse && best.mse < pca.measure_equal(&test, 2, 4).mse * 1.05, "{best:?}");
}

/// The first test digits.
fn digits() -> Images {
    let mut images = Images::test(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mnist")).unwrap();
    images.pixels.truncate(20 * 784);
    images
}

/// The bytes of a PNG: 8 of signature, 12 around each of three chunks, 13 in the first, and the compressed lines, each after
/// the number of its filter.
fn png_bytes(image: &[u8], width: usize, filter: u8) -> usize {
    let pixel =
        |row: usize, column: usize| if row == 0 || column == 0 { 0 } else { image[(row - 1) * width + column - 1] };
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    for row in 1..=image.len() / width {
        zlib.write_all(&[filter]).unwrap();
        for column in 1..=width {
            let [left, above, corner] = [pixel(row, column - 1), pixel(row - 1, column), pixel(row - 1, column - 1)];
            let predicted = match filter {
                0 => 0,
                1 => left,
                2 => above,
                3 => left.midpoint(above),
                _ => {
                    let guess = i32::from(left) + i32::from(above) - i32::from(corner);
                    let distance = |x: u8| (guess - i32::from(x)).abs();
                    *[left, above, corner].iter().min_by_key(|x| distance(**x)).unwrap()
                }
            };
            zlib.write_all(&[pixel(row, column).wrapping_sub(predicted)]).unwrap();
        }
    }
    8 + 3 * 12 + 13 + zlib.finish().unwrap().len()
}

#[test]
fn a_png_is_the_smallest_of_all_filters() {
    let images = digits();
    let cost = baselines::png(&images).unwrap();
    assert_eq!((cost.container, cost.mse), (57.0, 0.0));
    let smallest = |i: usize| (0..5).map(|filter| png_bytes(images.image(i), 28, filter)).min().unwrap();
    let mean = (0..20).map(smallest).sum::<usize>() as f64 / 20.0;
    // The encoder may find a smaller file, because it also chooses a filter for each line.
    assert!(cost.bytes <= mean * 1.01 && cost.bytes > mean * 0.9, "{cost:?}, by hand {mean}");
}

#[test]
fn a_jpeg_loses_less_at_a_higher_quality_and_takes_more() {
    let images = digits();
    let costs = [5, 40, 80, 100].map(|quality| baselines::jpeg(&images, quality).unwrap());
    for pair in costs.windows(2) {
        assert!(pair[0].bytes < pair[1].bytes && pair[0].mse > pair[1].mse, "{costs:?}");
    }
    // Start and application; two tables of quantisation, of which grey uses one; size; two tables of Huffman codes; the scan's
    // header; the end.
    let container = 2 + 18 + 2 * (2 + 67) + (2 + 11) + (2 + 31) + (2 + 181) + 10 + 2;
    assert!(costs.iter().all(|cost| cost.container == f64::from(container)), "{costs:?}");
    // At the highest quality, only the rounding of coefficients and of pixels is left.
    assert!(costs[3].mse < 0.1 / 65_025.0, "{costs:?}");
    // An image of one colour has one coefficient.
    let flat = Images { pixels: vec![200; 784], height: 28, width: 28 };
    let cost = baselines::jpeg(&flat, 80).unwrap();
    assert!(cost.mse <= 1.0 / 65_025.0 && cost.bytes < cost.container + 16.0, "{cost:?}");
}
