//! What the host and the device say to each other.
//!
//! A [`Request`] is answered by one [`Response`] with the same sequence number. Images and codes are borrowed from the
//! frame they came in, so a message is a few words however long its row. New variants go to the end of their enum:
//! those before keep their numbers on the wire.

use crate::Error;
use crate::learn::{Begin, Judgement, Status};
use crate::monitor::Verdict;
use serde::{Deserialize, Serialize};

/// The version of the protocol, in [`Info`].
pub const VERSION: u8 = 2;

/// From the host to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request<'a> {
    /// Counts from 1.
    pub sequence: u32,
    /// What to do.
    #[serde(borrow)]
    pub command: Command<'a>,
}

/// What the device can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command<'a> {
    /// Say what you are: [`Reply::Info`].
    Info,
    /// From an image to its code: [`Reply::Code`].
    Encode {
        /// One `u8` for each input.
        image: &'a [u8],
    },
    /// From a code back to an image: [`Reply::Image`].
    Decode {
        /// CRC of the weights the code was made with, or what [`Reply::Code`] said.
        weights: u32,
        /// Its elements, packed: [`autoencoder_core::quant::code`].
        code: &'a [u8],
    },
    /// How well the network knows this image: [`Reply::Score`].
    Score {
        /// One `u8` for each input.
        image: &'a [u8],
    },
    /// Say what you have taken of your board, with weights or without: [`Reply::Usage`].
    Usage,
    /// How well the network knows the next image of a stream, and whether the stream has drifted: [`Reply::Monitored`].
    Monitor {
        /// One `u8` for each input.
        image: &'a [u8],
    },
    /// What the layers make of this image, to be held against what they should: [`Reply::Digest`].
    Digest {
        /// One `u8` for each input.
        image: &'a [u8],
        /// How many of the layers, from the first of the encoder on; more than there are stand for all.
        layers: u8,
    },
    /// About what the network learns; [`Error::Frozen`] from a device that does not.
    #[serde(borrow)]
    Learning(Learning<'a>),
}

impl Command<'_> {
    /// Whether the device is the same if it carries this out twice: a stream has no image twice, nor a course.
    pub const fn repeatable(&self) -> bool {
        !matches!(self, Self::Monitor { .. } | Self::Learning(Learning::Image(_) | Learning::End))
    }
}

/// What a device that learns can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Learning<'a> {
    /// Say what was learned: [`Reply::Status`].
    Status,
    /// Begin a course: [`Reply::Status`].
    Begin(Begin),
    /// Learn from the next image of the course: [`Reply::Learned`].
    Image(&'a [u8]),
    /// End the course: keep what was learned if it helps, go back to what was before if it does not: [`Reply::Judged`].
    End,
    /// Forget what was learned, in flash too: [`Reply::Status`].
    Reset,
    /// Read the flash that keeps it: [`Reply::Flash`].
    Flash {
        /// From which byte.
        at: u32,
    },
}

/// From the device to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response<'a> {
    /// That of the request; 0 where the request could not be read.
    pub sequence: u32,
    /// What came of it.
    #[serde(borrow)]
    pub result: Result<Reply<'a>, Error>,
}

/// What a command that was carried out returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// To [`Command::Info`].
    Info(Info),
    /// To [`Command::Encode`]. A file of codes is a sequence of these responses, as they came over the line.
    Code {
        /// CRC of the weights it was made with; after learning, exclusive or that of the tables.
        weights: u32,
        /// Its elements, packed: [`autoencoder_core::quant::code`].
        code: &'a [u8],
    },
    /// To [`Command::Decode`].
    Image(&'a [u8]),
    /// To [`Command::Score`].
    Score {
        /// The sum of the squared differences between the image and its reconstruction, in steps of a `u8`.
        error: u32,
    },
    /// To [`Command::Usage`].
    Usage(Usage),
    /// To [`Command::Monitor`].
    Monitored {
        /// As in [`Reply::Score`].
        error: u32,
        /// Of the stream so far.
        verdict: Verdict,
    },
    /// To [`Command::Digest`].
    Digest {
        /// CRC-32 of the outputs of these layers, one behind the other.
        crc: u32,
        /// That of [`Reply::Score`].
        error: u32,
    },
    /// To [`Learning::Status`], [`Learning::Begin`] and [`Learning::Reset`].
    Status(Status),
    /// To [`Learning::Image`].
    Learned {
        /// As in [`Reply::Score`], before anything was learned from the image.
        error: u32,
        /// It was not learned from but held out, to judge by.
        held_out: bool,
    },
    /// To [`Learning::End`].
    Judged(Judgement),
    /// To [`Learning::Flash`]: the bytes there, none beyond its end.
    Flash(&'a [u8]),
}

/// What a device has taken of its board. Zero is what a device says that cannot measure it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of RAM of the whole image, the stack not counted.
    pub static_bytes: u32,
    /// Bytes of stack that were ever written.
    pub stack_bytes: u32,
    /// Instructions that the last command took, from the request that was read to the reply that is to be written.
    pub instructions: u32,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// [`VERSION`]
    pub version: u8,
    /// CRC of its weights.
    pub weights: u32,
    /// Elements of an image.
    pub inputs: u16,
    /// Elements of a code.
    pub code: u16,
    /// Bits of an element of a code.
    pub code_bits: u8,
    /// Bytes of RAM that the application takes, the stack not counted.
    pub static_bytes: u32,
}

impl<'a> Request<'a> {
    /// Reads a request. Where the command is not known, its sequence number still is: `Err((sequence, error))`.
    pub fn read(message: &'a [u8]) -> Result<Self, (u32, Error)> {
        let (sequence, command) = postcard::take_from_bytes(message).map_err(|_| (0, Error::Malformed))?;
        let command = whole(command).map_err(|error| (sequence, error))?;
        Ok(Self { sequence, command })
    }
}

impl<'a> Response<'a> {
    /// Reads a response.
    pub fn read(message: &'a [u8]) -> Result<Self, Error> {
        whole(message)
    }
}

/// A value that takes all of the bytes.
pub(crate) fn whole<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(Error::Malformed),
    }
}
