//! Opens a device that trains.

use super::qemu::Qemu;
use super::serial::Serial;
use super::{Kind, LinkError, ReportStream};
use crate::board::STAND_IN;
use crate::board::firmware::{BoardImages, Program};

/// Connects to a device that trains and tells it to begin. The device is an emulator that runs `program` with these
/// bytes in its flash, or a board whose flash already holds them.
pub fn open(link: &Kind, program: Program, flash: &[u8]) -> Result<Box<dyn ReportStream>, LinkError> {
    let mut device: Box<dyn ReportStream> = if let Kind::Serial(path) = link {
        Box::new(Serial::open(path)?)
    } else {
        Box::new(Qemu::boot(STAND_IN, &BoardImages::training(program)?, program, flash)?)
    };
    device.begin()?;
    Ok(device)
}
