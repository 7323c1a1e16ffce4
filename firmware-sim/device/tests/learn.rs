//! The application that learns: what helps is kept, what does not is undone, and either survives the power.

#[path = "common/learner.rs"]
mod learner;
#[path = "common/line.rs"]
mod line;
#[path = "common/net.rs"]
mod net;

use autoencoder_core::blob::Format;
use autoencoder_device::learn::{HELD_OUT, Judgement, Method, Status};
use autoencoder_device::message::Learning;
use autoencoder_device::store::RecordState;
use autoencoder_device::{App, Command, Error, Frozen, Memory, Reply};
use learner::{Device, FRAME, IMAGES, THRESHOLD, TOPOLOGY, blob, blob_of, dark, erased, light};
use net::{Net, Random};

#[test]
fn learning_that_helps_is_kept_and_is_there_after_the_power_was_off() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let base = device.codes();
    let nothing = Status { kept: Ok(RecordState::Nothing), images: 0, threshold: THRESHOLD };
    assert_eq!(device.status(Learning::Status), nothing);
    let Judgement { before, after, kept } = device.run(light, light);
    assert!(after < before / 4 && kept == Some(1), "{before} to {after}, {kept:?}");
    let learned = device.codes();
    assert_ne!(learned, base);
    let status = device.status(Learning::Status);
    assert!(
        matches!(status, Status { kept: Ok(RecordState::Learned(record)), images: IMAGES, .. } if record.sequence == 1)
    );

    let mut again = Device::boot(&blob, device.flash());
    assert_eq!(again.codes(), learned);
    assert!(matches!(again.status(Learning::Status).kept, Ok(RecordState::Learned(_))));
}

#[test]
fn learning_that_does_not_help_leaves_no_trace() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let base = device.codes();
    let Judgement { before, after, kept } = device.run(light, dark);
    assert!(after >= before && kept.is_none(), "{before} to {after}, {kept:?}");
    assert_eq!(device.codes(), base);
    assert!(device.flash() == erased());

    // What was kept before is what comes back, not the blob's channels.
    assert_eq!(device.run(light, light).kept, Some(1));
    let (learned, flash) = (device.codes(), device.flash());
    assert_eq!(device.run(light, dark).kept, None);
    assert_eq!(device.codes(), learned);
    assert!(device.flash() == flash);
}

#[test]
fn a_drift_that_was_learned_is_none_any_more_and_what_was_known_before_is() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    assert!(device.drifted(light));
    assert!(device.run(light, light).kept.is_some());
    let threshold = device.status(Learning::Status).threshold;
    assert_ne!(threshold, THRESHOLD);
    assert!(!device.drifted(light));
    assert!(device.drifted(dark));
    // The threshold lies in flash with the channels.
    let mut again = Device::boot(&blob, device.flash());
    assert_eq!(again.status(Learning::Status).threshold, threshold);
    assert!(!again.drifted(light));
    // A run that does not help leaves it as it was; a reset brings back that of the blob.
    assert_eq!(device.run(light, dark).kept, None);
    assert_eq!(device.status(Learning::Status).threshold, threshold);
    assert_eq!(device.status(Learning::Reset).threshold, THRESHOLD);
    assert!(device.drifted(light));
}

#[test]
fn a_run_that_ends_early_has_a_threshold_all_the_same() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    device.begin(Method::Adam, 1, Method::Adam.rate());
    let mut random = Random::new(3);
    for _ in 0..IMAGES / 2 {
        device.learn(light, &mut random);
    }
    assert!(device.end().kept.is_some());
    // That of the rows held out.
    assert!(device.status(Learning::Status).threshold > 0);
    assert!(!device.drifted(light));
}

