//! Writes what the application computes in this process, for the tests of the web page, and blobs to open there.
//!
//!     cargo run -p tests --example page target/page-expected

use autoencoder_core::adapt::{LearningMemory, Moments, gradients};
use autoencoder_core::blob::{Format, Header, Thresholds};
use autoencoder_core::front_end::{FrontEnd, Spec};
use autoencoder_core::quant::ChannelParams;
use autoencoder_core::{Error as WeightsError, Network, Resource, Zeroed};
use autoencoder_device::flash::Nor;
use autoencoder_device::input::{Sampler, SamplerBuffers, samples_in_command};
use autoencoder_device::learn::{Begin, HELD_OUT, Judgement, LearnerBuffers, Method, Rejection};
use autoencoder_device::message::{self, Response};
use autoencoder_device::monitor;
use autoencoder_device::store::StoreError;
use autoencoder_device::{Codec, Detector, Error, Frozen, Learner, Reply, frame};
use autoencoder_io::idx::Images;
use autoencoder_io::recordings::{Recordings, Selection};
use std::error::Error as Failure;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};
use tests::net::Net;
use zerocopy::IntoBytes;

/// Test digits, and training digits to learn from, as the page has them.
const DIGITS: usize = 100;
const LEARNING: usize = 1000;

fn main() -> Result<(), Box<dyn Failure>> {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        println!("usage: page FOLDER");
        return Ok(());
    };
    fs::create_dir_all(&folder)?;
    let digits = Images::test(&tests::mnist())?;
    let rows: Vec<&[u8]> = (0..DIGITS).map(|i| digits.image(i)).collect();
    let json = format!(
        "{{\"int8\":{},\"int4\":{},\"learned\":{},\"windows\":{},\"errors\":[{}],\"rejections\":[{}],\"constants\":{}}}\n",
        codes("classic.int8.blob", &rows)?,
        codes("classic.int4.blob", &rows)?,
        learned("classic.int8.blob")?,
        windows("watch.int8.blob")?,
        errors()?.join(","),
        rejections()?.join(","),
        constants()
    );
    fs::write(folder.join("expected.json"), json)?;

    let odd = Net::of("7-5r-3-6-7i", Format::Int4, 1).with_code_bits(3);
    let wide = Net::new("640-40-8-40-640", 1);
    let narrow = Net::new("784-8-784", 1);
    let thresholds = Thresholds { lower: 2_024_231, upper: 6_578_975 };
    let narrow = narrow.blob_with(&Header { thresholds, ..narrow.header() });
    for (name, blob) in [
        ("odd", odd.blob()),
        ("wide", wide.blob()),
        ("long", Net::new("40-300-40", 1).blob()),
        ("longer", Net::new("40-3000-40", 1).blob()),
        ("narrow", narrow),
        ("prime", Net::new("32771-4-32771", 1).blob()),
        ("encoder", wide.encoder().blob()),
        ("decoder", wide.decoder().blob()),
    ] {
        fs::write(folder.join(format!("{name}.blob")), blob)?;
    }
    Ok(())
}

/// Constants of the application that the page repeats.
fn constants() -> String {
    let samples = Spec { channels: 1, window: 1000, hop: 1000, rate: 0.0, front_end: FrontEnd::Raw };
    format!(
        "{{\"VERSION\":{},\"VOTES\":{},\"ALARM\":{},\"CLEAR_AT\":{},\"REPEATS\":{},\"COMMAND_BYTES\":{},\"HELD_OUT\":{HELD_OUT},\"UNCALIBRATED\":{}}}",
        message::VERSION,
        monitor::WINDOW,
        monitor::ALARM,
        monitor::CLEAR_AT,
        monitor::REPEATS,
        samples_in_command(&samples) * size_of::<f32>(),
        Thresholds::NONE.upper
    )
}

