//! The shared part of the images: the processor, the board, and the capacities of its RAM.
//!
//! A board is a `memory.x` in `boards/` and a module in `board/`, selected by the feature of its name. An image
//! contains no network; it opens the blob in the board's flash.
#![no_std]

pub mod capacity;
pub mod chip;
mod memory;

#[cfg_attr(
    any(feature = "mps2-an386", feature = "mps2-an386-training", feature = "mps2-an386-tiny", feature = "mps2-an505"),
    path = "board/mps2.rs"
)]
#[cfg_attr(feature = "mps3-an547", path = "board/mps3_an547.rs")]
#[cfg_attr(feature = "microbit", path = "board/microbit.rs")]
#[cfg_attr(feature = "lm3s6965evb", path = "board/lm3s6965evb.rs")]
#[cfg_attr(feature = "virt-riscv32", path = "board/virt_riscv32.rs")]
pub mod board;
#[cfg(any(
    feature = "mps2-an386",
    feature = "mps2-an386-training",
    feature = "mps2-an386-tiny",
    feature = "mps2-an505",
    feature = "mps3-an547"
))]
mod cmsdk_uart;

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
// The macro exports `main` and turns its first statics into references. Nothing of that depends on the processor.
#[cfg(target_arch = "riscv32")]
pub use cortex_m_rt_macros::entry;

use autoencoder_device::input::Input;
use autoencoder_device::learn::Learn;
use autoencoder_device::{App, Probes};

/// The measurements of the board.
pub const PROBES: Probes =
    Probes { static_bytes: chip::static_bytes, stack_bytes: chip::stack_bytes, instructions: board::instructions };

/// The byte that a training image waits for: a line feed.
const BEGIN: u8 = b'\n';

/// Guards the stack and starts the clock and the line. Every image with a line calls this first.
#[inline]
pub fn init() {
    chip::guard_stack();
    board::init();
}

/// Sends bytes.
#[inline]
pub fn send(bytes: &[u8]) {
    bytes.iter().copied().for_each(board::put);
}

/// Waits for the host's line feed.
pub fn wait() {
    while board::get() != BEGIN {}
}

/// Answers every frame from the line. Never returns.
pub fn serve<'b, L: Learn, I: Input<'b>>(app: &mut App<'b, '_, L, I>) -> ! {
    loop {
        for byte in app.push_probed(&PROBES, board::get()).unwrap_or_default() {
            board::put(*byte);
        }
    }
}
