//! The detector: windows against slices of the whole recording, observations against plain loops, and what is refused.

#[allow(dead_code, unreachable_pub)] // a program, of which the test calls one function
#[path = "../examples/detector.rs"]
mod example;
#[path = "common/line.rs"]
mod line;
#[path = "common/net.rs"]
mod net;

use autoencoder_core::Error as WeightsError;
use autoencoder_core::Resource;
use autoencoder_core::blob::{Header, Thresholds};
use autoencoder_core::crc::checksum;
use autoencoder_core::front_end::{FrontEnd, Scale, Spec, write_section};
use autoencoder_device::flash::Nor;
use autoencoder_device::frame::frame_bytes;
use autoencoder_device::input::{Input, Number, SamplerBuffers, SamplerMemory, command_bytes, samples_in_command};
use autoencoder_device::learn::{Begin, HELD_OUT, LearnerMemory, Method};
use autoencoder_device::message::{LearningCommand, SampleShape, Sampled};
use autoencoder_device::monitor::Drift;
use autoencoder_device::{
    App, Codec, Command, Detector, Error, Frozen, Learner, Memory, Observation, Reply, RowsOnly, Sampler,
};
use autoencoder_io::blob_file::BlobFile;
use line::ask;
use net::{Net, Random};

const THRESHOLDS: Thresholds = Thresholds { lower: 0, upper: 20_000 };

fn spec(channels: u16, window: u16, hop: u16) -> Spec {
    Spec { channels, window, hop, rate: 0.0, front_end: FrontEnd::Raw }
}

/// Scales that take -100 to 0 and 100 to 255.
fn scales(count: usize) -> Vec<Scale> {
    vec![Scale::between(-100.0, 100.0).unwrap(); count]
}

fn section(spec: &Spec) -> Vec<u8> {
    let mut buffer = [0; 4096];
    write_section(spec, "", 0.005, &scales(spec.inputs()), &mut buffer).unwrap().to_vec()
}

/// A network for these inputs, and its blob with an input section.
fn network(inputs: usize, section: &[u8]) -> (Net, BlobFile) {
    let net = Net::new(&format!("{inputs}-8-4-8-{inputs}"), 1);
    let blob = net.blob_with_section(&Header { thresholds: THRESHOLDS, ..net.header() }, section);
    let blob = BlobFile::new("flash".as_ref(), &blob);
    (net, blob)
}

fn detector(blob: &BlobFile) -> Detector<'_, 'static, Frozen> {
    let memory: &mut SamplerMemory<1200, 300> = Box::leak(Box::default());
    let codec = Codec::new(vec![0; 4096].leak(), Frozen);
    let mut detector = Detector::new(codec, Sampler::new(memory.buffers()));
    detector.load(blob.bytes());
    detector
}

/// Samples from -120 to 120, beyond both ends of the scales.
fn recording(channels: usize, samples: usize, seed: u64) -> Vec<Vec<i16>> {
    let mut random = Random::new(seed);
    let mut sample = || (0..channels).map(|_| random.range(-120, 120) as i16).collect();
    (0..samples).map(|_| sample()).collect()
}

/// The row of a window and the number of clipped inputs, in exact integers: 255/200 steps for each unit.
fn plain_row(window: &[Vec<i16>]) -> (Vec<u8>, u32) {
    let numbers = window.iter().flatten().map(|x| i32::from(*x));
    let row = numbers.clone().map(|x| (((x + 100) * 255 * 2 + 200).div_euclid(400)).clamp(0, 255) as u8);
    (row.collect(), numbers.filter(|x| x.abs() > 100).count() as u32)
}

fn observe(detector: &mut Detector<'_, '_, Frozen>, samples: &[Vec<impl Number>]) -> Vec<(usize, Observation)> {
    let mut found = Vec::new();
    for (i, sample) in samples.iter().enumerate() {
        found.extend(detector.push(sample).unwrap().map(|observation| (i, observation)));
    }
    found
}

