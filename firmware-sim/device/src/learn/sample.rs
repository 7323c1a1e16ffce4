//! The held-out rows of a run: a sample that is spread evenly over the whole run.
//!
//! Of rows, this is reservoir sampling (Vitter, 1985, algorithm R) from a stream of unknown length that is seen once:
//!
//! ```text
//! rows 1 to HELD_OUT:  each is held out
//! row n after these:   with probability HELD_OUT / n, it takes the place of a held-out row
//! ```
//!
//! At any time, each row so far is held out with the same probability, and no held-out row was learned from. A row that
//! loses its place is learned from at that moment. So a run learns from every row except those held out at its end.
//!
//! Windows of samples overlap, and a held-out window must not share samples with one that was learned from. So of a run over
//! samples, whose length is announced, each eighth holds out one window, at a random place, and skips its neighbours:
//!
//! ```text
//! gap = min(windows that share samples with the next ones, (windows of an eighth - 1) / 4)
//!
//!      ┌────────── an eighth of the run ──────────┐
//!       learned learned skipped held skipped learned
//!                       └─ gap ┘    └─ gap ┘
//! ```
//!
//! So at least half of the windows are learned from. In a run that is too short for the whole gap, the windows behind it share some
//! samples with a held-out one. Windows beyond the announced number are learned from.
//!
//! A row whose elements are all equal is never held out, because a covered sensor says nothing about the result. A row
//! that is equal to a held-out row is skipped, so that the run does not learn from its held-out rows. A copy of a row
//! that was learned from earlier is not recognised, because those rows are not stored.

/// The number of rows that a run holds out.
pub const HELD_OUT: usize = 8;

/// The place of a row in the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// None: the run learns from the row.
    None,
    /// The row is held out in this free place.
    Free(usize),
    /// The row is held out in this place, and the run learns from the row that was there.
    Taken(usize),
    /// None: an equal row is held out, or a window that shares samples with this one, so it is skipped.
    Skipped,
}

/// The held-out rows, and the random numbers that choose them.
pub(super) struct Sample<'m> {
    /// The rows, concatenated.
    bytes: &'m mut [u8],
    /// The number of held-out rows.
    count: usize,
    /// The clipped inputs of each held-out row.
    clipped: [u32; HELD_OUT],
    /// The number of rows so far that could be held out.
    candidates: u32,
    /// The state of a generator, never 0.
    random: u32,
    eighths: Eighths,
}

/// The windows of a run over samples, in eighths.
#[derive(Clone, Copy, Default)]
struct Eighths {
    /// Windows of each.
    length: u32,
    /// Windows to skip on either side of the one that is held out.
    gap: u32,
    /// The eighths that have ended.
    ended: usize,
    /// Windows of this one so far.
    windows: u32,
    /// The place of the one to hold out.
    target: u32,
}

impl<'m> Sample<'m> {
    /// An empty sample in this memory.
    pub(super) const fn new(bytes: &'m mut [u8]) -> Self {
        let eighths = Eighths { length: 0, gap: 0, ended: 0, windows: 0, target: 0 };
        Self { bytes, count: 0, clipped: [0; HELD_OUT], candidates: 0, random: Self::SEED, eighths }
    }

    /// 2³² divided by the golden ratio. A fixed seed gives the same run on every device.
    const SEED: u32 = 0x9e37_79b9;

    /// Empties the sample and restarts the random numbers. A run over samples will have this many windows, each of which shares
    /// samples with the next `overlap`.
    pub(super) fn clear(&mut self, windows: u32, overlap: u32) {
        (self.count, self.candidates, self.random) = (0, 0, Self::SEED);
        let length = (windows / HELD_OUT as u32).max(1);
        self.eighths = Eighths { length, gap: gap(length, overlap), ..Eighths::default() };
    }

    /// Bytes of its memory.
    pub(super) const fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// The number of held-out rows.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The held-out rows, of `length` bytes each.
    pub(super) fn rows(&self, length: usize) -> impl Iterator<Item = &[u8]> + Clone {
        self.bytes.chunks_exact(length.max(1)).take(self.count)
    }

    /// The clipped inputs of each held-out row.
    pub(super) const fn clipped(&self) -> [u32; HELD_OUT] {
        self.clipped
    }

    /// Whether an equal row is held out.
    fn is_held(&self, row: &[u8]) -> bool {
        self.rows(row.len()).any(|held| held == row)
    }

