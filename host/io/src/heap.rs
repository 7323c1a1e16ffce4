//! The heap of both programs: if the system refuses memory, a program says so in one line and ends with exit code 1.
//!
//! Rust would abort the process instead. An allocator must not panic, so no caller can handle the refusal. Ending at any
//! allocation loses nothing: files are replaced whole, and a trained network is saved before it is measured.
//!
//! `unsafe`, because an allocator is an unsafe trait.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::io::{Cursor, Write, stderr};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// The system's allocator, which never returns a null pointer: a refusal ends the program.
///
/// `try_reserve` ends the program, too. Code that can name the use of the memory asks [`is_available`] first.
pub struct Heap;

/// Whether the system gives this many bytes in one piece now.
pub fn is_available(bytes: usize) -> bool {
    let Ok(layout) = Layout::array::<u8>(bytes.max(1)) else { return false };
    // SAFETY: the size is not 0.
    let memory = black_box(unsafe { System.alloc(layout) }); // without `black_box`, the compiler removes the allocation
    if memory.is_null() {
        return false;
    }
    // SAFETY: it was allocated above with this layout.
    unsafe { System.dealloc(memory, layout) };
    true
}

/// Writes the line about the error that ends the program, in one piece.
///
/// Many threads may come here at once. The first one writes, and the others wait for its exit.
pub(crate) fn write_last_line(line: &[u8]) {
    static WRITTEN: AtomicBool = AtomicBool::new(false);
    if WRITTEN.swap(true, Relaxed) {
        thread::sleep(Duration::from_secs(1));
    } else {
        let _ = stderr().write_all(line);
    }
}

/// Ends the process, because the system refused this many bytes. Nothing here allocates.
fn out_of_memory(bytes: usize) -> ! {
    let mut line = Cursor::new([0; 100]);
    let _ = writeln!(line, "error: not enough memory: the system refused {bytes} bytes");
    let length = line.position() as usize;
    write_last_line(&line.get_ref()[..length]);
    process::exit(1)
}

/// Passes on memory that the system gave.
fn checked(bytes: usize, memory: *mut u8) -> *mut u8 {
    if memory.is_null() {
        out_of_memory(bytes);
    }
    memory
}

// SAFETY: the system's allocator does all the work; `checked` neither allocates nor unwinds.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller has promised.
        checked(layout.size(), unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller has promised.
        checked(layout.size(), unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as the caller has promised.
        checked(bytes, unsafe { System.realloc(memory, layout, bytes) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller has promised.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_refuses_more_than_the_address_space() {
        assert!(is_available(0) && is_available(1 << 20));
        assert!(!is_available(isize::MAX.unsigned_abs()) && !is_available(usize::MAX));
    }
}
