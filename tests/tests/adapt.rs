//! Learning of the integer network: its optimizers against the optimizers, its gradients against finite differences.

use autoencoder_core::activation::ActivationKind;
use autoencoder_core::adapt::{self, LearningMemory, LearningRun, Moments};
use autoencoder_core::blob::{Blob, Format, Header, RawLayer, Thresholds};
use autoencoder_core::network::Half;
use autoencoder_core::optimizer::{Adam, Optimizer, OptimizerKind, RmsProp, Sgd};
use autoencoder_core::quant::{ChannelParams, Int4Tile, Int8Tile, Plain, QuantParams};
use autoencoder_core::{LayerSpec, Network, Topology};
use autoencoder_io::blob_file::{BlobFile, write_blob};
use rand::Rng;
use rand_pcg::Pcg32;
use std::path::Path;
use zerocopy::IntoBytes;

/// A run whose rate is as good as constant: its end is far away.
fn endless(optimizer: OptimizerKind, rate: f32, batch: u8) -> LearningRun {
    LearningRun::new(optimizer, rate, batch, u32::MAX)
}

fn gradients(seed: u64) -> impl Iterator<Item = f32> {
    let mut random = Pcg32::new(seed, 0);
    std::iter::repeat_with(move || (random.next_u32() as f32 / u32::MAX as f32 - 0.3) * 4.0)
}

fn agrees_within(epsilons: f32, optimizer: OptimizerKind, method: &impl Optimizer) {
    let (mut run, mut moments) = (endless(optimizer, 0.01, 1), Moments::default());
    let (mut m, mut v) = ([0.0], [0.0]);
    for (t, g) in (1..=200).zip(gradients(1)) {
        let step = run.next_step().step(g, &mut moments);
        let mut g = [g];
        method.steps(t, 0.01, &mut g, &mut m, &mut v);
        let close = (step - g[0]).abs() <= epsilons * f32::EPSILON * step.abs();
        assert!(close, "{optimizer:?}, step {t}: {step} is not {}", g[0]);
    }
}

#[test]
fn a_batch_of_one_steps_as_the_optimizers_do() {
    let (sgd, rms) = (Sgd { momentum: 0.9 }, RmsProp { decay: 0.95, epsilon: 1e-8 });
    let adam = Adam { beta1: 0.9, beta2: 0.95, ..Adam::default() };
    agrees_within(4.0, OptimizerKind::Sgd(sgd), &sgd);
    agrees_within(4.0, OptimizerKind::RmsProp(rms), &rms);
    agrees_within(4.0, OptimizerKind::Adam(adam), &adam);
    agrees_within(64.0, OptimizerKind::Adam(Adam::default()), &Adam::default());
}

#[test]
fn a_batch_steps_once_by_the_mean_of_its_gradients() {
    let sgd = Sgd { momentum: 0.5 };
    let (mut run, mut moments) = (endless(OptimizerKind::Sgd(sgd), 0.1, 4), Moments::default());
    let mut steps = |g: [f32; 4]| g.map(|g| run.next_step().step(g, &mut moments));
    assert_eq!(steps([1.0, 2.0, 3.0, 6.0]), [0.0, 0.0, 0.0, 0.1 * 3.0]);
    let [0.0, 0.0, 0.0, second] = steps([4.0, 4.0, 0.0, 0.0]) else { panic!("a step within a batch") };
    assert!((second - 0.1 * (0.5 * 3.0 + 2.0)).abs() < 1e-6);
}

/// Batches of four; `by_hand` gives the step of batch `t`, counted from 1.
fn batches_of_four(optimizer: OptimizerKind, mut by_hand: impl FnMut(i32, [f64; 4]) -> f64) {
    let (mut run, mut moments) = (endless(optimizer, 0.01, 4), Moments::default());
    let mut gradients = gradients(2);
    for t in 1..=50 {
        let batch: [f32; 4] = std::array::from_fn(|_| gradients.next().unwrap());
        let [a, b, c, step] = batch.map(|g| run.next_step().step(g, &mut moments));
        assert_eq!([a, b, c], [0.0; 3], "{optimizer:?}: a step within batch {t}");
        let expected = by_hand(t, batch.map(f64::from));
        assert!((f64::from(step) - expected).abs() < 1e-7, "{optimizer:?}, batch {t}: {step} is not {expected}");
    }
}

