//! A parallel loop whose threads spin at its end instead of going to sleep.
//!
//! A thread of the pool that finds no work is soon parked, and waking a parked thread takes longer than the last pieces of a
//! loop, after which there is work for every thread again.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of times a thread checks the others: about a tenth of a millisecond.
const LOOKS: u32 = 5_000;

/// The pieces of a loop: how many there are, how many were begun, how many are done.
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

    /// Does one of the pieces. If the other threads are busy with the last ones then, waits a while for them.
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
