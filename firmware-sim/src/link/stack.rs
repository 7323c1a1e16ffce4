//! A stack to run code on, painted, so that it shows how far the code has gone.
//!
//! ```text
//! base    | used ......... | paint ......................... | never painted ........ | guard page
//!         |<--- used() --->|                                 |
//!         |<---------------- PAINTED ----------------------->|
//!         |<---------------- BYTES ---------------------------------------------->|
//! ```
//!
//! A [`Stack::guard`] that uses all that is painted is an error; one that goes beyond the whole stack ends the process at the
//! guard page, before it changes memory of anybody else's.
//!
//! This module uses `unsafe` because the stack belongs to no object of Rust's that could be borrowed.
#![allow(unsafe_code)]

use super::LinkError;
use super::heap;
use corosensei::on_stack;
use corosensei::stack::{DefaultStack, Stack as _};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::with_exposed_provenance;
use std::thread;

/// The whole stack. What is measured is need, not this limit.
const BYTES: usize = 256 * 1024;
/// The part that the application may use: as much as a small board has RAM.
const PAINTED: usize = 64 * 1024;
/// A word that no stack is likely to hold by itself.
const PAINT: u128 = 0x5aa5_c33c_9669_f00f_0ff0_6996_3cc3_a55a;
const WORD: usize = size_of::<u128>();

/// Memory to run code on.
pub struct Stack(DefaultStack);

impl Stack {
    /// A stack that is painted.
    pub fn new() -> Result<Self, LinkError> {
        let mut stack = DefaultStack::new(BYTES).map_err(LinkError::Stack)?;
        on_stack(&mut stack, paint);
        Ok(Self(stack))
    }

    /// Runs `f` on this stack. A panic in it is caught and returned, as `thread::join` would.
    fn run<R>(&mut self, f: impl FnOnce() -> R) -> thread::Result<R> {
        on_stack(&mut self.0, || catch_unwind(AssertUnwindSafe(f)))
    }

    /// Runs a part of the application on this stack. Returns an error if it allocates, panics or overflows the stack.
    pub fn guard(&mut self, f: impl FnOnce()) -> Result<(), LinkError> {
        let mut outcome = Ok(());
        let heap = heap::count(|| outcome = self.run(f));
        if outcome.is_err() {
            return Err(LinkError::Panic);
        }
        if heap.count > 0 {
            return Err(LinkError::Heap { count: heap.count, bytes: heap.bytes });
        }
        if self.used() >= PAINTED { Err(LinkError::StackOverflow) } else { Ok(()) }
    }

    /// Bytes from the base to the furthest word that was ever written, among those that are painted.
    pub fn used(&self) -> usize {
        let base = self.0.base().get();
        let word = |address: usize| {
            // SAFETY: the address is a multiple of 16 within the stack, which is mapped as long as `self` is there, and was
            // committed when it was painted. No code runs on the stack while `self` is borrowed.
            unsafe { with_exposed_provenance::<u128>(address).read_volatile() }
        };
        let untouched = (base - PAINTED..base).step_by(WORD).take_while(|address| word(*address) == PAINT);
        PAINTED - untouched.count() * WORD
    }
}

/// Leaves as much paint on the stack that it runs on as is looked at later.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "it is there to fill the stack")]
fn paint() {
    black_box(&mut [PAINT; PAINTED / WORD]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn with_local<const N: usize>() -> u8 {
        black_box([1u8; N])[black_box(N - 1)]
    }

    fn depth(f: fn() -> u8) -> usize {
        let mut stack = Stack::new().unwrap();
        assert!(stack.used() < 512, "{} bytes used before anything ran", stack.used());
        assert_eq!(stack.run(f).unwrap(), 1);
        stack.used()
    }

    #[test]
    fn a_larger_local_is_a_deeper_stack_by_as_much() {
        let (small, large) = (depth(with_local::<1024>), depth(with_local::<9216>));
        let difference = large - small;
        assert!((8192..8192 + 64).contains(&difference), "{difference}");
    }

    #[test]
    fn the_deepest_of_several_runs_counts() {
        let mut stack = Stack::new().unwrap();
        stack.run(with_local::<4096>).unwrap();
        let deepest = stack.used();
        stack.run(with_local::<64>).unwrap();
        assert_eq!(stack.used(), deepest);
    }

    #[test]
    fn a_panic_is_returned() {
        let mut stack = Stack::new().unwrap();
        let panic = stack.run(|| std::panic::resume_unwind(Box::new(7u8))).map(|()| 0).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&7u8));
        assert_eq!(stack.run(|| 5).unwrap(), 5);
    }

    #[test]
    fn an_overflow_is_an_error() {
        let mut stack = Stack::new().unwrap();
        stack.guard(|| assert_eq!(with_local::<{ PAINTED / 2 }>(), 1)).unwrap();
        let outcome = stack.guard(|| assert_eq!(with_local::<{ PAINTED + 1024 }>(), 1));
        assert!(matches!(outcome, Err(LinkError::StackOverflow)), "{outcome:?}");
        assert_eq!(stack.used(), PAINTED);
    }

    /// Endless recursion, in a separate process, which ends at the guard page.
    #[cfg(unix)]
    #[test]
    fn code_that_leaves_the_whole_stack_ends_the_process() {
        use std::os::unix::process::ExitStatusExt;
        const CHILD: &str = "FIRMWARE_SIM_TEST_OVERFLOW";
        const SIGNALS: [i32; 3] = [11, 10, 7]; // SIGSEGV; SIGBUS of one system or another

        #[expect(unconditional_recursion, reason = "that is what is tested")]
        fn endless(depth: u64) -> u64 {
            black_box(endless(black_box(depth + 1)) + depth)
        }
        if std::env::var_os(CHILD).is_some() {
            let _ = Stack::new().unwrap().guard(|| assert_eq!(endless(0), 0));
            std::process::exit(0);
        }
        let test = "link::stack::tests::code_that_leaves_the_whole_stack_ends_the_process";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args([test, "--exact"]).env(CHILD, "1").output().unwrap();
        let signal = output.status.signal();
        assert!(signal.is_some_and(|signal| SIGNALS.contains(&signal)), "{:?}", output.status);
    }
}
