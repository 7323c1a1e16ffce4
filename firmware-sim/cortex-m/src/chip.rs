//! The processor and the linker's symbols: memory protection, the clock, where things lie.
#![allow(unsafe_code)] // registers and symbols are addresses that no type knows

use core::hint::spin_loop;
use core::ptr::{read_volatile, write_volatile};
use core::slice;

unsafe extern "C" {
    static __sdata: u32;
    static __ebss: u32;
    static _stack_end: u32;
    static _stack_start: u32;
    static _blob: u32;
    static _blob_end: u32;
}

/// What cortex-m-rt paints the stack with.
const PAINT: u32 = 0xcccc_cccc;
/// Instructions for each tick of the clock, in the emulator's time (`-icount shift=0`).
const INSTRUCTIONS_PER_TICK: u32 = 40;
/// The value of the board's first timer (CMSDK APB).
const TIMER: usize = 0x4000_0004;

/// Where the stack ends, at the bottom of the RAM.
pub fn stack_end() -> usize {
    &raw const _stack_end as usize
}

/// Where it begins.
pub fn stack_start() -> usize {
    &raw const _stack_start as usize
}

pub fn peek(address: usize) -> u32 {
    // SAFETY: callers pass registers and words of the stack; reading either changes nothing.
    unsafe { read_volatile(address as *const u32) }
}

fn poke(address: usize, value: u32) {
    // SAFETY: only the functions below call it, with registers that do what they say.
    unsafe { write_volatile(address as *mut u32, value) }
}

/// The flash where the blob belongs, whatever is there.
pub fn blob() -> &'static [u8] {
    let (start, end) = (&raw const _blob, &raw const _blob_end);
    // SAFETY: the linker script reserves this flash for the blob: it is there, and nothing writes to it while we run.
    unsafe { slice::from_raw_parts(start.cast(), end as usize - start as usize) }
}

/// Bytes of RAM of everything that is not the stack.
pub fn static_bytes() -> u32 {
    (&raw const __ebss as usize - &raw const __sdata as usize) as u32
}

/// Bytes of stack that were ever written.
pub fn stack_bytes() -> u32 {
    let untouched = (stack_end()..stack_start()).step_by(4).take_while(|word| peek(*word) == PAINT).count();
    (stack_start() - stack_end() - 4 * untouched) as u32
}

/// Nothing may touch the kilobyte below the stack: there is no memory on many a board, but there may be on this one.
pub fn guard_stack() {
    const NUMBER: usize = 0xe000_ed98;
    const BASE: usize = 0xe000_ed9c;
    const SIZE: usize = 0xe000_eda0;
    const CONTROL: usize = 0xe000_ed94;
    poke(NUMBER, 0);
    poke(BASE, stack_end() as u32 - 1024);
    poke(SIZE, 1 << 28 | 9 << 1 | 1); // no access, no execution, 2^10 bytes, on
    poke(CONTROL, 0b101); // on, and elsewhere the map as it always is
}

/// Starts the clock: the board's first timer, 32 bits, downwards, no interrupt.
pub fn start_clock() {
    const RELOAD: usize = 0x4000_0008;
    const CONTROL: usize = 0x4000_0000;
    poke(RELOAD, u32::MAX);
    poke(TIMER, u32::MAX);
    poke(CONTROL, 1);
    // The emulator looks at its line when one of the board's timers ends, so that one has to end often: `SysTick`.
    poke(0xe000_e014, 250);
    poke(0xe000_e018, 0);
    poke(0xe000_e010, 0b101);
}

/// Instructions since the clock was started, modulo 2^32, in steps of a tick.
pub fn instructions() -> u32 {
    (!peek(TIMER)).wrapping_mul(INSTRUCTIONS_PER_TICK)
}

/// Begins anew; the emulator ends here.
pub fn reset() -> ! {
    poke(0xe000_ed0c, 0x05fa_0004);
    loop {
        spin_loop();
    }
}
