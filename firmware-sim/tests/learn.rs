//! The application that learns: what helps is kept, what does not is undone, and either survives the power.

mod common;
#[path = "common/learner.rs"]
mod learner;

use autoencoder_core::blob::Format;
use common::{Net, Random};
use firmware_sim::learn::{HELD_OUT, Judgement, Method, Status};
use firmware_sim::message::Learning;
use firmware_sim::store::Kept;
use firmware_sim::{App, Command, Error, Reply, Request, Response, frame};
use learner::{D, Device, E, FRAME, IMAGES, THRESHOLD, blob, blob_of, dark, erased, light};

#[test]
fn learning_that_helps_is_kept_and_is_there_after_the_power_was_off() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let factory = device.codes();
    assert_eq!(device.status(Learning::Status), Status { kept: Ok(Kept::Nothing), images: 0, threshold: THRESHOLD });
    let Judgement { before, after, kept } = device.course(light, light);
    assert!(after < before / 4 && kept == Some(1), "{before} to {after}, {kept:?}");
    let learned = device.codes();
    assert_ne!(learned, factory);
    assert!(
        matches!(device.status(Learning::Status), Status { kept: Ok(Kept::Learned(record)), images: IMAGES, .. } if record.sequence == 1)
    );

    let mut again = Device::boot(&blob, device.flash());
    assert_eq!(again.codes(), learned);
    assert!(matches!(again.status(Learning::Status).kept, Ok(Kept::Learned(_))));
}

#[test]
fn learning_that_does_not_help_leaves_no_trace() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let factory = device.codes();
    let Judgement { before, after, kept } = device.course(light, dark);
    assert!(after >= before && kept.is_none(), "{before} to {after}, {kept:?}");
    assert_eq!(device.codes(), factory);
    assert!(device.flash() == erased());

    // What was kept before is what comes back, not the factory's.
    assert_eq!(device.course(light, light).kept, Some(1));
    let (learned, flash) = (device.codes(), device.flash());
    assert_eq!(device.course(light, dark).kept, None);
    assert_eq!(device.codes(), learned);
    assert!(device.flash() == flash);
}

#[test]
fn a_drift_that_was_learned_is_none_any_more_and_what_was_known_before_is() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    assert!(device.drifted(light));
    assert!(device.course(light, light).kept.is_some());
    let threshold = device.status(Learning::Status).threshold;
    assert_ne!(threshold, THRESHOLD);
    assert!(!device.drifted(light));
    assert!(device.drifted(dark));
    // The threshold lies in flash with the tables.
    let mut again = Device::boot(&blob, device.flash());
    assert_eq!(again.status(Learning::Status).threshold, threshold);
    assert!(!again.drifted(light));
    // A course that does not help leaves it as it was; a reset brings back that of the weights.
    assert_eq!(device.course(light, dark).kept, None);
    assert_eq!(device.status(Learning::Status).threshold, threshold);
    assert_eq!(device.status(Learning::Reset).threshold, THRESHOLD);
    assert!(device.drifted(light));
}

#[test]
fn a_course_that_ends_early_has_a_threshold_all_the_same() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    device.begin(Method::Adam, 1, Method::Adam.rate());
    let mut random = Random::new(3);
    for _ in 0..IMAGES / 2 {
        device.learn(&light(&mut random));
    }
    assert!(device.end().kept.is_some());
    // That of the images held out.
    assert!(device.status(Learning::Status).threshold > 0);
    assert!(!device.drifted(light));
}

#[test]
fn a_code_is_decoded_by_the_tables_that_it_was_made_with_alone() {
    let blob = blob(1);
    let code = |device: &mut Device| {
        device.ask(Command::Encode { image: &[200; 16] }, |reply| match reply {
            Ok(Reply::Code { weights, code }) => (weights, code.to_vec()),
            other => panic!("{other:?}"),
        })
    };
    let decodes = |device: &mut Device, (weights, code): &(u32, Vec<u8>)| {
        device.ask(Command::Decode { weights: *weights, code }, |reply| match reply {
            Ok(Reply::Image(_)) => true,
            Err(Error::OtherWeights { found, .. }) if found == *weights => false,
            other => panic!("{other:?}"),
        })
    };
    let mut factory = Device::boot(&blob, erased());
    let before = code(&mut factory);
    assert_eq!(before.0, common::crc(blob.bytes()));
    let mut learned = Device::boot(&blob, erased());
    learned.course(light, light);
    let after = code(&mut learned);
    assert!(decodes(&mut factory, &before) && decodes(&mut learned, &after));
    assert!(!decodes(&mut factory, &after) && !decodes(&mut learned, &before));
    assert!(decodes(&mut Device::boot(&blob, learned.flash()), &after));
    // In the middle of a course the tables are nobody else's.
    learned.begin(Method::Adam, 1, Method::Adam.rate());
    let mut random = Random::new(3);
    for _ in 0..HELD_OUT + 5 {
        learned.learn(&light(&mut random));
    }
    let amid = code(&mut learned);
    assert!(decodes(&mut learned, &amid) && !decodes(&mut factory, &amid));
    learned.learn(&light(&mut random));
    assert!(!decodes(&mut learned, &amid));
    learned.status(Learning::Reset);
    assert!(decodes(&mut learned, &before));
}

