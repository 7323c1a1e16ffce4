//! CSV files: with a comma, a semicolon or a tab between cells, with a header or without.

use super::error::{Place, RecordingError};
use super::{MOST_NUMBERS, Recording, Recordings, Selection, number_of, open};
use csv::{ByteRecord, ReaderBuilder};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Reads a file.
pub(super) fn read(path: &Path, selection: &Selection) -> Result<Recordings, RecordingError> {
    let mut text = BufReader::new(open(path)?);
    let failed = |error| RecordingError::Io(path.to_owned(), error);
    skip_mark(&mut text).map_err(failed)?;
    let delimiter = delimiter(text.fill_buf().map_err(failed)?);
    let mut reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text);
    let mut line = ByteRecord::new();
    if !reader.read_byte_record(&mut line).map_err(|error| refused(path, &error))? {
        return Err(RecordingError::Empty(path.to_owned()));
    }
    let columns = Columns::new(path, &line, selection, delimiter)?;
    let mut table = Table::new(path, &columns);
    if !columns.header {
        table.add(&line, end_of(&reader))?;
    }
    while reader.read_byte_record(&mut line).map_err(|error| refused(path, &error))? {
        table.add(&line, end_of(&reader))?;
    }
    table.finish(selection)
}

/// The line at which the record ends that was just read. Where it begins is not known: empty lines before it count as its
/// own.
fn end_of<R: std::io::Read>(reader: &csv::Reader<R>) -> u64 {
    let next = reader.position().line();
    if reader.is_done() { next } else { next - 1 }
}

/// Skips the mark that some programs put before UTF-8.
fn skip_mark(text: &mut impl BufRead) -> std::io::Result<()> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if text.fill_buf()?.starts_with(MARK) {
        text.consume(MARK.len());
    }
    Ok(())
}

/// The delimiter that occurs most in the first line; a comma if none does.
fn delimiter(start: &[u8]) -> u8 {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| line.split(|byte| *byte == delimiter).count();
    // Of equals the last: a comma may be a decimal point where a semicolon stands between cells.
    [b',', b'\t', b';'].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

fn refused(path: &Path, error: &csv::Error) -> RecordingError {
    RecordingError::Io(path.to_owned(), std::io::Error::other(error.to_string()))
}

/// The use of each column.
struct Columns {
    /// Whether the first line has names.
    header: bool,
    /// Of all columns: their names, or their numbers from 1.
    all: Vec<String>,
    /// Those of the channels.
    channels: Vec<usize>,
    group: Option<usize>,
    label: Option<usize>,
    conditions: Vec<(usize, Vec<String>)>,
    /// A comma stands before decimals.
    decimal_comma: bool,
}

impl Columns {
    fn new(path: &Path, first: &ByteRecord, selection: &Selection, delimiter: u8) -> Result<Self, RecordingError> {
        let decimal_comma = delimiter == b';';
        let cells: Vec<String> = first.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
        let header = !cells.iter().any(|cell| number(cell.as_bytes(), decimal_comma).is_some());
        let all: Vec<String> =
            if header { cells } else { (1..=first.len()).map(|number| number.to_string()).collect() };
        let find = |name: &String| {
            let by_number =
                || name.parse().ok().filter(|number| (1..=all.len()).contains(number)).map(|number| number - 1);
            let found = all.iter().position(|column| column == name).or_else(by_number);
            found.ok_or_else(|| RecordingError::Column {
                path: path.to_owned(),
                column: name.clone(),
                columns: all.clone(),
            })
        };
        let group = selection.group.as_ref().map(find).transpose()?;
        let label = selection.label.as_ref().map(find).transpose()?;
        let conditions =
            selection.conditions.iter().map(|condition| Ok((find(&condition.column)?, condition.values.clone())));
        let conditions = conditions.collect::<Result<Vec<_>, RecordingError>>()?;
        let used = |column: &usize| {
            Some(*column) == group || Some(*column) == label || conditions.iter().any(|(other, _)| other == column)
        };
        let channels = if selection.columns.is_empty() {
            (0..all.len()).filter(|column| !used(column)).collect()
        } else {
            selection.columns.iter().map(find).collect::<Result<_, _>>()?
        };
        Ok(Self { header, all, channels, group, label, conditions, decimal_comma })
    }
}

/// A finite number; `None` if the cell holds none.
fn number(cell: &[u8], decimal_comma: bool) -> Option<f32> {
    let text = std::str::from_utf8(cell).ok()?.trim();
    let number: f32 =
        if decimal_comma && text.contains(',') { text.replacen(',', ".", 1).parse() } else { text.parse() }.ok()?;
    number.is_finite().then_some(number)
}

/// The recordings so far.
struct Table<'a> {
    path: &'a Path,
    columns: &'a Columns,
    recordings: Vec<Recording>,
    /// The recording of each name.
    by_group: HashMap<Vec<u8>, usize>,
    labels: Vec<String>,
    numbers: usize,
    rows: usize,
}

