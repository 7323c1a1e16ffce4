//! The int8 dense layer on a processor without the DSP extension: a Cortex-M0 or M3, or a RISC-V with multiplication.
//!
//! Two rows of weights share a 16-bit lane ([`int8`](super::int8)). Both the lane and its low byte are multiplied by the
//! activation:
//!
//! ```text
//! R += lane·x                                  Σ (256·high + low)·x, modulo 2^32
//! L += (lane as i8)·x                          Σ low·x
//! at the end: Σ low·x = L, Σ high·x = (R - L) >> 8
//! ```
//!
//! So a weight takes one sign extension and one multiply-accumulate. On RISC-V, the loads extend the sign. The bound of
//! [`int8`](super::int8) makes it exact. Inputs that are zero are skipped: four at a time on a Cortex-M3, two at a time
//! elsewhere, because only a Cortex-M3 may load a word from any address.
//!
//! This module uses `unsafe` for its assembly, because a compiler does not keep these sums in registers.
#![allow(unsafe_code)]

use super::{Dense, Int8Tile, Kernel, Weights};
use core::arch::naked_asm;

/// The kernel for 8-bit weights. The plain loops compute 4-bit weights.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pairs;

impl Kernel for Pairs {
    fn scratch_bytes(_: usize) -> usize {
        0
    }

    fn dense(&self, layer: &Dense<'_>, x: &[u8], y: &mut [u8], _: &mut [u8]) {
        match layer.weights() {
            Weights::Int8(tiles) => {
                let (x, _) = x.as_chunks::<4>();
                let groups = tiles.chunks_exact(x.len().max(1));
                layer.finish(groups.map(|group| sums(x, group)), y); // y = σ(x · Wᵀ + b)
            }
            Weights::Int4(tiles) => layer.forward_int4(tiles, x, y),
            Weights::Int8Rows(_) => debug_assert!(false, "this target does not read them"),
        }
    }
}

/// `Σ x[i]·w[row][i]` for the four rows of a group.
#[inline(always)]
fn sums(x: &[[u8; 4]], group: &[Int8Tile]) -> [i32; 4] {
    let mut sums = [0; 4];
    if let Some(group) = group.get(..x.len()) {
        let x = x.as_ptr_range();
        // SAFETY: there is a tile for every four inputs.
        unsafe { four_rows(x.start, x.end, group.as_ptr(), &mut sums) };
    }
    sums
}

/// Writes the sums of four rows. Reads four inputs from `x` and one tile at a time, until `x` is `end`.
///
/// ```text
/// r0 x, r1 end, r2 weights     r4, r5 L, R of rows 0 and 1     r3, r12, lr x     r10, r11 products' operands
/// stack: sums                  r6, r7 L, R of rows 2 and 3     r8, r9 words of weights
/// ```
#[cfg(all(target_arch = "arm", not(thumb1)))]
#[unsafe(naked)]
unsafe extern "C" fn four_rows(x: *const [u8; 4], end: *const [u8; 4], weights: *const Int8Tile, sums: &mut [i32; 4]) {
    naked_asm!(
        // Two rows by two inputs.
        ".macro ae_two_rows l, r, w",
        "sxth r10, \\w",
        "sxtb r11, \\w",
        "mla \\r, r10, r12, \\r",
        "mla \\l, r11, r12, \\l",
        "asr r10, \\w, #16",
        "sxtb r11, \\w, ror #16",
        "mla \\r, r10, lr, \\r",
        "mla \\l, r11, lr, \\l",
        ".endm",
        ".macro ae_four_rows",
        "ldrd r8, r9, [r2], #8",
        "ae_two_rows r4, r5, r8",
        "ae_two_rows r6, r7, r9",
        ".endm",
        "push {{r3-r11, lr}}",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "b 3f",
        "1: ldr r3, [r0], #4",
        "cbnz r3, 4f",
        "adds r2, #16",
        "3: cmp r0, r1",
        "bne 1b",
        "2: subs r5, r5, r4",
        "asrs r5, r5, #8",
        "subs r7, r7, r6",
        "asrs r7, r7, #8",
        "pop {{r3}}",
        "stm r3, {{r4-r7}}",
        "pop {{r4-r11, pc}}",
        "4: uxtb r12, r3",
        "uxtb lr, r3, ror #8",
        "ae_four_rows",
        "uxtb r12, r3, ror #16",
        "lsr lr, r3, #24",
        "ae_four_rows",
        "cmp r0, r1",
        "bne 1b",
        "b 2b",
        ".purgem ae_two_rows",
        ".purgem ae_four_rows",
    )
}

