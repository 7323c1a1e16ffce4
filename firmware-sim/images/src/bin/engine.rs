//! The network alone. It opens the blob, then encodes, decodes and scores in a loop.
//!
//! Its size is that of the engine, which is the same for every network. It has neither driver nor protocol, and only
//! start-up code.
#![no_std]
#![no_main]

#[path = "../panic.rs"]
mod panic;

use autoencoder_device::{Codec, Frozen};
use core::hint::black_box;
use device_image::{capacity, chip, entry};

#[entry]
fn main() -> ! {
    static mut MEMORY: [u8; capacity::ENGINE] = [0; capacity::ENGINE];
    let mut engine = Codec::new(MEMORY, Frozen);
    // The compiler must not know the contents.
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
