//! Random integer networks for property tests.

use crate::net::Net;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::Format;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use std::env;

/// A configuration with this many cases, which are the same in every run. `PROPTEST_CASES` in the environment sets
/// another number, and `PROPTEST_RNG_SEED` another seed.
pub fn cases(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases };
    let rng_seed = if asked.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { asked.rng_seed };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..asked }
}

/// One to six layers of 1 to 70 inputs and outputs, any activations, the code after any layer.
pub fn topologies() -> impl Strategy<Value = String> {
    let layers = prop::collection::vec((1u16..=70, activations()), 1..=6);
    (1u16..=70, layers, any::<Index>()).prop_map(|(inputs, layers, code)| {
        let code = code.index(layers.len());
        let layers = layers.iter().enumerate().map(|(i, (outputs, activation))| {
            let mark = if i == code { "*" } else { "" };
            format!("-{outputs}{activation}{mark}")
        });
        inputs.to_string() + &layers.collect::<String>()
    })
}

/// Topologies as from [`topologies`], with as many outputs as inputs.
pub fn autoencoders() -> impl Strategy<Value = String> {
    (topologies(), activations()).prop_map(|(topology, activation)| {
        let (inputs, _) = topology.split_once('-').unwrap_or_default();
        format!("{topology}-{inputs}{activation}")
    })
}

fn activations() -> impl Strategy<Value = &'static str> {
    select(vec!["s", "r", "i"])
}

/// The formats of integer weights. Only a host and a processor with Helium read `Int8Rows`.
pub fn formats() -> impl Strategy<Value = Format> {
    select(vec![Format::Int8, Format::Int4, Format::Int8Rows])
}

/// A network with pseudo-random weights. An element of its code has `code_bits` bits if it is the output of a sigmoid,
/// otherwise 8.
pub fn net(topology: &str, format: Format, code_bits: u8, seed: u64) -> Net {
    let net = Net::of(topology, format, seed);
    let sigmoid = net.topology().code_activation() == Some(ActivationKind::Sigmoid);
    net.with_code_bits(if sigmoid { code_bits } else { 8 })
}

/// The outputs of every layer for a row, by plain loops. Those of the encoder's last layer are rounded, as the decoder
/// receives them.
pub fn layer_outputs(net: &Net, row: &[u8]) -> Vec<Vec<u8>> {
    let encoder_layers = net.topology().encoder_layers();
    let mut x = row.to_vec();
    let layers = (1..).zip(&net.layers).map(|(boundary, layer)| {
        x = layer.forward(&x);
        if boundary == encoder_layers {
            x = net.rounded(&x);
        }
        x.clone()
    });
    layers.collect()
}
