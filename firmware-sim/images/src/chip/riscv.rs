//! A RISC-V in machine mode: start-up, memory protection and traps.

use super::{stack_end, stack_start};
use core::arch::{asm, global_asm};
use core::hint::spin_loop;

// Paints the stack, copies the statics' initial values, clears the others, and calls `main`. A trap continues on a fresh
// stack if the old one has no room for the report.
global_asm!(
    ".section .start, \"ax\"",
    ".global _start",
    "_start:",
    "la t0, 7f",
    "csrw mtvec, t0",
    "la t0, _stack_pointer",
    "lw sp, 0(t0)",
    "la t0, _stack_end",
    "la t1, _stack_start",
    "li t2, {paint}",
    "1: sw t2, 0(t0)",
    "addi t0, t0, 4",
    "bltu t0, t1, 1b",
    "la t0, __sdata",
    "la t1, __edata",
    "la t2, __sidata",
    "j 3f",
    "2: lw t3, 0(t2)",
    "sw t3, 0(t0)",
    "addi t2, t2, 4",
    "addi t0, t0, 4",
    "3: bltu t0, t1, 2b",
    "la t1, __ebss",
    "j 5f",
    "4: sw zero, 0(t0)",
    "addi t0, t0, 4",
    "5: bltu t0, t1, 4b",
    "call main",
    ".balign 4",
    "7: mv a0, sp",
    "la t0, _stack_end + 512",
    "bgeu a0, t0, 8f",
    "la sp, _stack_start",
    "8: tail HardFault",
    ".global _halt",
    "_halt: j _halt",
    ".balign 4",
    ".global _stack_pointer",
    "_stack_pointer: .word _stack_start",
    paint = const super::PAINT,
);

/// Makes every access to the 64 KiB below the stack fault. No function has a larger frame.
pub fn guard_stack() {
    const BYTES: usize = 1 << 16;
    /// Locked, so that it holds for machine mode, a naturally aligned power of two, no access.
    const CONFIGURATION: usize = 1 << 7 | 3 << 3;
    let region = (stack_end() - BYTES) >> 2 | (BYTES / 8 - 1);
    // SAFETY: access to all other memory stays as it is.
    unsafe {
        asm!("csrw pmpaddr0, {}", "csrw pmpcfg0, {}", in(reg) region, in(reg) CONFIGURATION, options(nomem, nostack));
    }
}

/// A trap, as the processor reports it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The address of the instruction.
    pub at: u32,
    /// The cause, and the address of the access.
    pub cause: Option<[u32; 2]>,
}

/// Reads the registers of a trap. Returns `None` if the stack pointer had left the stack.
pub fn fault(sp: usize) -> Option<Fault> {
    let (at, cause, address): (u32, u32, u32);
    // SAFETY: reads registers.
    unsafe {
        asm!("csrr {}, mepc", "csrr {}, mcause", "csrr {}, mtval", out(reg) at, out(reg) cause, out(reg) address,
            options(nomem, nostack));
    }
    (stack_end()..=stack_start()).contains(&sp).then_some(Fault { at, cause: Some([cause, address]) })
}

/// Resets the board. The emulator exits.
pub fn reset() -> ! {
    crate::board::reset();
    loop {
        spin_loop();
    }
}
