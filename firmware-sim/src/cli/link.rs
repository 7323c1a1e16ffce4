//! The line to a device, and the device that runs in process, under guard.

use super::stack::Stack;
use autoencoder_core::blob::{Mirrors, Stored, Without};
use autoencoder_core::model::{Half, Visitor, with_topology};
use firmware_sim::flash::Nor;
use firmware_sim::frame::frame_bytes;
use firmware_sim::{App, Learner};
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;

/// A device at the other end of a line.
pub trait Link {
    /// Sends bytes and returns what comes back: the frames that answer them.
    fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError>;

    /// Ends whatever was begun on the line and throws away what still comes, so that the next answer is that to the next
    /// request.
    fn resynchronise(&mut self) -> Result<(), LinkError> {
        Ok(())
    }

    /// The RAM that the device has taken so far.
    fn memory(&mut self) -> Result<Memory, LinkError>;

    /// Instructions that the last request took; 0 where nobody counts them.
    fn instructions(&mut self) -> Result<u32, LinkError> {
        Ok(0)
    }
}

/// Where the device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In this process, under guard.
    InProcess,
    /// An image on a board that QEMU emulates, built first where it is missing or old.
    Qemu,
    /// A board on a serial port.
    Serial(PathBuf),
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match (name, name.strip_prefix("serial:")) {
            ("in-process", _) => Ok(Self::InProcess),
            ("qemu", _) => Ok(Self::Qemu),
            (_, Some(path)) if !path.is_empty() => Ok(Self::Serial(path.into())),
            _ => Err("there are in-process, qemu and serial:PATH".to_owned()),
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

/// RAM of a device, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The application and its buffers, known to the compiler.
    pub statics: usize,
    /// The deepest that its stack has been, measured.
    pub stack: usize,
    /// Allocated: the guard saw to it that this is nothing.
    pub heap: u64,
}

impl Memory {
    /// All of it.
    pub fn ram(&self) -> usize {
        self.statics + self.stack
    }
}

/// Why a device gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The one thing an application without a heap cannot do.
    #[error("the application allocated {bytes} bytes on the heap, in {count} pieces")]
    Heap {
        /// How often.
        count: u64,
        /// How much.
        bytes: u64,
    },
    /// It stopped.
    #[error("the application panicked")]
    Panic,
    /// It needs more stack than there is.
    #[error("the application overflowed its stack")]
    StackOverflow,
    /// The topology is not one of [`autoencoder_core::model::NAMES`].
    #[error("no topology is named {0:?}")]
    Topology(String),
    /// Something has to be installed.
    #[error("not installed: {0}")]
    Missing(String),
    /// The image could not be built.
    #[error("the image cannot be built: {0}")]
    Image(String),
    /// The image's last words.
    #[error("the device stopped: {0}")]
    Stopped(String),
    /// The emulator's last words.
    #[error("the emulator ended: {0}")]
    Ended(String),
    /// There is less flash for it than it has bytes.
    #[error("the blob has {bytes} bytes, {room} fit the board's flash beside the image")]
    Room {
        /// Of the blob.
        bytes: usize,
        /// Of the flash.
        room: usize,
    },
    /// The port cannot be opened or set.
    #[error("{0}: {1}")]
    Port(String, String),
    /// The other end is no more.
    #[error("the line to the device was closed: unplugged?")]
    Closed,
    /// Something answers.
    #[error("what is at the other end of the line sends no frames: another device?")]
    Foreign,
    /// No answer.
    #[error("the device has not answered for {0} seconds")]
    TimeOut(u64),
    /// The device's answer to a question of the link's own.
    #[error("the device: {0}")]
    Frame(firmware_sim::Error),
    /// The line, or a file of the emulator's.
    #[error("the line to the device: {0}")]
    Io(#[from] std::io::Error),
}

/// The application, whatever its topology.
trait Application<'b> {
    fn load(&mut self, blob: &'b [u8]);
    fn push(&mut self, byte: u8) -> Option<&[u8]>;
}

impl<'b, E: Stored, D: Mirrors<E>> Application<'b> for App<'b, E, D> {
    fn load(&mut self, blob: &'b [u8]) {
        self.load(blob);
    }

    fn push(&mut self, byte: u8) -> Option<&[u8]> {
        self.push(byte)
    }
}

/// Makes the application of a topology.
struct Make<'b>(PhantomData<&'b [u8]>);

impl<'b> Visitor for Make<'b> {
    type Output = Box<dyn Application<'b> + 'b>;

    fn visit<E: Half, D: Half + Mirrors<E>>(self) -> Self::Output {
        Box::new(App::<'b, E, D>::new())
    }
}

/// Makes the application of a topology's encoder alone.
struct MakeEncoder<'b>(PhantomData<&'b [u8]>);

impl<'b> Visitor for MakeEncoder<'b> {
    type Output = Box<dyn Application<'b> + 'b>;

