//! Learning of the integer network: its rules against the optimizers, its gradients against finite differences.

use autoencoder_core::activation::ActivationKind;
use autoencoder_core::adapt::{Adapt, Course, Moments, Rule};
use autoencoder_core::blob::Stored;
use autoencoder_core::optimizer::{Adam, Optimizer, RmsProp, Sgd};
use autoencoder_core::quant::{self, Affine, Channel, Octet, Quad, Weights};
use autoencoder_core::{Activation, Dense, Identity, Layer, Plain, Relu, Sigmoid, Zeroed};
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

fn agrees_within(epsilons: f32, rule: Rule, method: &impl Optimizer) {
    let (mut course, mut moments) = (endless(rule, 0.01, 1), Moments::default());
    let (mut m, mut v) = ([0.0], [0.0]);
    for (t, g) in (1..=200).zip(gradients(1)) {
        let step = course.turn().step(g, &mut moments);
        let mut g = [g];
        method.steps(t, 0.01, &mut g, &mut m, &mut v);
        let close = (step - g[0]).abs() <= epsilons * f32::EPSILON * step.abs();
        assert!(close, "{rule:?}, step {t}: {step} is not {}", g[0]);
    }
}

#[test]
fn a_batch_of_one_steps_as_the_optimizers_do() {
    let (sgd, rms) = (Sgd { momentum: 0.9 }, RmsProp { decay: 0.95, epsilon: 1e-8 });
    let adam = Adam { beta1: 0.9, beta2: 0.95, ..Adam::default() };
    agrees_within(4.0, Rule::Sgd(sgd), &sgd);
    agrees_within(4.0, Rule::RmsProp(rms), &rms);
    agrees_within(4.0, Rule::Adam(adam), &adam);
    agrees_within(64.0, Rule::Adam(Adam::default()), &Adam::default());
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

/// Batches of four; `by_hand` gives the step of batch `t`, counted from 1.
fn batches_of_four(rule: Rule, mut by_hand: impl FnMut(i32, [f64; 4]) -> f64) {
    let (mut course, mut moments) = (endless(rule, 0.01, 4), Moments::default());
    let mut gradients = gradients(2);
    for t in 1..=50 {
        let batch: [f32; 4] = std::array::from_fn(|_| gradients.next().unwrap());
        let [a, b, c, step] = batch.map(|g| course.turn().step(g, &mut moments));
        assert_eq!([a, b, c], [0.0; 3], "{rule:?}: a step within batch {t}");
        let expected = by_hand(t, batch.map(f64::from));
        assert!((f64::from(step) - expected).abs() < 1e-7, "{rule:?}, batch {t}: {step} is not {expected}");
    }
}

fn mean(values: [f64; 4]) -> f64 {
    values.iter().sum::<f64>() / 4.0
}

#[test]
fn rmsprop_forgets_once_a_batch() {
    let mut v = 0.0;
    batches_of_four(Rule::RmsProp(RmsProp { decay: 0.75, epsilon: 1e-8 }), |_, g| {
        v = 0.75 * v + 0.25 * mean(g).powi(2);
        0.01 * mean(g) / (v + 1e-8).sqrt()
    });
}

#[test]
fn adam_forgets_once_a_batch_and_takes_the_mean_of_the_squares() {
    let (mut m, mut v) = (0.0, 0.0);
    batches_of_four(Rule::Adam(Adam { beta1: 0.5, beta2: 0.75, epsilon: 1e-8, nesterov: false }), |t, g| {
        m = 0.5 * m + 0.5 * mean(g);
        v = 0.75 * v + 0.25 * mean(g.map(|g| g * g));
        0.01 * (m / (1.0 - 0.5f64.powi(t))) / ((v / (1.0 - 0.75f64.powi(t))).sqrt() + 1e-8)
    });
}

#[test]
fn the_rate_falls_to_a_hundredth_and_stays() {
    let mut course = Course::new(Rule::Sgd(Sgd { momentum: 0.0 }), 1.0, 1, 100);
    let steps: Vec<f32> = (0..150).map(|_| course.turn().step(1.0, &mut Moments::default())).collect();
    assert!((steps[0] - 1.0).abs() < 1e-6 && (steps[50] - 0.5).abs() < 1e-6);
    assert!(steps[99..].iter().all(|step| (step - 0.01).abs() < 1e-6), "{:?}", &steps[95..105]);
}

type Net<F, G> = (Dense<16, 12, F>, Dense<12, 16, G>);
/// What it learns, and what it remembers of its gradients.
type Memory<F, G> = (<Net<F, G> as Adapt>::Tables, <Net<F, G> as Adapt>::Moments);

/// A layer whose weights are known as plain numbers, too.
struct Known<const I: usize, const O: usize> {
    w: [[i8; I]; O],
    channels: [Channel; O],
    packed: Packed,
    zero: u8,
}

enum Packed {
    Int8(Vec<Quad>),
    Int4(Vec<Octet>),
}

/// The sizes of the weights: within ±127, and within -8..=7.
const BITS: [u32; 2] = [8, 4];

impl<const I: usize, const O: usize> Known<I, O> {
    fn new<A: Activation>(random: &mut Pcg32, bits: u32) -> Self {
        let w = [[(); I]; O].map(|row| row.map(|()| ((random.next_u32() as i8) >> (8 - bits)).max(-127)));
        // Of the indices, from random inputs: room on either side of a zero point of 128, and some saturated sigmoids.
        let (deviation, zero) = match A::KIND {
            ActivationKind::Sigmoid => (100.0, 0),
            ActivationKind::Relu => (40.0, 0),
            ActivationKind::Identity => (25.0, 128),
        };
        let unit = deviation / (147.0 * 0.29 * 2f64.powi(bits as i32) * (I as f64).sqrt());
        let channels = [(); O].map(|()| {
            let mut uniform = || f64::from(random.next_u32()) / f64::from(u32::MAX) - 0.5;
            let bias = (deviation / unit * uniform()) as i32;
            Channel { bias, multiplier: (unit * (1.0 + 0.2 * uniform()) * 4_294_967_296.0) as i32 }
        });
        let rows = |r: usize| w[r..].first_chunk::<4>().unwrap();
        let packed = if bits == 8 {
            let quad = |r, c: usize| Quad::pack(rows(r).map(|row| *row[c..].first_chunk().unwrap()));
            Packed::Int8((0..O).step_by(4).flat_map(|r| (0..I).step_by(4).map(move |c| quad(r, c))).collect())
        } else {
            let octet = |r, c: usize| Octet::pack(rows(r).map(|row| *row[c..].first_chunk().unwrap()));
            Packed::Int4((0..O).step_by(4).flat_map(|r| (0..I).step_by(2).map(move |c| octet(r, c))).collect())
        };
        Self { w, channels, packed, zero }
    }

    fn layer<A: Activation>(&self) -> quant::Dense<'_, I, O, A> {
        let weights = match &self.packed {
            Packed::Int8(quads) => Weights::Int8(quads),
            Packed::Int4(octets) => Weights::Int4(octets),
        };
        quant::Dense::new(weights, &self.channels, Affine { zero: self.zero, ..Affine::UNIT }).unwrap()
    }

    /// `z`, in the units of the sigmoid's argument, without rounding; scales and biases changed by what is given.
    fn z(&self, x: &[f64; I], (s, b): (&[f64], &[f64]), output_layer: bool) -> [f64; O] {
        std::array::from_fn(|o| {
            let unit = f64::from(self.channels[o].multiplier) / 2f64.powi(38);
            let sum = self.w[o].iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>() * unit;
            let bias = f64::from(self.channels[o].bias) * unit;
            if output_layer { (1.0 + s[o]) * (sum + bias) + b[o] } else { (1.0 + s[o]) * sum + bias + b[o] }
        })
    }

    /// The outputs, in steps of a `u8`, without rounding.
    fn outputs<A: Activation>(&self, z: [f64; O]) -> [f64; O] {
        z.map(|z| match A::KIND {
            ActivationKind::Sigmoid => 255.0 / (1.0 + (-z).exp()),
            ActivationKind::Relu => (64.0 * z).max(0.0),
            ActivationKind::Identity => 64.0 * z + f64::from(self.zero),
        })
    }

    /// What a step of plain gradient descent did to the tables, in terms of its gradients: scales, then biases.
    fn gradients(&self, rate: f32, learned: &[Channel; O], output_layer: bool) -> Vec<f64> {
        let z = |channel: Channel| f64::from(channel.bias) * f64::from(channel.multiplier) / 2f64.powi(38);
        let pairs = || self.channels.iter().zip(learned);
        let ratio = |(old, new): (&Channel, &Channel)| f64::from(new.multiplier) / f64::from(old.multiplier);
        let scales = pairs().map(|pair| 1.0 - ratio(pair));
        let biases = pairs().map(|pair| z(*pair.0) * if output_layer { ratio(pair) } else { 1.0 } - z(*pair.1));
        scales.chain(biases).map(|step| step / f64::from(rate)).collect()
    }
}

