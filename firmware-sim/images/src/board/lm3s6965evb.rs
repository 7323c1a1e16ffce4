//! Stellaris LM3S6965: PL011 UART, and the watchdog as a 32-bit clock, because its timers cannot be read in the
//! emulator.
#![allow(unsafe_code)] // devices are at raw addresses

use crate::chip::{Peripheral, systick};

/// Instructions for each tick of the 12.5 MHz clock in the emulator's time (`-icount shift=0`: one takes 1 ns).
const INSTRUCTIONS_PER_TICK: u32 = 80;

// SAFETY: by the part's manual, these devices are at these addresses. None of them accesses memory.
const SYSTEM: Peripheral = unsafe { Peripheral::at(0x400f_e000) };
const PORT_A: Peripheral = unsafe { Peripheral::at(0x4000_4000) };
const WATCHDOG: Peripheral = unsafe { Peripheral::at(0x4000_0000) };
const UART: Peripheral = unsafe { Peripheral::at(0x4000_c000) };

mod system {
    /// Clock gates: bit 3 of the first is for the watchdog, bit 0 of the second for UART 0, bit 0 of the third for port
    /// A.
    pub const GATES: [(usize, u32); 3] = [(0x100, 1 << 3), (0x104, 1), (0x108, 1)];
}

mod port {
    /// Pins 0 and 1 of port A belong to the UART, and are digital.
    pub const PINS: [usize; 2] = [0x420, 0x51c];
}

mod watchdog {
    pub const LOAD: usize = 0;
    pub const VALUE: usize = 4;
    pub const CONTROL: usize = 8;
}

mod uart {
    /// The byte that is received or sent.
    pub const DATA: usize = 0;
    /// Bit 4: nothing was received. Bit 5: the transmitter is full.
    pub const FLAGS: usize = 0x18;
    /// The divider's integer part, its 64ths, the word length (8 bits), and the enable bits (UART, both directions).
    /// The FIFO stays off: enabling it would empty it and discard bytes that arrived while the board booted.
    pub const SETUP: [(usize, u32); 4] = [(0x24, 6), (0x28, 33), (0x2c, 0b11 << 5), (0x30, 0b11 << 8 | 1)];
}

/// Starts the clock and the line, at 115,200 baud with the internal oscillator of 12 MHz.
pub fn init() {
    for (gate, bit) in system::GATES {
        SYSTEM.write(gate, SYSTEM.read(gate) | bit);
    }
    for pins in port::PINS {
        PORT_A.write(pins, PORT_A.read(pins) | 0b11);
    }
    // It counts downwards. Its interrupt at zero is not enabled.
    WATCHDOG.write(watchdog::LOAD, u32::MAX);
    WATCHDOG.write(watchdog::CONTROL, 1);
    systick(250);
    start_line();
}

/// Starts only the line.
pub fn start_line() {
    for (register, value) in uart::SETUP {
        UART.write(register, value);
    }
}

/// Sends a byte. Waits while the transmitter is full.
pub fn put(byte: u8) {
    while UART.read(uart::FLAGS) & 1 << 5 != 0 {}
    UART.write(uart::DATA, byte.into());
}

/// Waits for a byte.
pub fn get() -> u8 {
    while UART.read(uart::FLAGS) & 1 << 4 != 0 {}
    UART.read(uart::DATA) as u8
}

/// Instructions since the clock was started, modulo 2^32, in steps of a tick.
pub fn instructions() -> u32 {
    (!WATCHDOG.read(watchdog::VALUE)).wrapping_mul(INSTRUCTIONS_PER_TICK)
}
