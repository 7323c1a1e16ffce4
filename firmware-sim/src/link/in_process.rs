//! The device in this process, guarded: it runs on a separate stack, and each of its allocations is counted.

use super::stack::Stack;
use super::{Link, LinkError, Ram};
use crate::board::STORED_BYTES;
use autoencoder_core::adapt::{LearningMemory, Moments, gradients};
use autoencoder_core::front_end::{Section, Spec};
use autoencoder_core::network::memory_bytes;
use autoencoder_core::quant::{ChannelParams, Native, code};
use autoencoder_core::{Network, Topology, Zeroed};
use autoencoder_device::flash::Nor;
use autoencoder_device::frame::frame_bytes;
use autoencoder_device::input::{Input, SamplerBuffers, command_bytes};
use autoencoder_device::learn::{HELD_OUT, Learn, LearnerBuffers};
use autoencoder_device::{App, Buffers, Frozen, Learner, Sampler};

/// A device whose buffers are exactly as long as its network needs.
pub struct InProcess<'b> {
    app: Application<'b>,
    stack: Stack,
    /// Bytes of the longest frame that it sends.
    longest: usize,
    /// The answer. It is reserved before the application runs, because it belongs to the line, not to the application.
    answer: Vec<u8>,
}

/// The application, with learning or without.
enum Application<'b> {
    Frozen(Box<App<'b, 'static, Frozen>>),
    Learning(Box<App<'b, 'static, FlashLearner>>),
    Detector(Box<App<'b, 'static, Frozen, Sampler<'b, 'static>>>),
    LearningDetector(Box<App<'b, 'static, FlashLearner, Sampler<'b, 'static>>>),
}

type FlashLearner = Learner<'static, Nor<Vec<u8>>>;

/// The longest row of a device whose blob cannot be opened. Its answers report the reason.
const ROW_WITHOUT_NETWORK: usize = 64;

impl<'b> InProcess<'b> {
    /// Boots the application with a blob in its flash, valid or not.
    pub fn boot(blob: &'b [u8]) -> Result<Self, LinkError> {
        let network = Network::open(blob).ok();
        let row = longest_row::<Frozen>(network.as_ref());
        let app = App::new(buffers(network.as_ref(), row), Frozen);
        Self::start(Application::Frozen(Box::new(app)), row, blob, None)
    }

    /// As [`Self::boot`], with an application that learns. It keeps its learned parameters in a flash with these
    /// contents.
    pub fn boot_learning(blob: &'b [u8], flash: Vec<u8>) -> Result<Self, LinkError> {
        let network = Network::open(blob).ok();
        let row = longest_row::<FlashLearner>(network.as_ref());
        let app = App::new(buffers(network.as_ref(), row), Learner::new(learner_buffers(network.as_ref(), 0)));
        Self::start(Application::Learning(Box::new(app)), row, blob, Some(flash))
    }

    /// As [`Self::boot`], with an application that also takes samples; and learns, if it is given a flash.
    pub fn boot_detector(blob: &'b [u8], flash: Option<Vec<u8>>) -> Result<Self, LinkError> {
        let network = Network::open(blob).ok();
        let network = network.as_ref();
        let spec = network.and_then(spec);
        let sampler = Sampler::new(sampler_buffers(spec.as_ref()));
        let samples = spec.as_ref().map_or(0, command_bytes);
        if flash.is_none() {
            let row = longest_row::<Frozen>(network).max(samples);
            let app = App::detector(buffers(network, row), Frozen, sampler);
            return Self::start(Application::Detector(Box::new(app)), row, blob, None);
        }
        let row = longest_row::<FlashLearner>(network).max(samples);
        let learner = Learner::new(learner_buffers(network, STORED_BYTES));
        let app = App::detector(buffers(network, row), learner, sampler);
        Self::start(Application::LearningDetector(Box::new(app)), row, blob, flash)
    }

    fn start(app: Application<'b>, row: usize, blob: &'b [u8], flash: Option<Vec<u8>>) -> Result<Self, LinkError> {
        let longest = frame_bytes(row);
        let mut device = Self { app, stack: Stack::new()?, longest, answer: Vec::with_capacity(longest) };
        device.guarded(|app, _| app.load(blob, flash))?;
        Ok(device)
    }

