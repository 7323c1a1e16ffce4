//! A parallel loop whose threads spin at its end instead of going to sleep.
//!
//! A thread of the pool that finds no work is soon parked. Waking it takes longer than the last pieces of a loop, and after
//! these there is work for every thread again.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of times a thread checks the others: about a tenth of a millisecond.
const LOOKS: u32 = 5_000;

/// Counts the pieces of a loop: all, those begun, those done.
pub(crate) struct SpinJoin {
    all: usize,
    begun: AtomicUsize,
    done: AtomicUsize,
}

impl SpinJoin {
    /// A loop of `all` pieces.
    pub(crate) fn new(all: usize) -> Self {
        Self { all, begun: AtomicUsize::new(0), done: AtomicUsize::new(0) }
    }

    /// Runs one of the pieces. If the other threads are still busy with the last pieces then, waits a while for them.
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
                let join = SpinJoin::new(pieces);
                pool.install(|| done.par_iter_mut().for_each(|done| join.run(|| *done += 1)));
                assert_eq!(done, vec![1; pieces]);
            }
        }
    }
}
