//! Frames: messages on a line that may lose or change bytes.
//!
//! ```text
//! frame = COBS(message in postcard | CRC-32 of the message, little-endian) | 0
//! ```
//!
//! Consistent overhead byte stuffing (COBS; Cheshire and Baker, 1999) leaves no zero within a frame. So the receiver
//! finds the next frame after the next zero, whatever was lost or changed before. Damage affects only the frames that
//! it hits.

use crate::Error;
use autoencoder_core::crc::{self, Digest};
use cobs::{CobsEncoder, DecodeResult, DecoderState};
use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// The most bytes of a message besides its row: sequence number, three enum tags, CRC of the weights, length of the
/// row, and the message's own CRC.
const OVERHEAD: usize = 5 + 3 + 5 + 3 + CRC_BYTES;
/// The most bytes of a message without a row.
const LONGEST_WITHOUT_ROW: usize = 40;
const CRC_BYTES: usize = 4;

/// Bytes of the longest frame if the longest row or packed code has `row` bytes.
pub const fn frame_bytes(row: usize) -> usize {
    let with_row = row + OVERHEAD;
    let message = if with_row > LONGEST_WITHOUT_ROW { with_row } else { LONGEST_WITHOUT_ROW };
    message + message / 254 + 2 // COBS: one byte, and one for every 254; the final zero
}

/// Writes a message as a frame, including the final zero. Returns [`Error::Oversize`] if the buffer is too small.
pub fn write<'b>(message: &impl Serialize, buffer: &'b mut [u8]) -> Result<&'b [u8], Error> {
    let framed = Framed { encoder: CobsEncoder::new(buffer), digest: Digest::new() };
    let end = postcard::serialize_with_flavor(message, framed).map_err(|_| Error::Oversize)?;
    *buffer.get_mut(end).ok_or(Error::Oversize)? = 0;
    buffer.get(..=end).ok_or(Error::Oversize)
}

/// Serialises a message into a frame.
///
/// Postcard's own flavors contain a panic that no caller can reach, but the compiler cannot prove that.
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
    /// Bytes of the frame without its zero.
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

/// Finds frames in a stream of bytes. Its buffer has to hold a message and its CRC; longer frames are skipped.
#[derive(Debug)]
pub struct Receiver<'m> {
    buffer: &'m mut [u8],
    length: usize,
    state: DecoderState,
    overflow: bool,
}

impl<'m> Receiver<'m> {
    /// A receiver that waits for the first frame.
    pub const fn new(buffer: &'m mut [u8]) -> Self {
        Self { buffer, length: 0, state: DecoderState::Idle, overflow: false }
    }

    /// Bytes of its buffer.
    pub const fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// Processes one byte. If it ends a frame, checks the CRC and returns the message without it.
    ///
    /// Errors: [`Error::Frame`], [`Error::Crc`], and [`Error::Oversize`] for a frame that does not fit the buffer.
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
                    None => self.overflow = true, // skip the rest of the frame
                }
                None
            }
            _ if self.overflow => Some(Err(Error::Oversize)),
            Ok(DecodeResult::DataComplete) => Some(checked(self.buffer.get(..self.length).unwrap_or_default())),
            Err(_) => Some(Err(Error::Frame)),
        }
    }
}

/// Decodes one frame in place, with or without its final zero, and returns its message. Errors as in [`Receiver::push`].
pub fn read(frame: &mut [u8]) -> Result<&[u8], Error> {
    let length = cobs::decode_in_place(frame).map_err(|_| Error::Frame)?;
    checked(frame.get(..length).unwrap_or_default())
}

