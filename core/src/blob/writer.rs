//! Writing a blob.

use super::{ALIGNMENT, Header, MAGIC, RawLayer, TRAILER, VERSION};
use crate::{Error, crc};
use serde::Serialize;

/// Writes a blob into `buffer`: the header, the layers in order, and the input section, which may be empty.
pub fn write<'a, 'b>(
    header: &Header,
    layers: impl IntoIterator<Item = RawLayer<'a>>,
    input: &[u8],
    buffer: &'b mut [u8],
) -> Result<&'b [u8], Error> {
    let mut writer = Writer { buffer: Some(&mut *buffer), length: 0 };
    writer.body(header, layers, input)?;
    let length = writer.length + TRAILER;
    let blob = buffer.get_mut(..length).ok_or(Error::NoRoom)?;
    let stored = u32::try_from(length).map_err(|_| Error::NoRoom)?;
    blob[MAGIC.len() + 1..][..4].copy_from_slice(&stored.to_le_bytes());
    let (body, trailer) = blob.split_at_mut(length - TRAILER);
    trailer.copy_from_slice(&crc::checksum(body).to_le_bytes());
    Ok(blob)
}

/// The number of bytes that [`write()`] needs.
pub fn len<'a>(header: &Header, layers: impl IntoIterator<Item = RawLayer<'a>>, input: &[u8]) -> Result<usize, Error> {
    let mut writer = Writer { buffer: None, length: 0 };
    writer.body(header, layers, input)?;
    Ok(writer.length + TRAILER)
}

/// Writes into a buffer, or counts the bytes without one.
struct Writer<'b> {
    buffer: Option<&'b mut [u8]>,
    length: usize,
}

impl Writer<'_> {
    fn body<'a>(
        &mut self,
        header: &Header,
        layers: impl IntoIterator<Item = RawLayer<'a>>,
        input: &[u8],
    ) -> Result<(), Error> {
        let length = [0u8; 4]; // known at the end
        self.put(&(MAGIC, VERSION, length, header))?;
        for RawLayer { output, channels, weights } in layers {
            self.put(&output)?;
            self.array(channels)?;
            self.array(weights)?;
        }
        self.put(input)
    }

    /// Writes `bytes` after their length, with padding before it that moves them to the next boundary.
    fn array(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let unpadded = self.length + 1 + size(&bytes.len())?;
        let padding = unpadded.next_multiple_of(ALIGNMENT) - unpadded;
        self.put(&[0u8; ALIGNMENT][..padding])?;
        self.put(bytes)
    }

    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.length += match &mut self.buffer {
            Some(buffer) => {
                let free = buffer.get_mut(self.length..).ok_or(Error::NoRoom)?;
                postcard::to_slice(value, free).map_err(|_| Error::NoRoom)?.len()
            }
            None => size(value)?,
        };
        Ok(())
    }
}

fn size<T: Serialize + ?Sized>(value: &T) -> Result<usize, Error> {
    postcard::experimental::serialized_size(value).map_err(|_| Error::NoRoom)
}
