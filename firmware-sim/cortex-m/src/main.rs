//! The image: start-up, the driver of the line, the application, and nothing else.
//!
//! The blob is not in it. It has a region of the flash of its own and can be replaced alone; if it is missing or bad,
//! the image boots all the same and answers with what is wrong.
#![no_std]
#![no_main]

mod chip;
mod fault;
mod uart;

use autoencoder_core::model;
use cortex_m_rt::entry;
use firmware_sim::{App, Board};
use uart::Uart;

#[cfg(feature = "classic")]
type Device = App<'static, model::Encoder, model::Decoder>;
#[cfg(feature = "small")]
type Device = App<'static, model::SmallEncoder, model::SmallDecoder>;
#[cfg(feature = "anomaly")]
type Device = App<'static, model::AnomalyEncoder, model::AnomalyDecoder>;

const BOARD: Board =
    Board { static_bytes: chip::static_bytes, stack_bytes: chip::stack_bytes, instructions: chip::instructions };

#[entry]
fn main() -> ! {
    static mut APP: Device = Device::new();
    chip::guard_stack();
    chip::start_clock();
    let mut uart = Uart::init();
    APP.load(chip::blob());
    loop {
        let byte = uart.get();
        for byte in APP.push_on(&BOARD, byte).unwrap_or_default() {
            uart.put(*byte);
        }
    }
}
