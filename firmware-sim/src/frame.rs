//! Frames: a message in postcard, its CRC-32 behind it, all of it in COBS between zero bytes.
//!
//! No byte within a frame is zero, so whatever was lost or changed before, the next zero is where the next frame
//! begins: damage costs the frame it falls into.

use crate::Error;
use autoencoder_core::crc::{self, Digest};
use cobs::{CobsEncoder, DecodeResult, DecoderState};
use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// The most that a message takes besides its row: sequence number, three enum tags, CRC of the weights, length of
/// the row, and its own CRC.
const OVERHEAD: usize = 5 + 3 + 5 + 3 + CRC_BYTES;
const CRC_BYTES: usize = 4;

/// The longest frame of a protocol whose longest image or code has `row` bytes.
pub const fn frame_bytes(row: usize) -> usize {
    let message = row + OVERHEAD;
    message + message / 254 + 2 // a COBS byte for every 254, one to begin with, the zero at the end
}

/// Writes a message as a frame, its final zero included.
pub fn write<'b>(message: &impl Serialize, buffer: &'b mut [u8]) -> Result<&'b [u8], Error> {
    let framed = Framed { encoder: CobsEncoder::new(buffer), digest: Digest::new() };
    let end = postcard::serialize_with_flavor(message, framed).map_err(|_| Error::Oversize)?;
    *buffer.get_mut(end).ok_or(Error::Oversize)? = 0;
    buffer.get(..=end).ok_or(Error::Oversize)
}

/// A message on its way into a frame. (Postcard's own flavors would do, but for a panic that no caller can reach and
/// no compiler can see to be out of reach.)
struct Framed<'b> {
    encoder: CobsEncoder<'b>,
    digest: Digest,
}

impl Framed<'_> {
    fn put(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.encoder.push(bytes).map_err(|_| postcard::Error::SerializeBufferFull)
    }
}

impl Flavor for Framed<'_> {
    /// Bytes of the frame, its zero not counted.
    type Output = usize;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.digest.update(bytes);
        self.put(bytes)
    }

    fn finalize(mut self) -> postcard::Result<usize> {
        let crc = self.digest.finalize().to_le_bytes();
        self.put(&crc)?;
        Ok(self.encoder.finalize())
    }
}

/// Finds frames in a stream of bytes, for messages of at most `N` bytes, CRC included.
#[derive(Debug)]
pub struct Receiver<const N: usize> {
    buffer: [u8; N],
    length: usize,
    state: DecoderState,
    overflow: bool,
}

impl<const N: usize> Default for Receiver<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Receiver<N> {
    /// Waits for a frame to begin.
    pub const fn new() -> Self {
        Self { buffer: [0; N], length: 0, state: DecoderState::Idle, overflow: false }
    }

    /// Takes one byte; where a frame ends with it, returns its message, the CRC checked and cut off.
    pub fn push(&mut self, byte: u8) -> Option<Result<&[u8], Error>> {
        match self.state.feed(byte) {
            Ok(DecodeResult::NoData) => None,
            Ok(DecodeResult::DataStart) => {
                (self.length, self.overflow) = (0, false);
                None
            }
            Ok(DecodeResult::DataContinue(byte)) => {
                match self.buffer.get_mut(self.length) {
                    Some(slot) => {
                        *slot = byte;
                        self.length += 1;
                    }
                    None => self.overflow = true, // and on to the end of the frame
                }
                None
            }
            _ if self.overflow => Some(Err(Error::Oversize)),
            Ok(DecodeResult::DataComplete) => Some(checked(self.buffer.get(..self.length).unwrap_or_default())),
            Err(_) => Some(Err(Error::Frame)),
        }
    }
}

/// The message of one frame, with or without its final zero. It is decoded in place.
pub fn read(frame: &mut [u8]) -> Result<&[u8], Error> {
    let length = cobs::decode_in_place(frame).map_err(|_| Error::Frame)?;
    checked(frame.get(..length).unwrap_or_default())
}

