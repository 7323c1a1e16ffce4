//! The IDX files of MNIST and its relatives, plain or gzip: images, other rows of bytes, labels.
//!
//! Big-endian: a magic number (0x803 images, 0x802 rows, 0x801 labels), the count, for images height and width, for rows
//! their length, then the bytes.

use crate::files::{self, FileError};
use flate2::read::MultiGzDecoder;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread;

/// Bytes in so many dimensions: the last byte of a magic number counts them.
const IMAGES: u32 = 0x0000_0803;
const ROWS: u32 = 0x0000_0802;
const LABELS: u32 = 0x0000_0801;
/// More than any known set; a larger file is refused before it fills the memory.
const MAX_BYTES: u64 = 1 << 31;
/// As much as MNIST has: room that is made at once.
const LIKELY_BYTES: u64 = 60_000 * 784;

/// Rows of one size: images, or rows of numbers, which have a height of 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Pixels, `[images · height · width]`, 0 black to 255 white.
    pub pixels: Vec<u8>,
    /// Pixels from top to bottom; 1 where the rows are no images.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
}

/// What can be wrong with an IDX file.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It starts with another number.
    #[error("{}: not an IDX file of {what}: magic {found:#010x}, expected {}", path.display(), list(expected))]
    Magic {
        /// Which file.
        path: PathBuf,
        /// What was to be read.
        what: &'static str,
        /// The magic numbers of that.
        expected: &'static [u32],
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
    /// Training and test images are of two sizes.
    #[error("{}: training images of {} × {} pixels, test images of {} × {}", data.display(),
        train[0], train[1], test[0], test[1])]
    Sizes {
        /// Where they are.
        data: PathBuf,
        /// Height and width of the first.
        train: [usize; 2],
        /// Height and width of the others.
        test: [usize; 2],
    },
    /// No file is named as such a file is.
    #[error("{}: no IDX file of {set} {what}; give --data a folder with one (.gz or not)", data.display())]
    Missing {
        /// The folder, or what the names begin with.
        data: PathBuf,
        /// Training or test.
        set: &'static str,
        /// Images or labels.
        what: &'static str,
    },
    /// The files of more than one data set.
    #[error("{}: {set} {what} of several data sets; give --data {}/NAME, NAME one of {}", data.display(),
        folder(data).display(), names.join(", "))]
    Several {
        /// The folder, or what the names begin with.
        data: PathBuf,
        /// Training or test.
        set: &'static str,
        /// Images or labels.
        what: &'static str,
        /// What the names of each data set's files begin with.
        names: Vec<String>,
    },
    /// More than one such file of one data set.
    #[error("{}: more than one IDX file of {set} {what}: {}", data.display(), files.join(", "))]
    Ambiguous {
        /// The folder, or what the names begin with.
        data: PathBuf,
        /// Training or test.
        set: &'static str,
        /// Images or labels.
        what: &'static str,
        /// The files found.
        files: Vec<String>,
    },
}

/// `0x00000803 or 0x00000802`
fn list(magics: &[u32]) -> String {
    magics.iter().map(|magic| format!("{magic:#010x}")).collect::<Vec<_>>().join(" or ")
}

/// What the names of a set's files contain: `train-images-idx3-ubyte.gz` of MNIST, Fashion-MNIST and KMNIST,
/// `emnist-letters-test-labels-idx1-ubyte.gz` of EMNIST. Rows that are no images need not be called images:
/// `fan-train-idx2-ubyte`.
struct Set {
    name: &'static str,
    markers: &'static [&'static str],
}

const TRAIN: Set = Set { name: "training", markers: &["train"] };
const TEST: Set = Set { name: "test", markers: &["t10k", "test"] };

impl Set {
    /// What stands before the marker in the name of such a file: the name of its data set, or nothing. `None` for others.
    fn before<'a>(&self, name: &'a str, what: &str) -> Option<&'a str> {
        let lower = name.to_ascii_lowercase();
        let at = self.markers.iter().filter_map(|marker| lower.rfind(marker)).max()?;
        let named = lower.contains("idx") && lower.contains(what) || lower.contains("idx2") && what == "images";
        named.then(|| name[..at].trim_end_matches(['-', '_', '.']))
    }
}

