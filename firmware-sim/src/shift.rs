//! Shifts of a sensor, defined exactly on rows of `u8`.
//!
//! | name | what the sensor does | a value `q` in 0..=255 becomes |
//! |---|---|---|
//! | `gain-offset` | loses contrast, gains an offset, has two stuck columns | `(3·q + 257) / 5`; 255 if stuck |
//! | `invert` | inverts light and dark | `255 - q` |
//! | `columns` | has two stuck columns | `q`; 255 if stuck |
//! | `rotate` | is mounted a quarter turn clockwise | the value in row `side - 1 - column`, column `row` |
//! | `contrast-N` | loses contrast, down to N per cent | `q · N / 100` rounded to nearest |
//! | `dark` | is covered and shows only noise | 0 to 5, pseudo-random, uniform |
//! | `black` | is covered | 0 |
//! | `frozen` | repeats its first row | the value in the first row |
//! | a folder | sees other data | the value in the folder's rows |
//!
//! `(3·q + 257) / 5` is 0.6·q + 0.2·255, rounded to nearest. Rows and columns count from 0. In a row that is not an
//! image, each value is a column. The stuck columns are 10 and 11, or the last two if there are fewer than 12.

use crate::random::Random;
use crate::rows::{Count, Folder, Rows, Set, Shape};
use crate::weights::WeightsBlob;
use anyhow::ensure;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The first of the two stuck columns, and their value.
const STUCK: (usize, u8) = (10, 255);

/// The help of `--shift`.
pub const HELP: &str = "Shift of the sensor: gain-offset, invert, columns, rotate, contrast-N (N per cent are left, \
                        1 to 99), dark, black, frozen, or a folder of other rows";

/// A shift of the sensor. [`Self::default`] is the one that published figures use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shift {
    #[default]
    GainOffset,
    Invert,
    Columns,
    Rotate,
    /// This percentage of the contrast is left.
    Contrast(u8),
    Dark,
    Black,
    Frozen,
    Folder(PathBuf),
}

impl FromStr for Shift {
    type Err = Infallible;

    /// Anything that is not one of the names is a folder.
    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(match name {
            "gain-offset" => Self::GainOffset,
            "invert" => Self::Invert,
            "columns" => Self::Columns,
            "rotate" => Self::Rotate,
            "dark" => Self::Dark,
            "black" => Self::Black,
            "frozen" => Self::Frozen,
            other => match other.strip_prefix("contrast-").and_then(|percent| percent.parse().ok()) {
                Some(percent @ 1..=99) => Self::Contrast(percent),
                _ => Self::Folder(other.into()),
            },
        })
    }
}

impl std::fmt::Display for Shift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GainOffset => f.write_str("gain-offset"),
            Self::Invert => f.write_str("invert"),
            Self::Columns => f.write_str("columns"),
            Self::Rotate => f.write_str("rotate"),
            Self::Contrast(percent) => write!(f, "contrast-{percent}"),
            Self::Dark => f.write_str("dark"),
            Self::Black => f.write_str("black"),
            Self::Frozen => f.write_str("frozen"),
            Self::Folder(folder) => folder.display().fmt(f),
        }
    }
}

/// The first test rows, as the shifted sensor sees them if a shift is given.
pub fn test(shift: Option<&Shift>, data: &Path, count: Count, weights: &WeightsBlob) -> anyhow::Result<Rows> {
    match shift {
        Some(shift) => shift.rows(data, Set::Test, count, weights),
        None => Folder::data(data).rows(Set::Test, count, weights),
    }
}

impl Shift {
    /// The folder that it reads, if any.
    pub fn folder(&self) -> Option<&Path> {
        if let Self::Folder(folder) = self { Some(folder) } else { None }
    }

    /// The first rows of a set as the shifted sensor sees them.
    pub fn rows(&self, data: &Path, set: Set, count: Count, weights: &WeightsBlob) -> anyhow::Result<Rows> {
        let folder = match self.folder() {
            Some(path) => Folder { path, option: "--shift" },
            None => Folder::data(data),
        };
        // A folder, or a folder and the common prefix of a data set's file names in it.
        let can_be_read = |folder: &Path| folder.is_dir() || folder.parent().is_some_and(Path::is_dir);
        ensure!(
            self.folder().is_none_or(can_be_read),
            "--shift {self}: expected gain-offset, invert, columns, rotate, contrast-N, dark, black, frozen or a folder"
        );
        let mut rows = folder.rows(set, count, weights)?;
        if *self == Self::Rotate {
            let Shape { width, height } = rows.shape;
            ensure!(rows.shape.is_image(), "--shift rotate: the rows are not images");
            ensure!(width == height, "--shift rotate: the images are not square, but {width} by {height}");
        }
        let width = rows.shape.width;
        let frozen = rows.rows.first().cloned().filter(|_| *self == Self::Frozen);
        let mut random = Random::new();
        for row in &mut rows.rows {
            match &frozen {
                Some(frozen) => row.clone_from(frozen),
                None => self.apply(row, width, &mut random),
            }
        }
        Ok(rows)
    }

