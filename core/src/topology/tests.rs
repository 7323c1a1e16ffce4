extern crate std;

use super::*;
use std::string::ToString;

fn parse(text: &str) -> Result<Topology, TopologyError> {
    text.parse()
}

#[test]
fn a_topology_is_read_and_written() {
    for text in [
        "784-256-128-256-784",
        "64-32-8-8*-64",
        "5-3r-2i-5",
        "1-1",
        "65535-1-65535",
        "4-8-4",
        "640-128r-128r-128r-128r-8r-128r-128r-128r-128r-640i",
    ] {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }
    let topology = parse("64s-32s").map(|t| t.to_string());
    assert_eq!(topology, Err(TopologyError::Inputs));
    assert_eq!(parse("64-32s-8*s-64"), Err(TopologyError::Suffix(3)));
    assert_eq!(parse("64-32-8*-8-64").unwrap().to_string(), "64-32-8-8-64");
}

#[test]
fn the_code_is_the_first_of_the_smallest_or_the_marked_layer() {
    let code = |text| {
        let topology = parse(text).unwrap();
        (topology.encoder_layers(), topology.code())
    };
    assert_eq!(code("784-256-128-256-784"), (2, 128));
    assert_eq!(code("64-32-8-8-64"), (2, 8));
    assert_eq!(code("64-32-8-8*-64"), (3, 8));
    assert_eq!(code("64-32*-8-64"), (1, 32));
    assert_eq!(code("4-16-4"), (1, 16), "neither inputs nor outputs are the code");
    assert_eq!(code("7-7"), (1, 7), "one layer: its outputs are the code");
    assert_eq!(code("640-128r*-640i"), (1, 128));
}

#[test]
fn an_invalid_part_is_named_in_the_error() {
    for (text, error) in [
        ("", TopologyError::Size(1)),
        ("784", TopologyError::NoLayer),
        ("784-", TopologyError::Size(2)),
        ("784-0-784", TopologyError::Size(2)),
        ("784-65536-784", TopologyError::Size(2)),
        ("784--784", TopologyError::Size(2)),
        ("784-256x-784", TopologyError::Suffix(2)),
        ("784-+5-784", TopologyError::Size(2)),
        ("784*-8-784", TopologyError::Inputs),
        ("784r-8-784", TopologyError::Inputs),
        ("784-8*-9*-784", TopologyError::SecondCode(3)),
        ("1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1", TopologyError::TooManyLayers),
        ("Classic", TopologyError::Size(1)),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
}

#[test]
fn names_stand_for_topologies() {
    for name in NAMES {
        let topology = Topology::named(name).unwrap();
        assert_eq!(topology.name(), Some(name));
        assert_eq!(parse(name), Ok(topology));
    }
    assert_eq!(Topology::named("huge"), None);
    assert_eq!(Topology::named("classic").unwrap().parameters(), 468_368);
}

#[test]
fn each_half_is_a_topology() {
    let classic = Topology::named("classic").unwrap();
    let (encoder, decoder) = (classic.encoder().unwrap(), classic.decoder().unwrap());
    assert_eq!((encoder.row(), encoder.code(), encoder.has_decoder()), (784, 128, false));
    assert_eq!((decoder.row(), decoder.code(), decoder.has_encoder()), (784, 128, false));
    assert_eq!((encoder.layers().len(), decoder.layers().len()), (2, 2));
    let cut = parse("8-4-8*-4-8").unwrap().encoder().unwrap();
    assert!(!cut.has_decoder(), "a code as long as the row is not yet a reconstruction");
    let one = parse("7-7").unwrap();
    assert!(one.has_encoder() && one.has_decoder() && one.decoder().is_none());
}

#[test]
fn layers_that_do_not_fit_each_other_are_refused() {
    let layer = |inputs, outputs| LayerSpec { inputs, outputs, activation: ActivationKind::Relu };
    assert_eq!(Topology::new(&[layer(4, 3), layer(2, 4)], 1), Err(TopologyError::Chain));
    assert_eq!(Topology::new(&[layer(4, 0)], 1), Err(TopologyError::Chain));
    assert_eq!(Topology::new(&[layer(4, 3)], 2), Err(TopologyError::Chain));
    assert_eq!(Topology::new(&[], 0), Err(TopologyError::NoLayer));
}
