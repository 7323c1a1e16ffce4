//! A stack of one's own, painted, to see how far the code that runs on it goes.
//!
//! The one module with `unsafe`: moving the stack pointer is a promise that no compiler can check.
#![allow(unsafe_code)]

use super::link::LinkError;
use allocation_counter::measure;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// Far more than the application takes, so that what is measured is its need and not this limit.
const BYTES: usize = 256 * 1024;
/// What no stack is likely to hold by itself.
const PAINT: u128 = 0x5aa5_c33c_9669_f00f_0ff0_6996_3cc3_a55a;

/// Memory to run code on.
pub struct Stack {
    /// Aligned to 16 bytes, as the supported targets want their stacks.
    memory: Box<[u128]>,
}

impl Stack {
    /// Painted from end to end.
    pub fn new() -> Self {
        Self { memory: vec![PAINT; BYTES / size_of::<u128>()].into() }
    }

    /// Runs `f` on this stack. A panic in it is caught and returned, as `thread::join` would.
    pub fn run<R>(&mut self, f: impl FnOnce() -> R) -> thread::Result<R> {
        let (base, bytes) = (self.memory.as_mut_ptr().cast::<u8>(), size_of_val(&*self.memory));
        // SAFETY: `base` is aligned to 16 bytes and `bytes` is a multiple of 16, of memory that is borrowed mutably until
        // the call returns and that nothing else refers to; `catch_unwind` keeps every panic within the callback.
        unsafe { psm::on_stack(base, bytes, || catch_unwind(AssertUnwindSafe(f))) }
    }

    /// Runs a part of the application on this stack: an error if it allocates, panics or overflows it.
    pub fn guard(&mut self, f: impl FnOnce()) -> Result<(), LinkError> {
        let mut outcome = Ok(());
        let heap = measure(|| outcome = self.run(f)); // of this thread alone
        if outcome.is_err() {
            return Err(LinkError::Panic);
        }
        if heap.count_total > 0 {
            return Err(LinkError::Heap { count: heap.count_total, bytes: heap.bytes_total });
        }
        if self.overflowed() { Err(LinkError::StackOverflow) } else { Ok(()) }
    }

    /// Bytes from the end where the stack begins to the furthest that was ever written, to within 16.
    pub fn used(&self) -> usize {
        let untouched = match psm::StackDirection::new() {
            psm::StackDirection::Descending => self.memory.iter().take_while(|word| **word == PAINT).count(),
            psm::StackDirection::Ascending => self.memory.iter().rev().take_while(|word| **word == PAINT).count(),
        };
        (self.memory.len() - untouched) * size_of::<u128>()
    }

    /// Whether the paint at the far end is gone: then what was beyond it may be, too.
    pub fn overflowed(&self) -> bool {
        let far_end = match psm::StackDirection::new() {
            psm::StackDirection::Descending => self.memory.first(),
            psm::StackDirection::Ascending => self.memory.last(),
        };
        far_end != Some(&PAINT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[inline(never)]
    fn with_local<const N: usize>() -> u8 {
        black_box([1u8; N])[black_box(N - 1)]
    }

    #[test]
    fn a_larger_local_is_a_deeper_stack_by_as_much() {
        let depth = |f: fn() -> u8| {
            let mut stack = Stack::new();
            assert_eq!(stack.used(), 0);
            assert_eq!(stack.run(f).unwrap(), 1);
            stack.used()
        };
        let (small, large) = (depth(with_local::<1024>), depth(with_local::<9216>));
        assert!(small >= 1024);
        let difference = large - small;
        assert!((8192..8192 + 64).contains(&difference), "{difference}");
    }

    #[test]
    fn the_deepest_of_several_runs_counts() {
        let mut stack = Stack::new();
        stack.run(with_local::<4096>).unwrap();
        let deepest = stack.used();
        stack.run(with_local::<64>).unwrap();
        assert_eq!(stack.used(), deepest);
        assert!(!stack.overflowed());
    }

    #[test]
    fn a_panic_is_returned() {
        let mut stack = Stack::new();
        let panic = stack.run(|| std::panic::resume_unwind(Box::new(7u8))).map(|()| 0).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&7u8));
        assert_eq!(stack.run(|| 5).unwrap(), 5);
    }
}