    fn visit<E: Half, D: Half + Mirrors<E>>(self) -> Self::Output {
        Box::new(App::<'b, E, Without<E>>::new())
    }
}

/// An application that learns.
struct Adaptive<'b, E: Half, D: Half + Mirrors<E>> {
    app: AdaptiveApp<'b, E, D>,
    flash: Option<Vec<u8>>,
}

type AdaptiveApp<'b, E, D> = App<'b, E, D, { frame_bytes(784) }, Learner<E, D, Nor<Vec<u8>>>>;

impl<'b, E: Half, D: Half + Mirrors<E>> Application<'b> for Adaptive<'b, E, D> {
    fn load(&mut self, blob: &'b [u8]) {
        self.app.load(blob);
        if let Some(flash) = self.flash.take() {
            self.app.keep_in(Nor::new(flash));
        }
    }

    fn push(&mut self, byte: u8) -> Option<&[u8]> {
        self.app.push(byte)
    }
}

/// Makes the application of a topology, with a flash.
struct MakeAdaptive<'b>(Vec<u8>, PhantomData<&'b [u8]>);

impl<'b> Visitor for MakeAdaptive<'b> {
    type Output = Box<dyn Application<'b> + 'b>;

    fn visit<E: Half, D: Half + Mirrors<E>>(self) -> Self::Output {
        Box::new(Adaptive { app: AdaptiveApp::<'b, E, D>::new(), flash: Some(self.0) })
    }
}

/// The application in this process: on a stack of its own, every allocation of its counted.
pub struct InProcess<'b> {
    app: Box<dyn Application<'b> + 'b>,
    stack: Stack,
    /// What comes back. Reserved before the application runs: it is the line's, not the application's.
    answer: Vec<u8>,
}

impl<'b> InProcess<'b> {
    /// Boots the application of a topology with a blob in its flash, a good or a bad one.
    pub fn boot(topology: &str, blob: &'b [u8]) -> Result<Self, LinkError> {
        Self::start(with_topology(topology, Make(PhantomData)), topology, blob)
    }

    /// The same of the encoder alone, with a blob of it.
    pub fn boot_encoder(topology: &str, blob: &'b [u8]) -> Result<Self, LinkError> {
        Self::start(with_topology(topology, MakeEncoder(PhantomData)), topology, blob)
    }

    /// The same with an application that learns and a flash with these contents to keep it in.
    pub fn boot_learning(topology: &str, blob: &'b [u8], flash: Vec<u8>) -> Result<Self, LinkError> {
        Self::start(with_topology(topology, MakeAdaptive(flash, PhantomData)), topology, blob)
    }

    fn start(app: Option<Box<dyn Application<'b> + 'b>>, topology: &str, blob: &'b [u8]) -> Result<Self, LinkError> {
        let app = app.ok_or_else(|| LinkError::Topology(topology.to_owned()))?;
        let mut device = Self { app, stack: Stack::new(), answer: Vec::new() };
        device.guarded(|app, _| app.load(blob))?;
        Ok(device)
    }

    /// Runs a part of the application.
    fn guarded(&mut self, f: impl FnOnce(&mut dyn Application<'b>, &mut Vec<u8>)) -> Result<(), LinkError> {
        let Self { app, stack, answer } = self;
        stack.guard(|| f(&mut **app, answer))
    }
}

impl Link for InProcess<'_> {
    fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError> {
        /// Answers are no longer than this for each byte of a request: the shortest is the one to two bytes of noise,
        /// the longest an image for a code.
        const GROWTH: usize = 16;
        self.answer.clear();
        self.answer.reserve(GROWTH * request.len() + GROWTH);
        self.guarded(|app, answer| {
            for byte in request {
                if let Some(frame) = app.push(*byte) {
                    answer.extend_from_slice(frame);
                }
            }
        })?;
        Ok(&self.answer)
    }

    fn memory(&mut self) -> Result<Memory, LinkError> {
        Ok(Memory { statics: size_of_val(&*self.app), stack: self.stack.used(), heap: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    fn device() -> InProcess<'static> {
        InProcess::boot("small", &[]).unwrap()
    }

    #[test]
    fn an_allocation_is_caught() {
        let outcome = device().guarded(|_, _| drop(black_box(vec![0u8; 100])));
        assert!(matches!(outcome, Err(LinkError::Heap { count: 1, bytes: 100 })), "{outcome:?}");
        // Memory that is only given back was not allocated here.
        let mut boxed = Some(Box::new(1u8));
        device().guarded(|_, _| drop(boxed.take())).unwrap();
    }

    #[test]
    fn a_panic_is_caught() {
        let outcome = device().guarded(|_, _| std::panic::resume_unwind(Box::new(1u8)));
        assert!(matches!(outcome, Err(LinkError::Panic)), "{outcome:?}");
    }

    #[test]
    fn the_static_size_is_that_of_the_type() {
        use autoencoder_core::model::{SmallDecoder, SmallEncoder};
        assert_eq!(device().memory().unwrap().statics, size_of::<App<'_, SmallEncoder, SmallDecoder>>());
        assert!(matches!(InProcess::boot("none", &[]), Err(LinkError::Topology(_))));
    }
}
