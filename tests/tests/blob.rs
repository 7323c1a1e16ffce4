//! The weights blob: its exact bytes, and that nothing damaged or foreign is taken for one.

use autoencoder_core::blob::{Blob, Bulk, Format, Header, NO_THRESHOLD, Writer};
use autoencoder_core::quant::{Affine, Channel, Octet, Quad, Weights};
use autoencoder_core::{Autoencoder, Dense, Error, Identity, Layer, Plain, Relu, Sigmoid};
use crc::{CRC_32_ISO_HDLC, Crc};
use host::blob_file::BlobFile;
use host::quantise::{self, About};
use proptest::prelude::*;
use std::path::Path;
use tests::random;
use zerocopy::IntoBytes;

type Encoder = Dense<4, 4, Sigmoid>;
type Decoder = Dense<4, 4, Identity>;

const WEIGHTS: [[i8; 4]; 4] = [[1, 2, 3, 4], [-1, -2, -3, -4], [127, 0, -127, 0], [5, 6, 7, 8]];
const CHANNELS: [Channel; 4] = [
    Channel { bias: 1, multiplier: 2 },
    Channel { bias: -1, multiplier: 0x0102_0304 },
    Channel { bias: 0, multiplier: 3 },
    Channel { bias: 256, multiplier: 4 },
];

/// Weights of 4 bits: the rows above, as far as they go.
const OCTETS: [[[i8; 2]; 4]; 2] = [[[1, 2], [-1, -2], [7, 0], [5, 6]], [[3, 4], [-3, -4], [-8, 0], [7, -8]]];

fn tiny() -> Vec<u8> {
    blob(Format::Int8, [Quad::pack(WEIGHTS)].as_bytes())
}

fn tiny_int4() -> Vec<u8> {
    blob(Format::Int4, OCTETS.map(Octet::pack).as_bytes())
}

fn blob(format: Format, weights: &[u8]) -> Vec<u8> {
    let header = Header {
        format,
        accumulators_checked: true,
        steps: 300,
        input: Affine { scale: 0.5, zero: 7 },
        code_bits: 8,
        threshold: NO_THRESHOLD,
        encoder_layers: 1,
        layers: Autoencoder::<Encoder, Decoder>::specs().collect(),
    };
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer, &header).unwrap();
    for output in [Affine { scale: 1.0, zero: 0 }, Affine { scale: 2.0, zero: 128 }] {
        writer.layer(Bulk { output, channels: CHANNELS.as_bytes(), weights }).unwrap();
    }
    writer.finish().unwrap().to_vec()
}

/// `bytes` at an address that `open` accepts.
fn aligned(bytes: &[u8]) -> BlobFile {
    BlobFile::new(Path::new("a test's blob"), bytes)
}

fn open_error(bytes: &[u8]) -> Option<Error> {
    Blob::open(aligned(bytes).bytes()).err()
}

/// The CRC made right for the bytes before it.
fn with_right_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - 4;
    let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&bytes[..body]);
    bytes[body..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn exact_bytes() {
    #[rustfmt::skip]
    let layer = |scale: [u8; 4], zero: u8, padding: usize| {
        [
            &scale[..], &[zero],                                    // output: f32 scale, zero point
            &[padding as u8], &vec![0; padding],                    // padding to a multiple of 16
            &[32],                                                  // 32 bytes of channels: bias, multiplier
            &[1, 0, 0, 0, 2, 0, 0, 0],
            &[0xff, 0xff, 0xff, 0xff, 4, 3, 2, 1],
            &[0, 0, 0, 0, 3, 0, 0, 0],
            &[0, 1, 0, 0, 4, 0, 0, 0],
            &[14], &[0; 14],                                        // padding to a multiple of 16
            &[16],                                                  // 16 bytes of weights, lanes 256·high + low
            &[1, 0xff, 2, 0xfe],                                    // rows 0, 1, inputs 0, 1: 256·-1 + 1, 256·-2 + 2
            &[127, 5, 0, 6],                                        // rows 2, 3: 256·5 + 127, 256·6
            &[3, 0xfd, 4, 0xfc],                                    // rows 0, 1, inputs 2, 3
            &[0x81, 6, 0, 8],                                       // rows 2, 3: 256·7 - 127
        ].concat()
    };
    #[rustfmt::skip]
    let header = [
        &b"AENC"[..],                                               // magic
        &[2],                                                       // version
        &[196, 0, 0, 0],                                            // length, CRC included
        &[1],                                                       // int8
        &[1],                                                       // accumulators checked
        &[0xac, 0x02],                                              // 300 steps
        &[0, 0, 0, 0x3f], &[7],                                     // input: scale 0.5, zero point 7
        &[8],                                                       // bits of a code element
        &[0xff, 0xff, 0xff, 0xff, 0x0f],                            // no threshold
        &[1],                                                       // one of the layers is the encoder's
        &[2, 4, 4, 0, 4, 4, 2],                                     // two layers, 4 to 4: sigmoid, identity
    ].concat();
    assert_eq!(header.len(), 32);
    let body = [header, layer([0, 0, 0x80, 0x3f], 0, 9), layer([0, 0, 0, 0x40], 128, 9)].concat();
    let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&body).to_le_bytes();
    assert_eq!(tiny(), [&body[..], &crc].concat());
}

