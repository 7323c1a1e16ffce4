//! One application accepts networks of any shape that fit its buffers, and refuses the others with both numbers.

#[path = "common/line.rs"]
mod line;
#[path = "common/net.rs"]
mod net;

use autoencoder_core::Error as WeightsError;
use autoencoder_core::Resource;
use autoencoder_core::adapt::{LearningMemory, Moments};
use autoencoder_core::blob::Format;
use autoencoder_core::quant::ChannelParams;
use autoencoder_device::flash::Nor;
use autoencoder_device::frame::frame_bytes;
use autoencoder_device::learn::{Begin, HELD_OUT, Learn, LearnerBuffers, Method};
use autoencoder_device::message::{self, Info, Usage};
use autoencoder_device::monitor::Verdict;
use autoencoder_device::{App, Buffers, Command, Error, Frozen, Learner, Reply};
use autoencoder_io::blob_file::BlobFile;
use line::ask;
use net::{Net, Random, crc};

/// The lengths of the buffers of an application that learns.
#[derive(Clone, Copy)]
struct Lengths {
    activations: usize,
    receive: usize,
    transmit: usize,
    channels: usize,
    moments: usize,
    gradients: usize,
    held_out: usize,
}

type Learns = App<'static, 'static, Learner<'static, Nor<Vec<u8>>>>;

impl Lengths {
    const fn new(activations: usize, row: usize, channels: usize, gradients: usize) -> Self {
        let frame = frame_bytes(if row > 128 { row } else { 128 }); // a learner answers with 128 bytes of its flash
        let held_out = HELD_OUT * row;
        Self { activations, receive: frame, transmit: frame, channels, moments: channels, gradients, held_out }
    }

    fn buffers(&self) -> Buffers<'static> {
        let [activations, receive, transmit] =
            [self.activations, self.receive, self.transmit].map(|length| vec![0; length].leak());
        Buffers { activations, receive, transmit }
    }

    fn frozen(&self, blob: &'static BlobFile) -> App<'static, 'static, Frozen> {
        let mut app = App::new(self.buffers(), Frozen);
        app.load(blob.bytes());
        app
    }

    fn learner(&self, blob: &'static BlobFile) -> Learns {
        let learning = LearningMemory {
            channels: vec![ChannelParams::default(); self.channels].leak(),
            moments: vec![[Moments::default(); 2]; self.moments].leak(),
            gradients: vec![0.0; self.gradients].leak(),
        };
        let learner = LearnerBuffers { learning, held_out: vec![0; self.held_out].leak(), stored: &mut [] };
        let mut app = App::new(self.buffers(), Learner::new(learner));
        app.load(blob.bytes());
        app.attach_flash(Nor::new(vec![0xff; 8192]));
        app
    }

    /// The sum in bytes.
    fn sum(&self) -> usize {
        let learning = 8 * self.channels + 16 * self.moments + 4 * self.gradients + self.held_out;
        self.activations + self.receive + self.transmit + learning
    }
}

/// Networks, with their needs computed by hand. Activations: the longer of inputs and outputs, plus all hidden layers;
/// with one layer, inputs plus outputs. Channels: the outputs of all layers. Gradients: two neighbouring hidden layers.
/// All sizes are rounded up to multiples of four.
const NEEDS: [(&str, Lengths); 6] = [
    ("30-13r-7-9i-30", Lengths::new(32 + 16 + 8 + 12, 30, 16 + 8 + 12 + 32, 16 + 8)),
    ("5-3r-5", Lengths::new(8 + 4, 5, 4 + 8, 4)),
    ("30-30", Lengths::new(32 + 32, 30, 32, 0)),
    ("7-40r-61-2-61-7i", Lengths::new(8 + 40 + 64 + 4 + 64, 7, 40 + 64 + 4 + 64 + 8, 40 + 64)),
    ("3-1-1-1-1-3", Lengths::new(4 + 4 + 4 + 4 + 4, 3, 4 + 4 + 4 + 4 + 4, 4 + 4)),
    ("258-18-258", Lengths::new(260 + 20, 258, 20 + 260, 20)),
];

fn blob(net: &Net) -> &'static BlobFile {
    Box::leak(Box::new(BlobFile::new("flash".as_ref(), &net.blob())))
}

