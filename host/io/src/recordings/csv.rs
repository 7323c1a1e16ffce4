//! CSV files: with a comma, a semicolon or a tab between cells, with a header or without.

mod columns;
mod table;

use super::error::RecordingError;
use super::{Recordings, Selection, open};
use columns::Columns;
use csv::{ByteRecord, ReaderBuilder};
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::str::FromStr;
use table::Table;

/// The most bytes of a line, a cell with line breaks included: 4 MiB, 64 bytes for each of 65,535 numbers.
const LONGEST_LINE: usize = 1 << 22;

/// Reads a file.
pub(super) fn read(path: &Path, selection: &Selection) -> Result<Recordings, RecordingError> {
    let mut text = BufReader::new(open(path)?);
    let failed = |error| RecordingError::Io(path.to_owned(), error);
    let start = first_lines(&mut text).map_err(failed)?;
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Err(RecordingError::Array {
            path: path.to_owned(),
            reason: "the text is UTF-16; expected UTF-8".into(),
        });
    }
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
    let mut is_row = !columns.header;
    loop {
        if is_row && let Err(error) = table.add(&line, end_of(&reader)) {
            return Err(damage(path, &mut reader.get_mut().text).unwrap_or(error));
        }
        if !next(path, &mut reader, &mut line)? {
            return table.finish(selection);
        }
        is_row = true;
    }
}

/// What is wrong with the rest of a file: damage to a compressed one may show as a strange row before it is noticed.
fn damage(path: &Path, rest: &mut impl Read) -> Option<RecordingError> {
    const MOST: u64 = 1 << 28;
    let read = std::io::copy(&mut rest.take(MOST), &mut std::io::sink());
    read.err().map(|error| RecordingError::Io(path.to_owned(), error))
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

/// A finite number; `None` if the cell holds none.
fn number(cell: &[u8], decimal_comma: bool) -> Option<f32> {
    parsed::<f32>(cell, decimal_comma).filter(|number| number.is_finite())
}

/// What a cell holds.
fn parsed<T: FromStr>(cell: &[u8], decimal_comma: bool) -> Option<T> {
    let text = std::str::from_utf8(cell).ok()?.trim();
    if decimal_comma && text.contains(',') { text.replacen(',', ".", 1).parse() } else { text.parse() }.ok()
}
