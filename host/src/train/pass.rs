//! One shard of a batch forward and backward, as [`autoencoder_core::dense`] does it for one layer:
//!
//! ```text
//! forward,  from the first layer:   z = x·Wᵀ + b          y = σ(z)
//! backward, from the last layer:    dz = dy ⊙ σ'(z)       db = Σ dz       dx = dz·W, the dy of the layer before
//! ```
//!
//! If a code has fewer than 8 bits, its elements are rounded on their way from the encoder to the decoder. The encoder's own
//! outputs stay exact, because the derivative of its activation needs them.
//!
//! The gradients of weights are not computed here: `update` computes them from all shards together, some rows of a layer at a
//! time.

use super::parallel::{for_each, is_worth_threads};
use super::qat::round_code;
use crate::aligned::Aligned;
use crate::data::Dataset;
use crate::kernels::{Products, SHARD, ShardOperands, activation_backward, vectorise};
use crate::network::FloatNetwork;
use crate::profile::{Phase, timed};
use autoencoder_core::{Topology, loss};
use pulp::{Simd, WithSimd};
use rand::Rng;
use rand_pcg::Pcg32;

/// The network that a pass computes with.
pub(crate) struct Pass<'a, P: Products> {
    products: P,
    /// Shapes and biases.
    network: &'a FloatNetwork,
    /// The weights as the products read them.
    layers: Vec<P::Layer<'a>>,
    /// Bits that code elements are rounded to; 8 bits mean no rounding.
    code_bits: u8,
}

impl<'a, P: Products> Pass<'a, P> {
    /// A pass with the weights of `network`, which `packed` holds too.
    pub(crate) fn new(products: P, network: &'a FloatNetwork, packed: &'a P::Packed, code_bits: u8) -> Self {
        Self { products, network, layers: P::layers(packed, network), code_bits }
    }
}

/// The rows of a batch, and their shift.
pub(crate) struct Batch<'a> {
    /// The source of the rows.
    pub(crate) data: &'a dyn Dataset,
    /// The indices of the rows in `data`.
    pub(crate) rows: &'a [u32],
    /// The shift of the second half of the rows, down and to the right.
    pub(crate) translation: [isize; 2],
    /// The noise on the inputs.
    pub(crate) noise: Option<Noise>,
}

/// Noise that is added to the inputs of a batch, but not to the targets.
#[derive(Clone, Copy)]
pub(crate) struct Noise {
    /// Standard deviation.
    pub(crate) deviation: f32,
    /// The seed of this step.
    pub(crate) seed: u64,
}

impl Noise {
    /// Adds to each number the sum of four uniform ones, which is close to a normal one. `shard` is the number of the random
    /// stream.
    fn add(self, shard: usize, x: &mut [f32]) {
        // A uniform number from 0 to 2¹⁶ has the variance 2³² / 12.
        let scale = self.deviation * 3.0f32.sqrt() / 65536.0;
        let mut rng = Pcg32::new(self.seed, shard as u64);
        for x in x {
            let [a, b] = [rng.next_u32(), rng.next_u32()].map(|bits| (bits & 0xffff) as f32 + (bits >> 16) as f32);
            *x += scale * (a + b - 131_070.0);
        }
    }
}

impl Batch<'_> {
    /// Runs every shard forward and backward, on all threads of the current rayon pool. Returns the MSE of the batch: the mean of
    /// `(y - x)²` over rows and their elements.
    pub(crate) fn forward_backward<P: Products>(&self, pass: &Pass<'_, P>, shards: &mut [Shard<P>]) -> f32 {
        let Self { data, rows, translation, noise } = *self;
        let scale = 1.0 / (rows.len() * data.width()) as f32;
        let parameters = pass.network.parameters().len();
        let most = shard_rows(rows.len(), parameters);
        let all = shards.iter_mut().zip(rows.chunks(most)).enumerate().collect();
        for_each(all, parameters * rows.len(), |(i, (shard, own))| {
            // The first half of the batch.
            let unshifted = (rows.len() / 2).saturating_sub(i * most).min(own.len());
            shard.gather(data, own, unshifted, translation);
            if let Some(noise) = noise {
                shard.add_noise(noise, i);
            }
            shard.forward_backward(pass, scale);
        });
        shards.iter().map(|shard| shard.squared_error).sum::<f32>() * scale
    }
}

