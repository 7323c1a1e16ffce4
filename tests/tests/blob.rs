//! The weights blob: its exact bytes, and the refusal of damaged or foreign bytes.

use autoencoder_core::blob::{self, Blob, Format, Header, RawLayer, Thresholds};
use autoencoder_core::quant::{ChannelParams, Int4Tile, Int8Tile, QuantParams, Weights};
use autoencoder_core::{Autoencoder, Dense, Error, Identity, Layer, Network, Relu, Sigmoid};
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::zeroed_box;
use crc::{CRC_32_ISO_HDLC, Crc};
use host::export::{BlobMeta, f32_blob};
use proptest::prelude::*;
use std::path::Path;
use tests::{host_network, random};
use zerocopy::IntoBytes;

const WEIGHTS: [[i8; 4]; 4] = [[1, 2, 3, 4], [-1, -2, -3, -4], [127, 0, -127, 0], [5, 6, 7, 8]];
const CHANNELS: [ChannelParams; 4] = [
    ChannelParams { bias: 1, multiplier: 2 },
    ChannelParams { bias: -1, multiplier: 0x0102_0304 },
    ChannelParams { bias: 0, multiplier: 3 },
    ChannelParams { bias: 256, multiplier: 4 },
];
const OUTPUTS: [QuantParams; 2] =
    [QuantParams { scale: 1.0, zero_point: 0 }, QuantParams { scale: 2.0, zero_point: 128 }];

/// Weights of 4 bits: the rows above, where they are in range.
const WEIGHTS_INT4: [[[i8; 2]; 4]; 2] = [[[1, 2], [-1, -2], [7, 0], [5, 6]], [[3, 4], [-3, -4], [-8, 0], [7, -8]]];

fn tiny() -> Vec<u8> {
    write(Format::Int8, [Int8Tile::pack(WEIGHTS)].as_bytes())
}

fn tiny_int4() -> Vec<u8> {
    write(Format::Int4, WEIGHTS_INT4.map(Int4Tile::pack).as_bytes())
}

fn header(format: Format) -> Header {
    Header {
        format,
        accumulators_checked: true,
        steps: 300,
        input: QuantParams { scale: 0.5, zero_point: 7 },
        code_bits: 8,
        thresholds: Thresholds { lower: 200, upper: 70_000 },
        topology: "4-4-4i".parse().unwrap(),
    }
}

fn layers(weights: &[u8]) -> [RawLayer<'_>; 2] {
    OUTPUTS.map(|output| RawLayer { output, channels: CHANNELS.as_bytes(), weights })
}

fn write(format: Format, weights: &[u8]) -> Vec<u8> {
    blob::write(&header(format), layers(weights), &[], &mut [0; 512]).unwrap().to_vec()
}

/// `bytes` at an address that `open` accepts.
fn aligned(bytes: &[u8]) -> BlobFile {
    BlobFile::new(Path::new("a test's blob"), bytes)
}

fn open_error(bytes: &[u8]) -> Option<Error> {
    Blob::open(aligned(bytes).bytes()).err()
}

/// Sets the CRC to that of the bytes before it.
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
        &[4],                                                       // version
        &[197, 0, 0, 0],                                            // length, CRC included
        &[1],                                                       // int8
        &[1],                                                       // accumulators checked
        &[0xac, 0x02],                                              // 300 steps
        &[0, 0, 0, 0x3f], &[7],                                     // input: scale 0.5, zero point 7
        &[8],                                                       // bits of a code element
        &[0xc8, 0x01], &[0xf0, 0xa2, 0x04],                         // scores from 200 to 70,000
        &[1],                                                       // one of the layers is the encoder's
        &[2, 4, 4, 0, 4, 4, 2],                                     // two layers, 4 to 4: sigmoid, identity
    ].concat();
    assert_eq!(header.len(), 32);
    let body = [header, layer([0, 0, 0x80, 0x3f], 0, 9), layer([0, 0, 0, 0x40], 128, 9), vec![0]].concat(); // no input section
    let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&body).to_le_bytes();
    assert_eq!(tiny(), [&body[..], &crc].concat());
}

#[test]
fn exact_bytes_of_four_bit_weights() {
    let (int8, int4) = (tiny(), tiny_int4());
    // Half the weights and the same padding: the second layer's tables happen to begin sixteen bytes earlier.
    assert_eq!((int8.len(), int4.len()), (197, 181 - 8));
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
    assert_eq!(int4[int4.len() - 5 - 9..][..9], weights);

    let file = aligned(&int4);
    let network = Network::open(file.bytes()).unwrap();
    for layer in network.layers() {
        assert_eq!(layer.weights(), Weights::Int4(&WEIGHTS_INT4.map(Int4Tile::pack)));
        assert_eq!(layer.channels(), &CHANNELS);
    }
    assert_eq!(host::FloatNetwork::from_blob(network.blob()).err(), Some(Error::Format));
}

