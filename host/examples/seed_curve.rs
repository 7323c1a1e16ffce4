//! Draws docs/seed.png and prints its table: the reference recipe's batch loss with eight seeds here (means of 100
//! batches), in TensorFlow (single batches), and as published.
//!
//!     cargo run --release -p host -- train --recipe seed --seed 2 --out artifacts/seed-2     # and 1 to 8
//!     cp artifacts/seed-2/loss.csv docs/data/seed-2.csv
//!     python host/benches/peers/tensorflow_seed.py 30000 100 | sed 's/^{/# {/' > docs/data/seed-tensorflow.csv
//!     cargo run --release -p host --example seed_curve

use anyhow::Context;
use host::report::{Curve, plot};
use host::train::Recipe;
use std::fs;
use std::path::Path;

/// The table of the tutorial: step and batch loss.
const PUBLISHED: [(f64, f64); 4] = [(1000.0, 0.118), (10_000.0, 0.070), (20_000.0, 0.051), (30_000.0, 0.0455)];
const SEEDS: usize = 8;

fn main() -> anyhow::Result<()> {
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
    let read = |name: &str| read(&docs.join("data").join(format!("seed-{name}.csv")));
    let seeds = (1..=SEEDS).map(|seed| read(&seed.to_string())).collect::<anyhow::Result<Vec<_>>>()?;
    let tensorflow = read("tensorflow")?;
    for (i, points) in seeds.iter().enumerate() {
        compare(&format!("seed {}", i + 1), points);
    }
    // At each step, over the seeds.
    let over_seeds = |fold: fn(&[f64]) -> f64| -> Vec<(f64, f64)> {
        let losses = |i: usize| seeds.iter().filter_map(|points| Some(points.get(i)?.1)).collect::<Vec<f64>>();
        seeds[0].iter().enumerate().map(|(i, (step, _))| (*step, fold(&losses(i)))).collect()
    };
    let mean = over_seeds(|losses| losses.iter().sum::<f64>() / losses.len() as f64);
    compare("their mean", &mean);
    compare("TensorFlow's program", &tensorflow);
    let curves = [
        Curve { name: "published", points: PUBLISHED.to_vec() },
        Curve { name: "here, the recipe's own seed", points: seeds[Recipe::SEED.seed as usize - 1].clone() },
        Curve { name: "here, mean of eight seeds", points: mean },
        Curve { name: "TensorFlow's program, one run", points: tensorflow },
        Curve {
            name: "here, the lowest of the seeds",
            points: over_seeds(|l| l.iter().copied().fold(f64::MAX, f64::min)),
        },
        Curve { name: "here, the highest", points: over_seeds(|l| l.iter().copied().fold(0.0, f64::max)) },
    ];
    Ok(plot(&docs.join("seed.png"), "the reference recipe: batch loss", &curves)?)
}

/// Reads the steps and losses of a CSV. Lines that are not numbers, such as the header and TensorFlow's summary, are skipped.
fn read(path: &Path) -> anyhow::Result<Vec<(f64, f64)>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let points = text.lines().filter_map(|line| {
        let mut numbers = line.split(',').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    Ok(points.collect())
}

/// Prints a row of the table: the losses at the published steps, and their distances from the published losses.
fn compare(name: &str, points: &[(f64, f64)]) {
    print!("| {name}");
    for (step, published) in PUBLISHED {
        let loss = points.iter().find(|(at, _)| *at == step).map_or(f64::NAN, |(_, loss)| *loss);
        print!(" | {loss:.4} ({:+.0} %)", 100.0 * (loss / published - 1.0));
    }
    println!(" |");
}
