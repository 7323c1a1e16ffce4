//! Images to encode: test images, or files of one's own.

use super::weights::Weights;
use anyhow::{Context, bail, ensure};
use host::files::open;
use host::idx::{IdxError, Images};
use host::picture::{Gray, PngError};
use std::io::Read;
use std::path::{Path, PathBuf};

const PNG_SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// The first `count` test images of a folder, or all of them.
pub fn test(folder: &Path, count: Option<u32>, weights: &Weights) -> anyhow::Result<Vec<Vec<u8>>> {
    first(count, &Images::test(folder)?, "test", folder, weights)
}

/// The first `count` training images of a folder, or all of them.
pub fn train(folder: &Path, count: Option<u32>, weights: &Weights) -> anyhow::Result<Vec<Vec<u8>>> {
    first(count, &Images::train(folder)?, "training", folder, weights)
}

fn first(
    count: Option<u32>,
    images: &Images,
    set: &str,
    folder: &Path,
    weights: &Weights,
) -> anyhow::Result<Vec<Vec<u8>>> {
    let count = count.map_or(images.len(), |count| count as usize);
    ensure!(count <= images.len(), "--images {count}: {} has {} {set} images", folder.display(), images.len());
    rows(images, folder, weights).map(|rows| rows.take(count).collect())
}

/// The images of files, PNG or IDX as their contents say.
pub fn files(paths: &[PathBuf], weights: &Weights) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut images = Vec::new();
    for path in paths {
        let mut signature = Vec::new();
        open(path)?.take(8).read_to_end(&mut signature).with_context(|| path.display().to_string())?;
        if signature == PNG_SIGNATURE {
            let Gray { width, height, pixels } = Gray::read(path).map_err(|error: PngError| error)?;
            fits(width, height, path, weights)?;
            images.push(pixels);
        } else {
            match Images::read(path) {
                Ok(read) => images.extend(rows(&read, path, weights)?),
                Err(IdxError::Magic { .. } | IdxError::Length { expected: 16, .. }) => {
                    bail!("{}: neither a PNG nor an IDX file of images", path.display())
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(images)
}

fn rows<'a>(images: &'a Images, path: &Path, weights: &Weights) -> anyhow::Result<impl Iterator<Item = Vec<u8>> + 'a> {
    fits(images.width, images.height, path, weights)?;
    Ok((0..images.len()).map(|i| images.image(i).to_vec()))
}

fn fits(width: usize, height: usize, path: &Path, weights: &Weights) -> anyhow::Result<()> {
    let Weights { topology, inputs, .. } = weights;
    let expected = self::width(*inputs);
    ensure!(
        width.checked_mul(height) == Some(*inputs) && (expected == *inputs || expected == width),
        "{}: an image of {width} by {height}; the topology {topology} takes {expected} by {}",
        path.display(),
        inputs / expected
    );
    Ok(())
}

/// The width of an image of so many pixels: it is a square; if it cannot be one it may have any shape, and is drawn as
/// one line.
pub fn width(pixels: usize) -> usize {
    let side = pixels.isqrt();
    if side * side == pixels { side } else { pixels }
}

/// The sum of the squared differences between two images.
pub fn squared_error(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
}

/// The mean of squared differences of pixels in [0, 1], from their sum in steps of 1/255.
pub fn mse(squared_error: u64, pixels: usize) -> f64 {
    squared_error as f64 / (255.0 * 255.0) / pixels as f64
}
