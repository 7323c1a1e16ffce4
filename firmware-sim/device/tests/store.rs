//! Tests that the record of learned channels survives power cuts, bit rot and wear.

#[path = "common/simulated.rs"]
mod simulated;

use autoencoder_device::store::{Record, RecordState, Store, StoreError, slot_bytes};
use crc::{CRC_32_ISO_HDLC, Crc};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;
use simulated::Simulated;

/// CRC of the weights.
const WEIGHTS: u32 = 0x1234_5678;
/// Bytes of the default network's 1,424 channels and of the thresholds.
const LENGTH: usize = 11_400;
/// Flash in which a slot has three pages, enough for such a record.
type Flash = Simulated<Vec<u8>, 6>;
/// A small flash, for exhaustive tests.
type Small = Simulated<Vec<u8>, 4, 128, 8>;
const SMALL: usize = 200;

fn flash() -> Flash {
    Flash::new(vec![0xff; 6 * 4096])
}

fn small() -> Small {
    Small::new(vec![0xff; 4 * 128])
}

/// Channels that differ for each `seed`.
fn channels(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + i / 256) as u8 ^ seed.wrapping_mul(37)).collect()
}

type Part = (usize, usize);
/// The channels in parts, whose ends do not coincide with those of chunks or pages.
fn parts(length: usize) -> [Part; 4] {
    [(0, 1), (1, length / 3), (length / 3, length / 3), (length / 3, length)]
}

/// Shorthands for the operations of a device.
trait Device {
    fn save_of(&mut self, channels: &[u8]) -> Result<u32, StoreError>;
    /// The state that is found, and the channels, which are zeros if nothing was loaded.
    fn boot_of(&mut self, length: usize) -> Result<(RecordState, Vec<u8>), StoreError>;
    fn reset_of(&mut self, length: usize) -> Result<(), StoreError>;
}

impl<const P: usize, const S: usize, const W: usize> Device for Simulated<Vec<u8>, P, S, W> {
    fn save_of(&mut self, channels: &[u8]) -> Result<u32, StoreError> {
        let parts = parts(channels.len()).map(|(from, to)| &channels[from..to]);
        Store::new(self, WEIGHTS, channels.len())?.save(parts)
    }

    fn boot_of(&mut self, length: usize) -> Result<(RecordState, Vec<u8>), StoreError> {
        let mut channels = vec![0; length];
        let mut rest = &mut channels[..];
        let parts = parts(length).map(|(from, to)| rest.split_off_mut(..to - from).unwrap());
        let kept = Store::new(self, WEIGHTS, length)?.load(parts)?;
        Ok((kept, channels))
    }

    fn reset_of(&mut self, length: usize) -> Result<(), StoreError> {
        Store::new(self, WEIGHTS, length)?.reset()
    }
}

fn learned(sequence: u32, slot: u8, other_damaged: bool) -> RecordState {
    RecordState::Learned(Record { sequence, slot, other_damaged })
}

fn is_learned(kept: RecordState) -> bool {
    matches!(kept, RecordState::Learned(_))
}

