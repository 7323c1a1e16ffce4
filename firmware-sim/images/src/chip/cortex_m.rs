//! A Cortex-M: its vectors, memory protection, timer and fault status.

use super::{Peripheral, stack_end, stack_start, stack_word};
use core::hint::spin_loop;

unsafe extern "C" {
    fn DefaultHandler();
}

/// The board's interrupts, after the processor's own. None is used, but the linker needs the first.
// SAFETY: a handler of the right type, at the place where the processor expects it.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [unsafe extern "C" fn(); 1] = [DefaultHandler];

/// The registers of the processor itself: its timer, its memory protection and its fault status.
// SAFETY: every Cortex-M has its system control space here.
const PROCESSOR: Peripheral = unsafe { Peripheral::at(0xe000_e000) };

/// Makes every access to the 64 KiB below the stack fault. No function has a larger frame. Many boards have no memory
/// there, but an access to it may not fault by itself. A Cortex-M0 has no memory protection, but nothing lies below its
/// stack. A Cortex-M33 has a limit for the stack pointer, which is set before `main`.
pub fn guard_stack() {
    const CONTROL: usize = 0xd94;
    const NUMBER: usize = 0xd98;
    const BASE: usize = 0xd9c;
    const SIZE: usize = 0xda0;
    if cfg!(any(armv6m, armv8m)) {
        return;
    }
    PROCESSOR.write(NUMBER, 0);
    PROCESSOR.write(BASE, stack_end() as u32 - (1 << 16));
    PROCESSOR.write(SIZE, 1 << 28 | 15 << 1 | 1); // no access, no execution, 2^16 bytes, on
    PROCESSOR.write(CONTROL, 0b101); // on, with the default memory map elsewhere
}

/// Makes `SysTick` expire every `cycles` cycles. The emulator polls its line when a timer expires, so one must expire
/// often.
#[cfg(not(feature = "microbit"))] // which has a SysTick only in the emulator
pub(crate) fn systick(cycles: u32) {
    PROCESSOR.write(0x014, cycles);
    PROCESSOR.write(0x018, 0);
    PROCESSOR.write(0x010, 0b101); // the processor's clock, no interrupt, on
}

/// A fault, as the processor reports it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The address of the instruction.
    pub at: u32,
    /// The status register and the address of the access. A Cortex-M0 has neither.
    pub cause: Option<[u32; 2]>,
}

/// Reads the registers that the processor saved at `sp`. Returns `None` if the stack pointer had left the stack.
pub fn fault(sp: usize) -> Option<Fault> {
    /// Bytes of eight words; the seventh is the program counter.
    const SAVED: usize = 32;
    const STATUS: usize = 0xd28;
    const ADDRESS: usize = 0xd38;
    // The stack pointer stops at its limit, and then the processor may have saved nothing.
    let limit = cfg!(armv8m) && PROCESSOR.read(STATUS) & 1 << 20 != 0;
    let on_stack = (stack_end()..=stack_start() - SAVED).contains(&sp) && sp.is_multiple_of(4) && !limit;
    let cause = || [PROCESSOR.read(STATUS), PROCESSOR.read(ADDRESS)];
    // SAFETY: all saved registers are on the stack.
    on_stack.then(|| Fault { at: unsafe { stack_word(sp + 24) }, cause: (!cfg!(armv6m)).then(cause) })
}

/// Resets the processor. The emulator exits.
pub fn reset() -> ! {
    PROCESSOR.write(0xd0c, 0x05fa_0004);
    loop {
        spin_loop();
    }
}
