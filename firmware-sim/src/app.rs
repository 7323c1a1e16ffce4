//! The application: bytes in, frames out.

use crate::frame::{self, Receiver, frame_bytes};
use crate::learn::{Frozen, Learner, Learning};
use crate::message::Usage;
use crate::monitor::Monitor;
use crate::{Codec, Command, Error, Info, Reply, Request, Response, message};
use autoencoder_core::adapt::Adapt;
use autoencoder_core::blob::{Mirrors, Stored};
use autoencoder_core::layer::Row;
use embedded_storage::nor_flash::NorFlash;

/// What a board can measure of itself.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// [`Usage::static_bytes`]
    pub static_bytes: fn() -> u32,
    /// [`Usage::stack_bytes`]
    pub stack_bytes: fn() -> u32,
    /// Instructions since some moment, modulo 2^32.
    pub instructions: fn() -> u32,
}

impl Board {
    /// One that measures nothing.
    pub const UNKNOWN: Self = Self { static_bytes: || 0, stack_bytes: || 0, instructions: || 0 };
}

/// Everything the device keeps in RAM, its stack aside: the codec, and a buffer for a frame in each direction.
///
/// `FRAME` is [`frame_bytes`] of the longest row; the default is that of a 28 by 28 image. `L` is
/// [`Frozen`] or a [`Learner`].
pub struct App<'b, E: Stored, D: Stored, const FRAME: usize = { frame_bytes(784) }, L = Frozen> {
    codec: Codec<'b, E, D, L>,
    monitor: Monitor,
    receiver: Receiver<FRAME>,
    transmit: [u8; FRAME],
    /// Instructions that the last command took; those that ask about it are none.
    instructions: u32,
}

impl<'b, E, D, const FRAME: usize, L> App<'b, E, D, FRAME, L>
where
    E: Stored,
    D: Mirrors<E>,
    L: Learning<E, D>,
{
    /// Bytes of RAM, the stack not counted.
    pub const STATIC_BYTES: usize = size_of::<Self>();

    /// Without weights: it answers every command with that. A `FRAME` without room for the longest answer does not compile:
    ///
    /// ```compile_fail,E0080
    /// use autoencoder_core::{Dense, Sigmoid};
    /// use firmware_sim::{App, Learner, flash::Nor, frame::frame_bytes};
    ///
    /// type E = Dense<16, 8, Sigmoid>;
    /// type D = Dense<8, 16, Sigmoid>;
    /// // 16 pixels fit; the 128 bytes of flash that a learner answers with do not.
    /// App::<E, D, { frame_bytes(16) }, Learner<E, D, Nor<Vec<u8>>>>::new();
    /// ```
    pub const fn new() -> Self {
        const {
            assert!(frame_bytes(E::In8::LEN) <= FRAME, "a frame has to hold an image");
            assert!(frame_bytes(E::Out8::LEN) <= FRAME, "a frame has to hold a code");
            assert!(frame_bytes(L::ROW) <= FRAME, "a frame has to hold a piece of the flash");
        }
        // All zeros, lest the whole static lie in flash for the sake of one word. `load` brings the threshold.
        let monitor = Monitor::new(0);
        Self { codec: Codec::new(), monitor, receiver: Receiver::new(), transmit: [0; FRAME], instructions: 0 }
    }

    /// Takes the weights of `blob`. If they cannot be used, every command is answered with the reason.
    pub fn load(&mut self, blob: &'b [u8]) {
        self.codec.load(blob);
        self.monitor = Monitor::new(self.codec.threshold());
    }

    /// Takes one byte from the line; where it ends a frame, returns the frame to be sent back.
    ///
    /// A frame that cannot be read is answered, too, with sequence number 0.
    pub fn push(&mut self, byte: u8) -> Option<&[u8]> {
        self.push_on(&Board::UNKNOWN, byte)
    }

    /// The same on a board that can measure what it takes.
    pub fn push_on(&mut self, board: &Board, byte: u8) -> Option<&[u8]> {
        let (sequence, result) = match self.receiver.push(byte)?.map(Request::read) {
            Ok(Ok(Request { sequence, command: Command::Usage })) => {
                let (static_bytes, stack_bytes) = ((board.static_bytes)(), (board.stack_bytes)());
                (sequence, Ok(Reply::Usage(Usage { static_bytes, stack_bytes, instructions: self.instructions })))
            }
            Ok(Ok(Request { sequence, command })) => {
                let before = (board.instructions)();
                let result = answer(&mut self.codec, &mut self.monitor, command, Self::STATIC_BYTES);
                self.instructions = (board.instructions)().wrapping_sub(before);
                (sequence, result)
            }
            Ok(Err((sequence, error))) => (sequence, Err(error)),
            Err(error) => (0, Err(error)),
        };
        frame::write(&Response { sequence, result }, &mut self.transmit).ok()
    }
}

impl<E, D, const FRAME: usize, F> App<'_, E, D, FRAME, Learner<E, D, F>>
where
    E: Adapt,
    D: Adapt + Mirrors<E>,
    F: NorFlash,
{
    /// Takes a flash to keep in what is learned, and what was learned from it. To be called after [`App::load`].
    pub fn keep_in(&mut self, flash: F) {
        self.codec.keep_in(flash);
    }
}

impl<E, D, const FRAME: usize, L> Default for App<'_, E, D, FRAME, L>
where
    E: Stored,
    D: Mirrors<E>,
    L: Learning<E, D>,
{
    fn default() -> Self {
        Self::new()
    }
}

/// Carries out one command.
fn answer<'a, E, D, L>(
    codec: &'a mut Codec<'_, E, D, L>,
    monitor: &mut Monitor,
    command: Command<'_>,
    ram: usize,
) -> Result<Reply<'a>, Error>
where
    E: Stored,
    D: Mirrors<E>,
    L: Learning<E, D>,
{
    let weights = codec.weights()?;
    Ok(match command {
        Command::Info => Reply::Info(Info {
            version: message::VERSION,
            weights,
            inputs: E::In8::LEN as u16,
            code: E::Out8::LEN as u16,
            code_bits: codec.code_bits(),
            static_bytes: ram as u32,
        }),
        Command::Encode { image } => Reply::Code { weights: codec.identity()?, code: codec.encode(image)? },
        Command::Decode { weights, .. } if weights != codec.identity()? => {
            return Err(Error::OtherWeights { expected: codec.identity()?, found: weights });
        }
        Command::Decode { code, .. } => Reply::Image(codec.decode(code)?),
        // One call for both: a second copy of the network's code would take more stack.
        Command::Score { image } | Command::Monitor { image } => {
            let error = codec.score(image)?;
            match command {
                Command::Monitor { .. } => {
                    monitor.set_threshold(codec.threshold());
                    Reply::Monitored { error, verdict: monitor.push(error) }
                }
                _ => Reply::Score { error },
            }
        }
        Command::Digest { image, layers } => {
            let (crc, error) = codec.digest(image, layers.into())?;
            Reply::Digest { crc, error }
        }
        Command::Usage => return Err(Error::Malformed), // of the board, not of the network: `push_on` answers it
        Command::Learning(command) => return L::answer(codec, command),
    })
}
