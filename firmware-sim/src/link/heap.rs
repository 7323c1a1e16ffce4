//! The heap of this program, which counts the allocations of a part of the program.
//!
//! It is the heap of both programs ([`autoencoder_io::heap`]) with a counter. This module uses `unsafe` because an
//! allocator is an unsafe trait.
#![allow(unsafe_code)]

use autoencoder_io::heap::Heap;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

#[global_allocator]
static HEAP: CountingHeap = CountingHeap;

struct CountingHeap;

/// The allocations of a part of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    pub count: u64,
    pub bytes: u64,
}

thread_local! {
    /// The allocations of this thread, if they are counted. A constant without a destructor, so it needs no memory of
    /// the heap.
    static COUNTED: Cell<Option<Allocations>> = const { Cell::new(None) };
}

/// Counts what `f` allocates in this thread. Freeing memory does not count.
pub fn count(f: impl FnOnce()) -> Allocations {
    let before = COUNTED.replace(Some(Allocations::default()));
    f();
    COUNTED.replace(before).unwrap_or_default()
}

impl CountingHeap {
    /// Counts an allocation and passes it on.
    fn counted(bytes: usize, memory: *mut u8) -> *mut u8 {
        // A thread that is ending allocates nothing more.
        let _ = COUNTED.try_with(|counted| {
            if let Some(Allocations { count, bytes: sum }) = counted.get() {
                counted.set(Some(Allocations { count: count + 1, bytes: sum + bytes as u64 }));
            }
        });
        memory
    }
}

// SAFETY: the programs' heap does all the work; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        Self::counted(layout.size(), unsafe { Heap.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        Self::counted(layout.size(), unsafe { Heap.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        Self::counted(bytes, unsafe { Heap.realloc(memory, layout, bytes) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        unsafe { Heap.dealloc(memory, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn only_allocations_of_this_thread_are_counted() {
        let outside = black_box(vec![0u8; 10]);
        let counted = count(|| {
            let mut grown = black_box(Vec::<u8>::with_capacity(100));
            grown.reserve_exact(1000);
            drop(black_box((grown, vec![0u8; 7], outside)));
        });
        assert_eq!(counted, Allocations { count: 3, bytes: 1107 });
        assert_eq!(count(|| ()), Allocations::default());
        let inner = count(|| {
            drop(black_box(vec![0u8; 5]));
            assert_eq!(count(|| drop(black_box(vec![0u8; 6]))), Allocations { count: 1, bytes: 6 });
        });
        assert_eq!(inner, Allocations { count: 1, bytes: 5 });
    }
}
