//! The flash of a device that learns, kept in a file between two runs of this program.

use crate::weights::Weights;
use anyhow::{Context, bail, ensure};
use autoencoder_core::Topology;
use autoencoder_device::flash::Nor;
use autoencoder_device::learn::record_bytes;
use autoencoder_device::store::{ENDURANCE, Record, RecordState, Store, slot_bytes};
use autoencoder_io::files::{self, FileLock};
use autoencoder_io::formats::{FLASH, FileFormat, PROTECTED};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where `learn` writes it, unless told otherwise.
pub const DEFAULT: &str = "artifacts/learned.flash";
/// Bytes of the flash of a device, if they suffice for its network.
const BYTES: usize = 32 * 1024;
/// Bytes of a page.
const PAGE: usize = 4096;

/// Bytes of the two slots that keep what a network learns.
pub fn slots(topology: &Topology) -> usize {
    2 * slot_bytes(record_bytes(topology.channels()), PAGE)
}

/// The contents of a flash for this network that was never written.
pub fn erased(topology: &Topology) -> Vec<u8> {
    vec![0xff; slots(topology).max(BYTES)]
}

/// A flash file.
pub struct FlashFile {
    pub path: PathBuf,
    pub contents: Vec<u8>,
    /// What the contents hold for the weights that they were read for.
    pub state: RecordState,
    /// Held by whoever writes it.
    lock: Option<FileLock>,
}

impl FlashFile {
    /// Reads the file; erased flash if it does not exist.
    pub fn read(path: &Path, weights: &Weights) -> anyhow::Result<Self> {
        let erased = erased(weights.topology());
        let contents = if path.exists() { files::read(path)? } else { erased.clone() };
        let (found, expected) = (contents.len(), erased.len());
        if found != expected && contents.starts_with(&FLASH.magic) {
            bail!(
                "{}: the flash of another network, {found} bytes; that of {} has {expected}",
                path.display(),
                weights.name()
            );
        }
        ensure!(found == expected, "{}: {found} bytes; the device's flash has {expected}", path.display());
        let mut flash: Nor<Vec<u8>> = Nor::new(contents);
        let state = Store::new(&mut flash, weights.crc, record_bytes(weights.channels()))?.find()?;
        Ok(Self { path: path.to_owned(), contents: flash.bytes().to_vec(), state, lock: None })
    }

    /// Reads a file that somebody names who means what is in it: an error if there is no record of these weights.
    pub fn of_weights(path: &Path, weights: &Weights) -> anyhow::Result<Self> {
        ensure!(path.exists(), "{}: no such file: nothing was learned there", path.display());
        let file = Self::read(path, weights)?;
        file.ensure_own(weights)?;
        Ok(file)
    }

    /// Locks and reads a file to learn on: nobody else writes it until it is dropped. One of other weights, a damaged one and
    /// one that is no flash are refused; with `force` they are taken as erased.
    pub fn to_learn(path: &Path, weights: &Weights, force: bool) -> anyhow::Result<Self> {
        let lock = lock(path)?;
        match Self::read(path, weights).and_then(|file| file.ensure_own(weights).map(|()| file)) {
            Ok(file) => Ok(Self { lock: Some(lock), ..file }),
            Err(_) if force => {
                let contents = erased(weights.topology());
                Ok(Self { path: path.to_owned(), contents, state: RecordState::Nothing, lock: Some(lock) })
            }
            Err(error) => bail!("{error:#}; give another --flash, or --force to replace it"),
        }
    }

    /// Locks and reads a file to reset, a damaged one, too. One of other weights is refused.
    pub fn to_reset(path: &Path, weights: &Weights) -> anyhow::Result<Self> {
        let lock = lock(path)?;
        let file = Self::read(path, weights)?;
        if file.state != RecordState::Damaged {
            file.ensure_own(weights)?;
        }
        Ok(Self { lock: Some(lock), ..file })
    }

    fn ensure_own(&self, weights: &Weights) -> anyhow::Result<()> {
        ensure_own(self.state, &self.path.display().to_string(), weights)
    }

    /// Replaces the file whole or not at all, unless the contents are what they were. It is locked.
    pub fn write(&self, contents: &[u8]) -> anyhow::Result<()> {
        debug_assert!(self.lock.is_some(), "to_learn or to_reset");
        if self.path.exists() && contents == self.contents {
            return Ok(());
        }
        files::replace(&self.path, contents, &other_formats()).context("the device's flash")
    }
}

/// Returns an error if a flash holds only a record of other weights, or none that is whole. `what` it is in messages.
pub fn ensure_own(state: RecordState, what: &str, weights: &Weights) -> anyhow::Result<()> {
    match state {
        RecordState::Damaged => bail!("{what}: damaged: there is no whole record in it"),
        RecordState::OtherWeights { found } => {
            bail!("{what}: a record of other weights ({found:08x}; {} is {:08x})", weights.path.display(), weights.crc)
        }
        RecordState::Nothing | RecordState::Learned(_) | RecordState::Base(_) => Ok(()),
    }
}

