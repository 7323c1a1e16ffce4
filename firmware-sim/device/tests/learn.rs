//! Tests the application that learns. A run that helps is kept, any other run is undone, and both survive a power
//! cycle.

#[path = "common/learner.rs"]
mod learner;
#[path = "common/line.rs"]
mod line;
#[path = "common/net.rs"]
mod net;

use autoencoder_core::blob::{Format, Thresholds};
use autoencoder_device::learn::{HELD_OUT, Judgement, Method, Rejection, Saved, Status};
use autoencoder_device::message::LearningCommand;
use autoencoder_device::store::RecordState;
use autoencoder_device::{App, Command, Error, Frozen, Memory, Reply};
use autoencoder_io::blob_file::BlobFile;
use learner::{Device, FRAME, IMAGES, THRESHOLDS, TOPOLOGY, blob, blob_of, dark, erased, light, noise};
use net::{Net, Random};

#[test]
fn a_run_that_helps_is_kept_and_survives_a_power_cycle() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let base = device.codes();
    let nothing = Status { kept: Ok(RecordState::Nothing), rows: 0, thresholds: THRESHOLDS };
    assert_eq!(device.status(LearningCommand::Status), nothing);
    let Judgement { before, after, kept } = device.run(light);
    assert!(after < before / 4 && kept == Ok(Saved::Channels(1)), "{before} to {after}, {kept:?}");
    let learned = device.codes();
    assert_ne!(learned, base);
    let status = device.status(LearningCommand::Status);
    assert!(
        matches!(status, Status { kept: Ok(RecordState::Learned(record)), rows: IMAGES, .. } if record.sequence == 1)
    );

    let mut again = Device::boot(&blob, device.flash());
    assert_eq!(again.codes(), learned);
    assert!(matches!(again.status(LearningCommand::Status).kept, Ok(RecordState::Learned(_))));
}

#[test]
fn a_run_that_does_not_help_leaves_no_trace() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let base = device.codes();
    let Judgement { before, after, kept } = device.spoil(light);
    assert!(after >= before && kept == Err(Rejection::NotBetter), "{before} to {after}, {kept:?}");
    assert_eq!(device.codes(), base);
    assert!(device.flash() == erased());

    // The channels that were kept before come back, not the blob's.
    assert_eq!(device.run(light).kept, Ok(Saved::Channels(1)));
    let (learned, flash) = (device.codes(), device.flash());
    assert_eq!(device.spoil(light).kept, Err(Rejection::NotBetter));
    assert_eq!(device.codes(), learned);
    assert!(device.flash() == flash);
}

#[test]
fn after_learning_the_new_rows_are_steady_and_the_old_ones_drift() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    assert!(device.drifted(light));
    assert!(device.run(light).kept.is_ok());
    let thresholds = device.status(LearningCommand::Status).thresholds;
    assert_ne!(thresholds, THRESHOLDS);
    assert!(!device.drifted(light));
    assert!(device.drifted(dark));
    // The thresholds are in flash with the channels.
    let mut again = Device::boot(&blob, device.flash());
    assert_eq!(again.status(LearningCommand::Status).thresholds, thresholds);
    assert!(!again.drifted(light));
    // A run that does not help leaves them unchanged. A reset restores those of the blob.
    assert_eq!(device.spoil(light).kept, Err(Rejection::NotBetter));
    assert_eq!(device.status(LearningCommand::Status).thresholds, thresholds);
    assert_eq!(device.status(LearningCommand::Reset).thresholds, THRESHOLDS);
    assert!(device.drifted(light));
}

#[test]
fn a_run_that_ends_early_also_has_thresholds() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    device.begin(Method::Adam, 1, Method::Adam.rate());
    let mut random = Random::new(3);
    for _ in 0..IMAGES / 2 {
        device.learn(light, &mut random);
    }
    assert!(device.end().kept.is_ok());
    assert_ne!(device.status(LearningCommand::Status).thresholds, THRESHOLDS);
    assert!(!device.drifted(light));
}

