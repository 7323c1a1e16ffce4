//! Tests the application over its line: bytes in, bytes out.

#[path = "common/net.rs"]
mod net;

use autoencoder_core::Error as WeightsError;
use autoencoder_core::blob::{Format, Header, Thresholds};
use autoencoder_core::quant::Plain;
use autoencoder_device::frame::{self, frame_bytes};
use autoencoder_device::monitor::{ALARM, Drift, Verdict};
use autoencoder_device::{App, Buffers, Command, Error, Frozen, Info, Memory, Reply, Request, Response, message};
use autoencoder_io::blob_file::BlobFile;
use net::{Net, Random, crc};
use proptest::prelude::*;

/// The network of most tests.
const TOPOLOGY: &str = "16-8-4-8-16";
const FRAME: usize = frame_bytes(16);

/// An application with the buffers that this network needs. They last as long as the test program.
fn boot(blob: &[u8]) -> App<'_, 'static, Frozen> {
    let memory: &mut Memory<{ 16 + 8 + 4 + 8 }, FRAME> = Box::leak(Box::default());
    let mut app = App::new(memory.buffers(), Frozen);
    app.load(blob);
    app
}

/// A blob's bytes, aligned as in flash.
fn flash(blob: &[u8]) -> BlobFile {
    BlobFile::new("flash".as_ref(), blob)
}

/// Sends bytes and returns the frames that answer them.
fn send(app: &mut App<'_, '_, Frozen>, bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.iter().filter_map(|byte| app.push(*byte).map(<[u8]>::to_vec)).collect()
}

fn request(sequence: u32, command: Command<'_>) -> Vec<u8> {
    frame::write(&Request { sequence, command }, &mut [0; 1024]).unwrap().to_vec()
}

