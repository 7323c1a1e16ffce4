//! Streams of real digits and of broken sensors: the drifts that the device detects, and the runs that it keeps.

#[path = "../../firmware-sim/device/tests/common/line.rs"]
mod line;

use autoencoder_core::Network;
use autoencoder_core::adapt::{self, LearningMemory, Moments};
use autoencoder_core::quant::ChannelParams;
use autoencoder_device::flash::Nor;
use autoencoder_device::frame::frame_bytes;
use autoencoder_device::learn::{Begin, HELD_OUT, Judgement, LearnerBuffers, Method, Rejection};
use autoencoder_device::message::LearningCommand;
use autoencoder_device::monitor::Drift;
use autoencoder_device::{App, Buffers, Command, Frozen, Learner, Reply};
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::idx::{self, Images};
use line::ask;
use rand::Rng;
use rand_pcg::Pcg32;
use std::sync::LazyLock;
use tests::mnist;

static BLOB: LazyLock<BlobFile> =
    LazyLock::new(|| BlobFile::read(&mnist().join("../../models/classic.int8.blob")).unwrap());
static TRAINING: LazyLock<Images> = LazyLock::new(|| Images::train(&mnist()).unwrap());
static TEST: LazyLock<Images> = LazyLock::new(|| Images::test(&mnist()).unwrap());

type Row = Vec<u8>;
/// The effect of a sensor on a digit.
type Shift = fn(&[u8]) -> Row;

fn memory<T: Copy>(value: T, length: usize) -> &'static mut [T] {
    vec![value; length].leak()
}

