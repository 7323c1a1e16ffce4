//! Stellaris LM3S6965: PL011 UART, and the watchdog as a 32-bit clock, since its timers cannot be read in the emulator.

use crate::chip::{peek, poke, systick};

/// Instructions for each tick of the 12.5 MHz clock in the emulator's time (`-icount shift=0`: one takes 1 ns).
const INSTRUCTIONS_PER_TICK: u32 = 80;

mod system {
    /// Clock gates: bit 3 of the first is the watchdog's, bit 0 of the second UART 0's, bit 0 of the third port A's.
    pub const GATES: [(usize, u32); 3] = [(0x400f_e100, 1 << 3), (0x400f_e104, 1), (0x400f_e108, 1)];
    /// Pins 0 and 1 of port A belong to the UART, and are digital.
    pub const PINS: [usize; 2] = [0x4000_4420, 0x4000_451c];
}

mod watchdog {
    pub const LOAD: usize = 0x4000_0000;
    pub const VALUE: usize = 0x4000_0004;
    pub const CONTROL: usize = 0x4000_0008;
}

mod uart {
    /// What is received or sent.
    pub const DATA: usize = 0x4000_c000;
    /// Bit 4: nothing was received. Bit 5: the transmitter is full.
    pub const FLAGS: usize = 0x4000_c018;
    /// The divider's whole part, its 64ths, the shape of a byte (8 bits, FIFO), and what is on (UART, both ways).
    pub const SETUP: [(usize, u32); 4] =
        [(0x4000_c024, 6), (0x4000_c028, 33), (0x4000_c02c, 0b111 << 4), (0x4000_c030, 0b11 << 8 | 1)];
}

/// Starts the clock, and the line: 115,200 baud with the internal oscillator of 12 MHz.
pub fn init() {
    for (gate, bit) in system::GATES {
        poke(gate, peek(gate) | bit);
    }
    for pins in system::PINS {
        poke(pins, peek(pins) | 0b11);
    }
    // It counts downwards, and only an interrupt that is not enabled would hear of its end.
    poke(watchdog::LOAD, u32::MAX);
    poke(watchdog::CONTROL, 1);
    systick(250);
    start_line();
}

/// Starts the line alone.
pub fn start_line() {
    for (register, value) in uart::SETUP {
        poke(register, value);
    }
}

/// Sends a byte. It waits for whoever does not read.
pub fn put(byte: u8) {
    while peek(uart::FLAGS) & 1 << 5 != 0 {}
    poke(uart::DATA, byte.into());
}

/// Waits for a byte.
pub fn get() -> u8 {
    while peek(uart::FLAGS) & 1 << 4 != 0 {}
    peek(uart::DATA) as u8
}

/// Instructions since the clock was started, modulo 2^32, in steps of a tick.
pub fn instructions() -> u32 {
    (!peek(watchdog::VALUE)).wrapping_mul(INSTRUCTIONS_PER_TICK)
}
