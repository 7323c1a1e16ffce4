//! The application as a WebAssembly module: a device in a web page.
//!
//! It takes and gives the same frames as a board. A page uses it in this order:
//!
//! ```text
//! device = create(bytes)            memory for the blob
//! write the blob to blob(device)
//! open(device)                      memory for its network: any network, as far as the browser has memory
//! write the flash to flash(device)  it was erased; what an earlier device kept replaces that
//! boot(device)
//! write a frame to line(device)
//! exchange(device, bytes)           the length of the answer, which is then at line(device)
//! ```
//!
//! A new instance of the module is a new device, as after a power cut. The module imports nothing.
#![no_std]

mod device;
mod memory;
#[path = "../../../firmware-sim/images/src/panic.rs"]
mod panic;

pub use device::Device;
