//! Training, generic over the network: batches split into shards, each of which goes forward and backward; then, some
//! rows of a layer at a time, the gradient of all shards and the update made with it.
//!
//! Neither shards nor rows depend on the number of threads, and shards are added in their order: the same seed gives
//! the same bytes on one thread as on eight.

mod loops;

use crate::aware::{self, CodedBackward};
use crate::bfloat16::moments::{self, AdamStep};
use crate::bfloat16::{Operands, Pass, Weights};
use crate::centre::{Centre, centres, initial_biases};
use crate::data::Source;
use crate::gemm::Gemm;
use crate::profile::{Phase, timed};
use crate::recipe::{Method, Recipe};
use crate::together::Together;
use crate::update::{Step, update};
use autoencoder_core::layer::Row;
use autoencoder_core::optimizer::Adam;
use autoencoder_core::{Activation, Backward, Kernels, Layer, Parameters, Zeroed};
use loops::{Gather, Loss};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_pcg::Pcg32;
use rayon::prelude::*;
use std::ops::{Deref, DerefMut};
use zerocopy::{FromBytes, FromZeros};

/// Rows in a shard.
pub const SHARD: usize = 128;

/// Networks that can be trained here: float rows in, rows of the same kind out.
pub trait Trainable:
    CodedBackward + Backward<In: Row<Element = f32>, Out = <Self as Layer>::In> + Parameters + Zeroed + Send + Sync
{
}
impl<N> Trainable for N where
    N: CodedBackward + Backward<In: Row<Element = f32>, Out = <N as Layer>::In> + Parameters + Zeroed + Send + Sync
{
}

/// A network while it is trained.
pub struct Trainer<N: Trainable> {
    recipe: Recipe,
    steps: u32,
    batch: usize,
    seed: u64,
    step: u32,
    net: Box<Aligned<N>>,
    /// The network as its blob will be: what the last steps compute with.
    rounded: Box<Aligned<N>>,
    /// The scales of its rows.
    scales: Vec<f32>,
    /// Those of weights are up to date only in `state` where `weights` has them.
    first_moment: Box<Aligned<N>>,
    second_moment: Box<Aligned<N>>,
    shards: Vec<Shard<N>>,
    centres: Vec<Option<Centre>>,
    order: Vec<u32>,
    kernels: Gemm,
    /// The weights that products read, where they are in bfloat16; with the moments, where these are.
    weights: Option<Weights>,
}

/// What one shard of a batch needs, forward and backward.
pub(crate) struct Shard<N: Trainable> {
    rows: usize,
    /// Whether the decoder was given `code`.
    coded: bool,
    x: Box<Aligned<[N::In; SHARD]>>,
    code: Box<Aligned<[N::Code; SHARD]>>,
    acts: Box<Aligned<N::Acts<SHARD>>>,
    d: Box<Aligned<N::Acts<SHARD>>>,
    /// Its biases: the rest is never touched, so that it takes no memory.
    gradient: Box<Aligned<N>>,
    squared_error: f32,
    /// What products read, where they are in bfloat16.
    operands: Option<Operands>,
}

/// A value that begins where a cache line does: a vector that lies across two lines takes two reads.
#[derive(FromZeros)]
#[repr(C, align(64))]
pub(crate) struct Aligned<T>(T);

impl<T> Deref for Aligned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "a network never passes over the stack")]
fn aligned<T: Zeroed>() -> Box<Aligned<T>> {
    Aligned::new_box_zeroed().expect("memory for a network")
}

/// A value of zeroed memory that never passes over the stack.
pub fn zeroed_box<T: Zeroed>() -> Box<T> {
    T::new_box_zeroed().expect("memory for a network")
}

