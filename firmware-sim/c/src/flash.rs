//! A flash whose driver is written in C.
#![allow(unsafe_code)] // calls the functions of C

use crate::AeStatus;
use autoencoder_device::store::CHUNK;
use core::ffi::{c_int, c_void};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

/// The flash that keeps what was learned, or a part of it. It holds nothing else.
///
/// Each callback returns 0, or another number if it has failed. It gets `context`, and offsets in bytes from the beginning of this
/// flash. It does not call functions of this library with the same object.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AeFlash {
    /// Passed to each callback; it may be null.
    pub context: *mut c_void,
    /// Bytes of the flash: two slots, each of whole pages, and each as long as `ae_info.record_bytes` or longer.
    pub bytes: u32,
    /// Bytes that are erased at once, a multiple of 64.
    pub page_bytes: u32,
    /// Reads `length` bytes, at most 64, from `offset` on.
    pub read: Option<unsafe extern "C" fn(context: *mut c_void, offset: u32, bytes: *mut u8, length: usize) -> c_int>,
    /// Writes `length` bytes, which are 64, to an `offset` that is a multiple of 64. These bytes are erased.
    pub write:
        Option<unsafe extern "C" fn(context: *mut c_void, offset: u32, bytes: *const u8, length: usize) -> c_int>,
    /// Erases `length` bytes from `offset` on to ones. Both are multiples of `page_bytes`.
    pub erase: Option<unsafe extern "C" fn(context: *mut c_void, offset: u32, length: u32) -> c_int>,
}

/// The callbacks, checked.
pub(crate) struct Callbacks {
    context: *mut c_void,
    bytes: u32,
    page_bytes: u32,
    read: unsafe extern "C" fn(*mut c_void, u32, *mut u8, usize) -> c_int,
    write: unsafe extern "C" fn(*mut c_void, u32, *const u8, usize) -> c_int,
    erase: unsafe extern "C" fn(*mut c_void, u32, u32) -> c_int,
}

impl Callbacks {
    /// # Safety
    ///
    /// The callbacks are functions of these types that follow the documentation of their field.
    pub(crate) unsafe fn new(flash: AeFlash) -> Result<Self, AeStatus> {
        let AeFlash { context, bytes, page_bytes, read, write, erase } = flash;
        let (Some(read), Some(write), Some(erase)) = (read, write, erase) else { return Err(AeStatus::Null) };
        let pages = page_bytes > 0 && page_bytes.is_multiple_of(CHUNK as u32);
        if !pages || !(bytes / 2).is_multiple_of(page_bytes) || bytes % 2 != 0 {
            return Err(AeStatus::Argument);
        }
        Ok(Self { context, bytes, page_bytes, read, write, erase })
    }

    /// Returns an error if the bytes are not within the flash.
    fn check(&self, offset: u32, length: usize) -> Result<(), Failed> {
        let end = (offset as usize).checked_add(length).ok_or(Failed)?;
        if end <= self.bytes as usize { Ok(()) } else { Err(Failed) }
    }
}

/// A callback has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

impl Failed {
    /// The result of a callback.
    fn of(returned: c_int) -> Result<(), Self> {
        if returned == 0 { Ok(()) } else { Err(Self) }
    }
}

impl NorFlashError for Failed {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for Callbacks {
    type Error = Failed;
}

impl ReadNorFlash for Callbacks {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Failed> {
        self.check(offset, bytes.len())?;
        // SAFETY: by `new`, the callback is such a function. The bytes are there, and they are borrowed for it alone.
        Failed::of(unsafe { (self.read)(self.context, offset, bytes.as_mut_ptr(), bytes.len()) })
    }

    fn capacity(&self) -> usize {
        self.bytes as usize
    }
}

/// To the store, a page is as short as can be: it begins a slot with whole pages, so that the rest of the last page of a record may
/// be erased with it.
impl NorFlash for Callbacks {
    const WRITE_SIZE: usize = CHUNK;
    const ERASE_SIZE: usize = CHUNK;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Failed> {
        let to = to.checked_next_multiple_of(self.page_bytes).ok_or(Failed)?;
        let length = to.checked_sub(from).ok_or(Failed)?;
        self.check(from, length as usize)?;
        // SAFETY: by `new`, the callback is such a function. The pages are within the flash.
        Failed::of(unsafe { (self.erase)(self.context, from, length) })
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failed> {
        self.check(offset, bytes.len())?;
        // SAFETY: by `new`, the callback is such a function. The bytes are there, and nothing writes them.
        Failed::of(unsafe { (self.write)(self.context, offset, bytes.as_ptr(), bytes.len()) })
    }
}
