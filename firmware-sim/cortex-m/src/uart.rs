//! The first UART of the board (CMSDK APB), polled.
#![allow(unsafe_code)] // a device's registers are addresses that no type knows

use core::fmt;
use core::ptr::{read_volatile, write_volatile};

/// What is received or sent.
const DATA: *mut u32 = 0x4000_4000 as *mut u32;
/// Bit 0: the transmitter is full. Bit 1: the receiver is.
const STATE: *mut u32 = 0x4000_4004 as *mut u32;
/// Bit 0: transmit. Bit 1: receive.
const CTRL: *mut u32 = 0x4000_4008 as *mut u32;
/// Cycles of the clock for a bit; at least 16.
const BAUDDIV: *mut u32 = 0x4000_4010 as *mut u32;

fn get(register: *mut u32) -> u32 {
    // SAFETY: only the constants above are passed: registers of this board, whose reading has no effect on memory.
    unsafe { read_volatile(register) }
}

fn set(register: *mut u32, value: u32) {
    // SAFETY: as above; the UART does not write to memory.
    unsafe { write_volatile(register, value) }
}

/// The line to the host, switched on. It waits for whoever does not read.
pub struct Uart(());

// Whoever has a `Uart` has switched it on: that is all that `self` says.
#[allow(clippy::unused_self)]
impl Uart {
    /// Switches it on, as fast as it goes.
    pub fn init() -> Self {
        set(BAUDDIV, 16);
        set(CTRL, 0b11);
        Self(())
    }

    /// Sends a byte.
    pub fn put(&mut self, byte: u8) {
        while get(STATE) & 1 != 0 {}
        set(DATA, byte.into());
    }

    /// Waits for a byte.
    pub fn get(&mut self) -> u8 {
        while get(STATE) & 2 == 0 {}
        get(DATA) as u8
    }
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.put(byte));
        Ok(())
    }
}
