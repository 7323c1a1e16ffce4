//! A gzip file: its members one after the other, then nothing but zeros.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// The first bytes of each member.
pub(crate) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The contents of all members. Zeros after the last one are padding, as on tape; `gzip` skips them, too.
pub(crate) struct Members<R: BufRead> {
    /// `None` after the last one.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    pub(crate) fn new(file: R) -> Self {
        Self { member: Some(GzDecoder::new(file)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(to).map_err(explain)?;
            if count > 0 || to.is_empty() {
                return Ok(count);
            }
            self.member = next_member(self.member.take().map(GzDecoder::into_inner))?;
        }
        Ok(0)
    }
}

/// The next member, after any number of zeros.
fn next_member<R: BufRead>(file: Option<R>) -> io::Result<Option<GzDecoder<R>>> {
    let Some(mut file) = file else { return Ok(None) };
    loop {
        let bytes = file.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        match bytes.get(zeros) {
            Some(first) if *first == MAGIC[0] => break,
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "trailing data that is not gzip")),
            None if bytes.is_empty() => return Ok(None),
            None => file.consume(zeros),
        }
    }
    let zeros = file.fill_buf()?.iter().take_while(|byte| **byte == 0).count();
    file.consume(zeros);
    Ok(Some(GzDecoder::new(file)))
}

/// Puts an error of the decompressor into plain words.
fn explain(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the gzip file is cut short"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            io::Error::new(io::ErrorKind::InvalidData, "the gzip file is damaged")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::{BufReader, Write};

    fn member(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Through a buffer of three bytes, so that members begin anywhere in it.
    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut contents = Vec::new();
        let mut members = Members::new(BufReader::with_capacity(3, bytes));
        members.read_to_end(&mut contents).map(|_| contents).map_err(|e| e.to_string())
    }

    #[test]
    fn members_follow_each_other_and_zeros_follow_the_last() {
        let [one, two] = [b"abc".as_slice(), b"defg"].map(member);
        for padding in [0, 1, 2, 3, 500] {
            let zeros = vec![0; padding];
            assert_eq!(read(&[&one[..], &two, &zeros].concat()), Ok(b"abcdefg".to_vec()), "{padding}");
            assert_eq!(read(&[&one[..], &zeros, &two].concat()), Ok(b"abcdefg".to_vec()), "{padding}");
        }
    }

    #[test]
    fn other_bytes_after_the_end_and_broken_members_are_refused_in_plain_words() {
        let one = member(b"abc");
        assert_eq!(read(&[&one[..], b"\0\0x"].concat()), Err("trailing data that is not gzip".into()));
        assert_eq!(read(&one[..one.len() - 1]), Err("the gzip file is cut short".into()));
        let mut damaged = one.clone();
        let at = damaged.len() - 6; // within the CRC
        damaged[at] ^= 1;
        assert_eq!(read(&damaged), Err("the gzip file is damaged".into()));
    }
}
