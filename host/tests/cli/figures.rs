//! How good the program's networks are.

use crate::sandbox::{Sandbox, json};
use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The README's figures are those of a processor with bfloat16. Without it, the same steps end within a hundredth of them.
#[test]
fn a_thousand_steps_reach_the_figures_of_the_readme() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let line = readme.lines().find(|line| line.contains("host -- train --steps 1000")).unwrap();
    let figures: Vec<f64> =
        line.split('|').nth(2).unwrap().split(['/', ' ']).filter_map(|word| word.parse().ok()).collect();
    let sandbox = Sandbox::new();
    let train = format!("train --steps 1000 --data {ROOT}/data/mnist --json");
    let summary = json(&sandbox.host(&train).output().unwrap());
    let reached = ["test_mse", "test_mse_int8"].map(|key| summary[key].as_f64().unwrap());
    assert_eq!(figures.len(), 2, "{line}");
    for (reached, figure) in reached.iter().zip(figures) {
        assert!((reached / figure - 1.0).abs() < 0.02, "{reached}, not {figure}");
    }
}

/// A run that begins with a trained network is at once as good as that, whichever file it reads it from.
#[test]
fn a_run_that_begins_with_a_network_goes_on_from_it() {
    let sandbox = Sandbox::new();
    let trained = json(&sandbox.train("--steps 300 --json").output().unwrap());
    let before = trained["test_mse"].as_f64().unwrap();
    for file in ["checkpoint", "model.f32.blob"] {
        let tune = format!("train --data data --from artifacts/{file} --batch 100 --steps 2 --out {file} --json");
        let tuned = json(&sandbox.host(&tune).output().unwrap());
        let after = tuned["test_mse"].as_f64().unwrap();
        assert!((after / before - 1.0).abs() < 0.05, "{file}: {after} after {before}");
    }
    // Without --from, two steps end near the mean image.
    let fresh = json(&sandbox.train("--steps 2 --out fresh --json").output().unwrap());
    assert!(fresh["test_mse"].as_f64().unwrap() > 2.0 * before, "{fresh}, {trained}");
}
