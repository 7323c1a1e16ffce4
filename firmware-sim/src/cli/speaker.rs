//! A device that speaks at length when it is told to begin: one that trains.

use super::boards::STAND_IN;
use super::image::{Images, Program};
use super::link::{Kind, LinkError};
use super::qemu::Qemu;
use super::serial::Serial;

/// What it says, frame by frame.
pub trait Speaker {
    /// Tells it to begin.
    fn begin(&mut self) -> Result<(), LinkError>;

    /// The next frame that it sends.
    fn hear(&mut self) -> Result<Vec<u8>, LinkError>;
}

/// The device at the other end of a link, told to begin: an emulator that runs this program with these bytes in its flash,
/// or a board whose flash has them already.
pub fn open(link: &Kind, program: Program, flash: &[u8]) -> Result<Box<dyn Speaker>, LinkError> {
    let mut device: Box<dyn Speaker> = if let Kind::Serial(path) = link {
        Box::new(Serial::open(path)?)
    } else {
        let (board, target) = STAND_IN.emulated();
        Box::new(Qemu::boot(board, &Images::training(program, target)?, program, flash)?)
    };
    device.begin()?;
    Ok(device)
}
