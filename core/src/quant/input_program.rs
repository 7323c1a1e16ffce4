//! The length of an input program, which the kernel for the DSP extension writes into its scratch. A host computes it to
//! plan the memory of a device.

/// Blocks that one step can take.
pub(super) const LONGEST: usize = 4;
/// Words of the end of a program.
pub(super) const END: usize = 6;

/// Words of a program for all of `inputs`, a multiple of four. A program that skips zeros is used only if it fits this
/// length.
pub(super) const fn program_words(inputs: usize) -> usize {
    let blocks = inputs / 8;
    let rest = if inputs.is_multiple_of(8) { 0 } else { 6 };
    4 + 4 * blocks + 2 * blocks.div_ceil(LONGEST) + rest + END
}

/// Bytes of scratch that the kernel for the DSP extension needs for a layer of `inputs` inputs, a multiple of four: those
/// of the longest program, and of its alignment to a word.
pub const fn dsp_scratch_bytes(inputs: usize) -> usize {
    4 * program_words(inputs) + 3
}