#[test]
fn a_window_ends_after_each_hop_and_holds_the_last_samples() {
    for (channels, window, hop) in [(1, 5, 1), (3, 8, 8), (2, 7, 3), (2, 4, 9), (1, 1, 1), (1, 6, 5), (3, 2, 3)] {
        let spec = spec(channels, window, hop);
        let (net, blob) = network(spec.inputs(), &section(&spec));
        let mut detector = detector(&blob);
        let samples = recording(channels.into(), 60, 2);
        let [window, hop] = [window, hop].map(usize::from);
        let ends: Vec<usize> = (window - 1..samples.len()).step_by(hop).collect();
        for round in 0..2 {
            let found = observe(&mut detector, &samples);
            assert_eq!(found.iter().map(|(end, _)| *end).collect::<Vec<_>>(), ends, "{spec:?}");
            for (end, found) in found {
                let (row, clipped) = plain_row(&samples[end + 1 - window..=end]);
                let expected = (checksum(&row), clipped, net.score(&row), THRESHOLDS.upper);
                assert_eq!((found.row, found.clipped, found.score, found.threshold), expected, "{spec:?} at {end}");
                assert_eq!(found.above(), found.score > THRESHOLDS.upper);
            }
            // A few samples of another recording leave no trace after a restart.
            for sample in &samples[..=round] {
                let _ = detector.push(sample).unwrap();
            }
            detector.restart().unwrap();
        }
    }
}

/// The observations of samples of another type.
fn with<T: Number>(blob: &BlobFile, samples: &[Vec<i16>], number: fn(i16) -> T) -> Vec<(usize, Observation)> {
    let of: Vec<Vec<T>> = samples.iter().map(|sample| sample.iter().map(|x| number(*x)).collect()).collect();
    observe(&mut detector(blob), &of)
}

#[test]
fn all_types_of_numbers_and_messages_give_the_same_rows() {
    let spec = spec(3, 6, 4);
    let (_, blob) = network(spec.inputs(), &section(&spec));
    let samples = recording(3, 50, 3);
    let expected = observe(&mut detector(&blob), &samples);
    assert!(expected.len() > 10);
    assert_eq!(with(&blob, &samples, i32::from), expected);
    assert_eq!(with(&blob, &samples, f32::from), expected);
    let bytes: Vec<[u8; 4]> = samples.iter().flatten().map(|x| f32::from(*x).to_le_bytes()).collect();
    let mut app = app(&blob);
    let mut found = Vec::new();
    for command in bytes.as_flattened().chunks(command_bytes(&spec)) {
        ask(&mut app, Command::Samples(command), |reply| match reply {
            Ok(Reply::Sampled(Sampled::Incomplete)) => {}
            Ok(Reply::Sampled(Sampled::Observed(observation))) => found.push(observation),
            other => panic!("{other:?}"),
        });
    }
    assert!(found.iter().eq(expected.iter().map(|(_, observation)| observation)));
    assert_eq!((i32::MAX - 63).to_f32(), 2_147_483_648.0, "rounded to the nearest");
}

#[test]
fn what_is_not_a_number_is_clipped_and_large_numbers_do_no_harm() {
    for front_end in [FrontEnd::Raw, FrontEnd::Centred, FrontEnd::Spectrum { bands: 5 }] {
        let spec = Spec { channels: 2, window: 16, hop: 16, rate: 0.0, front_end };
        let (_, blob) = network(spec.inputs(), &section(&spec));
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 2f32.powi(100)] {
            let found = observe(&mut detector(&blob), &vec![vec![value, -value]; 16]);
            let [(15, found)] = found[..] else { panic!("{found:?}") };
            // A constant signal less its mean is 0, which is inside of the scale, unless the sum overflows.
            let inside = value == 2f32.powi(100) && front_end == FrontEnd::Centred;
            assert_eq!(found.clipped == 0, inside, "{value}, {front_end:?}: {found:?}");
        }
        // One number alone.
        let mut samples = vec![vec![1.0, 2.0]; 16];
        samples[3][1] = f32::NAN;
        let found = observe(&mut detector(&blob), &samples)[0].1;
        let expected = match front_end {
            FrontEnd::Raw => 1,
            FrontEnd::Centred => 16,
            _ => 10, // the bands of the other channel are those of a constant: -126
        };
        assert_eq!(found.clipped, expected, "{front_end:?}");
    }
}

