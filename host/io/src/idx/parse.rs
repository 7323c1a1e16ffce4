//! An IDX file: two zeros, the type of the numbers, the number of dimensions, a big-endian 32-bit size for each dimension,
//! then the numbers.

use super::error::IdxError;
use crate::files::{self, FileError};
use crate::gzip::{self, Members};
use crate::heap;
use crate::number::counted;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// More than any known set; a larger file is refused before it fills the memory.
const MAX_BYTES: u64 = 1 << 31;

/// The type of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Type {
    /// The type that the third byte of a file names.
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x08 => Self::U8,
            0x09 => Self::I8,
            0x0b => Self::I16,
            0x0c => Self::I32,
            0x0d => Self::F32,
            0x0e => Self::F64,
            _ => return None,
        })
    }

    fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::U8 => "unsigned bytes",
            Self::I8 => "signed bytes",
            Self::I16 => "16-bit integers",
            Self::I32 => "32-bit integers",
            Self::F32 => "32-bit floats",
            Self::F64 => "64-bit floats",
        }
    }
}

/// The part of a file before the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IdxHeader {
    pub(super) kind: Type,
    /// One for each dimension.
    pub(super) sizes: Vec<u32>,
}

/// Reads the header and the bytes after it, as many as its sizes say. `accept` tells whether the type and the number of
/// dimensions are those of `what`; the sizes may still be anything.
pub(super) fn parse(
    path: &Path,
    what: &'static str,
    accept: impl Fn(&IdxHeader) -> bool,
) -> Result<(IdxHeader, Vec<u8>), IdxError> {
    let error = |e| FileError::new(path, e);
    let mut file = BufReader::new(files::open(path)?);
    let gzip = file.fill_buf().map_err(error)?.starts_with(&gzip::MAGIC);
    let mut file: Box<dyn Read> = if gzip { Box::new(Members::new(file)) } else { Box::new(file) };

    let refuse = |found: String| IdxError::Kind { path: path.to_owned(), what, found };
    let length = |expected, found: usize| IdxError::Length { path: path.to_owned(), expected, found: found as u64 };
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(error)?;
    let [0, 0, kind, dimensions] = start[..] else {
        file.take(60).read_to_end(&mut start).map_err(error)?;
        return Err(refuse(looks_like(&start)));
    };
    let Some(kind) = Type::from_byte(kind) else {
        return Err(refuse(format!("numbers of an unknown type, {kind:#04x}")));
    };
    let header_bytes = 4 + 4 * u64::from(dimensions);
    file.by_ref().take(header_bytes - 4).read_to_end(&mut start).map_err(error)?;
    let sizes: Vec<u32> = start[4..].as_chunks().0.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect();
    if start.len() as u64 != header_bytes {
        return Err(length(header_bytes, start.len()));
    }
    let header = IdxHeader { kind, sizes };
    if !accept(&header) {
        let dimensions = counted(usize::from(dimensions), "dimension");
        return Err(refuse(format!("an IDX file of {} in {dimensions}", kind.name())));
    }
    let bytes = header.sizes.iter().try_fold(kind.bytes(), |product, size| product.checked_mul(u64::from(*size)));
    let Some(expected) = bytes.and_then(|bytes| bytes.checked_add(header_bytes)).filter(|bytes| *bytes <= MAX_BYTES)
    else {
        return Err(IdxError::TooLarge { path: path.to_owned(), sizes: header.sizes, limit: MAX_BYTES });
    };

    // One byte beyond what the header announces shows that there is more.
    let rest = expected - header_bytes;
    let room = rest as usize + 1;
    if !heap::is_available(room) {
        return Err(error(ErrorKind::OutOfMemory.into()).into());
    }
    let mut bytes = Vec::with_capacity(room);
    file.take(rest + 1).read_to_end(&mut bytes).map_err(error)?;
    let found = start.len() + bytes.len();
    if expected == found as u64 { Ok((header, bytes)) } else { Err(length(expected, found)) }
}

/// A description of a file that begins with `start`.
fn looks_like(start: &[u8]) -> String {
    const BEGINNINGS: [(&[u8], &str); 8] = [
        (b"PK\x03\x04", "a ZIP archive: unpack it first"),
        (b"\x93NUMPY", "a NumPy array (.npy)"),
        (b"\x89PNG", "a PNG image"),
        (b"BZh", "a bzip2 file: unpack it first"),
        (b"\xfd7zXZ", "an xz file: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard file: unpack it first"),
        (b"\x1f\x8b", "a gzip file within a gzip file"),
        (b"version https://git-lfs", "a Git LFS pointer: the file itself was never fetched"),
    ];
    let text = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
    match BEGINNINGS.iter().find(|(beginning, _)| start.starts_with(beginning)) {
        Some((_, name)) => (*name).to_owned(),
        None if start.len() < 4 => format!("a file of {}", counted(start.len(), "byte")),
        None if text.starts_with('<') => "looks like a web page (HTML) or XML".to_owned(),
        None if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            "looks like text".to_owned()
        }
        None => "bytes of an unknown format".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_named() {
        for (start, name) in [
            (b"\n<!DOCTYPE html><html>".as_slice(), "looks like a web page (HTML) or XML"),
            (b"0.1,0.2\n", "looks like text"),
            (b"PK\x03\x04\0\0", "a ZIP archive: unpack it first"),
            (b"\x93NUMPY\x01", "a NumPy array (.npy)"),
            (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer: the file itself was never fetched"),
            (b"", "a file of 0 bytes"),
            (b"\x01\x02\x03\x04\xff", "bytes of an unknown format"),
        ] {
            assert_eq!(looks_like(start), name);
        }
    }
}
