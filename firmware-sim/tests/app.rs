//! The application as the line sees it: bytes in, bytes out.

mod common;

use autoencoder_core::blob::{Format, Header};
use autoencoder_core::model::{Decoder, Encoder};
use autoencoder_core::{Dense, Error as WeightsError, Sigmoid};
use common::{Net, Random, crc};
use firmware_sim::monitor::{ALARM, Verdict};
use firmware_sim::{App, Command, Error, Info, Reply, Request, Response, frame, message};
use host::blob_file::BlobFile;
use proptest::prelude::*;

type E = (Dense<16, 8, Sigmoid>, Dense<8, 4, Sigmoid>);
type D = (Dense<4, 8, Sigmoid>, Dense<8, 16, Sigmoid>);
const FRAME: usize = frame::frame_bytes(16);
type Tiny<'b> = App<'b, E, D, FRAME>;

/// A blob's bytes, aligned as in flash.
fn flash(blob: &[u8]) -> BlobFile {
    BlobFile::new("flash".as_ref(), blob)
}

/// Sends bytes; the frames that come back.
fn send(app: &mut Tiny<'_>, bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.iter().filter_map(|byte| app.push(*byte).map(<[u8]>::to_vec)).collect()
}

fn request(sequence: u32, command: Command<'_>) -> Vec<u8> {
    frame::write(&Request { sequence, command }, &mut [0; 1024]).unwrap().to_vec()
}

/// Sends one command and hands the response to `check`.
fn ask<R>(app: &mut Tiny<'_>, sequence: u32, command: Command<'_>, check: impl FnOnce(Response<'_>) -> R) -> R {
    let mut frames = send(app, &request(sequence, command));
    assert_eq!(frames.len(), 1);
    check(Response::read(frame::read(&mut frames[0]).unwrap()).unwrap())
}

fn commands(image: &[u8; 16]) -> [Command<'_>; 5] {
    let code = &image[..4];
    [
        Command::Info,
        Command::Encode { image },
        Command::Decode { weights: 0, code },
        Command::Score { image },
        Command::Monitor { image },
    ]
}

#[test]
fn every_command_gives_what_plain_loops_compute() {
    let net = Net::new::<E, D>(1);
    let blob = flash(&net.blob());
    let weights = crc(blob.bytes());
    let mut app = Tiny::new();
    app.load(blob.bytes());
    let static_bytes = size_of::<Tiny<'_>>() as u32;
    let info = Info { version: message::VERSION, weights, inputs: 16, code: 4, code_bits: 8, static_bytes };
    ask(&mut app, 1, Command::Info, |response| {
        assert_eq!(response, Response { sequence: 1, result: Ok(Reply::Info(info)) });
    });
    let mut random = Random::new(2);
    for i in 0..100 {
        let image = random.bytes(16);
        let code = net.encode(&image);
        let reconstruction = net.decode(&code);
        let error =
            image.iter().zip(&reconstruction).map(|(a, b)| (u32::from(*a).abs_diff(u32::from(*b))).pow(2)).sum();
        let cases = [
            (Command::Encode { image: &image }, Reply::Code { weights, code: &code }),
            (Command::Decode { weights, code: &code }, Reply::Image(&reconstruction)),
            (Command::Score { image: &image }, Reply::Score { error }),
        ];
        for (command, reply) in cases {
            ask(&mut app, i, command, |response| assert_eq!(response, Response { sequence: i, result: Ok(reply) }));
        }
    }
}

/// Weights of 4 bits, codes of 1 to 8: one application for all of them.
#[test]
fn coarse_weights_and_codes_give_what_plain_loops_compute() {
    let mut random = Random::new(3);
    for bits in 1..=8u8 {
        let net = Net::of::<E, D>(Format::Int4, bits.into());
        let mut header = net.header();
        header.code_bits = bits;
        let blob = flash(&net.blob_with(&header));
        let weights = crc(blob.bytes());
        let mut app = Tiny::new();
        app.load(blob.bytes());
        let steps = f64::from((1 << bits) - 1);
        for sequence in 0..20 {
            let image = random.bytes(16);
            let levels: Vec<u32> =
                net.encode(&image).iter().map(|c| (f64::from(*c) / 255.0 * steps).round() as u32).collect();
            // The levels as one long number, lowest first.
            let number = levels.iter().rev().fold(0u32, |number, level| number << bits | level);
            let code = &number.to_le_bytes()[..usize::from(bits).div_ceil(2)];
            let elements: Vec<u8> = levels.iter().map(|l| (f64::from(*l) / steps * 255.0).round() as u8).collect();
            let reconstruction = net.decode(&elements);
            let error = image.iter().zip(&reconstruction).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum();
            let cases = [
                (Command::Encode { image: &image }, Reply::Code { weights, code }),
                (Command::Decode { weights, code }, Reply::Image(&reconstruction)),
                (Command::Score { image: &image }, Reply::Score { error }),
            ];
            for (command, reply) in cases {
                ask(&mut app, sequence, command, |response| {
                    assert_eq!(response, Response { sequence, result: Ok(reply) }, "{bits} bits");
                });
            }
        }
        let (expected, long) = (u16::from(bits).div_ceil(2), [0; 5]);
        for length in (0..=5u16).filter(|length| *length != expected) {
            let command = Command::Decode { weights, code: &long[..length.into()] };
            ask(&mut app, 1, command, |response| {
                assert_eq!(response.result, Err(Error::Length { expected, found: length }));
            });
        }
    }
}

#[test]
fn a_stream_that_drifts_is_noticed_and_other_weights_begin_anew() {
    let net = Net::new::<E, D>(1);
    let score = |image: &[u8]| {
        let reconstruction = net.decode(&net.encode(image));
        image.iter().zip(&reconstruction).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum::<u32>()
    };
    let mut random = Random::new(3);
    let images: Vec<Vec<u8>> = (0..64).map(|_| random.bytes(16)).collect();
    let known = images.iter().min_by_key(|image| score(image)).unwrap();
    let odd = images.iter().max_by_key(|image| score(image)).unwrap();
    let threshold = score(known); // itself not above
    let blob = flash(&net.blob_with(&Header { threshold, ..net.header() }));
    let mut app = Tiny::new();
    let monitor = |app: &mut Tiny<'_>, image: &[u8]| {
        ask(app, 1, Command::Monitor { image }, |response| match response.result {
            Ok(Reply::Monitored { error, verdict }) => {
                assert_eq!(error, score(image));
                verdict
            }
            other => panic!("{other:?}"),
        })
    };
    for _ in 0..2 {
        app.load(blob.bytes());
        assert_eq!(monitor(&mut app, known), Verdict { above: 0, drifted: false });
        for above in 1..=ALARM as u8 {
            assert_eq!(monitor(&mut app, odd), Verdict { above, drifted: u32::from(above) == ALARM });
        }
    }
}

