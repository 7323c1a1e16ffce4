//! What happens when something is badly wrong: it is said on the line, as text, and the device begins anew.
#![allow(unsafe_code)] // a fault may mean that there is no stack to handle it on

use crate::chip::{peek, reset, stack_end, stack_start};
use crate::uart::Uart;
use core::fmt::Write;
use core::panic::PanicInfo;

unsafe extern "C" {
    static _stack_end: u32;
    static _stack_start: u32;
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // Without the message: the formatting of them all would take more flash than the application.
    let _ = Uart::init().write_str("\0panic\0");
    reset()
}

/// Hands on where the stack was. Takes a fresh one only if the old one has no room for the report: otherwise the
/// report's own frames would lie over what it reads.
// SAFETY: the name that cortex-m-rt's vector table has for it; it does not return, so no register has to be kept.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn HardFault() -> ! {
    core::arch::naked_asm!(
        "mrs r0, msp",
        "ldr r1, ={end} + 512",
        "cmp r0, r1",
        "bhs 1f",
        "ldr r1, ={start}",
        "msr msp, r1",
        "1:",
        "ldr r1, ={report}",
        "bx r1",
        ".ltorg",
        end = sym _stack_end,
        start = sym _stack_start,
        report = sym report,
    )
}

/// Between zero bytes, so that it is a frame of its own, if one that nobody can read but a person.
extern "C" fn report(sp: usize) -> ! {
    /// Registers that the processor has saved on the stack; the sixth is where it was.
    const SAVED: usize = 32;
    let mut uart = Uart::init();
    let _ = if (stack_end()..=stack_start() - SAVED).contains(&sp) {
        let (cause, at, address) = (peek(0xe000_ed28), peek(sp + 24), peek(0xe000_ed38));
        write!(uart, "\0fault {cause:x} at {at:x}, address {address:x}\0")
    } else {
        uart.write_str("\0stack overflow\0")
    };
    reset()
}