impl Images {
    /// Reads a file of images or of other rows.
    pub fn read(path: &Path) -> Result<Self, IdxError> {
        let (sizes, pixels) = parse(path, &[IMAGES, ROWS], "images")?;
        let [height, width] = match sizes[..] {
            [_, height, width] => [height, width],
            [_, width] => [1, width],
            _ => [0, 0],
        };
        if pixels.is_empty() {
            return Err(IdxError::Empty { path: path.to_owned() });
        }
        Ok(Self { pixels, height: height as usize, width: width as usize })
    }

    /// The training images of a folder. Of a folder with several data sets, `data` has the beginning of one's names as
    /// its last part: `emnist/emnist-letters`.
    pub fn train(data: &Path) -> Result<Self, IdxError> {
        Self::read(&find(data, &TRAIN, "images")?)
    }

    /// The test images of a folder, or of a data set in it.
    pub fn test(data: &Path) -> Result<Self, IdxError> {
        Self::read(&find(data, &TEST, "images")?)
    }

    /// The training and the test images of a folder, or of a data set in it, all of one size.
    pub fn both(data: &Path) -> Result<[Self; 2], IdxError> {
        let images = thread::scope(|scope| {
            let train = scope.spawn(|| Self::train(data));
            let test = Self::test(data);
            Ok::<_, IdxError>([train.join().expect("reading returns errors")?, test?])
        })?;
        let [train, test] = images.each_ref().map(|images| [images.height, images.width]);
        if train == test { Ok(images) } else { Err(IdxError::Sizes { data: data.to_owned(), train, test }) }
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "a file without images is refused")]
    pub fn len(&self) -> usize {
        self.pixels.len() / self.image_size()
    }

    /// CRC-32 of their pixels, as the decompressor has it: with the processor's own instructions, for there are 47 MB.
    pub fn crc(&self) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(&self.pixels);
        crc.sum()
    }

    /// How many pixels an image has.
    #[inline]
    pub fn image_size(&self) -> usize {
        self.height * self.width
    }

    /// Pixels of one image.
    #[inline]
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.image_size();
        &self.pixels[index * size..][..size]
    }
}

/// The labels of the training images of a folder, or of a data set in it; `None` where there are none.
pub fn train_labels(data: &Path, images: usize) -> Result<Option<Vec<u8>>, IdxError> {
    labels(data, &TRAIN, images)
}

/// The labels of the test images of a folder, or of a data set in it; `None` where there are none.
pub fn test_labels(data: &Path, images: usize) -> Result<Option<Vec<u8>>, IdxError> {
    labels(data, &TEST, images)
}

fn labels(data: &Path, set: &Set, images: usize) -> Result<Option<Vec<u8>>, IdxError> {
    let path = match find(data, set, "labels") {
        Err(IdxError::Missing { .. }) => return Ok(None),
        path => path?,
    };
    let (_, labels) = parse(&path, &[LABELS], "labels")?;
    if labels.len() == images { Ok(Some(labels)) } else { Err(IdxError::Labels { path, labels: labels.len(), images }) }
}

/// The folder where the files are.
fn folder(data: &Path) -> &Path {
    if data.is_dir() { data } else { files::folder_of(data) }
}

/// The one file of a set; where it is there both plain and compressed, the plain one.
fn find(data: &Path, set: &Set, what: &'static str) -> Result<PathBuf, IdxError> {
    let error = |e| FileError::new(data, e);
    let folder = folder(data);
    let start = if folder == data { "" } else { data.file_name().and_then(OsStr::to_str).unwrap_or_default() };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        names.extend(name.into_string().ok().filter(|name| name.starts_with(start)));
    }
    if names.is_empty() {
        fs::read_dir(data).map_err(error)?; // neither a folder nor the beginning of a name
    }
    let before = |name: &str| set.before(&name[start.len()..], what).map(str::len);
    names.retain(|name| before(name).is_some());
    // Of names that begin alike, the one that says no more: `emnist-letters` beside `emnist-letters-hard`.
    if names.iter().any(|name| before(name) == Some(0)) {
        names.retain(|name| before(name) == Some(0));
    }
    names.sort();
    names.dedup_by(|compressed, plain| *compressed == format!("{plain}.gz"));
    if let [name] = &names[..] {
        return Ok(folder.join(name));
    }
    let (data, set_name) = (data.to_owned(), set.name);
    let mut sets: Vec<String> = names.iter().filter_map(|name| Some(set.before(name, what)?.to_owned())).collect();
    sets.sort();
    sets.dedup();
    Err(match sets.len() {
        0 => IdxError::Missing { data, set: set_name, what },
        1 => IdxError::Ambiguous { data, set: set_name, what, files: names },
        _ => IdxError::Several { data, set: set_name, what, names: sets },
    })
}

