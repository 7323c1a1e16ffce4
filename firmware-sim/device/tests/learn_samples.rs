//! Tests runs of learning over the samples of a sensor: what they keep, and which streams they refuse.

#[allow(dead_code, unreachable_pub)] // a program, of which the test calls one function
#[path = "../examples/learning.rs"]
mod example;
#[path = "common/net.rs"]
mod net;

use autoencoder_core::blob::{Format, Header, Thresholds};
use autoencoder_core::front_end::{FrontEnd, Scale, Spec, write_section};
use autoencoder_device::flash::Nor;
use autoencoder_device::input::SamplerMemory;
use autoencoder_device::learn::{Begin, HELD_OUT, Judgement, LearnerMemory, Method, Rejection, Saved, Status};
use autoencoder_device::store::RecordState;
use autoencoder_device::{Codec, Detector, Error, Learner, Sampler};
use autoencoder_io::blob_file::BlobFile;
use net::{Net, Random};

type Flash = Nor<Vec<u8>>;
type Device<'b, 'm> = Detector<'b, 'm, Learner<'m, &'m mut Flash>>;

/// Elements of a row: windows of one channel that do not overlap.
const ROW: usize = 16;

fn net() -> Net {
    Net::relay("16-8-4-8-16", Format::Int8, 1)
}

/// A blob with these thresholds. The scales take a sample to the byte of the same value.
fn blob(thresholds: Thresholds) -> BlobFile {
    let spec = Spec { channels: 1, window: ROW as u16, hop: ROW as u16, rate: 0.0, front_end: FrontEnd::Raw };
    let scales = [Scale::between(0.0, 255.0).unwrap(); ROW];
    let mut section = [0; 1024];
    let section = write_section(&spec, "", 0.005, &scales, &mut section).unwrap();
    let net = net();
    BlobFile::new("flash".as_ref(), &net.blob_with_section(&Header { thresholds, ..net.header() }, section))
}

fn erased() -> Flash {
    Nor::new(vec![0xff; 8192])
}

fn boot<'b, 'm>(blob: &'b BlobFile, flash: &'m mut Flash) -> Device<'b, 'm> {
    let windows: &mut SamplerMemory<ROW, ROW> = Box::leak(Box::default());
    let learner: &mut LearnerMemory<64, 64, { HELD_OUT * ROW }> = Box::leak(Box::default());
    let codec = Codec::new(vec![0; 512].leak(), Learner::new(learner.buffers()));
    let mut device = Detector::new(codec, Sampler::new(windows.buffers()));
    device.load(blob.bytes());
    device.attach_flash(flash);
    device
}

/// A sample that no run takes is not a part of the next window either.
#[test]
fn a_sample_without_a_run_is_not_taken() {
    let (blob, mut flash, mut other) = (blob(Thresholds::NONE), erased(), erased());
    let [mut device, mut expected] = [&mut flash, &mut other].map(|flash| boot(&blob, flash));
    let window = windows(128).remove(0);
    for x in &window[..ROW - 1] {
        assert_eq!(device.learn(&[*x]), Err(Error::NotLearning));
    }
    for x in &window {
        assert_eq!(device.push(&[*x]), expected.push(&[*x]));
    }
}

/// Windows in which one half is larger than the other, around a level. The network can learn them.
fn windows(level: i32) -> Vec<Vec<i16>> {
    let mut random = Random::new(3);
    let mut window = || {
        let first = random.range(0, 1) == 0;
        let mut value = |i| level + if (i < ROW / 2) == first { 40 } else { -40 } + random.range(-4, 4);
        (0..ROW).map(|i| value(i) as i16).collect()
    };
    (0..300).map(|_| window()).collect()
}

/// The row of a window.
fn row(window: &[i16]) -> Vec<u8> {
    window.iter().map(|x| (*x).clamp(0, 255) as u8).collect()
}

