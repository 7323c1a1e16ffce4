//! What was learned, through power cuts, bit rot and wear.

use firmware_sim::flash::Simulated;
use firmware_sim::store::{Kept, Record, Store, StoreError};

/// CRC of the weights.
const WEIGHTS: u32 = 0x1234_5678;
/// Bytes of the default network's tables, 1,424 channels, and of the threshold.
const LENGTH: usize = 11_396;
/// Three pages hold a record of them.
type Flash = Simulated<Vec<u8>, 6>;
/// For what is tried bit by bit.
type Small = Simulated<Vec<u8>, 4, 128, 8>;
const SMALL: usize = 200;

fn flash() -> Flash {
    Flash::new(vec![0xff; 6 * 4096])
}

fn small() -> Small {
    Small::new(vec![0xff; 4 * 128])
}

/// Tables that are other ones for each `seed`.
fn tables(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + i / 256) as u8 ^ seed.wrapping_mul(37)).collect()
}

type Part = (usize, usize);
/// Layers do not end where chunks or pages do.
fn parts(length: usize) -> [Part; 4] {
    [(0, 1), (1, length / 3), (length / 3, length / 3), (length / 3, length)]
}

/// Shorthands for what a device does.
trait Device {
    fn save_of(&mut self, tables: &[u8]) -> Result<u32, StoreError>;
    /// What is found, and the tables: zeros where they were not touched.
    fn boot_of(&mut self, length: usize) -> Result<(Kept, Vec<u8>), StoreError>;
    fn reset_of(&mut self, length: usize) -> Result<(), StoreError>;
}

impl<const P: usize, const S: usize, const W: usize> Device for Simulated<Vec<u8>, P, S, W> {
    fn save_of(&mut self, tables: &[u8]) -> Result<u32, StoreError> {
        let parts = parts(tables.len()).map(|(from, to)| &tables[from..to]);
        Store::new(self, WEIGHTS, tables.len())?.save(parts)
    }

    fn boot_of(&mut self, length: usize) -> Result<(Kept, Vec<u8>), StoreError> {
        let mut tables = vec![0; length];
        let mut rest = &mut tables[..];
        let parts = parts(length).map(|(from, to)| rest.split_off_mut(..to - from).unwrap());
        let kept = Store::new(self, WEIGHTS, length)?.load(parts)?;
        Ok((kept, tables))
    }

    fn reset_of(&mut self, length: usize) -> Result<(), StoreError> {
        Store::new(self, WEIGHTS, length)?.reset()
    }
}

fn learned(sequence: u32, slot: u8, other_damaged: bool) -> Kept {
    Kept::Learned(Record { sequence, slot, other_damaged })
}

fn is_learned(kept: Kept) -> bool {
    matches!(kept, Kept::Learned(_))
}

