//! Devices and lines that misbehave.

use super::*;
use crate::link::LinkError;
use autoencoder_device::{Error, Info, Request, Response};

fn weights() -> WeightsBlob {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/classic.int8.blob");
    WeightsBlob::find(Some(&shipped)).unwrap()
}

/// A device that answers with a function.
struct Fake<F> {
    device: F,
    answer: Vec<u8>,
}

impl<F: FnMut(&[u8]) -> Result<Vec<u8>, LinkError>> Link for Fake<F> {
    fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError> {
        self.answer = (self.device)(request)?;
        Ok(&self.answer)
    }

    fn ram(&mut self) -> Result<Ram, LinkError> {
        Ok(Ram { statics: 1, stack: 1, ..Ram::default() })
    }
}

/// A session with such a device. Its next request has number 1.
fn session(weights: &WeightsBlob, device: impl FnMut(&[u8]) -> Result<Vec<u8>, LinkError> + 'static) -> Session<'_> {
    let link = Box::new(Fake { device, answer: Vec::new() });
    let buffer = vec![0; frame::frame_bytes(weights.row())];
    Session {
        weights,
        target: Target::new(&Kind::InProcess, None, true).unwrap(),
        link,
        application: Application::Codec,
        record: None,
        decoder: None,
        sequence: 0,
        buffer,
    }
}

fn response(sequence: u32, result: Result<Reply<'_>, Error>) -> Vec<u8> {
    frame::write(&Response { sequence, result }, &mut [0; 1024]).unwrap().to_vec()
}

#[test]
fn a_wrong_answer_is_reported_in_one_line() {
    let weights = weights();
    let code = Reply::Code { identity: weights.crc, code: &[7; 128] };
    let mut damaged = response(1, Ok(code));
    damaged[20] ^= 0x10;
    let answered = |error: Error| format!("the device's answer: {error}");
    let cases = [
        (vec![], answered(Error::Frame)),
        (vec![0], answered(Error::Frame)),
        (b"login: \0".to_vec(), answered(Error::Frame)),
        (vec![0xff; 5000], answered(Error::Frame)),
        (damaged, answered(Error::Crc)),
        (response(1, Ok(code))[..100].to_vec(), answered(Error::Frame)),
        (response(7, Ok(code)), "the device answered request 7 when asked 1".to_owned()),
        (response(7, Err(Error::Malformed)), "the device answered request 7 when asked 1".to_owned()),
        (response(1, Ok(Reply::Score { score: 3 })), "the device answered another command".to_owned()),
        (response(0, Err(Error::Crc)), format!("the device: {}", Error::Crc)),
        (response(1, Err(Error::Malformed)), format!("the device: {}", Error::Malformed)),
        (frame::write(&(1u32, 0u8, 99u8), &mut [0; 64]).unwrap().to_vec(), answered(Error::Malformed)),
    ];
    for (answer, expected) in cases {
        let text = format!("{:#}", session(&weights, move |_| Ok(answer.clone())).encode(&[0; 784]).unwrap_err());
        assert!(text.starts_with(&expected) && !text.contains('\n'), "{text:?}, expected {expected:?}");
    }
    let mut silent = session(&weights, |_| Err(LinkError::TimeOut(30)));
    let text = format!("{:#}", silent.encode(&[0; 784]).unwrap_err());
    assert_eq!(text, "the device has not answered for 30 seconds");
}

#[test]
fn a_device_of_another_protocol_or_with_other_weights_is_refused() {
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

#[test]
fn request_numbers_wrap_around_the_reserved_ones() {
    let weights = weights();
    let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let numbers = seen.clone();
    let mut session = session(&weights, move |request| {
        let mut request = request.to_vec();
        let Request { sequence, .. } = Request::read(frame::read(&mut request).unwrap()).unwrap();
        numbers.borrow_mut().push(sequence);
        Ok(response(sequence, Ok(Reply::Score { score: 3 })))
    });
    session.sequence = u32::MAX - 3;
    for _ in 0..4 {
        assert_eq!(session.score(&[0; 784]).unwrap(), 3);
    }
    // The highest number is the line's own, and 0 is that of the greeting.
    assert_eq!(*seen.borrow(), [u32::MAX - 2, u32::MAX - 1, 1, 2]);
}

// Pairs of connected ports exist only on Unix.
#[cfg(unix)]
mod on_a_bad_line;

#[cfg(feature = "emulator")]
mod emulated;
