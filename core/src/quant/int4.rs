//! The layout of 4-bit weights: four rows by two inputs in one word.
//!
//! ```text
//! tile  = (row 0 + 8) | (row 1 + 8) << 4 | (row 2 + 8) << 8 | (row 3 + 8) << 12         at the first input
//!       | the same << 16                                                               at the second
//! group = the tiles of four rows, from the first inputs to the last; a layer is its groups in order
//! ```
//!
//! A weight is within -8..=7 and is stored with 8 added, so that it unpacks without sign extension. A shift and a mask
//! leave the two weights of one row in the two lanes of a word. A Cortex-M4 that holds two neighbouring activations in
//! a word `x`, as `u16`, multiplies both in two instructions, because its `AND` can shift an operand:
//!
//! ```text
//! acc[r] += SMLAD((tile >> 4·r) & 0x000f000f, x)     Σ (w + 8)·x, below 2^28 for any layer: no bound to check
//! at the end: Σ w·x = acc[r] - 8·Σ x                  Σ x is the same for every row of the layer
//! ```
//!
//! Every bit pattern is a valid weight, so opening a blob need not check any.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The smallest and the largest 4-bit weight.
pub const RANGE: [i8; 2] = [-8, 7];

/// The weights between two inputs and four outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Int4Tile(u32);

impl Int4Tile {
    /// Packs `w[row][input]`, clamped to [`RANGE`].
    pub fn pack(w: [[i8; 2]; 4]) -> Self {
        let [low, high] = RANGE;
        let lane = |i: usize| w.iter().rev().fold(0, |lane, row| lane << 4 | (row[i].clamp(low, high) + 8) as u32);
        Self(lane(0) | lane(1) << 16)
    }

    /// `w[row][input]`, the inverse of [`Int4Tile::pack`].
    pub fn unpack(self) -> [[i8; 2]; 4] {
        [0, 1, 2, 3].map(|r| self.pair(r).map(|w| w as i8 - 8))
    }

    /// `w[input][row]`, unrolled by hand.
    #[inline(always)]
    pub fn columns(self) -> [[i16; 4]; 2] {
        let weight = |shift: u32| (self.0 >> shift & 0xf) as i16 - 8;
        [[weight(0), weight(4), weight(8), weight(12)], [weight(16), weight(20), weight(24), weight(28)]]
    }

    /// The two weights of one row, 8 added to each.
    #[inline(always)]
    fn pair(self, row: u32) -> [i32; 2] {
        let lanes = (self.0 >> (4 * row)) & 0x000f_000f;
        [(lanes & 0xffff) as i32, (lanes >> 16) as i32]
    }
}

/// `Σ x[i]·w[row][i]` for the four rows of a group, with `sum = Σ x[i]`: the oracle of every faster kernel.
#[inline]
pub fn four_rows(x: &[[u8; 2]], sum: i32, group: &[Int4Tile]) -> [i32; 4] {
    let mut acc = [-8 * sum; 4];
    for (x, tile) in x.iter().zip(group) {
        let [a, b] = x.map(i32::from);
        for (acc, row) in acc.iter_mut().zip(0..) {
            let [v, w] = tile.pair(row);
            *acc += a * v + b * w;
        }
    }
    acc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_unpacks_from_every_position() {
        for at in 0..8 {
            for weight in -8..=7 {
                let mut w = [[0; 2]; 4];
                w[at / 2][at % 2] = weight;
                assert_eq!(Int4Tile::pack(w).unpack(), w);
                let columns = [0, 1].map(|i| w.map(|row| i16::from(row[i])));
                assert_eq!(Int4Tile::pack(w).columns(), columns);
            }
        }
        assert_eq!(Int4Tile::pack([[127, -127]; 4]).unpack(), [[7, -8]; 4]);
    }

    #[test]
    fn bytes_are_in_the_documented_order() {
        let w = [[-8, -4], [-7, -3], [-6, -2], [-5, -1]];
        assert_eq!(Int4Tile::pack(w).as_bytes(), [0x10, 0x32, 0x54, 0x76]);
        assert_eq!(Int4Tile::pack([[0, 7]; 4]).as_bytes(), [0x88, 0x88, 0xff, 0xff]);
    }
}
