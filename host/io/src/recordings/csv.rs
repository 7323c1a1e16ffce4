//! CSV files: with a comma, a semicolon or a tab between cells, with a header or without.

use super::error::{Place, RecordingError};
use super::{MOST_LABELS, MOST_NUMBERS, MOST_RECORDINGS, Recording, Recordings, Selection, Where, open};
use csv::{ByteRecord, ReaderBuilder};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// The most bytes of a line, a cell with line breaks included: 4 MiB, 64 bytes for each of 65,535 numbers.
const LONGEST_LINE: usize = 1 << 22;

/// Reads a file.
pub(super) fn read(path: &Path, selection: &Selection) -> Result<Recordings, RecordingError> {
    let mut text = BufReader::new(open(path)?);
    let failed = |error| RecordingError::Io(path.to_owned(), error);
    let start = first_lines(&mut text).map_err(failed)?;
    let delimiter = delimiter(&start);
    let text = Cursor::new(start).chain(text);
    let mut reader = ReaderBuilder::new();
    let reader = reader.delimiter(delimiter).has_headers(false).flexible(true);
    let mut reader = reader.from_reader(Bounded { text, since: 0 });
    let mut line = ByteRecord::new();
    if !next(path, &mut reader, &mut line)? {
        return Err(RecordingError::Empty(path.to_owned()));
    }
    let columns = Columns::new(path, &line, selection, delimiter)?;
    let mut table = Table::new(path, &columns);
    if !columns.header {
        table.add(&line, end_of(&reader))?;
    }
    while next(path, &mut reader, &mut line)? {
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

/// Reads the first two lines that are not empty, or as much of them as a line may have, without the mark that some programs put
/// before UTF-8.
fn first_lines(text: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let (mut bytes, mut lines, mut line, mut quoted) = (Vec::new(), 0, 0, false);
    while lines < 2 && bytes.len() <= LONGEST_LINE {
        let read = bytes.len();
        if text.by_ref().take((LONGEST_LINE + 1 - read) as u64).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if read == 0 && bytes.starts_with(MARK) {
            bytes.drain(..MARK.len());
        }
        // A line break within quotes ends no line.
        quoted = bytes[read..].iter().fold(quoted, |quoted, byte| quoted ^ (*byte == b'"'));
        if !quoted {
            lines += usize::from(!bytes[line..].trim_ascii().is_empty());
            line = bytes.len();
        }
    }
    Ok(bytes)
}

/// The delimiter: the one that divides the first two lines into as many cells, two or more. A semicolon comes before a tab and a
/// comma, which may be a decimal point. If none does, the one that occurs most in the first line; a comma if none occurs.
fn delimiter(start: &[u8]) -> u8 {
    let mut quoted = false;
    // Within quotes, neither a line break nor a delimiter counts.
    let lines = start.split(|byte| {
        quoted ^= *byte == b'"';
        !quoted && *byte == b'\n'
    });
    let mut lines = lines.filter(|line| !line.trim_ascii().is_empty());
    let (first, second) = (lines.next().unwrap_or_default(), lines.next());
    let count = |line: &[u8], delimiter: u8| {
        let mut quoted = false;
        let is_delimiter = |byte: &&u8| {
            quoted ^= **byte == b'"';
            !quoted && **byte == delimiter
        };
        line.iter().filter(is_delimiter).count()
    };
    let occurs = |delimiter: &u8| count(first, *delimiter) > 0;
    let divides = |delimiter: &u8| {
        occurs(delimiter) && second.is_some_and(|line| count(line, *delimiter) == count(first, *delimiter))
    };
    let most = || [b',', b'\t', b';'].into_iter().filter(occurs).max_by_key(|delimiter| count(first, *delimiter));
    [b';', b'\t', b','].into_iter().find(divides).or_else(most).unwrap_or(b',')
}

/// Reads the next line; `false` at the end of the file.
fn next<R: Read>(
    path: &Path,
    reader: &mut csv::Reader<Bounded<R>>,
    line: &mut ByteRecord,
) -> Result<bool, RecordingError> {
    let at = reader.position().line();
    reader.get_mut().since = 0;
    reader.read_byte_record(line).map_err(|error| {
        let path = path.to_owned();
        if reader.get_ref().since > LONGEST_LINE {
            return RecordingError::Line { path, line: at, most: LONGEST_LINE };
        }
        RecordingError::Io(path, std::io::Error::other(error.to_string()))
    })
}

/// A file that is refused before a line without an end fills the memory.
struct Bounded<R> {
    text: R,
    /// Bytes that were read since the last line.
    since: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.text.read(buffer)?;
        self.since += count;
        if self.since > LONGEST_LINE { Err(std::io::Error::other("a line is too long")) } else { Ok(count) }
    }
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
    exclude: Vec<(usize, Vec<String>)>,
    /// A comma stands before decimals.
    decimal_comma: bool,
}

impl Columns {
    fn new(path: &Path, first: &ByteRecord, selection: &Selection, delimiter: u8) -> Result<Self, RecordingError> {
        let decimal_comma = delimiter == b';';
        // A name in quotes may have line breaks, which no list of names can hold.
        let name = |cell: &[u8]| String::from_utf8_lossy(cell).split_whitespace().collect::<Vec<_>>().join(" ");
        let cells: Vec<String> = first.iter().map(name).collect();
        let header = is_header(&cells, decimal_comma);
        let all: Vec<String> =
            if header { cells } else { (1..=first.len()).map(|number| number.to_string()).collect() };
        let same = |column: &str, at: [usize; 2]| RecordingError::Duplicate {
            path: path.to_owned(),
            column: column.to_owned(),
            at: at.map(|column| column + 1),
        };
        let find = |name: &String| {
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
        Ok(Self { header, all, channels, group, label, conditions, exclude, decimal_comma })
    }
}

/// Whether the cells of the first line are names: none of them is a number, not even one that is missing.
fn is_header(cells: &[String], decimal_comma: bool) -> bool {
    const MISSING: [&str; 7] = ["", "-", "?", "na", "n/a", "null", "none"];
    let is_number = |cell: &String| number(cell.as_bytes(), decimal_comma).is_some() || cell.parse::<f32>().is_ok();
    let is_missing = |cell: &String| MISSING.contains(&cell.to_lowercase().as_str());
    !cells.iter().any(is_number) && !cells.iter().all(is_missing)
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
    /// The recording of each name; `None` after a row that was left out, where it ended.
    by_group: HashMap<Vec<u8>, Option<usize>>,
    /// The number of each label.
    labels: HashMap<Vec<u8>, u32>,
    numbers: usize,
    rows: usize,
    /// Rows that only the conditions of another set have left out.
    excluded: usize,
}

impl<'a> Table<'a> {
    fn new(path: &'a Path, columns: &'a Columns) -> Self {
        Self {
            path,
            columns,
            recordings: Vec::new(),
            by_group: HashMap::new(),
            labels: HashMap::new(),
            numbers: 0,
            rows: 0,
            excluded: 0,
        }
    }

    /// Adds a line if it meets the conditions. Rows before and after one that does not are no neighbours, so the next row of the
    /// same name begins a new recording.
    fn add(&mut self, line: &ByteRecord, at: u64) -> Result<(), RecordingError> {
        let Columns { all, channels, group, label, conditions, exclude, decimal_comma, .. } = self.columns;
        let cell = |column: usize| line.get(column).unwrap_or_default().trim_ascii();
        self.rows += 1;
        if line.len() != all.len() {
            let path = self.path.to_owned();
            return Err(RecordingError::Ragged { path, line: at, expected: all.len(), found: line.len() });
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
        let place = |column: usize| Place { path: self.path.to_owned(), line: at, column: all[column].clone() };
        let many = |column: Option<usize>, what, most| {
            Err(RecordingError::Many { place: place(column.unwrap_or_default()), what, most })
        };
        let index = match self.by_group.get(name) {
            Some(Some(index)) => *index,
            _ if self.recordings.len() == MOST_RECORDINGS => {
                let chooses = conditions.iter().chain(exclude).map(|(column, _)| *column).next();
                return many(group.or(chooses), "recordings", MOST_RECORDINGS);
            }
            before => {
                let path = self.path.display().to_string();
                let text = String::from_utf8_lossy(name);
                let full = if name.is_empty() { path } else { format!("{path}:{text}") };
                let full = if before.is_some() { format!("{full} from line {at}") } else { full };
                self.recordings.push(Recording { name: full, ..Recording::default() });
                self.by_group.insert(name.to_vec(), Some(self.recordings.len() - 1));
                self.recordings.len() - 1
            }
        };
        let recording = &mut self.recordings[index];
        for column in channels {
            let number = number(cell(*column), *decimal_comma).ok_or_else(|| RecordingError::Number {
                place: place(*column),
                text: String::from_utf8_lossy(cell(*column)).into_owned(),
            })?;
            recording.samples.push(number);
        }
        if let Some(column) = label {
            let next = self.labels.len();
            let known = self.labels.get(cell(*column)).copied();
            if known.is_none() && next == MOST_LABELS {
                return many(*label, "labels", MOST_LABELS);
            }
            recording.labels.push(known.unwrap_or(next as u32));
            if known.is_none() {
                self.labels.insert(cell(*column).to_vec(), next as u32);
            }
        }
        self.numbers += channels.len();
        if self.numbers > MOST_NUMBERS { Err(RecordingError::TooLarge(self.path.to_owned())) } else { Ok(()) }
    }

    fn finish(self, selection: &Selection) -> Result<Recordings, RecordingError> {
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
        let channels = channels.len();
        Ok(Recordings { names, channels, labels, recordings: self.recordings, ..Recordings::default() })
    }
}
