//! The CMSDK APB UART of Arm's MPS boards.

use crate::chip::Peripheral;

/// The byte that is received or sent.
const DATA: usize = 0;
/// Bit 0: the transmitter is full. Bit 1: the receiver is full.
const STATE: usize = 4;
/// Bit 0: transmit. Bit 1: receive.
const CONTROL: usize = 8;
/// Cycles of the clock for a bit; at least 16.
const DIVIDER: usize = 16;

/// A UART at an address.
pub(crate) struct Uart(pub Peripheral);

impl Uart {
    /// Starts it at its highest speed.
    pub fn start(&self) {
        self.0.write(DIVIDER, 16);
        self.0.write(CONTROL, 0b11);
    }

    /// Sends a byte. Waits while the transmitter is full.
    pub fn put(&self, byte: u8) {
        while self.0.read(STATE) & 1 != 0 {}
        self.0.write(DATA, byte.into());
    }

    /// Waits for a byte.
    pub fn get(&self) -> u8 {
        while self.0.read(STATE) & 2 == 0 {}
        self.0.read(DATA) as u8
    }
}
