//! What the fuzz targets try. `tests/tests/corpus.rs` runs the same functions over the committed corpus.

use autoencoder_core::blob::{Blob, MAGIC, VERSION};
use autoencoder_core::{Dense, Layer, Plain, Sigmoid, Zeroed};
use firmware_sim::flash::Nor;
use firmware_sim::frame::{self, Receiver, frame_bytes};
use firmware_sim::learn::Learning;
use firmware_sim::store::slot_bytes;
use firmware_sim::{App, Codec, Command, Frozen, Learner, Reply, Request, Response};
use serde::ser::{Serialize, SerializeTuple, Serializer};
use zerocopy::IntoBytes;

/// The encoder of a network that is small enough to be tried a thousand times a second.
pub type E = (Dense<16, 8, Sigmoid>, Dense<8, 4, Sigmoid>);
/// Its decoder.
pub type D = (Dense<4, 8, Sigmoid>, Dense<8, 16, Sigmoid>);

/// Its weights.
const BLOB: &[u8] = include_bytes!("../corpus/blob/int8");
const ROW: usize = 16;
/// Of a frame: a piece of the flash is the longest answer.
const FRAME: usize = frame_bytes(128);
/// Of the flash that keeps what is learned.
const PAGE: usize = 512;

type Tiny<'b, L> = App<'b, E, D, FRAME, L>;
type Learns = Learner<E, D, Nor<Vec<u8>, PAGE>>;

/// Bytes on the line to a device, and to one that learns: as they are, then each of their frames with the CRC made right,
/// so that mutations of a message come past it. Whatever it was, every answer is a response, and the next request is
/// served.
pub fn line(bytes: &[u8]) {
    let (mut flash, mut other) = (Flash::default(), Flash::default());
    let mut app = Tiny::<Frozen>::new();
    app.load(flash.hold(BLOB));
    talk(&mut app, bytes);
    let mut learner = Tiny::<Learns>::new();
    learner.load(other.hold(BLOB));
    learner.keep_in(Nor::new(vec![0xff; 2 * slot_bytes(Learns::KEPT_BYTES, PAGE)]));
    talk(&mut learner, bytes);
}

fn talk<L: Learning<E, D>>(app: &mut Tiny<'_, L>, bytes: &[u8]) {
    send(app, bytes);
    served(app);
    for frame in bytes.split(|byte| *byte == 0).filter(|frame| !frame.is_empty()) {
        both_readers(frame);
        let mut message = frame.to_vec();
        let length = cobs::decode_in_place(&mut message).unwrap_or(0);
        let message = &message[..length.saturating_sub(4)];
        if let Ok(frame) = frame::write(&Raw(message), &mut vec![0; 2 * message.len() + 16]) {
            send(app, frame);
        }
    }
    served(app);
}

/// Bytes in flash: as they are, then with magic, version, length and CRC made right, so that mutations of a header or a
/// layer come past them. A blob that opens runs, in integers and in `f32`.
pub fn blob(bytes: &[u8]) {
    const PREFIX: usize = MAGIC.len() + 1 + 4;
    const TRAILER: usize = 4;
    run(bytes);
    let mut mended = bytes.to_vec();
    let length = mended.len();
    if length < PREFIX + TRAILER {
        return;
    }
    mended[..MAGIC.len()].copy_from_slice(&MAGIC);
    mended[MAGIC.len()] = VERSION;
    mended[MAGIC.len() + 1..PREFIX].copy_from_slice(&(length as u32).to_le_bytes());
    let crc = autoencoder_core::crc::checksum(&mended[..length - TRAILER]);
    mended[length - TRAILER..].copy_from_slice(&crc.to_le_bytes());
    run(&mended);
}

fn run(bytes: &[u8]) {
    let mut flash = Flash::default();
    let bytes = flash.hold(bytes);
    let mut codec = Codec::<E, D>::new();
    codec.load(bytes);
    let image: [u8; ROW] = std::array::from_fn(|i| (i * 16) as u8);
    let code = codec.encode(&image).map(<[u8]>::to_vec);
    assert_eq!(code.is_ok(), codec.weights().is_ok());
    if let Ok(code) = code {
        assert_eq!(codec.decode(&code).map(<[u8]>::len), Ok(ROW));
        assert!(codec.digest(&image, 255).is_ok());
    }
    let Ok(blob) = Blob::open(bytes) else { return };
    let _ = blob.layers().layer();
    if let Ok(net) = blob.f32::<E, D>() {
        let mut acts = (<E as Layer>::Acts::<1>::ZERO, <D as Layer>::Acts::<1>::ZERO);
        net.forward(&Plain, &[[0.5; ROW]], &mut acts);
    }
}

/// Sends bytes; each answer is a whole frame with a response in it.
fn send<L: Learning<E, D>>(app: &mut Tiny<'_, L>, bytes: &[u8]) {
    for byte in bytes {
        if let Some(frame) = app.push(*byte) {
            let mut frame = frame.to_vec();
            assert_eq!(frame.pop(), Some(0));
            assert!(!frame.contains(&0));
            let message = frame::read(&mut frame).expect("a whole frame");
            Response::read(message).expect("a response");
        }
    }
}

/// Ends the frame that was begun, if one was, and asks: the answer is that to the question.
fn served<L: Learning<E, D>>(app: &mut Tiny<'_, L>) {
    const SEQUENCE: u32 = 0x00c0_ffee;
    send(app, &[0]);
    let mut buffer = [0; 32];
    let request = frame::write(&Request { sequence: SEQUENCE, command: Command::Info }, &mut buffer).expect("room");
    let mut answers = request.iter().filter_map(|byte| app.push(*byte).map(<[u8]>::to_vec)).collect::<Vec<_>>();
    assert_eq!(answers.len(), 1);
    let response = Response::read(frame::read(&mut answers[0]).expect("a whole frame")).expect("a response");
    assert_eq!(response.sequence, SEQUENCE);
    assert!(matches!(response.result, Ok(Reply::Info(_))));
}

/// The reader of a frame and the reader of a line agree on what is a message.
fn both_readers(frame: &[u8]) {
    let mut receiver = Receiver::<4096>::new();
    let mut copy = frame.to_vec();
    let mut last = None;
    for byte in frame.iter().chain(&[0]) {
        last = receiver.push(*byte).map(|message| message.map(<[u8]>::to_vec)).or(last);
    }
    match frame::read(&mut copy) {
        Ok(message) if frame.len() <= 4096 => assert_eq!(last, Some(Ok(message.to_vec()))),
        Ok(_) => {}
        Err(_) => assert!(!matches!(last, Some(Ok(_)))),
    }
}

/// Bytes at a multiple of 16, as in flash.
#[derive(Default)]
struct Flash(Vec<u128>);

impl Flash {
    fn hold(&mut self, bytes: &[u8]) -> &[u8] {
        self.0.resize(bytes.len().div_ceil(size_of::<u128>()), 0);
        self.0.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        &self.0.as_bytes()[..bytes.len()]
    }
}

/// A message that is already bytes.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for byte in self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}
