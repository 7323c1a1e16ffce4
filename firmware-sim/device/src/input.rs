//! From the samples of a sensor to the rows of the network.
//!
//! The blob's input section says how: [`autoencoder_core::front_end`]. A [`Sampler`] keeps the last samples in a ring and
//! computes a row after each hop:
//!
//! ```text
//! samples  0 1 2 3 4 5 6 7 8 ...        window 4, hop 2
//! windows  └─────┘
//!              └─────┘
//!                  └─────┘
//! ```
//!
//! A hop that is longer than the window leaves samples out.

use crate::Error;
use crate::message::Sampled;
use autoencoder_core::front_end::{self, Section, Spec, Window};
use autoencoder_core::{Error as WeightsError, Network, Resource};
use serde::{Deserialize, Serialize};

/// A number of a sample.
pub trait Number: Copy {
    /// The number as the front end takes it, rounded to the nearest `f32`.
    fn to_f32(self) -> f32;
}

impl Number for f32 {
    fn to_f32(self) -> f32 {
        self
    }
}

impl Number for i16 {
    fn to_f32(self) -> f32 {
        self.into()
    }
}

impl Number for i32 {
    fn to_f32(self) -> f32 {
        self as f32
    }
}

/// A little-endian `f32`, as a message carries it.
impl Number for [u8; 4] {
    fn to_f32(self) -> f32 {
        f32::from_le_bytes(self)
    }
}

/// What a device takes: rows alone ([`RowsOnly`], the default bodies), or also the samples of a sensor ([`Sampler`]).
pub trait Input<'b>: Sized {
    /// What [`Reply::Sampled`](crate::Reply::Sampled) carries.
    type Reply: Serialize;

    /// Whether the device takes samples. A constant, so that an image that takes rows alone has no code for the rest.
    const SAMPLES: bool = false;

    /// The contents of a reply. Errors: [`Error::RowsOnly`].
    fn reply(sampled: Sampled) -> Result<Self::Reply, Error>;

    /// Prepares for a network that was loaded. Returns [`WeightsError::Capacity`] if the memory is too small for its
    /// windows.
    fn start(&mut self, _: &Network<'b>) -> Result<(), WeightsError> {
        Ok(())
    }

    /// Bytes of the buffers for windows.
    fn memory_bytes(&self) -> usize {
        0
    }

    /// Bytes of these buffers that the network leaves unused.
    fn spare_bytes(&self) -> usize {
        0
    }

    /// The shape of the samples.
    fn spec(&self) -> Result<Spec, Error> {
        Err(Error::RowsOnly)
    }

    /// Begins a new window with the next sample.
    fn restart(&mut self) {}

    /// Takes samples in the form of a message. Returns the number of clipped inputs if they complete a window, whose
    /// row is then [`Self::row`].
    fn push_bytes(&mut self, _: &[u8]) -> Result<Option<u32>, Error> {
        Err(Error::RowsOnly)
    }

    /// The row of the last window.
    fn row(&self) -> &[u8] {
        &[]
    }
}

/// A device that takes rows alone: every command with samples is refused with [`Error::RowsOnly`].
#[derive(Clone, Copy, Debug, Default)]
pub struct RowsOnly;

/// The replies about samples of a device that takes rows alone: there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Never {}

impl Input<'_> for RowsOnly {
    type Reply = Never;

    fn reply(_: Sampled) -> Result<Never, Error> {
        Err(Error::RowsOnly)
    }
}

/// The buffers of a sampler as arrays, for a `static`.
///
/// `NUMBERS` is [`Spec::samples`] + [`Spec::scratch`], and `ROW` is [`Spec::inputs`], of the largest network.
pub struct SamplerMemory<const NUMBERS: usize, const ROW: usize> {
    numbers: [f32; NUMBERS],
    row: [u8; ROW],
}

impl<const NUMBERS: usize, const ROW: usize> SamplerMemory<NUMBERS, ROW> {
    /// All zeros: a static lies in `.bss` and takes no flash.
    pub const fn new() -> Self {
        Self { numbers: [0.0; NUMBERS], row: [0; ROW] }
    }

    /// Lends the buffers to a sampler.
    pub fn buffers(&mut self) -> SamplerBuffers<'_> {
        let Self { numbers, row } = self;
        SamplerBuffers { numbers, row }
    }
}

impl<const NUMBERS: usize, const ROW: usize> Default for SamplerMemory<NUMBERS, ROW> {
    fn default() -> Self {
        Self::new()
    }
}

/// The buffers of a sampler. Their lengths are its capacities: a network that needs more is refused.
#[derive(Debug)]
pub struct SamplerBuffers<'m> {
    /// The samples of a window and the scratch of the front end: [`Spec::samples`] + [`Spec::scratch`].
    pub numbers: &'m mut [f32],
    /// The row of a window: [`Spec::inputs`].
    pub row: &'m mut [u8],
}

/// Computes the rows of a network from samples.
pub struct Sampler<'b, 'm> {
    /// The blob's input section, or the reason why the network takes no samples.
    section: Result<Section<'b>, Error>,
    /// The ring of samples, then the scratch of the front end.
    numbers: &'m mut [f32],
    row: &'m mut [u8],
    /// The place in the ring of the next sample, where the oldest one is.
    next: usize,
    /// Samples until the next window is complete.
    left: usize,
}