/// Encodes, decodes and scores a few rows, and compares the replies with plain loops.
fn check<L: Learn>(app: &mut App<'_, '_, L>, net: &Net) {
    let weights = crc(&net.blob());
    let mut random = Random::new(5);
    for _ in 0..10 {
        let row = random.bytes(net.topology().row());
        let elements = net.encode(&row);
        let code = &net.packed(&elements);
        let cases = [
            (Command::Encode { row: &row }, Reply::Code { identity: weights, code }),
            (Command::Decode { identity: weights, code }, Reply::Row(&net.decode(&net.rounded(&elements)))),
            (Command::Score { row: &row }, Reply::Score { score: net.score(&row) }),
        ];
        for (command, reply) in cases {
            ask(app, command, |result| assert_eq!(result, Ok(reply), "{}", net.topology()));
        }
    }
}

/// A short run of learning, from its beginning to its end.
fn learn(app: &mut Learns, net: &Net) {
    let begin = Begin { method: Method::Adam, rate: 10_000, batch: 1, rows: 20, passes: 1, forced: false };
    ask(app, Command::Learn(message::LearningCommand::Begin(begin)), |result| assert!(result.is_ok(), "{result:?}"));
    let (mut random, mut places) = (Random::new(6), Vec::new());
    for _ in 0..HELD_OUT + 20 {
        let row = random.bytes(net.topology().row());
        // The first rows that are neither equal nor constant are held out.
        let other =
            places.len() < HELD_OUT && !places.contains(&row) && (row.len() == 1 || row.iter().any(|x| *x != row[0]));
        ask(app, Command::Learn(message::LearningCommand::Row(&row)), |result| {
            assert!(matches!(result, Ok(Reply::Learned { held_out, .. }) if held_out == other), "{result:?}");
        });
        if other {
            places.push(row);
        }
    }
    let end = Command::Learn(message::LearningCommand::End);
    ask(app, end, |result| assert!(matches!(result, Ok(Reply::Judged(_))), "{result:?}"));
    ask(app, Command::Learn(message::LearningCommand::Reset), |result| assert!(result.is_ok(), "{result:?}"));
}

#[test]
fn buffers_of_exactly_the_needed_length_suffice() {
    for (topology, needed) in NEEDS {
        for format in [Format::Int8, Format::Int4] {
            let net = Net::of(topology, format, 1);
            let blob = blob(&net);
            let mut app = needed.learner(blob);
            check(&mut app, &net);
            learn(&mut app, &net);
            check(&mut app, &net);
            assert_eq!((app.static_bytes(), app.spare_bytes()), (size_of::<Learns>() + needed.sum(), 0), "{topology}");

            let row = net.topology().row();
            let frame = frame_bytes(row);
            let needed = Lengths { receive: frame, transmit: frame, ..needed };
            let mut app = needed.frozen(blob);
            check(&mut app, &net);
            let buffers = needed.activations + 2 * frame;
            let static_bytes = size_of::<App<'_, '_, Frozen>>() + buffers;
            assert_eq!((app.static_bytes(), app.spare_bytes()), (static_bytes, 0), "{topology}");
            ask(&mut app, Command::Info, |result| {
                let info = Info {
                    version: message::VERSION,
                    weights: crc(blob.bytes()),
                    inputs: row as u16,
                    code: net.topology().code() as u16,
                    code_bits: 8,
                    static_bytes: static_bytes as u32,
                };
                assert_eq!(result, Ok(Reply::Info(info)));
            });
        }
    }
}

#[test]
fn a_buffer_that_is_one_too_short_is_refused_with_both_numbers() {
    fn refused<L: Learn>(app: &mut App<'_, '_, L>, resource: Resource, needed: usize) {
        let (needed, available) = (needed as u32, needed as u32 - 1);
        let error = Error::Weights(WeightsError::Capacity { resource, needed, available });
        let image = &[1; 3][..];
        for command in [
            Command::Info,
            Command::Encode { row: image },
            Command::Decode { identity: 0, code: image },
            Command::Score { row: image },
            Command::Monitor { row: image },
            Command::Digest { row: image, layers: 1 },
        ] {
            ask(app, command, |result| assert_eq!(result, Err(error)));
        }
        assert_eq!(app.spare_bytes(), 0, "without a network, no byte counts as spare");
    }
    for (topology, n) in NEEDS {
        let net = Net::new(topology, 1);
        let blob = blob(&net);
        let cases = [
            (Resource::Activations, n.activations, Lengths { activations: n.activations - 1, ..n }),
            (Resource::Message, n.receive, Lengths { receive: n.receive - 1, ..n }),
            (Resource::Message, n.transmit, Lengths { transmit: n.transmit - 1, ..n }),
            (Resource::Channels, n.channels, Lengths { channels: n.channels - 1, ..n }),
            (Resource::Channels, n.moments, Lengths { moments: n.moments - 1, ..n }),
            (Resource::HeldOut, n.held_out, Lengths { held_out: n.held_out - 1, ..n }),
        ];
        for (resource, needed, lengths) in cases {
            refused(&mut lengths.learner(blob), resource, needed);
        }
        if n.gradients > 0 {
            let lengths = Lengths { gradients: n.gradients - 1, ..n };
            refused(&mut lengths.learner(blob), Resource::Gradients, n.gradients);
        }
        let frame = frame_bytes(net.topology().row());
        let n = Lengths { receive: frame, transmit: frame, ..n };
        let cases = [
            (Resource::Activations, n.activations, Lengths { activations: n.activations - 1, ..n }),
            (Resource::Message, frame, Lengths { receive: frame - 1, ..n }),
            (Resource::Message, frame, Lengths { transmit: frame - 1, ..n }),
        ];
        for (resource, needed, lengths) in cases {
            refused(&mut lengths.frozen(blob), resource, needed);
        }
    }
}

