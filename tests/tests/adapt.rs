//! Learning of the integer network: its steps against those of the optimizers, its gradients against finite
//! differences.

use autoencoder_core::activation::ActivationKind;
use autoencoder_core::adapt::{self, LearningMemory, LearningRun, Moments};
use autoencoder_core::blob::{Blob, Format, Header, RawLayer, Thresholds};
use autoencoder_core::network::Half;
use autoencoder_core::optimizer::{Adam, Optimizer, OptimizerKind, RmsProp, Sgd};
use autoencoder_core::quant::{ChannelParams, Int4Tile, Int8Tile, Plain, QuantParams};
use autoencoder_core::{LayerSpec, Network, Topology};
use autoencoder_io::blob_file::{BlobFile, write_blob};
use autoencoder_io::idx::Images;
use rand::Rng;
use rand_pcg::Pcg32;
use std::path::Path;
use tests::net::sigmoid;
use zerocopy::IntoBytes;

/// A run whose rate is almost constant, because its end is far away.
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
fn rmsprop_decays_once_for_each_batch() {
    let mut v = 0.0;
    batches_of_four(OptimizerKind::RmsProp(RmsProp { decay: 0.75, epsilon: 1e-8 }), |_, g| {
        v = 0.75 * v + 0.25 * mean(g).powi(2);
        0.01 * mean(g) / (v + 1e-8).sqrt()
    });
}

