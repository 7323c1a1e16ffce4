//! The detector: samples in, and an observation out after each hop.

use crate::input::{Input, Number, Sampler, command_bytes};
use crate::learn::{Begin, Judgement, Learn, Status};
use crate::message::Sampled;
use crate::monitor::{Monitor, Verdict};
use crate::{Codec, Error, Learner};
use autoencoder_core::blob::Thresholds;
use autoencoder_core::front_end::Spec;
use autoencoder_core::wire;
use embedded_storage::nor_flash::NorFlash;
use serde::{Deserialize, Serialize};

/// What a detector finds in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The score of the window's row: its reconstruction error.
    #[serde(serialize_with = "wire::number")]
    pub score: u32,
    /// The upper threshold of scores: the learned one, or that of the blob.
    #[serde(serialize_with = "wire::number")]
    pub threshold: u32,
    /// The number of inputs that were clipped to the ends of their scales. What is not a number counts as clipped.
    #[serde(serialize_with = "wire::number")]
    pub clipped: u32,
    /// The verdict on the stream so far.
    pub verdict: Verdict,
    /// CRC-32 of the row, for a comparison with another machine.
    #[serde(serialize_with = "wire::number")]
    pub row: u32,
}

impl Observation {
    /// Whether the window is unlike those that the network knows: its score is above the threshold.
    pub const fn above(&self) -> bool {
        self.score > self.threshold
    }

    /// Whether the stream has drifted: [`crate::monitor`].
    pub const fn drifted(&self) -> bool {
        self.verdict.drifted
    }
}

/// Window, front end, network and monitor of a sensor, and optionally learning.
///
/// `L` is [`Frozen`](crate::Frozen) or a [`Learner`], and `I` a [`Sampler`]. [`App`](crate::App) is the same behind a
/// serial line; with [`RowsOnly`](crate::input::RowsOnly) it takes no samples.
///
/// ```
/// use autoencoder_device::detector::Detector;
/// use autoencoder_device::input::{Sampler, SamplerMemory};
/// use autoencoder_device::{Codec, Error, Frozen};
///
/// let (mut activations, mut windows) = ([0; 1024], SamplerMemory::<600, 100>::new());
/// let codec = Codec::new(&mut activations, Frozen);
/// let mut detector = Detector::new(codec, Sampler::new(windows.buffers()));
/// detector.load(&[]); // the blob in flash; here, there is none
///
/// let acceleration: [i16; 3] = [-12, 40, 1003];
/// match detector.push(&acceleration) {
///     Ok(Some(observation)) if observation.drifted() => { /* the machine sounds different */ }
///     Ok(_) => {}
///     Err(error) => assert!(matches!(error, Error::Weights(_))),
/// }
/// ```
///
/// A complete program is `examples/detector.rs`.
pub struct Detector<'b, 'm, L, I = Sampler<'b, 'm>> {
    codec: Codec<'b, 'm, L>,
    monitor: Monitor,
    input: I,
}

