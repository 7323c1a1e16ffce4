//! Parallel loops, unless there is so little to do that waking a thread would take longer.

use super::spin_join::SpinJoin;
use rayon::prelude::*;

/// Multiplications below which a loop stays on its thread: some twenty microseconds.
const FEW: usize = 1 << 20;

/// Whether a loop with as many `multiplications` is worth more than one thread.
pub(crate) fn is_worth_threads(multiplications: usize) -> bool {
    multiplications >= FEW
}

/// Runs `work` on each of `items`, on all threads of the current rayon pool if that is worth it.
pub(crate) fn for_each<T: Send>(items: Vec<T>, multiplications: usize, work: impl Fn(T) + Sync) {
    if !is_worth_threads(multiplications) {
        return items.into_iter().for_each(work);
    }
    let join = SpinJoin::new(items.len());
    items.into_par_iter().with_max_len(1).for_each(|item| join.run(|| work(item)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    #[test]
    fn every_item_is_worked_on_once_and_few_multiplications_stay_on_the_thread() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        for multiplications in [0, FEW - 1, FEW] {
            let counts = [const { AtomicU32::new(0) }; 50];
            let elsewhere = AtomicU32::new(0);
            pool.install(|| {
                let caller = thread::current().id();
                for_each(counts.iter().collect(), multiplications, |count| {
                    count.fetch_add(1, Ordering::Relaxed);
                    elsewhere.fetch_add(u32::from(thread::current().id() != caller), Ordering::Relaxed);
                });
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            assert!(multiplications >= FEW || elsewhere.load(Ordering::Relaxed) == 0);
        }
    }
}
