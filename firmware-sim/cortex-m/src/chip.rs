//! The processor and the linker's symbols: memory protection, and the addresses of the memory regions.
#![allow(unsafe_code)] // registers and linker symbols are raw addresses

use core::hint::spin_loop;
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
    fn DefaultHandler();
}

/// The word with which cortex-m-rt paints the stack.
const PAINT: u32 = 0xcccc_cccc;

/// The board's interrupts, after the processor's own. None is used, but the linker needs the first.
// SAFETY: a handler of the right type, at the place where the processor expects it.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [unsafe extern "C" fn(); 1] = [DefaultHandler];

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

/// The registers of the processor itself: its timer, its memory protection and its fault status.
// SAFETY: every Cortex-M has its system control space here.
const PROCESSOR: Peripheral = unsafe { Peripheral::at(0xe000_e000) };

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

/// Makes every access to the 64 KiB below the stack fault. No function has a larger frame. Many boards have no memory
/// there, but an access to it may not fault by itself. A Cortex-M0 has no memory protection, but nothing lies below its
/// stack. A Cortex-M33 has a limit for the stack pointer, which is set before `main`.
pub fn guard_stack() {
    const CONTROL: usize = 0xd94;
    const NUMBER: usize = 0xd98;
    const BASE: usize = 0xd9c;
    const SIZE: usize = 0xda0;
    if cfg!(any(armv6m, armv8m)) {
        return;
    }
    PROCESSOR.write(NUMBER, 0);
    PROCESSOR.write(BASE, stack_end() as u32 - (1 << 16));
    PROCESSOR.write(SIZE, 1 << 28 | 15 << 1 | 1); // no access, no execution, 2^16 bytes, on
    PROCESSOR.write(CONTROL, 0b101); // on, with the default memory map elsewhere
}

/// Makes `SysTick` expire every `cycles` cycles. The emulator polls its line when a timer expires, so one must expire
/// often.
#[cfg(not(feature = "microbit"))] // which has a SysTick only in the emulator
pub(crate) fn systick(cycles: u32) {
    PROCESSOR.write(0x014, cycles);
    PROCESSOR.write(0x018, 0);
    PROCESSOR.write(0x010, 0b101); // the processor's clock, no interrupt, on
}

/// A fault, as the processor reports it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The address of the instruction.
    pub at: u32,
    /// The status register and the address of the access. A Cortex-M0 has neither.
    pub cause: Option<[u32; 2]>,
}

/// Reads the registers that the processor saved at `sp`. Returns `None` if the stack pointer had left the stack.
pub fn fault(sp: usize) -> Option<Fault> {
    /// Bytes of eight words; the seventh is the program counter.
    const SAVED: usize = 32;
    const STATUS: usize = 0xd28;
    const ADDRESS: usize = 0xd38;
    // The stack pointer stops at its limit, and then the processor may have saved nothing.
    let limit = cfg!(armv8m) && PROCESSOR.read(STATUS) & 1 << 20 != 0;
    let on_stack = (stack_end()..=stack_start() - SAVED).contains(&sp) && sp.is_multiple_of(4) && !limit;
    let cause = || [PROCESSOR.read(STATUS), PROCESSOR.read(ADDRESS)];
    // SAFETY: all saved registers are on the stack.
    on_stack.then(|| Fault { at: unsafe { stack_word(sp + 24) }, cause: (!cfg!(armv6m)).then(cause) })
}

/// Resets the processor. The emulator exits.
pub fn reset() -> ! {
    PROCESSOR.write(0xd0c, 0x05fa_0004);
    loop {
        spin_loop();
    }
}
