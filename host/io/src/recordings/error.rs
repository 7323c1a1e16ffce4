//! Errors of files of recordings.

use crate::files::FileError;
use crate::number::counted;
use crate::terminal::printable;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// The column, by name or number.
    pub column: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}, column {}", self.path.display(), self.line, shown(&self.column))
    }
}

/// Why recordings cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file cannot be opened.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file cannot be read.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// No file of recordings is there.
    #[error("{}: no file of recordings; expected .csv, .tsv, .npy, .npz or .wav", names(.0))]
    NoFiles(Vec<PathBuf>),
    /// A folder has another one with recordings, which would be missed.
    #[error(
        "{}: folders in a folder are not read, and {} has recordings; name each folder", folder.display(), inner.display()
    )]
    FolderInFolder {
        /// The folder that was named.
        folder: PathBuf,
        /// The folder in it.
        inner: PathBuf,
    },
    /// A file was named twice.
    #[error("{}: {}; give each recording once", path.display(), twice(path, first))]
    SameFile {
        /// Its name.
        path: PathBuf,
        /// Its name when it was named first.
        first: PathBuf,
    },
    /// A file that trains is also to test.
    #[error("{}: its samples train, so they are no test; give other recordings, or rows of the same (--test-where)", .0.display())]
    TestTrains(PathBuf),
    /// A recording is a copy of one in another file.
    #[error("{name}: the same samples as {first}; give each recording once")]
    Copy {
        /// The recording.
        name: String,
        /// The other one.
        first: String,
    },
    /// A recording to test on is a copy of one that trains.
    #[error("{name}: the same samples as {first}, which train, so they are no test; give other recordings")]
    TestCopies {
        /// The recording.
        name: String,
        /// The one that trains.
        first: String,
    },
    /// A file is of no known kind.
    #[error("{}: expected a file that is named .csv, .tsv, .npy, .npz or .wav", .0.display())]
    Kind(PathBuf),
    /// A file has no rows, or none that were chosen.
    #[error("{}: no rows to read", .0.display())]
    Empty(PathBuf),
    /// No row meets the conditions.
    #[error("{}: no row has {condition}", path.display())]
    NoneChosen {
        /// The file.
        path: PathBuf,
        /// The conditions.
        condition: String,
    },
    /// All rows that meet the conditions are those of another set.
    #[error("{}: every row has {condition}, so none is left to train with", path.display())]
    AllExcluded {
        /// The file.
        path: PathBuf,
        /// The conditions of the other set.
        condition: String,
    },
    /// No column is left for the channels.
    #[error("{}: no column is left for a channel; there are {}", path.display(), list(columns))]
    NoChannel {
        /// The file.
        path: PathBuf,
        /// The columns that are there.
        columns: Vec<String>,
    },
    /// A column is to be a channel twice.
    #[error("{}: --columns has column {} twice", path.display(), shown(column))]
    Twice {
        /// The file.
        path: PathBuf,
        /// The column, by name or number.
        column: String,
    },
    /// Two columns have the same name.
    #[error(
        "{}: columns {} and {} are both named {}; a channel is known by its name", path.display(), at[0], at[1], shown(column)
    )]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
        /// The columns' numbers, from 1.
        at: [usize; 2],
    },
    /// A column of labels or of recordings' names has too many values.
    #[error("{place}: more than {most} {what}; expected a column that says the same of many rows")]
    Many {
        /// Where.
        place: Place,
        /// `labels` or `recordings`.
        what: &'static str,
        /// The most.
        most: usize,
    },
    /// A line, or a cell in quotes, does not end.
    #[error("{}, line {line}: more than {most} bytes without an end", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The most bytes.
        most: usize,
    },
    /// A column is not there.
    #[error("{}: no column {}; {}", path.display(), shown(column), there_are(columns))]
    Column {
        /// The file.
        path: PathBuf,
        /// The column that was asked for.
        column: String,
        /// The columns that are there.
        columns: Vec<String>,
    },
    /// A cell is not a finite number.
    #[error("{place}: {}; expected a number{}", found(.text), if *is_text { ", or --columns with the names of the channels" } else { "" })]
    Number {
        /// Where.
        place: Place,
        /// What stands there.
        text: String,
        /// Whether the column has text from its first row on, and nobody asked for it.
        is_text: bool,
    },
    /// A row has another number of cells than the first.
    #[error(
        "{}, line {line}: {} where the lines before it have {expected}{}",
        path.display(),
        counted(found, "column"),
        if *commas { "; decimal commas need semicolons or tabs between columns" } else { "" }
    )]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Cells of the first line.
        expected: usize,
        /// Cells of this one.
        found: usize,
        /// Whether commas seem to stand before decimals, and between cells as well.
        commas: bool,
    },
    /// A number of an array or of sound is not finite.
    #[error("{}, {place}: {number}; expected a finite number", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Its row and column, from 1.
        place: String,
        /// The number.
        number: f32,
    },
    /// An array is none that can be used.
    #[error("{}: {reason}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The file has no columns of text.
    #[error("{}: --group, --label and --where need a CSV file", .0.display())]
    NoText(PathBuf),
    /// Two files have different channels.
    #[error("{}: {}; {} has {}", path.display(), described[1], first.display(), described[0])]
    Differ {
        /// The file.
        path: PathBuf,
        /// The first file.
        first: PathBuf,
        /// The channels of the first, and of this one.
        described: [String; 2],
    },
    /// The files hold more numbers than can be read.
    #[error("{}: more than {} numbers; take fewer files, columns or rows", .0.display(), super::MOST_NUMBERS)]
    TooLarge(PathBuf),
}

fn names(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// `given twice`
fn twice(path: &Path, first: &Path) -> String {
    if path == first { "given twice".into() } else { format!("the same file as {}", first.display()) }
}

/// The names of columns or channels, as many as a line can hold. One without a name is its number.
pub fn list<S: AsRef<str>>(names: &[S]) -> String {
    const MOST: usize = 20;
    let of = |(i, name): (usize, &S)| match name.as_ref() {
        "" => (i + 1).to_string(),
        name => printable(name),
    };
    let mut shown: Vec<String> = names.iter().enumerate().take(MOST).map(of).collect();
    if names.len() > MOST {
        shown.push(format!("… ({} in all)", names.len()));
    }
    shown.join(", ")
}

/// The columns that are there. A single one may be a line that was not divided.
fn there_are(columns: &[String]) -> String {
    match columns {
        [one] if one.contains([' ', '|']) => {
            format!("there is {} (a comma, a semicolon or a tab divides columns)", list(columns))
        }
        [_] => format!("there is {}", list(columns)),
        _ => format!("there are {}", list(columns)),
    }
}

/// A name, in quotes if nothing of it could be seen.
fn shown(name: &str) -> String {
    if name.trim().is_empty() { format!("{name:?}") } else { printable(name) }
}

/// What stands in a cell, in words.
fn found(text: &str) -> String {
    const LONGEST: usize = 30;
    match text.trim() {
        "" => "an empty cell".to_owned(),
        text if text.chars().count() > LONGEST => format!("{:?}…", text.chars().take(LONGEST).collect::<String>()),
        text => format!("{text:?}"),
    }
}