#[test]
fn the_bytes_of_a_record() {
    let mut flash = small();
    let channels = [1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(flash.save_of(&channels), Ok(1));
    let header = *b"AEKP\x03\0\0\0\x78\x56\x34\x12\x01\0\0\0\x08\0\0\0";
    let crc = [0x91, 0x7f, 0x77, 0x41];
    assert_eq!(flash.bytes()[..32], [&header[..], &channels, &crc].concat());
    assert_eq!(flash.bytes()[32..], [0xff; 512 - 32]);
}

#[test]
fn records_take_turns_and_the_latest_counts() {
    let mut flash = flash();
    assert_eq!(flash.boot_of(LENGTH), Ok((RecordState::Nothing, vec![0; LENGTH])));
    for sequence in 1..10 {
        let channels = channels(LENGTH, sequence as u8);
        assert_eq!(flash.save_of(&channels), Ok(sequence));
        let slot = (sequence as u8 + 1) % 2;
        assert_eq!(flash.boot_of(LENGTH), Ok((learned(sequence, slot, false), channels)));
    }
}

/// Cuts the power in the middle of every step of a save or a reset, then boots, saves and boots.
/// `check` gets the state after the cut and says whether the act took effect. Returns how often it did, and the number of cuts.
fn cut_everywhere<const P: usize, const S: usize, const W: usize>(
    flash: &Simulated<Vec<u8>, P, S, W>,
    length: usize,
    act: impl Fn(&mut Simulated<Vec<u8>, P, S, W>),
    check: impl Fn(RecordState, Vec<u8>) -> bool,
) -> (usize, usize) {
    cut(flash, length, act, check, |_| true)
}

/// As [`cut_everywhere`], but only at the steps that are `chosen`, and after the last one.
fn cut<const P: usize, const S: usize, const W: usize>(
    flash: &Simulated<Vec<u8>, P, S, W>,
    length: usize,
    act: impl Fn(&mut Simulated<Vec<u8>, P, S, W>),
    check: impl Fn(RecordState, Vec<u8>) -> bool,
    mut chosen: impl FnMut(u32) -> bool,
) -> (usize, usize) {
    let steps = {
        let (before, mut flash) = (flash.steps(), flash.clone());
        act(&mut flash);
        flash.steps() - before
    };
    let again = channels(length, 99);
    let mut done = 0;
    for cut in (0..=steps).filter(|step| *step == steps || chosen(*step)) {
        let mut flash = flash.clone();
        flash.cut_after(cut);
        act(&mut flash);
        assert_eq!(flash.is_on(), cut == steps, "only the last step is not cut");
        flash.power_on();
        let (kept, channels) = flash.boot_of(length).unwrap();
        done += usize::from(check(kept, channels));
        // The device still works.
        let sequence = flash.save_of(&again).unwrap();
        let (kept, channels) = flash.boot_of(length).unwrap();
        assert!(matches!(kept, RecordState::Learned(record) if record.sequence == sequence), "{cut}: {kept:?}");
        assert!(channels == again, "cut after {cut}");
    }
    (done, steps as usize)
}

/// Cuts a save into a slot that was never written, then a save into a slot that holds a record. `chosen` must include
/// the last 64 bytes.
fn cut_two_saves<const P: usize, const S: usize, const W: usize>(
    mut flash: Simulated<Vec<u8>, P, S, W>,
    length: usize,
    mut chosen: impl FnMut(u32) -> bool,
) {
    let [one, two, three] = [1, 2, 3].map(|seed| channels(length, seed));
    flash.save_of(&one).unwrap();
    for (sequence, old, new) in [(1, &one, &two), (2, &two, &three)] {
        let save = |flash: &mut Simulated<Vec<u8>, P, S, W>| {
            let _ = flash.save_of(new);
        };
        let check = |kept, channels| match kept {
            RecordState::Learned(record) if record.sequence == sequence => {
                assert!(channels == *old, "a mixture");
                false
            }
            RecordState::Learned(record) if record.sequence == sequence + 1 => {
                assert!(channels == *new, "a mixture");
                true
            }
            _ => panic!("neither the old nor the new record: {kept:?}"),
        };
        let (done, steps) = cut(&flash, length, save, check, &mut chosen);
        // Everything up to the end of the last chunk was written; the padding after the record is erased bytes.
        let record = 20 + length + 4;
        let padding = record.next_multiple_of(64) - record;
        assert_eq!(done, padding + 1);
        let pages = record.div_ceil(S);
        assert_eq!(steps, pages * Simulated::<Vec<u8>, P, S, W>::ERASE_STEPS as usize + record + padding);
        flash.save_of(new).unwrap();
    }
}

#[test]
fn a_cut_anywhere_in_a_save_leaves_the_old_record_or_the_new_one() {
    cut_two_saves(small(), SMALL, |_| true);
}

/// Cuts at each moment of the erasures, at the bytes around the borders of pages and in the last two chunks, and at a
/// random sample of the rest.
#[test]
fn a_cut_in_a_save_of_the_default_network_leaves_the_old_record_or_the_new_one() {
    let mut rng = Pcg32::new(1, 1);
    let end = (20 + LENGTH + 4).next_multiple_of(64);
    cut_two_saves(flash(), LENGTH, |step| {
        let Some(byte) = step.checked_sub(3 * Flash::ERASE_STEPS) else { return true };
        let in_page = byte as usize % 4096;
        !(16..4096 - 16).contains(&in_page) || byte as usize >= end - 2 * 64 || rng.next_u32().is_multiple_of(32)
    });
}

#[test]
fn a_cut_anywhere_in_the_first_save_leaves_nothing_or_the_record() {
    let new = channels(SMALL, 1);
    let save = |flash: &mut Small| {
        let _ = flash.save_of(&new);
    };
    let (done, steps) = cut_everywhere(&small(), SMALL, save, |kept, channels| match kept {
        RecordState::Learned(record) => {
            assert!(record.sequence == 1 && channels == new);
            true
        }
        kept => {
            assert!(matches!(kept, RecordState::Nothing | RecordState::Damaged) && channels == [0; SMALL]);
            false
        }
    });
    assert!(0 < done && done < steps);
}

#[test]
fn a_cut_anywhere_in_a_reset_leaves_the_record_or_the_blobs_channels() {
    let [old, last] = [1, 2].map(|seed| channels(SMALL, seed));
    let mut flash = small();
    flash.save_of(&old).unwrap();
    flash.save_of(&last).unwrap();
    let reset = |flash: &mut Small| {
        let _ = flash.reset_of(SMALL);
    };
    let (done, steps) = cut_everywhere(&flash, SMALL, reset, |kept, channels| {
        let base = matches!(kept, RecordState::Base(_));
        assert!(if base { channels == [0; SMALL] } else { is_learned(kept) && channels == last }, "{kept:?}");
        base
    });
    assert!(0 < done && done < steps);
}

#[test]
fn a_second_cut_while_repeating_a_save_is_survived() {
    let [old, new] = [1, 2].map(|seed| channels(SMALL, seed));
    let mut flash = small();
    flash.save_of(&channels(SMALL, 0)).unwrap();
    flash.save_of(&old).unwrap();
    let steps = {
        let (before, mut flash) = (flash.steps(), flash.clone());
        flash.save_of(&new).unwrap();
        flash.steps() - before
    };
    for first in 0..steps {
        for second in 0..steps {
            let mut flash = flash.clone();
            for cut in [first, second] {
                flash.cut_after(cut);
                let _ = flash.save_of(&new);
                flash.power_on();
            }
            let (kept, channels) = flash.boot_of(SMALL).unwrap();
            assert!(is_learned(kept) && (channels == old || channels == new), "{first}, {second}: {kept:?}");
        }
    }
}

#[test]
fn after_a_flipped_bit_the_other_slot_is_used() {
    let [old, new] = [1, 2].map(|seed| channels(SMALL, seed));
    let mut flash = small();
    flash.save_of(&old).unwrap();
    flash.save_of(&new).unwrap();
    let record = 20 + SMALL + 4;
    for bit in 0..8 * record {
        let [first, second] = [bit / 8, 256 + bit / 8];
        let mut rotten = flash.clone();
        rotten.bytes_mut()[second] ^= 1 << (bit % 8);
        assert_eq!(rotten.boot_of(SMALL), Ok((learned(1, 0, true), old.clone())), "bit {bit} of the latest");
        // The next save replaces the damaged record and is the latest.
        let mut repaired = rotten.clone();
        assert_eq!(repaired.save_of(&new), Ok(2));
        assert_eq!(repaired.boot_of(SMALL), Ok((learned(2, 1, false), new.clone())));
        // If both are damaged, nothing is loaded over the blob's channels.
        rotten.bytes_mut()[first] ^= 1 << (bit % 8);
        assert_eq!(rotten.boot_of(SMALL), Ok((RecordState::Damaged, vec![0; SMALL])));
        assert_eq!(rotten.save_of(&new), Ok(1));
        assert_eq!(rotten.boot_of(SMALL), Ok((learned(1, 0, false), new.clone())));
        // Although the sequence starts again, a bit that is read correctly again does not bring the old record back.
        rotten.bytes_mut()[second] ^= 1 << (bit % 8);
        assert_eq!(rotten.boot_of(SMALL).unwrap().1, new);

        let mut rotten = flash.clone();
        rotten.bytes_mut()[first] ^= 1 << (bit % 8);
        assert_eq!(rotten.boot_of(SMALL), Ok((learned(2, 1, true), new.clone())), "bit {bit} of the older");
    }
    // Bytes after the record do not matter.
    for byte in record..256 {
        let mut rotten = flash.clone();
        rotten.bytes_mut()[256 + byte] = 0;
        assert_eq!(rotten.boot_of(SMALL), Ok((learned(2, 1, false), new.clone())));
    }
}

#[test]
fn a_record_of_other_weights_is_ignored_and_kept_as_long_as_there_is_room() {
    let channels = channels(SMALL, 1);
    let mut flash = small();
    let foreign = |flash: &mut Small, weights| Store::new(flash, weights, SMALL).unwrap().save([&channels[..]]);
    foreign(&mut flash, 7).unwrap();
    assert_eq!(flash.boot_of(SMALL), Ok((RecordState::OtherWeights { found: 7 }, vec![0; SMALL])));
    assert_eq!(flash.save_of(&channels), Ok(2));
    assert_eq!(flash.boot_of(SMALL), Ok((learned(2, 1, false), channels.clone())));
    // Both networks still find their own records.
    assert_eq!(Store::new(&mut flash, 7, SMALL).unwrap().find(), Ok(learned(1, 0, false)));
    // The network's own latest record is never overwritten.
    assert_eq!(flash.save_of(&channels), Ok(3));
    assert_eq!(flash.boot_of(SMALL), Ok((learned(3, 0, false), channels.clone())));
    assert_eq!(Store::new(&mut flash, 7, SMALL).unwrap().find(), Ok(RecordState::OtherWeights { found: WEIGHTS }));
    // Of two records of other networks, the earlier one is overwritten.
    foreign(&mut flash, 7).unwrap();
    assert_eq!(Store::new(&mut flash, 8, SMALL).unwrap().save([&channels[..]]), Ok(5));
    assert_eq!(Store::new(&mut flash, 7, SMALL).unwrap().find(), Ok(learned(4, 1, false)));
}

#[test]
fn a_reset_survives_bit_rot_of_its_record() {
    let mut flash = small();
    flash.reset_of(SMALL).unwrap();
    assert_eq!(flash.boot_of(SMALL).unwrap().0, RecordState::Nothing, "nothing to reset, nothing written");
    flash.save_of(&channels(SMALL, 1)).unwrap();
    flash.save_of(&channels(SMALL, 2)).unwrap();
    flash.reset_of(SMALL).unwrap();
    let base = |slot, other_damaged| RecordState::Base(Record { sequence: 3 + u32::from(slot), slot, other_damaged });
    assert_eq!(flash.boot_of(SMALL), Ok((base(1, false), vec![0; SMALL])));
    let written = flash.steps();
    flash.reset_of(SMALL).unwrap();
    assert_eq!(flash.steps(), written, "a second reset has nothing to do");
    flash.bytes_mut()[256 + 5] ^= 1;
    assert_eq!(flash.boot_of(SMALL), Ok((base(0, true), vec![0; SMALL])));
    let new = channels(SMALL, 3);
    flash.save_of(&new).unwrap();
    assert_eq!(flash.boot_of(SMALL).unwrap().1, new);
}

#[test]
fn a_reset_also_discards_a_damaged_record() {
    let mut flash = small();
    flash.save_of(&channels(SMALL, 1)).unwrap();
    flash.save_of(&channels(SMALL, 2)).unwrap();
    for (bit, damaged) in
        (0..8 * (20 + SMALL + 4)).flat_map(|bit| [&[0][..], &[256], &[0, 256]].map(|slots| (bit, slots)))
    {
        let mut flash = flash.clone();
        let flip =
            |flash: &mut Small| damaged.iter().for_each(|slot| flash.bytes_mut()[slot + bit / 8] ^= 1 << (bit % 8));
        flip(&mut flash);
        flash.reset_of(SMALL).unwrap();
        let kept = flash.boot_of(SMALL).unwrap().0;
        assert!(matches!(kept, RecordState::Base(Record { other_damaged: false, .. })), "{kept:?}");
        // No bits are left that could become valid again: each slot has an empty record, or none.
        for slot in [0, 256] {
            assert!(
                matches!(flash.bytes()[slot + 16..slot + 20], [0, 0, 0, 0] | [0xff, 0xff, 0xff, 0xff]),
                "bit {bit}"
            );
        }
    }
}

#[test]
fn wear_is_even_and_follows_from_the_sequence_number() {
    let mut flash = flash();
    for sequence in 1..=101 {
        flash.save_of(&channels(LENGTH, sequence)).unwrap();
    }
    assert_eq!(flash.erasures(), &[51, 51, 51, 50, 50, 50]);
    // The number of erasures follows from the record, whatever it holds.
    let mut flash = small();
    assert_eq!(flash.boot_of(SMALL).unwrap().0.record(), None);
    for sequence in 1..=7 {
        if sequence == 6 { flash.reset_of(SMALL) } else { flash.save_of(&channels(SMALL, 1)).map(|_| ()) }.unwrap();
        let record = flash.boot_of(SMALL).unwrap().0.record().expect("it was written");
        assert_eq!(Some(&record.erasures()), flash.erasures().iter().max());
    }
    let others = [RecordState::Nothing, RecordState::OtherWeights { found: 1 }, RecordState::Damaged];
    assert!(others.iter().all(|state| state.record().is_none()));
}

/// Also where a record ends with its page or its chunk, and where there is a single byte.
#[test]
fn records_of_every_length_that_fits_come_back() {
    for length in 1..=256 - 24 {
        let mut flash = small();
        for (sequence, seed) in (1..=3).zip(1..) {
            let channels = channels(length, seed);
            let mut store = Store::new(&mut flash, WEIGHTS, length).unwrap();
            assert_eq!(store.save([&channels[..]]), Ok(sequence), "{length} bytes");
            let mut found = vec![0; length];
            assert!(store.load([&mut found[..]]).is_ok_and(is_learned), "{length} bytes");
            assert_eq!(found, channels);
        }
        flash.reset_of(length).unwrap();
        assert!(
            matches!(Store::new(&mut flash, WEIGHTS, length).unwrap().find(), Ok(RecordState::Base(_))),
            "{length}"
        );
        // Header, channels and CRC, in whole pages.
        let pages = (1..1000).find(|pages| pages * 128 >= 20 + length + 4);
        assert_eq!(Some(slot_bytes(length, 128)), pages.map(|pages| pages * 128));
    }
}

#[test]
fn a_worn_page_is_reported_and_the_old_record_stays() {
    /// Bits that are stuck at zero in slot 1.
    #[derive(Debug)]
    struct Worn(Small);
    impl embedded_storage::nor_flash::ErrorType for Worn {
        type Error = embedded_storage::nor_flash::NorFlashErrorKind;
    }
    impl embedded_storage::nor_flash::ReadNorFlash for Worn {
        const READ_SIZE: usize = 1;
        fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
            self.0.read(offset, bytes)?;
            if (offset..offset + bytes.len() as u32).contains(&300) {
                bytes[300 - offset as usize] &= 0xef;
            }
            Ok(())
        }
        fn capacity(&self) -> usize {
            self.0.capacity()
        }
    }
    impl embedded_storage::nor_flash::NorFlash for Worn {
        const WRITE_SIZE: usize = 8;
        const ERASE_SIZE: usize = 128;
        fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
            self.0.erase(from, to)
        }
        fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
            self.0.write(offset, bytes)
        }
    }
    let mut store = Store::new(Worn(small()), WEIGHTS, SMALL).unwrap();
    let ones = [0xff; SMALL];
    assert_eq!(store.save([&ones[..]]), Ok(1));
    assert_eq!(store.save([&ones[..]]), Err(StoreError::Verify));
    assert_eq!(store.find(), Ok(learned(1, 0, true)));
}