    /// Runs a part of the application on the guarded stack.
    fn guarded(&mut self, f: impl FnOnce(&mut Application<'b>, &mut Vec<u8>)) -> Result<(), LinkError> {
        let Self { app, stack, answer, .. } = self;
        stack.guard(|| f(app, answer))
    }
}

impl<'b> Application<'b> {
    fn load(&mut self, blob: &'b [u8], flash: Option<Vec<u8>>) {
        match self {
            Self::Frozen(app) => app.load(blob),
            Self::Detector(app) => app.load(blob),
            Self::Learning(app) => load_with_flash(app, blob, flash),
            Self::LearningDetector(app) => load_with_flash(app, blob, flash),
        }
    }

    fn push(&mut self, byte: u8) -> Option<&[u8]> {
        match self {
            Self::Frozen(app) => app.push(byte),
            Self::Learning(app) => app.push(byte),
            Self::Detector(app) => app.push(byte),
            Self::LearningDetector(app) => app.push(byte),
        }
    }

    fn static_bytes(&self) -> usize {
        match self {
            Self::Frozen(app) => app.static_bytes(),
            Self::Learning(app) => app.static_bytes(),
            Self::Detector(app) => app.static_bytes(),
            Self::LearningDetector(app) => app.static_bytes(),
        }
    }
}

#[cfg(test)]
impl Application<'_> {
    fn spare_bytes(&self) -> usize {
        match self {
            Self::Frozen(app) => app.spare_bytes(),
            Self::Learning(app) => app.spare_bytes(),
            Self::Detector(app) => app.spare_bytes(),
            Self::LearningDetector(app) => app.spare_bytes(),
        }
    }
}

fn load_with_flash<'b, I: Input<'b>>(
    app: &mut App<'b, 'static, FlashLearner, I>,
    blob: &'b [u8],
    flash: Option<Vec<u8>>,
) {
    app.load(blob);
    if let Some(flash) = flash {
        app.attach_flash(Nor::new(flash));
    }
}

impl Link for InProcess<'_> {
    fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError> {
        self.answer.clear();
        // Every frame ends with a zero and is answered at that byte.
        let frames = request.split(|byte| *byte == 0).count();
        self.answer.reserve(frames * self.longest);
        self.guarded(|app, answer| {
            for byte in request {
                if let Some(frame) = app.push(*byte) {
                    answer.extend_from_slice(frame);
                }
            }
        })?;
        Ok(&self.answer)
    }

    fn ram(&mut self) -> Result<Ram, LinkError> {
        Ok(Ram { statics: self.app.static_bytes(), spare: 0, stack: self.stack.used(), heap: 0 })
    }
}

/// Bytes of RAM of the application for a network, without the stack.
pub fn static_bytes(topology: &Topology, code_bits: u8) -> usize {
    size_of::<App<'_, '_, Frozen>>() + buffer_bytes::<Frozen>(topology, code_bits)
}

/// Bytes of RAM of an application that learns, without the stack.
pub fn learning_static_bytes(topology: &Topology, code_bits: u8) -> usize {
    let channels = topology.channels() * (size_of::<ChannelParams>() + size_of::<[Moments; 2]>());
    let learner = channels + gradients(topology) * size_of::<f32>() + HELD_OUT * topology.row();
    size_of::<App<'_, '_, FlashLearner>>() + buffer_bytes::<FlashLearner>(topology, code_bits) + learner
}

fn buffer_bytes<L: Learn>(topology: &Topology, code_bits: u8) -> usize {
    let row = topology.row().max(code::packed_bytes(topology.code(), code_bits)).max(L::ROW);
    memory_bytes::<Native>(topology) + 2 * frame_bytes(row)
}

/// Bytes of the longest row, code or other answer of the device.
fn longest_row<L: Learn>(network: Option<&Network<'_>>) -> usize {
    network.map_or(ROW_WITHOUT_NETWORK, |network| network.topology().row().max(network.code_bytes()).max(L::ROW))
}