#[test]
fn every_byte_that_a_network_leaves_unused_is_counted() {
    for (topology, n) in NEEDS {
        let blob = blob(&Net::new(topology, 1));
        let longer = Lengths {
            activations: n.activations + 1,
            receive: n.receive + 20,
            transmit: n.transmit + 300,
            channels: n.channels + 4,
            moments: n.moments + 3,
            gradients: n.gradients + 5,
            held_out: n.held_out + 1000,
        };
        let mut app = longer.learner(blob);
        let spare = 1 + 20 + 300 + 4 * 8 + 3 * 16 + 5 * 4 + 1000;
        assert_eq!(app.spare_bytes(), spare, "{topology}");
        assert_eq!(app.static_bytes(), size_of::<Learns>() + n.sum() + spare);
        let usage = Usage { static_bytes: 0, stack_bytes: 0, spare_bytes: spare as u32, instructions: 0 };
        ask(&mut app, Command::Usage, |result| assert_eq!(result, Ok(Reply::Usage(usage))));
    }
}

/// Codes of few bits are shorter than rows, and codes of a network that expands are longer. A frame has to hold both.
#[test]
fn a_message_holds_the_row_or_the_code_whichever_is_longer() {
    for (bits, longest) in [(8, 40), (7, 35), (2, 10), (1, 8)] {
        let net = Net::new("8-40*-8", 1).with_code_bits(bits);
        let (blob, frame) = (blob(&net), frame_bytes(longest));
        let lengths = Lengths { receive: frame, transmit: frame, ..Lengths::new(48, 8, 48, 40) };
        let mut app = lengths.frozen(blob);
        check(&mut app, &net);
        assert_eq!(app.spare_bytes(), 0);
        let mut app = Lengths { receive: frame - 1, ..lengths }.frozen(blob);
        let error =
            WeightsError::Capacity { resource: Resource::Message, needed: frame as u32, available: frame as u32 - 1 };
        ask(&mut app, Command::Info, |result| assert_eq!(result, Err(Error::Weights(error))));
    }
}

#[test]
fn an_encoder_alone_encodes_and_a_decoder_alone_decodes() {
    for topology in ["30-13r-7-9i-30", "16-8-4-8-16", "12-5-12"] {
        for bits in [8, 3] {
            let net = Net::new(topology, 1).with_code_bits(bits);
            let row = net.topology().row();
            let image = &Random::new(7).bytes(row)[..];
            let elements = net.encode(image);
            let code = &net.packed(&elements);
            let lengths = Lengths::new(128, row, 128, 128);

            let blob_of_half = blob(&net.encoder());
            let mut encoder = lengths.learner(blob_of_half);
            let weights = crc(blob_of_half.bytes());
            let encode = Command::Encode { row: image };
            let expected = Ok(Reply::Code { identity: weights, code });
            ask(&mut encoder, encode, |result| assert_eq!(result, expected));
            for command in [
                Command::Decode { identity: weights, code },
                Command::Score { row: image },
                Command::Monitor { row: image },
                Command::Digest { row: image, layers: 1 },
            ] {
                ask(&mut encoder, command, |result| assert_eq!(result, Err(Error::Absent), "{command:?}"));
            }
            cannot_learn(&mut encoder, image);
            ask(&mut encoder, encode, |result| assert_eq!(result, expected));

            let blob_of_half = blob(&net.decoder());
            let mut decoder = lengths.learner(blob_of_half);
            let weights = crc(blob_of_half.bytes());
            let decode = Command::Decode { identity: weights, code };
            let reconstruction = &net.decode(&net.rounded(&elements))[..];
            ask(&mut decoder, decode, |result| assert_eq!(result, Ok(Reply::Row(reconstruction))));
            for command in [
                Command::Encode { row: image },
                Command::Score { row: image },
                Command::Monitor { row: image },
                Command::Digest { row: image, layers: 1 },
            ] {
                ask(&mut decoder, command, |result| assert_eq!(result, Err(Error::Absent), "{command:?}"));
            }
            cannot_learn(&mut decoder, image);
            ask(&mut decoder, decode, |result| assert_eq!(result, Ok(Reply::Row(reconstruction))));
            for (app, half) in [(&mut encoder, net.encoder()), (&mut decoder, net.decoder())] {
                ask(app, Command::Info, |result| {
                    assert!(
                        matches!(result, Ok(Reply::Info(Info { inputs, code, .. }))
                            if usize::from(inputs) == row && usize::from(code) == net.topology().code()),
                        "{} of {topology}: {result:?}",
                        half.topology()
                    );
                });
            }
        }
    }
}

