//! The flash of a device that learns, kept in a file between two runs of this program.

use crate::weights::WeightsBlob;
use anyhow::{Context, bail, ensure};
use autoencoder_core::Topology;
use autoencoder_device::flash::Nor;
use autoencoder_device::learn::record_bytes;
use autoencoder_device::store::{ENDURANCE, Record, RecordState, Store, slot_bytes};
use autoencoder_io::files::{self, FileLock};
use autoencoder_io::formats::{FLASH, FileFormat, PROTECTED};
use autoencoder_io::record::ensure_own;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The default path of a flash file.
pub const DEFAULT: &str = "artifacts/learned.flash";
/// Bytes of a device's flash, unless its network needs more.
const BYTES: usize = 32 * 1024;
/// Bytes of a page.
const PAGE: usize = 4096;

/// Bytes of the two slots for the learned parameters of a network.
pub fn slots(topology: &Topology) -> usize {
    2 * slot_bytes(record_bytes(topology.channels()), PAGE)
}

/// The contents of an erased flash for this network.
pub fn erased(topology: &Topology) -> Vec<u8> {
    vec![0xff; slots(topology).max(BYTES)]
}

/// A flash file that was read.
#[derive(Debug)]
pub struct FlashFile {
    pub path: PathBuf,
    pub contents: Vec<u8>,
    /// The record in the contents, with respect to the weights for which the file was read.
    pub state: RecordState,
}

/// A flash file that only this process may write.
#[derive(Debug)]
pub struct LockedFlash {
    pub file: FlashFile,
    /// Held until this is dropped.
    _lock: FileLock,
}

impl FlashFile {
    /// Reads the file. A file that does not exist counts as erased flash.
    pub fn read(path: &Path, weights: &WeightsBlob) -> anyhow::Result<Self> {
        let erased = erased(weights.topology());
        let contents = if path.exists() { files::read(path)? } else { erased.clone() };
        let (found, expected) = (contents.len(), erased.len());
        if found != expected && contents.starts_with(FLASH.magic) {
            bail!(
                "{}: the flash of another network, {found} bytes; the flash of {} has {expected}",
                path.display(),
                weights.name()
            );
        }
        ensure!(found == expected, "{}: {found} bytes; the device's flash has {expected}", path.display());
        let mut flash: Nor<Vec<u8>> = Nor::new(contents);
        let state = Store::new(&mut flash, weights.crc, record_bytes(weights.channels()))?.find()?;
        Ok(Self { path: path.to_owned(), contents: flash.bytes().to_vec(), state })
    }

    /// Reads a file that the user named for the parameters in it. Returns an error if it does not exist, is damaged, or
    /// holds only a record of other weights.
    pub fn of_weights(path: &Path, weights: &WeightsBlob) -> anyhow::Result<Self> {
        ensure!(path.exists(), "{}: no such file: nothing was learned there", path.display());
        let file = Self::read(path, weights)?;
        file.ensure_own(weights)?;
        Ok(file)
    }

    fn ensure_own(&self, weights: &WeightsBlob) -> anyhow::Result<()> {
        ensure_own(self.state, weights.crc).with_context(|| self.path.display().to_string())
    }
}

impl LockedFlash {
    /// Locks and reads a file to learn on. A damaged flash and a flash of other weights are refused, or treated as
    /// erased with `force`. A file that is not a flash is always refused.
    pub fn to_learn(path: &Path, weights: &WeightsBlob, force: bool) -> anyhow::Result<Self> {
        let lock = lock(path)?;
        let file = match FlashFile::read(path, weights).and_then(|file| file.ensure_own(weights).map(|()| file)) {
            Ok(file) => file,
            Err(error) if !is_flash(path) => bail!("{error:#}; not a flash: give another --flash"),
            Err(error) if !force => bail!("{error:#}; give another --flash, or --force to replace it"),
            Err(_) => {
                let contents = erased(weights.topology());
                FlashFile { path: path.to_owned(), contents, state: RecordState::Nothing }
            }
        };
        Ok(Self { file, _lock: lock })
    }

