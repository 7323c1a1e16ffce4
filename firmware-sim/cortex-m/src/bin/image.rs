//! The image: start-up, the driver of the line, the application, and nothing else.
//!
//! The blob is not in it. It has a region of the flash of its own and can be replaced alone, by one of another network, too. If
//! it is missing, bad or too large, the image boots all the same and answers with what is wrong.
#![no_std]
#![no_main]

#[path = "../fault.rs"]
mod fault;
#[path = "../panic.rs"]
mod panic;

use autoencoder_device::{App, Frozen, Memory};
use cortex_m_image::capacity::{ACTIVATIONS, FRAME};
use cortex_m_image::{chip, init, serve};
use cortex_m_rt::entry;

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory<ACTIVATIONS, FRAME> = Memory::new();
    init();
    let mut app = App::new(MEMORY.buffers(), Frozen);
    app.load(chip::blob());
    serve(&mut app)
}