fn mean(values: [f64; 4]) -> f64 {
    values.iter().sum::<f64>() / 4.0
}

#[test]
fn rmsprop_forgets_once_a_batch() {
    let mut v = 0.0;
    batches_of_four(OptimizerKind::RmsProp(RmsProp { decay: 0.75, epsilon: 1e-8 }), |_, g| {
        v = 0.75 * v + 0.25 * mean(g).powi(2);
        0.01 * mean(g) / (v + 1e-8).sqrt()
    });
}

#[test]
fn adam_forgets_once_a_batch_and_takes_the_mean_of_the_squares() {
    let (mut m, mut v) = (0.0, 0.0);
    batches_of_four(OptimizerKind::Adam(Adam { beta1: 0.5, beta2: 0.75, epsilon: 1e-8, nesterov: false }), |t, g| {
        m = 0.5 * m + 0.5 * mean(g);
        v = 0.75 * v + 0.25 * mean(g.map(|g| g * g));
        0.01 * (m / (1.0 - 0.5f64.powi(t))) / ((v / (1.0 - 0.75f64.powi(t))).sqrt() + 1e-8)
    });
}

#[test]
fn the_rate_falls_to_a_hundredth_and_stays() {
    let mut run = LearningRun::new(OptimizerKind::Sgd(Sgd { momentum: 0.0 }), 1.0, 1, 100);
    let steps: Vec<f32> = (0..150).map(|_| run.next_step().step(1.0, &mut Moments::default())).collect();
    assert!((steps[0] - 1.0).abs() < 1e-6 && (steps[50] - 0.5).abs() < 1e-6);
    assert!(steps[99..].iter().all(|step| (step - 0.01).abs() < 1e-6), "{:?}", &steps[95..105]);
}

/// A layer whose weights are known as plain numbers, too.
struct Known<const I: usize, const O: usize> {
    activation: ActivationKind,
    w: [[i8; I]; O],
    channels: [ChannelParams; O],
    /// In the layout of their format.
    packed: Vec<u8>,
    zero_point: u8,
}

/// The sizes of the weights: within ±127, and within -8..=7.
const BITS: [u32; 2] = [8, 4];

impl<const I: usize, const O: usize> Known<I, O> {
    fn new(activation: ActivationKind, random: &mut Pcg32, bits: u32) -> Self {
        let w = [[(); I]; O].map(|row| row.map(|()| ((random.next_u32() as i8) >> (8 - bits)).max(-127)));
        // Of the indices, from random inputs: room on either side of a zero point of 128, and some saturated sigmoids.
        let (deviation, zero_point) = match activation {
            ActivationKind::Sigmoid => (100.0, 0),
            ActivationKind::Relu => (40.0, 0),
            ActivationKind::Identity => (25.0, 128),
        };
        let unit = deviation / (147.0 * 0.29 * 2f64.powi(bits as i32) * (I as f64).sqrt());
        let channels = [(); O].map(|()| {
            let mut uniform = || f64::from(random.next_u32()) / f64::from(u32::MAX) - 0.5;
            let bias = (deviation / unit * uniform()) as i32;
            ChannelParams { bias, multiplier: (unit * (1.0 + 0.2 * uniform()) * 4_294_967_296.0) as i32 }
        });
        let rows = |r: usize| w[r..].first_chunk::<4>().unwrap();
        let packed = if bits == 8 {
            let tile = |r, c: usize| Int8Tile::pack(rows(r).map(|row| *row[c..].first_chunk().unwrap()));
            let tiles = (0..O).step_by(4).flat_map(|r| (0..I).step_by(4).map(move |c| tile(r, c)));
            tiles.collect::<Vec<_>>().as_bytes().to_vec()
        } else {
            let tile = |r, c: usize| Int4Tile::pack(rows(r).map(|row| *row[c..].first_chunk().unwrap()));
            let tiles = (0..O).step_by(4).flat_map(|r| (0..I).step_by(2).map(move |c| tile(r, c)));
            tiles.collect::<Vec<_>>().as_bytes().to_vec()
        };
        Self { activation, w, channels, packed, zero_point }
    }

