//! The processor and the linker's symbols: memory protection, and where things lie.
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
    fn DefaultHandler();
}

/// What cortex-m-rt paints the stack with.
const PAINT: u32 = 0xcccc_cccc;

/// The interrupts of the board behind the processor's own: none is used, and the linker wants the first.
// SAFETY: a handler of the right type where the processor looks for it.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [unsafe extern "C" fn(); 1] = [DefaultHandler];

/// Where the stack ends, at the bottom of the RAM.
fn stack_end() -> usize {
    &raw const _stack_end as usize
}

/// Where the stack begins.
fn stack_start() -> usize {
    &raw const _stack_start as usize
}

/// Reads a register or a word of the stack.
pub(crate) fn peek(address: usize) -> u32 {
    // SAFETY: callers pass registers and words of the stack; reading either changes nothing.
    unsafe { read_volatile(address as *const u32) }
}

/// Writes a register.
pub(crate) fn poke(address: usize, value: u32) {
    // SAFETY: only this module and the board's call it, with registers that do what they say and write to no memory.
    unsafe { write_volatile(address as *mut u32, value) }
}

/// The flash that is reserved for the blob, whatever is there.
pub fn blob() -> &'static [u8] {
    let (start, end) = (&raw const _blob, &raw const _blob_end);
    // SAFETY: the linker script reserves this flash for the blob: it is there, and nothing writes to it while we run.
    unsafe { slice::from_raw_parts(start.cast(), end as usize - start as usize) }
}

/// The memory that stands in for a flash, for what was learned. To be called once.
#[cfg(feature = "learn")]
pub fn kept() -> &'static mut [u8] {
    unsafe extern "C" {
        static mut _kept: u8;
        static mut _kept_end: u8;
    }
    let (start, end) = (&raw mut _kept, &raw mut _kept_end);
    // SAFETY: the linker script reserves this memory for it, any byte is a `u8`, and the image calls this once.
    unsafe { slice::from_raw_parts_mut(start, end as usize - start as usize) }
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

/// Lets no access touch what is below the stack, farther than any function's frame goes: many boards have no memory there,
/// but an access need not fault. A Cortex-M0 has no such protection, but nothing is below its stack. A Cortex-M33 has a limit
/// for the stack pointer, which was set before this program began.
pub fn guard_stack() {
    const NUMBER: usize = 0xe000_ed98;
    const BASE: usize = 0xe000_ed9c;
    const SIZE: usize = 0xe000_eda0;
    const CONTROL: usize = 0xe000_ed94;
    if cfg!(any(armv6m, armv8m)) {
        return;
    }
    poke(NUMBER, 0);
    poke(BASE, stack_end() as u32 - (1 << 16));
    poke(SIZE, 1 << 28 | 15 << 1 | 1); // no access, no execution, 2^16 bytes, on
    poke(CONTROL, 0b101); // on, and elsewhere the map as it always is
}

/// Lets `SysTick` end every so many cycles: the emulator looks at its line when a timer ends, so a timer has to end often.
#[cfg(not(feature = "microbit"))] // it has none, but in the emulator
pub(crate) fn systick(cycles: u32) {
    poke(0xe000_e014, cycles);
    poke(0xe000_e018, 0);
    poke(0xe000_e010, 0b101); // the processor's clock, no interrupt, on
}

/// What the processor reports of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The instruction.
    pub at: u32,
    /// Status register and address, where the processor has them: a Cortex-M0 has not.
    pub cause: Option<[u32; 2]>,
}

/// Reads what the processor saved when the stack pointer was `sp`; `None` if it had left the stack.
pub fn fault(sp: usize) -> Option<Fault> {
    /// Eight words; the seventh is the program counter.
    const SAVED: usize = 32;
    const STATUS: usize = 0xe000_ed28;
    // At its limit the stack pointer stays, and nothing need have been saved there.
    let limit = cfg!(armv8m) && peek(STATUS) & 1 << 20 != 0;
    let on_stack = (stack_end()..=stack_start() - SAVED).contains(&sp) && sp.is_multiple_of(4) && !limit;
    let cause = || [peek(STATUS), peek(0xe000_ed38)];
    on_stack.then(|| Fault { at: peek(sp + 24), cause: (!cfg!(armv6m)).then(cause) })
}

/// Resets the processor; the emulator ends here.
pub fn reset() -> ! {
    poke(0xe000_ed0c, 0x05fa_0004);
    loop {
        spin_loop();
    }
}
