//! Arrays of `f32` that begin at a cache line. A vector across two lines would take two reads.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
pub(crate) const CACHE_LINE: usize = 64;

/// An array of numbers, aligned to cache lines.
#[derive(Debug, Default)]
pub struct Aligned {
    /// Up to a line of padding, then the array.
    numbers: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// An array of `len` zeros. Its pages take no memory until they are written.
    pub fn zeroed(len: usize) -> Self {
        const LINE: usize = CACHE_LINE / size_of::<f32>();
        let numbers = vec![0.0; len + LINE];
        let start = numbers.as_ptr().align_offset(CACHE_LINE).min(LINE);
        Self { numbers, start, len }
    }

    /// The first `len` numbers of scratch memory, with any contents. The memory grows if it is too short.
    pub(crate) fn scratch(&mut self, len: usize) -> &mut [f32] {
        if self.len < len {
            *self = Self::zeroed(len);
        }
        &mut self[..len]
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers[self.start..][..self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[self.start..][..self.len]
    }
}

impl Clone for Aligned {
    /// A copy, which is aligned too.
    fn clone(&self) -> Self {
        let mut copy = Self::zeroed(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl PartialEq for Aligned {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_and_their_copies_begin_at_cache_lines() {
        for len in [0, 1, 15, 16, 17, 1000, 100_000] {
            let mut array = Aligned::zeroed(len);
            array.iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
            let copy = array.clone();
            assert_eq!(copy, array);
            for array in [array, copy] {
                assert!(array.as_ptr().addr().is_multiple_of(CACHE_LINE));
                assert_eq!(array.len(), len);
            }
        }
    }

    #[test]
    fn scratch_grows_and_stays_aligned() {
        let mut scratch = Aligned::default();
        for len in [3, 100, 7, 5000] {
            let numbers = scratch.scratch(len);
            assert_eq!(numbers.len(), len);
            assert!(numbers.as_ptr().addr().is_multiple_of(CACHE_LINE));
        }
    }
}
