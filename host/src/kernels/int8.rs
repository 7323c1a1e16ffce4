//! The integer layer on AVX2. It computes the bytes of the plain loops many times as fast. Weights of 4 bits go through the
//! plain loops, compiled for AVX2.
//!
//! The weights stay in the blob's tiles for a Cortex-M4 ([`autoencoder_core::quant::int8`]): two rows in a lane. Like that
//! processor, AVX2 multiplies the lanes by the inputs and adds neighbours, eight words at a time:
//!
//! ```text
//! both += VPMADDWD(words, x)                   Σ (256·high + low)·x, modulo 2^32
//! low  += VPMADDWD(low bytes of words, x)      Σ low·x
//! at the end: high = (both - low) >> 8         exact while |Σ high·x| < 2^23, which was checked when the blob was made
//! ```

use autoencoder_core::quant::{Dense, Kernel};

/// The fastest integer kernel of this machine. Without AVX2 it runs the plain loops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fast;

impl Kernel for Fast {
    /// Four bytes for each input.
    fn scratch_bytes(inputs: usize) -> usize {
        4 * inputs
    }

    fn dense(&self, layer: &Dense<'_>, x: &[u8], y: &mut [u8], scratch: &mut [u8]) {
        if !avx2::dense(layer, x, y, scratch) {
            layer.forward(x, y);
        }
    }
}

/// Other processors do not have AVX2.
#[cfg(not(target_arch = "x86_64"))]
mod avx2 {
    use autoencoder_core::quant::Dense;

    pub(super) fn dense(_: &Dense<'_>, _: &[u8], _: &mut [u8], _: &mut [u8]) -> bool {
        false
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use autoencoder_core::quant::{Dense, Int4Tile, Int8Tile, Weights, int4, int8};
    use pulp::core_arch::x86::Avx2;
    use pulp::{Arch, NullaryFnOnce, bytemuck::cast};
    use std::arch::x86_64::__m256i;
    use zerocopy::IntoBytes;

    /// Computes `y = σ(x · Wᵀ + b)`. Without AVX2, does nothing and returns false.
    pub(super) fn dense(layer: &Dense<'_>, x: &[u8], y: &mut [u8], scratch: &mut [u8]) -> bool {
        match (Arch::default(), layer.weights()) {
            (Arch::V3(simd), Weights::Int8(tiles)) => {
                simd.vectorize(Product { avx2: simd.avx2, layer, tiles, x, y, scratch });
            }
            #[cfg(feature = "avx512")]
            (Arch::V4(simd), Weights::Int8(tiles)) => {
                simd.vectorize(Product { avx2: simd.avx2, layer, tiles, x, y, scratch });
            }
            (Arch::V3(simd), Weights::Int4(tiles)) => simd.vectorize(Int4Product { layer, tiles, x, y }),
            #[cfg(feature = "avx512")]
            (Arch::V4(simd), Weights::Int4(tiles)) => simd.vectorize(Int4Product { layer, tiles, x, y }),
            _ => return false,
        }
        true
    }

    struct Product<'a> {
        avx2: Avx2,
        layer: &'a Dense<'a>,
        tiles: &'a [Int8Tile],
        x: &'a [u8],
        y: &'a mut [u8],
        scratch: &'a mut [u8],
    }

    impl NullaryFnOnce for Product<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { avx2, layer, tiles, x, y, scratch } = self;
            let (x, _) = x.as_chunks::<4>();
            // The factors of the words of a tile: inputs 0 and 1 twice, inputs 2 and 3 twice.
            let (words, _) = scratch[..16 * x.len()].as_chunks_mut::<16>();
            for (words, x) in words.iter_mut().zip(x) {
                let [a, b, c, d] = x.map(i16::from);
                *words = cast([[a, b], [a, b], [c, d], [c, d]]);
            }
            let pairs = words.as_flattened().as_chunks::<32>().0;
            // No closure: an iterator's adapter is compiled for the oldest machine unless it happens to be inlined.
            let mut sums = Vec::with_capacity(y.len() / 4);
            for tiles in tiles.chunks_exact(x.len().max(1)) {
                let mut acc = eight_words(avx2, pairs, tiles);
                if let (Some(x), Some(tile)) = (x.get(2 * pairs.len()..), tiles.get(2 * pairs.len()..)) {
                    let rest = int8::four_rows(x, tile);
                    acc.iter_mut().zip(rest).for_each(|(acc, rest)| *acc += rest);
                }
                sums.push(acc);
            }
            layer.finish(sums.into_iter(), y);
        }
    }

    struct Int4Product<'a> {
        layer: &'a Dense<'a>,
        tiles: &'a [Int4Tile],
        x: &'a [u8],
        y: &'a mut [u8],
    }

    impl NullaryFnOnce for Int4Product<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { layer, tiles, x, y } = self;
            let sum = x.iter().map(|x| i32::from(*x)).sum();
            let (x, _) = x.as_chunks::<2>();
            let mut sums = Vec::with_capacity(y.len() / 4);
            for tiles in tiles.chunks_exact(x.len().max(1)) {
                sums.push(int4::four_rows(x, sum, tiles));
            }
            layer.finish(sums.into_iter(), y);
        }
    }

    /// `Σ x[i]·w[row][i]` for the four rows of a group and the two tiles of each of `pairs`.
    #[inline(always)]
    fn eight_words(avx2: Avx2, pairs: &[[u8; 32]], group: &[Int8Tile]) -> [i32; 4] {
        let (mut both, mut low): (__m256i, __m256i) = (cast([0i32; 8]), cast([0i32; 8]));
        for (x, tiles) in pairs.iter().zip(group.as_bytes().as_chunks::<32>().0) {
            let (x, words): (__m256i, __m256i) = (cast(*x), cast(*tiles));
            let lows = avx2._mm256_srai_epi16::<8>(avx2._mm256_slli_epi16::<8>(words));
            both = avx2._mm256_add_epi32(both, avx2._mm256_madd_epi16(words, x));
            low = avx2._mm256_add_epi32(low, avx2._mm256_madd_epi16(lows, x));
        }
        // Words 0, 2, 4, 6 belong to rows 0 and 1, the others to rows 2 and 3.
        let [both, low]: [[i32; 8]; 2] = [cast(both), cast(low)];
        let sums = |[a, b, c, d, e, f, g, h]: [i32; 8]| {
            let sum = |words: [i32; 4]| words.into_iter().fold(0, i32::wrapping_add);
            [sum([a, c, e, g]), sum([b, d, f, h])]
        };
        let ([both01, both23], [low01, low23]) = (sums(both), sums(low));
        [low01, both01.wrapping_sub(low01) >> 8, low23, both23.wrapping_sub(low23) >> 8]
    }
}
