//! Each optimizer's first steps, computed by hand from its equation, and its convergence to a minimum.

use autoencoder_core::optimizer::{Adam, Optimizer, RmsProp, Sgd};

/// Runs `steps` steps of the method. `slope` gives the gradient at a parameter.
fn run(method: &impl Optimizer, lr: f32, v0: f32, steps: u32, slope: impl Fn(f32) -> f32) -> f32 {
    let (mut p, mut m, mut v) = (3.0, [0.0], [v0]);
    for step in 1..=steps {
        let mut g = [slope(p)];
        method.steps(step, lr, &mut g, &mut m, &mut v);
        p -= g[0];
    }
    p
}

fn assert_close(a: f32, b: f64) {
    assert!((f64::from(a) - b).abs() < 1e-6, "{a} is not {b}");
}

#[test]
fn first_steps_follow_the_equations() {
    // Gradients of 2, learning rate 0.1, from 3.
    assert_close(run(&Sgd { momentum: 0.0 }, 0.1, 0.0, 2, |_| 2.0), 3.0 - 0.2 - 0.2);
    assert_close(run(&Sgd { momentum: 0.5 }, 0.1, 0.0, 2, |_| 2.0), 3.0 - 0.2 - 0.3);
    let rms = RmsProp { decay: 0.9, epsilon: 0.25 };
    // v: 1, 0.9 + 0.4 = 1.3, 1.17 + 0.4 = 1.57
    assert_close(run(&rms, 0.1, 1.0, 2, |_| 2.0), 3.0 - 0.2 / 1.55f64.sqrt() - 0.2 / 1.82f64.sqrt());
    let adam = Adam { beta1: 0.5, beta2: 0.75, epsilon: 0.5, nesterov: false };
    // A constant gradient: after the correction the moments are 2 and 4 at every step.
    assert_close(run(&adam, 0.1, 0.0, 2, |_| 2.0), 3.0 - 2.0 * 0.1 * 2.0 / 2.5);
    // Gradients 2, then -1: m = 1, 0; v = 1, 1 (with β₂ = 0.75: 0.75·1 + 0.25·1).
    let second = |p: f32| if p > 2.99 { 2.0 } else { -1.0 };
    assert_close(run(&adam, 0.1, 0.0, 2, second), 3.0 - 0.1 * 2.0 / 2.5 - 0.0);
    // One step ahead: m is 1, then 0.5·1 + 0.5·2 = 1.5, over a correction of 0.5; √v̂ is 2.
    let nesterov = Adam { nesterov: true, ..adam };
    assert_close(run(&nesterov, 0.1, 0.0, 1, |_| 2.0), 3.0 - 0.1 * 3.0 / 2.5);
}

#[test]
fn every_optimizer_finds_the_minimum() {
    let slope = |p: f32| 2.0 * (p - 1.0);
    assert!((run(&Sgd::default(), 0.02, 0.0, 400, slope) - 1.0).abs() < 1e-3);
    assert!((run(&RmsProp::default(), 0.001, 1.0, 4000, slope) - 1.0).abs() < 1e-2);
    assert!((run(&Adam::default(), 0.01, 0.0, 2000, slope) - 1.0).abs() < 1e-3);
}

#[test]
fn an_unused_moment_may_be_empty() {
    let mut g = [1.0];
    Sgd { momentum: 0.0 }.steps(1, 0.5, &mut g, &mut [], &mut []);
    assert_eq!(g, [0.5]);
    Sgd { momentum: 0.9 }.steps(1, 0.5, &mut g, &mut [1.0], &mut []);
    assert_eq!(g, [0.7]);
    RmsProp { decay: 0.0, epsilon: 0.0 }.steps(1, 0.5, &mut g, &mut [], &mut [0.0]);
    assert_eq!(g, [0.5]);
}

/// Steps 1 to 3 with gradients of 2, -1 and 0.5, from a parameter of 3.
fn three_steps(method: &impl Optimizer, lr: f32, v0: f32) -> f32 {
    let (mut p, mut m, mut v) = (3.0, [0.0], [v0]);
    for (step, g) in (1..).zip([2.0, -1.0, 0.5]) {
        let mut g = [g];
        method.steps(step, lr, &mut g, &mut m, &mut v);
        p -= g[0];
    }
    p
}

/// The settings of the optimizers' authors or of TensorFlow 1.
#[test]
fn defaults_are_the_published_settings() {
    // m: 2, 0.9·2 - 1 = 0.8, 0.9·0.8 + 0.5 = 1.22
    assert_close(three_steps(&Sgd::default(), 0.1, 0.0), 3.0 - 0.1 * (2.0 + 0.8 + 1.22));
    // v, from 1: 0.9 + 0.4 = 1.3, 1.17 + 0.1 = 1.27, 1.143 + 0.025 = 1.168
    let steps = 2.0 / 1.3f64.sqrt() - 1.0 / 1.27f64.sqrt() + 0.5 / 1.168f64.sqrt();
    assert_close(three_steps(&RmsProp::default(), 0.1, 1.0), 3.0 - 0.1 * steps);
    // m: 0.2, 0.08, 0.122; v: 0.004, 0.004996, 0.005241004
    let corrected = |t: i32, m: f64, v: f64| m / (1.0 - 0.9f64.powi(t)) / (v / (1.0 - 0.999f64.powi(t))).sqrt();
    let steps = corrected(1, 0.2, 0.004) + corrected(2, 0.08, 0.004_996) + corrected(3, 0.122, 0.005_241_004);
    assert_close(three_steps(&Adam::default(), 0.1, 0.0), 3.0 - 0.1 * steps);
    // The epsilons matter where gradients are as small: 1e-10 under the root, 1e-8 outside.
    let mut g = [1e-5];
    RmsProp::default().steps(1, 1.0, &mut g, &mut [0.0], &mut [0.0]);
    assert_close(g[0], 1e-5 / (0.1 * 1e-10f64 + 1e-10).sqrt());
    let mut g = [1e-8];
    Adam::default().steps(1, 1.0, &mut g, &mut [0.0], &mut [0.0]);
    assert_close(g[0], 1e-8 / (1e-8 + 1e-8));
}