#[test]
fn the_bytes_of_a_record() {
    let mut flash = small();
    let tables = [1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(flash.save_of(&tables), Ok(1));
    let header = *b"AEKP\x02\0\0\0\x78\x56\x34\x12\x01\0\0\0\x08\0\0\0";
    let crc = [0xb6, 0x1a, 0x52, 0xc0];
    assert_eq!(flash.bytes()[..32], [&header[..], &tables, &crc].concat());
    assert_eq!(flash.bytes()[32..], [0xff; 512 - 32]);
}

#[test]
fn records_take_turns_and_the_latest_counts() {
    let mut flash = flash();
    assert_eq!(flash.boot_of(LENGTH), Ok((Kept::Nothing, vec![0; LENGTH])));
    for sequence in 1..10 {
        let tables = tables(LENGTH, sequence as u8);
        assert_eq!(flash.save_of(&tables), Ok(sequence));
        let slot = (sequence as u8 + 1) % 2;
        assert_eq!(flash.boot_of(LENGTH), Ok((learned(sequence, slot, false), tables)));
    }
}

/// Cuts the power in the middle of every step of a save or a reset, then boots, saves and boots.
/// What is booted after the cut is handed to `check`; how often it was what the act was to bring about, and of how many.
fn cut_everywhere<const P: usize, const S: usize, const W: usize>(
    flash: &Simulated<Vec<u8>, P, S, W>,
    length: usize,
    act: impl Fn(&mut Simulated<Vec<u8>, P, S, W>),
    check: impl Fn(Kept, Vec<u8>) -> bool,
) -> (usize, usize) {
    let again = tables(length, 99);
    let mut done = 0;
    for cut in 0.. {
        let mut flash = flash.clone();
        flash.cut_after(cut);
        act(&mut flash);
        let finished = flash.is_on();
        flash.power_on();
        let (kept, tables) = flash.boot_of(length).unwrap();
        done += usize::from(check(kept, tables));
        // Life goes on.
        let sequence = flash.save_of(&again).unwrap();
        let (kept, tables) = flash.boot_of(length).unwrap();
        assert!(matches!(kept, Kept::Learned(record) if record.sequence == sequence), "cut after {cut}: {kept:?}");
        assert!(tables == again, "cut after {cut}");
        if finished {
            return (done, cut as usize);
        }
    }
    unreachable!("it ends")
}

#[test]
fn a_cut_anywhere_in_a_save_leaves_the_old_record_or_the_new_one() {
    let [one, two, three] = [1, 2, 3].map(|seed| tables(LENGTH, seed));
    let mut flash = flash();
    flash.save_of(&one).unwrap();
    // Into a slot that was never written, then into one with a record in it.
    for (sequence, old, new) in [(1, &one, &two), (2, &two, &three)] {
        let save = |flash: &mut Flash| {
            let _ = flash.save_of(new);
        };
        let (done, steps) = cut_everywhere(&flash, LENGTH, save, |kept, tables| match kept {
            Kept::Learned(record) if record.sequence == sequence => {
                assert!(tables == *old, "a mixture");
                false
            }
            Kept::Learned(record) if record.sequence == sequence + 1 => {
                assert!(tables == *new, "a mixture");
                true
            }
            _ => panic!("neither the old nor the new one: {kept:?}"),
        });
        // All but the erased bytes behind the record were written: to the end of the last chunk.
        let padding = (20 + LENGTH + 4).next_multiple_of(64) - (20 + LENGTH + 4);
        assert_eq!(done, padding + 1);
        assert_eq!(steps, 3 * Flash::ERASE_STEPS as usize + 20 + LENGTH + 4 + padding);
        flash.save_of(new).unwrap();
    }
}

#[test]
fn a_cut_anywhere_in_the_first_save_leaves_nothing_or_the_record() {
    let new = tables(SMALL, 1);
    let save = |flash: &mut Small| {
        let _ = flash.save_of(&new);
    };
    let (done, steps) = cut_everywhere(&small(), SMALL, save, |kept, tables| match kept {
        Kept::Learned(record) => {
            assert!(record.sequence == 1 && tables == new);
            true
        }
        kept => {
            assert!(matches!(kept, Kept::Nothing | Kept::Damaged) && tables == [0; SMALL]);
            false
        }
    });
    assert!(0 < done && done < steps);
}

#[test]
fn a_cut_anywhere_in_a_reset_leaves_the_record_or_the_factory_tables() {
    let [old, last] = [1, 2].map(|seed| tables(SMALL, seed));
    let mut flash = small();
    flash.save_of(&old).unwrap();
    flash.save_of(&last).unwrap();
    let reset = |flash: &mut Small| {
        let _ = flash.reset_of(SMALL);
    };
    let (done, steps) = cut_everywhere(&flash, SMALL, reset, |kept, tables| {
        let factory = matches!(kept, Kept::Factory(_));
        assert!(if factory { tables == [0; SMALL] } else { is_learned(kept) && tables == last }, "{kept:?}");
        factory
    });
    assert!(0 < done && done < steps);
}

#[test]
fn a_cut_while_repeating_what_was_cut_is_survived_too() {
    let [old, new] = [1, 2].map(|seed| tables(SMALL, seed));
    let mut flash = small();
    flash.save_of(&tables(SMALL, 0)).unwrap();
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
            let (kept, tables) = flash.boot_of(SMALL).unwrap();
            assert!(is_learned(kept) && (tables == old || tables == new), "{first}, {second}: {kept:?}");
        }
    }
}

