//! Rows for a network: test data, or files of the user's own.

use crate::weights::Weights;
use anyhow::{Context, anyhow, bail, ensure};
use autoencoder_device::learn::HELD_OUT;
use autoencoder_io::files::{folder_of, open};
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

/// The arrangement of a row's values.
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

    /// What messages call such a row.
    pub fn noun(self) -> &'static str {
        if self.is_image() { "image" } else { "row" }
    }

    /// The word for such rows in messages.
    pub fn plural(self) -> &'static str {
        if self.is_image() { "images" } else { "rows" }
    }

    /// `1 image`, `2 images`
    pub fn counted(self, count: usize) -> String {
        counted(count, self.noun())
    }
}

/// `1 test row`, `2 test rows`
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The rows of a folder to learn from, or those to measure on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    Training,
    Test,
}

/// A folder of rows, and the option that names it.
#[derive(Clone, Copy, Debug)]
pub struct Folder<'a> {
    pub path: &'a Path,
    pub option: &'static str,
}

impl<'a> Folder<'a> {
    /// The one that `--data` names.
    pub fn data(path: &'a Path) -> Self {
        Self { path, option: "--data" }
    }

    /// All rows of a set.
    pub fn images(self, set: Set) -> anyhow::Result<Images> {
        let images = match set {
            Set::Training => Images::train(self.path),
            Set::Test => Images::test(self.path),
        };
        images.map_err(|error| self.blame(error))
    }

    /// The error with the option that names this folder.
    fn blame(self, error: IdxError) -> anyhow::Error {
        let option = self.option;
        match error {
            IdxError::Missing { data, set, what } => {
                anyhow!("{}: no IDX file of {set} {what}; give {option} a folder with one (.gz or not)", data.display())
            }
            IdxError::Several { data, set, what, names } => {
                let folder = if data.is_dir() { &data } else { folder_of(&data) };
                let (data, folder, names) = (data.display(), folder.display(), names.join(", "));
                anyhow!("{data}: {set} {what} of several data sets; give {option} {folder}/NAME, NAME one of {names}")
            }
            error => error.into(),
        }
    }

    /// The first rows of a set for a network.
    pub fn rows(self, set: Set, count: Count, weights: &Weights) -> anyhow::Result<Rows> {
        first(count, &self.images(set)?, set, self.path, weights)
    }
}

/// The number of rows to take from a set.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// All there are.
    All,
    /// So many, or as many as there are: a default.
    UpTo(usize),
    /// So many, because this option asks for them.
    Asked(usize, &'static str),
    /// So many, because this option asks for them, and some that are held out.
    AskedAnd(usize, usize, &'static str),
}

impl Count {
    /// The number that an option gives, or all.
    pub fn of(option: &'static str, asked: Option<u32>) -> Self {
        asked.map_or(Self::All, |count| Self::Asked(count as usize, option))
    }

    /// The number that an option gives, or this default.
    pub fn or(option: &'static str, asked: Option<u32>, default: usize) -> Self {
        asked.map_or(Self::UpTo(default), |count| Self::Asked(count as usize, option))
    }

    /// So many more rows, which are held out and which the option does not count.
    pub fn and(self, more: usize) -> Self {
        match self {
            Self::All => Self::All,
            Self::UpTo(count) => Self::UpTo(count + more),
            Self::Asked(count, option) | Self::AskedAnd(count, _, option) => Self::AskedAnd(count, more, option),
        }
    }

    /// Resolves the count against the rows that a folder has. `noun` is what one of them is called.
    pub fn resolve(self, available: usize, noun: &str, folder: &Path) -> anyhow::Result<usize> {
        let (asked, more, option) = match self {
            Self::All => return Ok(available),
            Self::UpTo(count) => return Ok(count.min(available)),
            Self::Asked(count, option) => (count, 0, option),
            Self::AskedAnd(count, more, option) => (count, more, option),
        };
        let needed = asked + more;
        let there = counted(available, noun);
        let parts = if more > 0 { format!(": {asked} and {more} to be held out") } else { String::new() };
        ensure!(needed <= available, "{option}: {} has {there}, {needed} are needed{parts}", folder.display());
        Ok(needed)
    }
}

/// The first test rows of the folder that `--data` names.
pub fn test(folder: &Path, count: Count, weights: &Weights) -> anyhow::Result<Rows> {
    Folder::data(folder).rows(Set::Test, count, weights)
}

fn first(count: Count, images: &Images, set: Set, folder: &Path, weights: &Weights) -> anyhow::Result<Rows> {
    let noun = set_noun(set, Shape { width: images.width, height: images.height });
    let count = count.resolve(images.len(), &noun, folder)?;
    let shape = fits(images.width, images.height, folder, weights)?;
    Ok(Rows { rows: (0..count).map(|i| images.image(i).to_vec()).collect(), shape })
}

/// How many of the training rows are left when some are held out; an error if none is.
pub fn ensure_some_left(rows: usize, shape: Shape, folder: &Path) -> anyhow::Result<usize> {
    let there = counted(rows, &set_noun(Set::Training, shape));
    ensure!(
        rows > HELD_OUT,
        "{}: {there}, of which {HELD_OUT} are held out to judge by: none is left to learn from",
        folder.display()
    );
    Ok(rows - HELD_OUT)
}

/// `training image`, `test row`
pub fn set_noun(set: Set, shape: Shape) -> String {
    let set = if set == Set::Training { "training" } else { "test" };
    format!("{set} {}", shape.noun())
}

/// The rows of files, PNG or IDX as their contents say.
pub fn files(paths: &[PathBuf], weights: &Weights) -> anyhow::Result<Rows> {
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
    all.context("no file was named")
}

fn file(path: &Path, weights: &Weights) -> anyhow::Result<Rows> {
    let mut signature = Vec::new();
    open(path)?.take(8).read_to_end(&mut signature).with_context(|| path.display().to_string())?;
    if signature == PNG_SIGNATURE {
        let Gray { width, height, pixels } = Gray::read(path).map_err(|error: PngError| error)?;
        return Ok(Rows { rows: vec![pixels], shape: picture_fits(width, height, path, weights)? });
    }
    match Images::read(path) {
        Ok(images) => first(Count::All, &images, Set::Test, path, weights),
        Err(IdxError::Kind { found, .. }) => {
            bail!("{}: {found}; expected a PNG or an IDX file of images", path.display())
        }
        Err(error) => Err(error.into()),
    }
}

/// The shape of rows that this network takes; an error if it takes others.
pub fn fits(width: usize, height: usize, path: &Path, weights: &Weights) -> anyhow::Result<Shape> {
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