/// Half of a network cannot learn, because it has no reconstruction.
fn cannot_learn(app: &mut Learns, image: &[u8]) {
    let begin = Begin { method: Method::Adam, rate: 10_000, batch: 1, rows: 20, passes: 1, forced: false };
    ask(app, Command::Learn(message::LearningCommand::Begin(begin)), |result| assert!(result.is_ok()));
    for command in [message::LearningCommand::Row(image), message::LearningCommand::End] {
        let expected = if command == message::LearningCommand::End { Error::NotLearning } else { Error::Absent };
        ask(app, Command::Learn(command), |result| assert_eq!(result, Err(expected)));
    }
}

/// The encoder is the only layer, and its code is the reconstruction.
#[test]
fn a_network_of_one_layer_encodes_and_decodes() {
    for bits in [8, 4] {
        let net = Net::new("30-30", 1).with_code_bits(bits);
        let mut app = Lengths::new(64, 30, 32, 0).learner(blob(&net));
        check(&mut app, &net);
        learn(&mut app, &net);
        let row = Random::new(8).bytes(30);
        assert_eq!(net.reconstruct(&row), net.rounded(&net.encode(&row)));
        ask(&mut app, Command::Monitor { row: &row }, |result| {
            let verdict = Verdict { above: 0, below: 0, repeats: 0, drifted: false };
            assert_eq!(result, Ok(Reply::Monitored { score: net.score(&row), verdict }));
        });
    }
}

#[test]
fn one_application_loads_networks_of_different_shapes_in_turn() {
    // The buffers are exactly as long as the largest of them needs. The fourth has the longest rows.
    let room = Lengths::new(280, 258, 280, 104);
    let frozen = &mut App::new(room.buffers(), Frozen);
    let learner = &mut room.learner(blob(&Net::new("1-1", 1)));
    let too_large = blob(&Net::new("258-23-258", 1));
    let refusal = WeightsError::Capacity { resource: Resource::Activations, needed: 284, available: 280 };
    for (topology, needed) in NEEDS.iter().chain(NEEDS.iter().rev()) {
        for format in [Format::Int8, Format::Int4] {
            let net = Net::of(topology, format, 2);
            let blob = blob(&net);
            frozen.load(blob.bytes());
            check(frozen, &net);
            learner.load(blob.bytes());
            check(learner, &net);
            learn(learner, &net);
            check(learner, &net);
            assert_eq!(learner.spare_bytes(), room.sum() - needed.sum());
        }
        frozen.load(too_large.bytes());
        ask(frozen, Command::Info, |result| assert_eq!(result, Err(Error::Weights(refusal))));
        learner.load(too_large.bytes());
        ask(learner, Command::Info, |result| assert_eq!(result, Err(Error::Weights(refusal))));
    }
}

/// The digest covers the outputs of each layer without their padding.
#[test]
fn a_digest_is_of_unpadded_rows() {
    for (topology, lengths) in NEEDS {
        let net = Net::new(topology, 3);
        let mut app = lengths.frozen(blob(&net));
        let row = Random::new(9).bytes(net.topology().row());
        let outputs = net.layer_outputs(&row);
        for layers in 0..=outputs.len() + 1 {
            let crc = autoencoder_core::crc::checksum(&outputs[..layers.min(outputs.len())].concat());
            ask(&mut app, Command::Digest { row: &row, layers: layers as u8 }, |result| {
                assert_eq!(result, Ok(Reply::Digest { crc, score: net.score(&row) }), "{topology}");
            });
        }
    }
}
