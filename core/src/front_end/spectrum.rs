//! The energies of a windowed spectrum in bands.
//!
//! ```text
//! X[k]  = Σ x[n] · e^(-2πikn/N)                    k = 0 ..= N/2       real FFT
//! Y[k]  = X[k]/2 - (X[k-1] + X[k+1])/4             the spectrum of x[n] · (½ - ½ cos(2πn/N)): Hann's window
//! E[b]  = the mean of |Y[k]|² over band b          k from 1 on
//! f[b]  = log₂ (E[b] + 2^-126)
//! ```
//!
//! A product with a window in time is a convolution in frequency. That of Hann's has three terms, so no table and no cosine
//! is needed. Band `b` of `B` has the bins from `1 + ⌊b·N/2 / B⌋` to `⌊(b + 1)·N/2 / B⌋`.

use microfft::Complex32;
use microfft::real::{rfft_16, rfft_32, rfft_64, rfft_128, rfft_256, rfft_512, rfft_1024};

/// Calls `feature` with the logarithm of each band's mean energy. `x` is overwritten. A length that is no power of two from
/// 16 to 1,024 has no features.
pub(super) fn log_bands(x: &mut [f32], bands: u16, feature: &mut impl FnMut(f32)) {
    let Some(spectrum) = rfft(x) else { return };
    let (half, bands) = (spectrum.len(), usize::from(bands.max(1)));
    // The real part of bin N/2 lies in the imaginary part of bin 0: both bins are real.
    let edges = spectrum.first().map_or([0.0; 2], |first| [first.re, first.im]);
    let bin = |k: usize| match k {
        0 => Complex32::new(edges[0], 0.0),
        k if k == half => Complex32::new(edges[1], 0.0),
        // Of a real signal, the bins beyond N/2 mirror those before it.
        k if k > half => spectrum.get(2 * half - k).copied().unwrap_or_default().conj(),
        k => spectrum.get(k).copied().unwrap_or_default(),
    };
    for band in 0..bands {
        let (from, to) = (1 + band * half / bands, (band + 1) * half / bands);
        let mut energy = 0.0;
        for k in from..=to {
            let (before, here, after) = (bin(k - 1), bin(k), bin(k + 1));
            let re = 0.5 * here.re - 0.25 * (before.re + after.re);
            let im = 0.5 * here.im - 0.25 * (before.im + after.im);
            energy += re * re + im * im;
        }
        let mean = energy / (to + 1 - from) as f32;
        feature(libm::log2f(mean + f32::MIN_POSITIVE));
    }
}

/// The bins 0 to N/2 - 1, in place.
fn rfft(x: &mut [f32]) -> Option<&[Complex32]> {
    Some(match x.len() {
        16 => rfft_16(x.first_chunk_mut()?),
        32 => rfft_32(x.first_chunk_mut()?),
        64 => rfft_64(x.first_chunk_mut()?),
        128 => rfft_128(x.first_chunk_mut()?),
        256 => rfft_256(x.first_chunk_mut()?),
        512 => rfft_512(x.first_chunk_mut()?),
        1024 => rfft_1024(x.first_chunk_mut()?),
        _ => return None,
    })
}
