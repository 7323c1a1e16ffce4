//! The flash of a device that learns, kept in a file between two runs of this program.

use crate::weights::Weights;
use anyhow::{Context, ensure};
use autoencoder_device::learn::record_bytes;
use autoencoder_device::store::{ENDURANCE, Record, RecordState, slot_bytes};
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use serde_json::{Value, json};
use std::path::Path;

/// Where `learn` writes it, unless told otherwise.
pub const DEFAULT: &str = "artifacts/learned.flash";
/// Bytes of the flash of a device, if they suffice for its network.
const BYTES: usize = 32 * 1024;
/// Bytes of a page.
const PAGE: usize = 4096;

/// Bytes of the two slots that keep what a network learns.
pub fn slots(weights: &Weights) -> usize {
    2 * slot_bytes(record_bytes(weights.channels()), PAGE)
}

/// The contents of a flash for this network that was never written.
pub fn erased(weights: &Weights) -> Vec<u8> {
    vec![0xff; slots(weights).max(BYTES)]
}

/// The contents of the file; erased flash if it does not exist.
pub fn read(path: &Path, weights: &Weights) -> anyhow::Result<Vec<u8>> {
    let erased = erased(weights);
    if !path.exists() {
        return Ok(erased);
    }
    let bytes = files::read(path)?;
    let (found, expected) = (bytes.len(), erased.len());
    ensure!(found == expected, "{}: {found} bytes; the device's flash has {expected}", path.display());
    Ok(bytes)
}

/// Writes the contents to the file, whole or not at all.
pub fn write(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    files::replace(path, contents, &PROTECTED).context("the device's flash")
}

/// What is in a flash, in words.
pub fn describe(state: RecordState) -> String {
    match state {
        RecordState::Nothing => "nothing was learned yet".into(),
        RecordState::Learned(record) => format!("learned parameters, {}", describe_record(record)),
        RecordState::Base(record) => format!("reset to the parameters of the blob, {}", describe_record(record)),
        RecordState::OtherWeights { found } => format!("ignored: a record of other weights ({found:08x})"),
        RecordState::Damaged => "no whole record of this version; the parameters of the blob are used".into(),
    }
}

fn describe_record(record: Record) -> String {
    let Record { sequence, other_damaged, .. } = record;
    let damage = if other_damaged { "; the other slot is damaged: a save was cut off, or bits changed" } else { "" };
    format!("record {sequence}; at most {} of {ENDURANCE} rated erasures used{damage}", record.erasures())
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
    use autoencoder_device::flash::Nor;
    use autoencoder_device::store::Store;

    #[test]
    fn what_is_learned_outlives_the_program_and_a_file_of_another_length_is_refused() {
        let weights = random::weights(&"64-16-4-16-64".parse().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        let mut first: Nor<Vec<u8>> = Nor::new(read(&path, &weights).unwrap());
        Store::new(&mut first, 1, 3).unwrap().save([&[7, 8, 9][..]]).unwrap();
        write(&path, first.bytes()).unwrap();
        let mut second: Nor<Vec<u8>> = Nor::new(read(&path, &weights).unwrap());
        let mut parameters = [0; 3];
        let state = Store::new(&mut second, 1, 3).unwrap().load([&mut parameters[..]]);
        assert!(matches!(state, Ok(RecordState::Learned(_))) && parameters == [7, 8, 9]);

        std::fs::write(&path, [0xff; 100]).unwrap();
        let refused = read(&path, &weights).err().map(|error| error.to_string());
        assert_eq!(refused, Some(format!("{}: 100 bytes; the device's flash has 32768", path.display())));
    }

    #[test]
    fn a_network_with_many_channels_has_a_larger_flash() {
        let bytes = |topology: &str| erased(&random::weights(&topology.parse().unwrap()).unwrap()).len();
        assert_eq!((bytes("784-256-128-256-784"), bytes("8-4-8")), (BYTES, BYTES));
        let large = bytes("4-3000-2-3000-4");
        assert!(large > 2 * 6000 * 8 && large.is_multiple_of(2 * PAGE), "{large}");
    }
}
