//! Rows for a network, from a data folder or from the user's own files.

use crate::weights::WeightsBlob;
use anyhow::{Context, anyhow, bail, ensure};
use autoencoder_device::learn::HELD_OUT;
use autoencoder_io::files::open;
use autoencoder_io::idx::{IdxError, Images};
use autoencoder_io::number::counted;
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
    /// Pixels in a line of an image. For a row that is not an image, the number of its values.
    pub width: usize,
    /// Lines of an image. For a row that is not an image, 1.
    pub height: usize,
}

impl Shape {
    /// The shape of rows whose data set is unknown: a square image if `row` is a square number.
    pub fn guess(row: usize) -> Self {
        let side = row.isqrt();
        if side * side == row { Self { width: side, height: side } } else { Self { width: row, height: 1 } }
    }

    /// Whether the row is an image.
    pub fn is_image(self) -> bool {
        self.height > 1
    }

    /// The word for one such row in messages.
    pub fn noun(self) -> &'static str {
        if self.is_image() { "image" } else { "row" }
    }

    /// The word for several such rows in messages.
    pub fn plural(self) -> &'static str {
        if self.is_image() { "images" } else { "rows" }
    }

    /// `1 image`, `2 images`
    pub fn counted(self, count: usize) -> String {
        counted(count, self.noun())
    }
}

/// The training rows or the test rows of a folder.
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
    /// The folder that `--data` names.
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

    /// Describes an error, with the option that names this folder.
    fn blame(self, error: IdxError) -> anyhow::Error {
        let option = self.option;
        match error {
            IdxError::Missing { data, set, what } => {
                anyhow!("{}: no IDX file of {set} {what}; give {option} a folder with one (.gz or not)", data.display())
            }
            IdxError::Several { data, folder, set, what, names } => {
                let (data, folder, names) = (data.display(), folder.display(), names.join(", "));
                anyhow!("{data}: {set} {what} of several data sets; give {option} {folder}/NAME, NAME one of {names}")
            }
            error => error.into(),
        }
    }

    /// The first rows of a set for a network.
    pub fn rows(self, set: Set, count: Count, weights: &WeightsBlob) -> anyhow::Result<Rows> {
        first(count, &self.images(set)?, set, self.path, weights)
    }
}

/// The number of rows to take from a set.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// All rows.
    All,
    /// At most this many, which is a default.
    UpTo(usize),
    /// Exactly this many, because an option asks for them.
    Asked(usize, &'static str),
    /// Exactly this many, because an option asks for them, and some more that are held out.
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

    /// Adds rows to hold out, which the option does not count.
    pub fn and(self, more: usize) -> Self {
        match self {
            Self::All => Self::All,
            Self::UpTo(count) => Self::UpTo(count + more),
            Self::Asked(count, option) | Self::AskedAnd(count, _, option) => Self::AskedAnd(count, more, option),
        }
    }

    /// Resolves the count against the rows that a folder has. `noun` is the word for one of them.
    pub fn resolve(self, available: usize, noun: &str, folder: &Path) -> anyhow::Result<usize> {
        let (asked, more, option) = match self {
            Self::All => return Ok(available),
            Self::UpTo(count) => return Ok(count.min(available)),
            Self::Asked(count, option) => (count, 0, option),
            Self::AskedAnd(count, more, option) => (count, more, option),
        };
        let needed = asked + more;
        let there = counted(available, noun);
        let parts = if more > 0 { format!(": {asked}, and {more} to hold out") } else { String::new() };
        ensure!(needed <= available, "{option}: {} has {there}; {needed} are needed{parts}", folder.display());
        Ok(needed)
    }
}

/// The first test rows of the folder that `--data` names.
pub fn test(folder: &Path, count: Count, weights: &WeightsBlob) -> anyhow::Result<Rows> {
    Folder::data(folder).rows(Set::Test, count, weights)
}

fn first(count: Count, images: &Images, set: Set, folder: &Path, weights: &WeightsBlob) -> anyhow::Result<Rows> {
    let noun = set_noun(set, Shape { width: images.width, height: images.height });
    let count = count.resolve(images.len(), &noun, folder)?;
    let shape = fits(images.width, images.height, folder, weights)?;
    Ok(Rows { rows: (0..count).map(|i| images.image(i).to_vec()).collect(), shape })
}

/// The number of training rows that are left after some are held out. Returns an error if none are left.
pub fn ensure_some_left(rows: usize, shape: Shape, folder: &Path) -> anyhow::Result<usize> {
    let there = counted(rows, &set_noun(Set::Training, shape));
    ensure!(
        rows > HELD_OUT,
        "{}: {there}; {HELD_OUT} are held out to judge by, so none is left to learn from",
        folder.display()
    );
    Ok(rows - HELD_OUT)
}

/// `training image`, `test row`
pub fn set_noun(set: Set, shape: Shape) -> String {
    let set = if set == Set::Training { "training" } else { "test" };
    format!("{set} {}", shape.noun())
}

/// Reads rows from files, PNG or IDX. The contents of a file determine its format.
pub fn files(paths: &[PathBuf], weights: &WeightsBlob) -> anyhow::Result<Rows> {
    let mut all: Option<Rows> = None;
    for path in paths {
        let Rows { rows, shape } = file(path, weights)?;
        let all = all.get_or_insert(Rows { rows: Vec::new(), shape });
        let Shape { width, height } = all.shape;
        ensure!(
            all.shape == shape,
            "{}: {} by {}; the files before it have {width} by {height}",
            path.display(),
            shape.width,
            shape.height
        );
        all.rows.extend(rows);
    }
    all.context("no file was named")
}

fn file(path: &Path, weights: &WeightsBlob) -> anyhow::Result<Rows> {
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

/// The shape of these rows. Returns an error if the network takes rows of another length.
pub fn fits(width: usize, height: usize, path: &Path, weights: &WeightsBlob) -> anyhow::Result<Shape> {
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

/// As [`fits`], for a picture, which does not come from a data set. If the network's number of inputs is a square
/// number, the picture must be square.
fn picture_fits(width: usize, height: usize, path: &Path, weights: &WeightsBlob) -> anyhow::Result<Shape> {
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

/// The mean squared error of values in [0, 1], from the sum of the squared differences of bytes.
pub fn mse(squared_error: u64, values: usize) -> f64 {
    squared_error as f64 / (255.0 * 255.0) / values as f64
}
