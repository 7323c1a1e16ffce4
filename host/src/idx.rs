//! The IDX files of MNIST and its relatives, plain or gzip.
//!
//! Big-endian: a magic number (0x803 images, 0x801 labels), the count, for images rows and columns, then the bytes.

use crate::files::{self, FileError};
use flate2::read::MultiGzDecoder;
use ndarray::Array2;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

const IMAGES: u32 = 0x0000_0803;
const LABELS: u32 = 0x0000_0801;
/// More than any known set; a larger file is refused before it fills the memory.
const MAX_BYTES: u64 = 1 << 31;
/// As much as MNIST has: room that is made at once.
const LIKELY_BYTES: u64 = 60_000 * 784;

/// Images of one size, a row each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Pixels, `[images, height · width]`, 0 black to 255 white.
    pub pixels: Array2<u8>,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
}

/// What can be wrong with an IDX file.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It starts with another number.
    #[error("{}: not an IDX file of {what}: magic {found:#010x}, expected {expected:#010x}", path.display())]
    Magic {
        /// Which file.
        path: PathBuf,
        /// What was to be read.
        what: &'static str,
        /// The magic of that.
        expected: u32,
        /// The magic found.
        found: u32,
    },
    /// There are more or fewer bytes than the header says.
    #[error("{}: expected {expected} bytes, the file holds {}", path.display(),
        if found > expected { "more".into() } else { found.to_string() })]
    Length {
        /// Which file.
        path: PathBuf,
        /// Header and contents.
        expected: u64,
        /// Bytes in the file, after decompression; where there are more than expected, those that were read.
        found: u64,
    },
    /// There is nothing in it.
    #[error("{}: no images, or images without pixels", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// As many labels as images are needed.
    #[error("{}: {labels} labels for {images} images", path.display())]
    Labels {
        /// Which file.
        path: PathBuf,
        /// Labels found.
        labels: usize,
        /// Images they belong to.
        images: usize,
    },
    /// No file in the folder, or more than one, is named as such a file is.
    #[error("{}: {} {set} {what}; give --data a folder with one (.gz or not){}", folder.display(),
        if found.is_empty() { "no IDX file of" } else { "more than one IDX file of" }, list(found))]
    Choice {
        /// The folder.
        folder: PathBuf,
        /// Training or test.
        set: &'static str,
        /// Images or labels.
        what: &'static str,
        /// The files found.
        found: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) }
}

/// What the names of a set's files contain, in the folders of MNIST, Fashion-MNIST, KMNIST and EMNIST.
struct Set {
    name: &'static str,
    markers: &'static [&'static str],
}

const TRAIN: Set = Set { name: "training", markers: &["train"] };
const TEST: Set = Set { name: "test", markers: &["t10k", "test"] };

impl Images {
    /// Reads a file of images.
    pub fn read(path: &Path) -> Result<Self, IdxError> {
        let ([count, height, width], pixels) = parse(path, IMAGES, "images")?;
        let size = height as usize * width as usize;
        if count == 0 || size == 0 {
            return Err(IdxError::Empty { path: path.to_owned() });
        }
        let pixels = Array2::from_shape_vec((count as usize, size), pixels).expect("the length was checked");
        Ok(Self { pixels, height: height as usize, width: width as usize })
    }

    /// The training images of a folder.
    pub fn train(folder: &Path) -> Result<Self, IdxError> {
        Self::read(&find(folder, &TRAIN, "images")?)
    }

    /// The test images of a folder.
    pub fn test(folder: &Path) -> Result<Self, IdxError> {
        Self::read(&find(folder, &TEST, "images")?)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pixels.nrows()
    }

    /// Never: a file without images is refused.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Pixels of one image.
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.pixels.ncols();
        &self.pixels.as_slice().expect("standard layout")[index * size..][..size]
    }
}

/// The labels of the test images of a folder; `None` where it has none.
pub fn test_labels(folder: &Path, images: usize) -> Result<Option<Vec<u8>>, IdxError> {
    let path = match find(folder, &TEST, "labels") {
        Err(IdxError::Choice { found, .. }) if found.is_empty() => return Ok(None),
        path => path?,
    };
    let ([_], labels) = parse(&path, LABELS, "labels")?;
    if labels.len() == images { Ok(Some(labels)) } else { Err(IdxError::Labels { path, labels: labels.len(), images }) }
}

/// The one file of a set in a folder; where it is there both plain and compressed, the plain one.
fn find(folder: &Path, set: &Set, what: &'static str) -> Result<PathBuf, IdxError> {
    let error = |e| FileError::new(folder, e);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        let lower = name.to_string_lossy().to_lowercase();
        if lower.contains("idx") && lower.contains(what) && set.markers.iter().any(|marker| lower.contains(marker)) {
            names.push(name);
        }
    }
    names.sort();
    names.dedup_by(|compressed, plain| {
        let mut name = plain.clone();
        name.push(".gz");
        *compressed == name
    });
    if let [name] = &names[..] {
        return Ok(folder.join(name));
    }
    let found = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    Err(IdxError::Choice { folder: folder.to_owned(), set: set.name, what, found })
}

/// The `N` sizes of the header and the bytes behind it, as many as the sizes say.
fn parse<const N: usize>(path: &Path, magic: u32, what: &'static str) -> Result<([u32; N], Vec<u8>), IdxError> {
    let error = |e| FileError::new(path, e);
    let mut file = BufReader::new(files::open(path)?);
    let gzip = file.fill_buf().map_err(error)?.starts_with(&[0x1f, 0x8b]);
    let mut file: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };

    let start = 4 + 4 * N as u64;
    let length = |expected, found: usize| IdxError::Length { path: path.to_owned(), expected, found: found as u64 };
    let mut header = Vec::new();
    file.by_ref().take(start).read_to_end(&mut header).map_err(error)?;
    let mut words = header.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let found = words.next().ok_or_else(|| length(start, header.len()))?;
    if found != magic {
        return Err(IdxError::Magic { path: path.to_owned(), what, expected: magic, found });
    }
    let sizes: Vec<u32> = words.collect();
    let sizes: [u32; N] = sizes.try_into().map_err(|_| length(start, header.len()))?;
    let product = sizes.iter().try_fold(1u64, |product, size| product.checked_mul(u64::from(*size)));
    let expected = product.unwrap_or(u64::MAX).saturating_add(start);

    // Nothing is read beyond what the header announces and the byte that tells of more.
    let rest = expected.min(MAX_BYTES) - start;
    let mut bytes = Vec::with_capacity(rest.min(LIKELY_BYTES) as usize + 1);
    file.take(rest + 1).read_to_end(&mut bytes).map_err(error)?;
    let found = header.len() + bytes.len();
    if expected == found as u64 { Ok((sizes, bytes)) } else { Err(length(expected, found)) }
}