#[test]
fn a_code_is_decoded_only_with_the_channels_that_made_it() {
    let blob = blob(1);
    let code = |device: &mut Device| device.code(&[200; 16]);
    let decodes = |device: &mut Device, (weights, code): &(u32, Vec<u8>)| {
        device.ask(Command::Decode { identity: *weights, code }, |reply| match reply {
            Ok(Reply::Row(_)) => true,
            Err(Error::OtherWeights { found, .. }) if found == *weights => false,
            other => panic!("{other:?}"),
        })
    };
    let mut base = Device::boot(&blob, erased());
    let before = code(&mut base);
    assert_eq!(before.0, net::crc(blob.bytes()));
    let mut learned = Device::boot(&blob, erased());
    learned.run(light);
    let after = code(&mut learned);
    assert!(decodes(&mut base, &before) && decodes(&mut learned, &after));
    assert!(!decodes(&mut base, &after) && !decodes(&mut learned, &before));
    assert!(decodes(&mut Device::boot(&blob, learned.flash()), &after));
    // In the middle of a run, no other device has these channels.
    learned.begin(Method::Adam, 1, Method::Adam.rate());
    let mut random = Random::new(3);
    for _ in 0..HELD_OUT + 5 {
        learned.learn(light, &mut random);
    }
    let amid = code(&mut learned);
    assert!(decodes(&mut learned, &amid) && !decodes(&mut base, &amid));
    learned.learn(light, &mut random);
    assert!(!decodes(&mut learned, &amid));
    learned.status(LearningCommand::Reset);
    assert!(decodes(&mut learned, &before));
}

#[test]
fn a_network_with_weights_of_four_bits_learns() {
    let blob = blob_of(&Net::relay(TOPOLOGY, Format::Int4, 1));
    let mut device = Device::boot(&blob, erased());
    let base = device.codes();
    let Judgement { before, after, kept } = device.run(light);
    assert!(after < before / 4 && kept == Ok(Saved::Channels(1)), "{before} to {after}, {kept:?}");
    let learned = device.codes();
    assert_ne!(learned, base);
    assert_eq!(Device::boot(&blob, device.flash()).codes(), learned);
    assert_eq!(device.spoil(light).kept, Err(Rejection::NotBetter));
    assert_eq!(device.codes(), learned);
}

#[test]
fn a_run_that_is_begun_again_leaves_no_trace() {
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
fn a_reset_restores_the_blobs_channels_for_good() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let base = device.codes();
    device.run(light);
    assert!(matches!(device.status(LearningCommand::Reset).kept, Ok(RecordState::Base(_))));
    assert_eq!(device.codes(), base);
    assert_eq!(Device::boot(&blob, device.flash()).codes(), base);
    // The device can learn again.
    assert!(device.run(light).kept.is_ok());
}

#[test]
fn channels_that_another_network_learned_are_not_loaded() {
    let (one, other) = (blob(1), blob(2));
    let mut device = Device::boot(&one, erased());
    device.run(light);
    let mut device = Device::boot(&other, device.flash());
    let found = net::crc(one.bytes());
    assert_eq!(device.status(LearningCommand::Status).kept, Ok(RecordState::OtherWeights { found }));
    assert_eq!(device.codes(), Device::boot(&other, erased()).codes());
}

