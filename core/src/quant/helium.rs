//! The int8 dense layer on a Cortex-M with Helium, its vector extension: a Cortex-M55 or M85.
//!
//! Weights lie row by row ([`rows`](super::rows)). Four rows are multiplied by sixteen inputs in ten instructions, and the
//! four sums become outputs in one vector:
//!
//! ```text
//! r0 x       r2, r3, r5, r7 four rows of weights    r4, r6, r8, r10 their sums    lr the loop
//! r1 y       r9 inputs    r11 the arguments         r12 the rows after these four
//! ```
//!
//! The processor's own loop (`DLSTP`) masks the inputs after the last, so a row may have any length.
//!
//! Firmware has to switch on the floating-point unit first, because Helium uses its registers. `cortex-m-rt` does so at
//! reset for every target with such a unit.
//!
//! This module uses `unsafe` for its assembly, because a compiler has no stable intrinsics for Helium.
#![allow(unsafe_code)]

use super::requantise::{SIGMOID, offset};
use super::{ChannelParams, Dense, Kernel, Weights, dsp};
use crate::activation::ActivationKind;
use core::arch::naked_asm;
use core::ptr;

/// The kernel for 8-bit weights in rows. Weights in the layout of the DSP extension get its kernel, and the plain loops
/// compute 4-bit weights.
#[derive(Clone, Copy, Debug, Default)]
pub struct Helium;

impl Kernel for Helium {
    fn scratch_bytes(inputs: usize) -> usize {
        dsp::Dsp::scratch_bytes(inputs)
    }

    fn dense(&self, layer: &Dense<'_>, x: &[u8], y: &mut [u8], scratch: &mut [u8]) {
        match layer.weights() {
            Weights::Int8Rows(rows) => forward(layer, rows, x, y),
            _ => dsp::Dsp.dense(layer, x, y, scratch),
        }
    }
}

/// The arguments of the assembly, in the order in which it loads them.
#[repr(C)]
struct Arguments {
    channels: *const ChannelParams,
    /// `128·Σ x`, which the assembly computes.
    excess: u32,
    offset: i32,
    /// The table of the sigmoid, or null for an output that is an index within 0..=255.
    table: *const u8,
    x: *const u8,
    y_end: *mut u8,
}

/// `y = σ(x · Wᵀ + b)`. Does nothing unless the lengths match.
fn forward(layer: &Dense<'_>, rows: &[u8], x: &[u8], y: &mut [u8]) {
    let [inputs, outputs] = layer.padded_sizes();
    let fits = !x.is_empty()
        && !y.is_empty()
        && [x.len(), y.len()] == [inputs, outputs]
        && layer.channels.len() == outputs
        && rows.len() / 4 == inputs / 4 * outputs;
    debug_assert!(fits, "the sizes are the layer's");
    if !fits {
        return;
    }
    let activation = layer.spec().activation;
    let mut arguments = Arguments {
        channels: layer.channels.as_ptr(),
        excess: 0,
        offset: offset(activation, layer.output()),
        table: if activation == ActivationKind::Sigmoid { SIGMOID.as_ptr() } else { ptr::null() },
        x: x.as_ptr(),
        y_end: y.as_mut_ptr_range().end,
    };
    // SAFETY: the lengths were checked: four rows of `inputs` weights and four channels for every four outputs. An index is
    // clamped to the table's 1,024 entries.
    unsafe { layer_of_rows(&mut arguments, inputs, rows.as_ptr(), y.as_mut_ptr()) };
}

#[unsafe(naked)]
unsafe extern "C" fn layer_of_rows(arguments: &mut Arguments, inputs: usize, rows: *const u8, y: *mut u8) {
    naked_asm!(
        // The assembler does not see the compiler's target options here.
        ".cpu cortex-m55",
        "push {{r4-r12, lr}}",
        "mov r11, r0",
        "mov r9, r1",
        "mov r12, r2",
        "mov r1, r3",
        // 128·Σ x
        "ldr r0, [r11, #16]",
        "movs r4, #0",
        "dlstp.8 lr, r9",
        "2: vldrb.u8 q0, [r0], #16",
        "vaddva.u8 r4, q0",
        "letp lr, 2b",
        "lsls r4, r4, #7",
        "str r4, [r11, #4]",
        // Four rows.
        "3: ldr r0, [r11, #16]",
        "mov r2, r12",
        "add r3, r2, r9",
        "add r5, r3, r9",
        "add r7, r5, r9",
        "add r12, r7, r9",
        "movs r4, #0",
        "movs r6, #0",
        "mov r8, #0",
        "mov r10, #0",
        "dlstp.8 lr, r9",
        "4: vldrb.u8 q0, [r0], #16",
        "vldrb.u8 q1, [r2], #16",
        "vmladava.u8 r4, q0, q1",
        "vldrb.u8 q2, [r3], #16",
        "vmladava.u8 r6, q0, q2",
        "vldrb.u8 q1, [r5], #16",
        "vmladava.u8 r8, q0, q1",
        "vldrb.u8 q2, [r7], #16",
        "vmladava.u8 r10, q0, q2",
        "letp lr, 4b",
        // index = offset + round((sum - excess + bias) · multiplier / 2^32)
        "ldm r11, {{r0, r2, r3, r5}}",
        "vmov q0[2], q0[0], r4, r8",
        "vmov q0[3], q0[1], r6, r10",
        "vld20.32 {{q1, q2}}, [r0]",
        "vld21.32 {{q1, q2}}, [r0]!",
        "str r0, [r11]",
        "vsub.i32 q0, q0, r2",
        "vadd.i32 q0, q0, q1",
        "vrmulh.s32 q0, q0, q2",
        "vadd.i32 q0, q0, r3",
        // Clamped by a saturating shift to the left and a shift back.
        "cbz r5, 6f",
        "vqshlu.s32 q0, q0, #22",
        "vshr.u32 q0, q0, #22",
        "vldrb.u32 q1, [r5, q0]",
        "5: vstrb.32 q1, [r1], #4",
        "ldr r0, [r11, #20]",
        "cmp r1, r0",
        "bne 3b",
        "pop {{r4-r12, pc}}",
        "6: vqshlu.s32 q0, q0, #24",
        "vshr.u32 q1, q0, #24",
        "b 5b",
    )
}
