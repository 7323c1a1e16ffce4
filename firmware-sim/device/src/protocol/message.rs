//! The messages between host and device.
//!
//! The device answers each [`Request`] with one [`Response`] that has the same sequence number. Rows and codes are
//! borrowed from their frame, so a message is a few words, however long its row is. New variants go to the end of their
//! enum, so that existing variants keep their numbers on the wire.
//!
//! A row has one `u8` for each input of the network.

use crate::learn::{Begin, Judgement, Status};
use crate::monitor::Verdict;
use crate::{Error, Observation};
use autoencoder_core::front_end::Spec;
use autoencoder_core::wire;
use serde::{Deserialize, Serialize};

/// The version of the protocol, in [`Info`].
pub const VERSION: u8 = 6;

/// A message from the host to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request<'a> {
    /// The number of the request, from 1.
    #[serde(serialize_with = "wire::number")]
    pub sequence: u32,
    /// The command.
    #[serde(borrow)]
    pub command: Command<'a>,
}

/// A command to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Command<'a> {
    /// Describe the device and its network: [`Reply::Info`].
    Info,
    /// Encode a row: [`Reply::Code`].
    Encode {
        /// One `u8` for each input.
        row: &'a [u8],
    },
    /// Decode a code: [`Reply::Row`].
    Decode {
        /// The network that made the code, as [`Reply::Code`] identifies it.
        #[serde(serialize_with = "wire::number", deserialize_with = "wire::read_number")]
        identity: u32,
        /// The elements of the code, packed: [`autoencoder_core::quant::code`].
        code: &'a [u8],
    },
    /// Compute the score of a row: [`Reply::Score`].
    Score {
        /// One `u8` for each input.
        row: &'a [u8],
    },
    /// Report memory and instructions, with or without weights: [`Reply::Usage`].
    Usage,
    /// Compute the score of the next row of a stream, and judge whether the stream has drifted: [`Reply::Monitored`].
    Monitor {
        /// One `u8` for each input.
        row: &'a [u8],
    },
    /// Compute the CRC of the outputs of the layers, for a comparison with another machine: [`Reply::Digest`].
    Digest {
        /// One `u8` for each input.
        row: &'a [u8],
        /// The number of layers, from the encoder's first. If it exceeds the number of layers, all of them count.
        layers: u8,
    },
    /// A command about learning; [`Error::Frozen`] from a device that does not learn.
    #[serde(borrow)]
    Learn(LearningCommand<'a>),
    /// Monitor the next samples of a stream: [`Sampled::Observed`] if they complete a window, else
    /// [`Sampled::Incomplete`]. They are whole samples, oldest first, each number a
    /// little-endian `f32`, and no more than [`samples_in_command`](crate::input::samples_in_command).
    Samples(&'a [u8]),
    /// Begin a new recording with the next sample, because it does not follow the one before: [`Sampled::Restarted`]. The
    /// window and the vote of the monitor start anew.
    Restart,
}

impl Command<'_> {
    /// Whether the command may be sent twice. Streams and runs of learning count each row, so their commands may not.
    pub const fn repeatable(&self) -> bool {
        use LearningCommand::{End, Repeat, Row, Samples};
        !matches!(self, Self::Monitor { .. } | Self::Samples(_) | Self::Learn(Row(_) | Samples(_) | Repeat | End))
    }
}

/// A command about learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LearningCommand<'a> {
    /// Report the state of learning: [`Reply::Status`].
    Status,
    /// Begin a run: [`Reply::Status`].
    Begin(Begin),
    /// Learn from the next row of the run: [`Reply::Learned`].
    Row(&'a [u8]),
    /// End the run, keeping what helps and undoing the rest: [`Reply::Judged`].
    End,
    /// Discard the learned channels, in RAM and in flash: [`Reply::Status`].
    Reset,
    /// Read the flash that keeps the learned channels: [`Reply::Flash`].
    Flash {
        /// The first byte to read.
        #[serde(serialize_with = "wire::number", deserialize_with = "wire::read_number")]
        at: u32,
    },
    /// Learn from the next samples of the run, which have the form of [`Command::Samples`]: [`Reply::Learned`] if they
    /// complete a window, else [`Sampled::Incomplete`].
    Samples(&'a [u8]),
    /// Take the next step of the further passes over the stored windows: [`Sampled::Repeated`]. One request is one step,
    /// so that none takes longer than learning from a window does.
    Repeat,
}

/// A message from the device to the host. `S` is that of [`Reply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response<'a, S = Sampled> {
    /// The number of the request; 0 if the request could not be read.
    #[serde(serialize_with = "wire::number")]
    pub sequence: u32,
    /// The reply, or the reason why the command was refused.
    #[serde(borrow)]
    pub result: Result<Reply<'a, S>, Error>,
}

