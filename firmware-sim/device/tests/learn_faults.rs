//! Tests the application that learns while its flash fails, its power is cut, or its weights are replaced.

#[path = "common/learner.rs"]
mod learner;
#[path = "common/line.rs"]
mod line;
#[path = "common/net.rs"]
mod net;
#[path = "common/simulated.rs"]
mod simulated;

use autoencoder_core::blob::{Format, Thresholds};
use autoencoder_device::learn::{Begin, HELD_OUT, Method, Saved};
use autoencoder_device::message::LearningCommand;
use autoencoder_device::store::{RecordState, StoreError};
use autoencoder_device::{Command, Error};
use embedded_storage::nor_flash::NorFlash;
use learner::{Device, blob, blob_of, dark, erased, light};
use net::{Net, Random};
use simulated::Simulated;

/// Three pages hold a record of 36 channels and two thresholds.
type Flash = Simulated<Vec<u8>, 6, 128, 8>;

const BEGIN: LearningCommand<'_> =
    LearningCommand::Begin(Begin { method: Method::Adam, rate: 10_000, batch: 1, rows: 9, passes: 1, forced: false });

/// The observable state of the channels: the codes of a few rows, and the thresholds.
fn state<F: NorFlash>(device: &mut Device<'_, F>) -> (Vec<Vec<u8>>, Thresholds) {
    (device.codes(), device.status(LearningCommand::Status).thresholds)
}

#[test]
fn a_power_cut_during_a_save_leaves_the_state_before_or_after() {
    let blob = blob(1);
    let mut flash = Flash::new(vec![0xff; 6 * 128]);
    Device::boot_on(&blob, &mut flash).run(dark);
    let old = state(&mut Device::boot_on(&blob, &mut flash));
    let (mut done, mut cut) = (0, 0);
    let new = {
        let mut flash = flash.clone();
        Device::boot_on(&blob, &mut flash).run(light);
        state(&mut Device::boot_on(&blob, &mut flash))
    };
    assert_ne!(old, new);
    loop {
        let mut flash = flash.clone();
        flash.cut_after(cut); // the run writes only at its end
        let judged = Device::boot_on(&blob, &mut flash).try_run(light);
        assert_eq!(judged.is_ok(), flash.is_on());
        flash.power_on();
        let booted = state(&mut Device::boot_on(&blob, &mut flash));
        assert!(booted == old || booted == new, "cut after {cut} steps");
        done += u32::from(booted == new);
        // The device still works.
        if cut % 16 == 0 {
            assert!(Device::boot_on(&blob, &mut flash).run(dark).kept.is_ok() || booted == old);
        }
        if judged.is_ok() {
            break;
        }
        cut += 1;
    }
    assert!(0 < done && done < cut, "{done} of {cut}");
}

#[test]
fn a_failed_save_leaves_the_device_as_before_the_run() {
    let blob = blob(1);
    let mut device = Device::boot_on(&blob, Flash::new(vec![0xff; 6 * 128]));
    let base = state(&mut device);
    let mut flash = Flash::new(vec![0xff; 6 * 128]);
    flash.cut_after(100);
    let mut device = Device::boot_on(&blob, flash);
    assert_eq!(device.try_run(light), Err(Error::Store(StoreError::Flash)));
    assert_eq!(state(&mut device), base);
    device.ask(Command::Learn(LearningCommand::Row(&[1; 16])), |reply| assert_eq!(reply, Err(Error::NotLearning)));
    assert_eq!(device.try_end(), Err(Error::NotLearning));
}

#[test]
fn without_a_flash_a_run_is_refused_because_it_could_not_be_undone() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, vec![0xff; 4096]);
    assert_eq!(device.status(LearningCommand::Status).kept, Err(StoreError::Capacity));
    device.ask(Command::Learn(BEGIN), |reply| assert_eq!(reply, Err(Error::Store(StoreError::Capacity))));
    device.ask(Command::Learn(LearningCommand::Row(&[1; 16])), |reply| assert_eq!(reply, Err(Error::NotLearning)));
    // A reset has nothing to do, and still reports the reason.
    assert_eq!(device.status(LearningCommand::Reset).kept, Err(StoreError::Capacity));

    let mut device: Device<'_> = Device::without_flash(&blob);
    device.ask(Command::Learn(BEGIN), |reply| assert_eq!(reply, Err(Error::Store(StoreError::Missing))));
}

#[test]
fn weights_that_are_loaded_later_have_their_own_records() {
    let one = blob(1);
    // The last network has 64 channels instead of 36, so its records are longer.
    for other in [blob(2), blob_of(&Net::relay("25-13-5-11-25", Format::Int8, 2))] {
        let mut device = Device::boot(&one, erased());
        device.run(light);
        let learned = device.codes();
        device.load(&other);
        let found = net::crc(one.bytes());
        assert_eq!(device.status(LearningCommand::Status).kept, Ok(RecordState::OtherWeights { found }));
        assert_eq!(device.codes(), Device::boot(&other, erased()).codes());
        assert_eq!(device.run(light).kept, Ok(Saved::Channels(2)));
        let of_other = device.codes();
        // Each network finds its own record.
        let flash = device.flash();
        assert_eq!(Device::boot(&one, flash.clone()).codes(), learned);
        assert_eq!(Device::boot(&other, flash).codes(), of_other);
        device.load(&one);
        assert_eq!(device.codes(), learned);
        device.load(&other);
        assert_eq!(device.codes(), of_other);
    }
}

#[test]
fn a_network_too_large_for_the_flash_cannot_learn_and_the_records_stay() {
    let one = blob(1);
    // 256 channels: a record of 2,076 bytes, for slots of 384.
    let large = blob_of(&Net::relay("128-64-64-128", Format::Int8, 2));
    let mut device = Device::boot_on(&one, Flash::new(vec![0xff; 6 * 128]));
    device.run(light);
    let (learned, flash) = (device.codes(), device.flash());
    device.load(&large);
    assert_eq!(device.status(LearningCommand::Status).kept, Err(StoreError::Capacity));
    for command in [BEGIN, LearningCommand::Reset] {
        device.ask(Command::Learn(command), |reply| assert_eq!(reply, Err(Error::Store(StoreError::Capacity))));
    }
    assert!(device.flash() == flash);
    device.load(&one);
    assert_eq!(device.codes(), learned);
    assert!(matches!(device.status(LearningCommand::Status).kept, Ok(RecordState::Learned(_))));
}

#[test]
fn two_runs_over_the_same_rows_have_their_own_codes() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let identities = [10_000, 3_000_000].map(|rate| {
        device.begin(Method::Adam, 1, rate);
        let mut random = Random::new(3);
        for _ in 0..=HELD_OUT {
            device.learn(light, &mut random);
        }
        device.code(&[200; 16]).0
    });
    assert_ne!(identities[0], identities[1]);
}