#[test]
fn a_code_is_decoded_only_with_the_channels_that_it_was_made_with() {
    let blob = blob(1);
    let code = |device: &mut Device| device.code(&[200; 16]);
    let decodes = |device: &mut Device, (weights, code): &(u32, Vec<u8>)| {
        device.ask(Command::Decode { weights: *weights, code }, |reply| match reply {
            Ok(Reply::Image(_)) => true,
            Err(Error::OtherWeights { found, .. }) if found == *weights => false,
            other => panic!("{other:?}"),
        })
    };
    let mut base = Device::boot(&blob, erased());
    let before = code(&mut base);
    assert_eq!(before.0, net::crc(blob.bytes()));
    let mut learned = Device::boot(&blob, erased());
    learned.run(light, light);
    let after = code(&mut learned);
    assert!(decodes(&mut base, &before) && decodes(&mut learned, &after));
    assert!(!decodes(&mut base, &after) && !decodes(&mut learned, &before));
    assert!(decodes(&mut Device::boot(&blob, learned.flash()), &after));
    // In the middle of a run the channels are nobody else's.
    learned.begin(Method::Adam, 1, Method::Adam.rate());
    let mut random = Random::new(3);
    for _ in 0..HELD_OUT + 5 {
        learned.learn(light, &mut random);
    }
    let amid = code(&mut learned);
    assert!(decodes(&mut learned, &amid) && !decodes(&mut base, &amid));
    learned.learn(light, &mut random);
    assert!(!decodes(&mut learned, &amid));
    learned.status(Learning::Reset);
    assert!(decodes(&mut learned, &before));
}

#[test]
fn weights_of_four_bits_learn_too() {
    let blob = blob_of(&Net::of(TOPOLOGY, Format::Int4, 1));
    let mut device = Device::boot(&blob, erased());
    let base = device.codes();
    let Judgement { before, after, kept } = device.run(light, light);
    assert!(after < before / 4 && kept == Some(1), "{before} to {after}, {kept:?}");
    let learned = device.codes();
    assert_ne!(learned, base);
    assert_eq!(Device::boot(&blob, device.flash()).codes(), learned);
    assert_eq!(device.run(light, dark).kept, None);
    assert_eq!(device.codes(), learned);
}

#[test]
fn a_run_that_is_begun_anew_leaves_no_trace() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let base = device.codes();
    device.begin(Method::Adam, 1, 10_000);
    let mut random = Random::new(3);
    for _ in 0..100 {
        device.learn(light, &mut random);
    }
    assert_ne!(device.codes(), base);
    device.begin(Method::Adam, 1, 10_000);
    assert_eq!(device.codes(), base);
}

#[test]
fn reset_goes_back_to_the_blobs_channels_and_stays_there() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let base = device.codes();
    device.run(light, light);
    assert!(matches!(device.status(Learning::Reset).kept, Ok(RecordState::Base(_))));
    assert_eq!(device.codes(), base);
    assert_eq!(Device::boot(&blob, device.flash()).codes(), base);
    // And it can learn again.
    assert!(device.run(light, light).kept.is_some());
}

#[test]
fn what_another_network_learned_is_not_taken() {
    let (one, other) = (blob(1), blob(2));
    let mut device = Device::boot(&one, erased());
    device.run(light, light);
    let mut device = Device::boot(&other, device.flash());
    let found = net::crc(one.bytes());
    assert_eq!(device.status(Learning::Status).kept, Ok(RecordState::OtherWeights { found }));
    assert_eq!(device.codes(), Device::boot(&other, erased()).codes());
}

#[test]
fn each_optimizer_and_any_batch_helps_and_the_same_run_gives_the_same_bytes() {
    let blob = blob(1);
    for (method, rate) in [(Method::Sgd, 3000), (Method::RmsProp, 10_000), (Method::Adam, 10_000)] {
        for batch in [1, 3, 8] {
            let run = || {
                let mut device = Device::boot(&blob, erased());
                device.begin(method, batch, rate);
                let mut random = Random::new(5);
                for _ in 0..IMAGES {
                    device.learn(light, &mut random);
                }
                (device.end(), device.flash())
            };
            let (judgement, flash) = run();
            assert!(judgement.after < judgement.before, "{method:?}, batch {batch}: {judgement:?}");
            assert!(run() == (judgement, flash));
        }
    }
}

#[test]
fn without_a_run_there_is_nothing_to_learn_or_to_judge() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    for command in [Learning::Image(&[1; 16]), Learning::End] {
        device.ask(Command::Learning(command), |reply| assert_eq!(reply, Err(Error::NotLearning)));
    }
    device.begin(Method::Adam, 1, 10_000);
    device.ask(Command::Learning(Learning::End), |reply| assert_eq!(reply, Err(Error::NotLearning)));
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
    let mut memory = Memory::<64, FRAME>::new();
    let mut app = App::new(memory.buffers(), Frozen);
    app.load(blob.bytes());
    line::ask(&mut app, Command::Learning(Learning::Status), |reply| assert_eq!(reply, Err(Error::Frozen)));
}