    /// Locks and reads a file to reset, even a damaged one. A flash of other weights is refused.
    pub fn to_reset(path: &Path, weights: &WeightsBlob) -> anyhow::Result<Self> {
        let lock = lock(path)?;
        let file = FlashFile::read(path, weights)?;
        if file.state != RecordState::Damaged {
            file.ensure_own(weights)?;
        } else if !is_flash(path) {
            bail!("{}: not a flash", path.display());
        }
        Ok(Self { file, _lock: lock })
    }

    /// Replaces the file, whole or not at all. Contents that have not changed are not written.
    pub fn write(&self, contents: &[u8]) -> anyhow::Result<()> {
        if self.file.path.exists() && contents == self.file.contents {
            return Ok(());
        }
        files::replace(&self.file.path, contents, &other_formats()).context("the device's flash")
    }
}

/// Whether a file is a flash of some network: a page of it begins as a record does, or all of it is erased.
fn is_flash(path: &Path) -> bool {
    let Ok(contents) = files::read(path) else { return false };
    let erased = !contents.is_empty() && contents.iter().all(|byte| *byte == 0xff);
    erased || contents.chunks(PAGE).any(|page| page.starts_with(FLASH.magic))
}

fn lock(path: &Path) -> anyhow::Result<FileLock> {
    files::ensure_replaceable(path, &[], &other_formats())?;
    Ok(FileLock::new(path)?)
}

/// Whether a file holds parameters that were learned with these weights.
pub fn has_learned(path: &Path, weights: &WeightsBlob) -> bool {
    path.exists() && FlashFile::read(path, weights).is_ok_and(|file| matches!(file.state, RecordState::Learned(_)))
}

/// The formats of the files that a flash file must not replace.
pub fn other_formats() -> Vec<FileFormat> {
    PROTECTED.into_iter().filter(|format| *format != FLASH).collect()
}

/// Describes the record in a flash.
pub fn describe(state: RecordState) -> String {
    match state {
        RecordState::Nothing => "nothing was learned yet".into(),
        RecordState::Learned(record) => format!("what was learned, record {}", describe_record(record)),
        RecordState::Base(record) => {
            // A reset writes both slots, so that a flipped bit cannot bring back the discarded parameters.
            let first = record.sequence.saturating_sub(1);
            format!("reset to the parameters of the blob, records {first} and {}", describe_record(record))
        }
        RecordState::OtherWeights { found } => format!("ignored: a record of other weights ({found:08x})"),
        RecordState::Damaged => "no whole record of this version; the parameters of the blob are used".into(),
    }
}

fn describe_record(record: Record) -> String {
    let Record { sequence, other_damaged, .. } = record;
    let damage = if other_damaged { "; the other slot is damaged: a save was cut off, or bits changed" } else { "" };
    format!("{sequence}; at most {} of {ENDURANCE} rated erasures used{damage}", record.erasures())
}

