//! Stands in for the inner loops on processors that cannot have the instructions.

use super::lists::Entry;
use super::operation::{Dense, Listed};

/// The proof that the processor has the instructions. It has no value here.
#[derive(Clone, Copy, Debug)]
pub enum Dot {}

impl Dot {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        Vec::new()
    }

    pub(super) fn has_avx512(self) -> bool {
        match self {}
    }

    pub(super) fn dense(self, _: Dense<'_>) {
        match self {}
    }

    pub(super) fn list(self, _: &[u32], _: &mut [Entry]) -> usize {
        match self {}
    }

    pub(super) fn listed(self, _: Listed<'_>) {
        match self {}
    }
}
