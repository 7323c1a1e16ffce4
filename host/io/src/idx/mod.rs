//! The IDX files of MNIST and its relatives, plain or gzip: images, other rows of bytes, labels.
//!
//! `find` finds the files of a data set by their names, and `parse` reads one.

mod error;
mod find;
mod parse;

pub use error::IdxError;

use crate::crc32;
use find::{Split, TEST, TRAIN, find};
use parse::{Type, parse};
use std::path::Path;
use std::thread;

/// The rows of a data set, all of one size: images, or rows of bytes, which have a height of 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Pixels, `[images · height · width]`, 0 black to 255 white.
    pub pixels: Vec<u8>,
    /// Pixels from top to bottom; 1 if the rows are not images.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
}

impl Images {
    /// Reads a file of images or of other rows.
    pub fn read(path: &Path) -> Result<Self, IdxError> {
        let (header, pixels) = parse(path, "images or rows of bytes", |header| {
            header.kind == Type::U8 && matches!(header.sizes.len(), 2 | 3)
        })?;
        let [height, width] = match header.sizes[..] {
            [_, height, width] => [height, width],
            [_, width] => [1, width],
            _ => [0, 0],
        };
        if pixels.is_empty() {
            return Err(IdxError::Empty { path: path.to_owned() });
        }
        Ok(Self { pixels, height: height as usize, width: width as usize })
    }

    /// Reads the training images of a folder. If the folder has several data sets, the last part of `data` is the start of the
    /// names of one set: `emnist/emnist-letters`.
    pub fn train(data: &Path) -> Result<Self, IdxError> {
        Self::read(&find(data, &TRAIN, "images")?)
    }

    /// Reads the test images of a folder, or of a data set in it.
    pub fn test(data: &Path) -> Result<Self, IdxError> {
        Self::read(&find(data, &TEST, "images")?)
    }

    /// Reads the training and the test images of a folder, or of a data set in it. All have one size.
    pub fn both(data: &Path) -> Result<[Self; 2], IdxError> {
        let images = thread::scope(|scope| {
            let train = thread::Builder::new().spawn_scoped(scope, || Self::train(data));
            let test = Self::test(data);
            let train = match train {
                Ok(thread) => thread.join().expect("reading returns errors"),
                Err(_) => Self::train(data), // the system refused the thread
            };
            Ok::<_, IdxError>([train?, test?])
        })?;
        let [train, test] = images.each_ref().map(|images| [images.height, images.width]);
        if train == test { Ok(images) } else { Err(IdxError::Sizes { data: data.to_owned(), train, test }) }
    }

    /// The number of images.
    #[expect(clippy::len_without_is_empty, reason = "a file without images is refused")]
    pub fn len(&self) -> usize {
        self.pixels.len() / self.image_size()
    }

    /// The bytes of an IDX file of these images, or of these rows if they have one line.
    pub fn to_idx(&self) -> Vec<u8> {
        let sizes = [self.len(), self.height, self.width];
        let sizes = if self.height == 1 { &[sizes[0], sizes[2]][..] } else { &sizes };
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|size| (*size as u32).to_be_bytes()));
        bytes.extend(&self.pixels);
        bytes
    }

    /// CRC-32 of the pixels.
    pub fn crc(&self) -> u32 {
        crc32::checksum(&self.pixels)
    }

    /// The number of pixels of an image.
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

/// Reads the labels of the training images of a folder, or of a data set in it; `None` if there are none.
pub fn train_labels(data: &Path, images: usize) -> Result<Option<Vec<u8>>, IdxError> {
    labels(data, &TRAIN, images)
}

/// Reads the labels of the test images of a folder, or of a data set in it; `None` if there are none.
pub fn test_labels(data: &Path, images: usize) -> Result<Option<Vec<u8>>, IdxError> {
    labels(data, &TEST, images)
}

fn labels(data: &Path, set: &Split, images: usize) -> Result<Option<Vec<u8>>, IdxError> {
    let path = match find(data, set, "labels") {
        Err(IdxError::Missing { .. }) => return Ok(None),
        path => path?,
    };
    let labels = read_labels(&path)?;
    if labels.len() == images { Ok(Some(labels)) } else { Err(IdxError::Labels { path, labels: labels.len(), images }) }
}

