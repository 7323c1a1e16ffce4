//! Devices that misbehave, and lines that do.

use super::*;
use crate::cli::boards;
use firmware_sim::Info;
use firmware_sim::learn::{Begin, HELD_OUT, Method};
use serialport::{SerialPort, TTYPort};
use std::io::{Read, Write};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

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

/// What happens to a frame on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    /// A bit of it is changed.
    Flipped,
    /// Its end is lost.
    Endless,
}

/// One direction of a line: the frame of some number suffers damage.
struct Direction {
    damage: Option<(usize, Damage)>,
    frame: usize,
    byte: usize,
}

impl Direction {
    fn carry(&mut self, byte: u8) -> Option<u8> {
        let damage = self.damage.filter(|(frame, _)| *frame == self.frame).map(|(_, damage)| damage);
        self.byte += 1;
        if byte == 0 {
            self.frame += usize::from(self.byte > 1); // nothing but its zero is no frame
            let lost = damage == Some(Damage::Endless) && self.byte > 1;
            self.byte = 0;
            return (!lost).then_some(0);
        }
        let flip = |byte: u8| byte ^ if byte == 0x10 { 0x20 } else { 0x10 };
        Some(if damage == Some(Damage::Flipped) && self.byte == 7 { flip(byte) } else { byte })
    }
}

/// A device that learns, at the other end of a serial line; the line damages a frame each way. What comes of `ask`, and
/// how many frames the device answered.
fn over_a_bad_line<T>(
    there: Option<(usize, Damage)>,
    back: Option<(usize, Damage)>,
    ask: impl FnOnce(&mut Session<'_>) -> anyhow::Result<T>,
) -> (anyhow::Result<T>, usize) {
    let weights = weights();
    let (mut port, here) = TTYPort::pair().unwrap();
    port.set_timeout(Duration::from_millis(50)).unwrap();
    let path = here.name().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let device = scope.spawn(|| {
            let flash = flash::erased();
            let mut device = InProcess::boot_learning(weights.topology, weights.bytes(), flash).unwrap();
            let [mut there, mut back] = [there, back].map(|damage| Direction { damage, frame: 0, byte: 0 });
            let (mut byte, mut request) = ([0], Vec::new());
            while !done.load(Relaxed) {
                if port.read(&mut byte).is_ok_and(|count| count == 1)
                    && let Some(byte) = there.carry(byte[0])
                {
                    request.push(byte);
                    if byte == 0 {
                        let answer = device.exchange(&request).unwrap();
                        let carried: Vec<u8> = answer.iter().filter_map(|byte| back.carry(*byte)).collect();
                        port.write_all(&carried).unwrap();
                        request.clear();
                    }
                }
            }
            back.frame
        });
        let link = Box::new(Serial::open(path.as_ref()).unwrap());
        let common = Common { weights: None, board: None, link: Kind::Serial(path.into()), json: true };
        let board = boards::find(None).unwrap();
        let outcome = Session::start(&common, board, link, &weights, true).and_then(|mut session| ask(&mut session));
        done.store(true, Relaxed);
        (outcome, device.join().unwrap())
    })
}

#[test]
fn a_damaged_frame_costs_a_second_request_and_nothing_else() {
    let image: Vec<u8> = (0..784).map(|i| (i % 251) as u8).collect();
    let ask = |session: &mut Session<'_>| {
        let first = session.reconstruct(&image)?;
        Ok((first, session.score(&image)?, session.encode(&image)?))
    };
    let (whole, answers) = over_a_bad_line(None, None, ask);
    let whole = whole.unwrap();
    assert_eq!(answers, 6); // info, usage, and four of these
    // Frame 0 greets, 1 asks what it took: they are sent again, too.
    for damage in [Damage::Flipped, Damage::Endless] {
        for frame in [0, 1, 2] {
            if damage == Damage::Endless && frame < 2 {
                continue; // for all that is known then, nobody is there
            }
            for (there, back) in [(Some((frame, damage)), None), (None, Some((frame, damage)))] {
                let (outcome, answers) = over_a_bad_line(there, back, ask);
                assert!(outcome.unwrap() == whole, "{damage:?} {there:?} {back:?}");
                assert_eq!(answers, 7, "{damage:?} {there:?} {back:?}");
            }
        }
    }
}

#[test]
fn a_step_of_learning_is_never_taken_twice() {
    let begin = Begin { method: Method::Adam, rate: 10_000, batch: 1, images: 4 };
    let learned = |there, back| {
        let ask = |session: &mut Session<'_>| {
            session.status(Learning::Begin(begin))?;
            (0..HELD_OUT + 4).try_for_each(|i| session.learn(&[i as u8; 784]).map(|_| ()))?;
            Ok(session.status(Learning::Status)?.images)
        };
        over_a_bad_line(there, back, ask)
    };
    assert_eq!(learned(None, None).0.unwrap(), 4);
    // Frame 2 begins the course, 3 is its first image: 9 is the first to be learned from.
    for (there, back) in [(Some((9, Damage::Flipped)), None), (None, Some((9, Damage::Flipped)))] {
        let (outcome, answers) = learned(there, back);
        let text = format!("{:#}", outcome.unwrap_err());
        assert!(text.ends_with("damaged: its CRC does not match its bytes"), "{text}");
        assert_eq!(answers, 10, "nothing was sent after it");
    }
    // To begin anew is no step.
    let (outcome, answers) = learned(None, Some((2, Damage::Flipped)));
    assert_eq!((outcome.unwrap(), answers), (4, 15));
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
        let common = Common { weights: None, board: None, link: Kind::Qemu, json: true };
        let mut device = Session::open(&common, &weights).unwrap();
        let mut here = Session::open(&common.here(), &weights).unwrap();
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
