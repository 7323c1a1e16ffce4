//! micro:bit: the nRF51822's UART on the pins of its USB interface, and its timers.

use crate::chip::{peek, poke};

/// Instructions for two ticks of the 16 MHz timer in the emulator's time (`-icount shift=0`: one takes 1 ns).
const INSTRUCTIONS_PER_TWO_TICKS: u64 = 125;

/// The crystal: the task that starts it, and the event that it runs.
const CRYSTAL: (usize, usize) = (0x4000_0000, 0x4000_0100);

mod timer {
    /// Counts as long as the device is on.
    pub const CLOCK: usize = 0x4000_8000;
    /// Ends every ten microseconds: that is when the emulator looks at its line.
    pub const BEAT: usize = 0x4000_9000;
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
    pub const START_RECEIVER: usize = 0x4000_2000;
    pub const START_TRANSMITTER: usize = 0x4000_2008;
    pub const RECEIVED: usize = 0x4000_2108;
    pub const SENT: usize = 0x4000_211c;
    pub const ENABLE: usize = 0x4000_2500;
    /// Which pin sends, which receives.
    pub const PINS: [(usize, u32); 2] = [(0x4000_250c, 24), (0x4000_2514, 25)];
    pub const RECEIVE: usize = 0x4000_2518;
    pub const SEND: usize = 0x4000_251c;
    pub const BAUD: usize = 0x4000_2524;
    /// 115,200 baud.
    pub const BAUD_115200: u32 = 0x01d7_e000;
}

/// Sets an output, and makes it one.
const OUTPUT: [usize; 2] = [0x5000_0508, 0x5000_0518];

/// Starts the clock, and the line: 115,200 baud.
pub fn init() {
    poke(CRYSTAL.0, 1);
    while peek(CRYSTAL.1) == 0 {}
    poke(timer::CLOCK + timer::WIDTH, 3);
    poke(timer::BEAT + timer::COMPARE, 160);
    poke(timer::BEAT + timer::SHORTS, 1);
    for timer in [timer::CLOCK, timer::BEAT] {
        poke(timer + timer::PRESCALER, 0);
        poke(timer + timer::START, 1);
    }
    start_line();
}

/// Starts the line alone.
pub fn start_line() {
    for register in OUTPUT {
        poke(register, 1 << 24); // high, as a line is when nothing is sent
    }
    for (register, pin) in uart::PINS {
        poke(register, pin);
    }
    poke(uart::BAUD, uart::BAUD_115200);
    poke(uart::ENABLE, 4);
    poke(uart::START_RECEIVER, 1);
    poke(uart::START_TRANSMITTER, 1);
}

/// Sends a byte.
pub fn put(byte: u8) {
    poke(uart::SENT, 0);
    poke(uart::SEND, byte.into());
    while peek(uart::SENT) == 0 {}
}

/// Waits for a byte.
pub fn get() -> u8 {
    while peek(uart::RECEIVED) == 0 {}
    poke(uart::RECEIVED, 0);
    peek(uart::RECEIVE) as u8
}

/// Instructions since the clock was started, modulo 2^32, in steps of a tick. The 32 bits of ticks last 268 s.
pub fn instructions() -> u32 {
    poke(timer::CLOCK + timer::CAPTURE, 1);
    (u64::from(peek(timer::CLOCK + timer::COMPARE)) * INSTRUCTIONS_PER_TWO_TICKS / 2) as u32
}