/// The scores of windows with the blob's channels, in order.
fn sorted_scores(windows: &[Vec<i16>]) -> Vec<u32> {
    let net = net();
    let mut scores: Vec<_> = windows.iter().map(|window| net.score(&row(window))).collect();
    scores.sort_unstable();
    scores
}

fn begin(device: &mut Device<'_, '_>, rate: u32, forced: bool) {
    device.begin(Begin { method: Method::Adam, rate, batch: 1, rows: 292, passes: 1, forced }).unwrap();
}

fn run(device: &mut Device<'_, '_>, windows: &[Vec<i16>], rate: u32, forced: bool) -> Judgement {
    begin(device, rate, forced);
    for x in windows.iter().flatten() {
        device.learn(&[*x]).unwrap();
    }
    device.end().unwrap()
}

/// A run whose steps are 0, so that nothing is better afterwards.
fn idle(device: &mut Device<'_, '_>, windows: &[Vec<i16>]) -> Judgement {
    run(device, windows, 0, false)
}

const RATE: u32 = Method::Adam.rate();

/// What a device shows of its channels and thresholds: the codes of a few rows, the network that made them, and the
/// status.
fn state(device: &mut Device<'_, '_>) -> (Vec<Vec<u8>>, u32, Status) {
    let mut random = Random::new(4);
    let codes = (0..20).map(|_| device.codec().encode(&random.bytes(ROW)).unwrap().to_vec()).collect();
    (codes, device.codec().identity().unwrap(), device.status().unwrap())
}

/// Whether the stream has drifted at its end.
fn drifted(device: &mut Device<'_, '_>, windows: &[Vec<i16>]) -> bool {
    let mut last = false;
    for x in windows.iter().flatten() {
        if let Some(observation) = device.push(&[*x]).unwrap() {
            last = observation.drifted();
        }
    }
    last
}

/// Thresholds that most of these windows are above, but not by half.
fn drift(windows: &[Vec<i16>]) -> Thresholds {
    let scores = sorted_scores(windows);
    let upper = scores[150] * 4 / 5;
    Thresholds { lower: upper / 16, upper }
}

/// Thresholds that all of these windows are below, by a factor of 4.
fn above(windows: &[Vec<i16>]) -> Thresholds {
    let scores = sorted_scores(windows);
    Thresholds { lower: scores[299] * 4, upper: scores[299] * 64 }
}

/// The firmware of the guide, after each start: it learns from the first 200 windows, and keeps that.
#[test]
fn the_example_learns_and_finds_what_it_learned() {
    let windows = windows(128);
    let (blob, mut flash) = (blob(drift(&windows)), erased());
    let samples = || windows.iter().flatten().map(|x| [*x]);
    let first = example::settle(blob.bytes(), &mut flash, samples()).unwrap();
    assert!(first.kept == Ok(Saved::Channels(1)) && first.after < first.before, "{first:?}");
    let learned = boot(&blob, &mut flash).codec().identity().unwrap();
    assert_ne!(learned, boot(&blob, &mut erased()).codec().identity().unwrap());
    let second = example::settle(blob.bytes(), &mut flash, samples()).unwrap();
    assert!(second.before < first.before, "{second:?} does not go on from {first:?}");
    assert!(example::settle(&[0xff; 64], &mut flash, samples()).is_err());
}

#[test]
fn a_run_that_helps_is_kept_with_its_thresholds() {
    let windows = windows(128);
    let (blob, mut flash) = (blob(drift(&windows)), erased());
    let before = state(&mut boot(&blob, &mut flash));
    let mut device = boot(&blob, &mut flash);
    let judgement = run(&mut device, &windows, RATE, false);
    assert!(judgement.after < judgement.before && judgement.kept == Ok(Saved::Channels(1)), "{judgement:?}");
    let after = state(&mut device);
    assert!(after.0 != before.0 && after.1 != before.1);
    let booted = state(&mut boot(&blob, &mut flash));
    assert_eq!((booted.0, booted.1, booted.2.thresholds), (after.0, after.1, after.2.thresholds));
}