/// Writes the sums of four rows. Reads four inputs from `x` and one tile at a time, until `x` is `end`.
///
/// ```text
/// r0 x, r1 weights, r12 end    r8, r9 L, R of rows 0 and 1     r2, r3 x          r6 a product
/// stack: sums                  r10, r11 L, R of rows 2 and 3   r4, r5 words of weights
/// ```
#[cfg(thumb1)]
#[unsafe(naked)]
unsafe extern "C" fn four_rows(x: *const [u8; 4], end: *const [u8; 4], weights: *const Int8Tile, sums: &mut [i32; 4]) {
    naked_asm!(
        // Two rows by two inputs.
        ".macro ae_two_rows l, r, w",
        "sxth r6, \\w",
        "muls r6, r2, r6",
        "add \\r, r6",
        "sxtb r6, \\w",
        "muls r6, r2, r6",
        "add \\l, r6",
        "asrs \\w, \\w, #16",
        "sxtb r6, \\w",
        "muls r6, r3, r6",
        "add \\l, r6",
        "muls \\w, r3, \\w",
        "add \\r, \\w",
        ".endm",
        ".macro ae_four_rows at, zero",
        "ldrb r2, [r0, \\at]",
        "ldrb r3, [r0, \\at + 1]",
        "movs r6, r2",
        "orrs r6, r3",
        "beq \\zero",
        "ldm r1!, {{r4, r5}}",
        "ae_two_rows r8, r9, r4",
        "ae_two_rows r10, r11, r5",
        ".endm",
        "push {{r3-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4-r7}}",
        "mov r12, r1",
        "movs r1, r2",
        "movs r4, #0",
        "mov r8, r4",
        "mov r9, r4",
        "mov r10, r4",
        "mov r11, r4",
        "b 4f",
        "1: ae_four_rows 0, 5f",
        "2: ae_four_rows 2, 6f",
        "3: adds r0, #4",
        "4: cmp r0, r12",
        "bne 1b",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "subs r5, r5, r4",
        "asrs r5, r5, #8",
        "subs r7, r7, r6",
        "asrs r7, r7, #8",
        "pop {{r0-r3}}",
        "mov r8, r0",
        "mov r9, r1",
        "mov r10, r2",
        "mov r11, r3",
        "pop {{r0}}",
        "stm r0!, {{r4-r7}}",
        "pop {{r4-r7, pc}}",
        "5: adds r1, #8",
        "b 2b",
        "6: adds r1, #8",
        "b 3b",
        ".purgem ae_two_rows",
        ".purgem ae_four_rows",
    )
}

/// Writes the sums of four rows. Reads four inputs from `x` and one tile at a time, until `x` is `end`.
///
/// ```text
/// a0 x, a1 end, a2 weights, a3 sums     t0, t1 L, R of rows 0 and 1     t4, t5 x     a4, a5 products
///                                       t2, t3 L, R of rows 2 and 3
/// ```
#[cfg(target_arch = "riscv32")]
#[unsafe(naked)]
unsafe extern "C" fn four_rows(x: *const [u8; 4], end: *const [u8; 4], weights: *const Int8Tile, sums: &mut [i32; 4]) {
    naked_asm!(
        // The assembler does not know the target's extensions.
        ".option push",
        ".option arch, +m",
        // Two rows by one input.
        ".macro ae_two_rows l, r, x, at",
        "lh a4, \\at(a2)",
        "lb a5, \\at(a2)",
        "mul a4, a4, \\x",
        "mul a5, a5, \\x",
        "add \\r, \\r, a4",
        "add \\l, \\l, a5",
        ".endm",
        ".macro ae_four_rows input, at, zero",
        "lbu t4, \\input(a0)",
        "lbu t5, \\input + 1(a0)",
        "or a4, t4, t5",
        "beqz a4, \\zero",
        "ae_two_rows t0, t1, t4, \\at",
        "ae_two_rows t0, t1, t5, \\at + 2",
        "ae_two_rows t2, t3, t4, \\at + 4",
        "ae_two_rows t2, t3, t5, \\at + 6",
        ".endm",
        "li t0, 0",
        "li t1, 0",
        "li t2, 0",
        "li t3, 0",
        "beq a0, a1, 4f",
        "1: ae_four_rows 0, 0, 2f",
        "2: ae_four_rows 2, 8, 3f",
        "3: addi a0, a0, 4",
        "addi a2, a2, 16",
        "bne a0, a1, 1b",
        "4: sub t1, t1, t0",
        "srai t1, t1, 8",
        "sub t3, t3, t2",
        "srai t3, t3, 8",
        "sw t0, 0(a3)",
        "sw t1, 4(a3)",
        "sw t2, 8(a3)",
        "sw t3, 12(a3)",
        "ret",
        ".purgem ae_two_rows",
        ".purgem ae_four_rows",
        ".option pop",
    )
}