#[test]
fn adam_decays_once_for_each_batch_and_averages_the_squares() {
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

/// A layer whose weights are also available as plain numbers.
struct Known<const I: usize, const O: usize> {
    activation: ActivationKind,
    w: [[i8; I]; O],
    channels: [ChannelParams; O],
    /// In the layout of their format.
    packed: Vec<u8>,
    zero_point: u8,
}

/// The widths of the weights, which are within ±127 or within -8..=7.
const BITS: [u32; 2] = [8, 4];

impl<const I: usize, const O: usize> Known<I, O> {
    fn new(activation: ActivationKind, random: &mut Pcg32, bits: u32) -> Self {
        let w = [[(); I]; O].map(|row| row.map(|()| ((random.next_u32() as i8) >> (8 - bits)).max(-127)));
        // The spread of the indices for random inputs: room on either side of a zero point of 128, and some saturated
        // sigmoids.
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

    /// `z`, in the units of the sigmoid's argument, without rounding. `s` and `b` are added to the scales and biases.
    fn z(&self, x: &[f64; I], (s, b): (&[f64], &[f64]), is_last: bool) -> [f64; O] {
        std::array::from_fn(|o| {
            let unit = f64::from(self.channels[o].multiplier) / 2f64.powi(38);
            let sum = self.w[o].iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>() * unit;
            let bias = f64::from(self.channels[o].bias) * unit;
            if is_last { (1.0 + s[o]) * (sum + bias) + b[o] } else { (1.0 + s[o]) * sum + bias + b[o] }
        })
    }

    /// The outputs, in units of a `u8`, without rounding.
    fn outputs(&self, z: [f64; O]) -> [f64; O] {
        z.map(|z| match self.activation {
            ActivationKind::Sigmoid => 255.0 / (1.0 + (-z).exp()),
            ActivationKind::Relu => (64.0 * z).max(0.0),
            ActivationKind::Identity => 64.0 * z + f64::from(self.zero_point),
        })
    }

    /// The gradients that a step of plain gradient descent implies, from the change of the channels: scales, then
    /// biases.
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
        BlobFile::new(Path::new("pair"), &write_blob(&header, [self.first.raw(), self.second.raw()], &[]).unwrap())
    }

    /// The loss `½ Σ (y - x)² / 255` of the network without rounding, with y and x in units of a `u8`. `change` changes
    /// the first layer's 12 scales and 12 biases, then the second's 16 and 16.
    fn loss(&self, x: &[u8; 16], change: &[f64; 56]) -> f64 {
        let target = x.map(f64::from);
        let h = self.first.outputs(self.first.z(&target, (&change[..12], &change[12..24]), false));
        let y = self.second.outputs(self.second.z(&h, (&change[24..40], &change[40..]), true));
        y.iter().zip(target).map(|(y, x)| (y - x).powi(2) / 510.0).sum()
    }

    /// The channels and the moments after one row.
    fn learn(&self, optimizer: OptimizerKind, rate: f32, x: &[u8; 16]) -> ([ChannelParams; 28], [[Moments; 2]; 28]) {
        let base: Vec<_> = self.first.channels.iter().chain(&self.second.channels).copied().collect();
        self.learn_from(&base, optimizer, rate, x)
    }

    /// As [`Self::learn`], from other channels than the blob's.
    fn learn_from(
        &self,
        from: &[ChannelParams],
        optimizer: OptimizerKind,
        rate: f32,
        x: &[u8; 16],
    ) -> ([ChannelParams; 28], [[Moments; 2]; 28]) {
        let file = self.blob();
        let network = Network::new(Blob::open(file.bytes()).unwrap()).unwrap();
        let (mut channels, mut moments) = ([ChannelParams::default(); 28], [[Moments::default(); 2]; 28]);
        let mut gradients = vec![0.0; adapt::gradients(network.topology())];
        let mut activations = vec![0; network.memory_bytes()];
        channels.copy_from_slice(from);
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

/// Compares the change of the channels in a small step of plain gradient descent with the gradient by finite
/// differences.
fn follows_the_gradient(activations: [ActivationKind; 2], bits: u32) {
    // Large enough that a step is many units of the channels, which are integers.
    const RATE: f32 = 1e-3;
    let names = format!("{activations:?}, {bits} bits");
    for seed in 0..20 {
        let mut random = Pcg32::new(seed, 1);
        let pair = Pair::new(activations, &mut random, bits);
        // Skips rows for which rounding decides the side of a ReLU's kink.
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
fn a_channel_without_a_unit_does_not_change_or_affect_others() {
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

#[test]
fn a_batch_size_of_zero_counts_as_one() {
    let steps = |batch| {
        let (mut run, mut moments) = (endless(OptimizerKind::Adam(Adam::default()), 0.01, batch), Moments::default());
        gradients(3).take(20).map(move |g| run.next_step().step(g, &mut moments)).collect::<Vec<_>>()
    };
    assert_eq!(steps(0), steps(1));
    assert_ne!(steps(0), steps(2));
}

/// The optimizers as they are used, without momentum so that a step is its gradient's.
const PLAIN: OptimizerKind = OptimizerKind::Sgd(Sgd { momentum: 0.0 });

#[test]
fn steps_that_round_to_zero_never_change_a_channel() {
    let optimizers = [PLAIN, OptimizerKind::RmsProp(RmsProp::default()), OptimizerKind::Adam(Adam::default())];
    for bits in BITS {
        let random = &mut Pcg32::new(4, 1);
        let pair = Pair::new([ActivationKind::Sigmoid; 2], random, bits);
        let base: Vec<_> = pair.first.channels.iter().chain(&pair.second.channels).copied().collect();
        // Steps far smaller than a unit, and invalid rates.
        for rate in [1e-30, 0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for optimizer in optimizers {
                let mut channels = base.clone();
                for _ in 0..20 {
                    let x = [(); 16].map(|()| random.next_u32() as u8);
                    channels = pair.learn_from(&channels, optimizer, rate, &x).0.to_vec();
                }
                assert!(channels == base, "{optimizer:?}, {rate}, {bits} bits");
            }
        }
    }
}

/// A network of one layer of sixteen, whose steps are known in `f64`.
struct Single {
    layer: Known<16, 16>,
}

/// The expected effect of one row on the channels of a layer.
struct Expected {
    /// `dL/dindex` of each channel.
    d: [f64; 16],
    /// The index of each output.
    index: [f64; 16],
}

impl Single {
    fn new(activation: ActivationKind, random: &mut Pcg32) -> Self {
        Self { layer: Known::new(activation, random, 8) }
    }

    fn blob(&self) -> BlobFile {
        let header = Header {
            format: Format::Int8,
            accumulators_checked: true,
            steps: 0,
            input: QuantParams::UNIT,
            code_bits: 8,
            thresholds: Thresholds::NONE,
            topology: Topology::new(&[self.layer.spec()], 1).unwrap(),
        };
        BlobFile::new(Path::new("single"), &write_blob(&header, [self.layer.raw()], &[]).unwrap())
    }

    /// The outputs of a row, and the channels after a step from it.
    fn learn(&self, rate: f32, x: &[u8; 16]) -> ([u8; 16], [ChannelParams; 16]) {
        let file = self.blob();
        let network = Network::new(Blob::open(file.bytes()).unwrap()).unwrap();
        let (mut channels, mut moments) = ([ChannelParams::default(); 16], [[Moments::default(); 2]; 16]);
        let mut activations = vec![0; network.memory_bytes()];
        adapt::copy_channels(&network, &mut channels);
        network.input_mut(&mut activations).copy_from_slice(x);
        network.forward(&Plain, Some(&channels), Half::Encoder, &mut activations);
        let y = *network.output(&activations).first_chunk().unwrap();
        let step = endless(PLAIN, rate, 1).next_step();
        let mut memory = LearningMemory { channels: &mut channels, moments: &mut moments, gradients: &mut [] };
        adapt::backward(&network, &step, x, &activations, &mut memory);
        (y, channels)
    }

    /// The gradients from the outputs, by the equations, with `L = Σ (y - x)² / 510`.
    fn expected(&self, x: &[u8; 16], y: &[u8; 16]) -> Expected {
        let q = y.map(f64::from);
        let d = |i: usize| (q[i] - f64::from(x[i])) / 255.0;
        let (derivative, index): ([f64; 16], [f64; 16]) = match self.layer.activation {
            ActivationKind::Sigmoid => (
                q.map(|q| q.clamp(0.1, 254.9)).map(|q| q * (255.0 - q) / (255.0 * 64.0)),
                y.map(|y| {
                    let all: Vec<i32> = (-512..512).filter(|index| sigmoid(*index) == y).collect();
                    (f64::from(all.iter().sum::<i32>()) / all.len() as f64).round()
                }),
            ),
            ActivationKind::Relu => (q.map(|q| if q > 0.0 { 1.0 } else { 0.0 }), q),
            ActivationKind::Identity => ([1.0; 16], q.map(|q| q - f64::from(self.layer.zero_point))),
        };
        Expected { d: std::array::from_fn(|i| d(i) * derivative[i]), index }
    }

    /// The steps of a channel: `-rate · d · index` times its multiplier, and `-rate · 64² · d · 2³² / s'` with the
    /// multiplier `s'` after the step.
    fn steps(&self, rate: f64, expected: &Expected, i: usize, come_to: i32) -> [f64; 2] {
        let multiplier = f64::from(self.layer.channels[i].multiplier);
        let by = -rate * expected.d[i];
        [by * expected.index[i] * multiplier, by * 4096.0 * 2f64.powi(32) / f64::from(come_to)]
    }
}

#[test]
fn every_step_ends_at_the_nearest_integers() {
    use ActivationKind::{Identity, Relu, Sigmoid};
    for activation in [Sigmoid, Relu, Identity] {
        let (mut count, mut sum) = ([0; 2], [0.0; 2]);
        for seed in 0..40 {
            let random = &mut Pcg32::new(seed, 2);
            let mut single = Single::new(activation, random);
            // Numbers so small that an `f32` determines the nearest integer.
            for channel in &mut single.layer.channels {
                channel.multiplier /= 64;
                channel.bias = (random.next_u32() % 2_000_000) as i32 - 1_000_000;
            }
            let x = [(); 16].map(|()| random.next_u32() as u8);
            let rate = 10f64.powi(-(1 + seed as i32 % 5));
            let (y, channels) = single.learn(rate as f32, &x);
            let expected = single.expected(&x, &y);
            for (i, (new, old)) in channels.iter().zip(&single.layer.channels).enumerate() {
                let found = [new.multiplier - old.multiplier, new.bias - old.bias].map(f64::from);
                let wanted = single.steps(f64::from(rate as f32), &expected, i, new.multiplier);
                for part in 0..2 {
                    let error = found[part] - wanted[part];
                    let doubt = 1e-6 * wanted[part].abs();
                    assert!(
                        error.abs() <= 0.5 + doubt,
                        "{activation:?}, seed {seed}: {found:?} for {wanted:?}, {old:?}"
                    );
                    // The steps that show a bias of rounding.
                    if wanted[part].abs() < 1000.0 {
                        sum[part] += error * f64::from([old.multiplier, old.bias][part].signum());
                        count[part] += 1;
                    }
                }
            }
        }
        // Truncated steps would be off by half a unit on average.
        for (sum, count) in sum.into_iter().zip(count) {
            assert!(count > 50 && (sum / f64::from(count)).abs() < 0.1, "{activation:?}: {sum} of {count} away from 0");
        }
    }
}

/// Takes a step to `part` of the old multiplier; the gradient determines the rate. Returns the channel before and
/// after.
fn towards(part: f64, multiplier: i32, bias: i32, activation: ActivationKind) -> (ChannelParams, ChannelParams) {
    for seed in 0..1000 {
        let random = &mut Pcg32::new(seed, 3);
        let mut single = Single::new(activation, random);
        single.layer.channels[5] = ChannelParams { bias, multiplier };
        let x = [(); 16].map(|()| random.next_u32() as u8);
        let (y, _) = single.learn(0.0, &x);
        let expected = single.expected(&x, &y);
        let slope = expected.d[5] * expected.index[5];
        let rate = (1.0 - part) / slope;
        if rate > 0.0 && rate.is_finite() && slope.abs() > 1e-3 {
            return (single.layer.channels[5], single.learn(rate as f32, &x).1[5]);
        }
    }
    panic!("no row has a gradient in this direction")
}

#[test]
fn a_multiplier_stays_away_from_zero_on_its_side_of_it() {
    const UNIT: i32 = 30_000_000;
    let close = |found: i32, wanted: f64| (f64::from(found) - wanted).abs() < 1e-3 * wanted.abs() + 1.0;
    for unit in [UNIT, -UNIT] {
        // Through 0 and beyond, and back to a larger one.
        for part in [-0.5, -3.0, 0.5, 4.0] {
            let (_, after) = towards(part, unit, 0, ActivationKind::Identity);
            assert!(close(after.multiplier, part * f64::from(unit)), "{part} of {unit}: {after:?}");
        }
        // Steps nearer to 0 than a 1024th end there, on the side to which the step leads.
        for (part, sign) in [(1e-4, 1.0), (-1e-4, -1.0)] {
            let (_, after) = towards(part, unit, 0, ActivationKind::Identity);
            assert!(close(after.multiplier, sign * f64::from(unit) / 1024.0), "{part} of {unit}: {after:?}");
        }
    }
    // A small integer multiplier never becomes 0, from either side.
    for multiplier in [900, -900] {
        for part in [1e-4, -1e-4] {
            let (_, after) = towards(part, multiplier, 400_000_000, ActivationKind::Sigmoid);
            assert_eq!(after.multiplier, multiplier.signum(), "{part} of {multiplier}");
        }
    }
}

#[test]
fn a_bias_stays_within_thirty_bits() {
    // `b` follows the multiplier in the last layer, so a bias changes only by its own step, which is large for a small
    // multiplier.
    // Here, an index has the sign of its bias. A step that shrinks the multiplier reduces the index, and the bias's own
    // step reduces it further, to the other end of the range.
    for (bias, end) in [(1 << 29, -(1 << 30)), (-(1 << 29), (1 << 30) - 1)] {
        let (before, after) = towards(1e-4, 900, bias, ActivationKind::Sigmoid);
        assert_eq!(before.bias, bias);
        assert_eq!(after.bias, end, "{after:?}");
    }
}

#[test]
fn a_saturated_sigmoid_learns_and_a_relu_at_zero_does_not() {
    let random = &mut Pcg32::new(1, 4);
    for (bias, x) in [(100_000_000, 0u8), (-100_000_000, 255)] {
        for activation in [ActivationKind::Sigmoid, ActivationKind::Relu] {
            let mut single = Single::new(activation, random);
            for channel in &mut single.layer.channels {
                channel.bias = bias;
            }
            let (y, channels) = single.learn(0.01, &[x; 16]);
            let end = if bias > 0 { 255 } else { 0 };
            assert_eq!(y, [end; 16]);
            let moves = activation == ActivationKind::Sigmoid || end == 255;
            for (new, old) in channels.iter().zip(&single.layer.channels) {
                // It moves down from 255 and up from 0.
                let z = |channel: &ChannelParams| f64::from(channel.bias) * f64::from(channel.multiplier);
                let step = z(new) - z(old);
                assert!(
                    if moves { step * f64::from(bias) < 0.0 } else { new == old },
                    "{activation:?}: {old:?} {new:?}"
                );
            }
        }
    }
}

/// Most of these steps are smaller than a unit. Truncated steps made the error 5 % larger over as many images.
#[test]
fn small_steps_do_not_increase_the_error_of_an_unchanged_sensor() {
    let file = BlobFile::read(&tests::mnist().join("../../models/classic.int8.blob")).unwrap();
    let network = Network::open(file.bytes()).unwrap();
    let images = Images::train(&tests::mnist()).unwrap();
    let mut channels = vec![ChannelParams::default(); network.channels()];
    let mut moments = vec![[Moments::default(); 2]; network.channels()];
    let mut gradients = vec![0.0; adapt::gradients(network.topology())];
    let mut activations = vec![0; network.memory_bytes()];
    adapt::copy_channels(&network, &mut channels);
    let pass = |channels: &[ChannelParams], activations: &mut [u8], row: &[u8]| {
        network.input_mut(activations).copy_from_slice(row);
        network.forward(&Plain, Some(channels), Half::Encoder, activations);
        network.forward(&Plain, Some(channels), Half::Decoder, activations);
        row.iter().zip(network.output(activations)).map(|(x, y)| u64::from(x.abs_diff(*y)).pow(2)).sum::<u64>()
    };
    let test = tests::digits(500);
    let error = |channels: &[ChannelParams], activations: &mut [u8]| -> u64 {
        (0..test.len()).map(|i| pass(channels, activations, test.image(i))).sum()
    };
    let before = error(&channels, &mut activations);
    let adam = Adam { beta1: 0.9, beta2: 0.95, ..Adam::default() };
    let mut run = LearningRun::new(OptimizerKind::Adam(adam), 1e-5, 1, 3000);
    for i in 0..3000 {
        pass(&channels, &mut activations, images.image(i));
        let step = run.next_step();
        let mut memory = LearningMemory { channels: &mut channels, moments: &mut moments, gradients: &mut gradients };
        adapt::backward(&network, &step, images.image(i), &activations, &mut memory);
    }
    let ratio = error(&channels, &mut activations) as f64 / before as f64;
    assert!((0.98..1.005).contains(&ratio), "{ratio}");
}
