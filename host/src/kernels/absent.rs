//! Stands in for the instructions of `avx512_bf16` on processors that cannot have them.

use super::adam::AdamStep;
use super::layout::{Left, Line, List, NARROW, Part};

/// The proof that the processor has the instructions. It has no value here.
#[derive(Clone, Copy, Debug)]
pub enum Avx512 {}

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    pub(crate) fn multiplies_fast(self) -> bool {
        match self {}
    }

    pub(crate) fn pack_bf16(self, _: &[f32], _: usize, _: &mut [Line], _: &mut [Line], _: usize) {
        match self {}
    }

    pub(crate) fn transpose_tiles(self, _: &[Line], _: &mut [Line]) {
        match self {}
    }

    pub(crate) fn transpose_into(self, _: &[f32], _: &mut [f32], _: usize, _: usize) {
        match self {}
    }

    pub(crate) fn sigmoid(self, _: &mut [f32], _: &[f32]) {
        match self {}
    }

    pub(crate) fn adam(self, _: AdamStep, _: (&mut [f32], &mut [Line]), _: (&[f32], f32), _: &[f32]) -> f32 {
        match self {}
    }

    pub(crate) fn list_tiles(self, _: &[Line], _: usize, _: &mut [u32]) -> usize {
        match self {}
    }

    pub(crate) fn list_columns(self, _: &[Line], _: &mut [List; NARROW]) {
        match self {}
    }

    pub(crate) fn multiply<'a, L: Left, const ROWS: usize, const STRIPS: usize>(
        self,
        _: &(impl Iterator<Item = Part<'a>> + Clone),
        _: usize,
        _: &mut [f32],
    ) {
        match self {}
    }
}
