//! The layout of 8-bit weights for a processor with Helium (Cortex-M55, Cortex-M85): row by row.
//!
//! ```text
//! byte  = weight + 128                         weights within ±127, as everywhere
//! row   = the bytes from the first input to the last; a layer is its rows in order
//! ```
//!
//! An instruction of Helium multiplies sixteen pairs of bytes and adds all products to one sum, but both bytes have to be
//! signed, or both unsigned. Activations are unsigned, so 128 makes the weights unsigned, too:
//!
//! ```text
//! acc += VMLADAVA.U8(x, w + 128)               Σ (w + 128)·x, below 2^32 for any layer
//! at the end: Σ w·x = acc - 128·Σ x            Σ x is the same for every row of the layer
//! ```
//!
//! The sums cannot leave 32 bits, so no bound is needed. Every byte but 0 is a valid weight; 0 stands for -128, which the
//! sums have room for as well.
//!
//! Only a processor with Helium has a kernel for this layout. Targets with a kernel for [another layout](super::int8) refuse
//! it, which saves the code; all others, as a host, compute it by plain loops.

/// What is added to a weight.
pub const OFFSET: u8 = 128;

/// Whether this target reads the layout. Elsewhere, no [`Dense`](super::Dense) has it.
pub const READABLE: bool = cfg!(any(helium, not(any(dsp, pairs))));

/// The byte of a weight.
pub const fn pack(w: i8) -> u8 {
    w.cast_unsigned() ^ OFFSET
}

/// The weight of a byte.
#[inline(always)]
pub const fn unpack(byte: u8) -> i8 {
    (byte ^ OFFSET).cast_signed()
}

/// `Σ x[i]·w[row][i]` for four rows: the oracle of every faster kernel.
#[inline]
pub fn four_rows(x: &[u8], group: &[u8]) -> [i32; 4] {
    let mut acc = [0; 4];
    for (acc, row) in acc.iter_mut().zip(group.chunks_exact(x.len().max(1))) {
        for (x, w) in x.iter().zip(row) {
            *acc += i32::from(*x) * i32::from(unpack(*w));
        }
    }
    acc
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn a_byte_is_its_weight_plus_128() {
        for w in i8::MIN..=i8::MAX {
            assert_eq!(i32::from(pack(w)), i32::from(w) + 128);
            assert_eq!(unpack(pack(w)), w);
        }
    }

    #[test]
    fn rows_lie_one_after_another() {
        let rows = [[1, -2, 3], [0, 127, -127], [5, 0, 0], [0, 0, -7]];
        let group = rows.map(|row| row.map(pack));
        assert_eq!(four_rows(&[10, 200, 255], group.as_flattened()), [375, -6985, 50, -1785]);
    }

    /// As many inputs as a layer can have, all at their largest.
    #[test]
    fn the_largest_sums_have_room() {
        let x = std::vec![255; 65_536];
        for w in [-128, 127] {
            let group = std::vec![pack(w); 4 * x.len()];
            assert_eq!(four_rows(&x, &group).map(i64::from), [255 * 65_536 * i64::from(w); 4]);
        }
    }
}
