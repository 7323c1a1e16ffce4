//! Training in `f32` on the device, for comparison with the host. After a line feed, it trains on the blob and the
//! images in flash and writes a line of text for every array, and a zero at the end.
//!
//! A network, its gradients and its moments need 3.4 MB, so this program has all of the emulated board's memory.
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
use device_image::{chip, entry, init, send, wait};

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

/// A writer to the line.
struct Line;

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        send(text.as_bytes());
        Ok(())
    }
}

/// The compiler cannot prove that formatting does not panic. The host would notice the missing lines.
#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    chip::reset()
}
