//! The IDX files of MNIST and its relatives, plain or gzip.
//!
//! Big-endian: a magic number (0x803 images, 0x801 labels), the count, for images rows and columns, then the bytes.

use crate::files::{self, FileError};
use flate2::read::MultiGzDecoder;
use ndarray::Array2;
use std::io::Read;
use std::path::{Path, PathBuf};

const IMAGES: u32 = 0x0000_0803;
const LABELS: u32 = 0x0000_0801;
/// More than any known set; a larger file is refused before it fills the memory.
const MAX_BYTES: u64 = 1 << 31;

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
    #[error("{}: the header announces {expected} bytes, the file holds {found}", path.display())]
    Length {
        /// Which file.
        path: PathBuf,
        /// Header and contents.
        expected: u64,
        /// Bytes in the file, after decompression.
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
    /// Neither the plain nor the compressed file is in the folder.
    #[error("{}: no {name} or {name}.gz in this folder (give --data)", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The file.
        name: &'static str,
    },
}

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
        Self::read(&find(folder, "train-images-idx3-ubyte")?)
    }

    /// The test images of a folder.
    pub fn test(folder: &Path) -> Result<Self, IdxError> {
        Self::read(&find(folder, "t10k-images-idx3-ubyte")?)
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
    let Ok(path) = find(folder, "t10k-labels-idx1-ubyte") else { return Ok(None) };
    let ([_], labels) = parse(&path, LABELS, "labels")?;
    if labels.len() == images { Ok(Some(labels)) } else { Err(IdxError::Labels { path, labels: labels.len(), images }) }
}

/// `name` or `name.gz`.
fn find(folder: &Path, name: &'static str) -> Result<PathBuf, IdxError> {
    [folder.join(name), folder.join(format!("{name}.gz"))]
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| IdxError::Missing { folder: folder.to_owned(), name })
}

/// The `N` sizes of the header and the bytes behind it, as many as the sizes say.
fn parse<const N: usize>(path: &Path, magic: u32, what: &'static str) -> Result<([u32; N], Vec<u8>), IdxError> {
    let bytes = contents(path)?;
    let mut header = bytes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let found = header.next().unwrap_or(0);
    if found != magic {
        return Err(IdxError::Magic { path: path.to_owned(), what, expected: magic, found });
    }
    let length = |expected| IdxError::Length { path: path.to_owned(), expected, found: bytes.len() as u64 };
    let start = 4 + 4 * N;
    let sizes: Vec<u32> = header.take(N).collect();
    let sizes: [u32; N] = sizes.try_into().map_err(|_| length(start as u64))?;
    let product = sizes.iter().try_fold(1u64, |product, size| product.checked_mul(u64::from(*size)));
    let expected = product.unwrap_or(u64::MAX).saturating_add(start as u64);
    if expected == bytes.len() as u64 { Ok((sizes, bytes[start..].to_vec())) } else { Err(length(expected)) }
}

/// The file's bytes, decompressed if they are gzip.
fn contents(path: &Path) -> Result<Vec<u8>, FileError> {
    let error = |e| FileError::new(path, e);
    let mut file = files::open(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(MAX_BYTES).read_to_end(&mut bytes).map_err(error)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::with_capacity(bytes.len() * 5);
        MultiGzDecoder::new(&bytes[..]).take(MAX_BYTES).read_to_end(&mut plain).map_err(error)?;
        return Ok(plain);
    }
    Ok(bytes)
}
