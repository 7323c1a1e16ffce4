//! The int8 dense layer on a Cortex-M with the DSP extension, as threaded code.
//!
//! The activations of a row of inputs are written once as an *input program*. It says which weights to skip, which
//! pairs of activations to multiply, and where to jump next. Then every group of four rows of weights follows the
//! program.
//!
//! ```text
//! program = 0 0 0 0  step*  end                        the zeros initialise the sums
//! step    = skip  x x x x  code  (x x x x)*            in brackets: the later blocks of a long step
//! skip    = bytes of weights to skip                   x = two activations, u16 each
//! code    = the routine for the x: ae_run1 to ae_run4 take 1 to 4 of them, ae_blocks1 to ae_blocks4 whole blocks
//! end     = skip  table  offset  end-of-output  -  code FINISH_TABLE or FINISH_CLAMP
//! ```
//!
//! A step ends by loading the next one with `LDM`, including the program counter, so dispatch costs one instruction.
//!
//! ```text
//! r0, r1     L, R of rows 0 and 1      L = Σ low·x        R = Σ (256·high + low)·x, modulo 2^32
//! r2, lr     L, R of rows 2 and 3      at the end: low = L, high = (R - L) >> 8
//! r3-r6      skip; words of weights    r9-r12  x
//! r7         weights                   r8      the program
//! ```
//!
//! This module uses `unsafe` for its assembly, because a compiler neither keeps these sums in registers nor jumps from
//! step to step. The code checks everything that the assembly relies on before it calls it.
#![allow(unsafe_code)]

use super::input_program::{END, LONGEST, dsp_scratch_bytes, program_words};
use super::requantise::{MIDDLE, SIGMOID, offset};
use super::{ChannelParams, Dense, Int8Tile, Kernel, Weights};
use crate::activation::ActivationKind;
use core::arch::{asm, global_asm};
use zerocopy::FromBytes;

// The assembler does not see the compiler's target options for a whole file.
#[cfg(armv8m)]
global_asm!(".cpu cortex-m33");
global_asm!(include_str!("dsp.s"), options(raw));

unsafe extern "C" {
    fn ae_layer(channels: *const ChannelParams, out: *mut u8, program: *const u32, weights: *const Int8Tile);
    fn ae_run1();
    fn ae_run2();
    fn ae_run3();
    fn ae_run4();
    fn ae_blocks1();
    fn ae_blocks2();
    fn ae_blocks3();
    fn ae_blocks4();
    fn ae_finish_table();
    fn ae_finish_clamp();
}

/// The routines for steps of 1, 2, … blocks.
static BLOCKS: [Code; LONGEST] = [ae_blocks1, ae_blocks2, ae_blocks3, ae_blocks4];

/// The kernel for 8-bit weights. The plain loops compute 4-bit weights.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dsp;

impl Dsp {
    /// Writes the program of `x` and discards it. A profiler uses this to measure the part of a layer's work that does not
    /// depend on its outputs.
    #[inline(never)]
    pub fn prepare(&self, x: &[u8], scratch: &mut [u8]) {
        core::hint::black_box(program(words(scratch), x));
    }
}

impl Kernel for Dsp {
    fn scratch_bytes(inputs: usize) -> usize {
        dsp_scratch_bytes(inputs)
    }

    fn dense(&self, layer: &Dense<'_>, x: &[u8], y: &mut [u8], scratch: &mut [u8]) {
        let activation = layer.spec().activation;
        let finish = match activation {
            ActivationKind::Sigmoid => Finish::Table(&SIGMOID),
            ActivationKind::Relu | ActivationKind::Identity => Finish::Clamp(offset(activation, layer.output())),
        };
        match layer.weights() {
            Weights::Int8(weights) => {
                let done = forward(layer.channels(), weights, finish, x, y, words(scratch));
                debug_assert!(done, "the sizes are the layer's, and there is enough scratch");
            }
            Weights::Int4(weights) => layer.forward_int4(weights, x, y),
            Weights::Int8Rows(_) => debug_assert!(false, "this target does not read them"),
        }
    }
}

