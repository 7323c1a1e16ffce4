//! The flash of a device that learns, in a file between two runs.

use anyhow::{Context, ensure};
use host::files;
use std::path::Path;

/// Two records of the largest topology.
const BYTES: usize = 32 * 1024;

/// Never written.
pub fn erased() -> Vec<u8> {
    vec![0xff; BYTES]
}

/// The contents of the file; erased flash where there is none.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = if path.exists() { files::read(path)? } else { erased() };
    ensure!(bytes.len() == BYTES, "{}: {} bytes; a device's flash has {BYTES}", path.display(), bytes.len());
    Ok(bytes)
}

/// Puts the contents into the file, whole or not at all.
pub fn write(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    files::replace(path, contents).context("the device's flash")
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmware_sim::flash::Nor;
    use firmware_sim::store::{Kept, Store};

    #[test]
    fn what_is_kept_outlives_the_program_and_a_file_of_another_length_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        let mut first: Nor<Vec<u8>> = Nor::new(read(&path).unwrap());
        Store::new(&mut first, 1, 3).unwrap().save([&[7, 8, 9][..]]).unwrap();
        write(&path, first.bytes()).unwrap();
        let mut second: Nor<Vec<u8>> = Nor::new(read(&path).unwrap());
        let mut table = [0; 3];
        let kept = Store::new(&mut second, 1, 3).unwrap().load([&mut table[..]]);
        assert!(matches!(kept, Ok(Kept::Learned(_))) && table == [7, 8, 9]);

        std::fs::write(&path, [0xff; 100]).unwrap();
        let refused = read(&path).err().map(|error| error.to_string());
        assert_eq!(refused, Some(format!("{}: 100 bytes; a device's flash has 32768", path.display())));
    }
}
