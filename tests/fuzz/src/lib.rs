//! The bodies of the fuzz targets. `tests/tests/corpus.rs` runs the same functions over the committed corpus.

use autoencoder_core::Network;
use autoencoder_core::adapt::{self, LearningMemory};
use autoencoder_core::blob::{Blob, MAGIC, VERSION};
use autoencoder_core::front_end::Section;
use autoencoder_device::flash::Nor;
use autoencoder_device::frame::{self, Receiver, frame_bytes};
use autoencoder_device::input::{Input, SamplerBuffers};
use autoencoder_device::learn::{HELD_OUT, Learn, LearnerBuffers, record_bytes};
use autoencoder_device::store::slot_bytes;
use autoencoder_device::{App, Buffers, Codec, Command, Frozen, Learner, Reply, Request, Response, Sampler};
use serde::ser::{Serialize, SerializeTuple, Serializer};
use zerocopy::{FromZeros, IntoBytes};

/// A network that is small enough for a thousand runs a second: 16-8-4-8-16.
const BLOB: &[u8] = include_bytes!("../corpus/blob/int8");
/// The same network, for windows of samples.
const BLOB_FOR_SAMPLES: &[u8] = include_bytes!("../corpus/blob/samples");
/// Bytes of a frame. A piece of the flash is the longest answer.
const FRAME: usize = frame_bytes(128);
/// Bytes of a page of the flash for the learned channels.
const PAGE: usize = 512;

/// Sends bytes to a device, to one that learns, and to one that takes samples. Then sends each of their frames with a right CRC, so that mutations
/// of a message pass the check. Every answer must be a response, and the next request must be served.
pub fn line(bytes: &[u8]) {
    let mut flash = Flash::default();
    let blob = flash.hold(BLOB);
    let network = Network::open(blob).expect("a good blob");
    let mut buffers = vec![0; network.memory_bytes() + 2 * FRAME];
    let mut app = App::new(split(&mut buffers), Frozen);
    app.load(blob);
    talk(&mut app, bytes);
    with_learner(|app| talk(app, bytes));
    detector(bytes);
}

/// Sends bytes to a detector.
fn detector(bytes: &[u8]) {
    let mut flash = Flash::default();
    let blob = flash.hold(BLOB_FOR_SAMPLES);
    let network = Network::open(blob).expect("a good blob");
    let section = Section::read(network.blob().input().expect("a section")).expect("a good section");
    let mut buffers = vec![0; network.memory_bytes() + 2 * FRAME];
    let mut numbers = vec![0.0; section.spec.samples() + section.spec.scratch()];
    let mut row = vec![0; section.spec.inputs()];
    let sampler = Sampler::new(SamplerBuffers { numbers: &mut numbers, row: &mut row });
    let mut app = App::detector(split(&mut buffers), Frozen, sampler);
    app.load(blob);
    talk(&mut app, bytes);
}

/// An application that learns.
pub type LearnerApp<'a> = App<'a, 'a, Learner<'a, Nor<Vec<u8>, PAGE>>>;

/// Boots an application that learns, and lends it.
pub fn with_learner<R>(lend: impl FnOnce(&mut LearnerApp<'_>) -> R) -> R {
    let mut flash = Flash::default();
    let blob = flash.hold(BLOB);
    let network = Network::open(blob).expect("a good blob");
    let mut channels = vec![FromZeros::new_zeroed(); network.channels()];
    let mut moments = vec![FromZeros::new_zeroed(); network.channels()];
    let mut gradients = vec![0.0; adapt::gradients(network.topology())];
    let mut held_out = vec![0; HELD_OUT * network.topology().row()];
    let learning = LearningMemory { channels: &mut channels, moments: &mut moments, gradients: &mut gradients };
    let mut buffers = vec![0; network.memory_bytes() + 2 * FRAME];
    let learner = Learner::new(LearnerBuffers { learning, held_out: &mut held_out, stored: &mut [] });
    let mut app = App::new(split(&mut buffers), learner);
    app.load(blob);
    let slot = slot_bytes(record_bytes(network.channels()), PAGE);
    app.attach_flash(Nor::<Vec<u8>, PAGE>::new(vec![0xff; 2 * slot]));
    lend(&mut app)
}

/// The buffers of an application: two frames, and the rest for activations.
fn split(memory: &mut [u8]) -> Buffers<'_> {
    let (receive, rest) = memory.split_at_mut(FRAME);
    let (transmit, activations) = rest.split_at_mut(FRAME);
    Buffers { activations, receive, transmit }
}

fn talk<'b, L: Learn, I: Input<'b>>(app: &mut App<'b, '_, L, I>, bytes: &[u8]) {
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

/// Opens bytes as a blob in flash. Then opens them with right magic, version, length and CRC, so that mutations of a
/// header or a layer pass these checks. An integer blob that opens must run, whatever its network.
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
    if let Ok(blob) = Blob::open(bytes) {
        let mut layers = blob.layers();
        for _ in blob.header().topology.layers() {
            let _ = layers.next_layer();
        }
        let _ = layers.finish();
    }
    let Ok(network) = Network::open(bytes) else { return };
    let topology = network.topology().clone();
    let mut memory = vec![0; network.memory_bytes()];
    let mut codec = Codec::new(&mut memory, Frozen);
    codec.load(bytes);
    assert!(codec.weights().is_ok());
    let row: Vec<u8> = (0..topology.row()).map(|i| (i * 16) as u8).collect();
    let code = vec![0x5a; network.code_bytes()];
    assert_eq!(codec.encode(&row).map(<[u8]>::len).ok(), topology.has_encoder().then_some(code.len()));
    assert_eq!(codec.decode(&code).map(<[u8]>::len).ok(), topology.has_decoder().then_some(topology.outputs()));
    assert_eq!(codec.digest(&row, 255).is_ok(), topology.has_encoder() && topology.has_decoder());
}

/// Sends bytes and checks that each answer is a whole frame with a response.
fn send<'b, L: Learn, I: Input<'b>>(app: &mut App<'b, '_, L, I>, bytes: &[u8]) {
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

/// Ends any frame that was begun, sends a request, and checks that the answer is for this request.
fn served<'b, L: Learn, I: Input<'b>>(app: &mut App<'b, '_, L, I>) {
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

/// Checks that the reader of a frame and the reader of a line agree on the message.
fn both_readers(frame: &[u8]) {
    let mut buffer = [0; 4096];
    let mut receiver = Receiver::new(&mut buffer);
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

/// Bytes aligned to 16, as in flash.
#[derive(Default)]
struct Flash(Vec<u128>);

impl Flash {
    fn hold(&mut self, bytes: &[u8]) -> &[u8] {
        self.0.resize(bytes.len().div_ceil(size_of::<u128>()), 0);
        self.0.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        &self.0.as_bytes()[..bytes.len()]
    }
}

/// A message that is already serialised.
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
