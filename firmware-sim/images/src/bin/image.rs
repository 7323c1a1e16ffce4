//! The image: start-up code, the line's driver and the application.
//!
//! The blob is not part of the image. It has its own region of the flash and can be replaced alone, even by the blob of
//! another network. If it is missing, bad or too large, the image still boots and answers with the reason.
#![no_std]
#![no_main]

#[path = "../fault.rs"]
mod fault;
#[path = "../panic.rs"]
mod panic;

use autoencoder_device::{App, Frozen, Memory};
use device_image::capacity::{ACTIVATIONS, FRAME};
use device_image::{chip, entry, init, serve};

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory<ACTIVATIONS, FRAME> = Memory::new();
    init();
    let mut app = App::new(MEMORY.buffers(), Frozen);
    app.load(chip::blob());
    serve(&mut app)
}
