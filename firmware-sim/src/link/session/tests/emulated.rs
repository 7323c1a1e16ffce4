//! Noise on the line of an emulated board, and learning from samples on two of them.

use super::*;
use crate::{flash_file, random_samples};
use ::tests::net::Net;
use autoencoder_core::blob::Format;
use autoencoder_core::front_end::{FrontEnd, Spec};
use autoencoder_device::learn::{Begin, Method};
use autoencoder_device::message::LearningCommand;
use autoencoder_io::blob_file::BlobFile;

/// A linear congruential generator: the same noise every time.
struct Random(u64);

impl Random {
    /// A number in `0..below`.
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}

/// More bytes than any image has a buffer for.
const TOO_LONG: usize = 10_000;

/// Noise or a damaged frame, with a zero at its end.
fn burst(random: &mut Random, weights: u32, sequence: u32) -> Vec<u8> {
    let (image, code) = (random.bytes(784), random.bytes(128));
    // Not `Info`: its answer has the size of the application, which is smaller on 32 bits.
    let command = match random.below(4) {
        0 => Command::Score { row: &image },
        1 => Command::Encode { row: &image },
        2 => Command::Decode { identity: weights, code: &code },
        _ => Command::Digest { row: &image, layers: 4 },
    };
    let mut buffer = [0; 1024];
    let mut frame = frame::write(&Request { sequence, command }, &mut buffer).unwrap().to_vec();
    // No more bytes than fit the buffer in this process, which is exactly as long as the network needs. The image's is
    // longer.
    let (at, count) = (random.below(frame.len()), 1 + random.below(16));
    match random.below(8) {
        0 => frame = (0..random.below(300)).map(|_| random.below(256) as u8).collect(), // noise
        1 => frame[at] ^= 1 << random.below(8),                                         // a flipped bit
        2 => frame.truncate(at),                                                        // truncated
        3 => drop(frame.drain(at..(at + count).min(frame.len()))),                      // bytes lost
        4 => drop(frame.splice(at..at, random.bytes(count))),                           // bytes added
        5 => drop(frame.splice(at..at, [1 + random.below(255) as u8; TOO_LONG])),       // too long
        6 => drop(frame.pop()),                                                         // without its end
        _ => frame.rotate_left(at),                                                     // rotated
    }
    frame.push(0);
    frame
}

#[test]
fn noise_and_damaged_frames_are_answered_as_in_process_and_the_next_request_is_served() {
    let weights = weights();
    let target = Target::new(&Kind::Qemu, None, true).unwrap();
    let mut device = Session::open(target, &weights).unwrap();
    let mut here = Session::open(Target::reference(), &weights).unwrap();
    let mut random = Random(4);
    let mut seen = Vec::new();
    for i in 0..150 {
        // Numbers that rise, fall and stay the same: the device stores none.
        let sequence = [i, 1000 - i, 5][i as usize % 3];
        let bytes = burst(&mut random, weights.crc, sequence);
        let own = here.link.exchange(&bytes).unwrap().to_vec();
        let answer = device.link.exchange(&bytes).unwrap();
        let start = &bytes[..bytes.len().min(40)];
        assert!(answer == own, "burst {i}: {start:x?} …: {answer:x?}, in process {own:x?}");
        for frame in own.split_inclusive(|byte| *byte == 0) {
            seen.extend(Response::read(frame::read(&mut frame.to_vec()).unwrap()).unwrap().result.err());
        }
        device.greet().unwrap();
    }
    for error in [Error::Frame, Error::Crc, Error::Oversize] {
        assert!(seen.contains(&error), "no burst was answered with {error:?}");
    }
}

/// Waves in two channels, for a network that can learn them.
#[test]
fn boards_learn_the_same_from_samples_as_this_process() {
    let spec = Spec { channels: 2, window: 16, hop: 12, rate: 0.0, front_end: FrontEnd::Centred };
    let net = Net::relay("32-16-8-16-32", Format::Int8, 1);
    let blob = net.blob_with_section(&net.header(), &random_samples::section(&spec));
    let weights = WeightsBlob::new("blob".as_ref(), BlobFile::new("blob".as_ref(), &blob)).unwrap();
    let wave = |i: usize| 5.0 * (i as f32 * 0.021).sin();
    let stream: Vec<f32> = (0..random_samples::numbers(&spec, 60)).map(wave).collect();
    let run = |target: Target| {
        let mut device = Session::detector(target, &weights, Some(flash_file::erased(weights.topology()))).unwrap();
        let begin = Begin { method: Method::Adam, rate: 10_000, batch: 1, rows: 52, passes: 5, forced: false };
        device.status(LearningCommand::Begin(begin)).unwrap();
        let learned = device.learn_samples(&stream).unwrap();
        let mut steps = 0;
        while device.repeat().unwrap() > 0 {
            steps += 1;
        }
        // Of 60 windows, eight are held out, and the two beside each of them are left out.
        assert_eq!(steps + 1, 4 * (60 - 8 - 16));
        let judgement = device.judge().unwrap();
        device.restart().unwrap();
        (learned, judgement, device.observe(&stream).unwrap(), device.flash().unwrap())
    };
    let expected = run(Target::reference());
    assert_eq!((expected.0.len(), expected.2.len()), (60, 60));
    assert!(expected.1.kept.is_ok(), "nothing is learned: {:?}", expected.1);
    for board in ["mps2-an386", "mps2-an505"] {
        assert!(run(Target::new(&Kind::Qemu, Some(board), true).unwrap()) == expected, "{board}");
    }
}
