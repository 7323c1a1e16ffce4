//! The reconstruction error of a network over a set of rows, in `f32` and in integers.

use crate::data::Source;
use crate::gemm::Gemm;
use crate::trainer::{SHARD, Trainable, zeroed_box};
use autoencoder_core::blob::{Blob, Mirrors};
use autoencoder_core::layer::Row;
use autoencoder_core::model::Half;
use autoencoder_core::quant::{Affine, code};
use autoencoder_core::{Autoencoder, Error, Layer, Zeroed};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// The MSE of each row: the mean of `(y - x)²` over its elements. A code element has `code_bits` bits.
pub fn errors<N: Trainable>(net: &N, code_bits: u8, source: &impl Source) -> Vec<f32> {
    assert_eq!(source.width(), N::In::LEN, "row width");
    let kernels = Gemm::default();
    let mut errors = vec![0.0; source.rows()];
    errors.par_chunks_mut(SHARD).enumerate().for_each_init(
        || (vec![N::In::ZERO; SHARD], vec![N::Code::ZERO; SHARD], zeroed_box::<N::Acts<SHARD>>()),
        |(x, code, acts), (shard, errors)| {
            let x = &mut x[..errors.len()];
            for (i, x) in x.iter_mut().enumerate() {
                source.copy(shard * SHARD + i, x.elements_mut());
            }
            let y = net.forward_coded(&kernels, x, code_bits, code, acts);
            for ((error, x), y) in errors.iter_mut().zip(&*x).zip(y) {
                *error = mean_squared_error(x.elements(), y.elements());
            }
        },
    );
    errors
}

/// The same for a blob of integers, through the device's own integer code: a row is quantised, encoded, its code packed,
/// unpacked and decoded, and compared with what it was before.
pub fn errors_int8<E: Half, D: Half + Mirrors<E>>(blob: &Blob<'_>, source: &impl Source) -> Result<Vec<f32>, Error> {
    assert_eq!(source.width(), E::In::LEN, "row width");
    let net: Autoencoder<E::Int8<'_>, D::Int8<'_>> = blob.int8::<E, D>()?;
    let (input, bits) = (blob.header().input, blob.header().code_bits);
    let kernels = Gemm::default();
    let mut errors = vec![0.0; source.rows()];
    errors.par_chunks_mut(SHARD).enumerate().for_each_init(
        || (vec![0.0; E::In::LEN], vec![0.0; E::In::LEN], E::In8::ZERO, E::Acts8::ZERO, D::Acts8::ZERO),
        |(x, y, x8, code, out), (shard, errors)| {
            for (i, error) in errors.iter_mut().enumerate() {
                source.copy(shard * SHARD + i, x);
                kernels.vectorise(Quantise { x, affine: input, to: x8.elements_mut() });
                net.encoder.forward::<1>(&kernels, std::slice::from_ref(x8), code);
                let code = E::Int8::output_mut::<1>(code, 1);
                for code in &mut *code {
                    code::pack(code.elements_mut(), bits);
                    code::unpack(code.elements_mut(), bits);
                }
                let out = net.decoder.forward::<1>(&kernels, code, out);
                for (y, q) in y.iter_mut().zip(out[0].elements()) {
                    *y = input.scale * (f32::from(*q) - f32::from(input.zero));
                }
                *error = mean_squared_error(x, y);
            }
        },
    );
    Ok(errors)
}

/// The mean of row errors.
pub fn mean(errors: &[f32]) -> f64 {
    errors.iter().map(|e| f64::from(*e)).sum::<f64>() / errors.len() as f64
}

/// The values that are nearest to `x`, to be compiled for this machine's vector instructions.
struct Quantise<'a> {
    x: &'a [f32],
    affine: Affine,
    to: &'a mut [u8],
}

impl WithSimd for Quantise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, affine, to } = self;
        for (q, x) in to.iter_mut().zip(x) {
            *q = (x / affine.scale + f32::from(affine.zero)).round() as u8; // `as` saturates
        }
    }
}

fn mean_squared_error(x: &[f32], y: &[f32]) -> f32 {
    // Partial sums, as in `loss`, without the slope.
    let mut sums = [0.0f32; 16];
    for (x, y) in x.chunks(16).zip(y.chunks(16)) {
        for ((x, y), sum) in x.iter().zip(y).zip(&mut sums) {
            *sum += (y - x) * (y - x);
        }
    }
    sums.iter().sum::<f32>() / x.len() as f32
}
