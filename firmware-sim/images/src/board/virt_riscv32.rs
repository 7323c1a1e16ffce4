//! QEMU's `virt` with a 32-bit RISC-V: UART 16550, core-local timer and test device.
#![allow(unsafe_code)] // devices are at raw addresses

use crate::chip::Peripheral;
use core::arch::asm;

// SAFETY: by the source of the board, these devices are at these addresses. None of them accesses memory.
const TEST: Peripheral = unsafe { Peripheral::at(0x0010_0000) };
const COMPARE: Peripheral = unsafe { Peripheral::at(0x0200_4000) };
const TIME: Peripheral = unsafe { Peripheral::at(0x0200_b000) };
const UART: Peripheral = unsafe { Peripheral::at(0x1000_0000) };

mod timer {
    /// The lower word of each, in ticks of 10 MHz; the upper word follows.
    pub const COMPARE: usize = 0;
    pub const TIME: usize = 0xff8;
}

mod uart {
    /// The byte that is received or sent.
    pub const DATA: usize = 0;
    /// Bit 0: a byte was received. Bit 5: the transmitter is empty.
    pub const STATUS: usize = 5;
    /// The divider's latch on, the divider for 115,200 baud, eight bits. The FIFO stays off: enabling it would empty it and
    /// discard bytes that arrived while the board booted.
    pub const SETUP: [(usize, u8); 4] = [(3, 0x83), (0, 2), (1, 0), (3, 3)];
}

/// Starts the line. The counter of instructions always runs.
pub fn init() {
    start_line();
}

/// Starts only the line.
pub fn start_line() {
    for (register, value) in uart::SETUP {
        UART.write_byte(register, value);
    }
}

/// Sends a byte. Waits while the transmitter is full.
pub fn put(byte: u8) {
    while UART.read_byte(uart::STATUS) & 1 << 5 == 0 {}
    UART.write_byte(uart::DATA, byte);
}

/// Waits for a byte.
pub fn get() -> u8 {
    while UART.read_byte(uart::STATUS) & 1 == 0 {
        beat();
    }
    UART.read_byte(uart::DATA)
}

/// Makes the timer expire every ten microseconds, because the emulator then polls its line. Its interrupt is not enabled.
fn beat() {
    const TICKS: u32 = 100;
    let pending: u32;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, mip", out(reg) pending, options(nomem, nostack)) };
    if pending & 1 << 7 != 0 {
        let (time, carry) = TIME.read(timer::TIME).overflowing_add(TICKS);
        COMPARE.write(timer::COMPARE, time);
        COMPARE.write(timer::COMPARE + 4, TIME.read(timer::TIME + 4) + u32::from(carry));
    }
}

/// Instructions since the board was started, modulo 2^32: the emulator counts them (`-icount shift=0`).
pub fn instructions() -> u32 {
    let instructions;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, minstret", out(reg) instructions, options(nomem, nostack)) };
    instructions
}

/// Resets the board.
pub fn reset() {
    TEST.write(0, 0x7777);
}
