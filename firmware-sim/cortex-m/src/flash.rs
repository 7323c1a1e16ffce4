//! The flash that keeps what was learned: a region of the board's code memory.
//!
//! On this board, in the emulator, the code memory is RAM and can be written without a controller. [`Nor`] sees to it
//! that it behaves as flash. It is loaded before the image starts; where nothing was loaded it is all zeros, which is no
//! record. On a part with real flash, this module is the one that is replaced: by the driver of its controller.
#![allow(unsafe_code)] // the region is a pair of the linker's symbols, which no type knows

use core::slice;
use firmware_sim::flash::Nor;

unsafe extern "C" {
    static mut _store: u8;
    static mut _store_end: u8;
}

/// The region, as flash of 4 KiB pages.
pub type Flash = Nor<&'static mut [u8]>;

/// Takes the region.
///
/// # Safety
///
/// Only one may be taken.
pub unsafe fn take() -> Flash {
    let (start, end) = (&raw mut _store, &raw mut _store_end);
    // SAFETY: the linker script reserves this memory for the store, so that it is there and nobody else's; and the caller
    // takes it once.
    Nor::new(unsafe { slice::from_raw_parts_mut(start, end as usize - start as usize) })
}
