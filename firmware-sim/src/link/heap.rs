//! The heap of this program: it counts what a part of the program allocates, and if the system has no more memory, it says so
//! in one line and ends the program.
//!
//! This module uses `unsafe` because an allocator is an unsafe trait.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Write, stderr};
use std::process;

#[global_allocator]
static HEAP: Heap = Heap;

struct Heap;

/// What a part of the program has allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    pub count: u64,
    pub bytes: u64,
}

thread_local! {
    /// Of this thread, if they are counted. It has no destructor and is there from the start: it needs no memory itself.
    static COUNTED: Cell<Option<Allocations>> = const { Cell::new(None) };
}

/// Counts what a part of the program allocates in this thread. Memory that is only given back does not count.
pub fn count(f: impl FnOnce()) -> Allocations {
    let before = COUNTED.replace(Some(Allocations::default()));
    f();
    COUNTED.replace(before).unwrap_or_default()
}

/// Says that the system refused so many bytes of memory, and ends the process. Called where nothing can be allocated.
fn out_of_memory(bytes: usize) -> ! {
    let _ = writeln!(stderr(), "error: not enough memory: the system refused {bytes} bytes");
    process::exit(1)
}

impl Heap {
    /// Counts what was allocated, and passes it on.
    fn took(bytes: usize, memory: *mut u8) -> *mut u8 {
        if memory.is_null() {
            out_of_memory(bytes);
        }
        // A thread that ends allocates no more.
        let _ = COUNTED.try_with(|counted| {
            if let Some(Allocations { count, bytes: sum }) = counted.get() {
                counted.set(Some(Allocations { count: count + 1, bytes: sum + bytes as u64 }));
            }
        });
        memory
    }
}

// SAFETY: the system's allocator does all of it; what is added neither allocates nor unwinds.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller has promised.
        Self::took(layout.size(), unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller has promised.
        Self::took(layout.size(), unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as the caller has promised.
        Self::took(bytes, unsafe { System.realloc(memory, layout, bytes) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller has promised.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn allocations_of_this_thread_are_counted_and_nothing_else() {
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