/// The message, if its CRC is right.
fn checked(bytes: &[u8]) -> Result<&[u8], Error> {
    let (message, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(Error::Frame)?;
    if crc::checksum(message) == u32::from_le_bytes(*crc) { Ok(message) } else { Err(Error::Crc) }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::{Command, Request};
    use std::vec::Vec;

    const N: usize = frame_bytes(784);

    fn frame(sequence: u32, image: &[u8]) -> Vec<u8> {
        let request = Request { sequence, command: Command::Encode { image } };
        write(&request, &mut [0; N]).unwrap().to_vec()
    }

    /// What comes out of a stream: the sequence number of each request, or its error.
    fn receive(bytes: &[u8]) -> Vec<Result<u32, Error>> {
        let mut receiver = Receiver::<N>::new();
        let mut out = Vec::new();
        for byte in bytes {
            if let Some(message) = receiver.push(*byte) {
                out.push(message.map(|message| Request::read(message).unwrap().sequence));
            }
        }
        out
    }

    #[test]
    fn the_bytes_of_a_frame() {
        // sequence 1, command 1 (Encode), a row of two bytes, one of them zero; CRC-32 of 01 01 02 07 00.
        let crc = crc::checksum(&[1, 1, 2, 7, 0]).to_le_bytes();
        assert!(!crc.contains(&0));
        let expected = [&[5, 1, 1, 2, 7, 5][..], &crc, &[0]].concat();
        assert_eq!(frame(1, &[7, 0]), expected);
    }

    #[test]
    fn the_longest_frame_fits_and_has_no_zero_but_its_last() {
        for value in [0, 1, 255] {
            let frame = frame(u32::MAX, &[value; 784]);
            assert!(frame.len() <= N);
            assert_eq!(frame.iter().position(|byte| *byte == 0), Some(frame.len() - 1));
            assert_eq!(receive(&frame), [Ok(u32::MAX)]);
        }
        assert_eq!(write(&Request { sequence: 1, command: Command::Info }, &mut [0; 4]), Err(Error::Oversize));
    }

    #[test]
    fn damage_costs_the_frame_it_falls_into() {
        let (a, b, c) = (frame(1, &[0, 1, 2, 0, 3]), frame(2, &[9; 300]), frame(3, &[4; 5]));
        for at in 0..b.len() {
            for flip in [1, 0x10, 0x80, 0xff] {
                let mut damaged = b.clone();
                damaged[at] ^= flip;
                let got = receive(&[&a[..], &damaged, &c].concat());
                assert_eq!(got[0], Ok(1));
                assert!(got[1..].iter().all(|message| *message != Ok(2)), "byte {at}: the damage was not seen");
                // Without its zero, a frame runs into the next one and takes it along.
                if at < b.len() - 1 {
                    assert_eq!(got.last(), Some(&Ok(3)), "byte {at}");
                }
            }
        }
        for length in 0..b.len() - 1 {
            let got = receive(&[&a, &b[..length], &[0], &c].concat());
            assert_eq!((got[0], got.last()), (Ok(1), Some(&Ok(3))), "truncated to {length}");
            assert!(got.len() <= 3 && got[1] != Ok(2));
        }
    }

    #[test]
    fn a_frame_too_long_is_dropped_whole_and_reported_once() {
        let mut long = std::vec![7u8; 5 * N];
        long.push(0);
        for start in [1, 255] {
            long[0] = start;
            let got = receive(&[&long[..], &frame(4, &[1])].concat());
            assert_eq!(got, [Err(Error::Oversize), Ok(4)]);
        }
    }

    #[test]
    fn zeros_between_frames_are_nothing() {
        let a = frame(1, &[1]);
        assert_eq!(receive(&[&[0, 0, 0], &a[..], &[0, 0], &a].concat()), [Ok(1), Ok(1)]);
    }
}
