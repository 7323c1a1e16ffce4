//! Lists of the pairs that are not 0.

use super::multiply::Dot;
use super::weights::Pair;
use crate::kernels::layout::{Line, PAIRS, STRIP, scratch, words};
use crate::kernels::transpose::transpose;
use crate::kernels::vectorise::vectorise;
use pulp::Arch;
use zerocopy::{FromBytes, IntoBytes};

/// A pair's number within its block, and its word.
pub(super) type Entry = [u32; 2];

/// The pairs of a matrix's rows that are not 0, block by block.
#[derive(Default)]
pub(super) struct Lists {
    /// For each block, for each row: the start and the end of its list.
    ranges: Vec<[u32; 2]>,
    entries: Vec<Entry>,
}

/// Scratch memory for lists of columns: a strip of pairs, and its transpose.
#[derive(Default)]
pub(super) struct ListScratch {
    strip: Vec<Line>,
    columns: Vec<Line>,
}

impl Lists {
    /// The list of each row in one block.
    pub(super) fn block(&self, block: usize, rows: usize) -> impl Iterator<Item = &[Entry]> {
        let ranges = &self.ranges[block * rows..][..rows];
        ranges.iter().map(|[start, end]| &self.entries[*start as usize..*end as usize])
    }

    /// Lists rows of `pairs` words, in blocks of `block` pairs. Both are multiples of eight.
    pub(super) fn list_rows(&mut self, dot: Dot, words: &[u32], pairs: usize, block: usize) {
        self.clear(words.len());
        for first in (0..pairs).step_by(block) {
            for row in words.chunks_exact(pairs) {
                self.push(dot, &row[first..pairs.min(first + block)]);
            }
        }
    }

    /// Lists the columns of rows of integers, `stride` apart: pairs of rows.
    pub(super) fn list_columns(
        &mut self,
        dot: Dot,
        numbers: &[i16],
        stride: usize,
        columns: usize,
        ListScratch { strip, columns: transposed }: &mut ListScratch,
    ) {
        let pairs = (numbers.len() / (2 * stride)).next_multiple_of(PAIRS);
        self.clear(columns.next_multiple_of(STRIP) * pairs);
        let strip = scratch(strip, pairs);
        strip.fill(Line::default()); // what is beyond the rows
        let transposed = scratch(transposed, pairs);
        for first in (0..columns).step_by(STRIP) {
            vectorise(Pair { numbers: &numbers[first..], columns: stride, tile: strip });
            let from = <[f32]>::ref_from_bytes(strip.as_bytes()).expect("words");
            let to = <[f32]>::mut_from_bytes(transposed.as_mut_bytes()).expect("words");
            transpose(Arch::default(), from, STRIP, STRIP, to);
            for column in words(transposed).chunks_exact(pairs).take(columns - first) {
                self.push(dot, column);
            }
        }
    }

    /// Removes all lists, and makes room for `words` words.
    fn clear(&mut self, words: usize) {
        self.ranges.clear();
        let most = words + PAIRS;
        if self.entries.len() < most {
            self.entries.resize(most, [0; 2]);
        }
    }

    /// Adds the list of some words.
    fn push(&mut self, dot: Dot, words: &[u32]) {
        let start = self.ranges.last().map_or(0, |[_, end]| *end);
        let count = dot.list(words, &mut self.entries[start as usize..]);
        self.ranges.push([start, start + count as u32]);
    }
}
