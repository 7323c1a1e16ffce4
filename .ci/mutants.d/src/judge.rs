//! What becomes of a mutant when the tests run.

use crate::Tree;
use crate::programs::{self, End, Program, Test};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

/// A number that no mutant has.
const NO_MUTANT: usize = (1 << 16) - 1;

/// What became of a mutant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Noticed,
    TimedOut,
    NotNoticed,
    NotReached,
}

/// Tests of one program that take about as long: a process for each would take longer than the tests.
struct Group<'t> {
    program: usize,
    tests: Vec<&'t Test>,
}

impl Group<'_> {
    /// The groups of these tests, which are sorted by their time.
    fn of<'t>(tests: impl IntoIterator<Item = &'t Test>) -> Vec<Group<'t>> {
        let mut groups: BTreeMap<(usize, usize), Vec<&Test>> = BTreeMap::new();
        for test in tests {
            let class = [0.03, 0.3, 1.0, 3.0, 10.0].iter().filter(|class| test.time.as_secs_f64() > **class).count();
            groups.entry((class, test.program)).or_default().push(test);
        }
        groups.into_iter().map(|((_, program), tests)| Group { program, tests }).collect()
    }

    /// Runs them with this mutant active.
    fn run(&self, tree: &Tree, programs: &[Program], number: usize) -> Result<End> {
        let names: Vec<&str> = self.tests.iter().map(|test| &*test.name).collect();
        let limit = self.tests.iter().map(|test| test.time).sum::<Duration>() * 10 + Duration::from_secs(10);
        programs::run(tree, &programs[self.program], &names, limit, ("MUTANT", &number.to_string()))
    }
}

/// Runs all tests as `judge` does, with a mutant that does not exist. Returns the names of those that fail all the same.
pub fn control(tree: &Tree, programs: &[Program], tests: &[Test]) -> Result<BTreeSet<String>> {
    let groups = Group::of(tests);
    let failed = Mutex::new(BTreeSet::new());
    programs::each(groups.len(), |index| {
        let group = &groups[index];
        if group.run(tree, programs, NO_MUTANT)? != End::Passed {
            let names = group.tests.iter().map(|test| test.name.clone());
            failed.lock().expect("nothing panics").extend(names);
        }
        Ok(())
    })?;
    Ok(failed.into_inner()?)
}

/// Runs the tests that reach a mutant, quickest first, until one notices it.
pub fn judge(tree: &Tree, programs: &[Program], tests: &[Test], number: usize, budget: Duration) -> Result<Outcome> {
    let mut left = budget;
    let mut chosen = Vec::new();
    for test in tests.iter().filter(|test| test.reached.contains(&number)) {
        if test.time > left && !chosen.is_empty() {
            break;
        }
        left = left.saturating_sub(test.time);
        chosen.push(test);
    }
    if chosen.is_empty() {
        return Ok(Outcome::NotReached);
    }
    for group in Group::of(chosen) {
        match group.run(tree, programs, number)? {
            End::Passed => (),
            End::Failed => return Ok(Outcome::Noticed),
            End::TimedOut => return Ok(Outcome::TimedOut),
        }
    }
    Ok(Outcome::NotNoticed)
}