#[test]
fn the_example_observes_what_a_detector_does() {
    let spec = Spec { channels: 3, window: 64, hop: 32, rate: 0.0, front_end: FrontEnd::Spectrum { bands: 20 } };
    let (_, blob) = network(60, &section(&spec));
    let samples = recording(3, 500, 4);
    let expected = observe(&mut detector(&blob), &samples);
    let mut found = Vec::new();
    let driver = samples.iter().map(|sample| *sample.first_chunk().unwrap());
    example::watch(blob.bytes(), driver.clone(), |observation| found.push(*observation)).unwrap();
    assert_eq!(found, expected.iter().map(|(_, observation)| *observation).collect::<Vec<_>>());
    assert_eq!(found.len(), 14);
    let erased = example::watch(&[0xff; 64], driver, |_| ());
    assert_eq!(erased, Err(Error::Weights(WeightsError::Empty)));
}

#[test]
fn a_stream_of_odd_windows_is_a_drift() {
    let spec = spec(1, 8, 8);
    let (net, blob) = network(8, &section(&spec));
    let mut detector = detector(&blob);
    let odd = (0..10_000).map(|seed| recording(1, 8, seed)).filter(|window| {
        let (row, _) = plain_row(window);
        net.score(&row) > THRESHOLDS.upper
    });
    let drifts: Vec<_> = odd.take(12).map(|window| observe(&mut detector, &window)[0].1).collect();
    assert_eq!(drifts.len(), 12);
    assert!(drifts.iter().all(Observation::above));
    assert_eq!(drifts.iter().position(Observation::drifted), Some(9), "ten of the last windows");
    assert_eq!(drifts[9].verdict.drift(), Some(Drift::Above));
}

/// Nine odd windows at the end of a recording and nine at the beginning of the next are no drift.
#[test]
fn the_vote_starts_anew_with_a_recording() {
    let spec = spec(1, 8, 8);
    let (net, blob) = network(8, &section(&spec));
    let odd = (0..10_000).map(|seed| recording(1, 8, seed)).filter(|window| {
        let (row, _) = plain_row(window);
        net.score(&row) > THRESHOLDS.upper
    });
    let odd: Vec<_> = odd.take(19).collect();
    let drifted = |restart: bool| {
        let mut detector = detector(&blob);
        let mut windows = odd.iter().enumerate().map(|(i, window)| {
            if restart && i == 9 {
                detector.restart().unwrap();
            }
            observe(&mut detector, window)[0].1
        });
        windows.position(|observation| observation.drifted())
    };
    assert_eq!((odd.len(), drifted(false), drifted(true)), (19, Some(9), Some(18)));
    // So does the count of equal windows.
    let still = vec![vec![1i16]; 8];
    let mut detector = detector(&blob);
    for _ in 0..2 {
        for repeats in 0..20 {
            assert_eq!(observe(&mut detector, &still)[0].1.verdict.repeats, repeats);
        }
        detector.restart().unwrap();
    }
}

fn app(blob: &BlobFile) -> App<'_, 'static, Frozen, Sampler<'_, 'static>> {
    let memory: &mut Memory<4096, { frame_bytes(1024) }> = Box::leak(Box::default());
    let windows: &mut SamplerMemory<1200, 300> = Box::leak(Box::default());
    let mut app = App::detector(memory.buffers(), Frozen, Sampler::new(windows.buffers()));
    app.load(blob.bytes());
    app
}

