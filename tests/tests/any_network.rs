//! Integer networks of any shape against plain loops over unpadded rows, and their learning step against gradient
//! descent.

use autoencoder_core::activation::ActivationKind;
use autoencoder_core::adapt::{self, LearningMemory, LearningRun, Moments};
use autoencoder_core::network::{Half, memory_bytes};
use autoencoder_core::optimizer::{OptimizerKind, Sgd};
use autoencoder_core::quant::{ChannelParams, Kernel, Plain, code};
use autoencoder_core::{Error, Network, Resource};
use autoencoder_io::blob_file::BlobFile;
use host::kernels::Fast;
use proptest::prelude::*;
use tests::net::{self, Layer, Net, Random};
use tests::networks::{autoencoders, cases, formats, net, topologies};

fn blob_file(net: &Net) -> BlobFile {
    BlobFile::new("blob".as_ref(), &net.blob())
}

/// Runs a row through a network in memory full of `garbage`, and compares every layer's outputs with the plain loops.
fn check_layers<K: Kernel>(kernel: &K, network: &Network<'_>, net: &Net, row: &[u8], garbage: u8) {
    let topology = network.topology();
    let (layers, encoder_layers) = (topology.layers().len(), topology.encoder_layers());
    // Some extra bytes, so that the scratch begins at any alignment.
    let mut memory = vec![garbage; memory_bytes::<K>(topology) + usize::from(garbage % 5)];
    network.input_mut(&mut memory).copy_from_slice(row);
    network.forward(kernel, None, Half::Encoder, &mut memory);
    let (mut expected, mut outputs) = (row.to_vec(), net.layers.iter());
    for (boundary, layer) in (1..=encoder_layers).zip(&mut outputs) {
        expected = layer.forward(&expected);
        assert_eq!(network.activations(boundary, &memory), expected, "{topology}, layer {boundary}");
    }
    let (bits, element) = (network.blob().header().code_bits, network.code_mut(&mut memory));
    assert_eq!(code::pack(element, bits), net.packed(&expected));
    code::unpack(element, bits);
    expected = net.rounded(&expected);
    assert_eq!(element, expected);
    // The decoder needs only the code from the encoder's pass.
    memory.fill(!garbage);
    network.code_mut(&mut memory).copy_from_slice(&expected);
    network.forward(kernel, None, Half::Decoder, &mut memory);
    for (boundary, layer) in (encoder_layers + 1..=layers).zip(outputs) {
        expected = layer.forward(&expected);
        assert_eq!(network.activations(boundary, &memory), expected, "{topology}, layer {boundary}");
    }
    assert_eq!(network.output(&memory), expected);
}