/// The sizes in the header and the bytes behind it, as many as the sizes say. `magics` are those of the formats that will
/// do, the one with the longest header first.
fn parse(path: &Path, magics: &'static [u32], what: &'static str) -> Result<(Vec<u32>, Vec<u8>), IdxError> {
    let error = |e| FileError::new(path, e);
    let mut file = BufReader::new(files::open(path)?);
    let gzip = file.fill_buf().map_err(error)?.starts_with(&[0x1f, 0x8b]);
    let mut file: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };

    let header_bytes = |magic: u32| 4 + 4 * u64::from(magic & 0xff);
    let length = |expected, found: usize| IdxError::Length { path: path.to_owned(), expected, found: found as u64 };
    let words = |bytes: &[u8]| -> Vec<u32> { bytes.as_chunks().0.iter().map(|b| u32::from_be_bytes(*b)).collect() };
    let mut header = Vec::new();
    file.by_ref().take(4).read_to_end(&mut header).map_err(error)?;
    let found = *words(&header).first().ok_or_else(|| length(header_bytes(magics[0]), header.len()))?;
    if !magics.contains(&found) {
        return Err(IdxError::Magic { path: path.to_owned(), what, expected: magics, found });
    }
    let start = header_bytes(found);
    file.by_ref().take(start - 4).read_to_end(&mut header).map_err(error)?;
    if header.len() as u64 != start {
        return Err(length(start, header.len()));
    }
    let sizes = words(&header[4..]);
    let product = sizes.iter().try_fold(1u64, |product, size| product.checked_mul(u64::from(*size)));
    let expected = product.unwrap_or(u64::MAX).saturating_add(start);

    // Nothing is read beyond what the header announces and the byte that tells of more.
    let rest = expected.min(MAX_BYTES) - start;
    let mut bytes = Vec::with_capacity(rest.min(LIKELY_BYTES) as usize + 1);
    file.take(rest + 1).read_to_end(&mut bytes).map_err(error)?;
    let found = header.len() + bytes.len();
    if expected == found as u64 { Ok((sizes, bytes)) } else { Err(length(expected, found)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, name: &str, words: &[u32], bytes: &[u8]) -> PathBuf {
        let header: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let path = folder.join(name);
        fs::write(&path, [&header[..], bytes].concat()).unwrap();
        path
    }

    #[test]
    fn rows_that_are_no_images_have_a_height_of_1() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        file(data, "fan-train-idx2-ubyte", &[ROWS, 2, 3], &[1, 2, 3, 4, 5, 6]);
        file(data, "fan-test-images-idx2-ubyte", &[ROWS, 1, 3], &[7, 8, 9]);
        file(data, "fan-train-labels-idx1-ubyte", &[LABELS, 2], &[0, 1]);
        let [train, test] = Images::both(data).unwrap();
        assert_eq!((train.len(), train.height, train.width, train.image(1)), (2, 1, 3, &[4, 5, 6][..]));
        assert_eq!((test.len(), test.image_size()), (1, 3));
        assert_eq!(train_labels(data, 2).unwrap(), Some(vec![0, 1]));
        assert_eq!(test_labels(data, 1).unwrap(), None);
        assert!(matches!(train_labels(data, 3), Err(IdxError::Labels { labels: 2, images: 3, .. })));
    }

    #[test]
    fn a_header_is_as_long_as_its_magic_number_says() {
        let folder = tempfile::tempdir().unwrap();
        let error = |words: &[u32], bytes: &[u8]| {
            let path = file(folder.path(), "data", words, bytes);
            let error = Images::read(&path).unwrap_err().to_string();
            error.strip_prefix(path.to_str().unwrap()).unwrap().to_owned()
        };
        assert_eq!(error(&[], &[0, 0]), ": expected 16 bytes, the file holds 2");
        assert_eq!(error(&[ROWS, 2], &[0]), ": expected 12 bytes, the file holds 9");
        assert_eq!(error(&[ROWS, 2, 3], &[0; 5]), ": expected 18 bytes, the file holds 17");
        assert_eq!(error(&[ROWS, 0, 3], &[]), ": no images, or images without pixels");
        assert_eq!(error(&[IMAGES, 1, 0, 3], &[]), ": no images, or images without pixels");
        let magic = ": not an IDX file of images: magic 0x00000801, expected 0x00000803 or 0x00000802";
        assert_eq!(error(&[LABELS, 1], &[0]), magic);
    }
}
