//! Trains a small network whole on the device: in `f32`, from random weights to convergence, in 40 KiB of RAM.
//!
//! [`learn`](crate::learn) changes two numbers for each channel of a network that was trained elsewhere; here every
//! weight is learned. Network, gradient and Adam's two moments take 9,104 bytes each, the mean image takes 256 bytes, and
//! each image of a batch takes 1,056 bytes: there is room for a batch of two.

use crate::Error;
use crate::app::Probes;
use crate::message::{self, Usage};
use crate::training::Training;
use autoencoder_core::crc::Digest;
use autoencoder_core::init::Init;
use autoencoder_core::layer::Row;
use autoencoder_core::model::Tiny;
use autoencoder_core::optimizer::Adam;
use autoencoder_core::{Layer, Parameters};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};
use zerocopy::{FromZeros, IntoBytes};

/// Pixels of an image, 8 by 8.
pub const PIXELS: usize = <Tiny as Layer>::In::LEN;
/// Images in a batch.
pub const BATCH: usize = 2;
/// Bytes of RAM of the firmware image, stack included.
pub const RAM: usize = 40 * 1024;
/// Bytes of it that belong to the stack.
pub const STACK: usize = 2 * 1024;
/// The number of images that are reconstructed at the end.
pub const DRAWN: usize = 16;

/// The learning rate at the first step. It falls linearly to [`FLOOR`] of this.
const RATE: f32 = 0.03;
const FLOOR: f32 = 0.01;
/// The seed of the random weights.
const SEED: u64 = 0;
/// The number of times that the error is measured during training.
const REPORTS: u32 = 10;
/// Steps between two signs of life: a few seconds on a slow part.
const BEAT: u32 = 100;

/// The memory of this training: 38,784 bytes.
pub type TinyTraining = Training<Tiny, BATCH>;

const _: () = assert!(size_of::<TinyTraining>() + STACK <= RAM, "training the network stays within its RAM");

/// What to train on. In flash:
///
/// ```text
/// steps  learned  held out | learned images | images held out
///   4       4        4       64 each          64 each            bytes, numbers little-endian
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task<'f> {
    /// The number of updates of the parameters.
    pub steps: u32,
    /// The images to learn from, repeated in this order.
    pub learned: &'f [[u8; PIXELS]],
    /// The images to measure the error on.
    pub held_out: &'f [[u8; PIXELS]],
}

/// A message from the device during training. Each has its own frame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Report<'a> {
    /// The error after some steps.
    Progress {
        /// Steps so far.
        step: u32,
        /// The MSE of the images held out.
        mse: f32,
        /// CRC-32 of all parameters.
        crc: u32,
    },
    /// At the end, the reconstruction of one of the first images held out.
    Image(&'a [u8]),
    /// The last report: RAM and stack of the image, and the instructions of one step.
    Usage(Usage),
    /// The first report: the [CRC](Task::crc) of the task in flash. Without a task it is the only one.
    Task(Option<u32>),
    /// A sign of life, with the steps so far.
    Step(u32),
}

impl<'a> Report<'a> {
    /// Reads a report; [`Error::Malformed`] if the message is not one.
    pub fn read(message: &'a [u8]) -> Result<Self, Error> {
        message::read_all(message)
    }
}

impl<'f> Task<'f> {
    /// Reads the task in a flash. `None` if the flash is shorter than the task says, if there is no image to learn
    /// from, or if fewer than [`BATCH`] are held out.
    pub fn read(flash: &'f [u8]) -> Option<Self> {
        let (numbers, pixels) = flash.as_chunks::<4>().0.split_first_chunk::<3>()?;
        let [steps, learned, held_out] = numbers.map(u32::from_le_bytes);
        let images = pixels.as_flattened().as_chunks().0;
        let (learned, rest) = images.split_at_checked(learned as usize)?;
        let held_out = rest.get(..held_out as usize)?;
        (!learned.is_empty() && held_out.len() >= BATCH).then_some(Self { steps, learned, held_out })
    }

    /// CRC-32 of the task's bytes in flash.
    pub fn crc(&self) -> u32 {
        let mut crc = Digest::new();
        let header = self.header();
        for part in [header.as_flattened(), self.learned.as_flattened(), self.held_out.as_flattened()] {
            crc.update(part);
        }
        crc.finalize()
    }

    /// The three numbers in front of the images.
    pub fn header(&self) -> [[u8; 4]; 3] {
        [self.steps, self.learned.len() as u32, self.held_out.len() as u32].map(u32::to_le_bytes)
    }
}

impl TinyTraining {
    /// Trains from new random weights and reports the progress. The same task gives the same bits on every machine.
    pub fn train(&mut self, task: &Task<'_>, probes: &Probes, report: &mut impl FnMut(&Report<'_>)) {
        report(&Report::Task(Some(task.crc())));
        self.zero();
        Init::GlorotNormal.fill(&mut self.net, &mut Pcg32::new(SEED, 0));
        let images = task.learned.iter().map(|image| &image[..]);
        self.centre(images.clone());
        let mut images = images.cycle();
        let mut instructions = 0;
        report(&self.progress(0, task));
        for step in 1..=task.steps {
            let before = (probes.instructions)();
            self.take(images.by_ref());
            self.forward();
            self.backward();
            let left = 1.0 - (step - 1) as f32 / task.steps as f32;
            self.update(step, RATE * if left < FLOOR { FLOOR } else { left }, &Adam::default());
            instructions = (probes.instructions)().wrapping_sub(before);
            if step.is_multiple_of(BEAT) {
                report(&Report::Step(step));
            }
            if step.is_multiple_of((task.steps / REPORTS).max(1)) || step == task.steps {
                report(&self.progress(step, task));
            }
        }
        for image in task.held_out.iter().take(DRAWN) {
            let mut pixels = [0; PIXELS];
            for (pixel, y) in pixels.iter_mut().zip(self.reconstruct(image)) {
                *pixel = (y * 255.0 + 0.5) as u8;
            }
            report(&Report::Image(&pixels));
        }
        let (static_bytes, stack_bytes) = ((probes.static_bytes)(), (probes.stack_bytes)());
        report(&Report::Usage(Usage { static_bytes, stack_bytes, spare_bytes: 0, instructions }));
    }

    fn progress(&mut self, step: u32, task: &Task<'_>) -> Report<'static> {
        let mut sum = 0.0;
        let (batches, _) = task.held_out.as_chunks::<BATCH>();
        for batch in batches {
            self.take(batch.iter().map(|image| &image[..]));
            sum += self.forward();
        }
        let mut crc = Digest::new();
        self.net.slices().for_each(|array| crc.update(array.as_bytes()));
        Report::Progress { step, mse: sum / batches.len().max(1) as f32, crc: crc.finalize() }
    }

    fn reconstruct(&mut self, image: &[u8]) -> &[f32] {
        self.take([image]);
        self.forward();
        Tiny::output(&self.outputs, 1).first().map_or(&[], Row::elements)
    }
}
