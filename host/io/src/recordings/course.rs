//! Columns that are no channels of a sensor, by how their numbers go on: clocks, counters, and names of recordings.

/// Fewer steps from one row to the next tell nothing.
const FEWEST: usize = 15;

/// A column of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name, or its number from 1.
    pub name: String,
    /// How its numbers go on.
    pub(super) course: Course,
}

impl Column {
    /// What the column looks like, if it does not look like a sensor's.
    pub fn suspicion(&self) -> Option<&'static str> {
        self.course.suspicion()
    }
}

/// How the numbers of a column go on within its recordings.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that happened or not")]
pub(super) struct Course {
    /// Steps from one row to the next.
    steps: usize,
    rose: bool,
    fell: bool,
    stood: bool,
    /// Whether there are other numbers than whole ones.
    fractions: bool,
    /// The first number of a recording.
    first: Option<f64>,
    /// Whether recordings begin with different numbers.
    differs: bool,
}

impl Course {
    /// Whether the column is a sensor's for certain: more numbers change nothing.
    pub(super) fn is_clear(&self) -> bool {
        self.fell
    }

    /// Adds a number; `before` is the one before it in its recording.
    pub(super) fn add(&mut self, before: Option<f64>, number: f64) {
        self.fractions |= number.fract() != 0.0;
        let Some(before) = before else {
            self.differs |= self.first.is_some_and(|first| first != number);
            self.first = Some(number);
            return;
        };
        self.steps += 1;
        self.rose |= number > before;
        self.fell |= number < before;
        self.stood |= number == before;
    }

    /// Adds the column of another file.
    pub(super) fn merge(&mut self, other: &Self) {
        self.differs |= other.differs || self.first != other.first;
        self.steps += other.steps;
        self.rose |= other.rose;
        self.fell |= other.fell;
        self.stood |= other.stood;
        self.fractions |= other.fractions;
    }

    /// What the column looks like, if it is not a sensor's. A clock rises with every row; a counter, a recording's number or a
    /// label from 0 to 1 may stand still, and has whole numbers. What never changes within recordings names them.
    fn suspicion(&self) -> Option<&'static str> {
        if self.fell || self.steps < FEWEST {
            None
        } else if self.rose {
            (!self.stood || !self.fractions).then_some("only ever rises, like a clock or a counter")
        } else {
            self.differs.then_some("never changes within a recording, like a name of recordings")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The suspicion about a column, one list of numbers a recording.
    fn suspicion(recordings: &[&[f64]]) -> Option<&'static str> {
        let of = |numbers: &[f64]| {
            let mut course = Course::default();
            let mut before = None;
            for number in numbers {
                course.add(before, *number);
                before = Some(*number);
            }
            course
        };
        let mut all = of(recordings[0]);
        recordings[1..].iter().for_each(|numbers| all.merge(&of(numbers)));
        all.suspicion()
    }

    #[test]
    fn clocks_counters_and_names_are_told_from_channels() {
        const CLOCK: Option<&str> = Some("only ever rises, like a clock or a counter");
        const NAME: Option<&str> = Some("never changes within a recording, like a name of recordings");
        let numbers = |f: fn(i32) -> f64| (0..20).map(f).collect::<Vec<f64>>();
        let seconds = numbers(|i| 1_704_067_200.0 + 0.02 * f64::from(i));
        let count = numbers(|i| f64::from(i / 7));
        let sine = numbers(|i| f64::from(i).sin());
        let warming = numbers(|i| 20.0 + 0.1 * f64::from(i / 3));
        for (recordings, expected) in [
            (&[&seconds[..]][..], CLOCK),
            (&[&seconds, &seconds], CLOCK),
            (&[&count], CLOCK),
            (&[&sine], None),
            (&[&seconds, &sine], None),
            (&[&warming], None),
            (&[&[3.0; 20], &[4.0; 20]], NAME),
            // A sensor that is off.
            (&[&[0.0; 20], &[0.0; 20]], None),
            (&[&seconds[..15]], None),
        ] {
            assert_eq!(suspicion(recordings), expected, "{recordings:?}");
        }
    }
}