/// The stream is a drift to the blob's thresholds. Afterwards it is not, and the network is the same to the byte.
#[test]
fn a_run_that_is_not_better_keeps_thresholds_alone() {
    let windows = windows(128);
    let (thresholds, mut flash) = (above(&windows), erased());
    let blob = blob(thresholds);
    let mut device = boot(&blob, &mut flash);
    assert!(drifted(&mut device, &windows));
    let (codes, identity, _) = state(&mut device);
    let judgement = idle(&mut device, &windows);
    assert_eq!((judgement.after, judgement.kept), (judgement.before, Ok(Saved::ThresholdsOnly(1))));
    let after = state(&mut device);
    assert_eq!((&after.0, after.1), (&codes, identity), "codes of before are still decoded");
    assert!(matches!(after.2.kept, Ok(RecordState::Learned(record)) if record.sequence == 1));
    assert_eq!(after.2.rows, 292);
    assert!(!drifted(&mut device, &windows));

    // The geometric mean of some eight of the scores, through 16: `r²` is 4. The upper threshold is high enough.
    let scores = sorted_scores(&windows);
    let Thresholds { lower, upper } = after.2.thresholds;
    assert!((scores[0] / 16..=scores[299] / 16).contains(&lower) && upper == thresholds.upper, "{lower} to {upper}");

    // Another boot has both. A second run would be better, but the stream is no drift.
    let booted = state(&mut boot(&blob, &mut flash));
    assert_eq!((&booted.0, booted.1, booted.2.thresholds), (&codes, identity, after.2.thresholds));
    let mut device = boot(&blob, &mut flash);
    let judgement = run(&mut device, &windows, RATE, false);
    assert!(judgement.after < judgement.before && judgement.kept == Ok(Saved::ThresholdsOnly(2)), "{judgement:?}");
    let kept = state(&mut device);
    assert_eq!((kept.0, kept.1, kept.2.thresholds), (codes.clone(), identity, after.2.thresholds));
    device.reset().unwrap();
    let reset = state(&mut device);
    assert_eq!((reset.0, reset.1, reset.2.thresholds), (codes, identity, thresholds));
}

/// A drift is learned. A second run that is not better keeps the channels of the first.
#[test]
fn thresholds_alone_leave_the_learned_channels() {
    let windows = windows(128);
    let (thresholds, mut flash) = (drift(&windows), erased());
    let blob = blob(thresholds);
    let mut device = boot(&blob, &mut flash);
    let before = state(&mut device);
    assert_eq!(run(&mut device, &windows, RATE, false).kept, Ok(Saved::Channels(1)));
    let learned = state(&mut device);
    assert_ne!(learned.0, before.0);
    assert_eq!(idle(&mut device, &windows).kept, Ok(Saved::ThresholdsOnly(2)));
    let kept = state(&mut device);
    assert_eq!((kept.0, kept.1, kept.2.thresholds), (learned.0, learned.1, learned.2.thresholds));
}

/// The rows of the same windows, which are not samples.
#[test]
fn a_run_over_rows_that_is_not_better_leaves_no_trace() {
    let windows = windows(128);
    let (blob, mut flash) = (blob(above(&windows)), erased());
    let mut device = boot(&blob, &mut flash);
    let before = state(&mut device);
    begin(&mut device, 0, true);
    for window in &windows {
        device.learn_row(&row(window)).unwrap();
    }
    assert_eq!(device.end().unwrap().kept, Err(Rejection::NotBetter));
    assert_eq!(state(&mut device), before);
    drop(device);
    assert!(flash.bytes() == erased().bytes());
}