#[test]
fn exact_bytes_of_four_bit_weights() {
    let (int8, int4) = (tiny(), tiny_int4());
    // Half the weights, no other padding: the second layer's tables happen to begin sixteen bytes earlier.
    assert_eq!((int8.len(), int4.len()), (196, 180 - 8));
    assert_eq!((int4[5], int4[9]), (int4.len() as u8, 2));
    #[rustfmt::skip]
    let weights = [
        8,                                                          // 8 bytes of weights, 8 added to each
        0x79, 0xdf,                                                 // rows 0, 1, then rows 2, 3, at input 0
        0x6a, 0xe8,                                                 // at input 1
        0x5b, 0xf0,                                                 // at input 2
        0x4c, 0x08,                                                 // at input 3
    ];
    assert_eq!(int4[95..104], weights);
    assert_eq!(int4[int4.len() - 4 - 9..][..9], weights);

    let file = aligned(&int4);
    let blob = Blob::open(file.bytes()).unwrap();
    let net = blob.int8::<Encoder, Decoder>().unwrap();
    assert_eq!(net.encoder.weights, Weights::Int4(&OCTETS.map(Octet::pack)));
    assert_eq!(net.decoder.channels, &CHANNELS);
    assert_eq!(blob.f32::<Encoder, Decoder>().err(), Some(Error::Format));
}

#[test]
fn what_was_written_is_read_in_place() {
    let file = aligned(&tiny());
    let blob = Blob::open(file.bytes()).unwrap();
    let net = blob.int8::<Encoder, Decoder>().unwrap();
    for layer in [net.encoder.weights, net.decoder.weights] {
        assert_eq!(layer, Weights::Int8(&[Quad::pack(WEIGHTS)]));
        let Weights::Int8(quads) = layer else { unreachable!() };
        assert!(file.bytes().as_ptr_range().contains(&quads.as_ptr().cast()));
    }
    assert_eq!((net.encoder.channels, net.decoder.channels), (&CHANNELS, &CHANNELS));
    assert_eq!(net.decoder.output, Affine { scale: 2.0, zero: 128 });
    assert_eq!(blob.crc().to_le_bytes(), tiny()[tiny().len() - 4..]);
}

#[test]
fn f32_round_trip_without_a_copy() {
    type E = (Dense<6, 5, Sigmoid>, Dense<5, 2, Relu>);
    type D = (Dense<2, 5, Relu>, Dense<5, 6, Identity>);
    let net = random::<Autoencoder<E, D>>(5);
    let file = aligned(&quantise::f32_blob(&*net, About { encoder_layers: 2, steps: 9, code_bits: 8 }).unwrap());
    let blob = Blob::open(file.bytes()).unwrap();
    let view = blob.f32::<E, D>().unwrap();
    let x = [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]];
    let (mut a, mut b) = (([[0.0; 5]; 1], [[0.0; 2]; 1]), ([[0.0; 5]; 1], [[0.0; 2]; 1]));
    assert_eq!(view.encoder.forward::<1>(&Plain, &x, &mut a), net.encoder.forward::<1>(&Plain, &x, &mut b));
    assert_eq!(view.decoder.0.weights, net.decoder.0.weights);
    assert!(file.bytes().as_ptr_range().contains(&std::ptr::from_ref(view.decoder.1).cast()));
    assert_eq!(blob.header().steps, 9);
}

