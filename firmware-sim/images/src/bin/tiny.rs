//! The image that trains a small network from random weights. After a line feed, it trains on the images in flash and
//! reports the error and the trained network in frames. Then it waits for the next line feed.
#![no_std]
#![no_main]

#[path = "../fault.rs"]
mod fault;
#[path = "../panic.rs"]
mod panic;

use autoencoder_core::Zeroed;
use autoencoder_device::frame::{self, frame_bytes};
use autoencoder_device::tiny::{PIXELS, Report, Task, TinyTraining};
use device_image::{PROBES, chip, entry, init, send, wait};

#[entry]
fn main() -> ! {
    static mut TRAINING: TinyTraining = TinyTraining::ZERO;
    init();
    loop {
        wait();
        match Task::read(chip::blob()) {
            Some(task) => TRAINING.train(&task, &PROBES, &mut say),
            None => say(&Report::Task(None)),
        }
    }
}

fn say(report: &Report<'_>) {
    send(frame::write(report, &mut [0; frame_bytes(PIXELS)]).unwrap_or_default());
}
