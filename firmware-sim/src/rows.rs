//! Rows for a network: test data, or files of the user's own.

use crate::weights::Weights;
use anyhow::{Context, bail, ensure};
use autoencoder_io::files::open;
use autoencoder_io::idx::{IdxError, Images};
use autoencoder_io::picture::{Gray, PngError};
use std::io::Read;
use std::path::{Path, PathBuf};

const PNG_SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// Rows, all of one shape.
#[derive(Debug)]
pub struct Rows {
    pub rows: Vec<Vec<u8>>,
    pub shape: Shape,
}

/// What the values of a row are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Pixels from left to right; all values of a row that is no image.
    pub width: usize,
    /// Pixels from top to bottom; 1 where a row is no image.
    pub height: usize,
}

impl Shape {
    /// The shape of rows that come without data: a square image if they can be one.
    pub fn guess(row: usize) -> Self {
        let side = row.isqrt();
        if side * side == row { Self { width: side, height: side } } else { Self { width: row, height: 1 } }
    }

    /// Whether the row is an image.
    pub fn is_image(self) -> bool {
        self.height > 1
    }

    /// What messages call such rows.
    pub fn plural(self) -> &'static str {
        if self.is_image() { "images" } else { "rows" }
    }
}

/// How many rows of a set are taken.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// All there are.
    All,
    /// So many, or as many as there are: a default.
    UpTo(usize),
    /// So many, because this option asks for them.
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

    /// So many more rows, which the option does not count.
    pub fn and(self, more: usize) -> Self {
        match self {
            Self::All => Self::All,
            Self::UpTo(count) => Self::UpTo(count + more),
            Self::Asked(count, option) => Self::Asked(count + more, option),
        }
    }

    /// Resolves the count against the rows that a folder has.
    pub fn resolve(self, available: usize, set: &str, folder: &Path) -> anyhow::Result<usize> {
        match self {
            Self::All => Ok(available),
            Self::UpTo(count) => Ok(count.min(available)),
            Self::Asked(count, _) if count <= available => Ok(count),
            Self::Asked(count, option) => {
                bail!("{option}: {} has {available} {set} images, {count} are needed", folder.display())
            }
        }
    }
}

/// The first test rows of a folder.
pub fn test(folder: &Path, count: Count, weights: &Weights) -> anyhow::Result<Rows> {
    first(count, &Images::test(folder)?, "test", folder, weights)
}

/// The first training rows of a folder.
pub fn train(folder: &Path, count: Count, weights: &Weights) -> anyhow::Result<Rows> {
    first(count, &Images::train(folder)?, "training", folder, weights)
}

fn first(count: Count, images: &Images, set: &str, folder: &Path, weights: &Weights) -> anyhow::Result<Rows> {
    let count = count.resolve(images.len(), set, folder)?;
    let shape = fits(images.width, images.height, folder, weights)?;
    Ok(Rows { rows: (0..count).map(|i| images.image(i).to_vec()).collect(), shape })
}

/// The rows of files, PNG or IDX as their contents say; `None` if there is no file.
pub fn files(paths: &[PathBuf], weights: &Weights) -> anyhow::Result<Option<Rows>> {
    let mut all: Option<Rows> = None;
    for path in paths {
        let Rows { rows, shape } = file(path, weights)?;
        let all = all.get_or_insert(Rows { rows: Vec::new(), shape });
        let Shape { width, height } = all.shape;
        ensure!(
            all.shape == shape,
            "{}: {} by {} where the files before it have {width} by {height}",
            path.display(),
            shape.width,
            shape.height
        );
        all.rows.extend(rows);
    }
    Ok(all)
}

fn file(path: &Path, weights: &Weights) -> anyhow::Result<Rows> {
    let mut signature = Vec::new();
    open(path)?.take(8).read_to_end(&mut signature).with_context(|| path.display().to_string())?;
    if signature == PNG_SIGNATURE {
        let Gray { width, height, pixels } = Gray::read(path).map_err(|error: PngError| error)?;
        return Ok(Rows { rows: vec![pixels], shape: picture_fits(width, height, path, weights)? });
    }
    match Images::read(path) {
        Ok(images) => first(Count::All, &images, "", path, weights),
        Err(IdxError::Kind { found, .. }) => {
            bail!("{}: {found}; expected a PNG or an IDX file of images", path.display())
        }
        Err(error) => Err(error.into()),
    }
}

/// The shape of rows that this network takes; an error if it takes others.
fn fits(width: usize, height: usize, path: &Path, weights: &Weights) -> anyhow::Result<Shape> {
    let (row, path, name) = (weights.row(), path.display(), weights.name());
    let shape = Shape { width, height };
    let values = width.saturating_mul(height);
    if shape.is_image() {
        ensure!(
            values == row,
            "{path}: an image of {width} by {height}, {values} pixels; the network {name} takes {row}"
        );
    } else {
        ensure!(values == row, "{path}: rows of {values} values; the network {name} takes {row}");
    }
    Ok(shape)
}

/// The same for a picture, which does not come from a data set: a number of inputs that is a square means a square picture.
fn picture_fits(width: usize, height: usize, path: &Path, weights: &Weights) -> anyhow::Result<Shape> {
    let guess = Shape::guess(weights.row());
    let Shape { width: side, .. } = guess;
    ensure!(
        !guess.is_image() || guess == Shape { width, height },
        "{}: an image of {width} by {height}; the network {} takes {side} by {side}",
        path.display(),
        weights.name()
    );
    fits(width, height, path, weights)
}

/// The sum of the squared differences between two rows.
pub fn squared_error(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
}

/// The mean of squared differences of values in [0, 1], from their sum in steps of 1/255.
pub fn mse(squared_error: u64, values: usize) -> f64 {
    squared_error as f64 / (255.0 * 255.0) / values as f64
}