#[test]
fn channels_of_another_length_and_a_flash_too_small_are_refused() {
    assert_eq!(small().save_of(&channels(256 - 24 + 1, 1)), Err(StoreError::Capacity));
    assert_eq!(small().save_of(&channels(256 - 24, 1)), Ok(1), "the slot is full to the last byte");
    assert_eq!(Store::new(small(), WEIGHTS, 0).err(), Some(StoreError::Capacity));

    let mut flash = small();
    let old = channels(SMALL, 1);
    flash.save_of(&old).unwrap();
    for length in [SMALL - 1, SMALL + 1] {
        let channels = channels(length, 2);
        assert_eq!(Store::new(&mut flash, WEIGHTS, SMALL).unwrap().save([&channels[..]]), Err(StoreError::Length));
        assert_eq!(flash.boot_of(SMALL).unwrap().1, old, "the record before it is unchanged");
        let mut channels = vec![0; length];
        let loaded = Store::new(&mut flash, WEIGHTS, SMALL).unwrap().load([&mut channels[..]]);
        assert_eq!(loaded, Err(StoreError::Length));
    }
}

#[test]
fn arbitrary_bytes_are_not_a_record() {
    let mut flash = small();
    for seed in 0..=255 {
        flash.bytes_mut().copy_from_slice(&channels(512, seed));
        assert_eq!(flash.boot_of(SMALL), Ok((RecordState::Damaged, vec![0; SMALL])));
        // A header whose length exceeds the slot is not a record either.
        flash.bytes_mut()[..20].copy_from_slice(b"AEKP\x03\0\0\0\x78\x56\x34\x12\x01\0\0\0\xff\xff\xff\xff");
        assert_eq!(flash.boot_of(SMALL), Ok((RecordState::Damaged, vec![0; SMALL])));
    }
    flash.bytes_mut().fill(0);
    assert_eq!(flash.boot_of(SMALL).unwrap().0, RecordState::Damaged);
}

