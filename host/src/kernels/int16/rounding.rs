//! Measuring numbers, rounding them to steps of their scale, and pairing them. Plain loops, to be inlined into functions that
//! are compiled for this machine's vector instructions.

use super::scales::{Largest, Sizes};
use crate::kernels::layout::{Line, STRIP};

/// Numbers that a loop takes at a time, so that its results stay in vector registers.
const LANES: usize = 32;
/// The same for what is left.
const FEW: usize = 8;
/// Added to a number below 2²², this number leaves its nearest integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// A number with `steps` steps in one as an integer, in the low half of a word. A NaN gives any integer.
#[inline(always)]
fn rounded(number: f32, steps: f32) -> u32 {
    number.mul_add(steps, ROUND).to_bits()
}

/// The low halves of words.
#[inline(always)]
fn low_halves(words: [u32; STRIP]) -> [i16; STRIP] {
    words.map(|word| word as i16)
}

/// Pairs of the low halves of words.
#[inline(always)]
fn pairs(even: [u32; STRIP], odd: [u32; STRIP]) -> Line {
    Line(std::array::from_fn(|i| even[i] & 0xffff | odd[i] << 16))
}

/// Pairs of two rows.
#[inline(always)]
pub(super) fn pair_rows(even: &[i16; STRIP], odd: &[i16; STRIP]) -> Line {
    pairs(even.map(|x| x as u32), odd.map(|x| x as u32))
}

/// Two rows of numbers, sixteen at a time.
type TwoRows<'a> = [&'a [[f32; STRIP]]; 2];

/// Two rows of `columns` numbers. If one is missing or they are not whole strips, zeros are added to copies in `padded`.
#[inline(always)]
pub(super) fn two_rows<'a>(rows: &'a [f32], columns: usize, padded: &'a mut Vec<f32>) -> TwoRows<'a> {
    let whole = columns.next_multiple_of(STRIP);
    let rows = if rows.len() == 2 * whole {
        rows
    } else {
        padded.clear();
        padded.resize(2 * whole, 0.0);
        for (to, from) in padded.chunks_exact_mut(whole).zip(rows.chunks_exact(columns)) {
            to[..columns].copy_from_slice(from);
        }
        padded
    };
    let (even, odd) = rows.split_at(whole);
    [even.as_chunks().0, odd.as_chunks().0]
}

/// Widens `sizes` to the numbers of a row. Blocks have `block` numbers.
#[inline(always)]
pub(super) fn measure(row: &[f32], block: usize, sizes: &mut Sizes) {
    for numbers in row.chunks(block) {
        let (mut sums, mut largest) = ([0.0f32; LANES], [Largest::default(); LANES]);
        let (whole, rest) = numbers.as_chunks::<LANES>();
        let (few, rest) = rest.as_chunks::<FEW>();
        for numbers in whole {
            for i in 0..LANES {
                sums[i] += numbers[i].abs();
                largest[i].take(numbers[i]);
            }
        }
        for numbers in few {
            for i in 0..FEW {
                sums[i] += numbers[i].abs();
                largest[i].take(numbers[i]);
            }
        }
        for (i, number) in rest.iter().enumerate() {
            sums[i] += number.abs();
            largest[i].take(*number);
        }
        widen(sizes, sums, largest);
    }
}

/// Widens `sizes` to a block.
#[inline(always)]
fn widen<const N: usize>(sizes: &mut Sizes, mut sums: [f32; N], mut largest: [Largest; N]) {
    // In halves: a single chain of additions would take longer than a block.
    let mut count = N / 2;
    while count > 0 {
        for i in 0..count {
            sums[i] += sums[i + count];
            let other = largest[i + count].get();
            largest[i].take(other);
        }
        count /= 2;
    }
    sizes.sum.take(sums[0]);
    sizes.number.take(largest[0].get());
}

/// The largest absolute value.
#[inline(always)]
pub(super) fn largest(numbers: &[f32]) -> Largest {
    let mut sizes = Sizes::default();
    measure(numbers, numbers.len().max(1), &mut sizes);
    sizes.number
}

/// Widens `columns` to the numbers of two rows, each column to its own.
#[inline(always)]
pub(super) fn measure_columns([even, odd]: TwoRows<'_>, columns: &mut [[Largest; STRIP]]) {
    for ((even, odd), columns) in even.iter().zip(odd).zip(columns) {
        for i in 0..STRIP {
            columns[i].take(even[i]);
            columns[i].take(odd[i]);
        }
    }
}