#[test]
fn a_bit_that_rots_falls_back_to_the_other_slot() {
    let [old, new] = [1, 2].map(|seed| tables(SMALL, seed));
    let mut flash = small();
    flash.save_of(&old).unwrap();
    flash.save_of(&new).unwrap();
    let record = 20 + SMALL + 4;
    for bit in 0..8 * record {
        let [first, second] = [bit / 8, 256 + bit / 8];
        let mut rotten = flash.clone();
        rotten.bytes_mut()[second] ^= 1 << (bit % 8);
        assert_eq!(rotten.boot_of(SMALL), Ok((learned(1, 0, true), old.clone())), "bit {bit} of the latest");
        // The next save repairs it, and is the latest.
        let mut repaired = rotten.clone();
        assert_eq!(repaired.save_of(&new), Ok(2));
        assert_eq!(repaired.boot_of(SMALL), Ok((learned(2, 1, false), new.clone())));
        // Both: the factory's tables, which nothing has touched.
        rotten.bytes_mut()[first] ^= 1 << (bit % 8);
        assert_eq!(rotten.boot_of(SMALL), Ok((Kept::Damaged, vec![0; SMALL])));
        assert_eq!(rotten.save_of(&new), Ok(1));
        assert_eq!(rotten.boot_of(SMALL), Ok((learned(1, 0, false), new.clone())));
        // And though the sequence starts afresh, a bit that is read right again brings nothing back.
        rotten.bytes_mut()[second] ^= 1 << (bit % 8);
        assert_eq!(rotten.boot_of(SMALL).unwrap().1, new);

        let mut rotten = flash.clone();
        rotten.bytes_mut()[first] ^= 1 << (bit % 8);
        assert_eq!(rotten.boot_of(SMALL), Ok((learned(2, 1, true), new.clone())), "bit {bit} of the older");
    }
    // Behind the record nothing counts.
    for byte in record..256 {
        let mut rotten = flash.clone();
        rotten.bytes_mut()[256 + byte] = 0;
        assert_eq!(rotten.boot_of(SMALL), Ok((learned(2, 1, false), new.clone())));
    }
}

#[test]
fn a_record_of_other_weights_is_ignored_and_spared_as_long_as_there_is_room() {
    let tables = tables(SMALL, 1);
    let mut flash = small();
    let foreign = |flash: &mut Small, weights| Store::new(flash, weights, SMALL).unwrap().save([&tables[..]]);
    foreign(&mut flash, 7).unwrap();
    assert_eq!(flash.boot_of(SMALL), Ok((Kept::OtherWeights { found: 7 }, vec![0; SMALL])));
    assert_eq!(flash.save_of(&tables), Ok(2));
    assert_eq!(flash.boot_of(SMALL), Ok((learned(2, 1, false), tables.clone())));
    // Both devices still find their own.
    assert_eq!(Store::new(&mut flash, 7, SMALL).unwrap().find(), Ok(learned(1, 0, false)));
    // One's own latest is never overwritten.
    assert_eq!(flash.save_of(&tables), Ok(3));
    assert_eq!(flash.boot_of(SMALL), Ok((learned(3, 0, false), tables.clone())));
    assert_eq!(Store::new(&mut flash, 7, SMALL).unwrap().find(), Ok(Kept::OtherWeights { found: WEIGHTS }));
    // Of two that are others', the earlier one makes room.
    foreign(&mut flash, 7).unwrap();
    assert_eq!(Store::new(&mut flash, 8, SMALL).unwrap().save([&tables[..]]), Ok(5));
    assert_eq!(Store::new(&mut flash, 7, SMALL).unwrap().find(), Ok(learned(4, 1, false)));
}

#[test]
fn a_reset_stays_even_when_its_record_rots() {
    let mut flash = small();
    flash.reset_of(SMALL).unwrap();
    assert_eq!(flash.boot_of(SMALL).unwrap().0, Kept::Nothing, "nothing to forget, nothing written");
    flash.save_of(&tables(SMALL, 1)).unwrap();
    flash.save_of(&tables(SMALL, 2)).unwrap();
    flash.reset_of(SMALL).unwrap();
    let factory = |slot, other_damaged| Kept::Factory(Record { sequence: 3 + u32::from(slot), slot, other_damaged });
    assert_eq!(flash.boot_of(SMALL), Ok((factory(1, false), vec![0; SMALL])));
    let written = flash.steps();
    flash.reset_of(SMALL).unwrap();
    assert_eq!(flash.steps(), written, "a second one has nothing to do");
    flash.bytes_mut()[256 + 5] ^= 1;
    assert_eq!(flash.boot_of(SMALL), Ok((factory(0, true), vec![0; SMALL])));
    let new = tables(SMALL, 3);
    flash.save_of(&new).unwrap();
    assert_eq!(flash.boot_of(SMALL).unwrap().1, new);
}

