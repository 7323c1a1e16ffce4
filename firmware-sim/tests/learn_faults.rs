//! The application that learns, while its flash fails, its power is cut, or its weights are others.

mod common;
#[path = "common/learner.rs"]
mod learner;

use common::Random;
use embedded_storage::nor_flash::NorFlash;
use firmware_sim::flash::Simulated;
use firmware_sim::learn::{Begin, HELD_OUT, Method};
use firmware_sim::message::Learning;
use firmware_sim::store::{Kept, StoreError};
use firmware_sim::{Command, Error, Reply};
use learner::{Device, blob, dark, erased, light};

/// Three pages hold a record of 36 channels and a threshold.
type Flash = Simulated<Vec<u8>, 6, 128, 8>;

/// What can be seen of the tables and of what goes with them.
fn state<F: NorFlash>(device: &mut Device<'_, F>) -> (Vec<Vec<u8>>, u32) {
    (device.codes(), device.status(Learning::Status).threshold)
}

#[test]
fn a_device_whose_power_is_cut_while_it_keeps_what_it_learned_boots_as_before_or_as_after() {
    let blob = blob(1);
    let mut flash = Flash::new(vec![0xff; 6 * 128]);
    Device::boot_on(&blob, &mut flash).course(dark, dark);
    let old = state(&mut Device::boot_on(&blob, &mut flash));
    let (mut done, mut cut) = (0, 0);
    let new = {
        let mut flash = flash.clone();
        Device::boot_on(&blob, &mut flash).course(light, light);
        state(&mut Device::boot_on(&blob, &mut flash))
    };
    assert_ne!(old, new);
    loop {
        let mut flash = flash.clone();
        flash.cut_after(cut); // nothing is written before the end of the course
        let judged = Device::boot_on(&blob, &mut flash).try_course(light, light);
        assert_eq!(judged.is_ok(), flash.is_on());
        flash.power_on();
        let booted = state(&mut Device::boot_on(&blob, &mut flash));
        assert!(booted == old || booted == new, "cut after {cut} steps");
        done += u32::from(booted == new);
        // Life goes on.
        if cut % 16 == 0 {
            assert!(Device::boot_on(&blob, &mut flash).course(dark, dark).kept.is_some() || booted == old);
        }
        if judged.is_ok() {
            break;
        }
        cut += 1;
    }
    assert!(0 < done && done < cut, "{done} of {cut}");
}

#[test]
fn a_save_that_fails_leaves_the_device_as_before_the_course() {
    let blob = blob(1);
    let mut device = Device::boot_on(&blob, Flash::new(vec![0xff; 6 * 128]));
    let factory = state(&mut device);
    let mut flash = Flash::new(vec![0xff; 6 * 128]);
    flash.cut_after(100);
    let mut device = Device::boot_on(&blob, flash);
    assert_eq!(device.try_course(light, light), Err(Error::Store(StoreError::Flash)));
    assert_eq!(state(&mut device), factory);
    device.ask(Command::Learning(Learning::Image(&[1; 16])), |reply| assert_eq!(reply, Err(Error::NoCourse)));
    assert_eq!(device.try_end(), Err(Error::NoCourse));
}

#[test]
fn without_a_flash_nothing_is_learned_since_nothing_could_be_taken_back() {
    let blob = blob(1);
    let begin = Learning::Begin(Begin { method: Method::Adam, rate: 10_000, batch: 1, images: 9 });
    let mut device = Device::boot(&blob, vec![0xff; 4096]);
    assert_eq!(device.status(Learning::Status).kept, Err(StoreError::Capacity));
    device.ask(Command::Learning(begin), |reply| assert_eq!(reply, Err(Error::Store(StoreError::Capacity))));
    device.ask(Command::Learning(Learning::Image(&[1; 16])), |reply| assert_eq!(reply, Err(Error::NoCourse)));
    // A reset has nothing to do, and does not forget why.
    assert_eq!(device.status(Learning::Reset).kept, Err(StoreError::Capacity));

    let mut device: Device<'_> = Device { app: firmware_sim::App::new() };
    device.app.load(blob.bytes());
    device.ask(Command::Learning(begin), |reply| assert_eq!(reply, Err(Error::Store(StoreError::Missing))));
}

#[test]
fn weights_that_are_loaded_later_have_records_of_their_own() {
    let [one, other] = [1, 2].map(blob);
    let mut device = Device::boot(&one, erased());
    device.course(light, light);
    let learned = device.codes();
    device.app.load(other.bytes());
    assert_eq!(device.status(Learning::Status).kept, Ok(Kept::OtherWeights { found: common::crc(one.bytes()) }));
    assert_eq!(device.codes(), Device::boot(&other, erased()).codes());
    assert_eq!(device.course(light, light).kept, Some(2));
    let of_other = device.codes();
    // Each finds its own.
    let flash = device.flash();
    assert_eq!(Device::boot(&one, flash.clone()).codes(), learned);
    assert_eq!(Device::boot(&other, flash).codes(), of_other);
    device.app.load(one.bytes());
    assert_eq!(device.codes(), learned);
}

#[test]
fn two_courses_that_see_the_same_have_codes_of_their_own() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let identities = [10_000, 3_000_000].map(|rate| {
        device.begin(Method::Adam, 1, rate);
        let mut random = Random::new(3);
        for _ in 0..=HELD_OUT {
            device.learn(&light(&mut random));
        }
        device.ask(Command::Encode { image: &[200; 16] }, |reply| match reply {
            Ok(Reply::Code { weights, .. }) => weights,
            other => panic!("{other:?}"),
        })
    });
    assert_ne!(identities[0], identities[1]);
}
