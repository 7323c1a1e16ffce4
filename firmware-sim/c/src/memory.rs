//! What C passes: objects, buffers, results. Every pointer is checked as far as that is possible.
#![allow(unsafe_code)] // pointers of C

use crate::AeStatus;
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::slice;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A Rust value in the memory of a C struct.
#[repr(C)]
pub(crate) struct Opened<T> {
    /// [`Self::TAG`] once the value is there. A struct of zeros, or one whose opening failed, has another number.
    tag: u32,
    value: T,
}

impl<T> Opened<T> {
    /// Says that the value is there; it differs from type to type.
    const TAG: u32 = 0xae0_c0de ^ (size_of::<T>() as u32).rotate_left(20);

    /// Whether the C struct `C` has room for the value.
    pub(crate) const fn fits<C>() -> bool {
        size_of::<Self>() <= size_of::<C>() && align_of::<Self>() <= align_of::<C>()
    }
}

/// Puts a value into the C struct at `at`. `make` gets the blob, the memory, and the value's place: it writes the value there and
/// completes it there, which takes less stack. The struct counts as not opened until `make` has succeeded, so the other arguments
/// are checked after that.
///
/// # Safety
///
/// `at` is null or points to memory of a `C`, which nothing else accesses during the call. Blob and memory are null or point to
/// this many bytes; nothing writes the blob, and nothing else accesses the memory, for as long as the value is used. If `make`
/// succeeds, it has written the value.
pub(crate) unsafe fn open<C, T>(
    at: *mut C,
    (blob, blob_bytes): (*const u8, usize),
    (memory, memory_bytes): (*mut c_void, usize),
    make: impl FnOnce(&'static [u8], &'static mut [u8], &mut MaybeUninit<T>) -> Result<(), AeStatus>,
) -> Result<(), AeStatus> {
    const { assert!(Opened::<T>::fits::<C>(), "the struct of the header is too small") };
    check(at)?;
    let opened = at.cast::<Opened<T>>();
    // SAFETY: the pointer is aligned and not null, and the struct is at least as large as `Opened<T>`. By the promise of the
    // caller, it is memory that is not accessed otherwise, and blob and memory are what `read` and `buffer` ask for. What was
    // in the struct has nothing to drop.
    unsafe {
        (&raw mut (*opened).tag).write(0);
        let (blob, memory) = (read(blob, blob_bytes)?, buffer(memory, memory_bytes)?);
        make(blob, memory, &mut *(&raw mut (*opened).value).cast::<MaybeUninit<T>>())?;
        (&raw mut (*opened).tag).write(Opened::<T>::TAG);
    }
    Ok(())
}

/// The value in the C struct at `at`.
///
/// # Safety
///
/// `at` is null or points to memory of a `C`, which nothing else accesses for `'a`. If it was opened, then by [`open`] with the
/// same types, and what it borrowed is still there.
pub(crate) unsafe fn object<'a, C, T>(at: *mut C) -> Result<&'a mut T, AeStatus> {
    check(at)?;
    let opened = at.cast::<Opened<T>>();
    // SAFETY: as in `open`. The tag is read before the value is assumed to be there.
    unsafe {
        if (&raw const (*opened).tag).read() != Opened::<T>::TAG {
            return Err(AeStatus::NotOpen);
        }
        Ok(&mut (*opened).value)
    }
}

/// A struct that C lets us read.
///
/// # Safety
///
/// `at` is null or points to a valid `T`, which nothing writes for `'a`.
pub(crate) unsafe fn reference<'a, T>(at: *const T) -> Result<&'a T, AeStatus> {
    check(at.cast_mut())?;
    // SAFETY: the pointer is aligned and not null, and by the promise of the caller it points to a `T`.
    Ok(unsafe { &*at })
}

/// An array that C lets us read.
///
/// # Safety
///
/// `at` is null or points to `length` values, which nothing writes for `'a`.
pub(crate) unsafe fn read<'a, T: FromBytes + Immutable>(at: *const T, length: usize) -> Result<&'a [T], AeStatus> {
    check(at.cast_mut())?;
    if length > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(AeStatus::Length);
    }
    // SAFETY: the pointer is aligned and not null, and by the promise of the caller it points to this many values.
    Ok(unsafe { slice::from_raw_parts(at, length) })
}

/// The memory of an object.
///
/// # Safety
///
/// `at` is null or points to this many bytes, which nothing else accesses for `'a`.
pub(crate) unsafe fn buffer<'a>(at: *mut c_void, bytes: usize) -> Result<&'a mut [u8], AeStatus> {
    check(at.cast::<u32>())?;
    if bytes > isize::MAX as usize {
        return Err(AeStatus::Length);
    }
    // SAFETY: the pointer is not null, and by the promise of the caller the bytes are there. They may be uninitialised in C, but
    // any byte is a `u8`.
    Ok(unsafe { slice::from_raw_parts_mut(at.cast(), bytes) })
}

/// Copies bytes to a buffer of C.
///
/// # Safety
///
/// `to` is null or points to `room` bytes, which do not overlap `from`.
pub(crate) unsafe fn copy(from: &[u8], to: *mut u8, room: usize) -> Result<(), AeStatus> {
    check(to)?;
    if from.len() > room {
        return Err(AeStatus::Room);
    }
    // SAFETY: the pointer is not null, and by the promise of the caller there is room.
    unsafe { to.copy_from_nonoverlapping(from.as_ptr(), from.len()) };
    Ok(())
}

/// Writes a result.
///
/// # Safety
///
/// `to` is null or points to memory of a `T`.
pub(crate) unsafe fn put<T: Copy>(to: *mut T, value: T) -> Result<(), AeStatus> {
    check(to)?;
    // SAFETY: the pointer is aligned and not null, and by the promise of the caller there is memory.
    unsafe { to.write(value) };
    Ok(())
}

/// Returns an error if a pointer is null or not aligned.
pub(crate) fn check<T>(at: *mut T) -> Result<(), AeStatus> {
    match at {
        at if at.is_null() => Err(AeStatus::Null),
        at if !at.is_aligned() => Err(AeStatus::Alignment),
        _ => Ok(()),
    }
}

/// Takes an array from the front of the memory of an object. Returns it and the rest.
pub(crate) fn take<T>(memory: &mut [u8], length: usize) -> Result<(&mut [T], &mut [u8]), AeStatus>
where
    T: FromBytes + IntoBytes + KnownLayout + Immutable,
{
    <[T]>::mut_from_prefix_with_elems(memory, length).map_err(|_| AeStatus::Memory)
}
