//! In place of the instructions of `avx512_bf16`, where the processor cannot have them.

use crate::bfloat16::moments::AdamStep;
use crate::bfloat16::{Left, Line, List, NARROW, Part};

/// There is no such value.
#[derive(Clone, Copy, Debug)]
pub enum Bfloat16 {}

impl Bfloat16 {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    pub(crate) fn cut(self, _: &[f32], _: usize, _: &mut [u32], _: &mut [Line], _: usize) {
        match self {}
    }

    pub(crate) fn transpose(self, _: &[u32], _: &mut [Line]) {
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

    pub(crate) fn list_rows(self, _: &[u32], _: usize, _: &mut [u32]) -> usize {
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