/// Sets the CRC of a record to that of the bytes before it.
fn mend(record: &mut [u8]) {
    let (body, crc) = record.split_at_mut(record.len() - 4);
    crc.copy_from_slice(&Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(body).to_le_bytes());
}

#[test]
fn a_record_of_another_kind_is_refused_although_its_crc_is_right() {
    let channels = channels(SMALL, 1);
    let mut written = small();
    written.save_of(&channels).unwrap();
    let record = 20 + SMALL + 4;
    let with = |change: &dyn Fn(&mut [u8])| {
        let mut flash = written.clone();
        change(&mut flash.bytes_mut()[..record]);
        flash.boot_of(SMALL)
    };
    // Unchanged, and with the CRC set again.
    let whole = Ok((learned(1, 0, false), channels.clone()));
    assert_eq!(with(&|_| ()), whole);
    assert_eq!(with(&mend), whole);
    let damaged = Ok((RecordState::Damaged, vec![0; SMALL]));
    // Each byte of the magic and of the version.
    for at in 0..8 {
        for byte in [0, 1, 2, 4, 0xff] {
            let change = |record: &mut [u8]| {
                record[at] ^= byte;
                mend(record);
            };
            assert_eq!(with(&change), if byte == 0 { whole.clone() } else { damaged.clone() }, "{byte} at {at}");
        }
    }
    // The length of another network, shorter or longer, with the CRC at the matching place.
    for length in [1, SMALL - 8, SMALL - 1, SMALL + 1, 256 - 24] {
        let mut flash = written.clone();
        let bytes = flash.bytes_mut();
        bytes[16..20].copy_from_slice(&(length as u32).to_le_bytes());
        mend(&mut bytes[..20 + length + 4]);
        let found = flash.boot_of(SMALL);
        assert_eq!(found, Ok((RecordState::OtherWeights { found: WEIGHTS }, vec![0; SMALL])), "{length} bytes");
        // A record cannot be longer than its slot.
        let bytes = flash.bytes_mut();
        bytes[16..20].copy_from_slice(&(256u32 - 24 + 1).to_le_bytes());
        mend(&mut bytes[..=256]);
        assert_eq!(flash.boot_of(SMALL), damaged);
    }
}

