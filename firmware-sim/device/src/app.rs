//! The application: bytes in, frames out.

use crate::detector::Detector;
use crate::frame::{self, Receiver, frame_bytes};
use crate::input::{Input, RowsOnly, Sampler};
use crate::learn::Learn;
use crate::message::{LearningCommand, Sampled, Usage};
use crate::{Codec, Command, Error, Info, Reply, Request, Response, message};
use autoencoder_core::{Error as WeightsError, Resource};
use embedded_storage::nor_flash::NorFlash;

/// The measurements of a board. A function returns 0 if the board cannot measure the quantity.
#[derive(Clone, Copy, Debug)]
pub struct Probes {
    /// [`Usage::static_bytes`]
    pub static_bytes: fn() -> u32,
    /// [`Usage::stack_bytes`]
    pub stack_bytes: fn() -> u32,
    /// A counter of executed instructions, modulo 2^32.
    pub instructions: fn() -> u32,
}

impl Probes {
    /// The probes of a board that measures nothing.
    pub const NONE: Self = Self { static_bytes: || 0, stack_bytes: || 0, instructions: || 0 };
}

/// The buffers of an application as arrays, for a `static`.
///
/// `ACTIVATIONS` bytes hold what a network computes:
/// [`Network::memory_bytes`](autoencoder_core::Network::memory_bytes). `FRAME` bytes in each direction hold a
/// frame: [`frame_bytes`] of the longest row or packed code. [`Buffers`] of any other lengths serve as well.
pub struct Memory<const ACTIVATIONS: usize, const FRAME: usize> {
    activations: [u8; ACTIVATIONS],
    receive: [u8; FRAME],
    transmit: [u8; FRAME],
}

impl<const ACTIVATIONS: usize, const FRAME: usize> Memory<ACTIVATIONS, FRAME> {
    /// All zeros: a static lies in `.bss` and takes no flash.
    pub const fn new() -> Self {
        Self { activations: [0; ACTIVATIONS], receive: [0; FRAME], transmit: [0; FRAME] }
    }

    /// Lends the buffers to an application.
    pub fn buffers(&mut self) -> Buffers<'_> {
        let Self { activations, receive, transmit } = self;
        Buffers { activations, receive, transmit }
    }
}

impl<const ACTIVATIONS: usize, const FRAME: usize> Default for Memory<ACTIVATIONS, FRAME> {
    fn default() -> Self {
        Self::new()
    }
}

/// The buffers of an application. Their lengths are its capacities: [`App::load`] refuses a network that needs more.
#[derive(Debug)]
pub struct Buffers<'m> {
    /// The activations of one row and the scratch of the kernel:
    /// [`Network::memory_bytes`](autoencoder_core::Network::memory_bytes).
    pub activations: &'m mut [u8],
    /// The frame that is being received: [`frame_bytes`] of the longest row or packed code.
    pub receive: &'m mut [u8],
    /// The frame that is being sent, of the same length.
    pub transmit: &'m mut [u8],
}

/// The application: it answers each frame with a frame.
///
/// `L` is [`Frozen`](crate::Frozen) or a [`Learner`](crate::Learner), and `I` is [`RowsOnly`] or a [`Sampler`]. `'b` is
/// the lifetime of the blob, which stays in flash, `'m` that of the buffers.
pub struct App<'b, 'm, L, I = RowsOnly> {
    detector: Detector<'b, 'm, L, I>,
    receiver: Receiver<'m>,
    transmit: &'m mut [u8],
    /// Bytes of the buffers that the network leaves unused.
    spare_bytes: u32,
    /// Instructions of the last command other than [`Command::Usage`].
    instructions: u32,
}

impl<'m, L: Learn> App<'_, 'm, L> {
    /// An application without weights, which takes rows. Until [`Self::load`] it answers every command with
    /// [`WeightsError::Empty`].
    pub fn new(buffers: Buffers<'m>, learner: L) -> Self {
        Self::with_input(buffers, learner, RowsOnly)
    }
}

impl<'b, 'm, L: Learn> App<'b, 'm, L, Sampler<'b, 'm>> {
    /// As [`App::new`], with an application that also takes samples.
    pub fn detector(buffers: Buffers<'m>, learner: L, sampler: Sampler<'b, 'm>) -> Self {
        Self::with_input(buffers, learner, sampler)
    }
}

