//! Rows of integer weights in the layouts of a blob. Layouts have multiples of four inputs and outputs; weights of 0 pad
//! them.

use crate::train::qat::WeightFormat;
use autoencoder_core::quant::{Int4Tile, Int8Tile, Weights};
use zerocopy::IntoBytes;

/// The weights of one layer.
#[derive(Clone, Debug)]
pub enum Tiles {
    /// Four rows by four inputs each.
    Int8(Vec<Int8Tile>),
    /// Four rows by two inputs each.
    Int4(Vec<Int4Tile>),
}

impl Tiles {
    /// Lays out `rows` of weights, one for each output; `[inputs, outputs]` are the padded sizes.
    pub fn pack(format: WeightFormat, rows: &[Vec<i8>], [inputs, outputs]: [usize; 2]) -> Self {
        let weight = |o: usize, i: usize| rows.get(o).and_then(|row| row.get(i)).copied().unwrap_or(0);
        let groups = (0..outputs).step_by(4);
        match format {
            WeightFormat::Int8 => {
                let tile = |o, i| Int8Tile::pack([0, 1, 2, 3].map(|r| [0, 1, 2, 3].map(|c| weight(o + r, i + c))));
                Self::Int8(groups.flat_map(|o| (0..inputs).step_by(4).map(move |i| tile(o, i))).collect())
            }
            WeightFormat::Int4 => {
                let tile = |o, i| Int4Tile::pack([0, 1, 2, 3].map(|r| [0, 1].map(|c| weight(o + r, i + c))));
                Self::Int4(groups.flat_map(|o| (0..inputs).step_by(2).map(move |i| tile(o, i))).collect())
            }
        }
    }

    /// The weights for an integer layer.
    pub fn weights(&self) -> Weights<'_> {
        match self {
            Self::Int8(tiles) => Weights::Int8(tiles),
            Self::Int4(tiles) => Weights::Int4(tiles),
        }
    }

    /// The weights as a blob stores them.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Int8(tiles) => tiles.as_bytes(),
            Self::Int4(tiles) => tiles.as_bytes(),
        }
    }
}

/// The four rows of a group of tiles.
pub fn four_rows(group: &[Int8Tile]) -> [Vec<i8>; 4] {
    let rows = |tile: &Int8Tile| tile.unpack().map(|row| row.map(|w| w as i8));
    [0, 1, 2, 3].map(|row| group.iter().flat_map(|tile| rows(tile)[row]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_with_zeros() {
        let rows = vec![vec![1, 2, 3, 4, 5], vec![-1, -2, -3, -4, -5]];
        let Tiles::Int8(tiles) = Tiles::pack(WeightFormat::Int8, &rows, [8, 4]) else { panic!() };
        let [first, second] = tiles[..] else { panic!("{} tiles", tiles.len()) };
        assert_eq!(first.unpack(), [[1, 2, 3, 4], [-1, -2, -3, -4], [0; 4], [0; 4]]);
        assert_eq!(second.unpack(), [[5, 0, 0, 0], [-5, 0, 0, 0], [0; 4], [0; 4]]);
        let Tiles::Int4(tiles) = Tiles::pack(WeightFormat::Int4, &rows, [8, 4]) else { panic!() };
        let unpacked: Vec<_> = tiles.iter().map(|tile| tile.unpack()).collect();
        assert_eq!(unpacked[1], [[3, 4], [-3, -4], [0; 2], [0; 2]]);
        assert_eq!(unpacked[2..], [[[5, 0], [-5, 0], [0; 2], [0; 2]], [[0; 2]; 4]]);
    }
}