#[test]
fn buffers_that_are_one_too_short_are_refused_with_both_numbers() {
    for front_end in [FrontEnd::Raw, FrontEnd::Centred, FrontEnd::Spectrum { bands: 3 }] {
        let spec = Spec { channels: 2, window: 16, hop: 4, rate: 0.0, front_end };
        let (_, blob) = network(spec.inputs(), &section(&spec));
        let (numbers, row) = (spec.samples() + spec.scratch(), spec.inputs());
        let refused = |short: [usize; 2]| {
            let numbers = vec![0.0; numbers - short[0]].leak();
            let row = vec![0; row - short[1]].leak();
            let codec = Codec::new(vec![0; 4096].leak(), Frozen);
            let mut detector = Detector::new(codec, Sampler::new(SamplerBuffers { numbers, row }));
            detector.load(blob.bytes());
            (detector.push(&[0i16, 0]), detector.spare_bytes() == detector.codec().spare_bytes())
        };
        let error = |resource, needed: usize| {
            let (needed, available) = (needed as u32, needed as u32 - 1);
            Err(Error::Weights(WeightsError::Capacity { resource, needed, available }))
        };
        assert_eq!(refused([0, 0]), (Ok(None), true));
        assert_eq!(refused([1, 0]).0, error(Resource::Window, numbers));
        assert_eq!(refused([0, 1]).0, error(Resource::Row, row));
    }
}

#[test]
fn blobs_without_a_section_that_fits_take_rows_alone() {
    let with = spec(2, 4, 4);
    let malformed = [&section(&with)[..], &[0]].concat();
    for (section, expected) in [
        (vec![], Error::NoSection),
        (section(&spec(2, 5, 4)), Error::Inputs { expected: 8, found: 10 }),
        (malformed, Error::Weights(WeightsError::Malformed)),
    ] {
        let (net, blob) = network(8, &section);
        assert_eq!(detector(&blob).push(&[1i16, 2]), Err(expected));
        assert_eq!(detector(&blob).restart(), Err(expected));
        let mut app = app(&blob);
        ask(&mut app, Command::Samples(&[0; 8]), |reply| assert_eq!(reply, Err(expected)));
        ask(&mut app, Command::Restart, |reply| assert_eq!(reply, Err(expected)));
        let row = [3, 1, 4, 1, 5, 9, 2, 6];
        ask(&mut app, Command::Score { row: &row }, |reply| {
            assert_eq!(reply, Ok(Reply::Score { score: net.score(&row) }));
        });
    }
    // A device without a front end.
    let (_, blob) = network(8, &section(&with));
    let memory: &mut Memory<4096, { frame_bytes(1024) }> = Box::leak(Box::default());
    let mut app = App::new(memory.buffers(), Frozen);
    app.load(blob.bytes());
    ask(&mut app, Command::Samples(&[0; 8]), |reply| assert_eq!(reply, Err(Error::RowsOnly)));
    ask(&mut app, Command::Restart, |reply| assert_eq!(reply, Err(Error::RowsOnly)));
    for command in [LearningCommand::Samples(&[0; 8]), LearningCommand::Repeat] {
        ask(&mut app, Command::Learn(command), |reply| assert_eq!(reply, Err(Error::RowsOnly)));
    }
    assert_eq!(RowsOnly.spec(), Err(Error::RowsOnly));
}

#[test]
fn samples_of_another_shape_are_refused_and_leave_the_window_alone() {
    let spec = spec(2, 4, 3);
    let (_, blob) = network(8, &section(&spec));
    let samples = recording(2, 40, 5);
    let expected = observe(&mut detector(&blob), &samples);
    let mut detector = detector(&blob);
    let mut found = Vec::new();
    for (i, sample) in samples.iter().enumerate() {
        for wrong in [&[][..], &[1], &[1, 2, 3]] {
            let error = Error::Channels { expected: 2, found: wrong.len() as u32 };
            assert_eq!(detector.push(wrong), Err(error));
        }
        found.extend(detector.push(sample).unwrap().map(|observation| (i, observation)));
    }
    assert_eq!(found, expected);

    let mut app = app(&blob);
    let shape = SampleShape { channels: 2, window: 4, hop: 3 };
    ask(&mut app, Command::Restart, |reply| assert_eq!(reply, Ok(Reply::Sampled(Sampled::Restarted(shape)))));
    assert_eq!((samples_in_command(&spec), command_bytes(&spec)), (3, 24));
    for (bytes, expected) in [
        (4, Err(Error::Channels { expected: 2, found: 1 })),
        (9, Err(Error::Channels { expected: 2, found: 3 })),
        (12, Err(Error::Channels { expected: 2, found: 3 })),
        (32, Err(Error::Length { expected: 24, found: 32 })),
        (0, Ok(Reply::Sampled(Sampled::Incomplete))),
        (24, Ok(Reply::Sampled(Sampled::Incomplete))),
    ] {
        ask(&mut app, Command::Samples(&vec![0; bytes]), |reply| assert_eq!(reply, expected, "{bytes} bytes"));
    }
    // Three samples were taken: one more completes the window.
    ask(&mut app, Command::Samples(&[0; 8]), |reply| {
        assert!(matches!(reply, Ok(Reply::Sampled(Sampled::Observed(_)))));
    });
}

