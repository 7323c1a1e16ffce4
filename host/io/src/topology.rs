//! A topology as the programs' arguments and messages name it.

use autoencoder_core::Topology;
use autoencoder_core::topology::NAMES;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Reads the name of a topology from the command line.
pub fn named() -> impl TypedValueParser<Value = Topology> {
    PossibleValuesParser::new(NAMES).try_map(|name| name.parse::<Topology>())
}

/// `784-128-32-128-784 (small)`, or without a name `64-32-8-32-64`.
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
        }
    }
}