/// The rows of each shard of a batch but the last, for a network with this many parameters. A batch of less than two whole
/// shards is halved so that a second thread has work. The number of threads is no argument, because results must not depend on
/// it.
fn shard_rows(batch: usize, parameters: usize) -> usize {
    if batch < 2 * SHARD && is_worth_threads(parameters * batch) {
        batch.div_ceil(2).next_multiple_of(16)
    } else {
        SHARD
    }
}

/// The number of shards of such a batch.
pub(crate) fn shard_count(batch: usize, parameters: usize) -> usize {
    batch.div_ceil(shard_rows(batch, parameters))
}

/// Up to [`SHARD`] rows of a batch, and the results of their forward and backward passes.
pub(crate) struct Shard<P: Products> {
    activations: Activations,
    /// The rows without the noise on the inputs; empty if there is none.
    targets: Vec<f32>,
    /// For each layer, first `dL/dy`, then `dL/dz`: `[rows, outputs]`.
    d: Vec<Aligned>,
    /// For each layer, the gradient of its bias: `[outputs]`.
    db: Vec<Aligned>,
    /// For each layer, the operands that its products store.
    operands: Vec<P::Operands>,
    /// The sum of `(y - x)²` over all rows.
    squared_error: f32,
}

impl<P: Products> Shard<P> {
    /// A shard without rows.
    pub(crate) fn new(products: P, topology: &Topology) -> Self {
        let layers = topology.layers();
        let outputs =
            |rows: usize| layers.iter().map(|spec| Aligned::zeroed(rows * usize::from(spec.outputs))).collect();
        Self {
            activations: Activations::new(topology),
            targets: Vec::new(),
            d: outputs(SHARD),
            db: outputs(1),
            operands: layers.iter().enumerate().map(|(index, spec)| products.operands(index, *spec)).collect(),
            squared_error: 0.0,
        }
    }

    /// Copies rows in: the first ones as they are, the others shifted.
    pub(crate) fn gather(&mut self, data: &dyn Dataset, rows: &[u32], unshifted: usize, translation: [isize; 2]) {
        self.activations.rows = rows.len();
        let width = self.activations.size(0);
        let x = &mut self.activations.boundaries[0][..rows.len() * width];
        timed(Phase::Gather, || {
            // Rows lie anywhere in memory. Copied without a request, each would wait for the one before it.
            for index in rows {
                data.prefetch(*index as usize);
            }
            for (i, (x, index)) in x.chunks_exact_mut(width).zip(rows).enumerate() {
                if i < unshifted || translation == [0, 0] {
                    data.copy(*index as usize, x);
                } else {
                    data.copy_moved(*index as usize, translation, x);
                }
            }
        });
    }

    /// Keeps the rows as targets, and adds noise to the inputs.
    fn add_noise(&mut self, noise: Noise, shard: usize) {
        let numbers = self.activations.rows * self.activations.size(0);
        let x = &mut self.activations.boundaries[0][..numbers];
        self.targets.clear();
        self.targets.extend_from_slice(x);
        noise.add(shard, x);
    }

    /// Forward, loss and backward. The gradients are those of `L = scale · Σ (y - x)²`.
    fn forward_backward(&mut self, pass: &Pass<'_, P>, scale: f32) {
        self.forward(pass);
        let Self { activations, targets, d, .. } = self;
        let x = if targets.is_empty() { activations.exact(0) } else { targets };
        let (y, width) = (activations.given(pass.layers.len()), activations.size(0));
        if let Some(d) = d.last_mut() {
            self.squared_error = timed(Phase::Loss, || vectorise(Loss { x, y, width, scale, d: &mut d[..x.len()] }));
        }
        self.backward(pass);
    }