/// The result of a command.
///
/// `S` is [`Input::Reply`](crate::input::Input::Reply). A device that takes rows alone has no code for replies about
/// samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reply<'a, S = Sampled> {
    /// Answers [`Command::Info`].
    Info(Info),
    /// Answers [`Command::Encode`]. A file of codes is a sequence of these responses, as received on the line.
    Code {
        /// The network that made the code: CRC of the weights; after learning, combined by XOR with the CRC of the
        /// channels.
        #[serde(serialize_with = "wire::number")]
        identity: u32,
        /// The elements of the code, packed: [`autoencoder_core::quant::code`].
        code: &'a [u8],
    },
    /// Answers [`Command::Decode`].
    Row(&'a [u8]),
    /// Answers [`Command::Score`].
    Score {
        /// `Σ (x - y)²` over the elements of the row and of its reconstruction, 0 to 255.
        #[serde(serialize_with = "wire::number")]
        score: u32,
    },
    /// Answers [`Command::Usage`].
    Usage(Usage),
    /// Answers [`Command::Monitor`].
    Monitored {
        /// As in [`Reply::Score`].
        #[serde(serialize_with = "wire::number")]
        score: u32,
        /// The verdict on the stream so far.
        verdict: Verdict,
    },
    /// Answers [`Command::Digest`].
    Digest {
        /// CRC-32 of the outputs of the layers, in order and without padding.
        #[serde(serialize_with = "wire::number")]
        crc: u32,
        /// As in [`Reply::Score`].
        #[serde(serialize_with = "wire::number")]
        score: u32,
    },
    /// Answers [`LearningCommand::Status`], [`LearningCommand::Begin`] and [`LearningCommand::Reset`].
    Status(Status),
    /// Answers [`LearningCommand::Row`], and [`LearningCommand::Samples`] for the row of the window.
    Learned {
        /// The score before the step of the row that was learned from. That is this row, or a held-out row whose place
        /// this row takes. Without a step, the score of this row.
        #[serde(serialize_with = "wire::number")]
        score: u32,
        /// Whether this row was held out and none was learned from.
        held_out: bool,
    },
    /// Answers [`LearningCommand::End`].
    Judged(Judgement),
    /// Answers [`LearningCommand::Flash`] with bytes of the flash. There are none beyond its end.
    Flash(&'a [u8]),
    /// Answers [`Command::Samples`], [`Command::Restart`] and [`LearningCommand::Repeat`], and
    /// [`LearningCommand::Samples`] if they complete no window.
    Sampled(S),
}

/// Memory and instructions, as the board measures them. A quantity that it cannot measure is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of RAM of the firmware image without the stack.
    #[serde(serialize_with = "wire::number")]
    pub static_bytes: u32,
    /// High-water mark of the stack, in bytes.
    #[serde(serialize_with = "wire::number")]
    pub stack_bytes: u32,
    /// Bytes of the buffers that this network leaves unused, because the device also accepts larger networks.
    #[serde(serialize_with = "wire::number")]
    pub spare_bytes: u32,
    /// Instructions of the last command, from reading its request to before writing its reply.
    #[serde(serialize_with = "wire::number")]
    pub instructions: u32,
}

/// The device and its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The version of the protocol: [`VERSION`].
    pub version: u8,
    /// CRC of the weights.
    #[serde(serialize_with = "wire::number")]
    pub weights: u32,
    /// Elements of a row.
    #[serde(serialize_with = "wire::short")]
    pub inputs: u16,
    /// Elements of a code.
    #[serde(serialize_with = "wire::short")]
    pub code: u16,
    /// Bits of an element of a code.
    pub code_bits: u8,
    /// Bytes of RAM of the application without the stack.
    #[serde(serialize_with = "wire::number")]
    pub static_bytes: u32,
}

/// The reply to a command about samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Sampled {
    /// The next sample begins a window of this shape.
    Restarted(SampleShape),
    /// The samples complete no window.
    Incomplete,
    /// The samples complete this window.
    Observed(Observation),
    /// This many steps of the further passes are left.
    Repeated(#[serde(serialize_with = "wire::number")] u32),
}

/// The shape of the samples that a device takes, from the blob's input section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleShape {
    /// Numbers of a sample.
    #[serde(serialize_with = "wire::short")]
    pub channels: u16,
    /// Samples of a window.
    #[serde(serialize_with = "wire::short")]
    pub window: u16,
    /// Samples from the start of one window to the start of the next.
    #[serde(serialize_with = "wire::short")]
    pub hop: u16,
}

impl From<Spec> for SampleShape {
    fn from(Spec { channels, window, hop, .. }: Spec) -> Self {
        Self { channels, window, hop }
    }
}

impl<'a> Request<'a> {
    /// Reads a request. An error carries the sequence number, which may be known even if the command is not; otherwise
    /// 0.
    #[inline(never)] // for size: the decoder of commands is long
    pub fn read(message: &'a [u8]) -> Result<Self, (u32, Error)> {
        let (sequence, command) = postcard::take_from_bytes(message).map_err(|_| (0, Error::Malformed))?;
        let command = read_all(command).map_err(|error| (sequence, error))?;
        Ok(Self { sequence, command })
    }
}

impl<'a> Response<'a> {
    /// Reads a response. Returns [`Error::Malformed`] if the bytes are not a response.
    pub fn read(message: &'a [u8]) -> Result<Self, Error> {
        read_all(message)
    }
}

/// Deserialises a value from all of the bytes. Returns [`Error::Malformed`] if that fails or bytes are left.
pub(crate) fn read_all<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(Error::Malformed),
    }
}
