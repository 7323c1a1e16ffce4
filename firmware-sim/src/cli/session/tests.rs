//! Devices that misbehave, and lines that do.

use super::*;
use crate::cli::link::LinkError;
use firmware_sim::Info;
use std::path::Path;

fn weights() -> Weights {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/classic.int8.blob");
    Weights::find(Some(&shipped)).unwrap()
}

/// A device that does as it is told.
struct Fake<F> {
    device: F,
    answer: Vec<u8>,
}

impl<F: FnMut(&[u8]) -> Result<Vec<u8>, LinkError>> Link for Fake<F> {
    fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError> {
        self.answer = (self.device)(request)?;
        Ok(&self.answer)
    }

    fn memory(&mut self) -> Result<Memory, LinkError> {
        Ok(Memory { statics: 1, stack: 1, heap: 0 })
    }
}

/// A session with such a device, request number 1 the next.
fn session(weights: &Weights, device: impl FnMut(&[u8]) -> Result<Vec<u8>, LinkError> + 'static) -> Session<'_> {
    let link = Box::new(Fake { device, answer: Vec::new() });
    let buffer = vec![0; frame::frame_bytes(weights.inputs)];
    Session {
        weights,
        board: boards::find(None).unwrap(),
        link,
        learns: false,
        record: None,
        decoder: None,
        sequence: 1,
        buffer,
    }
}

fn response(sequence: u32, result: Result<Reply<'_>, Error>) -> Vec<u8> {
    frame::write(&Response { sequence, result }, &mut [0; 1024]).unwrap().to_vec()
}

#[test]
fn what_a_device_does_wrong_is_said_in_one_line() {
    let weights = weights();
    let code = Reply::Code { weights: weights.crc, code: &[7; 128] };
    let mut damaged = response(1, Ok(code));
    damaged[20] ^= 0x10;
    let cases = [
        (vec![], "what the device answered: damaged: bytes were lost or added"),
        (vec![0], "what the device answered: damaged: bytes were lost or added"),
        (b"login: \0".to_vec(), "what the device answered: damaged: bytes were lost or added"),
        (vec![0xff; 5000], "what the device answered: damaged: bytes were lost or added"),
        (damaged, "what the device answered: damaged: its CRC does not match its bytes"),
        (response(1, Ok(code))[..100].to_vec(), "what the device answered: damaged: bytes were lost or added"),
        (response(7, Ok(code)), "the device answered request 7 when asked 1"),
        (response(7, Err(Error::Malformed)), "the device answered request 7 when asked 1"),
        (response(1, Ok(Reply::Score { error: 3 })), "the device answered another command"),
        (response(0, Err(Error::Crc)), "the device: damaged: its CRC does not match its bytes"),
        (response(1, Err(Error::Malformed)), "the device: not a message of this protocol"),
        (frame::write(&(1u32, 0u8, 99u8), &mut [0; 64]).unwrap().to_vec(), "what the device answered: not a message"),
    ];
    for (answer, expected) in cases {
        let text = format!("{:#}", session(&weights, move |_| Ok(answer.clone())).encode(&[0; 784]).unwrap_err());
        assert!(text.starts_with(expected) && !text.contains('\n'), "{text:?}, expected {expected:?}");
    }
    let mut silent = session(&weights, |_| Err(LinkError::TimeOut(30)));
    let text = format!("{:#}", silent.encode(&[0; 784]).unwrap_err());
    assert_eq!(text, "the device has not answered for 30 seconds");
}

#[test]
fn a_device_of_another_protocol_or_with_other_weights_is_not_talked_to() {
    let weights = weights();
    let own = Info {
        code_bits: 8,
        version: message::VERSION,
        weights: weights.crc,
        inputs: 784,
        code: 128,
        static_bytes: 3000,
    };
    let greeted = |info: Info| {
        let mut session = session(&weights, move |_| Ok(response(0, Ok(Reply::Info(info)))));
        session.sequence = 0;
        session.greet().map_err(|error| format!("{error:#}"))
    };
    greeted(own).unwrap();
    let text = greeted(Info { version: message::VERSION + 1, ..own }).unwrap_err();
    assert!(text.starts_with("the device speaks version "), "{text}");
    for other in [Info { weights: !own.weights, ..own }, Info { inputs: 640, ..own }] {
        let text = greeted(other).unwrap_err();
        assert!(text.starts_with("the device has the weights "), "{text}");
    }
}

#[cfg(feature = "emulator")]
mod emulated {
    use super::*;
    use crate::cli::link::Kind;

    /// A small linear congruential generator: the same noise every time.
    struct Random(u64);

    impl Random {
        /// `0..below`
        fn below(&mut self, below: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % below
        }

        fn bytes(&mut self, count: usize) -> Vec<u8> {
            (0..count).map(|_| self.below(256) as u8).collect()
        }
    }

    /// Noise, or a frame to which something happened; it ends with a zero.
    fn burst(random: &mut Random, weights: u32, sequence: u32) -> Vec<u8> {
        let (image, code) = (random.bytes(784), random.bytes(128));
        // Not `Info`: its answer says what the application takes, which is less on 32 bits.
        let command = match random.below(4) {
            0 => Command::Score { image: &image },
            1 => Command::Encode { image: &image },
            2 => Command::Decode { weights, code: &code },
            _ => Command::Digest { image: &image, layers: 4 },
        };
        let mut buffer = [0; 1024];
        let mut frame = frame::write(&Request { sequence, command }, &mut buffer).unwrap().to_vec();
        let (at, count) = (random.below(frame.len()), 1 + random.below(20));
        match random.below(8) {
            0 => frame = (0..random.below(300)).map(|_| random.below(256) as u8).collect(), // noise
            1 => frame[at] ^= 1 << random.below(8),                                         // a bit
            2 => frame.truncate(at),                                                        // breaks off
            3 => drop(frame.drain(at..(at + count).min(frame.len()))),                      // bytes lost
            4 => drop(frame.splice(at..at, random.bytes(count))),                           // bytes added
            5 => drop(frame.splice(at..at, [1 + random.below(255) as u8; 2000])),           // too long
            6 => drop(frame.pop()),                                                         // its end lost
            _ => frame.rotate_left(at),                                                     // out of step
        }
        frame.push(0);
        frame
    }

    #[test]
    fn noise_and_damaged_frames_are_answered_as_in_process_and_the_next_request_is_served() {
        let weights = weights();
        let common = Common { weights: None, board: None, json: true };
        let mut device = Session::open(&common, &Kind::Qemu, &weights).unwrap();
        let mut here = Session::open(&common, &Kind::InProcess, &weights).unwrap();
        let mut random = Random(4);
        let mut seen = Vec::new();
        for i in 0..150 {
            // Numbers that go up, down and nowhere: it keeps none.
            let sequence = [i, 1000 - i, 5][i as usize % 3];
            let bytes = burst(&mut random, weights.crc, sequence);
            let own = here.link.exchange(&bytes).unwrap().to_vec();
            let answer = device.link.exchange(&bytes).unwrap();
            assert!(answer == own, "burst {i}: {bytes:x?}: {answer:x?}, in process {own:x?}");
            for frame in own.split_inclusive(|byte| *byte == 0) {
                seen.extend(Response::read(frame::read(&mut frame.to_vec()).unwrap()).unwrap().result.err());
            }
            device.sequence = 0;
            device.greet().unwrap();
        }
        for error in [Error::Frame, Error::Crc, Error::Oversize] {
            assert!(seen.contains(&error), "no burst was answered with {error:?}");
        }
    }
}