impl<'b, 'm, L: Learn, I: Input<'b>> App<'b, 'm, L, I> {
    fn with_input(buffers: Buffers<'m>, learner: L, input: I) -> Self {
        let Buffers { activations, receive, transmit } = buffers;
        Self {
            spare_bytes: 0,
            detector: Detector::new(Codec::new(activations, learner), input),
            receiver: Receiver::new(receive),
            transmit,
            instructions: 0,
        }
    }

    /// Loads the network of `blob` and resets the monitor.
    ///
    /// If the blob is unusable, or the network needs more than the buffers hold, the application answers every command
    /// with [`Error::Weights`] and the reason.
    pub fn load(&mut self, blob: &'b [u8]) {
        self.detector.load(blob);
        self.spare_bytes = 0;
        if let Ok(row) = self.detector.longest_row() {
            let frames = [self.receiver.capacity(), self.transmit.len()];
            let needed = frame_bytes(row);
            match WeightsError::check_capacity(Resource::Message, needed, frames[0].min(frames[1])) {
                Ok(()) => {
                    let spare = self.detector.spare_bytes() + frames[0] + frames[1] - 2 * needed;
                    self.spare_bytes = spare as u32;
                }
                Err(error) => self.detector.codec().refuse(error),
            }
        }
    }

    /// Processes one byte from the line. If it ends a frame, returns the frame to send back.
    ///
    /// The answer to a frame that cannot be read has sequence number 0.
    pub fn push(&mut self, byte: u8) -> Option<&[u8]> {
        self.push_probed(&Probes::NONE, byte)
    }

    /// As [`Self::push`], on a board that measures itself.
    pub fn push_probed(&mut self, probes: &Probes, byte: u8) -> Option<&[u8]> {
        let frames = self.receiver.capacity() + self.transmit.len();
        let (sequence, result) = match self.receiver.push(byte)?.map(Request::read) {
            Ok(Ok(Request { sequence, command: Command::Usage })) => {
                let (static_bytes, stack_bytes) = ((probes.static_bytes)(), (probes.stack_bytes)());
                let Self { spare_bytes, instructions, .. } = *self;
                (sequence, Ok(Reply::Usage(Usage { static_bytes, stack_bytes, spare_bytes, instructions })))
            }
            Ok(Ok(Request { sequence, command })) => {
                let before = (probes.instructions)();
                let result = answer(&mut self.detector, command, frames);
                self.instructions = (probes.instructions)().wrapping_sub(before);
                (sequence, result)
            }
            Ok(Err((sequence, error))) => (sequence, Err(error)),
            Err(error) => (0, Err(error)),
        };
        frame::write(&Response { sequence, result }, self.transmit).ok()
    }

    /// Bytes of RAM of the application: its own size and all buffers, without the stack.
    pub fn static_bytes(&self) -> usize {
        size_of::<Self>() + self.detector.memory_bytes() + self.receiver.capacity() + self.transmit.len()
    }

    /// Bytes of the buffers that the network leaves unused; 0 without a network. Buffers have the lengths that the
    /// largest network for this device needs.
    pub fn spare_bytes(&self) -> usize {
        self.spare_bytes as usize
    }
}

impl<'b, 'm, F: NorFlash, I: Input<'b>> App<'b, 'm, crate::Learner<'m, F>, I> {
    /// Attaches the flash that keeps the learned parameters, and loads those that were saved for this network. Call it
    /// after [`App::load`]: without a network, the flash is dropped.
    pub fn attach_flash(&mut self, flash: F) {
        self.detector.attach_flash(flash);
    }
}

/// Executes one command. `frames` is the length of both frames, in bytes.
fn answer<'a, 'b, L: Learn, I: Input<'b>>(
    detector: &'a mut Detector<'b, '_, L, I>,
    command: Command<'_>,
    frames: usize,
) -> Result<Reply<'a, I::Reply>, Error> {
    // Only codes carry it. To compute it takes long while a run of learning changes the channels.
    let identity = match command {
        Command::Encode { .. } | Command::Decode { .. } => detector.codec().identity()?,
        _ => 0,
    };
    Ok(match command {
        Command::Info => {
            let static_bytes = size_of::<App<'_, '_, L, I>>() + detector.memory_bytes() + frames;
            let network = detector.codec().network()?;
            Reply::Info(Info {
                version: message::VERSION,
                weights: network.blob().crc(),
                inputs: network.topology().row() as u16,
                code: network.topology().code() as u16,
                code_bits: network.blob().header().code_bits,
                static_bytes: static_bytes as u32,
            })
        }
        Command::Encode { row } => Reply::Code { identity, code: detector.codec().encode(row)? },
        Command::Decode { identity: found, code } => {
            if found != identity {
                return Err(Error::OtherWeights { expected: identity, found });
            }
            Reply::Row(detector.codec().decode(code)?)
        }
        Command::Score { row } => Reply::Score { score: detector.codec().score(row)? },
        Command::Monitor { row } => {
            let (score, verdict) = detector.monitor(row)?;
            Reply::Monitored { score, verdict }
        }
        Command::Digest { row, layers } => {
            let (crc, score) = detector.codec().digest(row, layers.into())?;
            Reply::Digest { crc, score }
        }
        Command::Usage => return Err(Error::Malformed), // concerns the board: `push_probed` answers it
        Command::Learn(command) => return learn(detector, command),
        Command::Samples(samples) => {
            let observation = detector.push_bytes(samples)?;
            Reply::Sampled(I::reply(observation.map_or(Sampled::Incomplete, Sampled::Observed))?)
        }
        Command::Restart => {
            let shape = detector.restart()?.into();
            Reply::Sampled(I::reply(Sampled::Restarted(shape))?)
        }
    })
}

/// Executes one command about learning.
fn learn<'a, 'b, L: Learn, I: Input<'b>>(
    detector: &'a mut Detector<'b, '_, L, I>,
    command: LearningCommand<'_>,
) -> Result<Reply<'a, I::Reply>, Error> {
    match command {
        LearningCommand::Samples(samples) => {
            return match detector.learn_bytes(samples)? {
                Some((score, held_out)) => Ok(Reply::Learned { score, held_out }),
                None => I::reply(Sampled::Incomplete).map(Reply::Sampled),
            };
        }
        LearningCommand::Repeat => {
            let left = detector.repeat()?;
            return I::reply(Sampled::Repeated(left)).map(Reply::Sampled);
        }
        LearningCommand::Row(row) => {
            let (score, held_out) = detector.learn_row(row)?;
            return Ok(Reply::Learned { score, held_out });
        }
        LearningCommand::End => return Ok(Reply::Judged(detector.end()?)),
        LearningCommand::Flash { at } => return Ok(Reply::Flash(detector.codec().learner()?.0.read_flash(at)?)),
        LearningCommand::Status => {}
        LearningCommand::Begin(begin) => detector.begin(begin)?,
        LearningCommand::Reset => detector.reset()?,
    }
    Ok(Reply::Status(detector.status()?))
}