#[test]
fn without_usable_weights_it_answers_with_the_reason() {
    let net = Net::new::<E, D>(1);
    let blob = net.blob();
    let mut flipped = blob.clone();
    flipped[100] ^= 1;
    let damaged = WeightsError::Crc {
        expected: autoencoder_core::crc::checksum(&flipped[..flipped.len() - 4]),
        found: crc(&blob),
    };
    let mut other = net.header();
    other.layers.pop();
    let mut float = net.header();
    float.format = Format::F32;
    let mut unchecked = net.header();
    unchecked.accumulators_checked = false;
    let truncated = WeightsError::Truncated { expected: blob.len() as u32, found: 50 };
    let cases = [
        (vec![], WeightsError::Empty),
        (vec![0xff; 1024], WeightsError::Empty),
        (b"something else".to_vec(), WeightsError::NotABlob),
        (blob[..50].to_vec(), truncated),
        (flipped, damaged),
        (net.blob_with(&other), WeightsError::Topology),
        (net.blob_with(&float), WeightsError::Format),
        (net.blob_with(&unchecked), WeightsError::Accumulator),
    ];
    for (bytes, reason) in cases {
        let bad = flash(&bytes);
        let mut app = Tiny::new();
        app.load(bad.bytes());
        for (sequence, command) in (1..).zip(commands(&[7; 16])) {
            let expected = Response { sequence, result: Err(Error::Weights(reason)) };
            ask(&mut app, sequence, command, |response| assert_eq!(response, expected));
        }
    }
}