    /// Computes the outputs of all layers.
    pub(crate) fn forward(&mut self, pass: &Pass<'_, P>) {
        let Self { activations, operands, .. } = self;
        let encoder_layers = pass.network.topology().encoder_layers();
        activations.rounded = (pass.code_bits < 8).then_some(encoder_layers);
        for (index, (layer, operands)) in pass.network.layers().zip(operands).enumerate() {
            let (x, y) = activations.around(index);
            pass.products.forward(pass.layers[index], x, operands, y); // z = x·Wᵀ
            pass.products.activate(layer.spec.activation, layer.bias, y); // y = σ(z + b)
            if activations.rounded == Some(index + 1) {
                activations.round_code(pass.code_bits, index + 1);
            }
        }
    }

    /// Computes, from `dL/dy` of the last layer, `dL/dz` and the gradient of the bias of every layer.
    fn backward(&mut self, pass: &Pass<'_, P>) {
        let Self { activations, d, db, operands, .. } = self;
        let layers = pass.network.topology().layers().iter().zip(db).zip(operands).enumerate();
        for (index, ((spec, db), operands)) in layers.rev() {
            let [inputs, outputs] = spec.sizes().map(|size| size * activations.rows);
            let (before, own) = d.split_at_mut(index);
            let d = &mut own[0][..outputs];
            activation_backward(spec.activation, activations.exact(index + 1), d, db); // dz = dy ⊙ σ'(z);  db = Σ dz
            // The backward pass takes the rounding of the code for the identity, so this is also the gradient of the exact code.
            let dx = before.last_mut().map(|dx| &mut dx[..inputs]);
            pass.products.input_gradient(pass.layers[index], d, operands, dx); // dx = dz·W
        }
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.activations.rows
    }

    /// The outputs of the last layer, `[rows, outputs]`.
    pub(crate) fn output(&self) -> &[f32] {
        self.activations.given(self.d.len())
    }

    /// The rows, `[rows, inputs]`.
    pub(crate) fn x(&self) -> &[f32] {
        self.activations.exact(0)
    }

    /// The operands of a layer's weight gradient.
    pub(crate) fn operands(&self, index: usize) -> ShardOperands<'_, P> {
        let (acts, outputs) = (&self.activations, self.activations.size(index + 1));
        let (dz, x) = (&self.d[index][..acts.rows * outputs], acts.given(index));
        ShardOperands { dz, x, operands: &self.operands[index] }
    }

    /// The gradient of a layer's bias.
    pub(crate) fn bias_gradient(&self, index: usize) -> &[f32] {
        &self.db[index]
    }
}

/// The inputs and the outputs of all layers. Boundary 0 is the input, boundary `n` the output of layer `n`, counted from 1.
struct Activations {
    rows: usize,
    boundaries: Vec<Aligned>,
    /// The rounded code, if it is rounded.
    code: Aligned,
    /// The boundary of the rounded code; `None` if it is not rounded.
    rounded: Option<usize>,
}

impl Activations {
    fn new(topology: &Topology) -> Self {
        let boundary = |boundary| Aligned::zeroed(SHARD * topology.size(boundary));
        let boundaries = (0..=topology.layers().len()).map(boundary).collect();
        Self { rows: 0, boundaries, code: boundary(topology.encoder_layers()), rounded: None }
    }

    /// Numbers in a row.
    fn size(&self, boundary: usize) -> usize {
        self.boundaries[boundary].len() / SHARD
    }

    /// The rows at a boundary.
    fn exact(&self, boundary: usize) -> &[f32] {
        &self.boundaries[boundary][..self.rows * self.size(boundary)]
    }

    /// The rows at a boundary as inputs of the next layer: a code may be rounded.
    fn given(&self, boundary: usize) -> &[f32] {
        let rows = if self.rounded == Some(boundary) { &self.code } else { &self.boundaries[boundary] };
        &rows[..self.rows * self.size(boundary)]
    }

    /// Rounds the code, which lies at this boundary.
    fn round_code(&mut self, bits: u8, boundary: usize) {
        let count = self.rows * self.size(boundary);
        round_code(bits, &self.boundaries[boundary][..count], &mut self.code);
    }