/// Long commands hold a part of a hop, at most 256 bytes; a sample is never split.
#[test]
fn a_command_holds_no_more_than_a_hop() {
    for (channels, hop, expected) in [(1, 1, 1), (1, 64, 64), (1, 65, 64), (3, 100, 21), (64, 5, 1), (1000, 5, 1)] {
        let spec = spec(channels, 4, hop);
        assert_eq!(samples_in_command(&spec), expected, "{spec:?}");
        assert_eq!(command_bytes(&spec), 4 * usize::from(channels) * expected);
    }
}

type FlashLearner = Learner<'static, Nor<Vec<u8>>>;

/// A detector that learns, with room for `STORED` bytes of rows.
fn learning<const STORED: usize>(blob: &BlobFile) -> App<'_, 'static, FlashLearner, Sampler<'_, 'static>> {
    let memory: &mut Memory<4096, { frame_bytes(1024) }> = Box::leak(Box::default());
    let windows: &mut SamplerMemory<1200, 300> = Box::leak(Box::default());
    let learner: &mut LearnerMemory<256, 128, { HELD_OUT * 256 }, STORED> = Box::leak(Box::default());
    let sampler = Sampler::new(windows.buffers());
    let mut app = App::detector(memory.buffers(), Learner::new(learner.buffers()), sampler);
    app.load(blob.bytes());
    app.attach_flash(Nor::new(vec![0xff; 32 * 1024]));
    app
}

fn begin<'b, I: Input<'b>>(app: &mut App<'b, 'static, FlashLearner, I>, rows: u32, passes: u8) {
    // Forced, because these streams are unlike those that the random network knows.
    let begin = Begin { method: Method::Adam, rate: 10_000, batch: 1, rows, passes, forced: true };
    ask(app, Command::Learn(LearningCommand::Begin(begin)), |reply| assert!(matches!(reply, Ok(Reply::Status(_)))));
}

/// Takes a step of the further passes. Returns the number of steps that are left.
fn repeat<'b>(app: &mut App<'b, 'static, FlashLearner, Sampler<'b, 'static>>) -> u32 {
    ask(app, Command::Learn(LearningCommand::Repeat), |reply| match reply {
        Ok(Reply::Sampled(Sampled::Repeated(left))) => left,
        other => panic!("{other:?}"),
    })
}

/// Ends a run. Returns the sums of the scores, and all that the flash holds.
fn end<'b, I: Input<'b>>(app: &mut App<'b, 'static, FlashLearner, I>) -> ([u32; 2], Vec<u8>) {
    let sums = ask(app, Command::Learn(LearningCommand::End), |reply| match reply {
        Ok(Reply::Judged(judgement)) => [judgement.before, judgement.after],
        other => panic!("{other:?}"),
    });
    let mut flash = Vec::new();
    while ask(app, Command::Learn(LearningCommand::Flash { at: flash.len() as u32 }), |reply| match reply {
        Ok(Reply::Flash(bytes)) => {
            flash.extend_from_slice(bytes);
            !bytes.is_empty()
        }
        other => panic!("{other:?}"),
    }) {}
    (sums, flash)
}

