//! Training in `f32` on the device, to be compared with the host's: told to begin, it takes the blob and the images that
//! lie in flash and writes a line of text for every array, with a zero at the end.
//!
//! A network, its gradients and its moments take 3.4 MB: this program has all of the emulated board's memory.
#![no_std]
#![no_main]

#[path = "../fault.rs"]
mod fault;

use autoencoder_core::Zeroed;
use autoencoder_core::model::Small;
use autoencoder_device::parity::IMAGES;
use autoencoder_device::training::Training;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use cortex_m_image::{chip, init, send, wait};
use cortex_m_rt::entry;

#[entry]
fn main() -> ! {
    static mut TRAINING: Training<Small, IMAGES> = Training::ZERO;
    init();
    loop {
        wait();
        let _ = match TRAINING.load(chip::blob()) {
            Ok(()) => TRAINING.write_trace(&mut Line),
            Err(error) => write!(Line, "{error}"),
        };
        send(&[0]);
    }
}

/// What is written goes to the host.
struct Line;

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        send(text.as_bytes());
        Ok(())
    }
}

/// Formatting may panic, for all that the compiler knows; the host misses the lines that do not come.
#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    chip::reset()
}
