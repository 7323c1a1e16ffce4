//! Arm MPS2 with AN386 and MPS2+ with AN505: CMSDK APB timer and UART.
#![allow(unsafe_code)] // devices are at raw addresses

use crate::chip::{Peripheral, systick};
use crate::cmsdk_uart::Uart;

/// The addresses of its first timer and UART, and its clock in Hz.
#[cfg(not(feature = "mps2-an505"))]
const BOARD: (usize, usize, u32) = (0x4000_0000, 0x4000_4000, 25_000_000);
/// The secure addresses of its first timer and UART, and its clock in Hz.
#[cfg(feature = "mps2-an505")]
const BOARD: (usize, usize, u32) = (0x5000_0000, 0x5020_0000, 20_000_000);

// SAFETY: by the board's manual, its first timer and UART are at these addresses. Neither accesses memory.
const TIMER: Peripheral = unsafe { Peripheral::at(BOARD.0) };
const UART: Uart = Uart(unsafe { Peripheral::at(BOARD.1) });

/// Instructions for each tick of the timer in the emulator's time (`-icount shift=0`: one takes 1 ns).
const INSTRUCTIONS_PER_TICK: u32 = 1_000_000_000 / BOARD.2;

mod timer {
    pub const CONTROL: usize = 0;
    pub const VALUE: usize = 4;
    pub const RELOAD: usize = 8;
}

/// Starts the clock, and the line at its highest speed.
pub fn init() {
    // The timer has 32 bits, counts downwards and raises no interrupt.
    TIMER.write(timer::RELOAD, u32::MAX);
    TIMER.write(timer::VALUE, u32::MAX);
    TIMER.write(timer::CONTROL, 1);
    systick(250);
    start_line();
}

/// Starts only the line.
pub fn start_line() {
    UART.start();
}

/// Sends a byte. Waits while the transmitter is full.
pub fn put(byte: u8) {
    UART.put(byte);
}

/// Waits for a byte.
pub fn get() -> u8 {
    UART.get()
}

/// Instructions since the clock was started, modulo 2^32, in steps of a tick.
pub fn instructions() -> u32 {
    (!TIMER.read(timer::VALUE)).wrapping_mul(INSTRUCTIONS_PER_TICK)
}
