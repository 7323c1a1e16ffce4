//! Errors of IDX files.

use crate::files::FileError;
use std::cmp::Ordering;
use std::path::PathBuf;

/// Errors of IDX files.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not an IDX file of the expected kind.
    #[error("{}: {found}; expected an IDX file of {what}", path.display())]
    Kind {
        /// Which file.
        path: PathBuf,
        /// The contents that were expected.
        what: &'static str,
        /// A description of its contents.
        found: String,
    },
    /// There are more or fewer bytes than the header says.
    #[error("{}: {}", path.display(), match found.cmp(expected) {
        Ordering::Less => format!("cut short: {found} bytes of the {expected} that its header announces"),
        _ => format!("more than the {expected} bytes that its header announces"),
    })]
    Length {
        /// Which file.
        path: PathBuf,
        /// Header and contents.
        expected: u64,
        /// Bytes in the file, after decompression. If there are more than expected, the number of those that were read.
        found: u64,
    },
    /// The header announces more than is read.
    #[error("{}: {} numbers by its header; at most {limit} bytes are read, header included", path.display(), product(sizes))]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The size of each dimension.
        sizes: Vec<u32>,
        /// The most that are read.
        limit: u64,
    },
    /// A class is outside 0 to 255.
    #[error("{}: class {class} of row {row}; classes go from 0 to 255", path.display())]
    Class {
        /// Which file.
        path: PathBuf,
        /// The class in the file.
        class: i32,
        /// From 0.
        row: usize,
    },
    /// The file holds no pixels.
    #[error("{}: no images, or images without pixels", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// The numbers of labels and images differ.
    #[error("{}: {labels} labels for {images} images", path.display())]
    Labels {
        /// Which file.
        path: PathBuf,
        /// Labels found.
        labels: usize,
        /// Images that they belong to.
        images: usize,
    },
    /// Training and test images differ in size.
    #[error("{}: training images of {} × {} pixels, test images of {} × {}", data.display(),
        train[0], train[1], test[0], test[1])]
    Sizes {
        /// The folder, or the start of the names.
        data: PathBuf,
        /// Height and width of the training images.
        train: [usize; 2],
        /// Height and width of the test images.
        test: [usize; 2],
    },
    /// No file name matches.
    #[error("{}: no IDX file of {set} {what}; give --data a folder with one (.gz or not)", data.display())]
    Missing {
        /// The folder, or the start of the names.
        data: PathBuf,
        /// Training or test.
        set: &'static str,
        /// Images or labels.
        what: &'static str,
    },
    /// The folder has files of several data sets.
    #[error("{}: {set} {what} of several data sets; give --data {}, NAME one of {}", data.display(),
        folder.join("NAME").display(), names.join(", "))]
    Several {
        /// The folder, or the start of the names.
        data: PathBuf,
        /// The folder.
        folder: PathBuf,
        /// Training or test.
        set: &'static str,
        /// Images or labels.
        what: &'static str,
        /// For each data set, the start of the names of its files.
        names: Vec<String>,
    },
    /// One data set has several such files.
    #[error("{}: more than one IDX file of {set} {what}: {}", data.display(), files.join(", "))]
    Ambiguous {
        /// The folder, or the start of the names.
        data: PathBuf,
        /// Training or test.
        set: &'static str,
        /// Images or labels.
        what: &'static str,
        /// The files found.
        files: Vec<String>,
    },
}

/// `60000 × 28 × 28`
fn product(sizes: &[u32]) -> String {
    sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(" × ")
}
