//! Opening a network: thresholds, blobs that only a device refuses, and padding that is not zero.

use autoencoder_core::blob::{Blob, Format, Header, Thresholds};
use autoencoder_core::crc::checksum;
use autoencoder_core::quant::QuantParams;
use autoencoder_core::{Error, LayerSpec, Network, Topology};
use autoencoder_io::blob_file::BlobFile;
use tests::net::{Layer, Net, Random};

fn file(blob: &[u8]) -> BlobFile {
    BlobFile::new("blob".as_ref(), blob)
}

#[test]
fn thresholds_may_be_equal_but_not_crossed() {
    let net = Net::new("4-2-4", 1);
    for (lower, upper, error) in [(70, 70, None), (0, 0, None), (70, 71, None), (71, 70, Some(Error::Malformed))] {
        let header = Header { thresholds: Thresholds { lower, upper }, ..net.header() };
        assert_eq!(Network::open(file(&net.blob_with(&header)).bytes()).err(), error, "{lower} to {upper}");
    }
}

#[test]
fn a_blob_that_is_open_is_still_checked_before_it_runs() {
    let net = Net::new("4-2-4", 1);
    let refused = |header: &Header| {
        let file = file(&net.blob_with(header));
        Network::new(Blob::open(file.bytes()).unwrap()).err()
    };
    assert_eq!(refused(&net.header()), None);
    assert_eq!(refused(&Header { format: Format::F32, ..net.header() }), Some(Error::Format));
    assert_eq!(refused(&Header { accumulators_checked: false, ..net.header() }), Some(Error::Accumulator));
    let topology = "8-2-4".parse().unwrap();
    assert_eq!(refused(&Header { topology, ..net.header() }), Some(Error::Malformed));
}

/// Sixteen bytes of padding where none is needed. The arrays stay aligned, but no exporter writes such a blob.
#[test]
fn padding_of_a_whole_alignment_is_refused() {
    let mut found = 0;
    // More layers and longer numbers in the header move everything after them.
    let topologies = ["4-4-4", "4-4-4-4", "4-4-4-4-4", "4-4-4-4-4-4"];
    for (topology, steps) in topologies.into_iter().flat_map(|name| (0..5).map(move |i| (name, 1 << (7 * i)))) {
        let net = Net::new(topology, 1);
        let blob = net.blob_with(&Header { steps, ..net.header() });
        assert_eq!(Network::open(file(&blob).bytes()).err(), None);
        let scale = QuantParams::UNIT.scale.to_le_bytes();
        let scales: Vec<usize> = (0..blob.len() - 4).filter(|at| blob[*at..][..4] == scale).collect();
        // The first scale is the input's. Each layer has its scale, the zero point, padding, channels, padding.
        for layer in &scales[1..] {
            let first = layer + 5;
            let channels = first + 1 + usize::from(blob[first]);
            let second = channels + 1 + usize::from(blob[channels]);
            for at in [first, second].into_iter().filter(|at| blob[*at] == 0) {
                let mut longer = [&blob[..at], &[16], &[0; 16], &blob[at + 1..blob.len() - 4]].concat();
                let length = longer.len() as u32 + 4;
                longer[5..9].copy_from_slice(&length.to_le_bytes());
                longer.extend(checksum(&longer).to_le_bytes());
                assert_eq!(Network::open(file(&longer).bytes()).err(), Some(Error::Malformed), "padding at {at}");
                found += 1;
            }
        }
    }
    assert!(found > 0, "no array without padding");
}

/// The part of a layer that belongs to a smaller layer.
fn cut(layer: &Layer, spec: LayerSpec) -> Layer {
    let [inputs, outputs] = spec.sizes();
    let weights = layer.weights[..outputs].iter().map(|row| row[..inputs].to_vec()).collect();
    Layer { spec, weights, channels: layer.channels[..outputs].to_vec(), output: layer.output }
}

/// The weights of 8-4-8 under the header of a smaller network, so that the padding is not zero. The outputs must still
/// be those of the smaller network, whatever its memory held before.
#[test]
fn nonzero_padding_does_not_affect_the_outputs() {
    let mut random = Random::new(5);
    for format in [Format::Int8, Format::Int4, Format::Int8Rows] {
        for name in ["5-1-5", "6-2-6", "7-3-7", "8-3-5", "5-4-8"] {
            let topology: Topology = name.parse().unwrap();
            let net = Net::of("8-4-8", format, 3);
            let blob = file(&net.blob_with(&Header { topology: topology.clone(), ..net.header() }));
            let network = Network::open(blob.bytes()).unwrap();
            let small: Vec<Layer> =
                net.layers.iter().zip(topology.layers()).map(|(layer, spec)| cut(layer, *spec)).collect();
            for garbage in [0, 0x5a, 0xff] {
                let row = random.bytes(topology.inputs());
                let mut memory = vec![garbage; network.memory_bytes()];
                let code = network.encode(&row, &mut memory).unwrap().to_vec();
                assert_eq!(code, small[0].forward(&row), "{name}, {format:?}, {garbage}");
                memory.fill(garbage);
                assert_eq!(network.decode(&code, &mut memory).unwrap(), small[1].forward(&code), "{name}, {format:?}");
            }
        }
    }
}
