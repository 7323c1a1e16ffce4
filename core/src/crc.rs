//! CRC-32 as in zip, Ethernet and PNG: the checksum of blobs, frames and flash records.
//!
//! The table has sixteen entries, and each half of a byte is one step. The crate `crc` offers tables of 1,024 bytes or
//! more, which are an eighth of the code on the device, or eight steps for each byte without a table. A test compares
//! the two.

/// `x³² + x²⁶ + x²³ + … + x + 1`, with the lowest power in the highest bit.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// The effect of shifting out four bits, for each value of them.
static TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut i = 0;
    while i < 16 {
        let (mut entry, mut bit) = (i as u32, 0);
        while bit < 4 {
            entry = (entry >> 1) ^ if entry & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[i] = entry;
        i += 1;
    }
    table
};

/// A checksum over bytes that arrive piece by piece.
#[derive(Clone, Debug)]
pub struct Digest(u32);

impl Digest {
    /// The checksum of no bytes.
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Adds bytes.
    pub const fn update(&mut self, mut bytes: &[u8]) {
        while let [byte, rest @ ..] = bytes {
            self.0 ^= *byte as u32;
            self.0 = (self.0 >> 4) ^ TABLE[(self.0 & 15) as usize];
            self.0 = (self.0 >> 4) ^ TABLE[(self.0 & 15) as usize];
            bytes = rest;
        }
    }

    /// The checksum of all bytes so far.
    pub const fn finalize(&self) -> u32 {
        !self.0
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

/// The checksum of `bytes`.
pub const fn checksum(bytes: &[u8]) -> u32 {
    let mut digest = Digest::new();
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_equal_those_of_the_crc_crate() {
        let oracle = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
        let bytes: [u8; 1024] = core::array::from_fn(|i| (i * 37) as u8);
        for length in (0..=bytes.len()).step_by(31) {
            let (a, b) = bytes[..length].split_at(length / 3);
            let mut digest = Digest::new();
            digest.update(a);
            digest.update(b);
            assert_eq!(digest.finalize(), oracle.checksum(&bytes[..length]), "{length} bytes");
        }
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926); // the catalogue's check value
    }
}
