//! The detector: the application with a front end, which takes the samples of a sensor. With the feature `learn`, it also
//! learns, and keeps what it learned in flash.
#![no_std]
#![no_main]

#[path = "../fault.rs"]
mod fault;
#[path = "../panic.rs"]
mod panic;

use autoencoder_device::input::SamplerMemory;
use autoencoder_device::{App, Memory, Sampler};
use device_image::capacity::detector::{ACTIVATIONS, FRAME, NUMBERS, ROW};
use device_image::{chip, entry, init, serve};
#[cfg(feature = "learn")]
use {
    autoencoder_device::flash::Nor,
    autoencoder_device::learn::{Learner, LearnerMemory},
    device_image::capacity::detector::{CHANNELS, GRADIENTS, HELD_OUT_BYTES, STORED_BYTES},
};

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory<ACTIVATIONS, FRAME> = Memory::new();
    static mut WINDOWS: SamplerMemory<NUMBERS, ROW> = SamplerMemory::new();
    #[cfg(feature = "learn")]
    static mut LEARNER: LearnerMemory<CHANNELS, GRADIENTS, HELD_OUT_BYTES, STORED_BYTES> = LearnerMemory::new();
    init();
    #[cfg(feature = "learn")]
    let learner = Learner::new(LEARNER.buffers());
    #[cfg(not(feature = "learn"))]
    let learner = autoencoder_device::Frozen;
    let mut app = App::detector(MEMORY.buffers(), learner, Sampler::new(WINDOWS.buffers()));
    app.load(chip::blob());
    #[cfg(feature = "learn")]
    if let Some(kept) = chip::kept() {
        app.attach_flash(Nor::<_>::new(kept));
    }
    serve(&mut app)
}
