//! Arm MPS2 with AN386, MPS2+ with AN505: CMSDK APB timer and UART.

use crate::chip::{peek, poke, systick};

/// Where its first timer and UART are, and its clock in Hz.
#[cfg(not(feature = "mps2-an505"))]
const BOARD: (usize, usize, u32) = (0x4000_0000, 0x4000_4000, 25_000_000);
/// The same; the addresses are the secure ones.
#[cfg(feature = "mps2-an505")]
const BOARD: (usize, usize, u32) = (0x5000_0000, 0x5020_0000, 20_000_000);

/// Instructions for each tick of the timer in the emulator's time (`-icount shift=0`: one takes 1 ns).
const INSTRUCTIONS_PER_TICK: u32 = 1_000_000_000 / BOARD.2;

mod timer {
    use super::BOARD;

    pub const CONTROL: usize = BOARD.0;
    pub const VALUE: usize = BOARD.0 + 4;
    pub const RELOAD: usize = BOARD.0 + 8;
}

mod uart {
    use super::BOARD;

    /// What is received or sent.
    pub const DATA: usize = BOARD.1;
    /// Bit 0: the transmitter is full. Bit 1: the receiver is.
    pub const STATE: usize = BOARD.1 + 4;
    /// Bit 0: transmit. Bit 1: receive.
    pub const CONTROL: usize = BOARD.1 + 8;
    /// Cycles of the clock for a bit; at least 16.
    pub const DIVIDER: usize = BOARD.1 + 16;
}

/// Starts the clock, and the line as fast as it goes.
pub fn init() {
    // 32 bits, downwards, no interrupt.
    poke(timer::RELOAD, u32::MAX);
    poke(timer::VALUE, u32::MAX);
    poke(timer::CONTROL, 1);
    systick(250);
    start_line();
}

/// Starts the line alone.
pub fn start_line() {
    poke(uart::DIVIDER, 16);
    poke(uart::CONTROL, 0b11);
}

/// Sends a byte. It waits for whoever does not read.
pub fn put(byte: u8) {
    while peek(uart::STATE) & 1 != 0 {}
    poke(uart::DATA, byte.into());
}

/// Waits for a byte.
pub fn get() -> u8 {
    while peek(uart::STATE) & 2 == 0 {}
    peek(uart::DATA) as u8
}

/// Instructions since the clock was started, modulo 2^32, in steps of a tick.
pub fn instructions() -> u32 {
    (!peek(timer::VALUE)).wrapping_mul(INSTRUCTIONS_PER_TICK)
}
