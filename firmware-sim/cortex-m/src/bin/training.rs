//! Training in `f32` on the device, to be held against the host's: takes the blob and the images that lie in flash,
//! says on the line what came of every array, and ends.
//!
//! A network, its gradients and its moments take 3.4 MB: this image has all of the emulated board's memory.
#![no_std]
#![no_main]

#[path = "../chip.rs"]
#[allow(dead_code)] // the application's image uses all of it
mod chip;
#[path = "../uart.rs"]
#[allow(dead_code)]
mod uart;
#[path = "../fault.rs"]
mod fault;

use autoencoder_core::Zeroed;
use autoencoder_core::model::Small;
use core::fmt::Write;
use cortex_m_rt::entry;
use firmware_sim::parity::{IMAGES, Training};
use uart::Uart;

#[entry]
fn main() -> ! {
    static mut TRAINING: Training<Small, IMAGES> = Training::ZERO;
    let mut line = Uart::init();
    let _ = match TRAINING.load(chip::blob()) {
        Ok(()) => TRAINING.run(&mut line),
        Err(error) => writeln!(line, "{error}"),
    };
    chip::reset()
}