    /// The inputs of a layer, and its outputs, mutable.
    fn around(&mut self, layer: usize) -> (&[f32], &mut [f32]) {
        let [inputs, outputs] = [layer, layer + 1].map(|boundary| self.rows * self.size(boundary));
        let (before, after) = self.boundaries.split_at_mut(layer + 1);
        let x = if self.rounded == Some(layer) { &self.code } else { &before[layer] };
        (&x[..inputs], &mut after[0][..outputs])
    }
}

/// The squared error of a shard and its gradient, compiled for this machine's vector instructions.
struct Loss<'a> {
    x: &'a [f32],
    y: &'a [f32],
    /// Numbers in a row.
    width: usize,
    scale: f32,
    d: &'a mut [f32],
}

impl WithSimd for Loss<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        let Self { x, y, width, scale, d } = self;
        let rows = y.chunks_exact(width).zip(x.chunks_exact(width)).zip(d.chunks_exact_mut(width));
        rows.map(|((y, x), d)| loss::squared_error(y, x, scale, d)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::F32;
    use ndarray::Array2;

    #[test]
    fn a_small_batch_is_halved_if_that_is_worth_a_second_thread() {
        let classic = 468_368;
        let shards = |batch: usize, parameters| -> Vec<usize> {
            let rows = vec![(); batch];
            let lengths: Vec<usize> = rows.chunks(shard_rows(batch, parameters)).map(<[()]>::len).collect();
            assert_eq!(lengths.len(), shard_count(batch, parameters));
            lengths
        };
        assert_eq!(shards(300, classic), [128, 128, 44]);
        assert_eq!(shards(256, classic), [128, 128]);
        assert_eq!(shards(255, classic), [128, 127]);
        assert_eq!(shards(128, classic), [64, 64]);
        assert_eq!(shards(100, classic), [64, 36]);
        assert_eq!(shards(16, classic), [16]);
        assert_eq!(shards(64, 5_224), [64]); // a loop of so little stays on its thread
    }

    #[test]
    fn noise_has_its_deviation_and_a_stream_of_its_own() {
        let noise = |seed, shard| {
            let mut x = vec![0.5; 100_000];
            Noise { deviation: 0.1, seed }.add(shard, &mut x);
            x
        };
        let x = noise(1, 0);
        let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / x.len() as f64;
        // Five standard errors: of the mean 0.1 / √100,000, of the deviation about 0.7 of that.
        assert!((mean - 0.5).abs() < 0.0016 && (variance.sqrt() - 0.1).abs() < 0.001, "{mean}, {variance}");
        // Four uniform numbers of variance 0.01 / 4 reach √12 deviations.
        assert!(x.iter().all(|x| (x - 0.5).abs() <= 0.1 * 12f32.sqrt() + 1e-6));
        assert!(x == noise(1, 0) && x != noise(1, 1) && x != noise(2, 0));
    }

    #[test]
    fn the_loss_compares_with_the_rows_before_the_noise() {
        let topology: Topology = "4-2i-4i".parse().unwrap();
        let rows = Array2::from_shape_fn((3, 4), |(row, i)| (row + i) as f32 / 8.0);
        let network = FloatNetwork::new(&topology); // all outputs are 0, whatever the inputs
        let mut shard = Shard::new(F32::default(), &topology);
        shard.gather(&rows, &[2, 0], 2, [0, 0]);
        shard.add_noise(Noise { deviation: 0.1, seed: 7 }, 0);
        shard.forward_backward(&Pass::new(F32::default(), &network, &(), 8), 1.0);
        let clean: Vec<f32> = rows.row(2).iter().chain(rows.row(0)).copied().collect();
        assert!(shard.x().iter().zip(&clean).all(|(noisy, clean)| noisy != clean));
        // Σ (0 - x)², and dL/dy = 2 (0 - x).
        assert!((shard.squared_error - clean.iter().map(|x| x * x).sum::<f32>()).abs() < 1e-5);
        assert!(shard.d[1][..8].iter().zip(&clean).all(|(d, x)| (d + 2.0 * x).abs() < 1e-6), "{:?}", &shard.d[1][..8]);
    }
}
