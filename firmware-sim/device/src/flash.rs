//! RAM that follows the rules of NOR flash, for a device without flash: in process or emulated.
//!
//! | rule | |
//! |---|---|
//! | erase | a whole page, to ones |
//! | write | whole words, each once after an erasure; a write only clears bits |
//! | read | any bytes |
//!
//! An operation that breaks a rule returns an error and changes nothing.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// NOR flash with pages of `PAGE` bytes and words of `WORD` bytes, in memory that is borrowed or owned.
///
/// The defaults, 4 KiB and four bytes, are those of many small parts.
#[derive(Clone, Debug)]
pub struct Nor<M, const PAGE: usize = 4096, const WORD: usize = 4> {
    memory: M,
}

impl<M: AsRef<[u8]> + AsMut<[u8]>, const PAGE: usize, const WORD: usize> Nor<M, PAGE, WORD> {
    /// A flash with the contents of this memory.
    pub const fn new(memory: M) -> Self {
        Self { memory }
    }

    /// Its contents.
    pub fn bytes(&self) -> &[u8] {
        self.memory.as_ref()
    }

    /// Its contents, mutable without the rules of flash: age and power cuts can also change any bit.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.as_mut()
    }

    fn range(&mut self, from: u32, length: usize) -> Result<&mut [u8], NorFlashErrorKind> {
        let bytes = self.bytes_mut().get_mut(from as usize..).and_then(|bytes| bytes.get_mut(..length));
        bytes.ok_or(NorFlashErrorKind::OutOfBounds)
    }
}

impl<M, const PAGE: usize, const WORD: usize> ErrorType for Nor<M, PAGE, WORD> {
    type Error = NorFlashErrorKind;
}

impl<M: AsRef<[u8]> + AsMut<[u8]>, const PAGE: usize, const WORD: usize> ReadNorFlash for Nor<M, PAGE, WORD> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        let from = self.range(offset, bytes.len())?;
        bytes.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes().len()
    }
}

impl<M: AsRef<[u8]> + AsMut<[u8]>, const PAGE: usize, const WORD: usize> NorFlash for Nor<M, PAGE, WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        self.range(from, (to - from) as usize)?.fill(0xff);
        Ok(())
    }

    /// Returns [`NorFlashErrorKind::Other`] if a word is not erased.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let to = self.range(offset, bytes.len())?;
        if to.iter().any(|byte| *byte != 0xff) {
            return Err(NorFlashErrorKind::Other);
        }
        to.iter_mut().zip(bytes).for_each(|(to, byte)| *to &= *byte);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_follow_the_rules_of_flash() {
        let mut flash = Nor::<_, 16, 4>::new([0x5a_u8; 48]);
        flash.erase(16, 32).unwrap();
        assert_eq!(flash.bytes(), [[0x5a; 16], [0xff; 16], [0x5a; 16]].as_flattened());
        flash.write(20, &[1, 2, 3, 4]).unwrap();
        let before = *flash.bytes().first_chunk::<48>().unwrap();
        assert_eq!(before[16..28], [0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff]);
        let mut read = [0; 3];
        flash.read(21, &mut read).unwrap();
        assert_eq!(read, [2, 3, 4]);

        assert_eq!(flash.write(20, &[0; 4]), Err(NorFlashErrorKind::Other)); // written before
        assert_eq!(flash.write(28, &[0; 8]), Err(NorFlashErrorKind::Other)); // partly not erased
        assert_eq!(flash.write(22, &[0; 4]), Err(NorFlashErrorKind::NotAligned));
        assert_eq!(flash.write(24, &[0; 3]), Err(NorFlashErrorKind::NotAligned));
        assert_eq!(flash.write(48, &[0; 4]), Err(NorFlashErrorKind::OutOfBounds));
        assert_eq!(flash.read(46, &mut read), Err(NorFlashErrorKind::OutOfBounds));
        assert_eq!(flash.erase(8, 32), Err(NorFlashErrorKind::NotAligned));
        assert_eq!(flash.erase(32, 64), Err(NorFlashErrorKind::OutOfBounds));
        assert_eq!(flash.bytes(), before);
    }
}