impl<'m> Sampler<'_, 'm> {
    /// A sampler without a network.
    pub fn new(buffers: SamplerBuffers<'m>) -> Self {
        let SamplerBuffers { numbers, row } = buffers;
        Self { section: Err(Error::NoSection), numbers, row, next: 0, left: 0 }
    }

    /// Takes the next sample, a number for each channel. If it completes a window, computes the row and returns the
    /// number of inputs that were clipped to the ends of their scales.
    ///
    /// Errors: [`Error::Channels`], and the reason why the network takes no samples.
    pub fn push(&mut self, sample: &[impl Number]) -> Result<Option<u32>, Error> {
        let section = self.section?;
        let Section { spec, .. } = &section;
        let channels = usize::from(spec.channels);
        if sample.len() != channels {
            return Err(Error::Channels { expected: channels as u32, found: sample.len() as u32 });
        }
        let (ring, scratch) = self.numbers.split_at_mut_checked(spec.samples()).unwrap_or_default();
        let place = ring.chunks_exact_mut(channels.max(1)).nth(self.next).unwrap_or_default();
        for (to, x) in place.iter_mut().zip(sample) {
            *to = x.to_f32();
        }
        self.next = if self.next + 1 < spec.window.into() { self.next + 1 } else { 0 };
        if self.left > 1 {
            self.left -= 1;
            return Ok(None);
        }
        self.left = spec.hop.into();
        let window = Window::new(ring, self.next, channels);
        let row = self.row.get_mut(..spec.inputs()).unwrap_or_default();
        Ok(Some(front_end::row(spec, section.scales(), &window, scratch, row)))
    }
}

impl<'b> Input<'b> for Sampler<'b, '_> {
    type Reply = Sampled;

    const SAMPLES: bool = true;

    fn reply(sampled: Sampled) -> Result<Sampled, Error> {
        Ok(sampled)
    }

    fn start(&mut self, network: &Network<'b>) -> Result<(), WeightsError> {
        self.section = section(network);
        let Ok(Section { spec, .. }) = &self.section else { return Ok(()) };
        WeightsError::check_capacity(Resource::Window, spec.samples() + spec.scratch(), self.numbers.len())?;
        WeightsError::check_capacity(Resource::Row, spec.inputs(), self.row.len())?;
        self.restart();
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        size_of_val(self.numbers) + self.row.len()
    }

    fn spare_bytes(&self) -> usize {
        self.memory_bytes().saturating_sub(self.spec().map_or(0, |spec| window_bytes(&spec)))
    }

    fn spec(&self) -> Result<Spec, Error> {
        self.section.map(|section| section.spec)
    }

    fn restart(&mut self) {
        self.next = 0;
        self.left = self.section.map_or(0, |section| section.spec.window.into());
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> Result<Option<u32>, Error> {
        let spec = self.spec()?;
        let (numbers, rest) = bytes.as_chunks::<{ size_of::<f32>() }>();
        let channels = usize::from(spec.channels);
        let samples = numbers.chunks_exact(channels.max(1));
        if !rest.is_empty() || !samples.remainder().is_empty() {
            let found = numbers.len() + usize::from(!rest.is_empty());
            return Err(Error::Channels { expected: channels as u32, found: found as u32 });
        }
        let most = samples_in_command(&spec);
        if samples.len() > most {
            let [expected, found] = [most * channels * size_of::<f32>(), bytes.len()].map(|bytes| bytes as u32);
            return Err(Error::Length { expected, found });
        }
        let mut clipped = None;
        for sample in samples {
            if let Some(count) = self.push(sample)? {
                clipped = Some(count);
            }
        }
        Ok(clipped)
    }

    fn row(&self) -> &[u8] {
        let inputs = self.spec().map_or(0, |spec| spec.inputs());
        self.row.get(..inputs).unwrap_or_default()
    }
}

/// Bytes of the buffers of a [`Sampler`]: a window, the scratch of the front end, and a row.
pub fn window_bytes(spec: &Spec) -> usize {
    size_of::<f32>() * (spec.samples() + spec.scratch()) + spec.inputs()
}

/// The input section of a network's blob. Errors: [`Error::NoSection`], [`Error::Inputs`], and
/// [`WeightsError::Malformed`].
pub fn section<'b>(network: &Network<'b>) -> Result<Section<'b>, Error> {
    let bytes = network.blob().input()?;
    if bytes.is_empty() {
        return Err(Error::NoSection);
    }
    let section = Section::read(bytes)?;
    let [expected, found] = [network.topology().inputs(), section.spec.inputs()];
    if expected != found {
        return Err(Error::Inputs { expected: expected as u32, found: found as u32 });
    }
    Ok(section)
}

/// Bytes of the samples in one command, unless one sample alone has more.
const COMMAND_BYTES: usize = 256;

/// The most samples in one command: a hop, so that no more than one window is completed, or fewer if the samples are
/// large.
pub fn samples_in_command(spec: &Spec) -> usize {
    let most = COMMAND_BYTES / (size_of::<f32>() * usize::from(spec.channels).max(1));
    most.clamp(1, usize::from(spec.hop).max(1))
}

/// Bytes of the samples in the longest command.
pub fn command_bytes(spec: &Spec) -> usize {
    size_of::<f32>() * usize::from(spec.channels) * samples_in_command(spec)
}
