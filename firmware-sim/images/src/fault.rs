//! The fault handler. It reports the fault on the line as text and resets the device.
#![allow(unsafe_code)] // after a fault, there may be no usable stack

use device_image::board;
use device_image::chip::{self, Fault, reset};

#[cfg(target_arch = "arm")]
unsafe extern "C" {
    static _stack_end: u32;
    static _stack_start: u32;
}

/// Passes the stack pointer to the report. Switches to a fresh stack only if the old one has no room for the report,
/// because the report's own frames could otherwise overwrite the saved registers.
// SAFETY: this is the name in cortex-m-rt's vector table. The handler does not return, so no register has to be saved.
#[cfg(target_arch = "arm")]
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

/// On a RISC-V, start-up jumps here with the stack pointer, on a stack that has room.
// SAFETY: this is the name in start-up. It does not return, so no register has to be saved.
#[cfg_attr(target_arch = "riscv32", unsafe(export_name = "HardFault"))]
extern "C" fn report(sp: usize) -> ! {
    match chip::fault(sp) {
        None => last_words("stack overflow", &[]),
        Some(Fault { at, cause: None }) => last_words("fault", &[("at", at)]),
        Some(Fault { at, cause: Some([cause, address]) }) => {
            last_words("fault", &[("at", at), ("cause", cause), ("address", address)])
        }
    }
}

/// Sends text between zero bytes, so that it is a separate frame. It is meant for a person.
fn last_words(what: &str, numbers: &[(&str, u32)]) -> ! {
    board::start_line();
    put("\0");
    put(what);
    for (name, number) in numbers {
        put(" ");
        put(name);
        put(" ");
        for shift in (0..8).rev() {
            let digit = (number >> (4 * shift)) as u8 & 0xf;
            board::put(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
        }
    }
    put("\0");
    reset()
}

fn put(text: &str) {
    text.bytes().for_each(board::put);
}
