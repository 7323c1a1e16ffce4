//! The network alone: it opens the blob, encodes, decodes and scores, over and over.
//!
//! Its size is that of the engine: there is no driver and no protocol in it, and of cortex-m-rt the start-up alone.
#![no_std]
#![no_main]

#[path = "../panic.rs"]
mod panic;

use core::hint::black_box;
use cortex_m_image::{Engine, chip};
use cortex_m_rt::entry;

#[entry]
fn main() -> ! {
    static mut ENGINE: Engine = Engine::new();
    // So that the compiler cannot know what is there.
    let flash = black_box(chip::blob());
    ENGINE.load(flash);
    loop {
        let row = flash.get(..black_box(0)).unwrap_or_default();
        let _ = black_box(ENGINE.weights());
        let _ = black_box(ENGINE.encode(row));
        let _ = black_box(ENGINE.decode(row));
        let _ = black_box(ENGINE.score(row));
    }
}
