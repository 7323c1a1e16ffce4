//! Writing a blob.

use super::{ALIGNMENT, Bulk, Header, MAGIC, TRAILER, VERSION};
use crate::{Error, crc};
use serde::Serialize;

/// Writes a blob into a buffer: the header, each layer in order, [`Writer::finish`].
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

impl<'b> Writer<'b> {
    /// Begins a blob.
    pub fn new(buffer: &'b mut [u8], header: &Header) -> Result<Self, Error> {
        let mut writer = Self { buffer, length: 0 };
        let length = [0u8; 4]; // known at the end
        writer.put(&(MAGIC, VERSION, length, header))?;
        Ok(writer)
    }

    /// Adds the next layer.
    pub fn layer(&mut self, layer: Bulk<'_>) -> Result<(), Error> {
        self.put(&layer.output)?;
        self.bulk(layer.channels)?;
        self.bulk(layer.weights)
    }

    /// Sets the length, adds the CRC and returns the blob.
    pub fn finish(self) -> Result<&'b [u8], Error> {
        let length = self.length + TRAILER;
        let blob = self.buffer.get_mut(..length).ok_or(Error::NoRoom)?;
        blob[MAGIC.len() + 1..][..4].copy_from_slice(&(length as u32).to_le_bytes());
        let (body, trailer) = blob.split_at_mut(length - TRAILER);
        trailer.copy_from_slice(&crc::checksum(body).to_le_bytes());
        Ok(blob)
    }

    /// As much padding as brings `bytes`, whose length is written before them, to the next boundary.
    fn bulk(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let length_prefix = postcard::experimental::serialized_size(&bytes.len()).map_err(|_| Error::NoRoom)?;
        let unpadded = self.length + 1 + length_prefix;
        let padding = unpadded.next_multiple_of(ALIGNMENT) - unpadded;
        self.put(&[0u8; ALIGNMENT][..padding])?;
        self.put(bytes)
    }

    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let free = self.buffer.get_mut(self.length..).ok_or(Error::NoRoom)?;
        self.length += postcard::to_slice(value, free).map_err(|_| Error::NoRoom)?.len();
        Ok(())
    }
}
