//! Small functions that copy memory.
//!
//! The compiler calls these functions by name. Its own versions are unrolled for long blocks and have 300 to 900 bytes,
//! depending on the build of the standard library. The images only copy a row at a time, and sometimes a struct.
#![allow(unsafe_code)] // functions with the names that the compiler calls

use core::arch::global_asm;

// Copies words if both addresses are multiples of four, then the rest in bytes. a0: to, a1: from, a2: count.
#[cfg(target_arch = "riscv32")]
global_asm!(
    ".section .text.memcpy, \"ax\", %progbits",
    ".global memcpy",
    ".type memcpy, %function",
    "memcpy:",
    "mv a3, a0",
    "or a4, a0, a1",
    "andi a4, a4, 3",
    "bnez a4, 4f",
    "li a5, 4",
    "j 2f",
    "1: lw a4, 0(a1)",
    "sw a4, 0(a3)",
    "addi a1, a1, 4",
    "addi a3, a3, 4",
    "addi a2, a2, -4",
    "2: bgeu a2, a5, 1b",
    "j 4f",
    "3: lbu a4, 0(a1)",
    "sb a4, 0(a3)",
    "addi a1, a1, 1",
    "addi a3, a3, 1",
    "addi a2, a2, -1",
    "4: bnez a2, 3b",
    "ret",
);

// Copies words, then the rest in bytes. A Cortex-M0 copies words only if both addresses are multiples of four. r0: to,
// r1: from, r2: count, r3: free.
#[cfg(target_arch = "arm")]
global_asm!(
    ".section .text.__aeabi_memcpy, \"ax\", %progbits",
    ".syntax unified",
    ".thumb",
    ".p2align 1",
    ".macro ae_name name",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    ".endm",
    "ae_name memcpy",
    "ae_name __aeabi_memcpy",
    "ae_name __aeabi_memcpy4",
    "ae_name __aeabi_memcpy8",
    "push {{r0, lr}}",
    ".if {any_address} == 0",
    "movs r3, r0",
    "orrs r3, r1",
    "lsls r3, r3, #30",
    "bne 3f",
    ".endif",
    "b 2f",
    ".if {any_address}",
    "1: ldr r3, [r1], #4",
    "str r3, [r0], #4",
    ".else",
    "1: ldmia r1!, {{r3}}",
    "stmia r0!, {{r3}}",
    ".endif",
    "2: subs r2, #4",
    "bhs 1b",
    "adds r2, #4",
    "b 3f",
    "4: ldrb r3, [r1]",
    "strb r3, [r0]",
    "adds r1, #1",
    "adds r0, #1",
    "3: subs r2, #1",
    "bhs 4b",
    "pop {{r0, pc}}",
    ".purgem ae_name",
    any_address = const if cfg!(armv6m) { 0 } else { 1 },
);
