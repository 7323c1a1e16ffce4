//! Images to encode: test images, or files of one's own.

use super::weights::Weights;
use anyhow::{Context, bail, ensure};
use host::files::open;
use host::idx::{IdxError, Images};
use host::picture::{Gray, PngError};
use std::io::Read;
use std::path::{Path, PathBuf};

const PNG_SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// How many images of a set are taken.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// All there are.
    All,
    /// So many, or as many as there are: nobody has asked for them.
    UpTo(usize),
    /// So many, since this option asks for them.
    Asked(usize, &'static str),
}

impl Count {
    /// What an option asks for, or else all.
    pub fn of(option: &'static str, asked: Option<u32>) -> Self {
        asked.map_or(Self::All, |count| Self::Asked(count as usize, option))
    }

    /// What an option asks for, or else so many.
    pub fn or(option: &'static str, asked: Option<u32>, default: usize) -> Self {
        asked.map_or(Self::UpTo(default), |count| Self::Asked(count as usize, option))
    }

    /// So many images more, that the option does not count.
    pub fn and(self, more: usize) -> Self {
        match self {
            Self::All => Self::All,
            Self::UpTo(count) => Self::UpTo(count + more),
            Self::Asked(count, option) => Self::Asked(count + more, option),
        }
    }

    /// How many that is of those that a folder has.
    pub fn among(self, there: usize, set: &str, folder: &Path) -> anyhow::Result<usize> {
        match self {
            Self::All => Ok(there),
            Self::UpTo(count) => Ok(count.min(there)),
            Self::Asked(count, _) if count <= there => Ok(count),
            Self::Asked(count, option) => {
                bail!("{option}: {} has {there} {set} images, {count} are needed", folder.display())
            }
        }
    }
}

/// The first test images of a folder.
pub fn test(folder: &Path, count: Count, weights: &Weights) -> anyhow::Result<Vec<Vec<u8>>> {
    first(count, &Images::test(folder)?, "test", folder, weights)
}

/// The first training images of a folder.
pub fn train(folder: &Path, count: Count, weights: &Weights) -> anyhow::Result<Vec<Vec<u8>>> {
    first(count, &Images::train(folder)?, "training", folder, weights)
}

fn first(count: Count, images: &Images, set: &str, folder: &Path, weights: &Weights) -> anyhow::Result<Vec<Vec<u8>>> {
    let count = count.among(images.len(), set, folder)?;
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