/// The wear of a flash, for `--json`.
pub fn wear(state: RecordState) -> Value {
    let record = state.record();
    json!({
        "records": record.map_or(0, |record| record.sequence),
        "erasures": record.map_or(0, |record| record.erasures()),
        "endurance": ENDURANCE,
        "other_slot_damaged": record.is_some_and(|record| record.other_damaged),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use std::fs;

    fn weights(topology: &str) -> WeightsBlob {
        random::weights(&topology.parse().unwrap()).unwrap()
    }

    /// The contents of a flash that holds a record of these weights.
    fn learned(weights: &WeightsBlob) -> Vec<u8> {
        let mut flash: Nor<Vec<u8>> = Nor::new(erased(weights.topology()));
        let length = record_bytes(weights.channels());
        Store::new(&mut flash, weights.crc, length).unwrap().save([&vec![7; length][..]]).unwrap();
        flash.bytes().to_vec()
    }

    #[test]
    fn learned_parameters_stay_in_the_file_and_a_file_of_another_length_is_refused() {
        let weights = weights("64-16-4-16-64");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        let first = LockedFlash::to_learn(&path, &weights, false).unwrap();
        assert_eq!((first.file.state, &first.file.contents), (RecordState::Nothing, &erased(weights.topology())));
        assert!(
            LockedFlash::to_learn(&path, &weights, true).err().unwrap().to_string().starts_with(path.to_str().unwrap())
        );
        first.write(&learned(&weights)).unwrap();
        drop(first);
        let second = FlashFile::of_weights(&path, &weights).unwrap();
        assert!(matches!(second.state, RecordState::Learned(Record { sequence: 1, .. })), "{:?}", second.state);
        assert!(second.contents.starts_with(FLASH.magic));
        assert!(has_learned(&path, &weights) && second.contents == learned(&weights));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the lock file was left behind");

        fs::write(&path, [0xff; 100]).unwrap();
        let refused = FlashFile::read(&path, &weights).err().map(|error| error.to_string());
        assert_eq!(refused, Some(format!("{}: 100 bytes; the device's flash has 32768", path.display())));
        assert!(!has_learned(&path, &weights));
    }

    #[test]
    fn the_flash_of_another_network_is_replaced_only_by_force_and_only_after_learning() {
        let (ours, theirs, larger) = (weights("64-16-4-16-64"), weights("64-8-64"), weights("4-3000-2-3000-4"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        let mut damaged = learned(&ours);
        damaged[100] ^= 1;
        for (contents, because) in [
            (learned(&theirs), "a record of other weights ("),
            (learned(&larger), "the flash of another network, 98304 bytes; the flash of tiny has 32768"),
            (damaged, "damaged: it holds no whole record"),
        ] {
            fs::write(&path, &contents).unwrap();
            assert!(!has_learned(&path, &ours));
            assert!(FlashFile::of_weights(&path, &ours).is_err());
            let reset =
                LockedFlash::to_reset(&path, &ours).map(|flash| flash.file.state).map_err(|error| format!("{error:#}"));
            if because.starts_with("damaged") {
                assert_eq!(reset, Ok(RecordState::Damaged), "a damaged flash can be reset");
            } else {
                assert!(reset.is_err_and(|said| said.contains(because)));
            }
            let said = LockedFlash::to_learn(&path, &ours, false).err().unwrap().to_string();
            assert!(
                said.contains(because) && said.ends_with("; give another --flash, or --force to replace it"),
                "{said}"
            );
            let forced = LockedFlash::to_learn(&path, &ours, true).unwrap();
            assert_eq!(forced.file.contents, erased(ours.topology()));
            forced.write(&erased(ours.topology())).unwrap(); // rolled back
            assert_eq!(fs::read(&path).unwrap(), contents);
            forced.write(&learned(&ours)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), learned(&ours));
        }
        for contents in [b"notes".to_vec(), vec![1; BYTES], Vec::new()] {
            fs::write(&path, &contents).unwrap();
            for force in [false, true] {
                let said = LockedFlash::to_learn(&path, &ours, force).err().unwrap().to_string();
                assert!(said.ends_with("; not a flash: give another --flash"), "{said}");
            }
            assert!(LockedFlash::to_reset(&path, &ours).is_err());
            assert_eq!(fs::read(&path).unwrap(), contents);
        }
        fs::write(&path, "AENC and so on").unwrap();
        let said = LockedFlash::to_learn(&path, &ours, true).err().map(|error| format!("{error:#}")).unwrap();
        assert!(said.contains("a weights blob is there, which is not replaced"), "{said}");
    }

    #[test]
    fn a_network_with_many_channels_has_a_larger_flash() {
        let bytes = |topology: &str| erased(&topology.parse().unwrap()).len();
        assert_eq!((bytes("784-256-128-256-784"), bytes("8-4-8")), (BYTES, BYTES));
        let large = bytes("4-3000-2-3000-4");
        assert!(large > 2 * 6000 * 8 && large.is_multiple_of(2 * PAGE), "{large}");
    }
}
