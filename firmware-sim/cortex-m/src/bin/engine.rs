//! The network alone: it opens the blob, encodes, decodes and scores, over and over.
//!
//! Its size is that of the engine, for whatever network: it has no driver and no protocol, and of cortex-m-rt only the
//! start-up.
#![no_std]
#![no_main]

#[path = "../panic.rs"]
mod panic;

use autoencoder_device::{Codec, Frozen};
use core::hint::black_box;
use cortex_m_image::{capacity, chip};
use cortex_m_rt::entry;

#[entry]
fn main() -> ! {
    static mut MEMORY: [u8; capacity::ENGINE] = [0; capacity::ENGINE];
    let mut engine = Codec::new(MEMORY, Frozen);
    // So that the compiler cannot know what is there.
    let flash = black_box(chip::blob());
    engine.load(flash);
    loop {
        let row = flash.get(..black_box(0)).unwrap_or_default();
        let _ = black_box(engine.weights());
        let _ = black_box(engine.encode(row));
        let _ = black_box(engine.decode(row));
        let _ = black_box(engine.score(row));
    }
}
