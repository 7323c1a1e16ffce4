//! The rows of a CSV file, as recordings.

use super::columns::Columns;
use super::{number, parsed};
use crate::recordings::course::{Column, Course};
use crate::recordings::error::RecordingError;
use crate::recordings::{MOST_LABELS, MOST_NUMBERS, MOST_RECORDINGS, Recording, Recordings, Selection};
use crate::terminal::printable;
use csv::ByteRecord;
use std::collections::HashMap;
use std::path::Path;

/// The recordings so far.
pub(super) struct Table<'a> {
    path: &'a Path,
    columns: &'a Columns,
    recordings: Vec<Recording>,
    /// The recording of each name; `None` after a row that was left out, where it ended.
    by_group: HashMap<Vec<u8>, Option<usize>>,
    /// The number of each label.
    labels: HashMap<Vec<u8>, u32>,
    numbers: usize,
    rows: usize,
    /// Rows that only the conditions of another set have left out.
    excluded: usize,
    /// How the numbers of each channel go on; and of each recording, its last row.
    courses: Vec<Course>,
    last: Vec<Vec<f64>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(path: &'a Path, columns: &'a Columns) -> Self {
        Self {
            path,
            columns,
            recordings: Vec::new(),
            by_group: HashMap::new(),
            labels: HashMap::new(),
            numbers: 0,
            rows: 0,
            excluded: 0,
            courses: vec![Course::default(); columns.channels.len()],
            last: Vec::new(),
        }
    }

    /// Adds a line if it meets the conditions. Rows before and after one that does not are no neighbours, so the next row of the
    /// same name begins a new recording.
    pub(super) fn add(&mut self, line: &ByteRecord, at: u64) -> Result<(), RecordingError> {
        let Columns { all, channels, group, label, conditions, exclude, named, .. } = self.columns;
        let decimal_comma = self.columns.decimal_comma();
        let cell = |column: usize| line.get(column).unwrap_or_default().trim_ascii();
        if line.len() == 1 && all.len() > 1 && cell(0).is_empty() {
            return Ok(()); // spaces alone are an empty line
        }
        self.rows += 1;
        if line.len() != all.len() {
            let (path, expected, found) = (self.path.to_owned(), all.len(), line.len());
            let commas = self.columns.delimiter == b',' && found == 2 * expected;
            return Err(RecordingError::Ragged { path, line: at, expected, found, commas });
        }
        let holds = |(column, values): &(usize, Vec<String>)| {
            values.iter().any(|value| value.trim().as_bytes() == cell(*column))
        };
        let name = group.map_or(&b""[..], cell);
        let is_chosen = conditions.iter().all(holds);
        let is_excluded = is_chosen && !exclude.is_empty() && exclude.iter().all(holds);
        self.excluded += usize::from(is_excluded);
        if !is_chosen || is_excluded {
            if let Some(recording) = self.by_group.get_mut(name) {
                *recording = None;
            }
            return Ok(());
        }
        let index = self.recording_of(name, at)?;
        let Self { recordings, .. } = self;
        let recording = &mut recordings[index];
        for column in channels {
            let number = number(cell(*column), decimal_comma).ok_or_else(|| RecordingError::Number {
                place: self.columns.place(self.path, at, *column),
                text: String::from_utf8_lossy(cell(*column)).into_owned(),
                is_text: self.numbers == 0 && !named,
            })?;
            recording.samples.push(number);
        }
        if let Some(column) = label {
            let next = self.labels.len();
            let known = self.labels.get(cell(*column)).copied();
            if known.is_none() && next == MOST_LABELS {
                let place = self.columns.place(self.path, at, *column);
                return Err(RecordingError::Many { place, what: "labels", most: MOST_LABELS });
            }
            recording.labels.push(known.unwrap_or(next as u32));
            if known.is_none() {
                self.labels.insert(cell(*column).to_vec(), next as u32);
            }
        }
        self.follow(index, line);
        self.numbers += channels.len();
        if self.numbers > MOST_NUMBERS { Err(RecordingError::TooLarge(self.path.to_owned())) } else { Ok(()) }
    }

    /// The number of the recording of a row; a new one begins if the row is its first.
    fn recording_of(&mut self, name: &[u8], at: u64) -> Result<usize, RecordingError> {
        let before = self.by_group.get(name).copied();
        if let Some(Some(index)) = before {
            return Ok(index);
        }
        let index = self.recordings.len();
        if index == MOST_RECORDINGS {
            let Columns { group, conditions, exclude, .. } = self.columns;
            let column = group.or(conditions.iter().chain(exclude).map(|(column, _)| *column).next());
            let place = self.columns.place(self.path, at, column.unwrap_or_default());
            return Err(RecordingError::Many { place, what: "recordings", most: MOST_RECORDINGS });
        }
        let path = self.path.display().to_string();
        let text = printable(&String::from_utf8_lossy(name));
        let full = if name.is_empty() { path } else { format!("{path}, recording {text}") };
        let full = if before.is_some() { format!("{full} from line {at}") } else { full };
        self.recordings.push(Recording { name: full, ..Recording::default() });
        self.by_group.insert(name.to_vec(), Some(index));
        Ok(index)
    }

    /// Looks how the numbers of the channels go on. An `f32` has too few digits for a clock.
    fn follow(&mut self, index: usize, line: &ByteRecord) {
        if self.courses.iter().all(Course::is_clear) {
            return;
        }
        let channels = &self.columns.channels;
        let decimal_comma = self.columns.decimal_comma();
        let cell = |column: usize| parsed::<f64>(line.get(column).unwrap_or_default(), decimal_comma);
        self.last.resize(self.recordings.len(), Vec::new());
        let before = &mut self.last[index];
        let row: Vec<f64> = channels.iter().map(|column| cell(*column).unwrap_or_default()).collect();
        for (i, course) in self.courses.iter_mut().enumerate() {
            course.add(before.get(i).copied(), row[i]);
        }
        *before = row;
    }

    pub(super) fn finish(self, selection: &Selection) -> Result<Recordings, RecordingError> {
        let Columns { header, all, channels, .. } = self.columns;
        if self.recordings.is_empty() {
            let path = self.path.to_owned();
            if self.excluded > 0 {
                return Err(RecordingError::AllExcluded { path, condition: Selection::in_words(&selection.exclude) });
            }
            if self.rows == 0 || selection.conditions.is_empty() {
                return Err(RecordingError::Empty(path));
            }
            return Err(RecordingError::NoneChosen { path, condition: Selection::in_words(&selection.conditions) });
        }
        let names = if *header { channels.iter().map(|column| all[*column].clone()).collect() } else { Vec::new() };
        let mut labels = vec![String::new(); self.labels.len()];
        for (label, number) in self.labels {
            labels[number as usize] = String::from_utf8_lossy(&label).into_owned();
        }
        let name =
            |column: &usize| if all[*column].is_empty() { (column + 1).to_string() } else { all[*column].clone() };
        let columns =
            channels.iter().map(name).zip(self.courses).map(|(name, course)| Column { name, course }).collect();
        let channels = channels.len();
        Ok(Recordings { names, channels, labels, recordings: self.recordings, columns, ..Recordings::default() })
    }
}
