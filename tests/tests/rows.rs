//! The rows that training steps request, and their translations, recorded by a data set.

use host::data::Dataset;
use host::train::checkpoint::Run;
use host::train::{Recipe, Trainer};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// A requested row, and its requested translation.
type Request = (usize, Option<[isize; 2]>);

/// Rows of four numbers, with a record of every request.
struct Recorder {
    rows: usize,
    requests: Mutex<Vec<Request>>,
}

impl Recorder {
    fn new(rows: usize) -> Self {
        Self { rows, requests: Mutex::default() }
    }

    fn note(&self, request: Request, row: &mut [f32]) {
        self.requests.lock().unwrap().push(request);
        row.iter_mut().enumerate().for_each(|(i, x)| *x = ((request.0 + i) % 5) as f32 / 5.0);
    }

    /// The requests since the last call.
    fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

impl Dataset for Recorder {
    fn rows(&self) -> usize {
        self.rows
    }

    fn width(&self) -> usize {
        4
    }

    fn copy(&self, index: usize, row: &mut [f32]) {
        self.note((index, None), row);
    }

    fn copy_moved(&self, index: usize, by: [isize; 2], row: &mut [f32]) {
        self.note((index, Some(by)), row);
    }
}

/// The requests of each of `steps` steps.
fn requests(recipe: Recipe, [rows, batch]: [usize; 2], steps: u32, seed: u64) -> Vec<Vec<Request>> {
    let recorder = Recorder::new(rows);
    let mut trainer = Trainer::new(&"4-2-4".parse().unwrap(), recipe, steps, batch, seed, &recorder);
    recorder.take(); // a recipe may request the mean row
    let requests = (0..steps).map(|_| {
        trainer.step(&recorder);
        recorder.take()
    });
    requests.collect()
}

/// The rows of four passes over a hundred rows, with thirty in each step. Each pass leaves out ten.
fn passes(seed: u64) -> Vec<Vec<usize>> {
    let steps = requests(Recipe::DEFAULT, [100, 30], 12, seed);
    assert!(steps.iter().all(|step| step.len() == 30));
    steps.chunks(3).map(|pass| pass.iter().flatten().map(|(row, _)| *row).collect()).collect()
}

#[test]
fn each_pass_over_the_rows_has_its_own_order() {
    let orders = passes(1);
    let sets: Vec<BTreeSet<usize>> = orders.iter().map(|order| order.iter().copied().collect()).collect();
    assert!(sets.iter().all(|set| set.len() == 90 && set.last() < Some(&100)), "a row comes twice in a pass");
    for (i, order) in orders.iter().enumerate() {
        assert!(!order.is_sorted(), "pass {i} is not shuffled");
        for other in 0..i {
            // By chance, about one of ninety rows is in the same place.
            let same = order.iter().zip(&orders[other]).filter(|(a, b)| a == b).count();
            assert!(same < 10, "passes {other} and {i} have {same} rows in the same places");
            assert_ne!(sets[other], sets[i], "passes {other} and {i} leave out the same rows");
        }
    }
    assert_eq!(passes(1), orders);
    assert!(passes(2).iter().zip(&orders).all(|(other, order)| other != order), "the order does not follow the seed");
}

#[test]
fn half_of_each_batch_is_moved_by_one_pixel_in_the_first_seven_tenths_of_the_steps() {
    const STEPS: u32 = 100;
    for batch in [101, 300] {
        let (mut all, mut moved_steps) = (BTreeSet::new(), Vec::new());
        for (step, requests) in (1..).zip(requests(Recipe::DEFAULT, [900, batch], STEPS, 1)) {
            assert_eq!(requests.len(), batch);
            let moves: Vec<[isize; 2]> = requests.iter().filter_map(|(_, by)| *by).collect();
            let Some(first) = moves.first() else { continue };
            assert_eq!(moves.len(), batch - batch / 2, "step {step}");
            assert!(moves.iter().all(|by| by == first), "step {step} moves its rows in several directions");
            all.insert(*first);
            moved_steps.push(step);
        }
        // One step in nine draws no translation, which need not be requested.
        let eight = (0..9).map(|i| [i / 3 - 1, i % 3 - 1]).filter(|by| *by != [0, 0]);
        assert_eq!(all, eight.collect(), "batches of {batch}");
        let (last, count) = (moved_steps.last().copied(), moved_steps.len());
        assert!((68..=70).contains(&last.unwrap_or(0)) && count > 50, "{count} steps move rows, the last is {last:?}");
    }
}

#[test]
fn rows_are_translated_only_if_the_recipe_says_so() {
    // A run that begins with a trained network does not translate either.
    let run = Run {
        recipe: "default".into(),
        topology: "4-2-4".parse().unwrap(),
        steps: 30,
        batch: 20,
        seed: 1,
        data: 0,
        input: Vec::new(),
        quantise_aware: Recipe::DEFAULT.qat.weights,
        code_bits: 8,
        from: Some((1, 2)),
    };
    for recipe in [Recipe { augment_fraction: 0.0, ..Recipe::DEFAULT }, Recipe::SEED, run.recipe().unwrap()] {
        let moved = requests(recipe, [200, 20], 30, 1).concat().into_iter().filter(|(_, by)| by.is_some()).count();
        assert_eq!(moved, 0, "{recipe:?}");
    }
}

/// The tutorial trains on 55,000 of the 60,000 images: its library keeps 5,000 for validation.
#[test]
fn the_recipe_seed_takes_the_first_55000_rows() {
    let all: BTreeSet<usize> =
        requests(Recipe::SEED, [60_000, 5_500], 10, 6).concat().into_iter().map(|(row, _)| row).collect();
    assert_eq!((all.len(), all.first(), all.last()), (55_000, Some(&0), Some(&54_999)));
}
