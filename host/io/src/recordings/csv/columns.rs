//! The use of each column of a CSV file.

use super::number;
use crate::recordings::error::{Place, RecordingError};
use crate::recordings::{Selection, Where};
use csv::ByteRecord;
use std::collections::HashMap;
use std::path::Path;

/// The use of each column.
pub(super) struct Columns {
    /// Whether the first line has names.
    pub(super) header: bool,
    /// Of all columns: their names, or their numbers from 1.
    pub(super) all: Vec<String>,
    /// Those of the channels.
    pub(super) channels: Vec<usize>,
    pub(super) group: Option<usize>,
    pub(super) label: Option<usize>,
    pub(super) conditions: Vec<(usize, Vec<String>)>,
    pub(super) exclude: Vec<(usize, Vec<String>)>,
    /// Whether the command line names the channels.
    pub(super) named: bool,
    /// What divides columns. Where it is no comma, a comma may stand before decimals.
    pub(super) delimiter: u8,
}

impl Columns {
    pub(super) fn new(
        path: &Path,
        first: &ByteRecord,
        selection: &Selection,
        delimiter: u8,
    ) -> Result<Self, RecordingError> {
        let cells: Vec<String> = first.iter().map(|cell| words(&String::from_utf8_lossy(cell))).collect();
        let header = is_header(&cells, delimiter != b',');
        let all: Vec<String> =
            if header { cells } else { (1..=first.len()).map(|number| number.to_string()).collect() };
        let same = |column: &str, at: [usize; 2]| RecordingError::Duplicate {
            path: path.to_owned(),
            column: column.to_owned(),
            at: at.map(|column| column + 1),
        };
        let find = |name: &String| {
            let name = &words(name);
            let mut named = (0..all.len()).filter(|column| all[*column] == *name);
            let by_number =
                || name.parse().ok().filter(|number| (1..=all.len()).contains(number)).map(|number| number - 1);
            let found = named.next().or_else(by_number).ok_or_else(|| RecordingError::Column {
                path: path.to_owned(),
                column: name.clone(),
                columns: all.clone(),
            })?;
            named.next().map_or(Ok(found), |other| Err(same(name, [found, other])))
        };
        let group = selection.group.as_ref().map(find).transpose()?;
        let label = selection.label.as_ref().map(find).transpose()?;
        let each = |conditions: &[Where]| {
            let found = conditions.iter().map(|one| Ok((find(&one.column)?, one.values.clone())));
            found.collect::<Result<Vec<_>, RecordingError>>()
        };
        let (conditions, exclude) = (each(&selection.conditions)?, each(&selection.exclude)?);
        let used = |column: &usize| {
            let chooses = conditions.iter().chain(&exclude).any(|(other, _)| other == column);
            Some(*column) == group || Some(*column) == label || chooses
        };
        let named = if header && selection.columns.is_empty() { &selection.expected } else { &selection.columns };
        let channels: Vec<usize> = if named.is_empty() {
            (0..all.len()).filter(|column| !used(column)).collect()
        } else {
            named.iter().map(find).collect::<Result<_, _>>()?
        };
        if channels.is_empty() {
            return Err(RecordingError::NoChannel { path: path.to_owned(), columns: all });
        }
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for column in &channels {
            let name = &all[*column];
            match seen.insert(name, *column) {
                Some(before) if before == *column => {
                    return Err(RecordingError::Twice { path: path.to_owned(), column: name.clone() });
                }
                Some(before) => return Err(same(name, [before, *column])),
                None => {}
            }
        }
        let named = !named.is_empty();
        Ok(Self { header, all, channels, group, label, conditions, exclude, named, delimiter })
    }

    /// Whether a comma may stand before decimals.
    pub(super) fn decimal_comma(&self) -> bool {
        self.delimiter != b','
    }

    /// A place in a file, for messages.
    pub(super) fn place(&self, path: &Path, line: u64, column: usize) -> Place {
        Place { path: path.to_owned(), line, column: self.all[column].clone() }
    }
}

/// A name with single spaces: one in quotes may have line breaks, which no list of names can hold.
fn words(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the cells of the first line are names: none of them is a number, not even one that is missing.
fn is_header(cells: &[String], decimal_comma: bool) -> bool {
    const MISSING: [&str; 7] = ["", "-", "?", "na", "n/a", "null", "none"];
    let is_number = |cell: &String| number(cell.as_bytes(), decimal_comma).is_some() || cell.parse::<f32>().is_ok();
    let is_missing = |cell: &String| MISSING.contains(&cell.to_lowercase().as_str());
    !cells.iter().any(is_number) && !cells.iter().all(is_missing)
}