#[test]
fn every_flipped_bit_is_refused() {
    for blob in [tiny(), tiny_int4()] {
        for bit in 0..blob.len() * 8 {
            let mut flipped = blob.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open_error(&flipped).is_some(), "bit {bit}");
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let blob = tiny();
    for length in 0..blob.len() {
        assert!(open_error(&blob[..length]).is_some(), "{length} bytes");
    }
}

#[test]
fn each_fault_has_its_error() {
    let blob = tiny();
    let with = |at: usize, byte: u8| {
        let mut blob = blob.clone();
        blob[at] = byte;
        blob
    };
    assert_eq!(open_error(&[]), Some(Error::Empty));
    assert_eq!(open_error(&[0xff; 100]), Some(Error::Empty));
    assert_eq!(open_error(&[0; 100]), Some(Error::Empty));
    assert_eq!(open_error(b"\x89PNG\r\n\x1a\n and more"), Some(Error::NotABlob));
    assert_eq!(open_error(&with(4, 9)), Some(Error::Version { expected: 2, found: 9 }));
    let found = blob.len() as u32 - 1;
    assert_eq!(open_error(&blob[..blob.len() - 1]), Some(Error::Truncated { expected: found + 1, found }));
    assert!(matches!(open_error(&with(60, 0x55)), Some(Error::Crc { .. })));
    let shifted = aligned(&[&[0; 4][..], &blob].concat());
    assert_eq!(Blob::open(&shifted.bytes()[4..]).err(), Some(Error::Misaligned));

    assert_eq!(open_error(&with_right_crc(with(9, 7))), Some(Error::Malformed));
    assert_eq!(open_error(&with_right_crc(with(18, 0))), Some(Error::Malformed));
    assert_eq!(open_error(&with_right_crc(with(18, 9))), Some(Error::Malformed));
    // Sign, exponent and fraction of the input's scale: negative, infinite, not a number, zero.
    for scale in [-0.5f32, f32::INFINITY, f32::NAN, 0.0] {
        let mut blob = blob.clone();
        blob[13..17].copy_from_slice(&scale.to_le_bytes());
        assert_eq!(open_error(&with_right_crc(blob)), Some(Error::Malformed), "{scale}");
    }

    let open = |bytes: &[u8]| {
        let file = aligned(bytes);
        Blob::open(file.bytes()).unwrap().int8::<Encoder, Decoder>().err()
    };
    assert_eq!(open(&blob), None);
    assert_eq!(open(&with_right_crc(with(35, 0xff))), Some(Error::Malformed)); // a negative scale
    assert_eq!(open(&with_right_crc(with(36, 1))), Some(Error::Malformed)); // sigmoids that can be negative
    assert_eq!(open(&with_right_crc(with(9, 0))), Some(Error::Format));
    assert_eq!(open(&with_right_crc(with(9, 2))), Some(Error::Malformed)); // twice as many weights as it should have
    assert_eq!(open(&with_right_crc(with(10, 0))), Some(Error::Accumulator));
    assert_eq!(open(&with_right_crc(with(24, 2))), Some(Error::Topology));
    assert_eq!(open(&with_right_crc(with(26, 8))), Some(Error::Topology));
    assert_eq!(open(&with_right_crc(with(28, 2))), Some(Error::Topology));
}

#[test]
fn what_follows_the_blob_is_ignored() {
    let followed = aligned(&[&tiny()[..], &[0xff; 1000]].concat());
    let blob = Blob::open(followed.bytes()).unwrap();
    assert_eq!(blob.bytes(), tiny());
    assert!(blob.int8::<Encoder, Decoder>().is_ok());
}

#[test]
fn a_buffer_that_is_too_small_is_refused() {
    let header = Blob::open(aligned(&tiny()).bytes()).unwrap().header().clone();
    for room in 0..tiny().len() {
        let mut buffer = vec![0; room];
        let written = Writer::new(&mut buffer, &header).and_then(|mut writer| {
            for output in [Affine { scale: 1.0, zero: 0 }, Affine { scale: 2.0, zero: 128 }] {
                writer.layer(Bulk { output, channels: CHANNELS.as_bytes(), weights: &[0; 16] })?;
            }
            writer.finish().map(<[u8]>::len)
        });
        assert_eq!(written, Err(Error::NoRoom), "{room} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Whatever the bytes say, behind a right CRC: an error or a network that runs.
    #[test]
    fn mutations_behind_a_right_crc_never_panic(
        int4 in any::<bool>(),
        edits in prop::collection::vec((9usize..196, any::<u8>()), 1..6),
        resize in prop_oneof![4 => Just(0i32), 1 => -40..40],
    ) {
        let mut bytes = if int4 { tiny_int4() } else { tiny() };
        let last = bytes.len() - 1;
        for (at, byte) in edits {
            bytes[at.min(last)] = byte;
        }
        let length = bytes.len().saturating_add_signed(resize as isize);
        bytes.resize(length, 0);
        bytes[5..9].copy_from_slice(&(length as u32).to_le_bytes());
        let file = aligned(&with_right_crc(bytes));
        if let Ok(blob) = Blob::open(file.bytes()) {
            let _ = blob.f32::<Encoder, Decoder>();
            let mut reader = blob.layers();
            while reader.layer().is_ok() {}
            if let Ok(net) = blob.int8::<Encoder, Decoder>() {
                let (mut code, mut y) = ([[0; 4]], [[0; 4]]);
                let code = net.encoder.forward(&Plain, &[[255, 0, 1, 128]], &mut code);
                net.decoder.forward(&Plain, code, &mut y);
            }
        }
    }
}
