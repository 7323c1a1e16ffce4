//! Learning of the integer network: its rules against the optimizers, its gradients against finite differences.

use autoencoder_core::adapt::{Adapt, Course, Moments, Rule};
use autoencoder_core::blob::Stored;
use autoencoder_core::optimizer::{Adam, Optimizer, RmsProp, Sgd};
use autoencoder_core::quant::{self, Affine, Channel, Quad, Weights};
use autoencoder_core::{Dense, Layer, Plain, Sigmoid, Zeroed};
use rand::Rng;
use rand_pcg::Pcg32;

/// A course at a constant rate, as good as: its end is far away.
fn endless(rule: Rule, rate: f32, batch: u8) -> Course {
    Course::new(rule, rate, batch, u32::MAX)
}

fn gradients(seed: u64) -> impl Iterator<Item = f32> {
    let mut random = Pcg32::new(seed, 0);
    std::iter::repeat_with(move || (random.next_u32() as f32 / u32::MAX as f32 - 0.3) * 4.0)
}

fn same_bits(rule: Rule, method: &impl Optimizer) {
    let (mut course, mut moments) = (endless(rule, 0.01, 1), Moments::default());
    let (mut m, mut v) = ([0.0], [0.0]);
    for (t, g) in (1..=200).zip(gradients(1)) {
        let step = course.turn().step(g, &mut moments);
        let mut g = [g];
        method.steps(t, 0.01, &mut g, &mut m, &mut v);
        let close = (step - g[0]).abs() <= 4.0 * f32::EPSILON * step.abs();
        assert!(close, "{rule:?}, step {t}: {step} is not {}", g[0]);
    }
}

#[test]
fn a_batch_of_one_steps_as_the_optimizers_do() {
    let (sgd, rms) = (Sgd { momentum: 0.9 }, RmsProp { decay: 0.95, epsilon: 1e-8 });
    let adam = Adam { beta1: 0.9, beta2: 0.95, ..Adam::default() };
    same_bits(Rule::Sgd(sgd), &sgd);
    same_bits(Rule::RmsProp(rms), &rms);
    same_bits(Rule::Adam(adam), &adam);
}

#[test]
fn a_batch_steps_once_by_the_mean_of_its_gradients() {
    let sgd = Sgd { momentum: 0.5 };
    let (mut course, mut moments) = (endless(Rule::Sgd(sgd), 0.1, 4), Moments::default());
    let mut steps = |g: [f32; 4]| g.map(|g| course.turn().step(g, &mut moments));
    assert_eq!(steps([1.0, 2.0, 3.0, 6.0]), [0.0, 0.0, 0.0, 0.1 * 3.0]);
    let [0.0, 0.0, 0.0, second] = steps([4.0, 4.0, 0.0, 0.0]) else { panic!("a step within a batch") };
    assert!((second - 0.1 * (0.5 * 3.0 + 2.0)).abs() < 1e-6);
}

#[test]
fn the_rate_falls_to_a_hundredth_and_stays() {
    let mut course = Course::new(Rule::Sgd(Sgd { momentum: 0.0 }), 1.0, 1, 100);
    let steps: Vec<f32> = (0..150).map(|_| course.turn().step(1.0, &mut Moments::default())).collect();
    assert!((steps[0] - 1.0).abs() < 1e-6 && (steps[50] - 0.5).abs() < 1e-6);
    assert!(steps[99..].iter().all(|step| (step - 0.01).abs() < 1e-6), "{:?}", &steps[95..105]);
}

type Net = (Dense<16, 12, Sigmoid>, Dense<12, 16, Sigmoid>);
type Matrix<const I: usize, const O: usize> = [[i8; I]; O];

/// An integer network whose weights are known as plain numbers, too.
struct Known {
    first: (Matrix<16, 12>, [Channel; 12], Vec<Quad>),
    second: (Matrix<12, 16>, [Channel; 16], Vec<Quad>),
}

fn layer<const I: usize, const O: usize>(random: &mut Pcg32) -> (Matrix<I, O>, [Channel; O], Vec<Quad>) {
    let w: Matrix<I, O> = std::array::from_fn(|_| std::array::from_fn(|_| (random.next_u32() % 255) as i8));
    let multiplier = (100.0 / (73.0 * 147.0 * (I as f64).sqrt()) * 4_294_967_296.0) as i32;
    let channels = std::array::from_fn(|_| Channel {
        bias: (random.next_u32() % 80_000) as i32 - 40_000,
        multiplier: multiplier + (random.next_u32() % 100_000) as i32,
    });
    let quad = |r: usize, c: usize| Quad::pack([0, 1, 2, 3].map(|i| [0, 1, 2, 3].map(|j| w[r + i][c + j].max(-127))));
    let quads = (0..O).step_by(4).flat_map(|r| (0..I).step_by(4).map(move |c| quad(r, c))).collect();
    (w, channels, quads)
}