/// The aligned words within these bytes.
fn words(scratch: &mut [u8]) -> &mut [u32] {
    let at = scratch.as_ptr().align_offset(align_of::<u32>());
    let bytes = scratch.get_mut(at..).unwrap_or_default();
    let length = bytes.len() & !3;
    let bytes = bytes.get_mut(..length).unwrap_or_default();
    <[u32]>::mut_from_bytes(bytes).unwrap_or_default()
}

/// Turns an index into an output.
#[derive(Clone, Copy)]
enum Finish<'a> {
    /// `table[clamp(512 + index, 0, 1023)]`
    Table(&'a [u8; 1024]),
    /// `clamp(offset + index, 0, 255)`
    Clamp(i32),
}

/// `y = finish(x · Wᵀ + b)`. Returns `false` and does nothing unless the lengths match.
#[inline(never)]
fn forward(
    channels: &[ChannelParams],
    weights: &[Int8Tile],
    finish: Finish<'_>,
    x: &[u8],
    y: &mut [u8],
    scratch: &mut [u32],
) -> bool {
    let fits = !y.is_empty()
        && y.len().is_multiple_of(4)
        && x.len().is_multiple_of(4)
        && channels.len() == y.len()
        && weights.len() == x.len() / 4 * (y.len() / 4);
    if !fits {
        return false;
    }
    let Some((len, skip)) = program(scratch, x) else { return false };
    let Some(end) = scratch.get_mut(len..).and_then(|words| words.first_chunk_mut::<END>()) else { return false };
    let out_end = y.as_mut_ptr_range().end as u32;
    let code = |code: Code| code as *const () as u32;
    *end = match finish {
        Finish::Table(table) => [skip, table.as_ptr() as u32, MIDDLE as u32, out_end, 0, code(ae_finish_table)],
        Finish::Clamp(offset) => [skip, 0, offset as u32, out_end, 0, code(ae_finish_clamp)],
    };
    // SAFETY: the lengths were checked; each group of four rows follows a program that passes `x.len()` inputs and ends
    // where `y` does. An index is clamped to the table's 1,024 entries.
    unsafe { ae_layer(channels.as_ptr(), y.as_mut_ptr(), scratch.as_ptr(), weights.as_ptr()) };
    true
}

/// Writes the program of `x` without its end and leaves room for the end. Returns the length in words, and the bytes of
/// weights after the last step.
fn program(scratch: &mut [u32], x: &[u8]) -> Option<(usize, u32)> {
    let room = program_words(x.len()) - END;
    let scratch = scratch.get_mut(..room + END)?.get_mut(..room)?;
    let sparse = if seems_sparse(x) { sparse_program(scratch, x) } else { None };
    sparse.or_else(|| Some((dense_program(scratch, x)?, 0)))
}

/// Whether at least a quarter of a sample of the inputs is zero. Examining all of them is then worthwhile.
fn seems_sparse(x: &[u8]) -> bool {
    const SAMPLES: usize = 16;
    let zeros = x.iter().step_by((x.len() / SAMPLES).max(1)).filter(|x| **x == 0).count();
    4 * zeros >= SAMPLES
}

/// A routine of the assembly.
type Code = unsafe extern "C" fn();

