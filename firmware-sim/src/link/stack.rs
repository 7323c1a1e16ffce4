//! A painted stack to run code on. The paint that is left shows the high-water mark.
//!
//! ```text
//! base    | used ......... | paint ......................... | never painted ........ | guard page
//!         |<--- used() --->|                                 |
//!         |<---------------- PAINTED ----------------------->|
//!         |<---------------- BYTES ---------------------------------------------->|
//! ```
//!
//! Code in [`Stack::guard`] that uses all of the painted part is an error. Code that exceeds the whole stack ends the
//! process at the guard page, before it overwrites other memory.
//!
//! This module uses `unsafe` because no Rust object owns the stack's memory, so it cannot be borrowed.
#![allow(unsafe_code)]

use super::LinkError;
use super::heap;
use corosensei::on_stack;
use corosensei::stack::{DefaultStack, Stack as _};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::with_exposed_provenance;
use std::thread;

/// Bytes of the whole stack. The measurement does not depend on this limit.
const BYTES: usize = 256 * 1024;
/// Bytes that the application may use, as many as the RAM of a small board.
const PAINTED: usize = 64 * 1024;
/// A word that a stack is unlikely to hold by chance.
const PAINT: u128 = 0x5aa5_c33c_9669_f00f_0ff0_6996_3cc3_a55a;
const WORD: usize = size_of::<u128>();

/// Memory to run code on.
pub struct Stack(DefaultStack);

impl Stack {
    /// Maps and paints a stack.
    pub fn new() -> Result<Self, LinkError> {
        let mut stack = DefaultStack::new(BYTES).map_err(LinkError::Stack)?;
        on_stack(&mut stack, paint);
        Ok(Self(stack))
    }

    /// Runs `f` on this stack. A panic in it is caught and returned, as by `thread::join`.
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

    /// The high-water mark: bytes from the base to the furthest painted word that was overwritten.
    pub fn used(&self) -> usize {
        let base = self.0.base().get();
        let word = |address: usize| {
            // SAFETY: the address is a multiple of 16 within the stack. The stack is mapped as long as `self` exists,
            // and this part was committed when it was painted. No code runs on the stack while `self` is borrowed.
            unsafe { with_exposed_provenance::<u128>(address).read_volatile() }
        };
        let untouched = (base - PAINTED..base).step_by(WORD).take_while(|address| word(*address) == PAINT);
        PAINTED - untouched.count() * WORD
    }
}

/// Paints the part of the current stack that [`Stack::used`] reads.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "the array fills the stack")]
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
    fn a_larger_local_deepens_the_stack_by_the_difference() {
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
        const SIGNALS: [i32; 3] = [11, 10, 7]; // SIGSEGV, and SIGBUS on different systems

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
