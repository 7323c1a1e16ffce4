//! A flash that counts its wear and whose power can be cut at any moment.
#![allow(dead_code, missing_docs)] // each test program uses a part of it

use autoencoder_device::flash::Nor;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// [`Nor`] flash of `PAGES` pages that counts its erasures and stops at a chosen step.
///
/// A step is a byte that is written. An erased page counts as [`Self::ERASE_STEPS`] steps.
#[derive(Clone, Debug)]
pub struct Simulated<M, const PAGES: usize, const PAGE: usize = 4096, const WORD: usize = 4> {
    nor: Nor<M, PAGE, WORD>,
    erasures: [u32; PAGES],
    steps: u32,
    cut: Option<u32>,
    on: bool,
}

impl<M, const PAGES: usize, const PAGE: usize, const WORD: usize> Simulated<M, PAGES, PAGE, WORD>
where
    M: AsRef<[u8]> + AsMut<[u8]>,
{
    /// Moments inside the erasure of a page at which the power can be cut.
    pub const ERASE_STEPS: u32 = 16;

    /// A flash with the contents of this memory and no wear.
    pub const fn new(memory: M) -> Self {
        Self { nor: Nor::new(memory), erasures: [0; PAGES], steps: 0, cut: None, on: true }
    }

    /// Cuts the power after this many more steps, in the middle of the next one. In a byte that is being written, half
    /// of the bits to clear are cleared. In a page that is being erased, some bits everywhere are already ones.
    /// Afterwards, every operation fails until [`Self::power_on`].
    pub const fn cut_after(&mut self, steps: u32) {
        self.cut = Some(self.steps + steps);
    }

    /// Restores the power and cancels a pending cut.
    pub const fn power_on(&mut self) {
        (self.on, self.cut) = (true, None);
    }

    /// Whether the power is on.
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// Steps so far.
    pub const fn steps(&self) -> u32 {
        self.steps
    }

    /// How often each page was erased.
    pub const fn erasures(&self) -> &[u32; PAGES] {
        &self.erasures
    }

    /// The contents.
    pub fn bytes(&self) -> &[u8] {
        self.nor.bytes()
    }

    /// The contents, for simulating bit rot.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.nor.bytes_mut()
    }

    fn powered(&self) -> Result<(), NorFlashErrorKind> {
        if self.on { Ok(()) } else { Err(NorFlashErrorKind::Other) }
    }

    /// The number of the next `steps` for which there is power. If it is less than `steps`, the power is then off.
    fn take(&mut self, steps: u32) -> u32 {
        let left = self.cut.map_or(steps, |cut| cut - self.steps);
        self.on = left >= steps;
        let taken = steps.min(left);
        self.steps += taken;
        taken
    }
}

impl<M, const PAGES: usize, const PAGE: usize, const WORD: usize> ErrorType for Simulated<M, PAGES, PAGE, WORD> {
    type Error = NorFlashErrorKind;
}

impl<M, const PAGES: usize, const PAGE: usize, const WORD: usize> ReadNorFlash for Simulated<M, PAGES, PAGE, WORD>
where
    M: AsRef<[u8]> + AsMut<[u8]>,
{
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        self.powered()?;
        check_read(self, offset, bytes.len())?;
        self.nor.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.nor.capacity()
    }
}

impl<M, const PAGES: usize, const PAGE: usize, const WORD: usize> NorFlash for Simulated<M, PAGES, PAGE, WORD>
where
    M: AsRef<[u8]> + AsMut<[u8]>,
{
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.powered()?;
        check_erase(self, from, to)?;
        for page in from as usize / PAGE..to as usize / PAGE {
            if let Some(erasures) = self.erasures.get_mut(page) {
                *erasures += 1;
            }
            let taken = self.take(Self::ERASE_STEPS);
            if self.powered().is_err() {
                let bytes = self.bytes_mut().get_mut(page * PAGE..).unwrap_or_default();
                for (bit, byte) in (0..).step_by(8).zip(bytes.iter_mut().take(PAGE)) {
                    let erased = (0..8).filter(|i| noise(bit + i) % Self::ERASE_STEPS < taken);
                    *byte |= erased.fold(0, |mask, i| mask | 1 << i);
                }
                return self.powered();
            }
            self.nor.erase((page * PAGE) as u32, ((page + 1) * PAGE) as u32)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        self.powered()?;
        check_write(self, offset, bytes.len())?;
        let length = bytes.len() as u32;
        let before = self.steps;
        if self.cut.is_none_or(|cut| cut - before >= length) {
            self.take(length);
            return self.nor.write(offset, bytes);
        }
        let whole = self.take(length) as usize;
        let to = self.bytes_mut().get_mut(offset as usize..).unwrap_or_default();
        for (i, (to, byte)) in to.iter_mut().zip(bytes).enumerate().take(whole + 1) {
            *to &= if i < whole { *byte } else { *byte | 0x55 };
        }
        self.powered()
    }
}

/// Hashes a number to a pseudo-random one (Wellons' `lowbias32`).
fn noise(x: u32) -> u32 {
    let x = (x ^ x >> 16).wrapping_mul(0x7feb_352d);
    let x = (x ^ x >> 15).wrapping_mul(0x846c_a68b);
    x ^ x >> 16
}
