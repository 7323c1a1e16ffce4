//! The proof that no panic can be reached. The handler calls a function that does not exist, so an image, or a
//! program in C, with a reachable panic does not link. A WebAssembly module would import the function, and `firmware-sim page` refuses a
//! module that imports anything.
#![allow(unsafe_code)] // a function that is declared but not defined

use core::panic::PanicInfo;

unsafe extern "C" {
    fn a_panic_can_be_reached() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // SAFETY: never called, because a program that calls it does not link, and a module that imports it does not start.
    unsafe { a_panic_can_be_reached() }
}