/// The buffers for a network.
fn buffers(network: Option<&Network<'_>>, row: usize) -> Buffers<'static> {
    Buffers {
        activations: static_memory(0, network.map_or(0, Network::memory_bytes)),
        receive: static_memory(0, frame_bytes(row)),
        transmit: static_memory(0, frame_bytes(row)),
    }
}

/// The shape of a network's samples, if its blob has a usable input section.
fn spec(network: &Network<'_>) -> Option<Spec> {
    Section::read(network.blob().input().ok()?).ok().map(|section| section.spec)
}

/// The buffers for windows of samples.
fn sampler_buffers(spec: Option<&Spec>) -> SamplerBuffers<'static> {
    SamplerBuffers {
        numbers: static_memory(0.0, spec.map_or(0, |spec| spec.samples() + spec.scratch())),
        row: static_memory(0, spec.map_or(0, Spec::inputs)),
    }
}

/// The buffers for learning with a network, with `stored` bytes for rows that a run goes over again.
fn learner_buffers(network: Option<&Network<'_>>, stored: usize) -> LearnerBuffers<'static> {
    let channels = network.map_or(0, Network::channels);
    LearnerBuffers {
        learning: LearningMemory {
            channels: static_memory(ChannelParams::ZERO, channels),
            moments: static_memory([Moments::ZERO; 2], channels),
            gradients: static_memory(0.0, network.map_or(0, |network| gradients(network.topology()))),
        },
        held_out: static_memory(0, HELD_OUT * network.map_or(0, |network| network.topology().row())),
        stored: static_memory(0, stored),
    }
}

/// Memory that is never freed, like the statics of a device.
fn static_memory<T: Copy>(value: T, length: usize) -> &'static mut [T] {
    Box::leak(vec![value; length].into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use autoencoder_core::front_end::FrontEnd;
    use std::hint::black_box;

    fn device() -> InProcess<'static> {
        InProcess::boot(&[]).unwrap()
    }

    #[test]
    fn an_allocation_is_caught() {
        let outcome = device().guarded(|_, _| drop(black_box(vec![0u8; 100])));
        assert!(matches!(outcome, Err(LinkError::Heap { count: 1, bytes: 100 })), "{outcome:?}");
        // Freeing memory is not an allocation.
        let mut boxed = Some(Box::new(1u8));
        device().guarded(|_, _| drop(boxed.take())).unwrap();
    }

    #[test]
    fn a_panic_is_caught() {
        let outcome = device().guarded(|_, _| std::panic::resume_unwind(Box::new(1u8)));
        assert!(matches!(outcome, Err(LinkError::Panic)), "{outcome:?}");
    }

    #[test]
    fn the_static_size_follows_from_the_topology_and_nothing_is_spare() {
        for topology in ["784-256-128-256-784", "70-9r-3-9r-70i", "30-30", "4-8-4", "64-20-30-5-64"] {
            let weights = random::weights(&topology.parse().unwrap()).unwrap();
            for mut device in [
                InProcess::boot(weights.bytes()).unwrap(),
                InProcess::boot_learning(weights.bytes(), vec![0xff; 32 * 1024]).unwrap(),
            ] {
                let expected = match &device.app {
                    Application::Learning(_) => learning_static_bytes(weights.topology(), 8),
                    _ => static_bytes(weights.topology(), 8),
                };
                assert_eq!((device.app.static_bytes(), device.app.spare_bytes()), (expected, 0), "{topology}");
                assert!(device.ram().unwrap().used() > 500);
            }
        }
    }

    #[test]
    fn a_detector_has_no_spare_memory_either() {
        for front_end in [FrontEnd::Raw, FrontEnd::Centred, FrontEnd::Spectrum { bands: 8 }] {
            let spec = Spec { channels: 2, window: 16, hop: 5, rate: 0.0, front_end };
            let inputs = spec.inputs();
            let topology = format!("{inputs}-6-{inputs}").parse().unwrap();
            let weights = random::weights_for(&topology, &crate::random_samples::section(&spec)).unwrap();
            let statics = [None, Some(vec![0xff; 32 * 1024])].map(|flash| {
                let mut device = InProcess::boot_detector(weights.bytes(), flash).unwrap();
                assert_eq!(device.app.spare_bytes(), 0, "{spec:?}");
                device.ram().unwrap().statics
            });
            let least = 4 * (spec.samples() + spec.scratch()) + spec.inputs();
            assert!(statics[0] > least && statics[1] > statics[0] + STORED_BYTES, "{spec:?}: {statics:?}");
        }
    }
}
