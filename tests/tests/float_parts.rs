//! Small parts of training in `f32`: initial weights, the loss, the rows of a batch, and the optimizer of a learning
//! run.

use autoencoder_core::activation::ActivationKind;
use autoencoder_core::adapt::{LearningRun, Moments};
use autoencoder_core::init::Init;
use autoencoder_core::optimizer::{Adam, OptimizerKind, RmsProp, Sgd};
use autoencoder_core::{Autoencoder, Dense, Layer, LayerSpec, Relu, Sigmoid, Zeroed, loss};
use rand::TryRng;
use std::convert::Infallible;
use std::f64::consts::{SQRT_2, TAU};

/// A generator that repeats chosen numbers.
struct Chosen(std::iter::Cycle<std::vec::IntoIter<u32>>);

impl TryRng for Chosen {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next().expect("a cycle of numbers"))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.try_next_u32()?) << 32 | u64::from(self.try_next_u32()?))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for bytes in bytes.chunks_mut(4) {
            let word = self.try_next_u32()?.to_le_bytes();
            bytes.copy_from_slice(&word[..bytes.len()]);
        }
        Ok(())
    }
}

/// The extremes of a generator, and numbers between them: 12 pairs.
fn numbers() -> Vec<u32> {
    let between = (0..20u32).map(|i| i.wrapping_mul(0x9e37_79b9).rotate_left(i));
    [0, 0, u32::MAX, u32::MAX].into_iter().chain(between).collect()
}

/// Box and Muller in `f64`, from the upper 24 bits of each number. Each pair gives two samples.
fn samples() -> Vec<f64> {
    let uniform = |number: u32| f64::from(number >> 8);
    let steps = f64::from(1 << 24);
    let pair = |pair: &[u32]| {
        let radius = (-2.0 * ((uniform(pair[0]) + 1.0) / steps).ln()).sqrt();
        let (sin, cos) = (uniform(pair[1]) / steps * TAU).sin_cos();
        [radius * cos, radius * sin]
    };
    numbers().chunks(2).flat_map(pair).collect()
}

#[test]
fn initial_weights_have_the_documented_distribution() {
    let samples = samples();
    for (activation, gain) in
        [(ActivationKind::Sigmoid, 4.0), (ActivationKind::Relu, SQRT_2), (ActivationKind::Identity, 1.0)]
    {
        // 15 weights use eight pairs, and three biases two more.
        let spec = LayerSpec { inputs: 5, outputs: 3, activation };
        for (init, deviation) in [(Init::UnitNormal, 1.0), (Init::GlorotNormal, gain * (2.0 / 8.0f64).sqrt())] {
            let (mut weights, mut bias) = ([9.0; 15], [9.0; 3]);
            init.fill_layer(spec, &mut weights, &mut bias, &mut Chosen(numbers().into_iter().cycle()));
            for (i, w) in weights.iter().enumerate() {
                let expected = deviation * samples[i];
                assert!((f64::from(*w) - expected).abs() < 2e-5, "{init:?}, weight {i}: {w} instead of {expected}");
            }
            for (i, b) in bias.iter().enumerate() {
                let expected = if init == Init::UnitNormal { samples[16 + i] } else { 0.0 };
                assert!((f64::from(*b) - expected).abs() < 2e-5, "{init:?}, bias {i}: {b} instead of {expected}");
            }
        }
    }
}

#[test]
fn the_loss_is_the_sum_of_squares_and_d_its_gradient() {
    for length in 0..70 {
        let numbers = |phase: f32| (0..length).map(|i| (i as f32 * phase).sin()).collect::<Vec<f32>>();
        let (y, x, mut d) = (numbers(0.7), numbers(1.3), vec![9.0; length]);
        let found = loss::squared_error(&y, &x, 0.125, &mut d);
        let differences: Vec<f64> = y.iter().zip(&x).map(|(y, x)| f64::from(*y) - f64::from(*x)).collect();
        let expected: f64 = differences.iter().map(|e| e * e).sum();
        assert!((f64::from(found) - expected).abs() <= 1e-6 * expected, "{length}: {found} instead of {expected}");
        for (d, e) in d.iter().zip(differences) {
            assert!((f64::from(*d) - 0.125 * 2.0 * e).abs() < 1e-6, "{length}: {d} at a difference of {e}");
        }
    }
}

