//! CRC-32 of long data: the checksum of [`autoencoder_core::crc`], computed with the processor's own instructions.

/// The checksum of `bytes`.
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoencoder_core::crc;

    #[test]
    fn the_checksum_is_that_of_the_core() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926); // the catalogue's check value
        let bytes: Vec<u8> = (0..1000).map(|i| (i * 37) as u8).collect();
        for length in (0..=bytes.len()).step_by(31) {
            assert_eq!(checksum(&bytes[..length]), crc::checksum(&bytes[..length]), "{length} bytes");
        }
    }
}
