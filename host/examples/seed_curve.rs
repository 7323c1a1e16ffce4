//! Draws docs/seed.png: the reference recipe's batch loss here (means of 100 batches), in TensorFlow (single batches), and
//! as published.
//!
//!     cargo run --release -p host -- train --recipe seed --seed 2 --out artifacts/seed-2
//!     cp artifacts/seed-2/loss.csv docs/data/seed-2.csv
//!     python host/benches/peers/tensorflow_seed.py 30000 100 > docs/data/seed-tensorflow.csv
//!     cargo run --release -p host --example seed_curve

use anyhow::Context;
use host::report::{Curve, plot};
use std::fs;
use std::path::Path;

/// The table of the tutorial's authors: step and batch loss.
const PUBLISHED: [(f64, f64); 4] = [(1000.0, 0.118), (10_000.0, 0.070), (20_000.0, 0.051), (30_000.0, 0.0455)];
const MEASURED: [(&str, &str); 3] =
    [("seed 1", "seed-1.csv"), ("seed 2", "seed-2.csv"), ("TensorFlow's program", "seed-tensorflow.csv")];

fn main() -> anyhow::Result<()> {
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
    let mut curves = vec![Curve { name: "published", points: PUBLISHED.to_vec() }];
    for (name, file) in MEASURED {
        let path = docs.join("data").join(file);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        // Step, loss; headers and TensorFlow's summary are no numbers.
        let points = text.lines().filter_map(|line| {
            let mut numbers = line.split(',').map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        });
        let points: Vec<(f64, f64)> = points.collect();
        for (step, published) in PUBLISHED {
            let loss = points.iter().find(|(at, _)| *at == step).map_or(f64::NAN, |(_, loss)| *loss);
            println!("{name:22} {step:6} {loss:.4} ({:+.0} %)", 100.0 * (loss / published - 1.0));
        }
        curves.push(Curve { name, points });
    }
    plot(&docs.join("seed.png"), "the reference recipe: batch loss", &curves)
}
