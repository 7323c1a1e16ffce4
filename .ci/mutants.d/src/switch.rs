//! Tells which mutant is active. The copy's packages depend on this crate; it is written into the copy.
//!
//! `MUTANT` in the environment is the number of the active mutant. `MUTANTS_REACHED` is a file, to which each process
//! appends the numbers of the mutants that it reaches; none is active then.
#![no_std]
extern crate std;

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// No mutant has this number.
const RECORD: u32 = u32::MAX;
/// More than there are mutants.
const MOST: usize = 1 << 16;

/// Written once, before `main`: a plain variable, so that the compiler can move the question out of a loop.
static mut ACTIVE: u32 = 0;
static SEEN: [AtomicBool; MOST] = [const { AtomicBool::new(false) }; MOST];
static FILE: OnceLock<std::fs::File> = OnceLock::new();

#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

extern "C" fn start() {
    let number = std::env::var("MUTANT").ok().and_then(|number| number.parse().ok());
    let reached = std::env::var_os("MUTANTS_REACHED")
        .and_then(|path| std::fs::OpenOptions::new().append(true).create(true).open(path).ok());
    let active = match (number, reached) {
        (Some(number), _) => number,
        (None, Some(file)) => {
            let _ = FILE.set(file);
            RECORD
        }
        (None, None) => 0,
    };
    // SAFETY: no other thread runs yet, and nothing writes it later.
    unsafe { ACTIVE = active };
}

/// Whether this mutant is active.
#[inline(always)]
pub fn at(number: u32) -> bool {
    // SAFETY: it was written before `main`.
    let active = unsafe { ACTIVE };
    active == number || active == RECORD && reached(number)
}

/// Notes the number without the heap and with little stack: the code may run on the simulated device.
#[cold]
#[inline(never)]
fn reached(number: u32) -> bool {
    if SEEN.get(number as usize).is_some_and(|seen| !seen.swap(true, Relaxed))
        && let Some(mut file) = FILE.get()
    {
        let _ = file.write_all(&number.to_le_bytes());
    }
    false
}
