//! The image: start-up, the driver of the line, the application, and nothing else.
//!
//! The blob is not in it. It has a region of the flash of its own and can be replaced alone; if it is missing or bad,
//! the image boots all the same and answers with what is wrong.
#![no_std]
#![no_main]

#[path = "../fault.rs"]
mod fault;
#[path = "../panic.rs"]
mod panic;

use cortex_m_image::{Device, chip, init, serve};
use cortex_m_rt::entry;

#[entry]
fn main() -> ! {
    static mut APP: Device = Device::new();
    init();
    APP.load(chip::blob());
    serve(APP)
}
