//! The image that learns: the application, with channels and moments in RAM and a flash for the learned channels.
#![no_std]
#![no_main]

#[path = "../fault.rs"]
mod fault;
#[path = "../panic.rs"]
mod panic;

use autoencoder_device::flash::Nor;
use autoencoder_device::learn::LearnerMemory;
use autoencoder_device::{App, Learner, Memory};
use device_image::capacity::learn::{ACTIVATIONS, CHANNELS, FRAME, GRADIENTS, HELD_OUT_BYTES};
use device_image::{chip, entry, init, serve};

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory<ACTIVATIONS, FRAME> = Memory::new();
    static mut LEARNER: LearnerMemory<CHANNELS, GRADIENTS, HELD_OUT_BYTES> = LearnerMemory::new();
    init();
    let mut app = App::new(MEMORY.buffers(), Learner::new(LEARNER.buffers()));
    app.load(chip::blob());
    if let Some(kept) = chip::kept() {
        app.attach_flash(Nor::<_>::new(kept));
    }
    serve(&mut app)
}
