//! Topologies in arguments and in messages.

use autoencoder_core::Topology;
use autoencoder_core::topology::{NAMES, TopologyError};
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Reads the name of a topology from the command line.
pub fn named() -> impl TypedValueParser<Value = Topology> {
    PossibleValuesParser::new(NAMES).try_map(|name| name.parse::<Topology>())
}

/// Reads the sizes of a topology from the command line. An error quotes the wrong part.
pub fn layers(text: &str) -> Result<Topology, String> {
    text.parse().map_err(|error: TopologyError| match error {
        TopologyError::Size(number) | TopologyError::Suffix(number) | TopologyError::SecondCode(number) => {
            let part = text.split('-').nth(usize::from(number) - 1).unwrap_or_default();
            format!("{error}; it is {part:?}, where one like 128, 128r or 128r* is expected")
        }
        _ => error.to_string(),
    })
}

/// A network whose numbers of inputs and outputs differ.
#[derive(Debug, thiserror::Error)]
#[error("{}: an autoencoder has as many outputs as inputs, not {} and {}", describe(.0), .0.outputs(), .0.inputs())]
pub struct NotAnAutoencoder(Topology);

/// Returns an error if a network has both halves and its numbers of inputs and outputs differ.
pub fn ensure_autoencoder(topology: &Topology) -> Result<(), NotAnAutoencoder> {
    let both = topology.has_encoder() && topology.has_decoder();
    if both && topology.outputs() != topology.inputs() { Err(NotAnAutoencoder(topology.clone())) } else { Ok(()) }
}

/// The name of a topology in tables and keys: `small`, or its sizes if it has no name.
pub fn name(topology: &Topology) -> String {
    topology.name().map_or_else(|| topology.to_string(), str::to_owned)
}

/// The name of a topology in sentences: `784-128-32-128-784 (small)`, or its sizes if it has no name.
pub fn describe(topology: &Topology) -> String {
    match topology.name() {
        Some(name) => format!("{topology} ({name})"),
        None => topology.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topology_is_described_by_its_sizes_and_its_name() {
        for (text, description) in [("tiny", "64-16-4-16-64 (tiny)"), ("64-32r-8-32r-64i", "64-32r-8-32r-64i")] {
            assert_eq!(describe(&text.parse().unwrap()), description);
            assert_eq!(name(&text.parse().unwrap()), text);
        }
    }

    #[test]
    fn an_error_quotes_the_wrong_part() {
        for (text, number, part) in [
            ("8-8*r-8", 2, "8*r"),
            ("64 - 8 - 64", 1, "64 "),
            ("-8-64", 1, ""),
            ("64-70000-64", 2, "70000"),
            ("64-8*-8*-64", 3, "8*"),
        ] {
            let said = layers(text).unwrap_err();
            assert!(
                said.starts_with(&format!("part {number} ")) && said.contains(&format!("it is {part:?}")),
                "{said}"
            );
        }
        assert_eq!(layers("64"), Err(TopologyError::NoLayer.to_string()));
        assert_eq!(layers("64-8-64").unwrap().code(), 8);
    }

    #[test]
    fn an_autoencoder_has_as_many_outputs_as_inputs() {
        let outcome = |text: &str| ensure_autoencoder(&text.parse().unwrap()).map_err(|error| error.to_string());
        let expected = "784-16-100: an autoencoder has as many outputs as inputs, not 100 and 784".to_owned();
        assert_eq!(outcome("784-16-100"), Err(expected));
        assert_eq!((outcome("784-16-784"), outcome("30-30")), (Ok(()), Ok(())));
        assert_eq!(outcome("784-16"), Ok(()), "an encoder alone");
        let decoder = "784-16-100".parse::<Topology>().unwrap().decoder().unwrap();
        assert!(ensure_autoencoder(&decoder).is_ok(), "a decoder alone");
    }
}
