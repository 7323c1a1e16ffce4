//! The image that learns: the application's, with the tables and moments in RAM and a flash that keeps them.
#![no_std]
#![no_main]

#[path = "../fault.rs"]
mod fault;
#[path = "../panic.rs"]
mod panic;

use cortex_m_image::{Decoder, Encoder, chip, init, serve};
use cortex_m_rt::entry;
use firmware_sim::flash::Nor;
use firmware_sim::frame::frame_bytes;
use firmware_sim::{App, Learner};

type Device = App<'static, Encoder, Decoder, { frame_bytes(784) }, Learner<Encoder, Decoder, Nor<&'static mut [u8]>>>;

#[entry]
fn main() -> ! {
    static mut APP: Device = Device::new();
    init();
    APP.load(chip::blob());
    APP.keep_in(Nor::new(chip::kept()));
    serve(APP)
}
