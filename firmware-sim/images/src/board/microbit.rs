//! micro:bit: the nRF51822's UART on the pins of its USB interface, and its timers.
#![allow(unsafe_code)] // devices are at raw addresses

use crate::chip::Peripheral;

/// Instructions for two ticks of the 16 MHz timer in the emulator's time (`-icount shift=0`: one takes 1 ns).
const INSTRUCTIONS_PER_TWO_TICKS: u64 = 125;

// SAFETY: by the part's manual, these devices are at these addresses. None of them accesses memory; unlike on later
// parts, this includes the UART.
const CRYSTAL: Peripheral = unsafe { Peripheral::at(0x4000_0000) };
const UART: Peripheral = unsafe { Peripheral::at(0x4000_2000) };
const PINS: Peripheral = unsafe { Peripheral::at(0x5000_0000) };
/// The timer that counts as long as the device is on.
const CLOCK: Peripheral = unsafe { Peripheral::at(0x4000_8000) };
/// The timer that expires every ten microseconds, because the emulator then polls its line.
const BEAT: Peripheral = unsafe { Peripheral::at(0x4000_9000) };

mod crystal {
    /// The task that starts it, and the event that it runs.
    pub const START: usize = 0x000;
    pub const RUNS: usize = 0x100;
}

mod timer {
    pub const START: usize = 0x000;
    pub const CAPTURE: usize = 0x040;
    /// Bit 0: the first compare register's match clears the counter.
    pub const SHORTS: usize = 0x200;
    /// 3: 32 bits.
    pub const WIDTH: usize = 0x508;
    pub const PRESCALER: usize = 0x510;
    pub const COMPARE: usize = 0x540;
}

mod uart {
    pub const START_RECEIVER: usize = 0x000;
    pub const START_TRANSMITTER: usize = 0x008;
    pub const RECEIVED: usize = 0x108;
    pub const SENT: usize = 0x11c;
    pub const ENABLE: usize = 0x500;
    /// The pin that sends and the pin that receives.
    pub const PINS: [(usize, u32); 2] = [(0x50c, 24), (0x514, 25)];
    pub const RECEIVE: usize = 0x518;
    pub const SEND: usize = 0x51c;
    pub const BAUD: usize = 0x524;
    /// 115,200 baud.
    pub const BAUD_115200: u32 = 0x01d7_e000;
}

mod pins {
    /// Sets a pin high, and makes it an output.
    pub const OUTPUT: [usize; 2] = [0x508, 0x518];
}

/// Starts the clock and the line, at 115,200 baud.
pub fn init() {
    CRYSTAL.write(crystal::START, 1);
    while CRYSTAL.read(crystal::RUNS) == 0 {}
    CLOCK.write(timer::WIDTH, 3);
    BEAT.write(timer::COMPARE, 160);
    BEAT.write(timer::SHORTS, 1);
    for timer in [CLOCK, BEAT] {
        timer.write(timer::PRESCALER, 0);
        timer.write(timer::START, 1);
    }
    start_line();
}

/// Starts only the line.
pub fn start_line() {
    for register in pins::OUTPUT {
        PINS.write(register, 1 << 24); // an idle line is high
    }
    for (register, pin) in uart::PINS {
        UART.write(register, pin);
    }
    UART.write(uart::BAUD, uart::BAUD_115200);
    UART.write(uart::ENABLE, 4);
    UART.write(uart::START_RECEIVER, 1);
    UART.write(uart::START_TRANSMITTER, 1);
}

/// Sends a byte.
pub fn put(byte: u8) {
    UART.write(uart::SENT, 0);
    UART.write(uart::SEND, byte.into());
    while UART.read(uart::SENT) == 0 {}
}

/// Waits for a byte.
pub fn get() -> u8 {
    while UART.read(uart::RECEIVED) == 0 {}
    UART.write(uart::RECEIVED, 0);
    UART.read(uart::RECEIVE) as u8
}

/// Instructions since the clock was started, modulo 2^32, in steps of a tick. The 32 bits of ticks last 268 s.
pub fn instructions() -> u32 {
    CLOCK.write(timer::CAPTURE, 1);
    (u64::from(CLOCK.read(timer::COMPARE)) * INSTRUCTIONS_PER_TWO_TICKS / 2) as u32
}