/// A network of two layers.
struct Pair {
    first: Known<16, 12>,
    second: Known<12, 16>,
}

impl Pair {
    fn new<F: Activation, G: Activation>(random: &mut Pcg32, bits: u32) -> Self {
        Self { first: Known::new::<F>(random, bits), second: Known::new::<G>(random, bits) }
    }

    fn net<F: Activation, G: Activation>(&self) -> <Net<F, G> as Stored>::Int8<'_> {
        (self.first.layer::<F>(), self.second.layer::<G>())
    }

    /// `½ Σ (y - x)² / 255`, y and x in steps of a `u8`, of the network without its rounding, each scale and bias changed
    /// by what is given: the first layer's 12 and 12, the second's 16 and 16.
    fn loss<F: Activation, G: Activation>(&self, x: &[u8; 16], change: &[f64; 56]) -> f64 {
        let target = x.map(f64::from);
        let h = self.first.outputs::<F>(self.first.z(&target, (&change[..12], &change[12..24]), false));
        let y = self.second.outputs::<G>(self.second.z(&h, (&change[24..40], &change[40..]), true));
        y.iter().zip(target).map(|(y, x)| (y - x).powi(2) / 510.0).sum()
    }

    /// The tables and the moments after one image.
    fn learn<F: Activation, G: Activation>(&self, rule: Rule, rate: f32, x: &[u8; 16]) -> Memory<F, G> {
        let net = self.net::<F, G>();
        let (mut tables, mut moments) = (<Net<F, G> as Adapt>::Tables::ZERO, <Net<F, G> as Adapt>::Moments::ZERO);
        let (mut joints, mut acts) = (<Net<F, G> as Adapt>::Joints::ZERO, <Net<F, G> as Stored>::Acts8::ZERO);
        Net::<F, G>::copy_tables(&net, &mut tables);
        Net::<F, G>::with_tables(&net, &tables).forward::<1>(&Plain, std::slice::from_ref(x), &mut acts);
        let y = acts.1[0];
        let dy = y.into_iter().zip(x).map(|(y, x)| (f32::from(y) - f32::from(*x)) / 255.0);
        let turn = endless(rule, rate, 1).turn();
        Net::<F, G>::backward(&net, &turn, true, &acts, dy, None, &mut tables, &mut moments, &mut joints);
        (tables, moments)
    }
}