#[test]
fn each_optimizer_and_any_batch_helps_and_the_same_run_gives_the_same_bytes() {
    let blob = blob(1);
    for (method, rate) in [(Method::Sgd, 300), (Method::RmsProp, 10_000), (Method::Adam, 10_000)] {
        for batch in [1, 3, 8] {
            let run = || {
                let mut device = Device::boot(&blob, erased());
                device.begin(method, batch, rate);
                device.stream(light);
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
    for command in [LearningCommand::Row(&[1; 16]), LearningCommand::End] {
        device.ask(Command::Learn(command), |reply| assert_eq!(reply, Err(Error::NotLearning)));
    }
    device.begin(Method::Adam, 1, 10_000);
    device.ask(Command::Learn(LearningCommand::End), |reply| assert_eq!(reply, Err(Error::NotLearning)));
    // Beyond its end, the flash has no bytes.
    for at in [8192, 9000, u32::MAX] {
        device.ask(Command::Learn(LearningCommand::Flash { at }), |reply| assert_eq!(reply, Ok(Reply::Flash(&[]))));
    }
    let wrong = Error::Length { expected: 16, found: 3 };
    device.ask(Command::Learn(LearningCommand::Row(&[1; 3])), |reply| assert_eq!(reply, Err(wrong)));
}

#[test]
fn a_device_that_does_not_learn_refuses_learning_commands() {
    let blob = blob(1);
    let mut memory = Memory::<64, FRAME>::new();
    let mut app = App::new(memory.buffers(), Frozen);
    app.load(blob.bytes());
    line::ask(&mut app, Command::Learn(LearningCommand::Status), |reply| assert_eq!(reply, Err(Error::Frozen)));
}

/// A run over these rows.
fn judged(device: &mut Device<'_>, rows: &[Vec<u8>]) -> Result<Judgement, Error> {
    device.begin(Method::Adam, 1, Method::Adam.rate());
    for row in rows {
        device.ask(Command::Learn(LearningCommand::Row(row)), |reply| assert!(reply.is_ok(), "{reply:?}"));
    }
    device.try_end()
}

#[test]
fn a_second_run_begins_like_the_first() {
    let blob = blob(1);
    let first = Device::boot(&blob, erased()).run(light);
    // After a run that was interrupted, one that was rolled back, and one that was kept and then reset.
    let broken_off = |device: &mut Device| {
        device.begin(Method::Adam, 3, 10_000);
        let mut random = Random::new(9);
        (0..100).for_each(|_| _ = device.learn(dark, &mut random));
    };
    let rolled_back = |device: &mut Device| assert!(device.spoil(dark).kept.is_err());
    let reset = |device: &mut Device| {
        assert!(device.run(dark).kept.is_ok());
        device.status(LearningCommand::Reset);
    };
    let before: [&dyn Fn(&mut Device); 3] = [&broken_off, &rolled_back, &reset];
    let mut fresh = Device::boot(&blob, erased());
    fresh.run(light);
    for before in before {
        let mut device = Device::boot(&blob, erased());
        before(&mut device);
        let second = device.run(light);
        assert_eq!((second.before, second.after), (first.before, first.after));
        assert_eq!(device.codes(), fresh.codes());
        assert_eq!(device.status(LearningCommand::Status).thresholds, fresh.status(LearningCommand::Status).thresholds);
        assert_eq!(device.status(LearningCommand::Status).rows, IMAGES);
    }
}

#[test]
fn a_run_ends_with_its_judgement() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    for kept in [true, false] {
        let judgement = if kept { device.run(light) } else { device.spoil(light) };
        assert_eq!(judgement.kept.is_ok(), kept);
        let (codes, flash) = (device.codes(), device.flash());
        for command in [LearningCommand::Row(&[1; 16]), LearningCommand::End] {
            device.ask(Command::Learn(command), |reply| assert_eq!(reply, Err(Error::NotLearning)));
        }
        assert!(device.codes() == codes && device.flash() == flash);
    }
}

#[test]
fn a_run_with_equal_scores_is_rejected() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    for method in [Method::Sgd, Method::RmsProp, Method::Adam] {
        device.begin(method, 1, 0);
        device.stream(light);
        let Judgement { before, after, kept } = device.end();
        assert!(before == after && kept == Err(Rejection::NotBetter), "{before} {after} {kept:?}");
        assert!(device.flash() == erased());
    }
}

/// If no more rows came than are held out, the sample is known and there was no step.
#[test]
fn a_run_is_judged_with_rounded_codes() {
    let mut random = Random::new(3);
    let rows: Vec<Vec<u8>> = (0..HELD_OUT).map(|_| light(&mut random, 16)).collect();
    for bits in 1..=8 {
        let net = Net::relay(TOPOLOGY, Format::Int8, 1).with_code_bits(bits);
        // The code is not saturated, so that rounding changes it.
        assert_eq!(net.rounded(&net.encode(&rows[0])) == net.encode(&rows[0]), bits == 8);
        let blob = blob_of(&net);
        let sum = rows.iter().map(|row| net.score(row)).sum();
        let judgement = judged(&mut Device::boot(&blob, erased()), &rows);
        assert_eq!(
            judgement,
            Ok(Judgement { before: sum, after: sum, kept: Err(Rejection::NotBetter) }),
            "{bits} bits"
        );
    }
}

/// At a rate of 0, the channels do not change, so every score identifies its row.
#[test]
fn every_row_is_learned_from_once_or_held_out() {
    let net = Net::relay(TOPOLOGY, Format::Int8, 1);
    let blob = blob_of(&net);
    let mut device = Device::boot(&blob, erased());
    device.begin(Method::Sgd, 1, 0);
    let (mut random, mut left) = (Random::new(3), Vec::new());
    for i in 0..IMAGES {
        let row = light(&mut random, 16);
        left.push(net.score(&row));
        let (error, held_out) = device.ask(Command::Learn(LearningCommand::Row(&row)), |reply| match reply {
            Ok(Reply::Learned { score, held_out }) => (score, held_out),
            other => panic!("{other:?}"),
        });
        assert_eq!(held_out, i < HELD_OUT as u32);
        if held_out {
            assert_eq!(error, net.score(&row));
        } else {
            let learned = left.iter().position(|score| *score == error);
            left.swap_remove(learned.expect("the score of a row that was not learned from before"));
        }
    }
    assert_eq!(left.len(), HELD_OUT);
    let sum = left.iter().sum();
    assert_eq!(device.end(), Judgement { before: sum, after: sum, kept: Err(Rejection::NotBetter) });
}

#[test]
fn a_batch_has_one_to_eight_rows() {
    let blob = blob(1);
    let flash = |batch| {
        let mut device = Device::boot(&blob, erased());
        device.begin(Method::Adam, batch, Method::Adam.rate());
        device.stream(light);
        assert!(device.end().kept.is_ok());
        device.flash()
    };
    let [one, eight] = [1, 8].map(flash);
    assert!(one != eight);
    assert!(flash(0) == one);
    for more in [9, 255] {
        assert!(flash(more) == eight);
    }
}

#[test]
fn a_run_over_an_uninformative_stream_is_rejected() {
    let blob = blob(1);
    let flash = |rows: &[Vec<u8>], expected| {
        let mut device = Device::boot(&blob, erased());
        let base = device.codes();
        let Judgement { before, after, kept } = judged(&mut device, rows).unwrap();
        assert_eq!(kept, Err(expected), "{before} to {after}");
        assert!(device.codes() == base && device.flash() == erased());
    };
    // Black, white, a fading light, one frame, two frames, and one frame with a little noise.
    for level in [0, 255] {
        flash(&vec![vec![level; 16]; 300], Rejection::TooFewRows);
    }
    flash(&(0..=255).map(|level| vec![level; 16]).collect::<Vec<_>>(), Rejection::TooFewRows);
    let mut random = Random::new(3);
    let frames = [light(&mut random, 16), dark(&mut random, 16)];
    flash(&vec![frames[0].clone(); 300], Rejection::TooFewRows);
    flash(&(0..300).map(|i| frames[i % 2].clone()).collect::<Vec<_>>(), Rejection::TooFewRows);
    let mut noisy = || frames[0].iter().map(|x| x - random.range(0, 2) as u8).collect::<Vec<_>>();
    flash(&(0..300).map(|_| noisy()).collect::<Vec<_>>(), Rejection::NothingEncoded);
    let mut random = Random::new(3);
    flash(&(0..300).map(|_| noise(&mut random, 16)).collect::<Vec<_>>(), Rejection::NothingEncoded);
}

/// Rows of another length are refused, and the run continues.
#[test]
fn a_row_of_another_length_is_not_held_out() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let clean = device.run(light);
    let mut device = Device::boot(&blob, erased());
    device.begin(Method::Adam, 1, Method::Adam.rate());
    let mut random = Random::new(3);
    for _ in 0..HELD_OUT as u32 + IMAGES {
        for length in [0, 1, 15, 17] {
            let error = Error::Length { expected: 16, found: length };
            let row = vec![9; length as usize];
            device.ask(Command::Learn(LearningCommand::Row(&row)), |reply| assert_eq!(reply, Err(error)));
        }
        device.learn(light, &mut random);
    }
    assert_eq!(device.end(), clean);
}