#[test]
fn exact_bytes_of_weights_in_rows() {
    let bytes = WEIGHTS.as_flattened().iter().map(|w| (i16::from(*w) + 128) as u8).collect::<Vec<_>>();
    let (int8, blob) = (tiny(), write(Format::Int8Rows, &bytes));
    assert_eq!((blob.len(), blob[9]), (int8.len(), 3));
    #[rustfmt::skip]
    let weights = [
        16,                                                         // 16 bytes of weights, 128 added to each
        0x81, 0x82, 0x83, 0x84,                                     // row 0
        0x7f, 0x7e, 0x7d, 0x7c,                                     // row 1
        0xff, 0x80, 0x01, 0x80,                                     // row 2
        0x85, 0x86, 0x87, 0x88,                                     // row 3
    ];
    let found = blob.windows(17).filter(|window| *window == weights).count();
    assert_eq!(found, 2, "one for each layer");
    let file = aligned(&blob);
    let network = Network::open(file.bytes()).unwrap();
    for layer in network.layers() {
        assert_eq!(layer.weights(), Weights::Int8Rows(&bytes));
        assert_eq!(layer.channels(), &CHANNELS);
    }
    // The exporter makes the same blob from the one for every processor, and of no other.
    let in_rows = |bytes: &[u8]| host::export::in_rows(&aligned(bytes).open().unwrap());
    assert_eq!(in_rows(&int8), Ok(blob.clone()));
    assert_eq!([in_rows(&tiny_int4()), in_rows(&blob)], [Err(Error::Format), Err(Error::Format)]);
    // Weights of another length are not those of the layer.
    for length in [0, 15, 17, 20, 32] {
        let other = write(Format::Int8Rows, &vec![1; length]);
        assert_eq!(Network::open(aligned(&other).bytes()).err(), Some(Error::Malformed), "{length} bytes");
    }
}

#[test]
fn a_written_blob_is_read_in_place() {
    let file = aligned(&tiny());
    let network = Network::open(file.bytes()).unwrap();
    assert_eq!(network.topology(), &header(Format::Int8).topology);
    let layers: Vec<_> = network.layers().collect();
    assert_eq!(layers.len(), 2);
    for (layer, output) in layers.iter().zip(OUTPUTS) {
        assert_eq!(layer.weights(), Weights::Int8(&[Int8Tile::pack(WEIGHTS)]));
        let Weights::Int8(tiles) = layer.weights() else { unreachable!() };
        assert!(file.bytes().as_ptr_range().contains(&tiles.as_ptr().cast()));
        assert!(file.bytes().as_ptr_range().contains(&layer.channels().as_ptr().cast()));
        assert_eq!((layer.channels(), layer.output()), (&CHANNELS[..], output));
    }
    assert_eq!(network.blob().crc().to_le_bytes(), tiny()[tiny().len() - 4..]);
}

type Float = Autoencoder<(Dense<6, 5, Sigmoid>, Dense<5, 2, Relu>), (Dense<2, 5, Relu>, Dense<5, 6, Identity>)>;

type Other = Autoencoder<Dense<6, 5, Sigmoid>, Dense<5, 6, Identity>>;