/// Ten times less is 10 dB more, and an MSE of 1 is 0 dB.
#[test]
fn a_tenth_of_the_error_is_ten_decibels() {
    assert_eq!(loss::psnr(1.0), 0.0);
    for mse in [1.0, 0.3, 0.001_066, 1e-9] {
        assert!((loss::psnr(mse / 10.0) - loss::psnr(mse) - 10.0).abs() < 1e-9, "{mse}");
    }
}

#[test]
fn a_batch_that_is_not_full_has_as_many_outputs_as_rows() {
    type Net = Autoencoder<(Dense<2, 3, Sigmoid>, Dense<3, 1, Relu>), Dense<1, 2, Sigmoid>>;
    let net = Net::ZERO;
    for rows in 0..=4 {
        let mut acts = <Net as Layer>::Acts::<4>::ZERO;
        assert_eq!(net.forward(&[[0.5; 2]; 4][..rows], &mut acts).len(), rows);
        assert_eq!(Net::output(&acts, rows).len(), rows);
        assert_eq!(Net::output_mut(&mut acts, rows).len(), rows);
        let lengths: Vec<usize> = Net::layer_outputs(&acts, rows).map(<[f32]>::len).collect();
        assert_eq!(lengths, [3 * rows, rows, 2 * rows]);
    }
}

/// The steps of a run after each of these gradients.
fn steps(run: &mut LearningRun, gradients: &[f32]) -> Vec<f32> {
    let mut moments = Moments::default();
    gradients.iter().map(|g| run.next_step().step(*g, &mut moments)).collect()
}

#[test]
fn an_idle_run_takes_no_steps() {
    assert_eq!(steps(&mut LearningRun::IDLE.clone(), &[1.0, -2.0, 3.0]), [0.0; 3]);
}

/// The first batch has the whole rate. After the end, the rate is a hundredth of it.
#[test]
fn a_run_shorter_than_its_batch_still_takes_its_first_step() {
    for rows in 0..8 {
        let sgd = OptimizerKind::Sgd(Sgd { momentum: 0.0 });
        let found = steps(&mut LearningRun::new(sgd, 0.5, 8, rows), &[2.0; 24]);
        for (i, step) in found.iter().enumerate() {
            let expected = match i {
                7 => 0.5 * 2.0,
                15 | 23 => 0.5 / 100.0 * 2.0,
                _ => 0.0,
            };
            assert!((step - expected).abs() < 1e-6, "{rows} rows, row {i}: {step} instead of {expected}");
        }
    }
}

/// Gradients as small as epsilon, with the quotients computed by hand.
#[test]
fn epsilon_keeps_the_quotients_of_a_run_finite() {
    let adam = OptimizerKind::Adam(Adam { beta1: 0.5, beta2: 0.75, epsilon: 0.5, nesterov: false });
    // A constant gradient of 2: after the correction, the moments are 2 and 4.
    assert!((steps(&mut LearningRun::new(adam, 0.25, 1, 1), &[2.0])[0] - 0.25 * 2.0 / 2.5).abs() < 1e-6);
    let rms_prop = OptimizerKind::RmsProp(RmsProp { decay: 0.5, epsilon: 0.25 });
    // v = 0.5 · 0 + 0.5 · 2²
    let expected = 0.25 * 2.0 / 2.25f32.sqrt();
    assert!((steps(&mut LearningRun::new(rms_prop, 0.25, 1, 1), &[2.0])[0] - expected).abs() < 1e-6);
}