impl<N: Trainable> Trainer<N> {
    /// A fresh network, to be trained for `steps` steps of `batch` rows of `source`.
    pub fn new(recipe: Recipe, steps: u32, batch: usize, seed: u64, source: &impl Source) -> Self {
        let rows = source.rows().min(recipe.rows);
        assert!(steps > 0 && batch > 0 && rows > 0, "training takes steps and rows");
        let batch = batch.min(rows);
        let weights = if recipe.bfloat16 { Weights::new(N::specs()) } else { None };
        let shard = || Shard {
            rows: 0,
            coded: false,
            x: aligned(),
            code: aligned(),
            acts: aligned(),
            d: aligned(),
            gradient: aligned(),
            squared_error: 0.0,
            operands: weights.as_ref().map(|_| Operands::new(N::specs())),
        };
        let mut net = aligned::<N>();
        recipe.init.fill(&mut **net, &mut Pcg32::new(seed, 0));
        let centres = if recipe.centred { centres::<N>(source, rows) } else { Vec::new() };
        initial_biases(&mut **net, &centres);
        let mut second_moment = aligned::<N>();
        second_moment.slices_mut().for_each(|v| v.fill(recipe.method.initial_second_moment()));
        let mut trainer = Self {
            recipe,
            steps,
            batch,
            seed,
            step: 0,
            net,
            rounded: aligned(),
            scales: Vec::new(),
            first_moment: aligned(),
            second_moment,
            shards: (0..batch.div_ceil(SHARD)).map(|_| shard()).collect(),
            centres,
            order: Vec::new(),
            kernels: Gemm::default(),
            weights,
        };
        trainer.prepare();
        trainer
    }

    /// The network as it is now; in the quantisation-aware steps, as its blob will be.
    pub fn net(&self) -> &N {
        if self.aware() && self.recipe.aware.weights.is_some() { &self.rounded } else { &self.net }
    }

    /// Bits that an element of its code has now.
    pub fn code_bits(&self) -> u8 {
        if self.aware() { self.recipe.aware.code_bits } else { 8 }
    }

    /// Whether the next step is a quantisation-aware one, or the last one was.
    fn aware(&self) -> bool {
        self.step >= self.recipe.exact_steps(self.steps)
    }

    /// Steps done.
    pub fn step(&self) -> u32 {
        self.step
    }

    /// Steps to do in all.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// The learning rate of the last step.
    pub fn learning_rate(&self) -> f32 {
        self.recipe.rate(self.step, self.steps)
    }

    /// Parameters, first and second moments: with the number of steps done, all that training goes on from.
    pub fn state(&mut self) -> [&N; 3] {
        self.write_moments();
        [&self.net, &self.first_moment, &self.second_moment]
    }

    /// The scales of the rounded rows, where there are any: they belong to the state.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Goes on from a state: `fill` writes the parameters and the moments over those of now.
    pub fn restore(&mut self, step: u32, scales: &[f32], mut fill: impl FnMut([&mut N; 3])) {
        self.step = step;
        self.scales = scales.to_vec();
        self.order.clear();
        self.write_moments();
        fill([&mut self.net, &mut self.first_moment, &mut self.second_moment]);
        self.prepare();
    }