/// Sends one command and passes the response to `check`.
fn ask<R>(
    app: &mut App<'_, '_, Frozen>,
    sequence: u32,
    command: Command<'_>,
    check: impl FnOnce(Response<'_>) -> R,
) -> R {
    let mut frames = send(app, &request(sequence, command));
    assert_eq!(frames.len(), 1);
    check(Response::read(frame::read(&mut frames[0]).unwrap()).unwrap())
}

fn commands(image: &[u8; 16]) -> [Command<'_>; 5] {
    let code = &image[..4];
    [
        Command::Info,
        Command::Encode { row: image },
        Command::Decode { identity: 0, code },
        Command::Score { row: image },
        Command::Monitor { row: image },
    ]
}

/// Encodes, decodes and scores a row, and compares the replies with plain loops.
fn check_row(app: &mut App<'_, '_, Frozen>, sequence: u32, net: &Net, weights: u32, image: &[u8]) {
    let elements = net.encode(image);
    let code = &net.packed(&elements);
    let reconstruction = net.decode(&net.rounded(&elements));
    let cases = [
        (Command::Encode { row: image }, Reply::Code { identity: weights, code }),
        (Command::Decode { identity: weights, code }, Reply::Row(&reconstruction)),
        (Command::Score { row: image }, Reply::Score { score: net.score(image) }),
    ];
    for (command, reply) in cases {
        ask(app, sequence, command, |response| {
            assert_eq!(response, Response { sequence, result: Ok(reply) }, "{}", net.topology());
        });
    }
}

#[test]
fn every_command_agrees_with_plain_loops() {
    let net = Net::new(TOPOLOGY, 1);
    let blob = flash(&net.blob());
    let weights = crc(blob.bytes());
    let mut app = boot(blob.bytes());
    let static_bytes = (size_of::<App<'_, '_, Frozen>>() + 16 + 8 + 4 + 8 + 2 * FRAME) as u32;
    let info = Info { version: message::VERSION, weights, inputs: 16, code: 4, code_bits: 8, static_bytes };
    ask(&mut app, 1, Command::Info, |response| {
        assert_eq!(response, Response { sequence: 1, result: Ok(Reply::Info(info)) });
    });
    let mut random = Random::new(2);
    for sequence in 0..100 {
        check_row(&mut app, sequence, &net, weights, &random.bytes(16));
    }
}

/// Weights of 4 bits and codes of 1 to 8 bits, all with one application.
#[test]
fn coarse_weights_and_codes_agree_with_plain_loops() {
    let mut random = Random::new(3);
    for bits in 1..=8u8 {
        let net = Net::of(TOPOLOGY, Format::Int4, bits.into()).with_code_bits(bits);
        let blob = flash(&net.blob());
        let weights = crc(blob.bytes());
        let mut app = boot(blob.bytes());
        for sequence in 0..20 {
            let image = random.bytes(16);
            // The levels as one long number, the first in the lowest bits.
            let levels = net.levels(&net.encode(&image));
            let number = levels.iter().rev().fold(0u32, |number, level| number << bits | level);
            let code = &number.to_le_bytes()[..usize::from(bits).div_ceil(2)];
            assert_eq!(net.packed(&net.encode(&image)), code);
            check_row(&mut app, sequence, &net, weights, &image);
        }
        let (expected, long) = (u32::from(bits).div_ceil(2), [0; 5]);
        for length in (0..=5u32).filter(|length| *length != expected) {
            let command = Command::Decode { identity: weights, code: &long[..length as usize] };
            ask(&mut app, 1, command, |response| {
                assert_eq!(response.result, Err(Error::Length { expected, found: length }));
            });
        }
    }
}

#[test]
fn a_drift_is_detected_and_other_weights_reset_the_monitor() {
    let net = Net::new(TOPOLOGY, 1);
    let mut random = Random::new(3);
    let images: Vec<Vec<u8>> = (0..64).map(|_| random.bytes(16)).collect();
    let known = images.iter().min_by_key(|image| net.score(image)).unwrap();
    let odd = images.iter().max_by_key(|image| net.score(image)).unwrap();
    let lower = net.score(known); // a score at the threshold is inside
    let thresholds = Thresholds { lower, upper: net.score(odd) - 1 };
    let blob = flash(&net.blob_with(&Header { thresholds, ..net.header() }));
    let mut app = boot(&[]);
    let monitor = |app: &mut App<'_, '_, Frozen>, image: &[u8]| {
        ask(app, 1, Command::Monitor { row: image }, |response| match response.result {
            Ok(Reply::Monitored { score, verdict }) => {
                assert_eq!(score, net.score(image));
                verdict
            }
            other => panic!("{other:?}"),
        })
    };
    for _ in 0..2 {
        app.load(blob.bytes());
        assert_eq!(monitor(&mut app, known), Verdict { above: 0, below: 0, repeats: 0, drifted: false });
        for above in 1..=ALARM as u8 {
            let verdict = monitor(&mut app, odd);
            assert_eq!(verdict, Verdict { above, below: 0, repeats: above - 1, drifted: u32::from(above) == ALARM });
            assert_eq!(verdict.drift(), verdict.drifted.then_some(Drift::Above));
        }
    }
}

#[test]
fn without_usable_weights_the_application_answers_with_the_reason() {
    let net = Net::new(TOPOLOGY, 1);
    let blob = net.blob();
    let mut flipped = blob.clone();
    flipped[100] ^= 1;
    let damaged = WeightsError::Crc {
        expected: autoencoder_core::crc::checksum(&flipped[..flipped.len() - 4]),
        found: crc(&blob),
    };
    // Headers that do not match the layers: too few, too many, too large and too small layers.
    let other = |topology: &str| net.blob_with(&Header { topology: topology.parse().unwrap(), ..net.header() });
    let float = net.blob_with(&Header { format: Format::F32, ..net.header() });
    let unchecked = net.blob_with(&Header { accumulators_checked: false, ..net.header() });
    let truncated = WeightsError::Truncated { expected: blob.len() as u32, found: 50 };
    let cases = [
        (vec![], WeightsError::Empty),
        (vec![0xff; 1024], WeightsError::Empty),
        (b"something else".to_vec(), WeightsError::NotABlob),
        (blob[..50].to_vec(), truncated),
        (flipped, damaged),
        (other("16-8-4-8"), WeightsError::Malformed),
        (other("16-8-4-8-16-16"), WeightsError::Malformed),
        (other("16-8-4-12-16"), WeightsError::Malformed),
        (other("16-8-4-4-16"), WeightsError::Malformed),
        (float, WeightsError::Format),
        (unchecked, WeightsError::Accumulator),
    ];
    for (bytes, reason) in cases {
        let bad = flash(&bytes);
        let mut app = boot(bad.bytes());
        for (sequence, command) in (1..).zip(commands(&[7; 16])) {
            let expected = Response { sequence, result: Err(Error::Weights(reason)) };
            ask(&mut app, sequence, command, |response| assert_eq!(response, expected));
        }
    }
}

#[test]
fn another_blob_can_be_loaded_and_a_bad_blob_unloads_a_good_one() {
    let [one, two] = [1, 2].map(|seed| flash(&Net::new(TOPOLOGY, seed).blob()));
    let mut app = boot(&[]);
    for blob in [&one, &two] {
        app.load(blob.bytes());
        ask(&mut app, 1, Command::Encode { row: &[9; 16] }, |response| {
            assert!(
                matches!(response.result, Ok(Reply::Code { identity: weights, .. }) if weights == crc(blob.bytes()))
            );
        });
    }
    app.load(&[]);
    let empty = Err(Error::Weights(WeightsError::Empty));
    ask(&mut app, 1, Command::Encode { row: &[9; 16] }, |response| assert_eq!(response.result, empty));
}

#[test]
fn wrong_lengths_and_foreign_codes_are_refused() {
    let blob = flash(&Net::new(TOPOLOGY, 1).blob());
    let weights = crc(blob.bytes());
    let mut app = boot(blob.bytes());
    let cases = [
        (Command::Encode { row: &[1; 15] }, Error::Length { expected: 16, found: 15 }),
        (Command::Score { row: &[] }, Error::Length { expected: 16, found: 0 }),
        (Command::Decode { identity: weights, code: &[1; 5] }, Error::Length { expected: 4, found: 5 }),
        (
            Command::Decode { identity: !weights, code: &[1; 4] },
            Error::OtherWeights { expected: weights, found: !weights },
        ),
    ];
    for (command, error) in cases {
        ask(&mut app, 70_000, command, |response| {
            assert_eq!(response, Response { sequence: 70_000, result: Err(error) });
        });
    }
}

#[test]
fn an_unknown_command_is_refused_by_its_sequence_number() {
    let mut app = boot(&[]);
    for (message, sequence) in [((5u32, 99u8), 5), ((300, 1), 300)] {
        let mut frames = send(&mut app, frame::write(&message, &mut [0; 64]).unwrap());
        let response = Response::read(frame::read(&mut frames[0]).unwrap()).unwrap();
        assert_eq!(response, Response { sequence, result: Err(Error::Malformed) });
    }
    // A command with bytes after it is not a command either.
    let mut frames = send(&mut app, frame::write(&(5u32, 0u8, 1u8), &mut [0; 64]).unwrap());
    let response = Response::read(frame::read(&mut frames[0]).unwrap()).unwrap();
    assert_eq!(response, Response { sequence: 5, result: Err(Error::Malformed) });
}

#[test]
fn an_oversize_and_a_damaged_frame_are_answered_and_the_next_one_is_served() {
    let blob = flash(&Net::new(TOPOLOGY, 1).blob());
    let mut app = boot(blob.bytes());
    let mut damaged = request(2, Command::Encode { row: &[3; 16] });
    damaged[6] ^= 0x20;
    let bytes = [
        request(1, Command::Encode { row: &[3; 500] }),
        damaged,
        request(3, Command::Info)[..4].to_vec(),
        vec![0],
        request(4, Command::Info),
    ];
    let mut frames = send(&mut app, &bytes.concat());
    let responses: Vec<Response<'_>> =
        frames.iter_mut().map(|frame| Response::read(frame::read(frame).unwrap()).unwrap()).collect();
    for (response, error) in responses.iter().zip([Error::Oversize, Error::Crc, Error::Frame]) {
        assert_eq!(*response, Response { sequence: 0, result: Err(error) });
    }
    assert!(matches!(responses[3..], [Response { sequence: 4, result: Ok(Reply::Info(_)) }]));
}

#[test]
fn the_default_networks_application_is_small() {
    // The buffers are the activations of both halves and a frame in each direction. The rest is the view of the blob
    // and the monitor.
    let net = Net::new("classic", 1);
    assert_eq!(autoencoder_core::network::memory_bytes::<Plain>(net.topology()), 256 + 128 + 256 + 784);
    let mut activations = [0; 256 + 128 + 256 + 784];
    let [mut receive, mut transmit] = [[0; frame_bytes(784)]; 2];
    let lengths = activations.len() + receive.len() + transmit.len();
    let blob = flash(&net.blob());
    let buffers = Buffers { activations: &mut activations, receive: &mut receive, transmit: &mut transmit };
    let mut app = App::new(buffers, Frozen);
    app.load(blob.bytes());
    ask(&mut app, 1, Command::Score { row: &[9; 784] }, |response| assert!(response.result.is_ok()));
    assert_eq!(app.spare_bytes(), 0);
    let bytes = app.static_bytes();
    assert!((lengths..lengths + 272).contains(&bytes), "{bytes} bytes, {lengths} of them buffers");
}

proptest! {
    #[test]
    fn any_bytes_on_the_line_are_answered_in_frames_and_the_next_request_is_served(
        noise in proptest::collection::vec(any::<u8>(), 0..2000),
        flips in proptest::collection::vec((0usize..200, any::<u8>()), 0..4),
        image in any::<[u8; 16]>(),
    ) {
        let net = Net::new(TOPOLOGY, 1);
        let blob = flash(&net.blob());
        let mut app = boot(blob.bytes());
        let mut bytes: Vec<u8> = (1..).zip(commands(&image)).flat_map(|(i, command)| request(i, command)).collect();
        let length = bytes.len();
        for (at, flip) in flips {
            bytes[at % length] ^= flip;
        }
        for mut frame in send(&mut app, &[&noise[..], &bytes, &[0]].concat()) {
            prop_assert!(Response::read(frame::read(&mut frame).unwrap()).is_ok());
        }
        let code = net.encode(&image);
        ask(&mut app, 9, Command::Encode { row: &image }, |response| {
            assert_eq!(response.result, Ok(Reply::Code { identity: crc(blob.bytes()), code: &code }));
        });
    }
}