    /// Changes a row to what the shifted sensor sees. The rows of another folder and the row of a frozen sensor need no
    /// change.
    fn apply(&self, row: &mut [u8], width: usize, random: &mut Random) {
        match self {
            Self::GainOffset => {
                for q in &mut *row {
                    *q = ((3 * u16::from(*q) + 257) / 5) as u8;
                }
                stick(row, width);
            }
            Self::Invert => {
                for q in row {
                    *q = 255 - *q;
                }
            }
            Self::Columns => stick(row, width),
            Self::Rotate => {
                let upright = row.to_vec();
                for (i, q) in row.iter_mut().enumerate() {
                    *q = upright[(width - 1 - i % width) * width + i / width];
                }
            }
            Self::Contrast(percent) => {
                for q in row {
                    *q = ((u16::from(*q) * u16::from(*percent) + 50) / 100) as u8;
                }
            }
            Self::Dark => row.fill_with(|| random.range(0, 5) as u8),
            Self::Black => row.fill(0),
            Self::Frozen | Self::Folder(_) => {}
        }
    }
}

/// Sets the two stuck columns.
fn stick(row: &mut [u8], width: usize) {
    let (column, value) = STUCK;
    let first = column.min(width.saturating_sub(2));
    for line in row.chunks_mut(width) {
        line.iter_mut().skip(first).take(2).for_each(|q| *q = value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shifted(name: &str, row: &[u8], width: usize) -> Vec<u8> {
        let mut row = row.to_vec();
        name.parse::<Shift>().unwrap().apply(&mut row, width, &mut Random::new());
        row
    }

    #[test]
    fn gain_and_offset_round_to_nearest_and_two_columns_are_stuck() {
        let all: Vec<u8> = (0..=255).collect();
        for (i, q) in shifted("gain-offset", &all, 16).into_iter().enumerate() {
            let real = (255.0 * (0.6 * (i as f64 / 255.0) + 0.2).clamp(0.0, 1.0)).round();
            let expected = if i % 16 == 10 || i % 16 == 11 { 255.0 } else { real };
            assert_eq!(f64::from(q), expected, "pixel {i}");
        }
    }

    #[test]
    fn columns_changes_only_the_two_stuck_columns() {
        let mut expected = vec![7; 28 * 28];
        for row in 0..28 {
            expected[28 * row + 10] = 255;
            expected[28 * row + 11] = 255;
        }
        assert_eq!(shifted("columns", &[7; 28 * 28], 28), expected);
    }

    #[test]
    fn two_values_of_a_row_are_stuck_however_short_it_is() {
        for width in 1..40 {
            let stuck = shifted("columns", &vec![7; width], width);
            let expected: Vec<usize> = match width {
                1 => vec![0],
                2..12 => vec![width - 2, width - 1],
                _ => vec![10, 11],
            };
            let found: Vec<usize> = (0..width).filter(|i| stuck[*i] == 255).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn inverting_twice_and_rotating_four_times_restore_an_image() {
        assert_eq!(shifted("invert", &[0, 1, 254, 255], 2), [255, 254, 1, 0]);
        assert_eq!(shifted("rotate", &[1, 2, 3, 4, 5, 6, 7, 8, 9], 3), [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        let image: Vec<u8> = (0..=255).collect();
        let turned = (0..4).fold(image.clone(), |image, _| shifted("rotate", &image, 16));
        assert_eq!(turned, image);
    }

    #[test]
    fn contrast_rounds_to_nearest() {
        let all: Vec<u8> = (0..=255).collect();
        for percent in 1..=99 {
            for (i, q) in shifted(&format!("contrast-{percent}"), &all, 16).into_iter().enumerate() {
                let real = i as f64 * f64::from(percent) / 100.0;
                assert!((f64::from(q) - real).abs() <= 0.5, "pixel {i} at {percent} per cent: {q}");
            }
        }
    }

    #[test]
    fn a_covered_sensor_shows_only_noise() {
        assert_eq!(shifted("black", &[7, 0, 255], 3), [0; 3]);
        let dark = shifted("dark", &[255; 6000], 100);
        for value in 0..6 {
            let mut others = dark.clone();
            others.retain(|q| *q != value);
            let count = dark.len() - others.len();
            assert!((850..1150).contains(&count), "{count} times {value}");
        }
        assert!(dark.iter().all(|q| *q < 6) && dark[..100] != dark[100..200]);
    }

    #[test]
    fn a_name_is_a_shift_and_anything_else_a_folder() {
        let names =
            ["gain-offset", "invert", "columns", "rotate", "contrast-1", "contrast-99", "dark", "black", "frozen"];
        let folders = ["data/fashion", "contrast", "contrast-", "contrast-0", "contrast-100", "contrast-x"];
        for name in names.iter().chain(&folders) {
            let shift: Shift = name.parse().unwrap();
            assert_eq!(matches!(shift, Shift::Folder(_)), folders.contains(name));
            assert_eq!(shift.to_string(), *name);
        }
    }
}
