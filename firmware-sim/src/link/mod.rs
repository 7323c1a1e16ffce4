//! Links to a device in this process, in an emulator or on a serial line, and the session over a link.

pub mod flashed;
mod heap;
pub mod in_process;
mod line;
pub mod measure;
pub mod qemu;
pub mod report;
pub mod report_stream;
mod serial;
pub mod session;
mod stack;
pub mod training;

use crate::board::{self, Board, firmware::BuildError};
use autoencoder_device::message::Usage;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A device at the other end of a line.
pub trait Link {
    /// Sends bytes and returns the frames that answer them.
    fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError>;

    /// Ends any frame that was begun on the line and discards every answer to an earlier request, so that the next answer
    /// belongs to the next request.
    fn resynchronise(&mut self) -> Result<(), LinkError> {
        Ok(())
    }

    /// The RAM that the device has used so far.
    fn ram(&mut self) -> Result<Ram, LinkError>;

    /// Instructions that the device executed for the last request; 0 if the link cannot count them.
    fn instructions(&mut self) -> Result<u32, LinkError> {
        Ok(0)
    }
}

/// A device that trains: when it is told to begin, it sends a stream of reports.
pub trait ReportStream {
    /// Tells it to begin.
    fn begin(&mut self) -> Result<(), LinkError>;

    /// The next frame that it sends, including its final zero.
    fn next(&mut self) -> Result<Vec<u8>, LinkError>;
}

/// Where the device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In this process, under guard.
    InProcess,
    /// On a board that QEMU emulates. Its image is built first if it is missing or old.
    Qemu,
    /// On a board at a serial port.
    Serial(PathBuf),
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match (name, name.strip_prefix("serial:")) {
            ("in-process", _) => Ok(Self::InProcess),
            ("qemu", _) => Ok(Self::Qemu),
            (_, Some(path)) if !path.is_empty() => Ok(Self::Serial(path.into())),
            _ => Err("expected in-process, qemu or serial:PATH".to_owned()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InProcess => f.write_str("in-process"),
            Self::Qemu => f.write_str("qemu"),
            Self::Serial(path) => write!(f, "serial:{}", path.display()),
        }
    }
}

/// The device that a command uses.
#[derive(Clone, Debug)]
pub struct Target {
    pub link: Kind,
    /// The board whose memory is the limit.
    pub board: &'static Board,
    /// The board that runs in its place, if it is emulated.
    pub emulated: Option<&'static Board>,
    /// Whether to suppress the notes on standard error.
    pub quiet: bool,
}

impl Target {
    /// A target with the named board, or with the link's default. Returns an error if the board must be emulated and
    /// cannot be.
    pub fn new(link: &Kind, board: Option<&str>, quiet: bool) -> anyhow::Result<Self> {
        let board = if *link == Kind::Qemu && board.is_none() { board::STAND_IN } else { board::find(board)? };
        let emulated = (*link == Kind::Qemu).then(|| board.emulated()).transpose()?;
        Ok(Self { link: link.clone(), board, emulated, quiet })
    }

    /// The boards that must have room for a network: the named one, and the one that is emulated in its place. There
    /// are none on a serial port, where the weights are already in flash.
    pub fn boards(&self) -> impl Iterator<Item = &'static Board> {
        let named = if matches!(self.link, Kind::Serial(_)) { None } else { Some(self.board) };
        named.into_iter().chain(self.emulated.filter(|board| *board != self.board))
    }

    /// A device in this process that another one is compared with. It has room for every network.
    pub fn reference() -> Self {
        Self { link: Kind::InProcess, board: board::UNLIMITED, emulated: None, quiet: true }
    }
}

/// RAM of a device, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ram {
    /// Statics that this network uses.
    pub statics: usize,
    /// Statics that a larger network could use: the buffers of an image are as long as its board allows.
    pub spare: usize,
    /// The high-water mark of the stack, measured.
    pub stack: usize,
    /// Bytes allocated on the heap. The guard ensures that this is 0.
    pub heap: u64,
}

impl Ram {
    /// Bytes that this network uses: its statics and the stack.
    pub fn used(&self) -> usize {
        self.statics + self.stack
    }
}

impl From<Usage> for Ram {
    fn from(Usage { static_bytes, spare_bytes, stack_bytes, .. }: Usage) -> Self {
        let statics = static_bytes.saturating_sub(spare_bytes) as usize;
        Self { statics, spare: spare_bytes as usize, stack: stack_bytes as usize, heap: 0 }
    }
}

/// The reason why a device gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The application allocated memory, although it has no heap.
    #[error("the application allocated {bytes} bytes on the heap, in {count} allocations")]
    Heap {
        /// Number of allocations.
        count: u64,
        /// Bytes in all.
        bytes: u64,
    },
    /// The application panicked.
    #[error("the application panicked")]
    Panic,
    /// The system has no memory for its stack.
    #[error("the application's stack: {0}")]
    Stack(std::io::Error),
    /// The application needs more stack than a small board has.
    #[error("the application overflowed its stack")]
    StackOverflow,
    /// There is no image.
    #[error(transparent)]
    Image(#[from] BuildError),
    /// The emulator is not installed.
    #[error("not installed: the emulator {emulator}; on Debian, install it with `apt-get install {package}`")]
    NoEmulator {
        emulator: &'static str,
        /// Debian's package of it.
        package: &'static str,
    },
    /// The image stopped and sent this text.
    #[error("the device stopped: {0}")]
    Stopped(String),
    /// The emulator ended with this status, or with this last line of output.
    #[error("the emulator ended: {0}")]
    Ended(String),
    /// An area of the image is too small.
    #[error("{what}: {bytes} bytes; the image has room for {room}")]
    Room {
        /// The blob, or the learned parameters.
        what: &'static str,
        /// Bytes that they have.
        bytes: usize,
        /// Bytes of the image's area.
        room: usize,
    },
    /// The port cannot be opened or configured.
    #[error("{0}: {1}")]
    Port(String, String),
    /// The other end closed the line.
    #[error("the line to the device was closed: unplugged?")]
    Closed,
    /// The answer is not in frames.
    #[error("the other end of the line sends no frames: another device?")]
    Foreign,
    /// No answer.
    #[error("the device has not answered for {0} seconds")]
    TimeOut(u64),
    /// The device answered a request of the link itself with an error.
    #[error("the device: {0}")]
    Device(autoencoder_device::Error),
    /// The line failed, or a file for the emulator.
    #[error("the line to the device: {0}")]
    Io(#[from] std::io::Error),
}