    fn spec(&self) -> LayerSpec {
        LayerSpec { inputs: I as u16, outputs: O as u16, activation: self.activation }
    }

    fn raw(&self) -> RawLayer<'_> {
        let output = QuantParams { zero_point: self.zero_point, ..QuantParams::UNIT };
        RawLayer { output, channels: self.channels.as_bytes(), weights: &self.packed }
    }

    /// `z`, in the units of the sigmoid's argument, without rounding; scales and biases changed by what is given.
    fn z(&self, x: &[f64; I], (s, b): (&[f64], &[f64]), is_last: bool) -> [f64; O] {
        std::array::from_fn(|o| {
            let unit = f64::from(self.channels[o].multiplier) / 2f64.powi(38);
            let sum = self.w[o].iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>() * unit;
            let bias = f64::from(self.channels[o].bias) * unit;
            if is_last { (1.0 + s[o]) * (sum + bias) + b[o] } else { (1.0 + s[o]) * sum + bias + b[o] }
        })
    }

    /// The outputs, in steps of a `u8`, without rounding.
    fn outputs(&self, z: [f64; O]) -> [f64; O] {
        z.map(|z| match self.activation {
            ActivationKind::Sigmoid => 255.0 / (1.0 + (-z).exp()),
            ActivationKind::Relu => (64.0 * z).max(0.0),
            ActivationKind::Identity => 64.0 * z + f64::from(self.zero_point),
        })
    }

    /// What a step of plain gradient descent did to the channels, in terms of its gradients: scales, then biases.
    fn gradients(&self, rate: f32, learned: &[ChannelParams], is_last: bool) -> Vec<f64> {
        let z = |channel: ChannelParams| f64::from(channel.bias) * f64::from(channel.multiplier) / 2f64.powi(38);
        let pairs = || self.channels.iter().zip(learned);
        let ratio =
            |(old, new): (&ChannelParams, &ChannelParams)| f64::from(new.multiplier) / f64::from(old.multiplier);
        let scales = pairs().map(|pair| 1.0 - ratio(pair));
        let biases = pairs().map(|pair| z(*pair.0) * if is_last { ratio(pair) } else { 1.0 } - z(*pair.1));
        scales.chain(biases).map(|step| step / f64::from(rate)).collect()
    }
}

/// A network of two layers, 16-12-16.
struct Pair {
    bits: u32,
    first: Known<16, 12>,
    second: Known<12, 16>,
}

impl Pair {
    fn new([first, second]: [ActivationKind; 2], random: &mut Pcg32, bits: u32) -> Self {
        Self { bits, first: Known::new(first, random, bits), second: Known::new(second, random, bits) }
    }

    fn blob(&self) -> BlobFile {
        let header = Header {
            format: if self.bits == 8 { Format::Int8 } else { Format::Int4 },
            accumulators_checked: true,
            steps: 0,
            input: QuantParams::UNIT,
            code_bits: 8,
            thresholds: Thresholds::NONE,
            topology: Topology::new(&[self.first.spec(), self.second.spec()], 1).unwrap(),
        };
        BlobFile::new(Path::new("pair"), &write_blob(&header, [self.first.raw(), self.second.raw()]).unwrap())
    }

    /// `½ Σ (y - x)² / 255`, y and x in steps of a `u8`, of the network without its rounding, each scale and bias changed
    /// by what is given: the first layer's 12 and 12, the second's 16 and 16.
    fn loss(&self, x: &[u8; 16], change: &[f64; 56]) -> f64 {
        let target = x.map(f64::from);
        let h = self.first.outputs(self.first.z(&target, (&change[..12], &change[12..24]), false));
        let y = self.second.outputs(self.second.z(&h, (&change[24..40], &change[40..]), true));
        y.iter().zip(target).map(|(y, x)| (y - x).powi(2) / 510.0).sum()
    }

