//! The image that trains a whole small network: takes the images that lie in flash, says on the line in frames how the
//! error falls and what the network has become, and ends.
#![no_std]
#![no_main]

#[path = "../fault.rs"]
mod fault;
#[path = "../panic.rs"]
mod panic;

use autoencoder_core::Zeroed;
use cortex_m_image::{BOARD, board, chip};
use cortex_m_rt::entry;
use firmware_sim::frame::{self, frame_bytes};
use firmware_sim::whole::{PIXELS, Task, Whole};

#[entry]
fn main() -> ! {
    static mut WHOLE: Whole = Whole::ZERO;
    chip::guard_stack();
    board::init();
    if let Some(task) = Task::read(chip::blob()) {
        WHOLE.train(&task, &BOARD, &mut |report| {
            for byte in frame::write(report, &mut [0; frame_bytes(PIXELS)]).unwrap_or_default() {
                board::put(*byte);
            }
        });
    }
    chip::reset()
}