/// Reads labels: bytes, or rows of integers that begin with the class (QMNIST's `idx2-int`).
fn read_labels(path: &Path) -> Result<Vec<u8>, IdxError> {
    let (header, bytes) = parse(path, "labels", |header| match header.kind {
        Type::U8 => header.sizes.len() == 1,
        Type::I32 => matches!(header.sizes[..], [_] | [_, 1..=u32::MAX]),
        _ => false,
    })?;
    if header.kind == Type::U8 {
        return Ok(bytes);
    }
    let columns = header.sizes.get(1).map_or(1, |columns| *columns as usize);
    let words = bytes.as_chunks().0.iter().map(|bytes| i32::from_be_bytes(*bytes));
    let class = |(row, class): (usize, i32)| {
        u8::try_from(class).map_err(|_| IdxError::Class { path: path.to_owned(), class, row })
    };
    words.step_by(columns).enumerate().map(class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    const IMAGES: u32 = 0x0000_0803;
    const ROWS: u32 = 0x0000_0802;
    const LABELS: u32 = 0x0000_0801;

    fn file(folder: &Path, name: &str, words: &[u32], bytes: &[u8]) -> PathBuf {
        let header: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let path = folder.join(name);
        fs::write(&path, [&header[..], bytes].concat()).unwrap();
        path
    }

    #[test]
    fn rows_that_are_not_images_have_a_height_of_1() {
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
    fn the_last_marker_that_begins_a_word_says_which_set_a_file_is_of() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        file(data, "latest-train-images-idx3-ubyte", &[IMAGES, 1, 1, 1], &[1]);
        assert!(matches!(Images::test(data), Err(IdxError::Missing { .. })));
        file(data, "latest-test-images-idx3-ubyte", &[IMAGES, 1, 1, 1], &[2]);
        assert_eq!(Images::both(data).unwrap().map(|images| images.pixels), [[1], [2]]);
    }

    #[test]
    fn classes_are_the_first_column_of_integers() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        file(data, "qmnist-train-images-idx3-ubyte", &[IMAGES, 2, 1, 1], &[0, 1]);
        file(data, "qmnist-train-labels-idx2-int", &[0x0c02, 2, 3, 7, 1, 99_999, 4, 1, 0], &[]);
        assert_eq!(Images::train(data).unwrap().len(), 2);
        assert_eq!(train_labels(data, 2).unwrap(), Some(vec![7, 4]));
        file(data, "qmnist-train-labels-idx2-int", &[0x0c01, 3, 9, 0, 255], &[]);
        assert_eq!(train_labels(data, 3).unwrap(), Some(vec![9, 0, 255]));
        file(data, "qmnist-train-labels-idx2-int", &[0x0c02, 2, 1, 7, 256], &[]);
        assert!(matches!(train_labels(data, 2), Err(IdxError::Class { class: 256, row: 1, .. })));
        file(data, "qmnist-train-labels-idx2-int", &[0x0c02, 2, 0], &[]);
        assert!(matches!(train_labels(data, 2), Err(IdxError::Kind { .. })));
    }

    #[test]
    fn folders_and_hidden_files_with_the_name_of_a_file_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        file(data, "train-images.idx3-ubyte", &[ROWS, 1, 2], &[5, 6]);
        file(data, "._train-images.idx3-ubyte", &[], b"AppleDouble");
        fs::create_dir(data.join("train-images-idx3-ubyte")).unwrap();
        assert_eq!(Images::train(data).unwrap().image(0), [5, 6]);
    }

    #[test]
    fn a_header_is_as_long_as_its_magic_number_says() {
        let folder = tempfile::tempdir().unwrap();
        let error = |words: &[u32], bytes: &[u8]| {
            let path = file(folder.path(), "data", words, bytes);
            let error = Images::read(&path).unwrap_err().to_string();
            error.strip_prefix(path.to_str().unwrap()).unwrap().to_owned()
        };
        let other = |found: &str| format!(": {found}; expected an IDX file of images or rows of bytes");
        assert_eq!(error(&[], &[0, 0]), other("a file of 2 bytes"));
        assert_eq!(error(&[ROWS, 2], &[0]), ": cut short: 9 bytes of the 12 that its header announces");
        assert_eq!(error(&[ROWS, 2, 3], &[0; 5]), ": cut short: 17 bytes of the 18 that its header announces");
        assert_eq!(error(&[ROWS, 2, 3], &[0; 7]), ": more than the 18 bytes that its header announces");
        assert_eq!(error(&[ROWS, 0, 3], &[]), ": no images, or images without pixels");
        assert_eq!(error(&[IMAGES, 1, 0, 3], &[]), ": no images, or images without pixels");
        // Sizes whose product wraps to 0 in 64 bits.
        let wraps =
            ": 2147483648 × 2147483648 × 4 numbers by its header; at most 2147483648 bytes are read, header included";
        assert_eq!(error(&[IMAGES, 1 << 31, 1 << 31, 4], &[0]), wraps);
        assert_eq!(error(&[LABELS, 1], &[0]), other("an IDX file of unsigned bytes in 1 dimension"));
        assert_eq!(error(&[0x0d03, 1, 1, 1], &[0; 4]), other("an IDX file of 32-bit floats in 3 dimensions"));
        assert_eq!(error(&[0x0804, 1, 1, 1, 1], &[0]), other("an IDX file of unsigned bytes in 4 dimensions"));
        assert_eq!(error(&[0x0903], &[]), ": cut short: 4 bytes of the 16 that its header announces");
        assert_eq!(error(&[0x0a03], &[]), other("numbers of an unknown type, 0x0a"));
    }
}