impl<'a> Table<'a> {
    fn new(path: &'a Path, columns: &'a Columns) -> Self {
        Self {
            path,
            columns,
            recordings: Vec::new(),
            by_group: HashMap::new(),
            labels: Vec::new(),
            numbers: 0,
            rows: 0,
        }
    }

    /// Adds a line if it meets the conditions.
    fn add(&mut self, line: &ByteRecord, at: u64) -> Result<(), RecordingError> {
        let Columns { all, channels, group, label, conditions, decimal_comma, .. } = self.columns;
        let cell = |column: usize| line.get(column).unwrap_or_default().trim_ascii();
        self.rows += 1;
        if line.len() != all.len() {
            let path = self.path.to_owned();
            return Err(RecordingError::Ragged { path, line: at, expected: all.len(), found: line.len() });
        }
        if !conditions
            .iter()
            .all(|(column, values)| values.iter().any(|value| value.trim().as_bytes() == cell(*column)))
        {
            return Ok(());
        }
        let group = group.map_or(&b""[..], cell);
        let recordings = &mut self.recordings;
        let index = *self.by_group.entry(group.to_vec()).or_insert_with(|| {
            let group = String::from_utf8_lossy(group);
            let name = self.path.display().to_string();
            let name = if group.is_empty() { name } else { format!("{name}:{group}") };
            recordings.push(Recording { name, ..Recording::default() });
            recordings.len() - 1
        });
        let recording = &mut recordings[index];
        for column in channels {
            let number = number(cell(*column), *decimal_comma).ok_or_else(|| RecordingError::Number {
                place: Place { path: self.path.to_owned(), line: at, column: all[*column].clone() },
                text: String::from_utf8_lossy(cell(*column)).into_owned(),
            })?;
            recording.samples.push(number);
        }
        if let Some(column) = label {
            let label = String::from_utf8_lossy(cell(*column)).into_owned();
            recording.labels.push(number_of(&mut self.labels, label));
        }
        self.numbers += channels.len();
        if self.numbers > MOST_NUMBERS { Err(RecordingError::TooLarge(self.path.to_owned())) } else { Ok(()) }
    }

    fn finish(self, selection: &Selection) -> Result<Recordings, RecordingError> {
        let Columns { header, all, channels, .. } = self.columns;
        if self.recordings.is_empty() {
            let path = self.path.to_owned();
            if self.rows == 0 || selection.conditions.is_empty() {
                return Err(RecordingError::Empty(path));
            }
            let conditions = selection.conditions.iter();
            let condition =
                conditions.map(|one| format!("{}={}", one.column, one.values.join(","))).collect::<Vec<_>>();
            return Err(RecordingError::NoneChosen { path, condition: condition.join(" and ") });
        }
        let names = if *header { channels.iter().map(|column| all[*column].clone()).collect() } else { Vec::new() };
        let (channels, labels) = (channels.len(), self.labels);
        Ok(Recordings { names, channels, labels, recordings: self.recordings, ..Recordings::default() })
    }
}