    /// Decides the place of the next row.
    pub(super) fn place(&mut self, row: &[u8]) -> Place {
        if is_constant(row) {
            return Place::None;
        }
        if self.is_held(row) {
            return Place::Skipped;
        }
        self.candidates = self.candidates.saturating_add(1);
        if self.count < HELD_OUT {
            self.count += 1;
            return Place::Free(self.count - 1);
        }
        let place = ((u64::from(self.next_random()) * u64::from(self.candidates)) >> 32) as usize;
        if place < HELD_OUT { Place::Taken(place) } else { Place::None }
    }

    /// Decides the place of the next window of a run over samples.
    pub(super) fn place_window(&mut self, row: &[u8]) -> Place {
        let Eighths { length, gap, ended, windows, target } = self.eighths;
        if ended >= HELD_OUT {
            return Place::None;
        }
        let target = if windows == 0 {
            let places = length - 2 * gap;
            gap + ((u64::from(self.next_random()) * u64::from(places)) >> 32) as u32
        } else {
            target
        };
        let more = windows + 1 < length;
        self.eighths.windows = if more { windows + 1 } else { 0 };
        self.eighths.ended = if more { ended } else { ended + 1 };
        self.eighths.target = target;
        if windows + gap < target || windows > target + gap {
            return Place::None;
        }
        if windows != target {
            return Place::Skipped;
        }
        if is_constant(row) || self.is_held(row) {
            self.eighths.target += 1; // the next one will do, if there is one
            return Place::Skipped;
        }
        self.count += 1;
        Place::Free(self.count - 1)
    }

    /// The row of `length` bytes in this place.
    pub(super) fn row(&self, place: usize, length: usize) -> &[u8] {
        self.bytes.chunks_exact(length.max(1)).nth(place).unwrap_or_default()
    }

    /// Puts a row with this number of clipped inputs into a place.
    pub(super) fn hold(&mut self, place: usize, row: &[u8], clipped: u32) {
        let mut places = self.bytes.chunks_exact_mut(row.len().max(1)).zip(&mut self.clipped);
        if let Some((to, count)) = places.nth(place) {
            to.iter_mut().zip(row).for_each(|(to, x)| *to = *x);
            *count = clipped;
        }
    }

    /// Xorshift with 32 bits of state (Marsaglia, 2003).
    fn next_random(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }
}

/// The windows that are skipped on either side of a held-out one, of an eighth of `length` windows.
const fn gap(length: u32, overlap: u32) -> u32 {
    let most = length.saturating_sub(1) / 4;
    if overlap < most { overlap } else { most }
}

/// The windows that a run over this many does not learn from, those that are held out left aside.
pub(super) const fn skipped(windows: u32, overlap: u32) -> u32 {
    2 * HELD_OUT as u32 * gap(windows / HELD_OUT as u32, overlap)
}