#[test]
fn another_blob_can_be_loaded_and_a_bad_one_after_a_good_one_leaves_nothing() {
    let [one, two] = [1, 2].map(|seed| flash(&Net::new::<E, D>(seed).blob()));
    let mut app = Tiny::new();
    for blob in [&one, &two] {
        app.load(blob.bytes());
        ask(&mut app, 1, Command::Encode { image: &[9; 16] }, |response| {
            assert!(matches!(response.result, Ok(Reply::Code { weights, .. }) if weights == crc(blob.bytes())));
        });
    }
    app.load(&[]);
    let empty = Err(Error::Weights(WeightsError::Empty));
    ask(&mut app, 1, Command::Encode { image: &[9; 16] }, |response| assert_eq!(response.result, empty));
}

#[test]
fn wrong_lengths_and_foreign_codes_are_refused() {
    let blob = flash(&Net::new::<E, D>(1).blob());
    let weights = crc(blob.bytes());
    let mut app = Tiny::new();
    app.load(blob.bytes());
    let cases = [
        (Command::Encode { image: &[1; 15] }, Error::Length { expected: 16, found: 15 }),
        (Command::Score { image: &[] }, Error::Length { expected: 16, found: 0 }),
        (Command::Decode { weights, code: &[1; 5] }, Error::Length { expected: 4, found: 5 }),
        (
            Command::Decode { weights: !weights, code: &[1; 4] },
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
fn what_it_does_not_know_it_refuses_by_number() {
    let mut app = Tiny::new();
    for (message, sequence) in [((5u32, 99u8), 5), ((300, 1), 300)] {
        let mut frames = send(&mut app, frame::write(&message, &mut [0; 64]).unwrap());
        let response = Response::read(frame::read(&mut frames[0]).unwrap()).unwrap();
        assert_eq!(response, Response { sequence, result: Err(Error::Malformed) });
    }
    // More than a command takes is no command either.
    let mut frames = send(&mut app, frame::write(&(5u32, 0u8, 1u8), &mut [0; 64]).unwrap());
    let response = Response::read(frame::read(&mut frames[0]).unwrap()).unwrap();
    assert_eq!(response, Response { sequence: 5, result: Err(Error::Malformed) });
}

#[test]
fn a_frame_too_long_and_a_damaged_one_are_answered_and_the_next_is_served() {
    let blob = flash(&Net::new::<E, D>(1).blob());
    let mut app = Tiny::new();
    app.load(blob.bytes());
    let mut damaged = request(2, Command::Encode { image: &[3; 16] });
    damaged[6] ^= 0x20;
    let bytes = [
        request(1, Command::Encode { image: &[3; 500] }),
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
fn the_default_application_is_small() {
    // Its buffers: the activations of both halves, a frame each way; the rest is the views into the blob.
    let buffers = 256 + 128 + 256 + 784 + 2 * frame::frame_bytes(784);
    let size = size_of::<App<'_, Encoder, Decoder>>();
    assert!((buffers..buffers + 256).contains(&size), "{size} bytes, {buffers} of them buffers");
}

proptest! {
    #[test]
    fn whatever_comes_over_the_line_it_answers_in_frames_and_goes_on(
        noise in proptest::collection::vec(any::<u8>(), 0..2000),
        flips in proptest::collection::vec((0usize..200, any::<u8>()), 0..4),
        image in any::<[u8; 16]>(),
    ) {
        let net = Net::new::<E, D>(1);
        let blob = flash(&net.blob());
        let mut app = Tiny::new();
        app.load(blob.bytes());
        let mut bytes: Vec<u8> = (1..).zip(commands(&image)).flat_map(|(i, command)| request(i, command)).collect();
        let length = bytes.len();
        for (at, flip) in flips {
            bytes[at % length] ^= flip;
        }
        for mut frame in send(&mut app, &[&noise[..], &bytes, &[0]].concat()) {
            prop_assert!(Response::read(frame::read(&mut frame).unwrap()).is_ok());
        }
        let code = net.encode(&image);
        ask(&mut app, 9, Command::Encode { image: &image }, |response| {
            assert_eq!(response.result, Ok(Reply::Code { weights: crc(blob.bytes()), code: &code }));
        });
    }
}
