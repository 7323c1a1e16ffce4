//! Opens a device that trains.

use super::qemu::Qemu;
use super::serial::Serial;
use super::{Kind, LinkError, ReportStream};
use crate::board::STAND_IN;
use crate::board::firmware::{BoardImages, Program};

/// Tells the device at the other end of a link to begin: an emulator that runs this program with these bytes in its flash,
/// or a board whose flash has them already.
pub fn open(link: &Kind, program: Program, flash: &[u8]) -> Result<Box<dyn ReportStream>, LinkError> {
    let mut device: Box<dyn ReportStream> = if let Kind::Serial(path) = link {
        Box::new(Serial::open(path)?)
    } else {
        Box::new(Qemu::boot(STAND_IN, &BoardImages::training(program)?, program, flash)?)
    };
    device.begin()?;
    Ok(device)
}