    /// The channels and the moments after one row.
    fn learn(&self, optimizer: OptimizerKind, rate: f32, x: &[u8; 16]) -> ([ChannelParams; 28], [[Moments; 2]; 28]) {
        let file = self.blob();
        let network = Network::new(Blob::open(file.bytes()).unwrap()).unwrap();
        let (mut channels, mut moments) = ([ChannelParams::default(); 28], [[Moments::default(); 2]; 28]);
        let mut gradients = vec![0.0; adapt::gradients(&network)];
        let mut activations = vec![0; network.memory_bytes()];
        adapt::copy_channels(&network, &mut channels);
        network.input_mut(&mut activations).copy_from_slice(x);
        network.forward(&Plain, Some(&channels), Half::Encoder, &mut activations);
        network.forward(&Plain, Some(&channels), Half::Decoder, &mut activations);
        let step = endless(optimizer, rate, 1).next_step();
        let mut memory = LearningMemory { channels: &mut channels, moments: &mut moments, gradients: &mut gradients };
        adapt::check(&network, &memory).unwrap();
        adapt::backward(&network, &step, x, &activations, &mut memory);
        (channels, moments)
    }
}

/// The gradient that the device follows is what a small step of plain gradient descent does to the channels.
fn follows_the_gradient(activations: [ActivationKind; 2], bits: u32) {
    // Large enough that a step is many units of the channels, which are integers.
    const RATE: f32 = 1e-3;
    let names = format!("{activations:?}, {bits} bits");
    for seed in 0..20 {
        let mut random = Pcg32::new(seed, 1);
        let pair = Pair::new(activations, &mut random, bits);
        // Not where rounding decides on which side of its kink a ReLU is.
        let smooth = |x: &[u8; 16]| {
            let z = pair.first.z(&x.map(f64::from), (&[0.0; 12], &[0.0; 12]), false);
            activations[0] != ActivationKind::Relu || z.iter().all(|z| (64.0 * z).abs() > 1.0)
        };
        let mut images = std::iter::repeat_with(|| [(); 16].map(|()| random.next_u32() as u8));
        let x = images.find(smooth).unwrap();
        let numeric: [f64; 56] = std::array::from_fn(|i| {
            let at = |change: f64| {
                let mut changes = [0.0; 56];
                changes[i] = change;
                pair.loss(&x, &changes)
            };
            (at(1e-4) - at(-1e-4)) / 2e-4
        });
        let (channels, _) = pair.learn(OptimizerKind::Sgd(Sgd { momentum: 0.0 }), RATE, &x);
        let mut stepped = pair.first.gradients(RATE, &channels[..12], false);
        stepped.extend(pair.second.gradients(RATE, &channels[12..], true));
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
    use ActivationKind::{Identity, Relu, Sigmoid};
    for bits in BITS {
        for activations in [[Sigmoid, Sigmoid], [Relu, Identity], [Identity, Sigmoid]] {
            follows_the_gradient(activations, bits);
        }
    }
}

#[test]
fn a_channel_without_a_unit_stays_as_it_is_and_spoils_nothing() {
    let random = &mut Pcg32::new(1, 1);
    let mut pair = Pair::new([ActivationKind::Sigmoid; 2], random, 8);
    pair.first.channels[5].multiplier = 0;
    pair.second.channels[6].multiplier = 0;
    let optimizers = [
        OptimizerKind::Sgd(Sgd::default()),
        OptimizerKind::RmsProp(RmsProp::default()),
        OptimizerKind::Adam(Adam::default()),
    ];
    for optimizer in optimizers {
        let (channels, moments) = pair.learn(optimizer, 1e-3, &[(); 16].map(|()| random.next_u32() as u8));
        let base = pair.first.channels.iter().chain(&pair.second.channels);
        for (base, (channel, [scale, bias])) in base.zip(channels.iter().zip(&moments)) {
            if base.multiplier == 0 {
                assert_eq!((channel, [*scale, *bias]), (base, [Moments::default(); 2]), "{optimizer:?}");
            } else {
                assert_ne!(channel, base, "{optimizer:?}");
                assert!([scale.m, scale.v, bias.m, bias.v].iter().all(|moment| moment.is_finite()), "{optimizer:?}");
            }
        }
    }
}
