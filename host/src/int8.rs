//! The integer layer with 8-bit weights on this machine's vectors: the bytes of the plain loops, many times as fast.
//!
//! The weights stay as the blob has them, for a Cortex-M4 ([`autoencoder_core::quant::weights`]): two rows in a lane.
//! AVX2 multiplies the lanes by the inputs and adds neighbours as that does, eight words at a time:
//!
//! ```text
//! both += VPMADDWD(words, x)                   Σ (256·high + low)·x, modulo 2^32
//! low  += VPMADDWD(low bytes of words, x)      Σ low·x
//! at the end: high = (both - low) >> 8         exact while |Σ high·x| < 2^23, which was checked when the blob was made
//! ```

use autoencoder_core::Activation;
use autoencoder_core::quant::requantise::{activate, offset};
use autoencoder_core::quant::weights::four_rows;
use autoencoder_core::quant::{Dense, Quad};
use pulp::core_arch::x86::Avx2;
use pulp::{Arch, NullaryFnOnce, bytemuck::cast};
use std::arch::x86_64::__m256i;
use zerocopy::IntoBytes;

/// `y = σ(x · Wᵀ + b)`; on a machine without AVX2 nothing is done, and false returned.
pub(crate) fn dense<const I: usize, const O: usize, A: Activation>(
    arch: Arch,
    layer: &Dense<'_, I, O, A>,
    quads: &[Quad],
    x: &[u8; I],
    y: &mut [u8; O],
) -> bool {
    let avx2 = match arch {
        Arch::V3(simd) => simd.avx2,
        Arch::V4(simd) => simd.avx2,
        _ => return false,
    };
    let op = Product { avx2, layer, quads, x, y };
    match arch {
        Arch::V3(simd) => simd.vectorize(op),
        Arch::V4(simd) => simd.vectorize(op),
        _ => {}
    }
    true
}

struct Product<'a, const I: usize, const O: usize, A> {
    avx2: Avx2,
    layer: &'a Dense<'a, I, O, A>,
    quads: &'a [Quad],
    x: &'a [u8; I],
    y: &'a mut [u8; O],
}

impl<const I: usize, const O: usize, A: Activation> NullaryFnOnce for Product<'_, I, O, A> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { avx2, layer, quads, x, y } = self;
        let (x, _) = x.as_chunks::<4>();
        // What each word of a quad is multiplied by: inputs 0 and 1 twice, inputs 2 and 3 twice.
        let mut words = [[0i16; 2]; I];
        for (words, x) in words.as_chunks_mut::<4>().0.iter_mut().zip(x) {
            let [a, b, c, d] = x.map(i16::from);
            *words = [[a, b], [a, b], [c, d], [c, d]];
        }
        let pairs = words.as_chunks::<8>().0;
        let offset = offset::<A>(layer.output);
        let groups = quads.chunks_exact(x.len().max(1)).zip(layer.channels.as_chunks::<4>().0);
        for ((quads, channels), y) in groups.zip(y.as_chunks_mut::<4>().0) {
            let mut acc = eight_words(avx2, pairs, quads);
            if let (Some(x), Some(quad)) = (x.get(2 * pairs.len()..), quads.get(2 * pairs.len()..)) {
                let rest = four_rows(x, quad);
                acc.iter_mut().zip(rest).for_each(|(acc, rest)| *acc += rest);
            }
            for ((y, channel), acc) in y.iter_mut().zip(channels).zip(acc) {
                *y = activate::<A>(channel.index(acc, offset));
            }
        }
    }
}

/// `Σ x[i]·w[row][i]` for the four rows of a group and two quads for each of `pairs`.
#[inline(always)]
fn eight_words(avx2: Avx2, pairs: &[[[i16; 2]; 8]], group: &[Quad]) -> [i32; 4] {
    let (mut both, mut low): (__m256i, __m256i) = (cast([0i32; 8]), cast([0i32; 8]));
    for (x, quads) in pairs.iter().zip(group.as_bytes().as_chunks::<32>().0) {
        let (x, words): (__m256i, __m256i) = (cast(*x), cast(*quads));
        let lows = avx2._mm256_srai_epi16::<8>(avx2._mm256_slli_epi16::<8>(words));
        both = avx2._mm256_add_epi32(both, avx2._mm256_madd_epi16(words, x));
        low = avx2._mm256_add_epi32(low, avx2._mm256_madd_epi16(lows, x));
    }
    // Words 0, 2, 4, 6 are of rows 0 and 1, the others of rows 2 and 3.
    let [both, low]: [[i32; 8]; 2] = [cast(both), cast(low)];
    let sums = |[a, b, c, d, e, f, g, h]: [i32; 8]| {
        let sum = |words: [i32; 4]| words.into_iter().fold(0, i32::wrapping_add);
        [sum([a, c, e, g]), sum([b, d, f, h])]
    };
    let ([both01, both23], [low01, low23]) = (sums(both), sums(low));
    [low01, both01.wrapping_sub(low01) >> 8, low23, both23.wrapping_sub(low23) >> 8]
}