    /// One step; returns the MSE of its batch before the update. Runs on the current rayon pool.
    pub fn train(&mut self, source: &impl Source) -> f32 {
        assert_eq!(source.width(), N::In::LEN, "row width");
        let rows = source.rows().min(self.recipe.rows);
        let batch = self.batch.min(rows);
        let first = timed(Phase::Shuffle, || self.shuffle(rows, batch));
        let exact = self.recipe.exact_steps(self.steps);
        if self.step == exact {
            self.forget();
        }
        let (aware, code_bits) = (self.aware(), self.code_bits());
        self.step += 1;
        let number = if aware { self.step - exact } else { self.step };
        let rate = self.learning_rate();
        let short_adam = self.short_adam().map(|adam| AdamStep::new(adam, number, rate));

        let scale = 1.0 / (batch * N::In::LEN) as f32;
        let kernels = self.kernels;
        let moved = self.movement();
        let net = if aware && self.recipe.aware.weights.is_some() { &**self.rounded } else { &**self.net };
        let weights = self.weights.as_ref();
        let order = &self.order[first..first + batch];
        let shards = &mut self.shards[..batch.div_ceil(SHARD)];
        let together = Together::new(shards.len());
        shards.par_iter_mut().zip(order.par_chunks(SHARD)).enumerate().for_each(|(i, (shard, rows))| {
            together.run(|| {
                // Half of the batch, to within a shard's rows.
                let still = (batch / 2).saturating_sub(i * SHARD).min(rows.len());
                let gather = Gather { source, rows, still, moved, x: &mut shard.x[..rows.len()] };
                timed(Phase::Gather, || kernels.vectorise(gather));
                shard.pass(net, weights, code_bits, kernels, rows.len(), scale);
            });
        });

        let step = Step { method: self.recipe.method, short_adam, number, rate, centres: &self.centres };
        let nets = [&mut **self.net, &mut **self.first_moment, &mut **self.second_moment];
        update(kernels, step, nets, self.weights.as_mut(), shards);
        self.round();
        self.shards.iter().take(batch.div_ceil(SHARD)).map(|shard| shard.squared_error).sum::<f32>() * scale
    }

    /// Fills what is made of the parameters and the moments.
    fn prepare(&mut self) {
        if let Some(weights) = &mut self.weights {
            weights.fill(&**self.net);
        }
        self.keep_moments();
        self.round();
    }

    /// The optimizer, if the moments of weights are in bfloat16: beside what products read.
    fn short_adam(&self) -> Option<Adam> {
        match self.recipe.method {
            Method::Adam(adam) if self.weights.is_some() && moments::suffice(adam) => Some(adam),
            _ => None,
        }
    }

    /// Puts the moments where the steps take them from.
    fn keep_moments(&mut self) {
        if self.short_adam().is_some()
            && let Some(weights) = &mut self.weights
        {
            weights.keep_moments([&**self.first_moment, &**self.second_moment]);
        }
    }

    /// The way back.
    fn write_moments(&mut self) {
        if self.short_adam().is_some()
            && let Some(weights) = &self.weights
        {
            weights.write_moments([&mut **self.first_moment, &mut **self.second_moment]);
        }
    }

    /// Fills `rounded` from the parameters, where it is in use: then it is what products read.
    fn round(&mut self) {
        if let (true, Some(precision)) = (self.aware(), self.recipe.aware.weights) {
            if precision.rescales() {
                self.scales.clear();
            }
            aware::round(&**self.net, precision, &mut self.scales, &self.centres, &mut **self.rounded);
            if let Some(weights) = &mut self.weights {
                weights.fill(&**self.rounded);
            }
        }
    }

    /// Whether half of the step's rows move.
    fn moves(&self) -> bool {
        self.step as f32 <= self.recipe.moved * self.steps as f32
    }

    /// How far the step's moved rows move, down and right: made from the seed and the step alone.
    fn movement(&self) -> [isize; 2] {
        /// Above every pass's, which the orders are made from.
        const STREAMS: u64 = 1 << 32;
        if !self.moves() {
            return [0, 0];
        }
        let mut rng = Pcg32::new(self.seed, STREAMS + u64::from(self.step));
        [(); 2].map(|()| rng.random_range(0..3u32) as isize - 1)
    }

    /// Lets the moments start afresh: those of the exact steps are too small for the error that rounding adds.
    fn forget(&mut self) {
        self.first_moment.slices_mut().for_each(|m| m.fill(0.0));
        let start = self.recipe.method.initial_second_moment();
        self.second_moment.slices_mut().for_each(|v| v.fill(start));
        self.keep_moments();
    }

    /// Where the step's rows stand in `order`. Each pass over the rows has an order of its own, made from the seed
    /// and the pass alone; rows that do not fill a batch are left out of it.
    fn shuffle(&mut self, rows: usize, batch: usize) -> usize {
        let steps_a_pass = rows / batch;
        let (pass, step) = (self.step as usize / steps_a_pass, self.step as usize % steps_a_pass);
        if step == 0 || self.order.len() != rows {
            self.order.clear();
            self.order.extend(0..rows as u32);
            self.order.shuffle(&mut Pcg32::new(self.seed, 1 + pass as u64));
        }
        step * batch
    }
}

