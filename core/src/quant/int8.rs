//! The layout of 8-bit weights: four rows by four inputs in sixteen bytes.
//!
//! ```text
//! lane  = 256·high + low                       an i16: rows 2r+1 (high) and 2r (low) at one input, both within ±127
//! word  = two lanes                            of neighbouring inputs
//! tile  = [rows 0,1 | inputs 0,1] [rows 2,3 | inputs 0,1] [rows 0,1 | inputs 2,3] [rows 2,3 | inputs 2,3]
//! group = the tiles of four rows, from the first inputs to the last; a layer is its groups in order
//! ```
//!
//! A Cortex-M4 that holds two neighbouring activations in a word `x`, as `u16`, multiplies four weights by them in three
//! instructions:
//!
//! ```text
//! R += SMLAD(word, x)                          Σ (256·high + low)·x, modulo 2^32
//! L += SMLAD(SXTB16(word), x)                  Σ low·x
//! at the end: Σ low·x = L, Σ high·x = (R - L) >> 8
//! ```
//!
//! This is exact while `|Σ high·x| < 2^23`, because `R - L` is then `256·Σ high·x` within 32 bits. Since `x <= 255`, it
//! suffices that `Σ |w| · 255 < 2^23` in each row ([`ACCUMULATOR_LIMIT`](super::ACCUMULATOR_LIMIT)).
//!
//! A group has four rows because their sums (`L` and `R` of two pairs), the weights and the activations fill a
//! Cortex-M4's registers. The words of a group have the order in which one pass over the inputs reads them.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The weights between four inputs and four outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(16))]
pub struct Int8Tile {
    /// `[inputs 0, 1]` for rows 0,1 and rows 2,3, then `[inputs 2, 3]` for the same.
    lanes: [[[i16; 2]; 2]; 2],
}

impl Int8Tile {
    /// Packs `w[row][input]`. A weight of -128, outside the symmetric range, becomes -127.
    pub fn pack(w: [[i8; 4]; 4]) -> Self {
        let lane = |r: usize, i: usize| 256 * i16::from(w[2 * r + 1][i].max(-127)) + i16::from(w[2 * r][i].max(-127));
        let words = |first: usize| [0, 1].map(|r| [lane(r, first), lane(r, first + 1)]);
        Self { lanes: [words(0), words(2)] }
    }

    /// `w[row][input]`, the inverse of [`Int8Tile::pack`].
    #[inline(always)]
    pub fn unpack(self) -> [[i16; 4]; 4] {
        let [[a01, b01], [a23, b23]] = self.lanes; // a: rows 0 and 1, b: rows 2 and 3
        let (a, b) = ([a01[0], a01[1], a23[0], a23[1]], [b01[0], b01[1], b23[0], b23[1]]);
        [a.map(low), a.map(high), b.map(low), b.map(high)]
    }

    /// `w[input][row]`, unrolled by hand.
    #[inline(always)]
    pub fn columns(self) -> [[i16; 4]; 4] {
        let [[a01, b01], [a23, b23]] = self.lanes;
        let column = |a, b| [low(a), high(a), low(b), high(b)];
        [column(a01[0], b01[0]), column(a01[1], b01[1]), column(a23[0], b23[0]), column(a23[1], b23[1])]
    }
}

/// The weight of the even row: the lane's low byte, signed.
#[inline(always)]
fn low(lane: i16) -> i16 {
    i16::from(lane as i8)
}

/// The weight of the odd row: `(lane - low) / 256`.
#[inline(always)]
fn high(lane: i16) -> i16 {
    ((i32::from(lane) - i32::from(low(lane))) >> 8) as i16
}

/// `Σ x[i]·w[row][i]` for the four rows of a group, in plain integers: the oracle of every faster kernel.
#[inline]
pub fn four_rows(x: &[[u8; 4]], group: &[Int8Tile]) -> [i32; 4] {
    let mut acc = [0i32; 4];
    for (x, tile) in x.iter().zip(group) {
        let w = tile.unpack();
        for (acc, w) in acc.iter_mut().zip(w) {
            for (x, w) in x.iter().zip(w) {
                *acc += i32::from(*x) * i32::from(w);
            }
        }
    }
    acc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_weights_unpacks() {
        for low in -127..=127i8 {
            for high in -127..=127i8 {
                let mut w = [[0; 4]; 4];
                (w[0][2], w[1][2], w[2][1], w[3][1]) = (low, high, high, low);
                let (w, tile) = (w.map(|row| row.map(i16::from)), Int8Tile::pack(w));
                assert_eq!(tile.unpack(), w);
                assert_eq!(tile.columns(), [0, 1, 2, 3].map(|input| w.map(|row| row[input])));
            }
        }
    }

    #[test]
    fn bytes_are_in_the_documented_order() {
        // The tens digit is the row and the units digit the input: row 2, input 3 is 23.
        let w = [[0, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23], [30, 31, 32, 33]];
        assert_eq!(Int8Tile::pack(w).as_bytes(), [0, 10, 1, 11, 20, 30, 21, 31, 2, 12, 3, 13, 22, 32, 23, 33]);
        // A negative low weight borrows from the high one: 256·5 - 1 = 0x04ff.
        let mut w = [[0; 4]; 4];
        (w[0][0], w[1][0]) = (-1, 5);
        assert_eq!(Int8Tile::pack(w).as_bytes()[..2], [0xff, 0x04]);
    }
}
