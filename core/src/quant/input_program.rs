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

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted step by step: a step has a skip, four words for each block, and a routine; the last four inputs have a step of
    /// their own.
    #[test]
    fn a_program_has_the_words_of_its_steps() {
        for inputs in (0..400).step_by(4) {
            let (mut words, mut blocks) = (4, inputs / 8);
            while blocks > 0 {
                let step = blocks.min(4);
                words += 1 + 4 * step + 1;
                blocks -= step;
            }
            words += if inputs % 8 == 4 { 1 + 4 + 1 } else { 0 };
            words += 6;
            assert_eq!(dsp_scratch_bytes(inputs), 4 * words + 3, "{inputs}");
        }
    }
}