/// Checks the CRC and returns the message without it.
fn checked(bytes: &[u8]) -> Result<&[u8], Error> {
    let (message, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(Error::Frame)?;
    if crc::checksum(message) == u32::from_le_bytes(*crc) { Ok(message) } else { Err(Error::Crc) }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::learn::{Judgement, Saved, Status};
    use crate::message::{SampleShape, Sampled, Usage};
    use crate::monitor::Verdict;
    use crate::store::{Record, RecordState};
    use crate::{Command, Info, Observation, Reply, Request, Response};
    use autoencoder_core::blob::Thresholds;
    use autoencoder_core::{Error as WeightsError, Resource};
    use std::vec::Vec;

    const N: usize = frame_bytes(784);

    fn frame(sequence: u32, image: &[u8]) -> Vec<u8> {
        let request = Request { sequence, command: Command::Encode { row: image } };
        write(&request, &mut [0; N]).unwrap().to_vec()
    }

    /// The result of a stream: the sequence number of each request, or its error.
    fn receive(bytes: &[u8]) -> Vec<Result<u32, Error>> {
        let mut buffer = [0; N];
        let mut receiver = Receiver::new(&mut buffer);
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

    /// Every reply that carries no row, its fields as large as can be, in a device for rows of one byte.
    #[test]
    fn every_reply_without_a_row_fits_however_short_the_rows_are() {
        let most = u32::MAX;
        let thresholds = Thresholds { lower: most, upper: most };
        let record = Record { sequence: most, slot: 255, other_damaged: true };
        let verdict = Verdict { above: 255, below: 255, repeats: 255, drifted: true };
        let usage = Usage { static_bytes: most, stack_bytes: most, spare_bytes: most, instructions: most };
        let shape = SampleShape { channels: u16::MAX, window: u16::MAX, hop: u16::MAX };
        let info =
            Info { version: 255, weights: most, inputs: u16::MAX, code: u16::MAX, code_bits: 255, static_bytes: most };
        let observation = Observation { score: most, threshold: most, clipped: most, verdict, row: most };
        let capacity = WeightsError::Capacity { resource: Resource::HeldOut, needed: most, available: most };
        for result in [
            Ok(Reply::Info(info)),
            Ok(Reply::Usage(usage)),
            Ok(Reply::Score { score: most }),
            Ok(Reply::Monitored { score: most, verdict }),
            Ok(Reply::Digest { crc: most, score: most }),
            Ok(Reply::Status(Status { kept: Ok(RecordState::Base(record)), rows: most, thresholds })),
            Ok(Reply::Status(Status { kept: Ok(RecordState::OtherWeights { found: most }), rows: most, thresholds })),
            Ok(Reply::Learned { score: most, held_out: true }),
            Ok(Reply::Sampled(Sampled::Restarted(shape))),
            Ok(Reply::Sampled(Sampled::Observed(observation))),
            Ok(Reply::Judged(Judgement { before: most, after: most, kept: Ok(Saved::ThresholdsOnly(most)) })),
            Err(Error::Weights(capacity)),
            Err(Error::OtherWeights { expected: most, found: most }),
            Err(Error::Length { expected: most, found: most }),
        ] {
            let response = Response { sequence: most, result };
            assert!(write(&response, &mut [0; frame_bytes(1)]).is_ok(), "{response:?}");
        }
    }

    #[test]
    fn the_longest_frame_fits_and_its_only_zero_is_the_last_byte() {
        for value in [0, 1, 255] {
            let frame = frame(u32::MAX, &[value; 784]);
            assert!(frame.len() <= N);
            assert_eq!(frame.iter().position(|byte| *byte == 0), Some(frame.len() - 1));
            assert_eq!(receive(&frame), [Ok(u32::MAX)]);
        }
        assert_eq!(write(&Request { sequence: 1, command: Command::Info }, &mut [0; 4]), Err(Error::Oversize));
    }

    #[test]
    fn damage_affects_only_the_frame_that_it_hits() {
        let (a, b, c) = (frame(1, &[0, 1, 2, 0, 3]), frame(2, &[9; 300]), frame(3, &[4; 5]));
        for at in 0..b.len() {
            for flip in [1, 0x10, 0x80, 0xff] {
                let mut damaged = b.clone();
                damaged[at] ^= flip;
                let got = receive(&[&a[..], &damaged, &c].concat());
                assert_eq!(got[0], Ok(1));
                assert!(got[1..].iter().all(|message| *message != Ok(2)), "byte {at}: the damage was not detected");
                // Without its zero, a frame runs into the next one, and both are lost.
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
    fn an_oversize_frame_is_dropped_whole_and_reported_once() {
        let mut long = std::vec![7u8; 5 * N];
        long.push(0);
        for start in [1, 255] {
            long[0] = start;
            let got = receive(&[&long[..], &frame(4, &[1])].concat());
            assert_eq!(got, [Err(Error::Oversize), Ok(4)]);
        }
    }

    #[test]
    fn zeros_between_frames_are_ignored() {
        let a = frame(1, &[1]);
        assert_eq!(receive(&[&[0, 0, 0], &a[..], &[0, 0], &a].concat()), [Ok(1), Ok(1)]);
    }
}
