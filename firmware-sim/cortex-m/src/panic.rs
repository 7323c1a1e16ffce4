//! The proof that no panic can be reached: the handler calls a function that does not exist, so an image with a reachable
//! panic does not link.
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
