//! The trainer: one step after another, each on a batch that is split into shards of at most 128 rows.
//!
//! A step
//! 1. chooses its rows, in an order that follows from the seed;
//! 2. runs each shard forward and backward, one thread a shard;
//! 3. makes the gradient of all shards and the update from it, some rows of a layer at a time;
//! 4. rounds the weights, if it is one of the last, quantisation-aware steps.
//!
//! Neither shards nor rows depend on the number of threads, and shards are added in their order: the same seed gives the same
//! bytes on one thread as on eight. Another kind of products gives other bytes.

use super::backend::Backend;
use super::centre::{Centre, centres, initial_biases};
use super::pass::{Batch, Noise, shard_count};
use super::qat;
use super::recipe::Recipe;
use super::update::Step;
use crate::data::Dataset;
use crate::kernels::SHARD;
use crate::kernels::adam::{AdamStep, bf16_moments_ok};
use crate::network::FloatNetwork;
use crate::profile::{Phase, timed};
use autoencoder_core::Topology;
use autoencoder_core::optimizer::{Adam, OptimizerKind};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_pcg::Pcg32;

/// A network while it is trained.
pub struct Trainer {
    recipe: Recipe,
    steps: u32,
    batch: usize,
    seed: u64,
    steps_done: u32,
    network: FloatNetwork,
    /// The network as its blob will hold it. The quantisation-aware steps compute with it.
    rounded: FloatNetwork,
    /// The scales of the rounded rows.
    scales: Vec<f32>,
    /// Stale for weights while `backend` holds their moments in bfloat16; `state()` refreshes them.
    first_moment: FloatNetwork,
    second_moment: FloatNetwork,
    backend: Backend,
    centres: Vec<Option<Centre>>,
    /// The order of the rows in this pass over them.
    order: Vec<u32>,
}

impl Trainer {
    /// A trainer of a fresh network for `steps` steps. A step takes `batch` rows of `data`, or all rows if there are fewer.
    ///
    /// The network must have as many outputs as inputs, and the rows that width. `seed` determines the initial weights, the
    /// order of the rows and how they are shifted.
    pub fn new(topology: &Topology, recipe: Recipe, steps: u32, batch: usize, seed: u64, data: &dyn Dataset) -> Self {
        assert_eq!(topology.inputs(), topology.outputs(), "an autoencoder has as many outputs as inputs");
        let rows = data.rows().min(recipe.rows);
        assert!(steps > 0 && batch > 0 && rows > 0, "training takes steps and rows");
        let batch = batch.min(rows);
        let mut network = FloatNetwork::new(topology);
        let mut rng = Pcg32::new(seed, 0);
        for (spec, (weights, bias)) in topology.layers().iter().zip(network.layers_mut()) {
            recipe.init.fill_layer(*spec, weights, bias, &mut rng);
        }
        let centres = if recipe.centred { centres(topology, data, rows) } else { Vec::new() };
        initial_biases(&mut network, &centres);
        let mut second_moment = FloatNetwork::new(topology);
        second_moment.parameters_mut().fill(recipe.initial_second_moment());
        let mut trainer = Self {
            recipe,
            steps,
            batch,
            seed,
            steps_done: 0,
            network,
            rounded: FloatNetwork::new(topology),
            scales: Vec::new(),
            first_moment: FloatNetwork::new(topology),
            second_moment,
            backend: Backend::new(recipe.products, topology, shard_count(batch, topology.parameters())),
            centres,
            order: Vec::new(),
        };
        trainer.prepare();
        trainer
    }

    /// The memory of a trainer, to within some ten per cent: parameters, moments, rounded and packed weights, and the
    /// activations and gradients of all shards.
    pub fn memory_bytes(topology: &Topology, batch: usize) -> usize {
        let boundaries = topology.layers().iter().map(|spec| usize::from(spec.outputs)).sum::<usize>();
        let shard = SHARD * (topology.inputs() + 3 * boundaries);
        size_of::<f32>() * (5 * topology.parameters() + shard_count(batch, topology.parameters()) * shard)
    }

    /// The present network; in the quantisation-aware steps, the rounded one.
    pub fn network(&self) -> &FloatNetwork {
        if self.qat() && self.recipe.qat.weights.is_some() { &self.rounded } else { &self.network }
    }

    /// The present number of bits of a code element.
    pub fn code_bits(&self) -> u8 {
        if self.recipe.rounds_code || self.qat() { self.recipe.qat.code_bits } else { 8 }
    }

    /// Steps done.
    pub fn steps_done(&self) -> u32 {
        self.steps_done
    }

    /// All steps of the run.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// The learning rate of the last step.
    pub fn learning_rate(&self) -> f32 {
        self.recipe.rate(self.steps_done, self.steps)
    }

    /// Exact parameters, first and second moments. Together with the number of steps done and the scales, they are the whole
    /// state of training.
    pub fn state(&mut self) -> [&FloatNetwork; 3] {
        self.unpack_moments();
        [&self.network, &self.first_moment, &self.second_moment]
    }

    /// The scales of the rounded rows; empty before the first quantisation-aware step. They belong to the state.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Continues from the state of another trainer with the same topology, recipe and data: its [`Self::steps_done`],
    /// [`Self::scales`] and [`Self::state`].
    pub fn restore(&mut self, steps_done: u32, scales: &[f32], state: [&[f32]; 3]) {
        self.steps_done = steps_done;
        self.scales = scales.to_vec();
        self.order.clear();
        for (to, from) in [&mut self.network, &mut self.first_moment, &mut self.second_moment].into_iter().zip(state) {
            to.parameters_mut().copy_from_slice(from);
        }
        self.prepare();
    }

