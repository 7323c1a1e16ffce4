//! Memory that is never freed, like the statics of a board. Its size is known when the blob is there.
#![allow(unsafe_code)] // makes slices of the pages by which the module's memory grows

use core::arch::wasm32::memory_grow;
use core::{ptr, slice};
use zerocopy::FromZeros;

/// Bytes of a page of WebAssembly memory.
const PAGE: usize = 64 * 1024;

/// `length` zeros. Returns `None` if the browser has no more memory, or if a slice cannot be as long.
pub fn zeros<T: FromZeros>(length: usize) -> Option<&'static mut [T]> {
    const { assert!(align_of::<T>() <= PAGE) };
    let bytes = length.checked_mul(size_of::<T>()).filter(|bytes| isize::try_from(*bytes).is_ok())?;
    if bytes == 0 {
        return Some(&mut []);
    }
    let first = memory_grow::<0>(bytes.div_ceil(PAGE));
    if first == usize::MAX {
        return None;
    }
    let address = ptr::with_exposed_provenance_mut(first * PAGE);
    // SAFETY: the new pages begin at `address`, which is not null, because the memory began with the stack. They are
    // zeroed, which is a value of `T`, aligned to pages, and no longer than `isize::MAX`. Nothing else in this module uses
    // them, because it has no allocator and calls `memory_grow` only here. They stay as long as the module does.
    Some(unsafe { slice::from_raw_parts_mut(address, length) })
}
