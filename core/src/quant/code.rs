//! Packed codes: elements of 1 to 8 bits, one after another.
//!
//! ```text
//! level   = round(element · (2^bits - 1) / 255)        0 to 2^bits - 1, packed
//! element = round(level · 255 / (2^bits - 1))          unpacked: within 255 / (2^bits - 1) / 2 of the original
//! ```
//!
//! Level `i` is in bits `bits·i` to `bits·i + bits - 1`, counted from the lowest bit of the first byte. The rest of the
//! last byte is zero. With 8 bits, a packed code is the code itself. Both directions work in place, because a packed
//! level is never after its element.

use core::cell::Cell;

/// Bytes of a packed code: `⌈elements · bits / 8⌉`.
pub const fn packed_bytes(elements: usize, bits: u8) -> usize {
    (elements * bits as usize).div_ceil(8)
}

/// Packs a code, one byte for each element, into its own first [`packed_bytes`], and returns them.
pub fn pack(code: &mut [u8], bits: u8) -> &[u8] {
    let length = packed_bytes(code.len(), bits);
    if bits < 8 {
        let most = max_level(bits);
        let cells = Cell::from_mut(&mut *code).as_slice_of_cells();
        let mut bytes = cells.iter();
        let mut put = |byte: u32| bytes.next().map(|cell| cell.set(byte as u8));
        let (mut window, mut filled) = (0, 0);
        for element in cells {
            window |= ((u32::from(element.get()) * most + 127) / 255) << filled;
            filled += bits;
            if filled >= 8 {
                put(window);
                window >>= 8;
                filled -= 8;
            }
        }
        if filled > 0 {
            put(window);
        }
    }
    code.get(..length).unwrap_or_default()
}

/// Unpacks a code from its own first [`packed_bytes`] to one byte for each element.
#[inline(never)] // one copy on a device, instead of one for each command that decodes
pub fn unpack(code: &mut [u8], bits: u8) {
    if bits >= 8 {
        return;
    }
    let most = max_level(bits);
    for i in (0..code.len()).rev() {
        let (at, shift) = (i * usize::from(bits) / 8, i * usize::from(bits) % 8);
        let byte = |at: usize| code.get(at).copied().map_or(0, u32::from);
        // If a level is within one byte, the mask drops the next byte, which may have been overwritten.
        let level = (byte(at) | byte(at + 1) << 8) >> shift & most;
        if let Some(element) = code.get_mut(i) {
            *element = ((level * 255 + most / 2) / most) as u8;
        }
    }
}

/// The highest level: `2^bits - 1`.
fn max_level(bits: u8) -> u32 {
    (1 << bits.clamp(1, 8)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_in_the_documented_bits() {
        let mut code = [0, 255, 0x88, 0x11, 0xff];
        assert_eq!(pack(&mut code, 4), [0xf0, 0x18, 0x0f]);
        unpack(&mut code, 4);
        assert_eq!(code, [0, 255, 0x88, 0x11, 0xff]);
        // Levels 7, 0, 4, 1, 7: 111 000 001·00 1 111, lowest first.
        let mut code = [255, 0, 146, 36, 255];
        assert_eq!(pack(&mut code, 3), [0b0000_0111, 0b0111_0011]);
        assert_eq!(pack(&mut [1, 200, 3], 8), [1, 200, 3]);
    }

    /// A damaged code is another code.
    #[test]
    fn any_bytes_unpack_to_the_levels_of_their_bits() {
        const BYTES: usize = 61;
        for bits in 1..8usize {
            let elements = BYTES * 8 / bits;
            let mut code: [u8; BYTES * 8] = core::array::from_fn(|i| (i * i * 29 + i * 113 + bits) as u8);
            let packed = code;
            let bit = |at: usize| u32::from(packed[at / 8] >> (at % 8) & 1);
            unpack(&mut code[..elements], bits as u8);
            for (i, element) in code[..elements].iter().enumerate() {
                let level: u32 = (0..bits).map(|k| bit(i * bits + k) << k).sum();
                let steps = f64::from((1u32 << bits) - 1);
                assert_eq!(f64::from(*element), libm::round(f64::from(level) / steps * 255.0), "{i} of {bits} bits");
            }
        }
    }

    #[test]
    fn every_element_is_rounded_to_the_nearest_level() {
        for bits in 1..=8u8 {
            let steps = f64::from(max_level(bits));
            for length in [1, 2, 7, 8, 32, 256] {
                let mut code: [u8; 256] = core::array::from_fn(|i| (i * 37 + length) as u8);
                let original = code;
                assert_eq!(pack(&mut code[..length], bits).len(), packed_bytes(length, bits));
                unpack(&mut code[..length], bits);
                for (element, original) in code.iter().zip(original).take(length) {
                    let level = libm::round(f64::from(original) / 255.0 * steps);
                    assert_eq!(f64::from(*element), libm::round(level / steps * 255.0), "{bits} bits of {original}");
                }
                let once = code;
                pack(&mut code[..length], bits);
                unpack(&mut code[..length], bits);
                assert_eq!(code, once, "rounding a code to {bits} bits twice changes it");
            }
        }
    }
}