/// Runs that learn far away, and thresholds by which they are foreign or not.
#[test]
fn a_foreign_stream_leaves_no_trace_unless_it_is_forced() {
    let windows = windows(200);
    let scores = sorted_scores(&windows);
    // Whichever eight are held out: their median is between the least and the largest score.
    for (upper, foreign) in [(scores[0] * 2 / 3 - 1, true), (scores[299] * 2 / 3 + 1, false)] {
        let (blob, mut flash) = (blob(Thresholds { lower: upper / 4, upper }), erased());
        let mut device = boot(&blob, &mut flash);
        let before = state(&mut device);
        let judgement = run(&mut device, &windows, RATE, false);
        assert!(judgement.after < judgement.before / 4, "{judgement:?}");
        if foreign {
            assert_eq!(judgement.kept, Err(Rejection::Foreign), "{judgement:?}");
            assert_eq!(state(&mut device), before);
            let forced = run(&mut device, &windows, RATE, true);
            assert_eq!(forced, Judgement { kept: Ok(Saved::Channels(1)), ..judgement });
            // The scores are low now. Those of the blob's channels are not, and each run has to be forced.
            let kept = state(&mut device);
            let again = run(&mut device, &windows, RATE, false);
            assert_eq!((again.before, again.kept), (judgement.after, Err(Rejection::Foreign)));
            let now = state(&mut device);
            assert_eq!((now.0, now.1, now.2.thresholds), (kept.0, kept.1, kept.2.thresholds));
        } else {
            assert_eq!(judgement.kept, Ok(Saved::Channels(1)));
        }
    }
}

/// A stream of rows may be as foreign as it likes: this is what learning from rows is for.
#[test]
fn rows_are_never_foreign() {
    let windows = windows(200);
    let (blob, mut flash) = (blob(Thresholds { lower: 1, upper: 2 }), erased());
    let mut device = boot(&blob, &mut flash);
    begin(&mut device, RATE, false);
    for window in &windows {
        device.learn_row(&row(window)).unwrap();
    }
    assert_eq!(device.end().unwrap().kept, Ok(Saved::Channels(1)));
}

/// Two of sixteen inputs may be beyond their scales.
#[test]
fn a_stream_beyond_the_scales_is_refused_unless_it_is_forced() {
    for (beyond, refused) in [(2, false), (3, true), (4, true)] {
        let mut windows = windows(200);
        for x in windows.iter_mut().flat_map(|window| &mut window[..beyond]) {
            *x += 1000;
        }
        let (blob, mut flash) = (blob(Thresholds::NONE), erased());
        let mut device = boot(&blob, &mut flash);
        let before = state(&mut device);
        let judgement = run(&mut device, &windows, RATE, false);
        if refused {
            assert_eq!(judgement.kept, Err(Rejection::Clipped), "{beyond}: {judgement:?}");
            assert_eq!(state(&mut device), before);
            assert_eq!(run(&mut device, &windows, RATE, true).kept, Ok(Saved::Channels(1)), "{beyond}");
        } else {
            assert_eq!(judgement.kept, Ok(Saved::Channels(1)), "{beyond}: {judgement:?}");
        }
        // Rows at the end of the range are not clipped.
        let mut flash = erased();
        let mut device = boot(&blob, &mut flash);
        begin(&mut device, RATE, false);
        for window in &windows {
            device.learn_row(&row(window)).unwrap();
        }
        assert_eq!(device.end().unwrap().kept, Ok(Saved::Channels(1)), "{beyond}");
    }
}

/// The samples of an earlier run do not make the next one a run over samples.
#[test]
fn each_run_begins_as_one_over_rows() {
    let windows = windows(128);
    let (blob, mut flash) = (blob(above(&windows)), erased());
    let mut device = boot(&blob, &mut flash);
    assert_eq!(idle(&mut device, &windows).kept, Ok(Saved::ThresholdsOnly(1)));
    begin(&mut device, 0, false);
    for window in &windows {
        device.learn_row(&row(window)).unwrap();
    }
    assert_eq!(device.end().unwrap().kept, Err(Rejection::NotBetter));
}
