//! The flash of the device in this process, in a file between two runs.

use anyhow::{Context, ensure};
use firmware_sim::flash::Simulated;
use host::files;
use std::path::{Path, PathBuf};

/// Two slots of 16 KiB: enough for the tables of each topology.
const PAGES: usize = 8;
const BYTES: usize = PAGES * 4096;

/// A flash of 4 KiB pages.
pub type Flash = Simulated<Vec<u8>, PAGES>;

/// A flash and the file that it is kept in.
pub struct FlashFile {
    path: PathBuf,
    pub flash: Flash,
}

impl FlashFile {
    /// The flash as the file has it; erased, where there is no file.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let bytes = if path.exists() { files::read(path)? } else { vec![0xff; BYTES] };
        ensure!(bytes.len() == BYTES, "{}: {} bytes; a device's flash has {BYTES}", path.display(), bytes.len());
        Ok(Self { path: path.to_owned(), flash: Flash::new(bytes) })
    }

    /// Puts the flash into the file, whole or not at all.
    pub fn close(self) -> anyhow::Result<()> {
        files::replace(&self.path, self.flash.bytes()).context("the device's flash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmware_sim::store::{Kept, Store};

    #[test]
    fn what_is_kept_outlives_the_program_and_a_file_of_another_length_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        let mut first = FlashFile::open(&path).unwrap();
        Store::new(&mut first.flash, 1, 3).unwrap().save([&[7, 8, 9][..]]).unwrap();
        first.close().unwrap();
        let mut second = FlashFile::open(&path).unwrap();
        let mut table = [0; 3];
        let kept = Store::new(&mut second.flash, 1, 3).unwrap().load([&mut table[..]]);
        assert!(matches!(kept, Ok(Kept::Learned(_))) && table == [7, 8, 9]);

        std::fs::write(&path, [0xff; 100]).unwrap();
        let refused = FlashFile::open(&path).err().map(|error| error.to_string());
        assert_eq!(refused, Some(format!("{}: 100 bytes; a device's flash has 32768", path.display())));
    }
}