#[test]
fn a_reset_forgets_a_record_that_is_damaged_too() {
    let mut flash = small();
    flash.save_of(&tables(SMALL, 1)).unwrap();
    flash.save_of(&tables(SMALL, 2)).unwrap();
    for (bit, damaged) in
        (0..8 * (20 + SMALL + 4)).flat_map(|bit| [&[0][..], &[256], &[0, 256]].map(|slots| (bit, slots)))
    {
        let mut flash = flash.clone();
        let flip =
            |flash: &mut Small| damaged.iter().for_each(|slot| flash.bytes_mut()[slot + bit / 8] ^= 1 << (bit % 8));
        flip(&mut flash);
        flash.reset_of(SMALL).unwrap();
        let kept = flash.boot_of(SMALL).unwrap().0;
        assert!(matches!(kept, Kept::Factory(Record { other_damaged: false, .. })), "{kept:?}");
        // Nothing is left that could be read right again: in either slot there is an empty record, or none.
        for slot in [0, 256] {
            assert!(
                matches!(flash.bytes()[slot + 16..slot + 20], [0, 0, 0, 0] | [0xff, 0xff, 0xff, 0xff]),
                "bit {bit}"
            );
        }
    }
}

#[test]
fn wear_is_even_and_known_from_the_sequence_number() {
    let mut flash = flash();
    for sequence in 1..=101 {
        flash.save_of(&tables(LENGTH, sequence)).unwrap();
    }
    assert_eq!(flash.erasures(), &[51, 51, 51, 50, 50, 50]);
    let Kept::Learned(record) = flash.boot_of(LENGTH).unwrap().0 else { panic!("it was saved") };
    assert_eq!(record.sequence.div_ceil(2), 51);
    assert_eq!(record.sequence, 101);
}

#[test]
fn a_worn_page_is_noticed_and_the_old_record_stays() {
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
fn tables_of_another_length_and_a_flash_too_small_are_refused() {
    assert_eq!(small().save_of(&tables(256 - 24 + 1, 1)), Err(StoreError::Capacity));
    assert_eq!(small().save_of(&tables(256 - 24, 1)), Ok(1), "the slot is full to the last byte");
    assert_eq!(Store::new(small(), WEIGHTS, 0).err(), Some(StoreError::Capacity));

    let mut flash = small();
    let old = tables(SMALL, 1);
    flash.save_of(&old).unwrap();
    for length in [SMALL - 1, SMALL + 1] {
        let table = tables(length, 2);
        assert_eq!(Store::new(&mut flash, WEIGHTS, SMALL).unwrap().save([&table[..]]), Err(StoreError::Length));
        assert_eq!(flash.boot_of(SMALL).unwrap().1, old, "the record before it is as it was");
        let mut table = vec![0; length];
        let loaded = Store::new(&mut flash, WEIGHTS, SMALL).unwrap().load([&mut table[..]]);
        assert_eq!(loaded, Err(StoreError::Length));
    }
}

#[test]
fn any_bytes_at_all_are_no_record() {
    let mut flash = small();
    for seed in 0..=255 {
        flash.bytes_mut().copy_from_slice(&tables(512, seed));
        assert_eq!(flash.boot_of(SMALL), Ok((Kept::Damaged, vec![0; SMALL])));
        // Nor is a header that promises more than there is.
        flash.bytes_mut()[..20].copy_from_slice(b"AEKP\x02\0\0\0\x78\x56\x34\x12\x01\0\0\0\xff\xff\xff\xff");
        assert_eq!(flash.boot_of(SMALL), Ok((Kept::Damaged, vec![0; SMALL])));
    }
    flash.bytes_mut().fill(0);
    assert_eq!(flash.boot_of(SMALL).unwrap().0, Kept::Damaged);
}