/// From a network that is a type to one that is a value, to a blob, and back to both.
#[test]
fn f32_round_trip() {
    let net = random::<Float>(5);
    let host = host_network(&*net, 2);
    let file = aligned(&f32_blob(&host, BlobMeta { steps: 9, code_bits: 8, input: &[] }).unwrap());
    let blob = Blob::open(file.bytes()).unwrap();
    assert_eq!(host::FloatNetwork::from_blob(&blob).unwrap(), host);
    let mut copy = zeroed_box::<Float>();
    blob.copy_f32(&mut *copy).unwrap();
    let x = [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]];
    let (mut a, mut b) = (zeroed_box::<<Float as Layer>::Acts<1>>(), zeroed_box::<<Float as Layer>::Acts<1>>());
    assert_eq!(copy.forward(&x, &mut a), net.forward(&x, &mut b));
    assert_eq!(copy.decoder.0.weights, net.decoder.0.weights);
    assert_eq!(blob.header().steps, 9);

    assert_eq!(blob.copy_f32(&mut *zeroed_box::<Other>()), Err(Error::Topology));
    assert_eq!(Network::open(file.bytes()).err(), Some(Error::Format));
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
    assert_eq!(open_error(&with(4, 9)), Some(Error::Version { expected: 4, found: 9 }));
    let found = blob.len() as u32 - 1;
    assert_eq!(open_error(&blob[..blob.len() - 1]), Some(Error::Truncated { expected: found + 1, found }));
    assert!(matches!(open_error(&with(60, 0x55)), Some(Error::Crc { .. })));
    let shifted = aligned(&[&[0; 4][..], &blob].concat());
    assert_eq!(Blob::open(&shifted.bytes()[4..]).err(), Some(Error::Misaligned));

    assert_eq!(open_error(&with_right_crc(with(9, 7))), Some(Error::Malformed));
    assert_eq!(open_error(&with_right_crc(with(18, 0))), Some(Error::Malformed));
    assert_eq!(open_error(&with_right_crc(with(18, 9))), Some(Error::Malformed));
    // The upper threshold below the lower one.
    let mut crossed = blob.clone();
    crossed[19..24].copy_from_slice(&[0xf0, 0xa2, 0x04, 0xc8, 0x01]);
    assert_eq!(open_error(&with_right_crc(crossed)), Some(Error::Malformed));
    // Sign, exponent and fraction of the input's scale: negative, infinite, not a number, zero.
    for scale in [-0.5f32, f32::INFINITY, f32::NAN, 0.0] {
        let mut blob = blob.clone();
        blob[13..17].copy_from_slice(&scale.to_le_bytes());
        assert_eq!(open_error(&with_right_crc(blob)), Some(Error::Malformed), "{scale}");
    }

    assert_eq!(open_error(&with_right_crc(with(24, 3))), Some(Error::Malformed)); // more of the encoder's layers than all
    assert_eq!(open_error(&with_right_crc(with(26, 0))), Some(Error::Malformed)); // no inputs
    assert_eq!(open_error(&with_right_crc(with(27, 8))), Some(Error::Malformed)); // 8 outputs, then 4 inputs

    let open = |bytes: &[u8]| Network::open(aligned(bytes).bytes()).err();
    assert_eq!(open(&blob), None);
    assert_eq!(open(&with_right_crc(with(35, 0xff))), Some(Error::Malformed)); // a negative scale
    assert_eq!(open(&with_right_crc(with(36, 1))), Some(Error::Malformed)); // sigmoids that can be negative
    assert_eq!(open(&with_right_crc(with(9, 0))), Some(Error::Format));
    assert_eq!(open(&with_right_crc(with(9, 2))), Some(Error::Malformed)); // twice as many weights as it should have
    assert_eq!(open(&with_right_crc(with(10, 0))), Some(Error::Accumulator));
    assert_eq!(open(&with_right_crc(with(26, 8))), Some(Error::Malformed)); // half as many weights
    assert_eq!(open(&with_right_crc(with(31, 0))), Some(Error::Malformed)); // sigmoids that can be negative
}

#[test]
fn a_blob_of_an_older_version_is_refused_with_advice() {
    let mut old = tiny();
    old[4] = 3;
    let error = open_error(&old).map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("blob of format version 3, expected 4: export it again"));
}

#[test]
fn without_thresholds_no_score_is_outside() {
    let header = Header { thresholds: Thresholds::NONE, ..header(Format::Int8) };
    let bytes =
        blob::write(&header, layers([Int8Tile::pack(WEIGHTS)].as_bytes()), &[], &mut [0; 512]).unwrap().to_vec();
    assert_eq!(bytes[19..25], [0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(Network::open(aligned(&bytes).bytes()).unwrap().blob().header(), &header);
}

#[test]
fn bytes_after_the_blob_are_ignored() {
    let followed = aligned(&[&tiny()[..], &[0xff; 1000]].concat());
    let network = Network::open(followed.bytes()).unwrap();
    assert_eq!(network.blob().bytes(), tiny());
    assert_eq!(network.layers().count(), 2);
}

#[test]
fn a_buffer_that_is_too_small_is_refused() {
    let needed = tiny().len();
    assert_eq!(blob::len(&header(Format::Int8), layers(&[0; 16]), &[]), Ok(needed));
    for room in 0..=needed {
        let mut buffer = vec![0; room];
        let written = blob::write(&header(Format::Int8), layers(&[0; 16]), &[], &mut buffer).map(<[u8]>::len);
        assert_eq!(written, if room < needed { Err(Error::NoRoom) } else { Ok(needed) }, "{room} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Any bytes with a correct CRC give an error or a network that runs.
    #[test]
    fn mutations_with_a_right_crc_never_panic(
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
            let _ = host::FloatNetwork::from_blob(&blob);
            let mut layers = blob.layers();
            while layers.next_layer().is_ok() {}
        }
        if let Ok(network) = Network::open(file.bytes()) {
            let mut memory = vec![0; network.memory_bytes()];
            let row: Vec<u8> = [255, 0, 1, 128].into_iter().cycle().take(network.topology().inputs()).collect();
            if let Ok(code) = network.encode(&row, &mut memory).map(|code| code.to_vec()) {
                let _ = network.decode(&code, &mut memory);
            }
        }
    }
}