/// The network of these tests passes its inputs on, so that it can learn slow waves.
fn learnable(section: &[u8]) -> BlobFile {
    let net = Net::relay("16-8-4-8-16", autoencoder_core::blob::Format::Int8, 1);
    let blob = net.blob_with_section(&Header { thresholds: Thresholds::NONE, ..net.header() }, section);
    BlobFile::new("flash".as_ref(), &blob)
}

/// Slow waves, as samples of two channels.
fn waves(count: usize) -> Vec<[f32; 2]> {
    let sample = |t: usize| [0.3, 0.37].map(|w| (60.0 * (t as f32 * w / 9.0).sin()).round());
    (0..count).map(sample).collect()
}

/// A run over samples whose steps are 0 gives each window the score of its row. It holds out eight windows, and does not learn from
/// the one on either side of each that shares samples with it.
#[test]
fn a_run_over_samples_learns_from_rows_that_share_nothing_with_the_held_out_ones() {
    let spec = spec(2, 8, 5);
    let blob = learnable(&section(&spec));
    let net = Net::relay("16-8-4-8-16", autoencoder_core::blob::Format::Int8, 1);
    let samples = waves(1000);
    let row_of = |window: &[[f32; 2]]| {
        let window: Vec<Vec<i16>> = window.iter().map(|sample| sample.map(|x| x as i16).to_vec()).collect();
        plain_row(&window).0
    };
    let rows: Vec<Vec<u8>> = samples.windows(8).step_by(5).map(row_of).collect();
    let run = |rate: u32| {
        let mut app = learning::<0>(&blob);
        let begin = Begin { method: Method::Adam, rate, batch: 1, rows: 191, passes: 1, forced: true };
        ask(&mut app, Command::Learn(LearningCommand::Begin(begin)), |reply| assert!(reply.is_ok()));
        let mut learned = Vec::new();
        let bytes: Vec<[u8; 4]> = samples.iter().flatten().map(|x| x.to_le_bytes()).collect();
        for command in bytes.as_flattened().chunks(command_bytes(&spec)) {
            ask(&mut app, Command::Learn(LearningCommand::Samples(command)), |reply| match reply {
                Ok(Reply::Sampled(Sampled::Incomplete)) => {}
                Ok(Reply::Learned { score, held_out }) => learned.push((score, held_out)),
                other => panic!("{other:?}"),
            });
        }
        (learned, end(&mut app).0)
    };
    let (learned, [before, after]) = run(0);
    assert_eq!(rows.len(), 199);
    assert_eq!(
        learned.iter().map(|(score, _)| *score).collect::<Vec<_>>(),
        rows.iter().map(|row| net.score(row)).collect::<Vec<_>>()
    );
    // Three of the 24 windows of each eighth are not learned from, and those behind the last eighth are.
    let kept: Vec<usize> = (0..199).filter(|i| learned[*i].1).collect();
    assert!(
        kept.chunks(3)
            .enumerate()
            .all(|(i, three)| three[2] == three[0] + 2 && three[0] / 24 == i && three[2] / 24 == i)
    );
    assert_eq!(kept.len(), 24);
    // The one in the middle is held out.
    let held: u32 = kept.chunks(3).map(|three| net.score(&rows[three[1]])).sum();
    assert_eq!((before, after), (held, held));
    let (_, [before, after]) = run(10_000);
    assert!(before == held && after < before, "{before}, {after}");
}

/// Rows for learning, all different.
fn rows(count: usize) -> Vec<Vec<u8>> {
    let waves = waves(8 * count);
    let row = |row: &[[f32; 2]]| row.iter().flatten().map(|x| (x * 1.2 + 128.0) as u8).collect();
    waves.chunks(8).map(row).collect()
}

/// Learns from a row. Returns whether it was held out.
fn learn<'b>(app: &mut App<'b, 'static, FlashLearner, Sampler<'b, 'static>>, row: &[u8]) -> bool {
    ask(app, Command::Learn(LearningCommand::Row(row)), |reply| match reply {
        Ok(Reply::Learned { held_out, .. }) => held_out,
        other => panic!("{other:?}"),
    })
}