#[test]
fn weights_of_four_bits_learn_too() {
    let blob = blob_of(&Net::of::<E, D>(Format::Int4, 1));
    let mut device = Device::boot(&blob, erased());
    let factory = device.codes();
    let Judgement { before, after, kept } = device.course(light, light);
    assert!(after < before / 4 && kept == Some(1), "{before} to {after}, {kept:?}");
    let learned = device.codes();
    assert_ne!(learned, factory);
    assert_eq!(Device::boot(&blob, device.flash()).codes(), learned);
    assert_eq!(device.course(light, dark).kept, None);
    assert_eq!(device.codes(), learned);
}

#[test]
fn a_course_that_is_begun_anew_leaves_no_trace() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let factory = device.codes();
    device.begin(Method::Adam, 1, 10_000);
    let mut random = Random::new(3);
    for _ in 0..100 {
        device.learn(&light(&mut random));
    }
    assert_ne!(device.codes(), factory);
    device.begin(Method::Adam, 1, 10_000);
    assert_eq!(device.codes(), factory);
}

#[test]
fn reset_goes_back_to_the_factory_and_stays_there() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let factory = device.codes();
    device.course(light, light);
    assert!(matches!(device.status(Learning::Reset).kept, Ok(Kept::Factory(_))));
    assert_eq!(device.codes(), factory);
    assert_eq!(Device::boot(&blob, device.flash()).codes(), factory);
    // And it can learn again.
    assert!(device.course(light, light).kept.is_some());
}

#[test]
fn what_another_network_learned_is_not_taken() {
    let (one, other) = (blob(1), blob(2));
    let mut device = Device::boot(&one, erased());
    device.course(light, light);
    let mut device = Device::boot(&other, device.flash());
    let found = common::crc(one.bytes());
    assert_eq!(device.status(Learning::Status).kept, Ok(Kept::OtherWeights { found }));
    assert_eq!(device.codes(), Device::boot(&other, erased()).codes());
}

#[test]
fn each_optimizer_and_any_batch_helps_and_the_same_course_gives_the_same_bytes() {
    let blob = blob(1);
    for (method, rate) in [(Method::Sgd, 3000), (Method::RmsProp, 10_000), (Method::Adam, 10_000)] {
        for batch in [1, 3, 8] {
            let course = || {
                let mut device = Device::boot(&blob, erased());
                device.begin(method, batch, rate);
                let mut random = Random::new(5);
                for _ in 0..IMAGES {
                    device.learn(&light(&mut random));
                }
                (device.end(), device.flash())
            };
            let (judgement, flash) = course();
            assert!(judgement.after < judgement.before, "{method:?}, batch {batch}: {judgement:?}");
            assert!(course() == (judgement, flash));
        }
    }
}

#[test]
fn without_a_course_there_is_nothing_to_learn_or_to_judge() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    for command in [Learning::Image(&[1; 16]), Learning::End] {
        device.ask(Command::Learning(command), |reply| assert_eq!(reply, Err(Error::NoCourse)));
    }
    device.begin(Method::Adam, 1, 10_000);
    device.ask(Command::Learning(Learning::End), |reply| assert_eq!(reply, Err(Error::NoCourse)));
    // Nor is there flash beyond its end.
    for at in [8192, 9000, u32::MAX] {
        device.ask(Command::Learning(Learning::Flash { at }), |reply| assert_eq!(reply, Ok(Reply::Flash(&[]))));
    }
    let wrong = Error::Length { expected: 16, found: 3 };
    device.ask(Command::Learning(Learning::Image(&[1; 3])), |reply| assert_eq!(reply, Err(wrong)));
}

#[test]
fn a_device_that_does_not_learn_says_so() {
    let blob = blob(1);
    let mut app = App::<E, D, FRAME>::new();
    app.load(blob.bytes());
    let request = Request { sequence: 1, command: Command::Learning(Learning::Status) };
    let request = frame::write(&request, &mut [0; FRAME]).unwrap().to_vec();
    let mut answer = request.iter().find_map(|byte| app.push(*byte).map(<[u8]>::to_vec)).unwrap();
    assert_eq!(Response::read(frame::read(&mut answer).unwrap()).unwrap().result, Err(Error::Frozen));
}
