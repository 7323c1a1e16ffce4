//! How good the program's networks are.

use crate::left_out::or_left_out;
use crate::sandbox::{Sandbox, json};
use host::kernels::Int16;
use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The test MSE after a thousand steps, in `f32` and in integers, over the README's figures, which are those of a processor with
/// bfloat16.
fn over_the_figures_of_the_readme(options: &str) -> [f64; 2] {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let line = readme.lines().find(|line| line.contains("host -- train --steps 1000")).unwrap();
    let figures: Vec<f64> =
        line.split('|').nth(2).unwrap().split(['/', ' ']).filter_map(|word| word.parse().ok()).collect();
    assert_eq!(figures.len(), 2, "{line}");
    let sandbox = Sandbox::new();
    let train = format!("train --steps 1000 --data {ROOT}/data/mnist --json {options}");
    let summary = json(&sandbox.host(&train).output().unwrap());
    let reached = ["test_mse", "test_mse_int8"].map(|key| summary[key].as_f64().unwrap());
    [reached[0] / figures[0], reached[1] / figures[1]]
}

/// Without bfloat16, the same steps end within a hundredth of the figures.
#[test]
fn a_thousand_steps_reach_the_figures_of_the_readme() {
    for ratio in over_the_figures_of_the_readme("") {
        assert!((ratio - 1.0).abs() < 0.01, "{ratio}");
    }
}

#[test]
fn a_thousand_steps_in_16_bit_integers_reach_the_figures_of_the_readme() {
    if or_left_out(Int16::detect(), "avx2").is_some() {
        for ratio in over_the_figures_of_the_readme("--products int16") {
            assert!((ratio - 1.0).abs() < 0.01, "{ratio}");
        }
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