/// Writes a program for every input, in blocks of eight and at most one half block. Returns the length in words.
#[inline(never)]
fn dense_program(scratch: &mut [u32], x: &[u8]) -> Option<usize> {
    let words = scratch.len();
    let (zeros, mut rest) = scratch.split_first_chunk_mut::<4>()?;
    *zeros = [0; 4];
    let (blocks, half) = x.as_chunks::<8>();
    for blocks in blocks.chunks(LONGEST) {
        let (first, others) = blocks.split_first()?;
        let code = *BLOCKS.get(others.len())?;
        let [a, b, c, d] = lanes(first);
        let (step, tail) = rest.split_first_chunk_mut::<6>()?;
        *step = [0, a, b, c, d, code as *const () as u32];
        let (later, tail) = tail.split_at_mut_checked(4 * others.len())?;
        for (x, block) in others.iter().zip(later.as_chunks_mut::<4>().0) {
            *block = lanes(x);
        }
        rest = tail;
    }
    if let Some(half) = half.first_chunk::<4>() {
        let [a, b] = two(u32::from_le_bytes(*half));
        let (step, tail) = rest.split_first_chunk_mut::<6>()?;
        *step = [0, a, b, 0, 0, ae_run2 as Code as *const () as u32];
        rest = tail;
    }
    Some(words - rest.len())
}

/// Writes a program for the pairs that are not zero, if there is room. Returns the length in words, and the bytes of
/// weights after the last pair.
#[inline(never)]
fn sparse_program(scratch: &mut [u32], x: &[u8]) -> Option<(usize, u32)> {
    let (zeros, rest) = scratch.split_first_chunk_mut::<4>()?;
    *zeros = [0; 4];
    let steps = rest.as_chunks_mut::<6>().0;
    let most = steps.len();
    let mut steps = steps.iter_mut();
    let mut x = x;
    let mut left = x.len(); // inputs after the last step
    'program: loop {
        while let Some((head, tail)) = x.split_first_chunk::<8>()
            && u64::from_le_bytes(*head) == 0
        {
            x = tail;
        }
        let mut pair = loop {
            let Some((head, tail)) = x.split_first_chunk::<2>() else { break 'program };
            x = tail;
            let pair = u16::from_le_bytes(*head);
            if pair != 0 {
                break u32::from(pair);
            }
        };
        let [skip, a, b, c, d, code] = steps.next()?;
        *skip = 4 * (left - x.len() - 2) as u32;
        let mut next = |lane: &mut u32| {
            *lane = uxtb16(pair | pair << 8);
            let Some((head, tail)) = x.split_first_chunk::<2>() else { return false };
            pair = u16::from_le_bytes(*head).into();
            if pair != 0 {
                x = tail;
            }
            pair != 0
        };
        let run: Code = if !next(a) {
            ae_run1
        } else if !next(b) {
            ae_run2
        } else if !next(c) {
            ae_run3
        } else {
            *d = uxtb16(pair | pair << 8);
            ae_run4
        };
        *code = run as *const () as u32;
        left = x.len();
    }
    Some((4 + 6 * (most - steps.len()), 4 * left as u32))
}

/// Eight activations as `u16`.
#[inline(always)]
fn lanes(x: &[u8; 8]) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h] = *x;
    let ([p, q], [r, s]) = (two(u32::from_le_bytes([a, b, c, d])), two(u32::from_le_bytes([e, f, g, h])));
    [p, q, r, s]
}

/// Four activations as `u16`, in two words of neighbours.
#[inline(always)]
fn two(x: u32) -> [u32; 2] {
    let (even, odd) = (uxtb16(x), uxtb16_ror8(x));
    [even & 0xffff | odd << 16, even >> 16 | odd & 0xffff_0000]
}

/// Bytes 0 and 2 as `u16`: `UXTB16`. It is assembly because the compiler would load the bytes one by one.
#[inline(always)]
fn uxtb16(x: u32) -> u32 {
    let y;
    // SAFETY: arithmetic on registers.
    unsafe {
        asm!("uxtb16 {y}, {x}", x = in(reg) x, y = lateout(reg) y, options(pure, nomem, nostack, preserves_flags))
    };
    y
}

/// Bytes 1 and 3 as `u16`: `UXTB16` with a rotation.
#[inline(always)]
fn uxtb16_ror8(x: u32) -> u32 {
    let y;
    // SAFETY: arithmetic on registers.
    unsafe {
        asm!("uxtb16 {y}, {x}, ror #8", x = in(reg) x, y = lateout(reg) y, options(pure, nomem, nostack, preserves_flags))
    };
    y
}