/// The gradient that the device follows is what a small step of plain gradient descent does to the tables.
fn follows_the_gradient<F: Activation, G: Activation>(bits: u32) {
    // Large enough that a step is many units of the tables, which are integers.
    const RATE: f32 = 1e-3;
    let names = format!("{:?}, {:?}, {bits} bits", F::KIND, G::KIND);
    for seed in 0..20 {
        let mut random = Pcg32::new(seed, 1);
        let pair = Pair::new::<F, G>(&mut random, bits);
        // Not where rounding decides on which side of its kink a ReLU is.
        let smooth = |x: &[u8; 16]| {
            let z = pair.first.z(&x.map(f64::from), (&[0.0; 12], &[0.0; 12]), false);
            F::KIND != ActivationKind::Relu || z.iter().all(|z| (64.0 * z).abs() > 1.0)
        };
        let mut images = std::iter::repeat_with(|| [(); 16].map(|()| random.next_u32() as u8));
        let x = images.find(smooth).unwrap();
        let numeric: [f64; 56] = std::array::from_fn(|i| {
            let at = |change: f64| {
                let mut changes = [0.0; 56];
                changes[i] = change;
                pair.loss::<F, G>(&x, &changes)
            };
            (at(1e-4) - at(-1e-4)) / 2e-4
        });
        let (tables, _) = pair.learn::<F, G>(Rule::Sgd(Sgd { momentum: 0.0 }), RATE, &x);
        let mut stepped = pair.first.gradients(RATE, &tables.0, false);
        stepped.extend(pair.second.gradients(RATE, &tables.1, true));
        for (name, part) in
            [("first scales", 0..12), ("first biases", 12..24), ("last scales", 24..40), ("last biases", 40..56)]
        {
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (a, b) = (&numeric[part.clone()], &stepped[part]);
            let (cosine, length) = (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(), (dot(b, b) / dot(a, a)).sqrt());
            assert!(
                cosine > 0.99 && (0.9..1.1).contains(&length),
                "{names}, seed {seed}, {name}: cosine {cosine}, length {length}"
            );
        }
    }
}

#[test]
fn the_device_follows_the_gradient_of_the_network_without_rounding() {
    for bits in BITS {
        follows_the_gradient::<Sigmoid, Sigmoid>(bits);
        follows_the_gradient::<Relu, Identity>(bits);
        follows_the_gradient::<Identity, Sigmoid>(bits);
    }
}

#[test]
fn a_channel_without_a_unit_stays_as_it_is_and_spoils_nothing() {
    let random = &mut Pcg32::new(1, 1);
    let mut pair = Pair::new::<Sigmoid, Sigmoid>(random, 8);
    pair.first.channels[5].multiplier = 0;
    pair.second.channels[6].multiplier = 0;
    for rule in [Rule::Sgd(Sgd::default()), Rule::RmsProp(RmsProp::default()), Rule::Adam(Adam::default())] {
        let (tables, moments) = pair.learn::<Sigmoid, Sigmoid>(rule, 1e-3, &[(); 16].map(|()| random.next_u32() as u8));
        let channels = pair.first.channels.iter().chain(&pair.second.channels);
        let learned = tables.0.iter().chain(&tables.1).zip(moments.0.iter().chain(&moments.1));
        for (factory, (channel, [scale, bias])) in channels.zip(learned) {
            if factory.multiplier == 0 {
                assert_eq!((channel, [*scale, *bias]), (factory, [Moments::ZERO; 2]), "{rule:?}");
            } else {
                assert_ne!(channel, factory, "{rule:?}");
                assert!([scale.m, scale.v, bias.m, bias.v].iter().all(|moment| moment.is_finite()), "{rule:?}");
            }
        }
    }
}