fn run<const STORED: usize>(blob: &BlobFile, rows: &[Vec<u8>], passes: u8) -> ([u32; 2], Vec<u8>) {
    let mut app = learning::<STORED>(blob);
    begin(&mut app, rows.len() as u32, passes);
    for row in rows {
        ask(&mut app, Command::Learn(LearningCommand::Row(row)), |reply| assert!(reply.is_ok(), "{reply:?}"));
    }
    while repeat(&mut app) > 0 {}
    end(&mut app)
}

#[test]
fn further_passes_learn_more_from_the_rows_that_there_is_room_for() {
    let blob = learnable(&section(&spec(2, 8, 8)));
    let rows = rows(60);
    let once = run::<1024>(&blob, &rows, 1);
    assert_eq!(run::<1024>(&blob, &rows, 0), once);
    assert_eq!(run::<0>(&blob, &rows, 9), once, "no room, no further pass");
    assert_eq!(run::<15>(&blob, &rows, 9), once, "room for less than a row");
    let again = run::<1024>(&blob, &rows, 9);
    assert_eq!(again.0[0], once.0[0], "the held-out rows are the same");
    assert!(again.0[1] < once.0[1], "{:?} and {:?}", again.0, once.0);
    // Ten rows have room; more room than there are rows changes nothing.
    let few = run::<160>(&blob, &rows, 9);
    assert_ne!(few, again);
    assert_eq!(run::<2048>(&blob, &rows, 9), again);
}

/// The steps of further passes are those of the same rows in another run, in which they come again: the rows learned from,
/// in order. Rows beyond the first eight take places in the sample, so only eight and their successors are sent.
#[test]
fn a_further_pass_takes_the_steps_of_its_rows_in_order() {
    let blob = learnable(&section(&spec(2, 8, 8)));
    let rows = rows(HELD_OUT + 1);
    // Constant rows are never held out. So each of these is learned from.
    let constant: Vec<Vec<u8>> = [40, 90, 140, 200].map(|x| vec![x; 16]).into();
    let mut once = learning::<64>(&blob);
    begin(&mut once, 4, 3);
    let mut again = learning::<0>(&blob);
    begin(&mut again, 12, 1);
    for row in &rows[..HELD_OUT] {
        assert!(learn(&mut once, row) && learn(&mut again, row));
    }
    for row in &constant {
        assert!(!learn(&mut once, row));
    }
    for row in constant.iter().cycle().take(12) {
        assert!(!learn(&mut again, row));
    }
    // One step for each request, two passes over four rows.
    let left: Vec<u32> = (0..10).map(|_| repeat(&mut once)).collect();
    assert_eq!(left, [7, 6, 5, 4, 3, 2, 1, 0, 0, 0]);
    assert_eq!(repeat(&mut again), 0);
    assert_eq!(end(&mut once), end(&mut again));
    // A run that has ended has nothing to repeat, and the next one begins with its own rows.
    ask(&mut once, Command::Learn(LearningCommand::Repeat), |reply| assert_eq!(reply, Err(Error::NotLearning)));
    begin(&mut once, 4, 2);
    assert_eq!(repeat(&mut once), 0);
    learn(&mut once, &constant[0]);
    assert_eq!(repeat(&mut once), 0);
}

/// A run may be judged before its further passes are done. The steps that were taken count.
#[test]
fn a_run_that_ends_early_keeps_the_steps_that_it_took() {
    let blob = learnable(&section(&spec(2, 8, 8)));
    let rows = rows(60);
    let results = [0, 1, 300].map(|steps| {
        let mut app = learning::<1024>(&blob);
        begin(&mut app, rows.len() as u32, 9);
        for row in &rows {
            learn(&mut app, row);
        }
        (0..steps).for_each(|_| _ = repeat(&mut app));
        end(&mut app).0[1]
    });
    assert!(results[0] != results[1] && results[2] < results[0], "{results:?}");
}