/// Does the same, and returns the sizes of both rows after they are multiplied by `factors`. Blocks have `block` strips.
#[inline(always)]
pub(super) fn measure_scaled(
    [even, odd]: TwoRows<'_>,
    factors: &[[f32; STRIP]],
    block: usize,
    columns: &mut [[Largest; STRIP]],
) -> [Sizes; 2] {
    let mut sizes = [Sizes::default(); 2];
    let blocks = even.chunks(block).zip(odd.chunks(block)).zip(factors.chunks(block)).zip(columns.chunks_mut(block));
    for (((even, odd), factors), columns) in blocks {
        let (mut sums, mut largest) = ([[0.0; STRIP]; 2], [[Largest::default(); STRIP]; 2]);
        for (((even, odd), factors), columns) in even.iter().zip(odd).zip(factors).zip(columns) {
            for i in 0..STRIP {
                let scaled = [even[i] * factors[i], odd[i] * factors[i]];
                sums[0][i] += scaled[0].abs();
                sums[1][i] += scaled[1].abs();
                largest[0][i].take(scaled[0]);
                largest[1][i].take(scaled[1]);
                columns[i].take(even[i]);
                columns[i].take(odd[i]);
            }
        }
        for ((sizes, sums), largest) in sizes.iter_mut().zip(sums).zip(largest) {
            widen(sizes, sums, largest);
        }
    }
    sizes
}

/// Rounds a row of numbers with `steps` steps in one. What is left of `to` becomes 0.
#[inline(always)]
pub(super) fn round(from: &[f32], steps: f32, to: &mut [i16]) {
    let (to, beyond) = to.split_at_mut(from.len());
    let ((from, rest), (to, to_rest)) = (from.as_chunks::<STRIP>(), to.as_chunks_mut::<STRIP>());
    for (from, to) in from.iter().zip(to) {
        *to = low_halves(from.map(|x| rounded(x, steps)));
    }
    for (from, to) in rest.iter().zip(to_rest) {
        *to = rounded(*from, steps) as i16;
    }
    beyond.fill(0);
}

/// Rounds two rows with `steps` steps in one, and writes their pairs to `strips`.
#[inline(always)]
pub(super) fn round_rows(
    [even, odd]: TwoRows<'_>,
    steps: f32,
    (to_even, to_odd): (&mut [i16], &mut [i16]),
    mut strips: Strips<'_>,
) {
    let to = to_even.as_chunks_mut().0.iter_mut().zip(to_odd.as_chunks_mut().0);
    for ((even, odd), (to_even, to_odd)) in even.iter().zip(odd).zip(to) {
        let (even, odd) = (even.map(|x| rounded(x, steps)), odd.map(|x| rounded(x, steps)));
        (*to_even, *to_odd) = (low_halves(even), low_halves(odd));
        *strips.next_line() = pairs(even, odd);
    }
}

/// Writes the pairs of two rows, in each of whose columns there are `steps` steps in one.
#[inline(always)]
pub(super) fn round_columns([even, odd]: TwoRows<'_>, steps: &[[f32; STRIP]], mut strips: Strips<'_>) {
    for ((even, odd), steps) in even.iter().zip(odd).zip(steps) {
        let rounded = |row: &[f32; STRIP]| std::array::from_fn(|i| rounded(row[i], steps[i]));
        *strips.next_line() = pairs(rounded(even), rounded(odd));
    }
}

/// Rounds a row of numbers that are multiplied by `factors` first.
#[inline(always)]
pub(super) fn round_scaled(row: &[[f32; STRIP]], factors: &[[f32; STRIP]], steps: f32, to: &mut [i16]) {
    for ((row, factors), to) in row.iter().zip(factors).zip(to.as_chunks_mut().0) {
        // The product with a power of two is exact.
        *to = low_halves(std::array::from_fn(|i| rounded(row[i], factors[i] * steps)));
    }
}

/// The lines of one pair of rows: one in each strip of sixteen columns.
pub(super) struct Strips<'a> {
    /// From the next group of strips on.
    lines: &'a mut [Line],
    /// The number of strips side by side, whose lines follow each other.
    group: usize,
    /// Lines from one group of strips to the next.
    stride: usize,
    /// The next strip of its group.
    next: usize,
}

impl<'a> Strips<'a> {
    /// From the first of `lines` on.
    pub(super) fn new(lines: &'a mut [Line], group: usize, stride: usize) -> Self {
        Self { lines, group, stride, next: 0 }
    }

    #[inline(always)]
    fn next_line(&mut self) -> &mut Line {
        if self.next == self.group {
            self.lines = &mut std::mem::take(&mut self.lines)[self.stride..];
            self.next = 0;
        }
        self.next += 1;
        &mut self.lines[self.next - 1]
    }
}