/// A blob of the repository, aligned as in flash.
fn blob(name: &str) -> Result<(Vec<u128>, usize), Box<dyn Failure>> {
    Ok(autoencoder_io::files::read_aligned(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name))?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The code, reconstruction and score of each row.
fn codes(name: &str, rows: &[&[u8]]) -> Result<String, Box<dyn Failure>> {
    let (bytes, length) = blob(name)?;
    let mut memory = vec![0; 8192];
    let mut codec = Codec::new(&mut memory, Frozen);
    codec.load(&bytes.as_bytes()[..length]);
    let mut all = Vec::new();
    for row in rows {
        let code = codec.encode(row)?.to_vec();
        let reconstruction = hex(codec.decode(&code)?);
        let score = codec.score(row)?;
        all.push(format!("{{\"code\":\"{}\",\"row\":\"{reconstruction}\",\"score\":{score}}}", hex(&code)));
    }
    Ok(format!("[{}]", all.join(",")))
}

/// A run over training digits of a sensor with less contrast and two stuck columns: the score of each before its step, the
/// verdict, and the flash.
fn learned(name: &str) -> Result<String, Box<dyn Failure>> {
    let (bytes, length) = blob(name)?;
    let blob = &bytes.as_bytes()[..length];
    let network = Network::open(blob).map_err(|error| error.to_string())?;
    let mut channels = vec![ChannelParams::ZERO; network.channels()];
    let mut moments = vec![[Moments::ZERO; 2]; network.channels()];
    let mut gradients = vec![0.0; gradients(network.topology())];
    let mut held_out = vec![0; HELD_OUT * network.topology().row()];
    let learning = LearningMemory { channels: &mut channels, moments: &mut moments, gradients: &mut gradients };
    let learner = Learner::new(LearnerBuffers { learning, held_out: &mut held_out, stored: &mut [] });
    let mut memory = vec![0; 8192];
    let sampler = Sampler::new(SamplerBuffers { numbers: &mut [], row: &mut [] });
    let mut detector = Detector::new(Codec::new(&mut memory, learner), sampler);
    let mut flash = vec![0xff; 32 * 1024];
    detector.load(blob);
    detector.attach_flash(Nor::<_>::new(&mut flash[..]));
    let rows = LEARNING as u32;
    detector.begin(Begin { method: Method::Adam, rate: 10_000, batch: 1, rows, passes: 1, forced: false })?;
    let images = Images::train(&tests::mnist())?;
    let mut scores = Vec::new();
    for i in 0..LEARNING + HELD_OUT {
        let mut row: Vec<u8> = images.image(i).iter().map(|q| ((3 * u16::from(*q) + 257) / 5) as u8).collect();
        row.chunks_mut(28).for_each(|line| line[10..12].fill(255));
        scores.push(detector.learn_row(&row)?.0);
    }
    let Judgement { before, after, kept } = detector.end()?;
    drop(detector);
    let (kept, flash) = (kept.is_ok(), hex(&flash));
    Ok(format!("{{\"scores\":{scores:?},\"before\":{before},\"after\":{after},\"kept\":{kept},\"flash\":\"{flash}\"}}"))
}

/// The scores of the windows of the smartwatch's recordings of one person, with the name and the exercise of each recording.
fn windows(name: &str) -> Result<String, Box<dyn Failure>> {
    let (bytes, length) = blob(name)?;
    let mut memory = vec![0; 8192];
    let (mut numbers, mut row) = (vec![0.0; 4096], vec![0; 1024]);
    let sampler = Sampler::new(SamplerBuffers { numbers: &mut numbers, row: &mut row });
    let mut detector = Detector::new(Codec::new(&mut memory, Frozen), sampler);
    detector.load(&bytes.as_bytes()[..length]);
    let selection = Selection {
        columns: ["ax", "ay", "az", "wx", "wy", "wz"].map(String::from).to_vec(),
        group: Some("recording".to_owned()),
        label: Some("exercise".to_owned()),
        conditions: vec!["subject=8".parse()?],
        ..Selection::default()
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/watch/subjects-8-10.csv.gz");
    let all = Recordings::read(&[path], &selection)?;
    let mut recordings = Vec::new();
    for recording in &all.recordings {
        detector.restart()?;
        let mut scores = Vec::new();
        for sample in recording.samples.chunks_exact(all.channels) {
            scores.extend(detector.push(sample)?.map(|observation| observation.score));
        }
        let exercise = &all.labels[recording.labels[0] as usize];
        recordings.push(format!("{{\"exercise\":{exercise:?},\"scores\":{scores:?}}}"));
    }
    Ok(format!("[{}]", recordings.join(",")))
}

/// Each error of a device: the frame that reports it, and its text.
fn errors() -> Result<Vec<String>, Box<dyn Failure>> {
    use WeightsError as W;
    let (expected, found) = (0x0102_0300, 4_000_000_000);
    let resources = [
        Resource::Activations,
        Resource::Message,
        Resource::Channels,
        Resource::Gradients,
        Resource::HeldOut,
        Resource::Window,
        Resource::Row,
    ];
    let weights = [
        W::Empty,
        W::NotABlob,
        W::Version { expected, found },
        W::Truncated { expected, found },
        W::Crc { expected, found },
        W::Misaligned,
        W::Topology,
        W::Format,
        W::Malformed,
        W::Accumulator,
        W::NoRoom,
        W::Length { expected, found },
        W::Absent,
    ];
    let capacity = resources.map(|resource| W::Capacity { resource, needed: expected, available: found });
    let store = [
        StoreError::Capacity,
        StoreError::Length,
        StoreError::Refused,
        StoreError::Flash,
        StoreError::Verify,
        StoreError::Missing,
    ];
    let others = [
        Error::Frame,
        Error::Oversize,
        Error::Crc,
        Error::Malformed,
        Error::Length { expected, found },
        Error::OtherWeights { expected, found },
        Error::Absent,
        Error::Frozen,
        Error::NotLearning,
        Error::RowsOnly,
        Error::NoSection,
        Error::Inputs { expected, found },
        Error::Channels { expected, found },
    ];
    let all = weights.into_iter().chain(capacity).map(Error::Weights).chain(store.map(Error::Store)).chain(others);
    all.map(|error| said(Err(error), &error.to_string())).collect()
}

/// Each reason why a run of learning is undone.
fn rejections() -> Result<Vec<String>, Box<dyn Failure>> {
    use Rejection::{Clipped, Foreign, NotBetter, NothingEncoded, TooFewRows};
    let judged = |rejection| Reply::Judged(Judgement { before: 1, after: 2, kept: Err(rejection) });
    let all = [TooFewRows, NotBetter, NothingEncoded, Foreign, Clipped];
    all.map(|rejection| said(Ok(judged(rejection)), &rejection.to_string())).into_iter().collect()
}

/// The frame of a result, and a text that belongs to it.
fn said(result: Result<Reply<'_>, Error>, text: &str) -> Result<String, Box<dyn Failure>> {
    let mut buffer = [0; 100];
    let response: Response<'_> = Response { sequence: 70_000, result };
    Ok(format!("{{\"frame\":\"{}\",\"text\":{text:?}}}", hex(frame::write(&response, &mut buffer)?)))
}