/// Runs the layers one by one, with padding of 255 in their inputs, which must not affect any output.
fn check_padding<K: Kernel>(kernel: &K, network: &Network<'_>, net: &Net, row: &[u8]) {
    let mut x = row.to_vec();
    for (layer, plain) in network.layers().zip(&net.layers) {
        let [inputs, outputs] = layer.padded_sizes();
        x.resize(inputs, 255);
        let (mut y, mut scratch) = (vec![255; outputs], vec![255; K::scratch_bytes(inputs)]);
        kernel.dense(&layer, &x, &mut y, &mut scratch);
        x.truncate(plain.spec.inputs.into());
        y.truncate(plain.spec.outputs.into());
        assert_eq!(y, plain.forward(&x), "{:?}", layer.spec());
        x = y;
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn every_layer_gives_the_bytes_of_plain_loops(
        topology in topologies(),
        format in formats(),
        bits in 1..=8u8,
        seed in any::<u64>(),
        garbage in any::<u8>(),
    ) {
        let net = net(&topology, format, bits, seed);
        let file = blob_file(&net);
        let network = Network::open(file.bytes()).unwrap();
        let random = &mut Random::new(seed);
        // Noise, and a row with many zeros.
        let noise = random.bytes(net.topology().inputs());
        let sparse: Vec<u8> = noise.iter().map(|x| if random.range(0, 3) == 0 { *x } else { 0 }).collect();
        for row in [noise, sparse] {
            check_layers(&Plain, &network, &net, &row, garbage);
            check_padding(&Plain, &network, &net, &row);
            check_layers(&Fast, &network, &net, &row, garbage);
            check_padding(&Fast, &network, &net, &row);
        }
    }

    #[test]
    fn halves_give_the_bytes_of_their_layers(
        topology in topologies(),
        format in formats(),
        bits in 1..=8u8,
        seed in any::<u64>(),
    ) {
        let net = net(&topology, format, bits, seed);
        let row = Random::new(seed).bytes(net.topology().inputs());
        let code = net.encode(&row);
        let (encoder, mut memory) = (blob_file(&net.encoder()), vec![255; 1024]);
        let encoder = Network::open(encoder.bytes()).unwrap();
        prop_assert_eq!(&*encoder.encode(&row, &mut memory).unwrap(), &code[..]);
        if net.topology().decoder_layers() > 0 {
            let (decoder, mut memory) = (blob_file(&net.decoder()), vec![255; 1024]);
            let decoder = Network::open(decoder.bytes()).unwrap();
            prop_assert!(!decoder.topology().has_encoder());
            prop_assert_eq!(decoder.decode(&code, &mut memory).unwrap(), net.decode(&code));
        }
    }

    #[test]
    fn a_row_or_a_memory_of_another_length_is_refused(topology in topologies(), seed in any::<u64>()) {
        let net = Net::new(&topology, seed);
        let file = blob_file(&net);
        let network = Network::open(file.bytes()).unwrap();
        let (inputs, code) = (net.topology().inputs(), net.topology().code());
        let needed = network.memory_bytes();
        let mut memory = vec![0; needed];
        let row = Random::new(seed).bytes(71);
        prop_assert_eq!(&*network.encode(&row[..inputs], &mut memory).unwrap(), net.encode(&row[..inputs]));
        // An encoder alone, whose last layer is marked, cannot decode.
        let has_decoder = network.topology().has_decoder();
        let decodes = |outcome| if has_decoder { outcome } else { Err(Error::Absent) };
        let decoded = network.decode(&row[..code], &mut memory).map(<[u8]>::to_vec);
        prop_assert_eq!(decoded, decodes(Ok(net.decode(&row[..code]))));
        let length = |expected: usize, found: usize| Error::Length { expected: expected as u32, found: found as u32 };
        for found in [inputs - 1, inputs + 1] {
            prop_assert_eq!(network.encode(&row[..found], &mut memory), Err(length(inputs, found)));
        }
        for found in [code - 1, code + 1] {
            prop_assert_eq!(network.decode(&row[..found], &mut memory).map(<[u8]>::to_vec), decodes(Err(length(code, found))));
        }
        let available = needed as u32 - 1;
        let too_small = Error::Capacity { resource: Resource::Activations, needed: needed as u32, available };
        memory.pop();
        prop_assert_eq!(network.encode(&row[..inputs], &mut memory), Err(too_small));
        prop_assert_eq!(network.decode(&row[..code], &mut memory).map(<[u8]>::to_vec), decodes(Err(too_small)));
    }
}

/// Returns a network whose channels have changed since the blob was made: other multipliers, some of them negative, and
/// other biases. Some channels have a multiplier of 0 in both. Their outputs are constant, and they do not learn.
fn change_channels(base: &mut Net, random: &mut Random) -> Net {
    for layer in &mut base.layers {
        layer.channels.iter_mut().skip(3).step_by(7).for_each(|channel| channel.multiplier = 0);
    }
    let mut learned = base.clone();
    for channel in learned.layers.iter_mut().flat_map(|layer| &mut layer.channels) {
        let percent = random.range(50, 150) * if random.range(0, 9) == 0 { -1 } else { 1 };
        channel.multiplier = (i64::from(channel.multiplier) * i64::from(percent) / 100) as i32;
        channel.bias += random.range(-500, 500);
    }
    learned
}

/// Multiplier and bias of each channel after one step of plain gradient descent, in `f64` and without rounding, from
/// the bytes that the integer pass left: `outputs` of each layer. Straight-through: nothing but the outputs is rounded.
///
/// ```text
/// L = Σ (y - x)² / 510     index = 64·z = s·u·Σ w·x + B      u: the blob's multiplier · 2^-32, s·u: the learned one
///                                                            B: the learned bias · s·u
/// hidden layer             dL/ds = dL/dindex · (index - B)/s
/// last layer, B ~ s        dL/ds = dL/dindex · index/s
/// B = 64·b                 dL/db = dL/dindex · 64
/// ```
fn descend(base: &Net, learned: &Net, rate: f64, row: &[u8], outputs: &[Vec<u8>]) -> Vec<Vec<[f64; 2]>> {
    let last = outputs.len() - 1;
    let mut dy: Vec<f64> =
        outputs[last].iter().zip(row).map(|(y, x)| (f64::from(*y) - f64::from(*x)) / 255.0).collect();
    let mut steps = vec![];
    for (i, (base, layer)) in base.layers.iter().zip(&learned.layers).enumerate().rev() {
        let mut dx = vec![0.0; layer.spec.inputs.into()];
        let mut channels = vec![];
        for (o, dy) in dy.iter().enumerate() {
            let unit = f64::from(base.channels[o].multiplier);
            let [multiplier, bias] = [layer.channels[o].multiplier, layer.channels[o].bias].map(f64::from);
            if unit == 0.0 {
                channels.push([multiplier, bias]);
                continue;
            }
            let (index, derivative) = read_back(layer, outputs[i][o]);
            let (s, b) = (multiplier / unit, bias * multiplier / UNIT);
            let d = dy * derivative;
            for (dx, w) in dx.iter_mut().zip(&layer.weights[o]) {
                *dx += d * multiplier / UNIT * f64::from(*w);
            }
            let new_s = s - rate * d * if i == last { index } else { index - b } / s;
            // The multiplier stays at least 1/1024 of the blob's away from 0, and at least one unit.
            let least = (1.0 / 1024.0f64).max(1.0 / unit);
            let new_s = new_s.abs().max(least).copysign(new_s);
            let new_b = if i == last { b * new_s / s } else { b } - 64.0 * rate * d * 64.0;
            let bias = new_b / (new_s * unit / UNIT);
            channels.push([new_s * unit, bias.clamp(-1_073_741_824.0, 1_073_741_824.0)]);
        }
        steps.push(channels);
        dy = dx;
    }
    steps.reverse();
    steps
}

/// 2^32
const UNIT: f64 = 4_294_967_296.0;

/// The index that led to an output, or the rounded middle of several, and `dy/dindex`. A saturated sigmoid counts as
/// 0.1 away from its end.
fn read_back(layer: &Layer, y: u8) -> (f64, f64) {
    match layer.spec.activation {
        ActivationKind::Sigmoid => {
            let indices: Vec<i32> = (-512..512).filter(|index| net::sigmoid(*index) == y).collect();
            let q = f64::from(y).clamp(0.1, 254.9);
            let middle = f64::from(indices.iter().sum::<i32>()) / indices.len() as f64;
            (middle.round(), q * (255.0 - q) / 255.0 / 64.0)
        }
        ActivationKind::Relu => (f64::from(y), if y > 0 { 1.0 } else { 0.0 }),
        ActivationKind::Identity => (f64::from(y) - f64::from(layer.output.zero_point), 1.0),
    }
}

/// Whether a step ended where it should: within 10⁻⁶ of the longest step of this layer and the rounding of an `f32` and
/// an `i32`.
fn close(got: i32, want: f64, longest: f64) -> bool {
    (f64::from(got) - want).abs() <= 2.0 + 1e-6 * longest + 3e-7 * want.abs()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn learning_takes_the_step_of_gradient_descent(
        topology in autoencoders(),
        format in formats(),
        seed in any::<u64>(),
        spare in 0..6usize,
    ) {
        const RATE: f32 = 1e-3;
        let random = &mut Random::new(seed);
        let mut base = Net::of(&topology, format, seed);
        let learned = change_channels(&mut base, random);
        let file = blob_file(&base);
        let network = Network::open(file.bytes()).unwrap();
        let row = random.bytes(base.topology().inputs());
        let outputs = learned.layer_outputs(&row);

        // Buffers longer than needed, and gradients full of arbitrary numbers.
        let nothing = ChannelParams { bias: 7, multiplier: 7 };
        let mut channels = learned.padded_channels();
        channels.resize(network.channels() + spare, nothing);
        let mut moments = vec![[Moments::default(); 2]; channels.len()];
        let mut gradients = vec![f32::NAN; adapt::gradients(network.topology()) + spare];
        let mut memory = vec![255; network.memory_bytes()];
        network.input_mut(&mut memory).copy_from_slice(&row);
        for half in [Half::Encoder, Half::Decoder] {
            network.forward(&Plain, Some(&channels), half, &mut memory);
        }
        for (boundary, outputs) in (1..).zip(&outputs) {
            prop_assert_eq!(network.activations(boundary, &memory), outputs, "with learned channels");
        }
        let before = channels.clone();
        let mut run = LearningRun::new(OptimizerKind::Sgd(Sgd { momentum: 0.0 }), RATE, 1, u32::MAX);
        let buffers =
            &mut LearningMemory { channels: &mut channels, moments: &mut moments, gradients: &mut gradients };
        adapt::check(&network, buffers).unwrap();
        adapt::backward(&network, &run.next_step(), &row, &memory, buffers);

        let mut at = 0;
        for (layer, steps) in learned.layers.iter().zip(descend(&base, &learned, RATE.into(), &row, &outputs)) {
            let [_, outputs] = layer.spec.sizes();
            let longest = [0, 1].map(|i| {
                let from = |channel: &ChannelParams| f64::from([channel.multiplier, channel.bias][i]);
                layer.channels.iter().zip(&steps).map(|(channel, to)| (to[i] - from(channel)).abs()).fold(0.0, f64::max)
            });
            for (channel, [multiplier, bias]) in channels[at..].iter().zip(&steps) {
                let fits = close(channel.multiplier, *multiplier, longest[0]) && close(channel.bias, *bias, longest[1]);
                prop_assert!(fits, "{:?}: {channel:?}, not {multiplier} and {bias}", layer.spec);
            }
            let padding = at + outputs..at + outputs.next_multiple_of(4);
            prop_assert!(channels[padding.clone()].iter().all(|channel| *channel == ChannelParams::default()));
            prop_assert!(moments[padding.clone()].iter().flatten().all(|moment| *moment == Moments::default()));
            at = padding.end;
        }
        prop_assert_eq!(at, network.channels());
        prop_assert_eq!(&channels[at..], &vec![nothing; spare][..]);
        let constant = channels.iter().zip(&before).filter(|(_, before)| before.multiplier == 0);
        prop_assert!(constant.clone().all(|(after, before)| after == before));
    }
}
