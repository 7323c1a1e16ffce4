//! The proof that no panic can be reached: its handler calls what does not exist, so that an image with one would not
//! link.
#![allow(unsafe_code)] // a function that is declared and nowhere defined

use core::panic::PanicInfo;

unsafe extern "C" {
    fn a_panic_can_be_reached() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // SAFETY: never called: nothing that calls it can be linked.
    unsafe { a_panic_can_be_reached() }
}