/// `g = (Π a)^(1/8)`, `r = √(upper / lower)`, in `f64`: the thresholds are `g / r^1.375` and `g · r^1.375`.
#[test]
fn the_thresholds_move_to_the_middle_of_the_held_out_scores() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let judgement = device.run(light);
    let Thresholds { lower, upper } = device.status(LearningCommand::Status).thresholds;
    let ratio = f64::from(THRESHOLDS.upper) / f64::from(THRESHOLDS.lower);
    let found = f64::from(upper) / f64::from(lower);
    assert!((found / ratio.powf(1.375) - 1.0).abs() < 0.1, "{lower} to {upper}"); // `lower` is a small integer
    // The geometric mean is no larger than the mean.
    let middle = (f64::from(lower) * f64::from(upper)).sqrt();
    assert!(middle < f64::from(judgement.after) / HELD_OUT as f64 * 1.05 && middle > 1.0, "{middle} {judgement:?}");

    // If the blob has no thresholds, the learned channels have none.
    let net = Net::relay(TOPOLOGY, Format::Int8, 1);
    let blob = BlobFile::new("flash".as_ref(), &net.blob());
    let mut device = Device::boot(&blob, erased());
    assert!(device.run(light).kept.is_ok());
    assert_eq!(device.status(LearningCommand::Status).thresholds, Thresholds::NONE);
}
