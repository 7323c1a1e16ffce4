//! A flash that wears, and whose power can be cut at any moment.

use super::Nor;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// [`Nor`] flash of `PAGES` pages that counts its erasures and stops where it is told to.
///
/// Its time is counted in steps: one for each byte that is written, [`Self::ERASE_STEPS`] for each page that is erased.
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

    /// A flash with the contents of this memory, never erased before.
    pub const fn new(memory: M) -> Self {
        Self { nor: Nor::new(memory), erasures: [0; PAGES], steps: 0, cut: None, on: true }
    }

    /// Cuts the power after so many more steps: in the middle of the next one. Of a byte, half of the bits that were to
    /// be cleared are; of a page that is being erased, some bits everywhere are ones already. Then every operation
    /// fails until [`Self::power_on`].
    pub const fn cut_after(&mut self, steps: u32) {
        self.cut = Some(self.steps + steps);
    }

    /// The power is back, and stays.
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

    /// The contents, for bits that change by themselves.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.nor.bytes_mut()
    }

    fn powered(&self) -> Result<(), NorFlashErrorKind> {
        if self.on { Ok(()) } else { Err(NorFlashErrorKind::Other) }
    }

    /// How many of the next `steps` can be taken. If not all of them, the power is off behind them.
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

/// A pseudo-random number for each number (Wellons' `lowbias32`).
fn noise(x: u32) -> u32 {
    let x = (x ^ x >> 16).wrapping_mul(0x7feb_352d);
    let x = (x ^ x >> 15).wrapping_mul(0x846c_a68b);
    x ^ x >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    type Flash = Simulated<[u8; 64], 4, 16, 4>;

    #[test]
    fn a_write_stops_in_the_middle_of_a_byte() {
        for whole in 0..8 {
            let mut flash = Flash::new([0xff; 64]);
            flash.cut_after(whole);
            assert_eq!(flash.write(16, &[0; 8]), Err(NorFlashErrorKind::Other));
            let mut expected = [0xff; 64];
            expected[16..][..whole as usize].fill(0);
            expected[16 + whole as usize] = 0x55;
            assert_eq!(flash.bytes(), expected);
            for outcome in [flash.read(0, &mut []), flash.write(32, &[0; 4]), flash.erase(0, 16)] {
                assert_eq!(outcome, Err(NorFlashErrorKind::Other), "the power is off");
            }
            flash.power_on();
            assert_eq!(flash.write(32, &[0; 8]), Ok(()));
        }
        let mut flash = Flash::new([0xff; 64]);
        flash.cut_after(8);
        assert_eq!(flash.write(16, &[0; 8]), Ok(()));
        assert_eq!(flash.write(24, &[0; 4]), Err(NorFlashErrorKind::Other));
    }

    #[test]
    fn an_erasure_stops_with_more_and_more_bits_erased() {
        let ones = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
        let mut last = 0;
        for steps in 0..2 * Flash::ERASE_STEPS {
            let mut flash = Flash::new([0; 64]);
            flash.cut_after(steps);
            assert_eq!(flash.erase(16, 48), Err(NorFlashErrorKind::Other));
            let [a, b, c, d] = [0, 16, 32, 48].map(|at| ones(&flash.bytes()[at..][..16]));
            assert_eq!((a, d), (0, 0), "other pages");
            assert!(b == 128 || (c == 0 && b < 128), "one page after the other");
            assert!(b + c >= last && (b + c > 0) == (steps > 0), "{steps} steps: {b} and {c} bits");
            last = b + c;
        }
    }

    #[test]
    fn it_counts_what_was_erased() {
        let mut flash = Flash::new([0; 64]);
        flash.erase(0, 16).unwrap();
        flash.erase(0, 48).unwrap();
        flash.write(0, &[0; 8]).unwrap();
        assert_eq!((flash.erasures(), flash.steps()), (&[2, 1, 1, 0], 4 * Flash::ERASE_STEPS + 8));
        flash.cut_after(0);
        assert!(flash.erase(48, 64).is_err());
        assert_eq!(flash.erasures(), &[2, 1, 1, 1], "an erasure that was begun wears, too");
    }
}
