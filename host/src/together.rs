//! Threads that leave a parallel loop together.
//!
//! A thread of the pool that finds nothing to do is soon put to sleep, and to wake it takes longer than what it would have
//! waited for: the last pieces of a loop, after which there is work for all again.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Looks at the others: about a tenth of a millisecond.
const LOOKS: u32 = 5_000;

/// The pieces of a loop: of all, how many were begun and how many are done.
pub(crate) struct Together {
    all: usize,
    begun: AtomicUsize,
    done: AtomicUsize,
}

impl Together {
    pub(crate) fn new(all: usize) -> Self {
        Self { all, begun: AtomicUsize::new(0), done: AtomicUsize::new(0) }
    }

    /// Does one of the pieces; then, if others have the last of them in hand, waits a while for these.
    pub(crate) fn run(&self, piece: impl FnOnce()) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        piece();
        self.done.fetch_add(1, Ordering::Relaxed);
        let all = |count: &AtomicUsize| count.load(Ordering::Relaxed) == self.all;
        for _ in 0..LOOKS {
            if !all(&self.begun) || all(&self.done) {
                return;
            }
            spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[test]
    fn every_piece_is_done_on_any_number_of_threads() {
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for pieces in [0, 1, 2, 7] {
                let mut done = vec![0; pieces];
                let together = Together::new(pieces);
                pool.install(|| done.par_iter_mut().for_each(|done| together.run(|| *done += 1)));
                assert_eq!(done, vec![1; pieces]);
            }
        }
    }
}
