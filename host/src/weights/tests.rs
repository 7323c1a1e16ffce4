//! Files of the frameworks, damaged in any way: an error or a network, never a panic.

use super::{Convention, onnx, safetensors};
use autoencoder_core::Topology;
use rand::{Rng, RngExt};
use rand_pcg::Pcg32;
use std::fs;
use std::path::Path;

#[test]
fn damaged_files_are_refused_or_read_and_never_panic() {
    const TRIES: usize = 1500;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frameworks");
    let topologies: Vec<Topology> =
        ["12-8-3-8-12", "12-8r-3-8r-12i", "12-8r-3r-8r-12i"].map(|text| text.parse().unwrap()).into();
    let mut random = Pcg32::new(1, 0);
    let (mut files, mut refused, mut read) = (0, 0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !["safetensors", "onnx"].contains(&extension.as_str()) {
            continue;
        }
        files += 1;
        let good = fs::read(&path).unwrap();
        for _ in 0..TRIES {
            let mut bytes = good.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                match random.random_range(0..4) {
                    0 => bytes[at] ^= 1 << random.random_range(0..8),
                    1 => bytes[at] = random.next_u32() as u8,
                    2 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, random.next_u32() as u8),
                }
            }
            let outcomes = if extension == "onnx" {
                vec![onnx::read(&bytes, None)]
            } else {
                let conventions = [None, Some(Convention::Jax)];
                let each = topologies.iter().zip(conventions.iter().cycle());
                each.map(|(topology, convention)| safetensors::read(&bytes, Some(topology), *convention)).collect()
            };
            for outcome in outcomes {
                match outcome {
                    Ok(imported) => {
                        read += 1;
                        assert!(imported.network.parameters().iter().all(|number| number.is_finite()));
                    }
                    Err(error) => {
                        refused += 1;
                        assert!(!error.to_string().is_empty());
                    }
                }
            }
        }
    }
    assert_eq!(files, 10);
    assert!(refused > 1000 && read > 1000, "{refused} refused, {read} read");
}
