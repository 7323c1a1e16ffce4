//! The chip: its registers, and the linker's symbols, which are the addresses of the memory regions.
#![allow(unsafe_code)] // registers and linker symbols are raw addresses

#[cfg_attr(target_arch = "arm", path = "chip/cortex_m.rs")]
#[cfg_attr(target_arch = "riscv32", path = "chip/riscv.rs")]
mod processor;

#[cfg(all(target_arch = "arm", not(feature = "microbit")))]
pub(crate) use processor::systick;
pub use processor::{Fault, fault, guard_stack, reset};

use core::ptr::{read_volatile, write_volatile};
use core::slice;
#[cfg(feature = "learn")]
use core::sync::atomic::{AtomicBool, Ordering};

unsafe extern "C" {
    static __sdata: u32;
    static __ebss: u32;
    static _stack_end: u32;
    static _stack_start: u32;
    static _blob: u32;
    static _blob_end: u32;
}

/// The word with which start-up paints the stack.
const PAINT: u32 = 0xcccc_cccc;

/// The end of the stack, at the bottom of the RAM.
fn stack_end() -> usize {
    &raw const _stack_end as usize
}

/// The start of the stack.
fn stack_start() -> usize {
    &raw const _stack_start as usize
}

/// The registers of one device on the processor's bus.
#[derive(Clone, Copy)]
pub(crate) struct Peripheral {
    base: usize,
}

impl Peripheral {
    /// Bytes of the register block.
    const BYTES: usize = 4096;

    /// The device at this address.
    ///
    /// # Safety
    ///
    /// `base` is a multiple of 4 KiB. The 4 KiB from there on belong to one device and hold only registers. Whatever is
    /// written to these, the device never writes to memory by itself.
    pub(crate) const unsafe fn at(base: usize) -> Self {
        Self { base }
    }

    /// Reads the register of 32 bits at this offset from its base.
    pub(crate) fn read(self, offset: usize) -> u32 {
        // SAFETY: by `at`, the address is within a device's registers, and it is aligned.
        unsafe { read_volatile(self.address(offset) as *const u32) }
    }

    /// Writes the register of 32 bits at this offset from its base.
    pub(crate) fn write(self, offset: usize, value: u32) {
        // SAFETY: by `at`, the address is within a device's registers, and writing to them changes no memory.
        unsafe { write_volatile(self.address(offset) as *mut u32, value) }
    }

    /// Reads the register of 8 bits at this offset from its base.
    #[cfg(target_arch = "riscv32")]
    pub(crate) fn read_byte(self, offset: usize) -> u8 {
        // SAFETY: by `at`, the address is within a device's registers.
        unsafe { read_volatile((self.base + offset % Self::BYTES) as *const u8) }
    }

    /// Writes the register of 8 bits at this offset from its base.
    #[cfg(target_arch = "riscv32")]
    pub(crate) fn write_byte(self, offset: usize, value: u8) {
        // SAFETY: by `at`, the address is within a device's registers, and writing to them changes no memory.
        unsafe { write_volatile((self.base + offset % Self::BYTES) as *mut u8, value) }
    }

    /// An aligned address within the device, for any offset.
    const fn address(self, offset: usize) -> usize {
        self.base + offset % Self::BYTES / 4 * 4
    }
}

/// Reads a word of the stack's RAM.
///
/// # Safety
///
/// `address` is a multiple of four, from [`stack_end`] to before [`stack_start`].
unsafe fn stack_word(address: usize) -> u32 {
    // SAFETY: by the linker script, the address is in RAM, and any four bytes are a `u32`.
    unsafe { read_volatile(address as *const u32) }
}

/// The flash that is reserved for the blob, with unchecked contents.
pub fn blob() -> &'static [u8] {
    let (start, end) = (&raw const _blob, &raw const _blob_end);
    // SAFETY: the linker script reserves this flash for the blob. It exists, and nothing writes to it while the program
    // runs.
    unsafe { slice::from_raw_parts(start.cast(), end as usize - start as usize) }
}

/// The memory that stands in for the flash of the learned parameters. Only the first call returns it.
#[cfg(feature = "learn")]
pub fn kept() -> Option<&'static mut [u8]> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    unsafe extern "C" {
        static mut _kept: u8;
        static mut _kept_end: u8;
    }
    if TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    let (start, end) = (&raw mut _kept, &raw mut _kept_end);
    // SAFETY: the linker script reserves this memory, any byte is a `u8`, and there is no other reference to it.
    Some(unsafe { slice::from_raw_parts_mut(start, end as usize - start as usize) })
}

/// Bytes of RAM of everything but the stack.
pub fn static_bytes() -> u32 {
    (&raw const __ebss as usize - &raw const __sdata as usize) as u32
}

/// High-water mark of the stack, in bytes.
pub fn stack_bytes() -> u32 {
    // SAFETY: the addresses are those of the words of the stack.
    let is_paint = |word: &usize| unsafe { stack_word(*word) } == PAINT;
    let untouched = (stack_end()..stack_start()).step_by(4).take_while(is_paint).count();
    (stack_start() - stack_end() - 4 * untouched) as u32
}
