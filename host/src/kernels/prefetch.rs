//! Prefetching: a hint that memory will be read soon.
//!
//! `unsafe`, because the instruction takes a pointer.
#![allow(unsafe_code)]

use crate::aligned::CACHE_LINE;

/// Requests these bytes for the second level cache without waiting for them. Machines other than x86-64 read a byte of each
/// line instead.
#[inline(always)]
pub(crate) fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(CACHE_LINE) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            // SAFETY: every x86-64 processor has the instruction, and it does not change what a program computes.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        std::hint::black_box(line[0]);
    }
}
