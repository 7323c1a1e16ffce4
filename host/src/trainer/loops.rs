//! The loops of a step that are no matrix products, to be compiled for this machine's vector instructions.

use crate::data::Source;
use autoencoder_core::layer::Row;
use autoencoder_core::loss;
use pulp::{Simd, WithSimd};

/// Copies rows of the source into a batch: the first as they are, the others moved.
pub(super) struct Gather<'a, S, R> {
    pub(super) source: &'a S,
    pub(super) rows: &'a [u32],
    pub(super) still: usize,
    pub(super) moved: [isize; 2],
    pub(super) x: &'a mut [R],
}

impl<T: Source, R: Row<Element = f32>> WithSimd for Gather<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        // They lie anywhere: all at once, or each would wait for the one before it.
        self.rows.iter().for_each(|index| self.source.fetch(*index as usize));
        for (i, (x, index)) in self.x.iter_mut().zip(self.rows).enumerate() {
            if i < self.still || self.moved == [0, 0] {
                self.source.copy(*index as usize, x.elements_mut());
            } else {
                self.source.copy_moved(*index as usize, self.moved, x.elements_mut());
            }
        }
    }
}

/// The batch's squared error and its slope.
pub(super) struct Loss<'a, R> {
    pub(super) y: &'a [R],
    pub(super) x: &'a [R],
    pub(super) scale: f32,
    pub(super) d: &'a mut [R],
}

impl<R: Row<Element = f32>> WithSimd for Loss<'_, R> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        let rows = self.y.iter().zip(self.x).zip(self.d);
        rows.map(|((y, x), d)| loss::squared_error(y.elements(), x.elements(), self.scale, d.elements_mut())).sum()
    }
}