fn lock(path: &Path) -> anyhow::Result<FileLock> {
    files::ensure_replaceable(path, &[], &other_formats())?;
    Ok(FileLock::new(path)?)
}

/// Whether a file holds what was learned with these weights.
pub fn has_learned(path: &Path, weights: &Weights) -> bool {
    path.exists() && FlashFile::read(path, weights).is_ok_and(|file| matches!(file.state, RecordState::Learned(_)))
}

/// The formats of files that a flash does not replace.
pub fn other_formats() -> Vec<FileFormat> {
    PROTECTED.into_iter().filter(|format| *format != FLASH).collect()
}

/// Describes the state of a flash.
pub fn describe(state: RecordState) -> String {
    match state {
        RecordState::Nothing => "nothing was learned yet".into(),
        RecordState::Learned(record) => format!("learned parameters, record {}", describe_record(record)),
        RecordState::Base(record) => {
            // One in each slot, so that no bit that changes brings back what was forgotten.
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

/// The same in numbers.
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

    fn weights(topology: &str) -> Weights {
        random::weights(&topology.parse().unwrap()).unwrap()
    }

    /// The contents of a flash that holds a record of these weights.
    fn learned(weights: &Weights) -> Vec<u8> {
        let mut flash: Nor<Vec<u8>> = Nor::new(erased(weights.topology()));
        let length = record_bytes(weights.channels());
        Store::new(&mut flash, weights.crc, length).unwrap().save([&vec![7; length][..]]).unwrap();
        flash.bytes().to_vec()
    }

    #[test]
    fn what_is_learned_outlives_the_program_and_what_is_none_is_refused() {
        let weights = weights("64-16-4-16-64");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        let first = FlashFile::to_learn(&path, &weights, false).unwrap();
        assert_eq!((first.state, &first.contents), (RecordState::Nothing, &erased(weights.topology())));
        assert!(
            FlashFile::to_learn(&path, &weights, true).err().unwrap().to_string().starts_with(path.to_str().unwrap())
        );
        first.write(&learned(&weights)).unwrap();
        drop(first);
        let second = FlashFile::of_weights(&path, &weights).unwrap();
        assert!(matches!(second.state, RecordState::Learned(Record { sequence: 1, .. })), "{:?}", second.state);
        assert!(second.contents.starts_with(&FLASH.magic));
        assert!(has_learned(&path, &weights) && second.contents == learned(&weights));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the lock has left something");

        fs::write(&path, [0xff; 100]).unwrap();
        let refused = FlashFile::read(&path, &weights).err().map(|error| error.to_string());
        assert_eq!(refused, Some(format!("{}: 100 bytes; the device's flash has 32768", path.display())));
        assert!(!has_learned(&path, &weights));
    }

    #[test]
    fn the_flash_of_another_network_is_only_replaced_by_force_and_if_something_was_learned() {
        let (ours, theirs, larger) = (weights("64-16-4-16-64"), weights("64-8-64"), weights("4-3000-2-3000-4"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        let mut damaged = learned(&ours);
        damaged[100] ^= 1;
        for (contents, because) in [
            (learned(&theirs), "a record of other weights ("),
            (learned(&larger), "the flash of another network, 98304 bytes; that of tiny has 32768"),
            (damaged, "damaged: there is no whole record in it"),
        ] {
            fs::write(&path, &contents).unwrap();
            assert!(!has_learned(&path, &ours));
            assert!(FlashFile::of_weights(&path, &ours).is_err());
            let reset = FlashFile::to_reset(&path, &ours).map(|file| file.state).map_err(|error| error.to_string());
            if because.starts_with("damaged") {
                assert_eq!(reset, Ok(RecordState::Damaged), "what is damaged can be reset");
            } else {
                assert!(reset.is_err_and(|said| said.contains(because)));
            }
            let said = FlashFile::to_learn(&path, &ours, false).err().unwrap().to_string();
            assert!(
                said.contains(because) && said.ends_with("; give another --flash, or --force to replace it"),
                "{said}"
            );
            let forced = FlashFile::to_learn(&path, &ours, true).unwrap();
            assert_eq!(forced.contents, erased(ours.topology()));
            forced.write(&erased(ours.topology())).unwrap(); // rolled back
            assert_eq!(fs::read(&path).unwrap(), contents);
            forced.write(&learned(&ours)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), learned(&ours));
        }
        fs::write(&path, "AENC and so on").unwrap();
        let said = FlashFile::to_learn(&path, &ours, true).err().map(|error| format!("{error:#}")).unwrap();
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