fn buffers(network: &Network<'_>) -> Buffers<'static> {
    let frame = frame_bytes(784);
    Buffers { activations: memory(0, network.memory_bytes()), receive: memory(0, frame), transmit: memory(0, frame) }
}

/// The row with this percentage of its contrast.
fn contrast(row: &[u8], percent: u32) -> Row {
    row.iter().map(|q| ((u32::from(*q) * percent + 50) / 100) as u8).collect()
}

/// The row after a quarter turn clockwise.
fn turned(row: &[u8]) -> Row {
    (0..784).map(|i| row[(27 - i % 28) * 28 + i / 28]).collect()
}

/// Rows of uniformly distributed values below `end`.
fn noise(end: u32) -> impl Iterator<Item = Row> {
    let mut random = Pcg32::new(7, 0);
    std::iter::repeat_with(move || (0..784).map(|_| (random.next_u32() % end) as u8).collect())
}

/// The rule that a stream breaks after each of its rows.
fn drifts(app: &mut App<'_, '_, Frozen>, rows: impl IntoIterator<Item = Row>) -> Vec<Option<Drift>> {
    let monitor = |row: Row| {
        ask(app, Command::Monitor { row: &row }, |reply| match reply {
            Ok(Reply::Monitored { verdict, .. }) => verdict.drift(),
            other => panic!("{other:?}"),
        })
    };
    rows.into_iter().map(monitor).collect()
}

/// A device that has just booted.
fn monitoring() -> App<'static, 'static, Frozen> {
    let network = Network::open(BLOB.bytes()).unwrap();
    let mut app = App::new(buffers(&network), Frozen);
    app.load(BLOB.bytes());
    app
}

fn digits(images: &'static Images, count: usize) -> impl Iterator<Item = &'static [u8]> {
    (0..count).map(|i| images.image(i))
}

#[test]
fn ten_thousand_digits_raise_no_alarm() {
    let drifts = drifts(&mut monitoring(), digits(&TEST, 10_000).map(<[u8]>::to_vec));
    assert_eq!(drifts.iter().flatten().count(), 0);
}

/// From a fresh start, and after a thousand digits, whose votes still count.
#[test]
fn every_kind_of_broken_sensor_is_detected() {
    let digits = || digits(&TEST, 2000).skip(1000);
    let cases: [(&str, Vec<Row>, Drift, usize); 6] = [
        ("black", vec![vec![0; 784]; 100], Drift::Below, 10),
        ("nearly dark noise", noise(6).take(100).collect(), Drift::Below, 10),
        ("a quarter of the contrast", digits().map(|row| contrast(row, 25)).collect(), Drift::Above, 200),
        ("half of it", digits().map(|row| contrast(row, 50)).collect(), Drift::Above, 100),
        ("frozen", vec![TEST.image(1000).to_vec(); 100], Drift::Repeating, 33),
        ("inverted", digits().map(|row| row.iter().map(|q| 255 - q).collect()).collect(), Drift::Above, 10),
    ];
    for (name, rows, expected, within) in cases {
        for before in [0, 1000] {
            let mut app = monitoring();
            assert!(drifts(&mut app, self::digits(&TEST, before).map(<[u8]>::to_vec)).iter().all(Option::is_none));
            let drifts = drifts(&mut app, rows.clone());
            let noticed = drifts.iter().position(Option::is_some).map(|i| i + 1);
            assert!(noticed.is_some_and(|rows| rows <= within), "{name} after {before}: {noticed:?}");
            assert_eq!(drifts[noticed.unwrap() - 1], Some(expected), "{name} after {before}");
        }
    }
}

/// A device that learns.
struct Device {
    app: App<'static, 'static, Learner<'static, Nor<Vec<u8>>>>,
}

impl Device {
    fn boot() -> Self {
        let network = Network::open(BLOB.bytes()).unwrap();
        let channels = network.channels();
        let learning = LearningMemory {
            channels: memory(ChannelParams::default(), channels),
            moments: memory([Moments::default(); 2], channels),
            gradients: memory(0.0, adapt::gradients(network.topology())),
        };
        let learner =
            Learner::new(LearnerBuffers { learning, held_out: memory(0, HELD_OUT * 784), stored: memory(0, 0) });
        let mut app = App::new(buffers(&network), learner);
        app.load(BLOB.bytes());
        app.attach_flash(Nor::new(vec![0xff; 32 * 1024]));
        Self { app }
    }

    /// A run of learning with the default settings of `learn`.
    fn run(&mut self, rows: &[Row]) -> Judgement {
        let images = (rows.len() - HELD_OUT) as u32;
        let begin =
            Begin { method: Method::Adam, rate: Method::Adam.rate(), batch: 1, rows: images, passes: 1, forced: false };
        ask(&mut self.app, Command::Learn(LearningCommand::Begin(begin)), |reply| assert!(reply.is_ok(), "{reply:?}"));
        for row in rows {
            let image = Command::Learn(LearningCommand::Row(row));
            ask(&mut self.app, image, |reply| assert!(reply.is_ok(), "{reply:?}"));
        }
        ask(&mut self.app, Command::Learn(LearningCommand::End), |reply| match reply {
            Ok(Reply::Judged(judgement)) => judgement,
            other => panic!("{other:?}"),
        })
    }

    /// The sum of the errors of these rows.
    fn error(&mut self, rows: &[Row]) -> u64 {
        let mut score = |row: &Row| {
            ask(&mut self.app, Command::Score { row }, |reply| match reply {
                Ok(Reply::Score { score }) => u64::from(score),
                other => panic!("{other:?}"),
            })
        };
        rows.iter().map(&mut score).sum()
    }

    /// The number of these rows at which the monitor is in alarm.
    fn alarms(&mut self, rows: &[Row]) -> usize {
        let mut drifted = |row: &&Row| {
            ask(&mut self.app, Command::Monitor { row }, |reply| match reply {
                Ok(Reply::Monitored { verdict, .. }) => verdict.drifted,
                other => panic!("{other:?}"),
            })
        };
        rows.iter().filter(|row| drifted(row)).count()
    }
}

/// The first training digits, sorted by the `rank` of their labels.
fn sorted(count: usize, rank: fn(u8) -> u8) -> Vec<&'static [u8]> {
    let labels = idx::train_labels(&mnist(), TRAINING.len()).unwrap().unwrap();
    let mut order: Vec<usize> = (0..count + HELD_OUT).collect();
    order.sort_by_key(|i| rank(labels[*i]));
    order.into_iter().map(|i| TRAINING.image(i)).collect()
}

/// A stream that is sorted by class ends with channels for the last classes. By its first six rows alone, this had
/// helped.
#[test]
fn a_sorted_stream_is_judged_by_all_classes() {
    let ones_last = sorted(3000, |label| if label == 1 { 10 } else { label });
    let cases: [(&str, Vec<&[u8]>, Shift); 2] = [
        ("nine tenths of the contrast, ones last", ones_last, |row| contrast(row, 90)),
        ("quarter turns, nines to zeros", sorted(4000, |label| 9 - label), turned),
    ];
    for (name, rows, shift) in cases {
        let test: Vec<Row> = digits(&TEST, 1000).map(shift).collect();
        let mut device = Device::boot();
        let before = device.error(&test);
        let judgement = device.run(&rows.into_iter().map(shift).collect::<Vec<_>>());
        assert_eq!(judgement.kept, Err(Rejection::NotBetter), "{name}: {judgement:?}");
        assert_eq!(device.error(&test), before, "{name}");
    }
}

/// A kept run has helped, and the monitor knows all classes of the learned sensor.
#[test]
fn a_sorted_stream_that_helps_is_kept_and_raises_no_alarm_afterwards() {
    let shift = |row: &[u8]| contrast(row, 80);
    let test: Vec<Row> = digits(&TEST, 2000).map(shift).collect();
    let rows = sorted(4000, |label| if label == 1 { 0 } else { label + 1 });
    let mut device = Device::boot();
    let before = device.error(&test);
    let judgement = device.run(&rows.into_iter().map(shift).collect::<Vec<_>>());
    let after = device.error(&test);
    assert!(judgement.kept.is_ok() && 5 * after < 4 * before, "{before} to {after}, {judgement:?}");
    assert_eq!(device.alarms(&test), 0);
}

#[test]
fn noise_a_covered_sensor_and_a_frozen_sensor_are_rejected() {
    let frame = TRAINING.image(7).to_vec();
    let mut wobble = noise(5);
    let nearly =
        || -> Row { frame.iter().zip(wobble.next().unwrap()).map(|(q, noise)| q.saturating_sub(noise)).collect() };
    let cases: [(&str, Vec<Row>, Rejection); 6] = [
        ("noise", noise(256).take(500).collect(), Rejection::NothingEncoded),
        ("nearly dark noise", noise(6).take(500).collect(), Rejection::NothingEncoded),
        (
            "one frame with a little noise",
            std::iter::repeat_with(nearly).take(500).collect(),
            Rejection::NothingEncoded,
        ),
        ("one frame", vec![frame.clone(); 200], Rejection::TooFewRows),
        ("black", vec![vec![0; 784]; 200], Rejection::TooFewRows),
        ("white", vec![vec![255; 784]; 200], Rejection::TooFewRows),
    ];
    let test: Vec<Row> = digits(&TEST, 100).map(<[u8]>::to_vec).collect();
    for (name, rows, rejection) in cases {
        let mut device = Device::boot();
        let before = device.error(&test);
        let judgement = device.run(&rows);
        assert_eq!(judgement.kept, Err(rejection), "{name}: {judgement:?}");
        assert_eq!(device.error(&test), before, "{name}");
    }
}

/// A sensor was covered now and then. Its black rows are not held out.
#[test]
fn constant_rows_do_not_outvote_the_others() {
    let shift = |row: &[u8]| contrast(row, 60);
    let rows = digits(&TRAINING, 600).enumerate().flat_map(|(i, row)| {
        let covered = if i % 3 == 0 { 5 } else { 0 };
        std::iter::repeat_n(vec![0; 784], covered).chain([shift(row)])
    });
    let rows: Vec<Row> = rows.collect();
    let test: Vec<Row> = digits(&TEST, 500).map(shift).collect();
    let mut device = Device::boot();
    let before = device.error(&test);
    let judgement = device.run(&rows);
    let after = device.error(&test);
    // A run that is kept has helped.
    assert!(after < before || judgement.kept.is_err() && after == before, "{before} to {after}, {judgement:?}");
    let by_the_rows = f64::from(judgement.before) / HELD_OUT as f64 / (before as f64 / 500.0);
    assert!((0.5..2.0).contains(&by_the_rows), "the rows held out are digits: {by_the_rows}");
}