impl Known {
    fn new(seed: u64) -> Self {
        let mut random = Pcg32::new(seed, 1);
        Self { first: layer(&mut random), second: layer(&mut random) }
    }

    fn net(&self) -> <Net as Stored>::Int8<'_> {
        let first = quant::Dense::new(Weights::Int8(&self.first.2), &self.first.1, Affine::UNIT).unwrap();
        (first, quant::Dense::new(Weights::Int8(&self.second.2), &self.second.1, Affine::UNIT).unwrap())
    }

    /// `½ Σ (y - x)² / 255`, y and x in steps of a `u8`, of the network without its rounding, each scale and bias changed
    /// by what is given: the first layer's 12 and 12, the second's 16 and 16.
    fn loss(&self, x: &[u8; 16], change: &[f64; 56]) -> f64 {
        let stage = |row: &[i8], x: &[f64], channel: Channel, s: f64, b: f64, last: bool| {
            let m = f64::from(channel.multiplier) / 4_294_967_296.0 / 64.0;
            let sum: f64 = row.iter().zip(x).map(|(w, x)| f64::from((*w).max(-127)) * x).sum::<f64>() * m;
            let bias = f64::from(channel.bias) * m;
            let z = if last { (1.0 + s) * (sum + bias) + b } else { (1.0 + s) * sum + bias + b };
            255.0 / (1.0 + (-z).exp())
        };
        let input: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
        let (w, channels, _) = &self.first;
        let h: Vec<f64> =
            (0..12).map(|o| stage(&w[o], &input, channels[o], change[o], change[12 + o], false)).collect();
        let (w, channels, _) = &self.second;
        let y = (0..16).map(|o| stage(&w[o], &h, channels[o], change[24 + o], change[40 + o], true));
        y.zip(x).map(|(y, x)| (y - f64::from(*x)).powi(2) / 510.0).sum()
    }

    /// The gradient that the device follows: what a small step of plain gradient descent does to the tables.
    fn step(&self, x: &[u8; 16]) -> [f64; 56] {
        // Large enough that a step is many units of the tables, which are integers.
        const RATE: f32 = 1e-3;
        let net = self.net();
        let (mut tables, mut moments) = (<Net as Adapt>::Tables::ZERO, <Net as Adapt>::Moments::ZERO);
        let (mut joints, mut acts) = (<Net as Adapt>::Joints::ZERO, <Net as Stored>::Acts8::ZERO);
        Net::copy_tables(&net, &mut tables);
        Net::with_tables(&net, &tables).forward::<1>(&Plain, std::slice::from_ref(x), &mut acts);
        let y = acts.1[0];
        let dy = y.into_iter().zip(x).map(|(y, x)| (f32::from(y) - f32::from(*x)) / 255.0);
        let turn = endless(Rule::Sgd(Sgd { momentum: 0.0 }), RATE, 1).turn();
        Net::backward(&net, &turn, true, &acts, dy, None, &mut tables, &mut moments, &mut joints);
        let mut gradient = [0.0; 56];
        let mut put = |at: usize, count: usize, o: usize, old: Channel, new: Channel, last: bool| {
            let z = |channel: Channel| f64::from(channel.bias) * f64::from(channel.multiplier) / 2f64.powi(38);
            let ratio = f64::from(new.multiplier) / f64::from(old.multiplier);
            gradient[at + o] = (1.0 - ratio) / f64::from(RATE);
            let b = if last { z(old) * ratio } else { z(old) };
            gradient[at + count + o] = (b - z(new)) / f64::from(RATE);
        };
        (0..12).for_each(|o| put(0, 12, o, self.first.1[o], tables.0[o], false));
        (0..16).for_each(|o| put(24, 16, o, self.second.1[o], tables.1[o], true));
        gradient
    }
}

#[test]
fn the_device_follows_the_gradient_of_the_network_without_rounding() {
    for seed in 0..20 {
        let known = Known::new(seed);
        let mut random = Pcg32::new(seed, 2);
        let x: [u8; 16] = std::array::from_fn(|_| random.next_u32() as u8);
        let numeric: [f64; 56] = std::array::from_fn(|i| {
            let at = |change: f64| {
                let mut changes = [0.0; 56];
                changes[i] = change;
                known.loss(&x, &changes)
            };
            (at(1e-4) - at(-1e-4)) / 2e-4
        });
        let stepped = known.step(&x);
        for (name, part) in
            [("first scales", 0..12), ("first biases", 12..24), ("last scales", 24..40), ("last biases", 40..56)]
        {
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (a, b) = (&numeric[part.clone()], &stepped[part]);
            let (cosine, length) = (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(), (dot(b, b) / dot(a, a)).sqrt());
            assert!(
                cosine > 0.99 && (0.9..1.1).contains(&length),
                "seed {seed}, {name}: cosine {cosine}, length {length}"
            );
        }
    }
}
