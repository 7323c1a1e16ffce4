//! The int8 dense layer on a Cortex-M with the DSP extension, as threaded code.
//!
//! The activations of one input are written once as a *walk*, a small program that every group of four rows then
//! follows: which weights to pass over, which pairs of activations to multiply, where to go next.
//!
//! ```text
//! walk   = 0 0 0 0  step*  end                         the zeros start the sums
//! step   = skip  x x x x  code  (x x x x)*             what is behind brackets: the later blocks of a long step
//! skip   = bytes of weights to pass over               x = two activations, u16 each
//! code   = what to do with the x: ae_run1 to ae_run4 take 1 to 4 of them, ae_blocks1 to ae_blocks4 whole blocks
//! end    = skip  table  offset  end-of-output  -  code FINISH_TABLE or FINISH_CLAMP
//! ```
//!
//! A step ends by loading the next one with `LDM`, the program counter included: dispatch costs one instruction.
//!
//! ```text
//! r0, r1     L, R of rows 0 and 1      L = Σ low·x        R = Σ (256·high + low)·x, modulo 2^32
//! r2, lr     L, R of rows 2 and 3      at the end: low = L, high = (R - L) >> 8
//! r3-r6      skip; words of weights    r9-r12  x
//! r7         weights                   r8      the walk
//! ```
//!
//! With `unsafe`, and only where there is such a processor: a compiler neither keeps these
//! sums in registers nor jumps from step to step. What the assembly is promised is checked before it is called.
#![allow(unsafe_code)]

use super::requantise::{MIDDLE, SIGMOID, offset};
use super::{Channel, Dense, Quad, Weights, plain_int4};
use crate::activation::ActivationKind;
use crate::{Activation, Kernels, Plain};
use core::arch::{asm, global_asm};
use core::mem::MaybeUninit;

// The assembler of whole files does not know what the compiler was told of the processor.
#[cfg(armv8m)]
global_asm!(".cpu cortex-m33");
global_asm!(include_str!("walk.s"), options(raw));