impl<N: Trainable> Shard<N> {
    /// Forward, loss and backward over its first rows, but for the gradients of weights.
    fn pass(&mut self, net: &N, weights: Option<&Weights>, code_bits: u8, kernels: Gemm, rows: usize, scale: f32) {
        (self.rows, self.coded) = (rows, code_bits < 8);
        let mut operands = self.operands.take();
        if let (Some(weights), Some(operands)) = (weights, &mut operands) {
            self.walk(net, &Pass::new(kernels, weights, operands), code_bits, kernels, scale);
        } else {
            self.walk(net, &WithoutGradients(kernels), code_bits, kernels, scale);
        }
        self.operands = operands;
    }

    /// The same with these kernels.
    fn walk(&mut self, net: &N, k: &impl Kernels, code_bits: u8, loops: Gemm, scale: f32) {
        let x = &self.x[..self.rows];
        let y = net.forward_coded::<SHARD>(k, x, code_bits, &mut **self.code, &mut self.acts);
        let d = N::output_mut::<SHARD>(&mut self.d, self.rows);
        self.squared_error = timed(Phase::Loss, || loops.vectorise(Loss { y, x, scale, d }));
        let gradient = &mut **self.gradient;
        net.backward_coded::<SHARD>(k, x, code_bits, &**self.code, &self.acts, &mut self.d, gradient);
    }

    /// What products in bfloat16 read.
    pub(crate) fn bfloat16_operands(&self) -> Option<&Operands> {
        self.operands.as_ref()
    }

    /// What the gradient of a layer's weights is the product of: `dL/dz`, and the layer's input.
    pub(crate) fn operands(&self, layer: usize) -> [&[f32]; 2] {
        let stage = |acts, stage| numbers(N::stages::<SHARD>(acts, self.rows).nth(stage).unwrap_or_default());
        let input = match layer {
            0 => Row::flattened(&self.x[..self.rows]),
            _ if self.coded && layer == N::layers_before_code() => Row::flattened(&self.code[..self.rows]),
            _ => stage(&self.acts, layer - 1),
        };
        [stage(&self.d, layer), input]
    }

    /// The gradient of a layer's biases.
    pub(crate) fn bias_gradient(&self, layer: usize) -> &[f32] {
        self.gradient.slices().nth(2 * layer + 1).unwrap_or_default()
    }
}

/// A stage's bytes as what they are.
fn numbers(stage: &[u8]) -> &[f32] {
    <[f32]>::ref_from_bytes(stage).expect("stages of `f32`")
}

/// The kernels of a pass that leaves the gradients of weights for later.
struct WithoutGradients(Gemm);

impl Kernels for WithoutGradients {
    fn x_wt<const I: usize, const O: usize>(&self, x: &[[f32; I]], w: &[[f32; I]; O], y: &mut [[f32; O]]) {
        self.0.x_wt(x, w, y);
    }

    fn activate<A: Activation, const O: usize>(&self, y: &mut [[f32; O]], b: &[f32; O]) {
        self.0.activate::<A, O>(y, b);
    }

    fn dy_w<const I: usize, const O: usize>(&self, dy: &[[f32; O]], w: &[[f32; I]; O], dx: &mut [[f32; I]]) {
        self.0.dy_w(dy, w, dx);
    }

    fn dyt_x<const I: usize, const O: usize>(&self, _: &[[f32; O]], _: &[[f32; I]], _: &mut [[f32; I]; O]) {}

    fn slope<A: Activation, const O: usize>(&self, y: &[[f32; O]], d: &mut [[f32; O]], db: &mut [f32; O]) {
        self.0.slope::<A, O>(y, d, db);
    }
}