    /// Begins with the parameters of a network of the same topology.
    pub fn start_from(&mut self, network: &FloatNetwork) {
        assert_eq!(network.topology(), self.network.topology(), "another topology");
        self.network.parameters_mut().copy_from_slice(network.parameters());
        self.scales.clear(); // those of the fresh network
        self.prepare();
    }

    /// Takes one step on the current rayon pool. Returns the MSE of its batch before the update.
    pub fn step(&mut self, data: &dyn Dataset) -> f32 {
        assert_eq!(data.width(), self.network.topology().inputs(), "row width");
        let rows = data.rows().min(self.recipe.rows);
        let batch = self.batch.min(rows);
        let first = timed(Phase::Shuffle, || self.shuffle(rows, batch));
        let exact_steps = self.recipe.exact_steps(self.steps);
        if self.steps_done == exact_steps {
            self.reset_moments();
        }
        let (qat, code_bits) = (self.qat(), self.code_bits());
        self.steps_done += 1;
        let number = if qat { self.steps_done - exact_steps } else { self.steps_done };
        let rate = self.learning_rate();
        let step = Step {
            optimizer: self.recipe.optimizer,
            bf16_adam: self.bf16_adam().map(|adam| AdamStep::new(adam, number, rate)),
            number,
            rate,
            centres: &self.centres,
        };
        let (rows, translation) = (&self.order[first..first + batch], self.translation());
        let batch = Batch { data, rows, translation, noise: self.noise() };
        let network = if qat && self.recipe.qat.weights.is_some() { &self.rounded } else { &self.network };
        let mse = self.backend.forward_backward(&batch, network, code_bits);
        self.backend.update(step, [&mut self.network, &mut self.first_moment, &mut self.second_moment]);
        self.round();
        mse
    }

    /// The noise of this step.
    fn noise(&self) -> Option<Noise> {
        let Recipe { noise: deviation, .. } = self.recipe;
        let seed = self.seed.wrapping_add(u64::from(self.steps_done) << 32);
        (deviation > 0.0).then_some(Noise { deviation, seed })
    }

    /// Whether the next step is a quantisation-aware one, or the last one was.
    fn qat(&self) -> bool {
        self.steps_done >= self.recipe.exact_steps(self.steps)
    }

    /// Derives rounded and packed weights and packed moments from the parameters and the moments.
    fn prepare(&mut self) {
        self.backend.pack(&self.network);
        self.pack_moments();
        self.round();
    }

    /// The optimizer, if it has the moments of weights in bfloat16.
    fn bf16_adam(&self) -> Option<Adam> {
        match (&self.backend, self.recipe.optimizer) {
            (Backend::Bf16(_), OptimizerKind::Adam(adam)) if bf16_moments_ok(adam) => Some(adam),
            _ => None,
        }
    }

    /// Moves the moments of weights into the packed form that the steps use.
    fn pack_moments(&mut self) {
        if self.bf16_adam().is_some()
            && let Some(packed) = self.backend.bf16_packed()
        {
            packed.pack_moments(&self.first_moment, &self.second_moment);
        }
    }

    /// Moves them back.
    fn unpack_moments(&mut self) {
        if self.bf16_adam().is_some()
            && let Some(packed) = self.backend.bf16_packed()
        {
            packed.unpack_moments(&mut self.first_moment, &mut self.second_moment);
        }
    }

    /// Rounds the parameters in the quantisation-aware steps. Products then read the rounded ones.
    fn round(&mut self) {
        let Some(format) = self.recipe.qat.weights.filter(|_| self.qat()) else { return };
        if format.rescales() {
            self.scales.clear();
        }
        qat::round(&self.network, format, &mut self.scales, &self.centres, &mut self.rounded);
        self.backend.pack(&self.rounded);
    }

    /// Resets the moments. Those of the exact steps are too small for the error that rounding adds.
    fn reset_moments(&mut self) {
        self.first_moment.parameters_mut().fill(0.0);
        self.second_moment.parameters_mut().fill(self.recipe.initial_second_moment());
        self.pack_moments();
    }

    /// The shift of the step's shifted rows, down and to the right. It follows from the seed and the step.
    fn translation(&self) -> [isize; 2] {
        /// The first stream above those of the orders.
        const STREAMS: u64 = 1 << 32;
        if self.steps_done as f32 > self.recipe.augment_fraction * self.steps as f32 {
            return [0, 0];
        }
        let mut rng = Pcg32::new(self.seed, STREAMS + u64::from(self.steps_done));
        [(); 2].map(|()| rng.random_range(0..3u32) as isize - 1)
    }

    /// Returns the index in `order` of the step's first row. Each pass over the rows has its own order, which follows from the
    /// seed and the number of the pass. A pass leaves out rows that do not fill a batch.
    fn shuffle(&mut self, rows: usize, batch: usize) -> usize {
        let steps_a_pass = rows / batch;
        let (pass, step) = (self.steps_done as usize / steps_a_pass, self.steps_done as usize % steps_a_pass);
        if step == 0 || self.order.len() != rows {
            self.order.clear();
            self.order.extend(0..rows as u32);
            self.order.shuffle(&mut Pcg32::new(self.seed, 1 + pass as u64));
        }
        step * batch
    }
}

#[cfg(test)]
#[path = "trainer_tests.rs"]
mod tests;