#[test]
fn record_numbers_wrap_around() {
    for last in [u32::MAX - 2, u32::MAX - 1, u32::MAX, i32::MAX as u32, 1 << 31] {
        for slot in [0, 1] {
            let mut flash = small();
            (0..=slot).for_each(|_| _ = flash.save_of(&channels(SMALL, 1)).unwrap());
            let start = 256 * usize::from(slot);
            let record = &mut flash.bytes_mut()[start..start + 20 + SMALL + 4];
            record[12..16].copy_from_slice(&last.to_le_bytes());
            mend(record);
            // The other slot is older, or was never written.
            if slot == 1 {
                let other = &mut flash.bytes_mut()[..20 + SMALL + 4];
                other[12..16].copy_from_slice(&last.wrapping_sub(1).to_le_bytes());
                mend(other);
            }
            assert_eq!(flash.boot_of(SMALL), Ok((learned(last, slot, false), channels(SMALL, 1))));
            for (i, seed) in (1..=5).zip(2u8..) {
                let (sequence, new) = (last.wrapping_add(i), channels(SMALL, seed));
                assert_eq!(flash.save_of(&new), Ok(sequence), "after {last}");
                let slot = (slot + i as u8) % 2;
                assert_eq!(flash.boot_of(SMALL), Ok((learned(sequence, slot, false), new)), "after {last}");
            }
            flash.reset_of(SMALL).unwrap();
            assert!(matches!(flash.boot_of(SMALL).unwrap().0, RecordState::Base(_)), "after {last}");
        }
    }
}