impl<'b, 'm, L: Learn, I: Input<'b>> Detector<'b, 'm, L, I> {
    /// A detector without weights.
    pub fn new(codec: Codec<'b, 'm, L>, input: I) -> Self {
        Self { codec, monitor: Monitor::new(Thresholds::NONE), input }
    }

    /// Loads the network of `blob`, and resets the window and the monitor. If the network cannot be used, every method
    /// returns the reason.
    pub fn load(&mut self, blob: &'b [u8]) {
        self.codec.load(blob);
        if let Ok(network) = self.codec.network()
            && let Err(error) = self.input.start(network)
        {
            self.codec.refuse(error);
        }
        self.monitor = Monitor::new(self.codec.thresholds().unwrap_or(Thresholds::NONE));
    }

    /// The codec, which takes rows.
    pub fn codec(&mut self) -> &mut Codec<'b, 'm, L> {
        &mut self.codec
    }

    /// Bytes of memory that it was given.
    pub fn memory_bytes(&self) -> usize {
        self.codec.memory_bytes() + self.input.memory_bytes()
    }

    /// Bytes of this memory that the network leaves unused; 0 without a network.
    pub fn spare_bytes(&self) -> usize {
        if self.codec.network().is_ok() { self.codec.spare_bytes() + self.input.spare_bytes() } else { 0 }
    }

    /// Bytes of the longest row, code, samples or other answer in a frame to or from a device with this detector; an
    /// error without a network.
    pub(crate) fn longest_row(&self) -> Result<usize, Error> {
        let network = self.codec.network()?;
        let samples = self.input.spec().map_or(0, |spec| command_bytes(&spec));
        Ok(network.topology().row().max(network.code_bytes()).max(L::ROW).max(samples))
    }

    /// Begins a new recording with the next sample: the window and the vote of the monitor start anew. Returns the shape
    /// of the samples.
    pub fn restart(&mut self) -> Result<Spec, Error> {
        let spec = self.spec()?;
        self.input.restart();
        self.monitor = Monitor::new(self.codec.thresholds()?);
        Ok(spec)
    }

    /// Scores the next row of a stream. Returns the score and the verdict on the stream so far.
    pub fn monitor(&mut self, row: &[u8]) -> Result<(u32, Verdict), Error> {
        monitor(&mut self.codec, &mut self.monitor, row)
    }

    /// The shape of the samples; an error unless there is a network that takes samples.
    pub fn spec(&self) -> Result<Spec, Error> {
        I::reply(Sampled::Incomplete)?; // known when it is compiled: an image that takes rows alone has none of the rest
        self.codec.network()?;
        self.input.spec()
    }

    /// Takes samples in the form of a message: little-endian `f32`.
    pub(crate) fn push_bytes(&mut self, samples: &[u8]) -> Result<Option<Observation>, Error> {
        self.spec()?;
        let clipped = self.input.push_bytes(samples)?;
        clipped.map(|clipped| self.observe(clipped)).transpose()
    }

    /// Observes the row of the last window.
    fn observe(&mut self, clipped: u32) -> Result<Observation, Error> {
        let (score, verdict) = monitor(&mut self.codec, &mut self.monitor, self.input.row())?;
        let threshold = self.codec.thresholds()?.upper;
        Ok(Observation { score, threshold, clipped, verdict, row: self.monitor.last_row() })
    }

    /// Learns from samples in the form of a message.
    pub(crate) fn learn_bytes(&mut self, samples: &[u8]) -> Result<Option<(u32, bool)>, Error> {
        self.spec()?;
        self.codec.learner()?.0.ensure_running()?;
        let clipped = self.input.push_bytes(samples)?;
        clipped.map(|clipped| self.learn_window(clipped)).transpose()
    }

    /// Learns from the row of the last window, with this number of clipped inputs.
    fn learn_window(&mut self, clipped: u32) -> Result<(u32, bool), Error> {
        let (learner, network, memory) = self.codec.learner()?;
        learner.learn(network, memory, self.input.row(), Some(clipped))
    }

    /// The state of learning. As each method about learning: [`Error::Frozen`] without a [`Learner`].
    pub fn status(&mut self) -> Result<Status, Error> {
        let (learner, network, _) = self.codec.learner()?;
        learner.status(network)
    }

    /// Begins a run of learning. A run in progress is discarded.
    pub fn begin(&mut self, begin: Begin) -> Result<(), Error> {
        // A hop of 0 is no hop: `Spec::check`.
        let overlap = self.input.spec().map_or(0, |spec| u32::from(spec.window.saturating_sub(1) / spec.hop.max(1)));
        let (learner, network, _) = self.codec.learner()?;
        learner.begin(network, begin, overlap)
    }

    /// Gives the run its next row: [`Learn::learn`].
    pub fn learn_row(&mut self, row: &[u8]) -> Result<(u32, bool), Error> {
        let (learner, network, memory) = self.codec.learner()?;
        learner.learn(network, memory, row, None)
    }

    /// Takes the next step of the further passes over the stored windows, if one is left. Returns how many are left then.
    /// Call it until none is, between the last window and [`Self::end`].
    pub fn repeat(&mut self) -> Result<u32, Error> {
        self.spec()?;
        let (learner, network, memory) = self.codec.learner()?;
        learner.repeat(network, memory)
    }

    /// Ends the run. Keeps what helps, and undoes the rest: [`Judgement::kept`].
    pub fn end(&mut self) -> Result<Judgement, Error> {
        let (learner, network, memory) = self.codec.learner()?;
        learner.end(network, memory, I::SAMPLES)
    }

    /// Discards what was learned, in RAM and in flash.
    pub fn reset(&mut self) -> Result<(), Error> {
        let (learner, network, _) = self.codec.learner()?;
        learner.reset(network)
    }
}

impl<L: Learn> Detector<'_, '_, L> {
    /// Takes the next sample, a number for each channel. Returns an observation if it completes a window.
    ///
    /// Errors: [`Error::Channels`], and the reason why there is no network or why it takes no samples.
    pub fn push(&mut self, sample: &[impl Number]) -> Result<Option<Observation>, Error> {
        self.codec.network()?;
        let clipped = self.input.push(sample)?;
        clipped.map(|clipped| self.observe(clipped)).transpose()
    }

    /// Takes the next sample of a run of learning. If it completes a window, the run gets its row: [`Learn::learn`].
    /// Without a run, the sample is not taken: [`Error::NotLearning`].
    pub fn learn(&mut self, sample: &[impl Number]) -> Result<Option<(u32, bool)>, Error> {
        self.codec.learner()?.0.ensure_running()?;
        let clipped = self.input.push(sample)?;
        clipped.map(|clipped| self.learn_window(clipped)).transpose()
    }
}

impl<'b, 'm, F: NorFlash, I: Input<'b>> Detector<'b, 'm, Learner<'m, F>, I> {
    /// Attaches the flash that keeps the learned parameters, and loads those that were saved for this network. Call it
    /// after [`Self::load`]: without a network, the flash is dropped.
    pub fn attach_flash(&mut self, flash: F) {
        if let Ok((learner, network, _)) = self.codec.learner() {
            learner.attach_flash(network, flash);
        }
    }
}

/// Scores a row and adds it to the stream.
fn monitor<L: Learn>(codec: &mut Codec<'_, '_, L>, monitor: &mut Monitor, row: &[u8]) -> Result<(u32, Verdict), Error> {
    let score = codec.score(row)?;
    monitor.set_thresholds(codec.thresholds()?);
    Ok((score, monitor.push(row, score)))
}
