//! Arm MPS3 with AN547: CMSDK APB UART, and the counter of its subsystem, SSE-300.
#![allow(unsafe_code)] // devices are at raw addresses

use crate::chip::{Peripheral, systick};
use crate::cmsdk_uart::Uart;

// SAFETY: by the manuals of the board and the subsystem, these devices are at these secure addresses. None of them accesses
// memory.
const UART: Uart = Uart(unsafe { Peripheral::at(0x5930_3000) });
const COUNTER: Peripheral = unsafe { Peripheral::at(0x5810_0000) };

mod counter {
    /// Bit 0: on.
    pub const CONTROL: usize = 0;
    /// The lower word of its 64 bits, in ticks of 32 MHz.
    pub const VALUE: usize = 8;
}

/// Starts the clock, and the line at its highest speed.
pub fn init() {
    COUNTER.write(counter::CONTROL, 1);
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

/// Instructions since the clock was started, modulo 2^32, in steps of a tick. In the emulator's time, an instruction takes
/// 1 ns (`-icount shift=0`), and a tick 31.25 ns. The lower 32 bits of ticks last 134 s.
pub fn instructions() -> u32 {
    (u64::from(COUNTER.read(counter::VALUE)) * 125 / 4) as u32
}