unsafe extern "C" {
    fn ae_layer(channels: *const Channel, out: *mut u8, walk: *const u32, weights: *const Quad);
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

/// Where a step of 1, 2, … blocks begins.
static BLOCKS: [Code; 4] = [ae_blocks1, ae_blocks2, ae_blocks3, ae_blocks4];
/// Blocks that one step can take.
const LONGEST: usize = BLOCKS.len();

/// Words of the end of a walk.
const END: usize = 6;

/// Words of scratch that a layer of so many inputs needs: a dense walk. A sparse one is taken where it fits in as much.
pub const fn scratch_words(inputs: usize) -> usize {
    let blocks = inputs / 8;
    4 + 4 * blocks + 2 * blocks.div_ceil(LONGEST) + END
}

/// Kernels with `WORDS` of scratch on the stack, for integer layers that need no more ([`scratch_words`]) and whose
/// inputs are a multiple of eight. Every other layer, and `f32`, is left to the plain loops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dsp<const WORDS: usize>;

impl<const WORDS: usize> Dsp<WORDS> {
    /// Writes the walk of `x` and throws it away: the part of a layer's work that its outputs do not multiply, to be
    /// measured alone.
    #[inline(never)]
    pub fn prepare<const I: usize>(&self, x: &[u8; I]) {
        let mut scratch = [const { MaybeUninit::uninit() }; WORDS];
        let walk = scratch.get_mut(..scratch_words(I)).and_then(|scratch| walk(scratch, x));
        core::hint::black_box(walk);
    }
}

impl<const WORDS: usize> Kernels for Dsp<WORDS> {
    fn dense_int8<const I: usize, const O: usize, A: Activation>(
        &self,
        layer: &Dense<'_, I, O, A>,
        x: &[u8; I],
        y: &mut [u8; O],
    ) {
        // Known to the compiler, so that there is the code of one of the two.
        if const { !I.is_multiple_of(8) || scratch_words(I) > WORDS } {
            return Plain.dense_int8(layer, x, y);
        }
        let weights = match layer.weights {
            Weights::Int8(weights) => weights,
            Weights::Int4(weights) => return plain_int4::<A>(weights, layer.channels, layer.output, x, y),
        };
        let finish = match A::KIND {
            ActivationKind::Sigmoid => Finish::Table(&SIGMOID),
            ActivationKind::Relu | ActivationKind::Identity => Finish::Clamp(offset::<A>(layer.output)),
        };
        let mut scratch = [const { MaybeUninit::uninit() }; WORDS];
        if let Some(scratch) = scratch.get_mut(..scratch_words(I)) {
            let done = forward(layer.channels, weights, finish, x, y, scratch);
            debug_assert!(done, "as many weights as the layer's shape has");
        }
    }
}

/// From an index to an output.
#[derive(Clone, Copy)]
enum Finish<'a> {
    /// `table[clamp(512 + index, 0, 1023)]`
    Table(&'a [u8; 1024]),
    /// `clamp(offset + index, 0, 255)`
    Clamp(i32),
}

/// A word of a walk, or none yet.
type Word = MaybeUninit<u32>;

/// `y = finish(x · Wᵀ)`. `false`, and nothing done, unless the lengths fit each other.
#[inline(never)]
fn forward(
    channels: &[Channel],
    weights: &[Quad],
    finish: Finish<'_>,
    x: &[u8],
    y: &mut [u8],
    scratch: &mut [Word],
) -> bool {
    let fits = !y.is_empty()
        && y.len().is_multiple_of(4)
        && x.len().is_multiple_of(8)
        && channels.len() == y.len()
        && weights.len() == x.len() / 4 * (y.len() / 4);
    if !fits {
        return false;
    }
    let Some((len, skip)) = walk(scratch, x) else { return false };
    let Some(end) = scratch.get_mut(len..).and_then(|words| words.first_chunk_mut::<END>()) else { return false };
    let out_end = y.as_mut_ptr_range().end as u32;
    let code = |code: Code| code as *const () as u32;
    *end = match finish {
        Finish::Table(table) => [skip, table.as_ptr() as u32, MIDDLE as u32, out_end, 0, code(ae_finish_table)],
        Finish::Clamp(offset) => [skip, 0, offset as u32, out_end, 0, code(ae_finish_clamp)],
    }
    .map(Word::new);
    // SAFETY: the lengths were checked; each group of four rows follows a walk that passes `x.len()` inputs, all of its
    // words written, and ends where `y` does. An index is clamped to the table's 1,024 entries.
    unsafe { ae_layer(channels.as_ptr(), y.as_mut_ptr(), scratch.as_ptr().cast(), weights.as_ptr()) };
    true
}

/// A walk of `x` but for its end, for which it leaves room. Its length in words, and the bytes of weights behind the last
/// step.
fn walk(scratch: &mut [Word], x: &[u8]) -> Option<(usize, u32)> {
    let room = scratch.len().checked_sub(END)?;
    let scratch = scratch.get_mut(..room)?;
    let sparse = if seems_sparse(x) { sparse_walk(scratch, x) } else { None };
    sparse.or_else(|| Some((dense_walk(scratch, x)?, 0)))
}

/// Whether a quarter of a sample of the inputs is zero: then it is worth while to look at all of them.
fn seems_sparse(x: &[u8]) -> bool {
    const SAMPLES: usize = 16;
    let zeros = x.iter().step_by((x.len() / SAMPLES).max(1)).filter(|x| **x == 0).count();
    4 * zeros >= SAMPLES
}

/// A place in the assembly to go to.
type Code = unsafe extern "C" fn();

/// Every input, in blocks of eight. The length in words.
#[inline(never)]
fn dense_walk(scratch: &mut [Word], x: &[u8]) -> Option<usize> {
    let words = scratch.len();
    let (zeros, mut rest) = scratch.split_first_chunk_mut::<4>()?;
    *zeros = [Word::new(0); 4];
    for x in x.chunks(8 * LONGEST) {
        let (first, others) = x.split_first_chunk::<8>()?;
        let others = others.as_chunks::<8>().0;
        let code = *BLOCKS.get(others.len())?;
        let [a, b, c, d] = lanes(first);
        let (step, tail) = rest.split_first_chunk_mut::<6>()?;
        *step = [0, a, b, c, d, code as *const () as u32].map(Word::new);
        let (blocks, tail) = tail.split_at_mut_checked(4 * others.len())?;
        for (x, block) in others.iter().zip(blocks.as_chunks_mut::<4>().0) {
            *block = lanes(x).map(Word::new);
        }
        rest = tail;
    }
    Some(words - rest.len())
}

/// Only the pairs that are not zero, if there is room. The length in words, and the bytes of weights behind the last.
#[inline(never)]
fn sparse_walk(scratch: &mut [Word], x: &[u8]) -> Option<(usize, u32)> {
    let (zeros, rest) = scratch.split_first_chunk_mut::<4>()?;
    *zeros = [Word::new(0); 4];
    let steps = rest.as_chunks_mut::<6>().0;
    let most = steps.len();
    let mut steps = steps.iter_mut();
    let mut x = x;
    let mut left = x.len(); // where the last step ended
    'walk: loop {
        while let Some((head, tail)) = x.split_first_chunk::<8>()
            && u64::from_le_bytes(*head) == 0
        {
            x = tail;
        }
        let mut pair = loop {
            let Some((head, tail)) = x.split_first_chunk::<2>() else { break 'walk };
            x = tail;
            let pair = u16::from_le_bytes(*head);
            if pair != 0 {
                break u32::from(pair);
            }
        };
        let [skip, a, b, c, d, code] = steps.next()?;
        skip.write(4 * (left - x.len() - 2) as u32);
        let mut next = |lane: &mut Word| {
            lane.write(uxtb16(pair | pair << 8));
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
            d.write(uxtb16(pair | pair << 8));
            ae_run4
        };
        code.write(run as *const () as u32);
        left = x.len();
    }
    Some((4 + 6 * (most - steps.len()), 4 * left as u32))
}

/// Eight activations as `u16`.
#[inline(always)]
fn lanes(x: &[u8; 8]) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h] = *x;
    let two = |x| {
        let (even, odd) = (uxtb16(x), uxtb16_ror8(x));
        [even & 0xffff | odd << 16, even >> 16 | odd & 0xffff_0000]
    };
    let ([p, q], [r, s]) = (two(u32::from_le_bytes([a, b, c, d])), two(u32::from_le_bytes([e, f, g, h])));
    [p, q, r, s]
}

/// Bytes 0 and 2 as `u16`. In assembly, lest the compiler load the bytes one by one.
#[inline(always)]
fn uxtb16(x: u32) -> u32 {
    let y;
    // SAFETY: arithmetic on registers.
    unsafe {
        asm!("uxtb16 {y}, {x}", x = in(reg) x, y = lateout(reg) y, options(pure, nomem, nostack, preserves_flags))
    };
    y
}

/// Bytes 1 and 3 as `u16`.
#[inline(always)]
fn uxtb16_ror8(x: u32) -> u32 {
    let y;
    // SAFETY: arithmetic on registers.
    unsafe {
        asm!("uxtb16 {y}, {x}, ror #8", x = in(reg) x, y = lateout(reg) y, options(pure, nomem, nostack, preserves_flags))
    };
    y
}