/// Whether all elements of a row are equal. A row of one element is not constant.
fn is_constant(row: &[u8]) -> bool {
    row.len() > 1 && row.iter().all(|x| Some(x) == row.first())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// A number of clipped inputs that identifies the row.
    fn clipped(row: &[u8]) -> u32 {
        u32::from(row[0]) + 1000 * u32::from(row[1])
    }

    /// The numbers of the held-out rows of a run, and those of the rows that were learned from, in order.
    fn run(sample: &mut Sample<'_>, rows: impl IntoIterator<Item = u16>) -> (Vec<u16>, Vec<u16>) {
        let number = |row: &[u8]| u16::from_le_bytes([row[0], row[1]]);
        let mut learned = Vec::new();
        for row in rows {
            let row = row.to_le_bytes();
            match sample.place(&row) {
                Place::None => learned.push(number(&row)),
                Place::Skipped => {}
                Place::Free(place) => sample.hold(place, &row, clipped(&row)),
                Place::Taken(place) => {
                    learned.push(number(sample.row(place, 2)));
                    sample.hold(place, &row, clipped(&row));
                }
            }
        }
        for (row, count) in sample.rows(2).zip(sample.clipped()) {
            assert_eq!(count, clipped(row));
        }
        (sample.rows(2).map(number).collect(), learned)
    }

    #[test]
    fn every_row_is_held_out_or_learned_from_once() {
        let mut memory = vec![0; 2 * HELD_OUT];
        let mut sample = Sample::new(&mut memory);
        let rows = 1..200u16; // none of them constant
        let (held, learned) = run(&mut sample, rows.clone());
        assert_eq!(held.len(), HELD_OUT);
        let mut all = [held.clone(), learned].concat();
        all.sort_unstable();
        assert_eq!(all, rows.clone().collect::<Vec<_>>());
        // A second run has the same sample.
        sample.clear(0, 0);
        assert_eq!(sample.count(), 0);
        assert_eq!(run(&mut sample, rows).0, held);
    }

    /// `χ²` over 20 equal parts of the run in 400 samples. With 19 degrees of freedom, it exceeds 43.8 once in a
    /// thousand.
    #[test]
    fn each_part_of_a_run_is_held_out_equally_often() {
        let mut memory = vec![0; 2 * HELD_OUT];
        let mut sample = Sample::new(&mut memory);
        let mut counts = [0u32; 20];
        for _ in 0..400 {
            // The generator is not restarted, so each sample is different.
            (sample.count, sample.candidates) = (0, 0);
            let (held, _) =
                run(&mut sample, (0..1000u16).map(|i| i + 1).filter(|i| i.to_le_bytes()[0] != i.to_le_bytes()[1]));
            for number in held {
                counts[usize::from(number - 1) / 50] += 1;
            }
        }
        let expected = f64::from(400 * HELD_OUT as u32) / 20.0;
        let chi: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        assert!(chi < 43.8, "{chi}: {counts:?}");
    }

    #[test]
    fn constant_and_equal_rows_take_no_place() {
        let mut memory = vec![0; 2 * HELD_OUT];
        let mut sample = Sample::new(&mut memory);
        let constant = [0, 0x0101, 0xffff];
        assert_eq!(run(&mut sample, constant), (vec![], constant.to_vec()));
        assert_eq!(run(&mut sample, [7; 100]), (vec![7], vec![]));
        assert_eq!(sample.candidates, 1, "they do not change the probability of other rows");
        let (held, _) = run(&mut sample, 1..=HELD_OUT as u16);
        assert_eq!(held, [7, 1, 2, 3, 4, 5, 6, 8]);
    }

    /// A sensor repeats a few frames. The run does not learn from a frame while it is held out.
    #[test]
    fn repeated_rows_are_not_learned_from_while_they_are_held_out() {
        let mut memory = vec![0; 2 * HELD_OUT];
        for frames in 9..=12u16 {
            let mut sample = Sample::new(&mut memory);
            for number in (0..20).flat_map(|_| 1..=frames) {
                let before: Vec<Vec<u8>> = sample.rows(2).map(<[u8]>::to_vec).collect();
                let row = number.to_le_bytes();
                match sample.place(&row) {
                    Place::Skipped => assert!(before.iter().any(|held| *held == row)),
                    Place::Free(place) | Place::Taken(place) => sample.hold(place, &row, 0),
                    Place::None => assert!(before.iter().all(|held| *held != row)),
                }
            }
            assert_eq!(sample.count(), HELD_OUT);
        }
    }

    /// The places of the held-out windows of a run, and of those that were learned from. No two windows are equal.
    fn windows_of(windows: u32, announced: u32, overlap: u32) -> [Vec<i64>; 2] {
        let mut memory = vec![0; 4 * HELD_OUT];
        let mut sample = Sample::new(&mut memory);
        sample.clear(announced, overlap);
        let (mut held, mut learned) = (Vec::new(), Vec::new());
        for i in 0..windows {
            let row = (i + 0x0100).to_le_bytes();
            match sample.place_window(&row) {
                Place::None => learned.push(i64::from(i)),
                Place::Skipped => {}
                Place::Free(place) => {
                    assert_eq!(place, held.len());
                    sample.hold(place, &row, 0);
                    held.push(i64::from(i));
                }
                Place::Taken(_) => panic!("no window loses its place"),
            }
        }
        assert_eq!(sample.count(), held.len());
        [held, learned]
    }

    /// A held-out window shares no sample with one that was learned from.
    #[test]
    fn neighbours_of_held_out_windows_are_not_learned_from() {
        for (windows, overlap, gap) in
            [(300, 3, 3), (300, 0, 0), (90, 3, 2), (100, 1, 1), (1000, 15, 15), (17, 3, 0), (8, 3, 0), (67, 40, 1)]
        {
            let [held, learned] = windows_of(windows, windows, overlap);
            assert_eq!(held.len(), HELD_OUT, "{windows}, {overlap}");
            let near = |a: &i64, b: &i64| (a - b).abs() <= gap;
            assert!(held.iter().all(|held| learned.iter().all(|other| !near(held, other))), "{windows}, {overlap}");
            assert!(learned.len() + HELD_OUT >= windows as usize / 2);
            assert_eq!(learned.len(), (windows - skipped(windows, overlap)) as usize - HELD_OUT);
            // One in each eighth.
            let eighth = i64::from(windows / 8);
            assert!(held.iter().enumerate().all(|(i, held)| held / eighth == i as i64), "{held:?}");
        }
    }

    #[test]
    fn more_windows_than_announced_are_learned_from_and_fewer_hold_out_fewer() {
        let [held, learned] = windows_of(200, 80, 1);
        assert_eq!(held.len(), HELD_OUT);
        assert!(held.iter().all(|held| *held < 80) && learned.iter().filter(|i| **i >= 80).count() == 120);
        assert_eq!(windows_of(40, 80, 1)[0].len(), 4);
        assert_eq!(windows_of(9, 0, 3)[0].len(), HELD_OUT, "a run of no length takes what comes first");
    }

    /// Over many runs, each place of an eighth that leaves room for the gap is as likely as the others.
    #[test]
    fn every_place_is_held_out_equally_often() {
        let mut memory = vec![0; 4 * HELD_OUT];
        let mut sample = Sample::new(&mut memory);
        let mut counts = [0; 12];
        for _ in 0..1000 {
            let random = sample.random;
            sample.clear(8 * 12, 2);
            sample.random = random;
            for i in 0..8 * 12u32 {
                if let Place::Free(place) = sample.place_window(&(i + 0x0100).to_le_bytes()) {
                    sample.hold(place, &(i + 0x0100).to_le_bytes(), 0);
                    counts[i as usize % 12] += 1;
                }
            }
        }
        assert_eq!(counts.iter().sum::<u32>(), 8000);
        assert!(counts[..2].iter().chain(&counts[10..]).all(|count| *count == 0), "{counts:?}");
        let chi: f64 = counts[2..10].iter().map(|count| (f64::from(*count) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 24.3, "{chi}: {counts:?}"); // 7 degrees of freedom, once in a thousand
    }

    /// A stuck sensor: the next window that differs is held out.
    #[test]
    fn a_window_that_says_nothing_is_not_held_out() {
        let mut memory = vec![0; 2 * HELD_OUT];
        let mut sample = Sample::new(&mut memory);
        sample.clear(80, 0);
        let places: Vec<Place> =
            (0..80).map(|i| sample.place_window(&if i % 10 < 9 { [7, 7] } else { [i, 200] })).collect();
        let held = |i: &usize| matches!(places[*i], Place::Free(_));
        assert_eq!((0..80).filter(held).collect::<Vec<_>>(), (0..8).map(|i| 10 * i + 9).collect::<Vec<_>>());
    }

    /// A row of one element is never constant.
    #[test]
    fn rows_of_one_element_are_held_out() {
        let mut memory = vec![0; HELD_OUT];
        let mut sample = Sample::new(&mut memory);
        for number in 0..HELD_OUT as u8 {
            assert_eq!(sample.place(&[number]), Place::Free(number.into()));
            sample.hold(number.into(), &[number], 0);
            assert_eq!(sample.place(&[number]), Place::Skipped);
        }
        assert!(sample.rows(1).flatten().copied().eq(0..HELD_OUT as u8));
    }

    /// The next state as a matrix over GF(2): the state after each single bit.
    fn matrix() -> [u32; 32] {
        core::array::from_fn(|bit| {
            let mut sample = Sample { random: 1 << bit, ..Sample::new(&mut []) };
            sample.next_random()
        })
    }

    /// One matrix after another.
    fn product(first: [u32; 32], second: [u32; 32]) -> [u32; 32] {
        let image = |state: u32| (0..32).filter(|bit| state >> bit & 1 == 1).fold(0, |sum, bit| sum ^ second[bit]);
        first.map(image)
    }

    /// The generator goes through all states except 0: the order of its matrix is 2³² - 1 = 3 · 5 · 17 · 257 · 65,537.
    #[test]
    fn the_generator_has_the_longest_period() {
        let one: [u32; 32] = core::array::from_fn(|bit| 1 << bit);
        let power = |exponent: u32| {
            (0..32).rev().fold(one, |power, bit| {
                let square = product(power, power);
                if exponent >> bit & 1 == 1 { product(square, matrix()) } else { square }
            })
        };
        assert_eq!(power(u32::MAX), one);
        for prime in [3, 5, 17, 257, 65_537] {
            assert_ne!(power(u32::MAX / prime), one, "the period divides (2^32 - 1) / {prime}");
        }
    }
}
